/* JSON strings: eight bytes a step as long as all of them mean themselves;
 * single bytes are looked at only around what must be escaped.
 */
#include "schema/json_text.h"

#include "schema/utf8.h"

#include <string.h>

#define EVERY_BYTE(b) (UINT64_C(0x0101010101010101) * (b))
#define DEL           0x7F
#define STEP          8u
#define ESCAPED_MAX   6u /* \\u00XX */
#define BLOCK         4096u

static bool
is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c != DEL;
}

/* A high bit in each byte of `v` that is zero. A borrow may mark more bytes
 * above a zero one, so the answer is only ever used as yes or no. */
static uint64_t
zero_bytes(uint64_t v)
{
    return (v - EVERY_BYTE(0x01)) & ~v & EVERY_BYTE(0x80);
}

/* Nonzero when one of eight bytes is not plain. */
static uint64_t
special_bytes(uint64_t v)
{
    const uint64_t control =
        (v - EVERY_BYTE(0x20)) & ~v & EVERY_BYTE(0x80); /* below 0x20 */
    return control | zero_bytes(v ^ EVERY_BYTE('"')) |
           zero_bytes(v ^ EVERY_BYTE('\\')) | zero_bytes(v ^ EVERY_BYTE(DEL));
}

static uint64_t
load8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static size_t
plain_prefix(struct span s)
{
    size_t at = 0;
    while (s.len - at >= STEP && special_bytes(load8(s.ptr + at)) == 0) {
        at += STEP;
    }
    while (at < s.len && is_plain(s.ptr[at])) {
        at++;
    }
    return at;
}

/* The letter behind the backslash, 0 when the long form is needed. */
static uint8_t
short_escape(uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return 0;
    }
}

/* How many bytes stand for `c`. */
static size_t
escaped_len(uint8_t c)
{
    if (is_plain(c)) {
        return 1;
    }
    return short_escape(c) != 0 ? 2 : 6;
}

static uint8_t *
put_escaped(uint8_t c, uint8_t *to)
{
    static const char hex[] = "0123456789abcdef";
    if (is_plain(c)) {
        *to++ = c;
        return to;
    }
    const uint8_t letter = short_escape(c);
    *to++ = '\\';
    if (letter != 0) {
        *to++ = letter;
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = (uint8_t)hex[c >> 4];
    to[4] = (uint8_t)hex[c & 0xF];
    return to + 5;
}

static uint8_t *
put_text(struct span text, uint8_t *to)
{
    const uint8_t *at = text.ptr;
    size_t left = text.len;
    while (left > 0) {
        size_t n = left < STEP ? left : STEP;
        if (n == STEP && special_bytes(load8(at)) == 0) {
            memcpy(to, at, STEP);
            to += STEP;
        } else {
            for (size_t i = 0; i < n; i++) {
                to = put_escaped(at[i], to);
            }
        }
        at += n;
        left -= n;
    }
    return to;
}

/* Room is made for the worst case, a block at a time; close to the cap of
 * `out`, where the worst case has no room but the text may, byte by byte. */
static enum status
append_escaped(struct span text, struct buf *out)
{
    while (text.len > 0) {
        const size_t sure = buf_room(out) / ESCAPED_MAX;
        size_t n = text.len < BLOCK ? text.len : BLOCK;
        if (n > sure) {
            n = sure > 0 ? sure : 1;
        }
        const size_t most = sure > 0 ? n * ESCAPED_MAX : escaped_len(*text.ptr);
        struct span block = SPAN_EMPTY;
        uint8_t *tail = NULL;
        const enum status st = buf_reserve(out, most, &tail);
        if (st != STATUS_OK) {
            return st;
        }
        (void)span_take(&text, n, &block);
        buf_commit(out, (size_t)(put_text(block, tail) - tail));
    }
    return STATUS_OK;
}

enum status
json_text_encode(struct span text, struct buf *out)
{
    const size_t before = out->len;
    enum status st = buf_append_u8(out, '"');
    if (st == STATUS_OK) {
        st = append_escaped(text, out);
    }
    if (st == STATUS_OK) {
        st = buf_append_u8(out, '"');
    }
    if (st != STATUS_OK) {
        out->len = before; /* half a string is worse than none */
    }
    return st;
}

static bool
take_hex4(struct span *in, uint32_t *out)
{
    struct span digits = SPAN_EMPTY;
    if (!span_take(in, 4, &digits)) {
        return false;
    }
    uint32_t v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        const uint8_t c = digits.ptr[i];
        const uint8_t lower = c | 0x20;
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint32_t)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            v = v << 4 | (uint32_t)(lower - 'a' + 10);
        } else {
            return false;
        }
    }
    *out = v;
    return true;
}

/* The character of a \u escape, whose `\u` is taken already; a surrogate must
 * be a high one with its low one behind. */
static bool
take_unicode(struct span *in, uint32_t *out)
{
    uint32_t high = 0;
    uint32_t low = 0;
    if (!take_hex4(in, &high)) {
        return false;
    }
    if (high < 0xD800 || high > 0xDFFF) {
        *out = high;
        return true;
    }
    if (high > 0xDBFF || !span_starts_with(*in, "\\u") || !span_skip(in, 2) ||
        !take_hex4(in, &low) || low < 0xDC00 || low > 0xDFFF) {
        return false;
    }
    *out = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static enum status
append_utf8(uint32_t c, struct buf *out)
{
    uint8_t b[4];
    size_t len = 0;
    if (c < 0x80) {
        b[len++] = (uint8_t)c;
    } else if (c < 0x800) {
        b[len++] = (uint8_t)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        b[len++] = (uint8_t)(0xE0 | c >> 12);
        b[len++] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    } else {
        b[len++] = (uint8_t)(0xF0 | c >> 18);
        b[len++] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
        b[len++] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    }
    if (c >= 0x80) {
        b[len++] = (uint8_t)(0x80 | (c & 0x3F));
    }
    return buf_append(out, span_of(b, len));
}

/* What stands for one character behind a backslash; 0 when nothing does. */
static uint8_t
short_unescape(uint8_t letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/':
        return letter;
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    default:
        return 0;
    }
}

/* One escape whose backslash is taken already. */
static enum status
take_escape(struct span *in, struct buf *out)
{
    uint8_t letter = 0;
    if (!span_take_u8(in, &letter)) {
        return STATUS_INVALID;
    }
    if (letter == 'u') {
        uint32_t c = 0;
        return take_unicode(in, &c) ? append_utf8(c, out) : STATUS_INVALID;
    }
    const uint8_t c = short_unescape(letter);
    return c != 0 ? buf_append_u8(out, c) : STATUS_INVALID;
}

static enum status
take_text(struct span *in, struct buf *out)
{
    for (;;) {
        struct span run = SPAN_EMPTY;
        uint8_t c = 0;
        (void)span_take(in, plain_prefix(*in), &run);
        enum status st = buf_append(out, run);
        if (st != STATUS_OK) {
            return st;
        }
        if (!span_take_u8(in, &c)) {
            return STATUS_INVALID;
        }
        if (c == '"') {
            return STATUS_OK;
        }
        if (c == '\\') {
            st = take_escape(in, out);
        } else {
            st = c == DEL ? buf_append_u8(out, c) : STATUS_INVALID;
        }
        if (st != STATUS_OK) {
            return st;
        }
    }
}

enum status
json_text_decode(struct span *in, struct buf *out)
{
    const size_t before = out->len;
    uint8_t c = 0;
    if (!span_take_u8(in, &c) || c != '"') {
        return STATUS_INVALID;
    }
    const enum status st = take_text(in, out);
    if (st != STATUS_OK) {
        return st;
    }
    /* Escapes stand for whole characters, so bytes on both sides of one cannot
     * join to something valid: looking at the value alone is enough. */
    struct span value = buf_view(out);
    (void)span_skip(&value, before);
    return utf8_valid_prefix(value) == value.len ? STATUS_OK : STATUS_INVALID;
}
