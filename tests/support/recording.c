/* See recording.h. */
#include "tests/support/recording.h"

#include "base/file.h"
#include "schema/seek.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct reader {
    struct recording *out;
    const struct ed25519_public *key;
    struct sha256 previous;
    size_t seal_at; /* text_len of the last seal */
    struct seek_entry *entries;
    size_t entry_count;
    bool is_sealed; /* the last frame has its seal */
};

#define CHECK(condition, ...)             \
    do {                                  \
        if (!(condition)) {               \
            fprintf(stderr, __VA_ARGS__); \
            fputc('\n', stderr);          \
            return false;                 \
        }                                 \
    } while (0)

static bool
read_text(struct reader *r, struct span frame)
{
    const unsigned long long size =
        ZSTD_getFrameContentSize(frame.ptr, frame.len);
    CHECK(size < 1u << 30, "a frame without its size");
    CHECK(r->is_sealed, "frame %zu is not sealed", r->out->frames);
    r->out->text = realloc(r->out->text, r->out->text_len + (size_t)size + 1);
    assert(r->out->text != NULL);
    const size_t n = ZSTD_decompress(
        r->out->text + r->out->text_len, (size_t)size, frame.ptr, frame.len);
    CHECK(n == size, "frame %zu: %s", r->out->frames, ZSTD_getErrorName(n));
    r->out->text_len += n;
    r->out->text[r->out->text_len] = '\0';
    r->entries = realloc(r->entries, (r->entry_count + 1) * sizeof *r->entries);
    assert(r->entries != NULL);
    r->entries[r->entry_count++] = (struct seek_entry){
        .file_len = (uint32_t)frame.len, .text_len = (uint32_t)n};
    r->out->frames++;
    r->is_sealed = false;
    return true;
}

static bool
read_seal(struct reader *r, struct span frame)
{
    struct error err;
    struct seal *s = &r->out->last;
    CHECK(!r->out->is_final, "something follows the final seal");
    CHECK(seal_decode(frame, s, &err) == STATUS_OK, "seal: %s", err.text);
    CHECK(seal_verify(frame, r->key), "seal %u: signature", s->sequence);
    CHECK(s->sequence == r->out->seals, "seal %u is number %zu", s->sequence,
        r->out->seals);
    CHECK(s->text_len == r->out->text_len, "seal %u: length", s->sequence);
    const struct sha256 hash =
        sha256_of(span_of(r->out->text, r->out->text_len));
    CHECK(memcmp(&hash, &s->text_hash, sizeof hash) == 0, "seal %u: hash",
        s->sequence);
    CHECK(memcmp(&r->previous, &s->previous, sizeof r->previous) == 0,
        "seal %u: chain", s->sequence);
    r->previous = seal_hash(frame);
    r->out->is_final = s->is_final;
    r->out->seals++;
    r->entries[r->entry_count - 1].file_len += (uint32_t)frame.len;
    r->is_sealed = true;
    return true;
}

static bool
read_table(struct reader *r, struct span frame)
{
    struct buf want;
    buf_init(&want, 1u << 30);
    const bool is_right =
        seek_encode(r->entries, r->entry_count, &want) == STATUS_OK &&
        span_eq(buf_view(&want), frame);
    buf_fini(&want);
    CHECK(is_right, "the seek table is not that of its frames");
    CHECK(r->out->is_final, "a seek table without a final seal");
    r->out->has_table = true;
    return true;
}

static bool
read_frame(struct reader *r, struct span *file)
{
    struct span frame;
    const size_t len = ZSTD_findFrameCompressedSize(file->ptr, file->len);
    CHECK(!ZSTD_isError(len), "after frame %zu: %s", r->out->frames,
        ZSTD_getErrorName(len));
    CHECK(!r->out->has_table, "something follows the seek table");
    (void)span_take(file, len, &frame);
    const uint32_t magic =
        (uint32_t)frame.ptr[0] | (uint32_t)frame.ptr[1] << 8 |
        (uint32_t)frame.ptr[2] << 16 | (uint32_t)frame.ptr[3] << 24;
    if (magic == ZSTD_MAGICNUMBER) {
        return read_text(r, frame);
    }
    return magic == SEAL_FRAME_MAGIC ? read_seal(r, frame)
                                     : read_table(r, frame);
}

bool
recording_read(
    const char *path, const struct ed25519_public *key, struct recording *out)
{
    struct buf bytes;
    buf_init(&bytes, 1u << 30);
    *out = (struct recording){.text = NULL};
    struct reader r = {.out = out, .key = key, .is_sealed = true};
    bool is_right = file_read(path, &bytes, NULL) == STATUS_OK;
    if (!is_right) {
        fprintf(stderr, "cannot read %s\n", path);
    }
    struct span file = buf_view(&bytes);
    while (is_right && file.len > 0) {
        is_right = read_frame(&r, &file);
    }
    if (is_right && !r.is_sealed) {
        fprintf(stderr, "the last frame has no seal\n");
        is_right = false;
    }
    free(r.entries);
    buf_fini(&bytes);
    return is_right;
}

void
recording_free(struct recording *r)
{
    free(r->text);
    r->text = NULL;
}
