/* zstd's streaming reader passes from frame to frame and over skippable ones by
 * itself; what it does not say is whether the end of the file was the end of a
 * frame, which its last hint tells. */
#include "player/text_reader.h"

#include "player/limits.h"
#include "player/recording_source.h"
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct text_reader {
    char *path; /* for messages */
    struct recording_source *source;
    uint64_t offset; /* of what is read next */
    ZSTD_DCtx *zstd; /* NULL: the file is plain text */
    ZSTD_inBuffer in;
    bool is_in_frame; /* a frame is begun and not finished */
    bool has_pending; /* zstd filled `out` and may hold more */
    uint8_t file_bytes[PLAYER_CHUNK_BYTES];
    uint8_t text_bytes[PLAYER_CHUNK_BYTES];
};

/* Refills file_bytes; 0 bytes at the end of the file. */
static enum status
fill(struct text_reader *r, struct error *err)
{
    size_t got = 0;
    const enum status st = recording_source_pread(
        r->source, r->file_bytes, sizeof r->file_bytes, r->offset, &got, err);
    if (st != STATUS_OK) {
        return error_in(err, st, "%s", r->path);
    }
    r->offset += got;
    r->in = (ZSTD_inBuffer){.src = r->file_bytes, .size = got};
    return STATUS_OK;
}

/* RFC 8878 3.1.1 and 3.1.2: the magic of a frame, or of a skippable one. */
static bool
is_zstd(const struct text_reader *r)
{
    static const uint8_t frame[] = {0x28, 0xB5, 0x2F, 0xFD};
    static const uint8_t skippable[] = {0x2A, 0x4D, 0x18};
    const uint8_t *b = r->file_bytes;
    return r->in.size >= 4 &&
           (memcmp(b, frame, 4) == 0 ||
               ((b[0] & 0xF0) == 0x50 && memcmp(b + 1, skippable, 3) == 0));
}

static enum status
start_zstd(struct text_reader *r)
{
    r->zstd = ZSTD_createDCtx();
    if (r->zstd == NULL) {
        return STATUS_NO_MEMORY;
    }
    const size_t set = ZSTD_DCtx_setParameter(
        r->zstd, ZSTD_d_windowLogMax, PLAYER_WINDOW_LOG_MAX);
    return ZSTD_isError(set) ? STATUS_UNSUPPORTED : STATUS_OK;
}

static enum status
open_file(struct text_reader *r, const char *path,
    const struct age_identities *ids, struct error *err)
{
    r->path = strdup(path);
    if (r->path == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    enum status st = recording_source_open(path, ids, &r->source, err);
    if (st == STATUS_OK) {
        st = fill(r, err);
    }
    if (st == STATUS_OK && is_zstd(r)) {
        st = start_zstd(r);
        if (st != STATUS_OK) {
            error_set(err, st, "cannot set up zstd");
        }
    }
    return st;
}

enum status
text_reader_open(const char *path, const struct age_identities *ids,
    struct text_reader **out, struct error *err)
{
    struct text_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    const enum status st = open_file(r, path, ids, err);
    if (st == STATUS_OK) {
        *out = r;
        r = NULL;
    }
    text_reader_close(&r);
    return st;
}

void
text_reader_close(struct text_reader **r)
{
    if (*r == NULL) {
        return;
    }
    recording_source_close(&(*r)->source);
    ZSTD_freeDCtx((*r)->zstd);
    free((*r)->path);
    free(*r);
    *r = NULL;
}

/* One call of zstd; *out is empty when it only took input in. */
static enum status
decompress(struct text_reader *r, struct span *out, struct error *err)
{
    ZSTD_outBuffer text = {.dst = r->text_bytes, .size = sizeof r->text_bytes};
    const size_t hint = ZSTD_decompressStream(r->zstd, &text, &r->in);
    if (ZSTD_isError(hint)) {
        return error_set(err, STATUS_CORRUPT, "%s does not decompress: %s",
            r->path, ZSTD_getErrorName(hint));
    }
    r->is_in_frame = hint != 0;
    r->has_pending = text.pos == text.size;
    *out = span_of(r->text_bytes, text.pos);
    return STATUS_OK;
}

static enum status
next_plain(struct text_reader *r, struct span *out)
{
    *out = span_of(r->file_bytes, r->in.size);
    r->in.pos = r->in.size;
    return STATUS_OK;
}

enum status
text_reader_next(struct text_reader *r, struct span *out, struct error *err)
{
    for (;;) {
        if (r->in.pos == r->in.size && !r->has_pending) {
            const enum status st = fill(r, err);
            if (st != STATUS_OK) {
                return st;
            }
            if (r->in.size == 0) {
                return error_set(
                    err, STATUS_CLOSED, "%s: end of the text", r->path);
            }
        }
        struct span text = SPAN_EMPTY;
        const enum status st =
            r->zstd == NULL ? next_plain(r, &text) : decompress(r, &text, err);
        if (st != STATUS_OK) {
            return st;
        }
        if (text.len > 0) {
            *out = text;
            return STATUS_OK;
        }
    }
}

bool
text_reader_is_cut(const struct text_reader *r)
{
    return r->is_in_frame;
}
