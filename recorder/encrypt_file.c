/* See encrypt_file.h. The temporary file has one name, so what a crash leaves
 * of it is overwritten by the next try. */
#include "recorder/encrypt_file.h"

#include "base/age_stream.h"
#include "base/age_writer.h"
#include "base/file.h"
#include "recorder/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE    (4 * (size_t)AGE_CHUNK_LEN)
#define OUT_ROOM (PIECE + 2 * AGE_SEALED_LEN + AGE_HEADER_ROOM)
/* The header of RECORDER_RECIPIENTS_MAX recipients. */
#define AGE_HEADER_ROOM (8u << 10)

struct encrypt_file {
    char to[PATH_MAX];
    char temporary[PATH_MAX];
    int from_fd;
    int to_fd;
    uint64_t read;
    uint64_t written;
    bool is_done;
    struct age_writer *writer;
    struct buf out;
    uint8_t piece[PIECE];
};

static enum status
open_files(
    struct encrypt_file *e, const char *from, const char *to, struct error *err)
{
    const int n = snprintf(e->temporary, sizeof e->temporary, "%s.tmp", to);
    if (n < 0 || (size_t)n >= sizeof e->temporary) {
        return error_set(err, STATUS_LIMIT, "path too long: %s", to);
    }
    memcpy(e->to, to, strlen(to) + 1);
    enum status st = file_make_parent(to, 0700, err);
    if (st == STATUS_OK) {
        st = file_open_regular(from, O_RDONLY, &e->from_fd, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    /* What stands there may be a link that somebody put in the way. */
    (void)unlink(e->temporary); /* a failure shows when it is made anew */
    return file_open_regular(
        e->temporary, O_WRONLY | O_CREAT | O_EXCL, &e->to_fd, err);
}

enum status
encrypt_file_begin(const char *from, const char *to,
    const struct age_recipient *recipients, size_t count,
    struct encrypt_file **out, struct error *err)
{
    struct encrypt_file *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to encrypt");
    }
    e->from_fd = -1;
    e->to_fd = -1;
    buf_init(&e->out, OUT_ROOM);
    enum status st = open_files(e, from, to, err);
    if (st == STATUS_OK) {
        st = age_writer_new(recipients, count, &e->out, &e->writer, err);
    }
    if (st == STATUS_OK) {
        *out = e;
        e = NULL;
    }
    encrypt_file_free(&e);
    return st;
}

void
encrypt_file_free(struct encrypt_file **e)
{
    if (*e == NULL) {
        return;
    }
    if ((*e)->from_fd >= 0) {
        (void)close((*e)->from_fd);
    }
    if ((*e)->to_fd >= 0) {
        (void)close((*e)->to_fd); /* synced, or of no use */
        if (!(*e)->is_done) {
            (void)unlink((*e)->temporary);
        }
    }
    age_writer_free(&(*e)->writer);
    buf_fini(&(*e)->out);
    free(*e);
    *e = NULL;
}

/* Reads, encrypts and writes one piece; *end_out at the end. */
static enum status
pass_piece(struct encrypt_file *e, bool *end_out, struct error *err)
{
    size_t got = 0;
    enum status st = file_pread(
        e->from_fd, e->piece, sizeof e->piece, (off_t)e->read, &got, err);
    if (st == STATUS_OK) {
        st = age_writer_feed(e->writer, span_of(e->piece, got), &e->out, err);
    }
    *end_out = got < sizeof e->piece;
    if (st == STATUS_OK && *end_out) {
        st = age_writer_finish(e->writer, &e->out, err);
    }
    if (st == STATUS_OK) {
        st = file_pwrite_all(
            e->to_fd, buf_view(&e->out), (off_t)e->written, err);
    }
    if (st == STATUS_OK) {
        e->read += got;
        e->written += e->out.len;
        buf_clear(&e->out);
    }
    return st;
}

static enum status
stand(struct encrypt_file *e, struct error *err)
{
    if (fsync(e->to_fd) != 0) {
        return error_sys(err, errno, "sync %s", e->temporary);
    }
    if (rename(e->temporary, e->to) != 0) {
        return error_sys(err, errno, "rename %s", e->temporary);
    }
    e->is_done = true;
    return file_fsync_parent(e->to, err);
}

enum status
encrypt_file_step(struct encrypt_file *e, bool *done_out, struct error *err)
{
    const uint64_t until = e->read + RECORDER_ENCRYPT_STEP;
    enum status st = STATUS_OK;
    bool is_end = false;
    while (st == STATUS_OK && !is_end && e->read < until) {
        st = pass_piece(e, &is_end, err);
    }
    if (st == STATUS_OK && is_end) {
        st = stand(e, err);
    }
    *done_out = st == STATUS_OK && is_end;
    return st == STATUS_OK ? st : error_in(err, st, "encrypting %s", e->to);
}
