/* Base64 in both alphabets.
 *
 * One encoder and one decoder: an alphabet is its last two characters and
 * whether it pads. The decoder accepts exactly what the encoder writes, so
 * that one value has one text (RFC 4648 sections 3.2 to 3.5).
 */
#include "base/base64.h"

static const char STANDARD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "abcdefghijklmnopqrstuvwxyz0123456789-_";

/* The first `n` bytes at `p` as 24 bits, zeros behind them. */
static uint32_t
load_group(const uint8_t *p, size_t n)
{
    uint32_t v = (uint32_t)p[0] << 16;
    if (n > 1) {
        v |= (uint32_t)p[1] << 8;
    }
    if (n > 2) {
        v |= p[2];
    }
    return v;
}

static uint8_t *
put_chars(uint8_t *dst, uint32_t v, size_t chars, const char *alphabet)
{
    for (size_t i = 0; i < chars; i++) {
        *dst++ = (uint8_t)alphabet[(v >> (18 - 6 * i)) & 63];
    }
    return dst;
}

static enum status
encode(struct span in, struct buf *out, const char *alphabet, bool pad)
{
    size_t tail = in.len % 3;
    size_t tail_chars = tail == 0 ? 0 : pad ? 4 : tail + 1;
    if (in.len / 3 > buf_room(out) / 4) {
        return STATUS_LIMIT;
    }
    uint8_t *dst = NULL;
    size_t chars = in.len / 3 * 4 + tail_chars;
    enum status st = buf_reserve(out, chars, &dst);
    if (st != STATUS_OK) {
        return st;
    }
    for (; in.len >= 3; in.ptr += 3, in.len -= 3) {
        dst = put_chars(dst, load_group(in.ptr, 3), 4, alphabet);
    }
    if (tail > 0) {
        dst = put_chars(dst, load_group(in.ptr, tail), tail + 1, alphabet);
        for (size_t i = tail + 1; i < tail_chars; i++) {
            *dst++ = '=';
        }
    }
    buf_commit(out, chars);
    return STATUS_OK;
}

/* 0-63, or a value above 63 for a byte outside of the alphabet. */
static uint32_t
char_value(uint8_t c, const char *alphabet)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0') + 52;
    }
    if (c == (uint8_t)alphabet[62]) {
        return 62;
    }
    return c == (uint8_t)alphabet[63] ? 63 : UINT32_MAX;
}

/* Writes chars - 1 bytes; the bits behind them must be zero. */
static bool
take_group(const uint8_t *p, size_t chars, const char *alphabet, uint8_t *dst)
{
    uint32_t v = 0;
    for (size_t i = 0; i < chars; i++) {
        uint32_t six = char_value(p[i], alphabet);
        if (six > 63) {
            return false;
        }
        v |= six << (18 - 6 * i);
    }
    size_t bytes = chars - 1;
    for (size_t i = 0; i < bytes; i++) {
        dst[i] = (uint8_t)(v >> (16 - 8 * i));
    }
    return ((v << (8 * bytes)) & 0xffffff) == 0;
}

/* How many bytes so many characters say; false when no number of bytes has so
 * many. */
static bool
decoded_len(size_t chars, size_t *len_out)
{
    const size_t tail = chars % 4;
    *len_out = chars / 4 * 3 + (tail > 0 ? tail - 1 : 0);
    return tail != 1;
}

static bool
decode_into(struct span in, uint8_t *dst, const char *alphabet)
{
    for (; in.len >= 4; in.ptr += 4, in.len -= 4, dst += 3) {
        if (!take_group(in.ptr, 4, alphabet, dst)) {
            return false;
        }
    }
    return in.len == 0 || take_group(in.ptr, in.len, alphabet, dst);
}

static enum status
decode(struct span in, struct buf *out, const char *alphabet)
{
    size_t bytes = 0;
    if (!decoded_len(in.len, &bytes)) {
        return STATUS_INVALID;
    }
    uint8_t *dst = NULL;
    enum status st = buf_reserve(out, bytes, &dst);
    if (st != STATUS_OK) {
        return st;
    }
    if (!decode_into(in, dst, alphabet)) {
        return STATUS_INVALID;
    }
    buf_commit(out, bytes);
    return STATUS_OK;
}

enum status
base64_encode(struct span in, struct buf *out)
{
    return encode(in, out, STANDARD, true);
}

enum status
base64_decode(struct span in, struct buf *out)
{
    if (in.len % 4 != 0) {
        return STATUS_INVALID;
    }
    /* At most two; a third is left in and refused as a character. */
    for (int i = 0; i < 2; i++) {
        if (in.len > 0 && in.ptr[in.len - 1] == '=') {
            in.len--;
        }
    }
    return decode(in, out, STANDARD);
}

enum status
base64_bare_encode(struct span in, struct buf *out)
{
    return encode(in, out, STANDARD, false);
}

enum status
base64_bare_decode(struct span in, uint8_t *dst, size_t len)
{
    size_t bytes = 0;
    return decoded_len(in.len, &bytes) && bytes == len &&
                   decode_into(in, dst, STANDARD)
               ? STATUS_OK
               : STATUS_INVALID;
}

enum status
base64url_encode(struct span in, struct buf *out)
{
    return encode(in, out, URL, false);
}

enum status
base64url_decode(struct span in, struct buf *out)
{
    return decode(in, out, URL);
}
