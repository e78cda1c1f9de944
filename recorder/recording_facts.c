/* See recording_facts.h. */
#include "recorder/recording_facts.h"

#include "base/file.h"
#include "recorder/frame_walk.h"
#include "recorder/limits.h"
#include "schema/cast.h"
#include "schema/seek.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define FOOTER_LEN 9u
#define FRAME_MAX  (ZSTD_COMPRESSBOUND(RECORDER_FRAME_TEXT_MAX) + 4096)
/* A seek table's share of memory: 100 GB of text in frames of 256 KiB. */
#define TABLE_MAX (8u << 20)

/* --- the header ---------------------------------------------------------- */

static enum status
take_header(struct span text, struct meta *out, struct error *err)
{
    struct cast_header header;
    struct span line;
    if (!span_take_until(&text, '\n', &line)) {
        return error_set(err, STATUS_CORRUPT, "its header line is not whole");
    }
    const enum status st = cast_header_decode(line, &header, err);
    if (st != STATUS_OK) {
        return error_in(err, STATUS_CORRUPT, "its header");
    }
    meta_fini(out);
    *out = header.meta; /* moved */
    return STATUS_OK;
}

enum status
recording_facts_read_header(
    const char *path, struct meta *out, struct error *err)
{
    struct frame_walk *walk = NULL;
    struct frame_piece piece;
    enum status st = frame_walk_open(path, &walk, err);
    if (st == STATUS_OK) {
        st = frame_walk_next(walk, &piece, err);
    }
    if (st == STATUS_OK && piece.kind != FRAME_TEXT) {
        st = error_set(err, STATUS_CORRUPT, "it has no text");
    }
    if (st == STATUS_OK) {
        st = take_header(piece.text, out, err);
    }
    frame_walk_close(&walk);
    return st;
}

/* --- the last frame, by the seek table ----------------------------------- */

struct tail {
    int fd;
    uint64_t file_len;
    struct buf bytes; /* the table, then the last frame */
    uint64_t frame_at;
    size_t frame_len; /* with the seal behind it */
    size_t text_len;
};

static enum status
load(struct tail *t, uint64_t offset, size_t len, struct error *err)
{
    uint8_t *at;
    size_t got = 0;
    buf_clear(&t->bytes);
    enum status st = buf_reserve(&t->bytes, len, &at);
    if (st != STATUS_OK) {
        return error_set(err, st, "no memory for its end");
    }
    st = file_pread(t->fd, at, len, (off_t)offset, &got, err);
    if (st == STATUS_OK && got != len) {
        st = error_set(err, STATUS_CORRUPT, "it became shorter");
    }
    buf_commit(&t->bytes, got);
    return st;
}

static enum status
find_last_frame(struct tail *t, const struct seek_entry *entries, size_t count,
    size_t table_len, struct error *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        at += entries[i].file_len;
    }
    const struct seek_entry *last = &entries[count - 1];
    if (at + last->file_len + table_len != t->file_len ||
        last->file_len > FRAME_MAX ||
        last->text_len > RECORDER_FRAME_TEXT_MAX) {
        return error_set(err, STATUS_CORRUPT, "its seek table is wrong");
    }
    t->frame_at = at;
    t->frame_len = last->file_len;
    t->text_len = last->text_len;
    return STATUS_OK;
}

static enum status
read_table(struct tail *t, size_t table_len, size_t count, struct error *err)
{
    if (count == 0 || table_len > TABLE_MAX || table_len > t->file_len) {
        return error_set(err, STATUS_CORRUPT, "its seek table is wrong");
    }
    enum status st = load(t, t->file_len - table_len, table_len, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct seek_entry *entries = calloc(count, sizeof *entries);
    if (entries == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for its seek table");
    }
    st = seek_decode(buf_view(&t->bytes), entries, count, err);
    if (st == STATUS_OK) {
        st = find_last_frame(t, entries, count, table_len, err);
    } else {
        st = error_in(err, STATUS_CORRUPT, "its seek table");
    }
    free(entries);
    return st;
}

/* STATUS_NOT_FOUND: no seek table, so it is not finished. */
static enum status
look_for_end(struct tail *t, struct error *err)
{
    struct stat sb;
    size_t table_len = 0;
    size_t count = 0;
    if (fstat(t->fd, &sb) != 0) {
        return error_sys(err, errno, "stat");
    }
    t->file_len = (uint64_t)sb.st_size;
    if (t->file_len < FOOTER_LEN) {
        return STATUS_NOT_FOUND;
    }
    enum status st = load(t, t->file_len - FOOTER_LEN, FOOTER_LEN, err);
    if (st == STATUS_OK) {
        st = seek_footer_decode(buf_view(&t->bytes), &table_len, &count);
        if (st == STATUS_INVALID) {
            return error_set(err, STATUS_CORRUPT, "its seek table is wrong");
        }
    }
    return st == STATUS_OK ? read_table(t, table_len, count, err) : st;
}

/* The last line but its newline. */
static struct span
last_line(struct span text)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\n') {
        text.len--;
    }
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '\n') {
        at--;
    }
    return span_of(text.ptr + at, text.len - at);
}

static enum status
take_facts(struct span text, struct meta *out, struct error *err)
{
    struct buf scratch;
    struct cast_event event;
    buf_init(&scratch, CAST_LINE_MAX);
    enum status st = cast_event_decode(last_line(text), &scratch, &event, err);
    if (st == STATUS_OK && event.code != CAST_FACTS) {
        st = error_set(err, STATUS_CORRUPT, "facts are not its last event");
    }
    if (st == STATUS_OK) {
        st = meta_decode(event.data, out, err);
    }
    buf_fini(&scratch);
    return st == STATUS_OK || st == STATUS_NO_MEMORY
               ? st
               : error_in(err, STATUS_CORRUPT, "its last event");
}

static enum status
read_last_frame(struct tail *t, struct meta *out, struct error *err)
{
    enum status st = load(t, t->frame_at, t->frame_len, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct buf text;
    uint8_t *at;
    buf_init(&text, RECORDER_FRAME_TEXT_MAX);
    const struct span in = buf_view(&t->bytes);
    st = buf_reserve(&text, t->text_len, &at);
    if (st != STATUS_OK) {
        st = error_set(err, st, "no memory for its last frame");
    } else {
        /* The seal behind it is a skippable frame, and gives nothing. */
        const size_t n = ZSTD_decompress(at, t->text_len, in.ptr, in.len);
        if (ZSTD_isError(n)) {
            st = error_set(err, STATUS_CORRUPT, "its last frame: %s",
                ZSTD_getErrorName(n));
        } else {
            buf_commit(&text, n);
            st = take_facts(buf_view(&text), out, err);
        }
    }
    buf_fini(&text);
    return st;
}

/* --- both ---------------------------------------------------------------- */

static enum status
read_end(const char *path, struct meta *out, bool *is_finished_out,
    struct error *err)
{
    struct tail t = {.fd = -1};
    enum status st = file_open_regular(path, O_RDONLY, &t.fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    buf_init(&t.bytes, FRAME_MAX > TABLE_MAX ? FRAME_MAX : TABLE_MAX);
    st = look_for_end(&t, err);
    if (st == STATUS_OK) {
        st = read_last_frame(&t, out, err);
        *is_finished_out = st == STATUS_OK;
    } else if (st == STATUS_NOT_FOUND) {
        *is_finished_out = false;
        st = STATUS_OK;
    }
    out->size = t.file_len;
    buf_fini(&t.bytes);
    (void)close(t.fd); /* was only read */
    return st;
}

enum status
recording_facts_read(const char *path, struct meta *out, bool *is_finished_out,
    struct error *err)
{
    enum status st = recording_facts_read_header(path, out, err);
    const struct uuid id = out->id;
    if (st == STATUS_OK) {
        st = read_end(path, out, is_finished_out, err);
    }
    if (st == STATUS_OK && memcmp(&id, &out->id, sizeof id) != 0) {
        st =
            error_set(err, STATUS_CORRUPT, "its end speaks of another session");
    }
    return st == STATUS_OK ? st : error_in(err, st, "%s", path);
}
