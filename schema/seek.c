/* The zstd seek table: little-endian, as all of zstd is.
 *
 *   skippable head   magic u32, length u32
 *   entry, repeated  compressed u32, decompressed u32 [, checksum u32]
 *   footer           entries u32, descriptor u8, magic u32
 */
#include "schema/seek.h"

#include <inttypes.h>

#define FRAME_MAGIC  0x184D2A5Eu
#define FOOTER_MAGIC 0x8F92EAB1u
#define HEAD_LEN     8u
#define FOOTER_LEN   9u
#define ENTRY_LEN    8u
#define CHECKSUM_LEN 4u

/* The descriptor byte: bits 2-6 are reserved and must be zero, 0-1 unused. */
#define HAS_CHECKSUMS 0x80u
#define RESERVED      0x7Cu

static enum status
append_le32(struct buf *b, uint32_t v)
{
    const uint8_t le[4] = {
        (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    return buf_append(b, span_of(le, sizeof le));
}

static bool
take_le32(struct span *s, uint32_t *out)
{
    struct span le = SPAN_EMPTY;
    if (!span_take(s, 4, &le)) {
        return false;
    }
    *out = (uint32_t)le.ptr[0] | (uint32_t)le.ptr[1] << 8 |
           (uint32_t)le.ptr[2] << 16 | (uint32_t)le.ptr[3] << 24;
    return true;
}

/* Length of the table with its head; below 2 GiB for SEEK_FRAMES_MAX. */
static size_t
table_len(size_t count, size_t entry_len)
{
    return HEAD_LEN + count * entry_len + FOOTER_LEN;
}

enum status
seek_encode(const struct seek_entry *entries, size_t count, struct buf *out)
{
    if (count > SEEK_FRAMES_MAX) {
        return STATUS_LIMIT;
    }
    const size_t len = table_len(count, ENTRY_LEN);
    uint8_t *tail = NULL;
    enum status st = buf_reserve(out, len, &tail); /* all of it or nothing */
    if (st == STATUS_OK) {
        st = append_le32(out, FRAME_MAGIC);
    }
    if (st == STATUS_OK) {
        st = append_le32(out, (uint32_t)(len - HEAD_LEN));
    }
    for (size_t i = 0; st == STATUS_OK && i < count; i++) {
        st = append_le32(out, entries[i].file_len);
        if (st == STATUS_OK) {
            st = append_le32(out, entries[i].text_len);
        }
    }
    if (st == STATUS_OK) {
        st = append_le32(out, (uint32_t)count);
    }
    if (st == STATUS_OK) {
        st = buf_append_u8(out, 0);
    }
    return st == STATUS_OK ? append_le32(out, FOOTER_MAGIC) : st;
}

struct footer {
    size_t count;
    size_t entry_len;
};

static enum status
footer_decode(struct span last9, struct footer *out)
{
    uint32_t count = 0;
    uint8_t descriptor = 0;
    uint32_t magic = 0;
    if (last9.len != FOOTER_LEN || !take_le32(&last9, &count) ||
        !span_take_u8(&last9, &descriptor) || !take_le32(&last9, &magic) ||
        magic != FOOTER_MAGIC) {
        return STATUS_NOT_FOUND;
    }
    if (count > SEEK_FRAMES_MAX || (descriptor & RESERVED) != 0) {
        return STATUS_INVALID;
    }
    const bool has_checksums = (descriptor & HAS_CHECKSUMS) != 0;
    *out = (struct footer){
        .count = count,
        .entry_len = ENTRY_LEN + (has_checksums ? CHECKSUM_LEN : 0),
    };
    return STATUS_OK;
}

enum status
seek_footer_decode(struct span last9, size_t *table_len_out, size_t *count_out)
{
    struct footer footer;
    const enum status st = footer_decode(last9, &footer);
    if (st == STATUS_OK) {
        *table_len_out = table_len(footer.count, footer.entry_len);
        *count_out = footer.count;
    }
    return st;
}

enum status
seek_decode(struct span table, struct seek_entry *entries, size_t count,
    struct error *err)
{
    struct span rest = table;
    struct span body = SPAN_EMPTY;
    struct footer footer = {0};
    uint32_t magic = 0;
    uint32_t frame_len = 0;
    if (!take_le32(&rest, &magic) || !take_le32(&rest, &frame_len) ||
        magic != FRAME_MAGIC || frame_len != rest.len ||
        rest.len < FOOTER_LEN ||
        !span_take(&rest, rest.len - FOOTER_LEN, &body) ||
        footer_decode(rest, &footer) != STATUS_OK) {
        return error_set(err, STATUS_INVALID,
            "no seek table in the last %zu bytes", table.len);
    }
    if (footer.count != count || body.len != count * footer.entry_len) {
        return error_set(err, STATUS_INVALID,
            "a seek table of %zu bytes says it has %zu entries", table.len,
            footer.count);
    }
    for (size_t i = 0; i < count; i++) {
        (void)take_le32(&body, &entries[i].file_len); /* length checked above */
        (void)take_le32(&body, &entries[i].text_len);
        (void)span_skip(&body, footer.entry_len - ENTRY_LEN);
    }
    return STATUS_OK;
}
