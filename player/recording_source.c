/* Read with pread: a file that shrinks meanwhile is an answer and not a signal.
 * What is no regular file (`play <(…)`) is read as it comes, and only in the
 * clear: what is encrypted has to be opened at its end first. */
#include "player/recording_source.h"

#include "base/age_header.h"
#include "base/age_reader.h"
#include "base/file.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct recording_source {
    int fd;
    struct age_reader *age; /* NULL: in the clear */
    bool may_seek;
    uint64_t len;
    uint64_t position; /* of what can only be read as it comes */
};

static enum status
cannot_decrypt(
    enum status st, const char *path, bool has_identity, struct error *err)
{
    if (err == NULL || st != STATUS_DENIED) {
        return error_in(err, st, "%s", path);
    }
    const struct error why = *err;
    return error_set(err, st, "%s is %s%s", path, why.text,
        has_identity ? "" : "; give --identity FILE");
}

/* Told by the first bytes, not by the name. */
static enum status
decrypt(struct recording_source *s, const char *path,
    const struct age_identities *ids, struct error *err)
{
    uint8_t head[sizeof AGE_INTRO];
    size_t got = 0;
    enum status st = file_pread(s->fd, head, sizeof head, 0, &got, err);
    if (st != STATUS_OK || !age_header_is_age(span_of(head, got))) {
        return st;
    }
    st = age_reader_open(s->fd, ids, &s->age, err);
    if (st != STATUS_OK) {
        return cannot_decrypt(st, path, ids != NULL, err);
    }
    s->len = age_reader_len(s->age);
    return STATUS_OK;
}

static enum status
open_file(struct recording_source *s, const char *path,
    const struct age_identities *ids, struct error *err)
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
    return decrypt(s, path, ids, err);
}

enum status
recording_source_open(const char *path, const struct age_identities *ids,
    struct recording_source **out, struct error *err)
{
    struct recording_source *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    s->fd = -1;
    const enum status st = open_file(s, path, ids, err);
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
    age_reader_close(&(*s)->age);
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
recording_source_is_encrypted(const struct recording_source *s)
{
    return s->age != NULL;
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
    if (s->age != NULL) {
        return age_reader_pread(s->age, dst, len, offset, got_out, err);
    }
    if (offset > INT64_MAX) {
        *got_out = 0;
        return STATUS_OK;
    }
    return file_pread(s->fd, dst, len, (off_t)offset, got_out, err);
}
