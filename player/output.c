/* stdio for both, so that one write path serves: a file is only reached through
 * a temporary name until it is whole, synced and renamed. */
#include "player/output.h"

#include "base/file.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
    FILE *file;
    char *path;               /* NULL: standard output */
    char temporary[PATH_MAX]; /* "" when there is none to remove */
};

enum status
output_stdout_error(int sys_errno, struct error *err)
{
    return error_sys(err, sys_errno, "cannot write to standard output");
}

static enum status
write_error(const struct output *o, struct error *err)
{
    const int sys_errno = errno;
    if (o->path == NULL) {
        return output_stdout_error(sys_errno, err);
    }
    return error_sys(err, sys_errno, "cannot write %s", o->path);
}

static enum status
open_temporary(struct output *o, const char *path, struct error *err)
{
    o->path = strdup(path);
    if (o->path == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    const int len =
        snprintf(o->temporary, sizeof o->temporary, "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof o->temporary) {
        o->temporary[0] = '\0';
        return error_set(err, STATUS_LIMIT, "%.64s… is too long a name", path);
    }
    const int fd = mkstemp(o->temporary); /* 0600 */
    if (fd < 0) {
        const int sys_errno = errno;
        o->temporary[0] = '\0';
        return error_sys(err, sys_errno, "cannot create %s", path);
    }
    o->file = fdopen(fd, "wb");
    if (o->file == NULL) {
        const int sys_errno = errno;
        (void)close(fd);
        return error_sys(err, sys_errno, "cannot open %s", o->temporary);
    }
    return STATUS_OK;
}

enum status
output_open(const char *path, struct output **out, struct error *err)
{
    struct output *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    enum status st = STATUS_OK;
    if (path == NULL || strcmp(path, "-") == 0) {
        o->file = stdout;
    } else {
        st = open_temporary(o, path, err);
    }
    if (st == STATUS_OK) {
        *out = o;
        o = NULL;
    }
    output_close(&o);
    return st;
}

enum status
output_write(struct output *o, struct span bytes, struct error *err)
{
    if (fwrite(bytes.ptr, 1, bytes.len, o->file) == bytes.len) {
        return STATUS_OK;
    }
    return write_error(o, err);
}

static enum status
commit_file(struct output *o, struct error *err)
{
    int failed = fsync(fileno(o->file));
    if (failed != 0) {
        return write_error(o, err);
    }
    failed = fclose(o->file);
    o->file = NULL;
    if (failed != 0 || rename(o->temporary, o->path) != 0) {
        return write_error(o, err);
    }
    o->temporary[0] = '\0';
    return file_fsync_parent(o->path, err);
}

enum status
output_commit(struct output *o, struct error *err)
{
    if (fflush(o->file) != 0) {
        return write_error(o, err);
    }
    return o->path == NULL ? STATUS_OK : commit_file(o, err);
}

void
output_close(struct output **o)
{
    if (*o == NULL) {
        return;
    }
    if ((*o)->file != NULL && (*o)->file != stdout) {
        (void)fclose((*o)->file); /* not committed: to be dropped */
    }
    if ((*o)->temporary[0] != '\0') {
        (void)unlink((*o)->temporary);
    }
    free((*o)->path);
    free(*o);
    *o = NULL;
}

/* Why an earlier write failed, of which stdio keeps only that it did: a pipe
 * without a reader still says so. */
static int
earlier_errno(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    const bool is_broken = poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
    return is_broken ? EPIPE : EIO;
}

enum status
output_flush_stdout(struct error *err)
{
    if (fflush(stdout) != 0) {
        return output_stdout_error(errno, err);
    }
    if (ferror(stdout)) {
        return output_stdout_error(earlier_errno(), err);
    }
    return STATUS_OK;
}
