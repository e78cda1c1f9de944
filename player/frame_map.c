/* Walks by lengths alone: magic, frame header, block headers (RFC 8878 3.1.1),
 * all read with pread, so that a file which shrinks meanwhile is an answer and
 * not a signal. */
#include "player/frame_map.h"

#include "schema/seal.h"
#include "schema/seek.h"
#include <string.h>

/* zstd integers are little-endian, unlike all of base/span. */
#define FRAME_MAGIC        0xFD2FB528u
#define SKIPPABLE_MAGIC    0x184D2A50u /* low four bits free */
#define SEEK_TABLE_MAGIC   0x184D2A5Eu
#define BLOCK_HEAD_LEN     3u
#define SEEK_FOOTER_LEN    9u /* seekable format, "Seek_Table_Footer" */
#define SKIPPABLE_HEAD_LEN 8u

static uint32_t
le32(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

/* Up to `want` bytes; fewer only where the file ended when it was opened. */
static enum status
peek(struct recording_source *s, uint64_t offset, uint8_t *dst, size_t want,
    size_t *got_out, struct error *err)
{
    const uint64_t len = recording_source_len(s);
    *got_out = 0;
    if (offset >= len) {
        return STATUS_OK;
    }
    if (want > len - offset) {
        want = (size_t)(len - offset);
    }
    return recording_source_pread(s, dst, want, offset, got_out, err);
}

/* RFC 8878 3.1.1.1: how long magic and frame header are, from the descriptor
 * byte behind the magic. */
static size_t
head_len(uint8_t descriptor)
{
    static const uint8_t dictionary_len[] = {0, 1, 2, 4};
    static const uint8_t content_len[] = {0, 2, 4, 8};
    const bool is_single = (descriptor & 0x20) != 0;
    const unsigned size_flag = descriptor >> 6;
    size_t len = 4 + 1 + dictionary_len[descriptor & 3];
    len += size_flag == 0 ? (is_single ? 1u : 0u) : content_len[size_flag];
    return len + (is_single ? 0u : 1u);
}

/* Bytes that a block takes with its header, RFC 8878 3.1.1.2. */
static uint32_t
block_len(uint32_t head)
{
    const unsigned type = head >> 1 & 3;
    return BLOCK_HEAD_LEN + (type == 1 /* RLE */ ? 1 : head >> 3);
}

/* Where the frame ends, or a place beyond the file when it is cut. */
static enum status
text_frame_end(struct recording_source *s, uint64_t offset, uint8_t descriptor,
    uint64_t *end_out, struct error *err)
{
    const uint64_t file_len = recording_source_len(s);
    uint64_t at = offset + head_len(descriptor);
    uint32_t head = 0;
    do {
        uint8_t b[BLOCK_HEAD_LEN];
        size_t got = 0;
        const enum status st = peek(s, at, b, sizeof b, &got, err);
        if (st != STATUS_OK) {
            return st;
        }
        if (got < sizeof b) {
            *end_out = file_len + 1;
            return STATUS_OK;
        }
        head = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
        at += block_len(head);
    } while ((head & 1) == 0 && at <= file_len);
    const bool has_checksum = (descriptor & 0x04) != 0;
    *end_out = at + (has_checksum ? 4 : 0);
    return STATUS_OK;
}

static enum frame_kind
skippable_kind(uint32_t magic, uint64_t len)
{
    if (magic == SEAL_FRAME_MAGIC && len == SEAL_FRAME_LEN) {
        return FRAME_SEAL;
    }
    return magic == SEEK_TABLE_MAGIC ? FRAME_SEEK_TABLE : FRAME_OTHER;
}

/* Bytes at the end of the file that are too few to tell what they begin. */
static enum status
cut_at(const struct recording_source *s, uint64_t offset, struct frame *out)
{
    *out = (struct frame){
        .kind = FRAME_CUT,
        .offset = offset,
        .len = recording_source_len(s) - offset,
    };
    return STATUS_OK;
}

static enum status
finish(const struct recording_source *s, enum frame_kind kind, uint64_t offset,
    uint64_t end, struct frame *out)
{
    if (end > recording_source_len(s)) {
        return cut_at(s, offset, out);
    }
    *out = (struct frame){.kind = kind, .offset = offset, .len = end - offset};
    return STATUS_OK;
}

enum status
frame_map_at(struct recording_source *s, uint64_t offset, struct frame *out,
    struct error *err)
{
    if (offset >= recording_source_len(s)) {
        return error_set(err, STATUS_CLOSED, "end of the file");
    }
    uint8_t head[SKIPPABLE_HEAD_LEN];
    size_t got = 0;
    enum status st = peek(s, offset, head, sizeof head, &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (got < sizeof head) { /* no frame is as short as that */
        return cut_at(s, offset, out);
    }
    const uint32_t magic = le32(head);
    if ((magic & ~0xFu) == SKIPPABLE_MAGIC) {
        const uint64_t len = SKIPPABLE_HEAD_LEN + (uint64_t)le32(head + 4);
        return finish(s, skippable_kind(magic, len), offset, offset + len, out);
    }
    if (magic != FRAME_MAGIC) {
        return error_set(err, STATUS_CORRUPT,
            "byte %llu begins neither a frame nor a seal",
            (unsigned long long)offset);
    }
    uint64_t end = 0;
    st = text_frame_end(s, offset, head[4], &end, err);
    return st == STATUS_OK ? finish(s, FRAME_TEXT, offset, end, out) : st;
}

/* A seal's first bytes: magic and content length, little-endian. */
static const uint8_t seal_head[] = {
    SEAL_FRAME_MAGIC & 0xFF,
    SEAL_FRAME_MAGIC >> 8 & 0xFF,
    SEAL_FRAME_MAGIC >> 16 & 0xFF,
    SEAL_FRAME_MAGIC >> 24,
    (SEAL_FRAME_LEN - SKIPPABLE_HEAD_LEN) & 0xFF,
    (SEAL_FRAME_LEN - SKIPPABLE_HEAD_LEN) >> 8,
    0,
    0,
};

enum status
frame_map_has_seal(
    struct recording_source *s, uint64_t from, bool *has_out, struct error *err)
{
    uint8_t bytes[4096];
    size_t got = sizeof bytes;
    /* Pieces overlap, so that a head across their border is seen. */
    for (uint64_t at = from; got == sizeof bytes;
         at += sizeof bytes - sizeof seal_head + 1) {
        const enum status st =
            recording_source_pread(s, bytes, sizeof bytes, at, &got, err);
        if (st != STATUS_OK) {
            return st;
        }
        if (memmem(bytes, got, seal_head, sizeof seal_head) != NULL) {
            *has_out = true;
            return STATUS_OK;
        }
    }
    *has_out = false;
    return STATUS_OK;
}

enum status
frame_map_table_len(
    struct recording_source *s, uint64_t *len_out, struct error *err)
{
    const uint64_t file_len = recording_source_len(s);
    uint8_t footer[SEEK_FOOTER_LEN];
    size_t table_len = 0;
    size_t count = 0;
    size_t got = 0;
    *len_out = 0;
    if (file_len < sizeof footer) {
        return STATUS_OK;
    }
    const enum status st = recording_source_pread(
        s, footer, sizeof footer, file_len - sizeof footer, &got, err);
    if (st == STATUS_OK && got == sizeof footer &&
        seek_footer_decode(span_of(footer, got), &table_len, &count) ==
            STATUS_OK &&
        table_len <= file_len) {
        *len_out = table_len;
    }
    return st;
}
