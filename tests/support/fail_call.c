/* See fail_call.h. */
#include "tests/support/fail_call.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Of these widths, since another process may read and write it. */
struct plan {
    uint64_t n;
    _Atomic uint64_t count; /* a helper thread calls, too */
    uint32_t kind;
    uint32_t for_good;
    _Atomic uint32_t is_on;
    _Atomic uint32_t was_hit;
    uint32_t is_traced;
};

static struct plan own;
static struct plan *plan = &own;

void
fail_call_plan(enum fail_kind kind, uint64_t n, bool for_good)
{
    plan->n = n;
    plan->count = 0;
    plan->kind = kind;
    plan->for_good = for_good;
    plan->was_hit = false;
    plan->is_on = true;
}

void
fail_call_share(const char *path)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        abort();
    }
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (plan == MAP_FAILED) {
        abort();
    }
}

void
fail_call_pause(void)
{
    plan->is_on = false;
}

void
fail_call_go_on(void)
{
    plan->is_on = true;
}

uint64_t
fail_call_count(void)
{
    return plan->count;
}

bool
fail_call_was_hit(void)
{
    return plan->was_hit;
}

const char *
fail_kind_name(enum fail_kind kind)
{
    static const char *const names[FAIL_KIND_COUNT] = {
        [FAIL_ALLOC] = "alloc",
        [FAIL_WRITE] = "write",
        [FAIL_SYNC] = "sync",
        [FAIL_OPEN] = "open",
        [FAIL_READ] = "read",
        [FAIL_NAME] = "name",
        [FAIL_TRUNCATE] = "truncate",
    };
    return names[kind];
}

void
fail_call_trace(void)
{
    plan->is_traced = true;
}

static void
trace(void)
{
    void *frames[32];
    const bool was_on = plan->is_on;
    plan->is_on = false;
    backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
    plan->is_on = was_on;
}

static bool
must_fail(enum fail_kind kind, int why)
{
    if (!plan->is_on || kind != plan->kind) {
        return false;
    }
    const uint64_t count = ++plan->count;
    const bool is_it = plan->n != 0 && (count == plan->n ||
                                           (plan->for_good && count > plan->n));
    if (is_it) {
        if (plan->is_traced && !plan->was_hit) {
            trace();
        }
        plan->was_hit = true;
        errno = why;
    }
    return is_it;
}

/* --- in place of the C library's, by the linker's --wrap ------------------ */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
ssize_t __real_pwrite(int fd, const void *from, size_t len, off_t at);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int count, off_t at);
ssize_t __real_pread(int fd, void *to, size_t len, off_t at);
ssize_t __real_read(int fd, void *to, size_t len);
int __real_open(const char *path, int flags, ...);
int __real_mkostemp(char *name, int flags);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_unlinkat(int dir, const char *path, int flags);
int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __real_ftruncate(int fd, off_t len);
int __real_posix_fallocate(int fd, off_t at, off_t len);
int __real_socket(int domain, int type, int protocol);
int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
json_t *__real_json_loadb(
    const char *from, size_t len, size_t flags, json_error_t *why);
char *__real_json_dumps(const json_t *value, size_t flags);
ZSTD_CCtx *__real_ZSTD_createCCtx(void);
ZSTD_DCtx *__real_ZSTD_createDCtx(void);
size_t __real_ZSTD_compress2(
    ZSTD_CCtx *c, void *to, size_t cap, const void *from, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
ssize_t __wrap_pwrite(int fd, const void *from, size_t len, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int count, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t len, off_t at);
ssize_t __wrap_read(int fd, void *to, size_t len);
int __wrap_open(const char *path, int flags, ...);
int __wrap_mkostemp(char *name, int flags);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_unlinkat(int dir, const char *path, int flags);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_ftruncate(int fd, off_t len);
int __wrap_posix_fallocate(int fd, off_t at, off_t len);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
json_t *__wrap_json_loadb(
    const char *from, size_t len, size_t flags, json_error_t *why);
char *__wrap_json_dumps(const json_t *value, size_t flags);
ZSTD_CCtx *__wrap_ZSTD_createCCtx(void);
ZSTD_DCtx *__wrap_ZSTD_createDCtx(void);
size_t __wrap_ZSTD_compress2(
    ZSTD_CCtx *c, void *to, size_t cap, const void *from, size_t len);

void *
__wrap_malloc(size_t size)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL : __real_realloc(old, size);
}

char *
__wrap_strdup(const char *s)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t n)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL : __real_strndup(s, n);
}

/* Half of it arrives, and what is asked for then fails: so does a full disk. */
ssize_t
__wrap_pwrite(int fd, const void *from, size_t len, off_t at)
{
    if (must_fail(FAIL_WRITE, ENOSPC)) {
        const ssize_t n = __real_pwrite(fd, from, len / 2, at);
        errno = n < 0 ? errno : ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, from, len, at);
}

ssize_t
__wrap_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    return must_fail(FAIL_WRITE, ENOSPC) ? -1
                                         : __real_pwritev(fd, iov, count, at);
}

ssize_t
__wrap_pread(int fd, void *to, size_t len, off_t at)
{
    return must_fail(FAIL_READ, EIO) ? -1 : __real_pread(fd, to, len, at);
}

ssize_t
__wrap_read(int fd, void *to, size_t len)
{
    return must_fail(FAIL_READ, EIO) ? -1 : __real_read(fd, to, len);
}

int
__wrap_open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    return must_fail(FAIL_OPEN, EMFILE) ? -1 : __real_open(path, flags, mode);
}

int
__wrap_mkostemp(char *name, int flags)
{
    return must_fail(FAIL_OPEN, EMFILE) ? -1 : __real_mkostemp(name, flags);
}

int
__wrap_rename(const char *from, const char *to)
{
    return must_fail(FAIL_NAME, EIO) ? -1 : __real_rename(from, to);
}

int
__wrap_unlink(const char *path)
{
    return must_fail(FAIL_NAME, EIO) ? -1 : __real_unlink(path);
}

int
__wrap_unlinkat(int dir, const char *path, int flags)
{
    return must_fail(FAIL_NAME, EIO) ? -1 : __real_unlinkat(dir, path, flags);
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
    return must_fail(FAIL_NAME, EIO) ? -1 : __real_mkdir(path, mode);
}

int
__wrap_rmdir(const char *path)
{
    return must_fail(FAIL_NAME, EIO) ? -1 : __real_rmdir(path);
}

int
__wrap_ftruncate(int fd, off_t len)
{
    return must_fail(FAIL_TRUNCATE, EIO) ? -1 : __real_ftruncate(fd, len);
}

int
__wrap_posix_fallocate(int fd, off_t at, off_t len)
{
    return must_fail(FAIL_TRUNCATE, ENOSPC)
               ? ENOSPC
               : __real_posix_fallocate(fd, at, len);
}

int
__wrap_socket(int domain, int type, int protocol)
{
    return must_fail(FAIL_OPEN, EMFILE) ? -1
                                        : __real_socket(domain, type, protocol);
}

int
__wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return must_fail(FAIL_OPEN, EMFILE) ? -1
                                        : __real_accept4(fd, addr, len, flags);
}

int
__wrap_fsync(int fd)
{
    (void)fd;
    return must_fail(FAIL_SYNC, EIO) ? -1 : 0;
}

int
__wrap_fdatasync(int fd)
{
    return __wrap_fsync(fd);
}

json_t *
__wrap_json_loadb(const char *from, size_t len, size_t flags, json_error_t *why)
{
    if (must_fail(FAIL_ALLOC, ENOMEM)) {
        if (why != NULL) {
            why->text[0] = '\0';
        }
        return NULL;
    }
    return __real_json_loadb(from, len, flags, why);
}

char *
__wrap_json_dumps(const json_t *value, size_t flags)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL
                                         : __real_json_dumps(value, flags);
}

ZSTD_CCtx *
__wrap_ZSTD_createCCtx(void)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL : __real_ZSTD_createCCtx();
}

ZSTD_DCtx *
__wrap_ZSTD_createDCtx(void)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL : __real_ZSTD_createDCtx();
}

size_t
__wrap_ZSTD_compress2(
    ZSTD_CCtx *c, void *to, size_t cap, const void *from, size_t len)
{
    return must_fail(FAIL_ALLOC, ENOMEM)
               ? (size_t)-ZSTD_error_memory_allocation
               : __real_ZSTD_compress2(c, to, cap, from, len);
}

/* --- SQLite -------------------------------------------------------------- */

static struct sqlite3_mem_methods plain_memory;

static void *
db_malloc(int size)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL : plain_memory.xMalloc(size);
}

static void *
db_realloc(void *old, int size)
{
    return must_fail(FAIL_ALLOC, ENOMEM) ? NULL
                                         : plain_memory.xRealloc(old, size);
}

/* The system's VFS with other methods in the files it opens. It knows two
 * sets of them: of locked files and of others. */
#define METHODS_MAX 4
static struct methods {
    const struct sqlite3_io_methods *plain;
    struct sqlite3_io_methods ours;
} methods[METHODS_MAX];
static sqlite3_vfs *plain_vfs;

static const struct sqlite3_io_methods *
plain_of(sqlite3_file *f)
{
    for (size_t i = 0; i < METHODS_MAX; i++) {
        if (f->pMethods == &methods[i].ours) {
            return methods[i].plain;
        }
    }
    abort();
}

static int
db_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 at)
{
    return must_fail(FAIL_WRITE, ENOSPC)
               ? SQLITE_FULL
               : plain_of(f)->xWrite(f, from, len, at);
}

static int
db_sync(sqlite3_file *f, int flags)
{
    (void)f;
    (void)flags;
    return must_fail(FAIL_SYNC, EIO) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int
db_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
    return must_fail(FAIL_READ, EIO) ? SQLITE_IOERR_READ
                                     : plain_of(f)->xRead(f, to, len, at);
}

static int
db_truncate(sqlite3_file *f, sqlite3_int64 len)
{
    return must_fail(FAIL_TRUNCATE, EIO) ? SQLITE_IOERR_TRUNCATE
                                         : plain_of(f)->xTruncate(f, len);
}

static const struct sqlite3_io_methods *
ours_of(const struct sqlite3_io_methods *plain)
{
    for (size_t i = 0; i < METHODS_MAX; i++) {
        if (methods[i].plain == NULL) {
            methods[i].plain = plain;
            methods[i].ours = *plain;
            methods[i].ours.xWrite = db_write;
            methods[i].ours.xSync = db_sync;
            methods[i].ours.xRead = db_read;
            methods[i].ours.xTruncate = db_truncate;
        }
        if (methods[i].plain == plain) {
            return &methods[i].ours;
        }
    }
    abort();
}

static int
db_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    f->pMethods = NULL;
    if (must_fail(FAIL_OPEN, EMFILE)) {
        return SQLITE_CANTOPEN;
    }
    const int code = plain_vfs->xOpen(plain_vfs, name, f, flags, out);
    if (f->pMethods != NULL) {
        f->pMethods = ours_of(f->pMethods);
    }
    return code;
}

static int
db_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    return must_fail(FAIL_NAME, EIO)
               ? SQLITE_IOERR_DELETE
               : plain_vfs->xDelete(plain_vfs, name, sync_dir);
}

static void
install_sqlite(void)
{
    static sqlite3_vfs vfs;
    struct sqlite3_mem_methods memory;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain_memory) != SQLITE_OK) {
        abort();
    }
    memory = plain_memory;
    memory.xMalloc = db_malloc;
    memory.xRealloc = db_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) != SQLITE_OK ||
        sqlite3_initialize() != SQLITE_OK) {
        abort();
    }
    plain_vfs = sqlite3_vfs_find(NULL);
    vfs = *plain_vfs;
    vfs.zName = "failing";
    vfs.xOpen = db_open;
    vfs.xDelete = db_delete;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) {
        abort();
    }
}

/* --- the other libraries ------------------------------------------------- */

static void *
crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_malloc(size);
}

static void *
crypto_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_realloc(old, size);
}

static void
crypto_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

void
fail_call_install_crypto(void)
{
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) !=
        1) {
        abort();
    }
}

void
fail_call_install(void)
{
    fail_call_install_crypto();
    install_sqlite();
}
