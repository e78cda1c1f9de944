/* Preloaded: writes down everything that a program does to the files of one
 * folder, and what of it was synced, so that torture/powercut.py can say what
 * the disk holds if the power goes at any moment.
 *
 *   POWERCUT_STATE  the folder      POWERCUT_LOG  where to write, appended
 *
 * An entry is written after the call and before it returns to its caller, that
 * of a sync's begin before the call: so what the log has before a sync's begin
 * is on the disk once the log has the sync's end. SQLite's calls come along.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum op {
    OP_CREATE,
    OP_MKDIR,
    OP_RENAME,
    OP_REMOVE,
    OP_WRITE,
    OP_TRUNCATE,
    OP_RESERVE,
    OP_SYNC_BEGIN,
    OP_SYNC_END,
};

struct entry {
    uint64_t time_ns; /* CLOCK_MONOTONIC */
    uint64_t ino;
    uint64_t at; /* offset or length */
    uint32_t op;
    uint32_t pid;
    uint32_t path_len;
    uint32_t data_len; /* of a write: bytes; of a rename: the new name */
};

static const char *state; /* NULL: nothing is written down */
static size_t state_len;
static int log_fd = -1;

/* dlsym gives a pointer to an object, and ISO C has no cast from that. */
#define NEXT(name)            \
    union {                   \
        void *from;           \
        __typeof__(name) *to; \
    } next = {.from = dlsym(RTLD_NEXT, #name)}

__attribute__((constructor)) static void
start(void)
{
    const char *log = getenv("POWERCUT_LOG");
    state = getenv("POWERCUT_STATE");
    if (log == NULL || state == NULL) {
        state = NULL;
        return;
    }
    state_len = strlen(state);
    /* High, for the programs choose numbers and close what they do not know. */
    const int fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    if (fd < 0 || log_fd < 0) {
        abort();
    }
    close(fd);
}

static bool
is_ours(const char *path)
{
    return state != NULL && strncmp(path, state, state_len) == 0 &&
           (path[state_len] == '/' || path[state_len] == '\0') &&
           strstr(path, "-shm") == NULL;
}

static void
note(enum op op, uint64_t ino, uint64_t at, const char *path, const void *data,
    size_t len)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct entry e = {
        .time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
        .ino = ino,
        .at = at,
        .op = op,
        .pid = (uint32_t)getpid(),
        .path_len = (uint32_t)strlen(path),
        .data_len = (uint32_t)len,
    };
    union {
        const void *from;
        void *to;
    } name = {path}, bytes = {data};
    const struct iovec parts[] = {
        {&e, sizeof e}, {name.to, e.path_len}, {bytes.to, len}};
    NEXT(writev);
    if (next.to(log_fd, parts, 3) !=
        (ssize_t)(sizeof e + e.path_len + e.data_len)) {
        abort();
    }
}

/* The file's path, when it is one of ours. */
static bool
path_of(int fd, char out[PATH_MAX], uint64_t *ino)
{
    char link[64];
    struct stat sb;
    if (state == NULL || fd == log_fd) {
        return false;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, out, PATH_MAX - 1);
    if (n < 0) {
        return false;
    }
    out[n] = '\0';
    if (!is_ours(out) || fstat(fd, &sb) != 0) {
        return false;
    }
    *ino = sb.st_ino;
    return true;
}

static void
note_fd(enum op op, int fd, uint64_t at, const void *data, size_t len)
{
    char path[PATH_MAX];
    uint64_t ino;
    if (path_of(fd, path, &ino)) {
        note(op, ino, at, path, data, len);
    }
}

/* --- files --------------------------------------------------------------- */

static int
note_opened(int fd, const char *path, bool is_new)
{
    if (fd >= 0 && is_new && is_ours(path)) {
        note_fd(OP_CREATE, fd, 0, NULL, 0);
    }
    return fd;
}

#define OPEN_LIKE(name)                                                        \
    int name(const char *path, int flags, ...)                                 \
    {                                                                          \
        NEXT(name);                                                            \
        va_list more;                                                          \
        va_start(more, flags);                                                 \
        const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                          \
        const bool is_new = (flags & O_CREAT) != 0 && access(path, F_OK) != 0; \
        return note_opened(next.to(path, flags, mode), path, is_new);          \
    }

OPEN_LIKE(open)
OPEN_LIKE(open64)

int
mkostemp(char *name, int flags)
{
    NEXT(mkostemp);
    return note_opened(next.to(name, flags), name, true);
}

#define PWRITE_LIKE(name)                                         \
    ssize_t name(int fd, const void *from, size_t len, off_t at)  \
    {                                                             \
        NEXT(name);                                               \
        const ssize_t n = next.to(fd, from, len, at);             \
        if (n > 0) {                                              \
            note_fd(OP_WRITE, fd, (uint64_t)at, from, (size_t)n); \
        }                                                         \
        return n;                                                 \
    }

PWRITE_LIKE(pwrite)
PWRITE_LIKE(pwrite64)

ssize_t
pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    NEXT(pwritev);
    const ssize_t n = next.to(fd, parts, count, at);
    size_t left = n > 0 ? (size_t)n : 0;
    uint64_t to = (uint64_t)at;
    for (int i = 0; i < count && left > 0; i++) {
        const size_t len = parts[i].iov_len < left ? parts[i].iov_len : left;
        note_fd(OP_WRITE, fd, to, parts[i].iov_base, len);
        to += len;
        left -= len;
    }
    return n;
}

#define TRUNCATE_LIKE(name)                                   \
    int name(int fd, off_t len)                               \
    {                                                         \
        NEXT(name);                                           \
        const int done = next.to(fd, len);                    \
        if (done == 0) {                                      \
            note_fd(OP_TRUNCATE, fd, (uint64_t)len, NULL, 0); \
        }                                                     \
        return done;                                          \
    }

TRUNCATE_LIKE(ftruncate)
TRUNCATE_LIKE(ftruncate64)

int
posix_fallocate(int fd, off_t at, off_t len)
{
    NEXT(posix_fallocate);
    const int failed = next.to(fd, at, len);
    if (failed == 0) {
        note_fd(OP_RESERVE, fd, (uint64_t)(at + len), NULL, 0);
    }
    return failed;
}

#define SYNC_LIKE(name)                           \
    int name(int fd)                              \
    {                                             \
        NEXT(name);                               \
        note_fd(OP_SYNC_BEGIN, fd, 0, NULL, 0);   \
        const int done = next.to(fd);             \
        if (done == 0) {                          \
            note_fd(OP_SYNC_END, fd, 0, NULL, 0); \
        }                                         \
        return done;                              \
    }

SYNC_LIKE(fsync)
SYNC_LIKE(fdatasync)

/* --- names --------------------------------------------------------------- */

static int
note_name(int done, enum op op, const char *path, const char *to)
{
    if (done == 0 && is_ours(path)) {
        note(op, 0, 0, path, to, to == NULL ? 0 : strlen(to));
    }
    return done;
}

int
mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    return note_name(next.to(path, mode), OP_MKDIR, path, NULL);
}

int
rename(const char *from, const char *to)
{
    NEXT(rename);
    return note_name(next.to(from, to), OP_RENAME, from, to);
}

int
unlink(const char *path)
{
    NEXT(unlink);
    return note_name(next.to(path), OP_REMOVE, path, NULL);
}

int
rmdir(const char *path)
{
    NEXT(rmdir);
    return note_name(next.to(path), OP_REMOVE, path, NULL);
}

int
unlinkat(int dir, const char *name, int flags)
{
    NEXT(unlinkat);
    char path[PATH_MAX + NAME_MAX + 2];
    char parent[PATH_MAX];
    uint64_t ino;
    const bool is_known = path_of(dir, parent, &ino);
    const int done = next.to(dir, name, flags);
    if (is_known) {
        snprintf(path, sizeof path, "%s/%s", parent, name);
        return note_name(done, OP_REMOVE, path, NULL);
    }
    return done;
}
