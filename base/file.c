/* Files whose result can be believed.
 *
 * Owns the sequences that make a name durable: the file's own fsync, then
 * rename, then fsync of the folder that holds the name. Modes are set exactly,
 * whatever the umask: who may read a key is the program's decision.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_LOOK_MS 20

#define READ_CHUNK ((size_t)64 * 1024)

/* Reads up to `len` bytes; `offset` -1 reads from where the descriptor is. */
static ssize_t
read_retried(int fd, void *dst, size_t len, off_t offset)
{
    ssize_t n;
    do {
        n = offset < 0 ? read(fd, dst, len) : pread(fd, dst, len, offset);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* One read into `out`. A full buffer reads one byte aside, because only the
 * end of the file tells "exactly full" from "too large". */
static enum status
read_some(
    int fd, const char *path, struct buf *out, bool *end_out, struct error *err)
{
    uint8_t probe;
    uint8_t *tail = &probe;
    size_t room = buf_room(out);
    size_t want =
        room == 0 ? sizeof(probe) : (room < READ_CHUNK ? room : READ_CHUNK);
    if (room > 0) {
        enum status st = buf_reserve(out, want, &tail);
        if (st != STATUS_OK) {
            return error_set(err, st, "no memory to read %s", path);
        }
    }
    ssize_t n = read_retried(fd, tail, want, -1);
    if (n < 0) {
        return error_sys(err, errno, "cannot read %s", path);
    }
    if (n > 0 && room == 0) {
        return error_set(
            err, STATUS_LIMIT, "%s is larger than %zu bytes", path, out->max);
    }
    buf_commit(out, (size_t)n);
    *end_out = n == 0;
    return STATUS_OK;
}

/* O_NONBLOCK is for a FIFO without anybody at its other end. */
enum status
file_open_regular(const char *path, int flags, int *fd_out, struct error *err)
{
    struct stat info;
    const int fd = open(
        path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    const int why = errno;
    if (fd < 0 && why != ELOOP && why != ENXIO && why != EISDIR) {
        return error_sys(err, why, "open %s", path);
    }
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *fd_out = fd;
        return STATUS_OK;
    }
    if (fd >= 0) {
        (void)close(fd); /* nothing was written */
    }
    return error_set(err, STATUS_CORRUPT, "%s is no regular file", path);
}

enum status
file_read(const char *path, struct buf *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_sys(err, errno, "cannot open %s", path);
    }
    size_t len_before = out->len;
    enum status st = STATUS_OK;
    bool is_end = false;
    while (st == STATUS_OK && !is_end) {
        st = read_some(fd, path, out, &is_end, err);
    }
    if (st != STATUS_OK) {
        out->len = len_before;
    }
    close(fd);
    return st;
}

enum status
file_pwrite_all(int fd, struct span bytes, off_t offset, struct error *err)
{
    while (bytes.len > 0) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.len, offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return error_sys(err, n == 0 ? EIO : errno,
                "cannot write %zu bytes at %lld", bytes.len, (long long)offset);
        }
        bytes.ptr += n;
        bytes.len -= (size_t)n;
        offset += n;
    }
    return STATUS_OK;
}

enum status
file_pread(int fd, void *dst, size_t len, off_t offset, size_t *got_out,
    struct error *err)
{
    uint8_t *at = dst;
    size_t got = 0;
    while (got < len) {
        ssize_t n = read_retried(fd, at + got, len - got, offset + (off_t)got);
        if (n < 0) {
            return error_sys(err, errno, "cannot read %zu bytes at %lld", len,
                (long long)offset);
        }
        if (n == 0) {
            break;
        }
        got += (size_t)n;
    }
    *got_out = got;
    return STATUS_OK;
}

enum status
file_fsync_dir(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_sys(err, errno, "cannot open folder %s", path);
    }
    enum status st = STATUS_OK;
    if (fsync(fd) != 0) {
        st = error_sys(err, errno, "cannot sync folder %s", path);
    }
    close(fd);
    return st;
}

static enum status
too_long(const char *path, struct error *err)
{
    return error_set(err, STATUS_LIMIT, "path too long: %.256s", path);
}

/* The folder of `path`'s last name: "." when it has no other. */
static enum status
parent_of(const char *path, char out[PATH_MAX], struct error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        memcpy(out, ".", 2);
        return STATUS_OK;
    }
    const size_t len = slash == path ? 1 : (size_t)(slash - path);
    if (len >= PATH_MAX) {
        return too_long(path, err);
    }
    memcpy(out, path, len);
    out[len] = '\0';
    return STATUS_OK;
}

enum status
file_fsync_parent(const char *path, struct error *err)
{
    char dir[PATH_MAX];
    const enum status st = parent_of(path, dir, err);
    return st == STATUS_OK ? file_fsync_dir(dir, err) : st;
}

/* Fills the new file and closes it; its bytes are on the disk afterwards. */
static enum status
fill_and_close(
    int fd, const char *path, struct span bytes, mode_t mode, struct error *err)
{
    enum status st = file_pwrite_all(fd, bytes, 0, err);
    if (st != STATUS_OK) {
        (void)error_in(err, st, "%s", path);
    } else if (fchmod(fd, mode) != 0) {
        st = error_sys(err, errno, "cannot set the mode of %s", path);
    } else if (fsync(fd) != 0) {
        st = error_sys(err, errno, "cannot sync %s", path);
    }
    if (close(fd) != 0 && st == STATUS_OK) {
        st = error_sys(err, errno, "cannot close %s", path);
    }
    return st;
}

enum status
file_write_atomic(
    const char *path, struct span bytes, mode_t mode, struct error *err)
{
    char tmp[PATH_MAX];
    int n = snprintf(tmp, sizeof(tmp), "%s.tmp-XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof(tmp)) {
        return too_long(path, err);
    }
    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0) {
        return error_sys(err, errno, "cannot create %s", tmp);
    }
    enum status st = fill_and_close(fd, tmp, bytes, mode, err);
    if (st == STATUS_OK && rename(tmp, path) != 0) {
        st = error_sys(err, errno, "cannot rename %s to %s", tmp, path);
    }
    if (st != STATUS_OK) {
        (void)unlink(tmp);
        return st;
    }
    return file_fsync_parent(path, err);
}

static enum status
check_is_dir(const char *path, struct error *err)
{
    struct stat sb;
    if (stat(path, &sb) != 0) {
        return error_sys(err, errno, "cannot look at %s", path);
    }
    if (!S_ISDIR(sb.st_mode)) {
        return error_sys(err, ENOTDIR, "cannot make folder %s", path);
    }
    return STATUS_OK;
}

static enum status
make_dir(const char *path, mode_t mode, struct error *err)
{
    if (mkdir(path, mode) != 0) {
        if (errno != EEXIST) {
            return error_sys(err, errno, "cannot make folder %s", path);
        }
        return check_is_dir(path, err);
    }
    if (chmod(path, mode) != 0) {
        return error_sys(err, errno, "cannot set the mode of %s", path);
    }
    return file_fsync_parent(path, err);
}

enum status
file_make_dirs(const char *path, mode_t mode, struct error *err)
{
    char prefix[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(prefix)) {
        return too_long(path, err);
    }
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    memcpy(prefix, path, len);
    prefix[len] = '\0';
    struct stat sb;
    if (stat(prefix, &sb) == 0 && S_ISDIR(sb.st_mode)) {
        return STATUS_OK; /* as for all but a day's first recording */
    }
    for (size_t i = 1; i < len; i++) {
        if (prefix[i] != '/' || prefix[i - 1] == '/') {
            continue;
        }
        prefix[i] = '\0';
        enum status st = make_dir(prefix, mode, err);
        if (st != STATUS_OK) {
            return st;
        }
        prefix[i] = '/';
    }
    return make_dir(prefix, mode, err);
}

enum status
file_make_parent(const char *path, mode_t mode, struct error *err)
{
    char dir[PATH_MAX];
    const enum status st = parent_of(path, dir, err);
    return st == STATUS_OK ? file_make_dirs(dir, mode, err) : st;
}

enum status
file_join(
    char *out, size_t cap, const char *dir, const char *name, struct error *err)
{
    size_t dir_len = strlen(dir);
    while (dir_len > 0 && dir[dir_len - 1] == '/') {
        dir_len--;
    }
    const char *rest = name + strspn(name, "/");
    size_t rest_len = strlen(rest);
    bool is_bare = dir[0] == '\0'; /* no folder: the name as it is */
    size_t slash_len = is_bare ? 0 : 1;
    if (dir_len >= cap || rest_len >= cap - dir_len ||
        slash_len >= cap - dir_len - rest_len) {
        return error_set(
            err, STATUS_LIMIT, "path too long: %.200s/%.200s", dir, name);
    }
    memcpy(out, dir, dir_len);
    memcpy(out + dir_len, "/", slash_len);
    memcpy(out + dir_len + slash_len, rest, rest_len + 1);
    return STATUS_OK;
}

static struct flock
whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* The pid in a lock file, for a message only: nothing decides by it. */
static enum status
locked_by_other(int fd, const char *path, struct error *err)
{
    char pid[16];
    ssize_t n = read_retried(fd, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return error_set(err, STATUS_EXISTS, "%s is locked by process %s", path,
        pid[0] == '\0' ? "unknown" : pid);
}

static enum status
write_holder(int fd, const char *path, struct error *err)
{
    char pid[16];
    (void)snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0) {
        return error_sys(err, errno, "cannot truncate %s", path);
    }
    enum status st = file_pwrite_all(fd, span_str(pid), 0, err);
    return st == STATUS_OK ? st : error_in(err, st, "%s", path);
}

enum status
file_lock(const char *path, int *fd_out, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_sys(err, errno, "cannot open %s", path);
    }
    struct flock lock = whole_file();
    enum status st;
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        st = write_holder(fd, path, err);
    } else if (errno == EAGAIN || errno == EACCES) {
        st = locked_by_other(fd, path, err);
    } else {
        st = error_sys(err, errno, "cannot lock %s", path);
    }
    if (st != STATUS_OK) {
        close(fd);
        return st;
    }
    *fd_out = fd;
    return STATUS_OK;
}

enum status
file_lock_wait(
    const char *path, unsigned wait_ms, int *fd_out, struct error *err)
{
    enum status st = file_lock(path, fd_out, err);
    /* The system tells nobody when a lock goes, but one who waits without end
     * (F_OFD_SETLKW): so it is looked again, now and then. */
    for (unsigned waited_ms = 0; st == STATUS_EXISTS && waited_ms < wait_ms;
         waited_ms += LOCK_LOOK_MS) {
        const struct timespec pause = {.tv_nsec = LOCK_LOOK_MS * 1000000};
        (void)nanosleep(&pause, NULL);
        st = file_lock(path, fd_out, err);
    }
    return st;
}

enum status
file_is_locked(const char *path, bool *locked_out, struct error *err)
{
    int fd;
    enum status st = file_open_regular(path, O_RDONLY, &fd, err);
    if (st == STATUS_NOT_FOUND) {
        *locked_out = false;
        return STATUS_OK;
    }
    if (st != STATUS_OK) {
        return st;
    }
    struct flock lock = whole_file();
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0) {
        st = error_sys(err, errno, "cannot ask who locks %s", path);
    } else {
        *locked_out = lock.l_type != F_UNLCK;
    }
    close(fd);
    return st;
}
