/* JSON strings: sixteen bytes a step, copied as they are up to the first that
 * must be escaped. Output of programs is full of such bytes (line ends,
 * quotes, terminal escapes), so what matters is how little is done around one.
 */
#include "schema/json_text.h"

#include "schema/utf8.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#else
#include <endian.h>
#endif

#define DEL         0x7F
#define STEP        16u
#define ESCAPED_MAX 6u /* \\u00XX */
#define WINDOW      64u
#define BLOCK       4096u

static bool
is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c != DEL;
}

/* special_bytes: which of STEP bytes are not plain, the first in bit 0. */
#ifdef __SSE2__
static uint32_t
special_bytes(const uint8_t *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
    const __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(DEL));
    const __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    const __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    return (uint32_t)_mm_movemask_epi8(
        _mm_or_si128(_mm_or_si128(low, del), _mm_or_si128(quote, slash)));
}
#else
#define EVERY_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* The high bit of each byte that is zero in `v`, exactly. */
static uint64_t
zero_bytes(uint64_t v)
{
    const uint64_t low = (v & EVERY_BYTE(0x7F)) + EVERY_BYTE(0x7F);
    return ~(low | v) & EVERY_BYTE(0x80);
}

static uint32_t
special_of_8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    v = le64toh(v);
    const uint64_t marks =
        zero_bytes(v & EVERY_BYTE(0xE0)) | zero_bytes(v ^ EVERY_BYTE(DEL)) |
        zero_bytes(v ^ EVERY_BYTE('"')) | zero_bytes(v ^ EVERY_BYTE('\\'));
    /* Moves bit 8 i to bit 56 + i; no two terms of the product meet. */
    return (uint32_t)((marks >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

static uint32_t
special_bytes(const uint8_t *p)
{
    return special_of_8(p) | special_of_8(p + 8) << 8;
}
#endif

static size_t
plain_prefix(struct span s)
{
    size_t at = 0;
    while (s.len - at >= STEP) {
        const uint32_t special = special_bytes(s.ptr + at);
        if (special != 0) {
            return at + (size_t)__builtin_ctz(special);
        }
        at += STEP;
    }
    while (at < s.len && is_plain(s.ptr[at])) {
        at++;
    }
    return at;
}

/* The letter behind the backslash, 0 when the long form is needed. */
static const uint8_t short_escapes[128] = {
    ['"'] = '"',
    ['\\'] = '\\',
    ['\n'] = 'n',
    ['\r'] = 'r',
    ['\t'] = 't',
    ['\b'] = 'b',
    ['\f'] = 'f',
};

/* `c` is not plain, so below 0x80. */
static inline uint8_t *
put_escaped(uint8_t c, uint8_t *to)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t letter = short_escapes[c];
    to[0] = '\\';
    to[1] = letter;
    if (letter != 0) {
        return to + 2;
    }
    memcpy(to + 1, "u00", 3);
    to[4] = (uint8_t)hex[c >> 4];
    to[5] = (uint8_t)hex[c & 0xF];
    return to + ESCAPED_MAX;
}

/* Reads and writes up to STEP bytes beyond `len`: most runs are shorter than
 * a step, and a copy of known length is one instruction. */
static inline uint8_t *
put_run(const uint8_t *from, size_t len, uint8_t *to)
{
    memcpy(to, from, STEP);
    for (size_t at = STEP; at < len; at += STEP) {
        memcpy(to + at, from + at, STEP);
    }
    return to + len;
}

static uint8_t *
put_window(const uint8_t *from, uint8_t *to)
{
    uint64_t special = 0;
    for (unsigned i = 0; i < WINDOW; i += STEP) {
        special |= (uint64_t)special_bytes(from + i) << i;
    }
    size_t done = 0;
    for (; special != 0; special &= special - 1) {
        const size_t at = (size_t)__builtin_ctzll(special);
        to = put_run(from + done, at - done, to);
        to = put_escaped(from[at], to);
        done = at + 1;
    }
    return put_run(from + done, WINDOW - done, to);
}

/* What is too short for a window. */
static uint8_t *
put_rest(const uint8_t *from, size_t left, uint8_t *to)
{
    while (left >= STEP) {
        const uint32_t special = special_bytes(from);
        const size_t n = special == 0 ? STEP : (size_t)__builtin_ctz(special);
        memcpy(to, from, STEP);
        to += n;
        from += n;
        left -= n;
        if (special != 0) {
            to = put_escaped(*from++, to);
            left--;
        }
    }
    for (; left > 0; from++, left--) {
        if (is_plain(*from)) {
            *to++ = *from;
        } else {
            to = put_escaped(*from, to);
        }
    }
    return to;
}

/* Writes up to STEP bytes beyond what it returns. */
static uint8_t *
put_text(struct span text, uint8_t *to)
{
    while (text.len >= WINDOW + STEP) {
        to = put_window(text.ptr, to);
        (void)span_skip(&text, WINDOW);
    }
    return put_rest(text.ptr, text.len, to);
}

/* How many of the next bytes have room whatever they are. */
static size_t
sure_bytes(const struct buf *out, size_t len)
{
    const size_t room = buf_room(out);
    const size_t sure = room < STEP ? 0 : (room - STEP) / ESCAPED_MAX;
    const size_t most = len < BLOCK ? len : BLOCK;
    return most < sure ? most : sure;
}

/* Close to the cap of `out` the worst case has no room, but the text may. */
static enum status
append_byte(uint8_t c, struct buf *out)
{
    uint8_t text[ESCAPED_MAX];
    if (is_plain(c)) {
        return buf_append_u8(out, c);
    }
    return buf_append(
        out, span_of(text, (size_t)(put_escaped(c, text) - text)));
}

static enum status
append_block(struct span block, struct buf *out)
{
    uint8_t *tail = NULL;
    const enum status st =
        buf_reserve(out, block.len * ESCAPED_MAX + STEP, &tail);
    if (st == STATUS_OK) {
        buf_commit(out, (size_t)(put_text(block, tail) - tail));
    }
    return st;
}

static enum status
append_escaped(struct span text, struct buf *out)
{
    enum status st = STATUS_OK;
    while (text.len > 0 && st == STATUS_OK) {
        const size_t sure = sure_bytes(out, text.len);
        struct span head = SPAN_EMPTY;
        (void)span_take(&text, sure > 0 ? sure : 1, &head);
        st = sure > 0 ? append_block(head, out) : append_byte(*head.ptr, out);
    }
    return st;
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
