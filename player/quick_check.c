#include "player/quick_check.h"

#include "base/file.h"
#include "player/frame_map.h"
#include "player/limits.h"
#include "player/recording_source.h"
#include "schema/cast.h"
#include "schema/seal.h"
#include "schema/seek.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* ---- The digest ---- */

static enum status
hash_all(
    int fd, struct hasher *hasher, struct file_digest *out, struct error *err)
{
    uint8_t bytes[PLAYER_CHUNK_BYTES];
    struct file_digest d = {.len = 0};
    size_t got = sizeof bytes;
    hasher_reset(hasher);
    while (got == sizeof bytes) {
        const enum status st =
            file_pread(fd, bytes, sizeof bytes, (off_t)d.len, &got, err);
        if (st != STATUS_OK) {
            return st;
        }
        hasher_add(hasher, span_of(bytes, got));
        d.len += got;
    }
    d.hash = hasher_peek(hasher);
    *out = d;
    return STATUS_OK;
}

enum status
quick_check_digest(const char *path, uint64_t want_len, struct hasher *hasher,
    struct file_digest *out, struct error *err)
{
    struct stat info;
    int fd;
    enum status st = file_open_regular(path, O_RDONLY, &fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (fstat(fd, &info) != 0) {
        st = error_sys(err, errno, "cannot look at %s", path);
    } else if ((uint64_t)info.st_size != want_len) {
        *out = (struct file_digest){.len = (uint64_t)info.st_size};
    } else {
        st = hash_all(fd, hasher, out, err);
    }
    (void)close(fd); /* read only: nothing to lose */
    return st;
}

/* ---- The last word ---- */

struct tail {
    struct recording_source *source;
    uint64_t end; /* where the seek table begins */
    struct frame frame;
    struct buf text; /* of that frame */
};

static enum status
read_piece(struct tail *t, uint64_t offset, uint64_t len, struct buf *out,
    struct error *err)
{
    uint8_t *room = NULL;
    size_t got = 0;
    enum status st = buf_reserve(out, (size_t)len, &room);
    if (st != STATUS_OK) {
        return error_set(err, STATUS_CORRUPT, "its last frame is too long");
    }
    st =
        recording_source_pread(t->source, room, (size_t)len, offset, &got, err);
    if (st == STATUS_OK && got < len) {
        st = error_set(err, STATUS_CORRUPT, "it is shorter than it was");
    }
    if (st == STATUS_OK) {
        buf_commit(out, got);
    }
    return st;
}

/* The table's last entry but for its footer. */
static enum status
last_entry(struct tail *t, uint64_t table_len, struct seek_entry *out,
    struct error *err)
{
    struct buf table;
    size_t count = 0;
    size_t len = 0;
    buf_init(&table, (size_t)PLAYER_FRAMES_MAX * 16);
    struct seek_entry *entries = NULL;
    enum status st = read_piece(t, t->end, table_len, &table, err);
    if (st == STATUS_OK) {
        const struct span all = buf_view(&table);
        st = all.len < 9 ? STATUS_CORRUPT
                         : seek_footer_decode(
                               span_of(all.ptr + all.len - 9, 9), &len, &count);
    }
    if (st == STATUS_OK) {
        entries = calloc(count + 1, sizeof *entries);
        st = entries == NULL
                 ? error_set(err, STATUS_NO_MEMORY, "out of memory")
                 : seek_decode(buf_view(&table), entries, count, err);
    }
    if (st == STATUS_OK && count == 0) {
        st = error_set(err, STATUS_CORRUPT, "its seek table is empty");
    }
    if (st == STATUS_OK) {
        *out = entries[count - 1];
    }
    free(entries);
    buf_fini(&table);
    return st;
}

static enum status
find_last_frame(struct tail *t, struct error *err)
{
    uint64_t table_len = 0;
    struct seek_entry last;
    enum status st = frame_map_table_len(t->source, &table_len, err);
    if (st == STATUS_OK && table_len == 0) {
        return error_set(err, STATUS_CORRUPT, "it has no seek table");
    }
    if (st == STATUS_OK) {
        t->end = recording_source_len(t->source) - table_len;
        st = last_entry(t, table_len, &last, err);
    }
    if (st == STATUS_OK &&
        (last.file_len > t->end || last.file_len < SEAL_FRAME_LEN)) {
        return error_set(err, STATUS_CORRUPT, "its seek table is wrong");
    }
    return st == STATUS_OK
               ? frame_map_at(t->source, t->end - last.file_len, &t->frame, err)
               : st;
}

static enum status
take_seal(struct tail *t, struct verify_report *r, struct error *err)
{
    struct seal seal;
    struct buf bytes;
    buf_init(&bytes, SEAL_FRAME_LEN);
    enum status st =
        read_piece(t, t->end - SEAL_FRAME_LEN, SEAL_FRAME_LEN, &bytes, err);
    if (st == STATUS_OK) {
        st = seal_decode(buf_view(&bytes), &seal, err);
    }
    if (st == STATUS_OK) {
        r->id = seal.id;
        r->is_final = seal.is_final;
        r->text_len = seal.text_len;
        r->text_hash = seal.text_hash;
        r->sealed_us = seal.wall_us;
        r->last_seal = seal_hash(buf_view(&bytes));
    }
    buf_fini(&bytes);
    return st;
}

static enum status
decompress(struct tail *t, struct error *err)
{
    struct buf bytes;
    buf_init(&bytes, PLAYER_LAST_FRAME_MAX);
    enum status st = read_piece(t, t->frame.offset, t->frame.len, &bytes, err);
    const unsigned long long len =
        ZSTD_getFrameContentSize(buf_view(&bytes).ptr, buf_view(&bytes).len);
    uint8_t *room = NULL;
    if (st == STATUS_OK &&
        (len > PLAYER_LAST_FRAME_MAX ||
            buf_reserve(&t->text, (size_t)len, &room) != STATUS_OK)) {
        st = error_set(err, STATUS_CORRUPT, "its last frame is too long");
    }
    if (st == STATUS_OK) {
        const size_t n =
            ZSTD_decompress(room, (size_t)len, buf_view(&bytes).ptr, bytes.len);
        if (ZSTD_isError(n)) {
            st = error_set(err, STATUS_CORRUPT,
                "its last frame does not decompress: %s", ZSTD_getErrorName(n));
        } else {
            buf_commit(&t->text, n);
        }
    }
    buf_fini(&bytes);
    return st;
}

/* RECORDING.md, "Facts": the last event has all of them. */
static enum status
take_facts(struct tail *t, struct verify_report *r, struct error *err)
{
    struct span text = buf_view(&t->text);
    struct cast_event e;
    struct buf scratch;
    if (text.len == 0 || text.ptr[text.len - 1] != '\n') {
        return error_set(err, STATUS_CORRUPT, "its last line is not whole");
    }
    text.len--;
    const uint8_t *before = memrchr(text.ptr, '\n', text.len);
    if (before != NULL) {
        (void)span_skip(&text, (size_t)(before - text.ptr) + 1);
    }
    buf_init(&scratch, CAST_LINE_MAX);
    enum status st = cast_event_decode(text, &scratch, &e, err);
    if (st == STATUS_OK && e.code != CAST_FACTS) {
        st = error_set(
            err, STATUS_CORRUPT, "the last event is not the session's facts");
    }
    if (st == STATUS_OK) {
        r->last_time_us = e.time_us;
        st = meta_decode(e.data, &r->meta, err);
    }
    buf_fini(&scratch);
    return st;
}

static enum status
read_tail(struct tail *t, struct verify_report *r, struct error *err)
{
    enum status st = find_last_frame(t, err);
    if (st == STATUS_OK) {
        st = take_seal(t, r, err);
    }
    if (st == STATUS_OK) {
        st = decompress(t, err);
    }
    return st == STATUS_OK ? take_facts(t, r, err) : st;
}

enum status
quick_check_last_word(
    const char *path, struct verify_report *r, struct error *err)
{
    struct tail t = {.source = NULL};
    buf_init(&t.text, PLAYER_LAST_FRAME_MAX);
    enum status st = recording_source_open(path, NULL, &t.source, err);
    if (st == STATUS_OK) {
        r->file_len = recording_source_len(t.source);
        st = read_tail(&t, r, err);
    }
    recording_source_close(&t.source);
    buf_fini(&t.text);
    return st == STATUS_INVALID ? STATUS_CORRUPT : st;
}
