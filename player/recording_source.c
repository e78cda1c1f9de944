/* Read with pread: a file that shrinks meanwhile is an answer and not a signal.
 * What is no regular file (`play <(…)`) is read as it comes. */
#include "player/recording_source.h"

#include "base/file.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct recording_source {
    int fd;
    bool may_seek;
    uint64_t len;
    uint64_t position; /* of what can only be read as it comes */
};

/* Every file of the age format begins so. */
static const char age_intro[] = "age-encryption.org/";

static enum status
refuse_encrypted(int fd, const char *path, struct error *err)
{
    char head[sizeof age_intro - 1];
    size_t got = 0;
    const enum status st = file_pread(fd, head, sizeof head, 0, &got, err);
    if (st == STATUS_OK && got == sizeof head &&
        memcmp(head, age_intro, got) == 0) {
        return error_set(err, STATUS_DENIED, "%s is encrypted", path);
    }
    return st;
}

static enum status
open_file(struct recording_source *s, const char *path, struct error *err)
{
    struct stat info;
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &info) != 0) {
        return error_sys(err, errno, "cannot open %s", path);
    }
    s->may_seek = S_ISREG(info.st_mode);
    if (!s->may_seek) {
        return STATUS_OK;
    }
    s->len = (uint64_t)info.st_size;
    return refuse_encrypted(s->fd, path, err);
}

enum status
recording_source_open(const char *path, const struct age_identities *ids,
    struct recording_source **out, struct error *err)
{
    struct recording_source *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    (void)ids;
    s->fd = -1;
    const enum status st = open_file(s, path, err);
    if (st == STATUS_OK) {
        *out = s;
        s = NULL;
    }
    recording_source_close(&s);
    return st;
}

void
recording_source_close(struct recording_source **s)
{
    if (*s == NULL) {
        return;
    }
    if ((*s)->fd >= 0) {
        (void)close((*s)->fd); /* read only: nothing to lose */
    }
    free(*s);
    *s = NULL;
}

uint64_t
recording_source_len(const struct recording_source *s)
{
    return s->len;
}

bool
recording_source_may_seek(const struct recording_source *s)
{
    return s->may_seek;
}

static enum status
read_on(struct recording_source *s, void *dst, size_t len, size_t *got_out,
    struct error *err)
{
    ssize_t n = -1;
    do {
        n = read(s->fd, dst, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return error_sys(err, errno, "cannot read");
    }
    s->position += (uint64_t)n;
    *got_out = (size_t)n;
    return STATUS_OK;
}

enum status
recording_source_pread(struct recording_source *s, void *dst, size_t len,
    uint64_t offset, size_t *got_out, struct error *err)
{
    if (!s->may_seek) {
        assert(offset == s->position);
        return read_on(s, dst, len, got_out, err);
    }
    if (offset > INT64_MAX) {
        *got_out = 0;
        return STATUS_OK;
    }
    return file_pread(s->fd, dst, len, (off_t)offset, got_out, err);
}
