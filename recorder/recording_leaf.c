/* See recording_leaf.h. */
#include "recorder/recording_leaf.h"

#include "base/file.h"
#include "recorder/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct recording_leaf {
    struct ledger_leaf leaf; /* but for the digest */
    int fd;
    struct hasher *hasher;
    uint64_t hashed;
    uint8_t *bytes;
};

static enum status
open_file(struct recording_leaf *l, const char *path, struct error *err)
{
    struct stat sb;
    const enum status st = file_open_regular(path, O_RDONLY, &l->fd, err);
    if (st == STATUS_NOT_FOUND) {
        return error_set(err, STATUS_CORRUPT, "%s is gone", path);
    }
    if (st != STATUS_OK) {
        return st;
    }
    if (fstat(l->fd, &sb) != 0) {
        return error_sys(err, errno, "stat %s", path);
    }
    if ((uint64_t)sb.st_size != l->leaf.file_len) {
        return error_set(err, STATUS_CORRUPT,
            "%s has %lld bytes, %llu were written", path, (long long)sb.st_size,
            (unsigned long long)l->leaf.file_len);
    }
    return STATUS_OK;
}

static enum status
make(struct recording_leaf *l, const char *state_dir, const char *file,
    struct error *err)
{
    char path[PATH_MAX];
    enum status st = file_join(path, sizeof path, state_dir, file, err);
    if (st != STATUS_OK) {
        return st;
    }
    l->bytes = malloc(RECORDER_DIGEST_STEP);
    if (l->bytes == NULL || hasher_new(&l->hasher) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to read %s", path);
    }
    const int n = snprintf(l->leaf.file, sizeof l->leaf.file, "%s", file);
    assert(n > 0 && (size_t)n < sizeof l->leaf.file);
    return open_file(l, path, err);
}

enum status
recording_leaf_new(const char *state_dir, const char *file, uint64_t len,
    const struct frame_file *f, struct recording_leaf **out, struct error *err)
{
    struct recording_leaf *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a leaf");
    }
    l->fd = -1;
    l->leaf = (struct ledger_leaf){
        .kind = LEDGER_RECORDING,
        .id = *frame_file_id(f),
        .text_len = frame_file_text_len(f),
        .text_hash = frame_file_text_hash(f),
        .file_len = len,
        .last_seal = frame_file_last_seal(f),
    };
    const enum status st = make(l, state_dir, file, err);
    if (st == STATUS_OK) {
        *out = l;
        l = NULL;
    }
    recording_leaf_free(&l);
    return st;
}

void
recording_leaf_free(struct recording_leaf **l)
{
    if (*l != NULL) {
        if ((*l)->fd >= 0) {
            (void)close((*l)->fd); /* was only read */
        }
        hasher_free(&(*l)->hasher);
        free((*l)->bytes);
        free(*l);
        *l = NULL;
    }
}

enum status
recording_leaf_step(
    struct recording_leaf *l, bool *is_done_out, struct error *err)
{
    const uint64_t left = l->leaf.file_len - l->hashed;
    const size_t want =
        left < RECORDER_DIGEST_STEP ? (size_t)left : RECORDER_DIGEST_STEP;
    size_t got = 0;
    const enum status st =
        file_pread(l->fd, l->bytes, want, (off_t)l->hashed, &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (got < want) {
        return error_set(
            err, STATUS_CORRUPT, "%s was cut while it was read", l->leaf.file);
    }
    hasher_add(l->hasher, span_of(l->bytes, got));
    l->hashed += got;
    *is_done_out = l->hashed == l->leaf.file_len;
    return STATUS_OK;
}

enum status
recording_leaf_add(
    const struct recording_leaf *l, struct ledger *ledger, struct error *err)
{
    assert(l->hashed == l->leaf.file_len);
    struct ledger_leaf whole = l->leaf;
    whole.file_hash = hasher_peek(l->hasher);
    return ledger_add(ledger, &whole, err);
}
