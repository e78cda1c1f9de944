/* UTF-8 by the table of well-formed byte sequences (Unicode 15, table 3-7).
 *
 * Nearly all that passes here is ASCII, so the scan takes 32 bytes a step as
 * long as no high bit shows and looks at single characters only then.
 */
#include "schema/utf8.h"

#include <string.h>

#define HIGH_BITS   0x8080808080808080u
#define WIDE_STEP   32u
#define NARROW_STEP 8u

static uint64_t
load8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* How far ASCII goes, give or take a step: never too far. */
static size_t
ascii_prefix(const uint8_t *p, size_t len)
{
    size_t at = 0;
    while (len - at >= WIDE_STEP) {
        const uint64_t any = load8(p + at) | load8(p + at + 8) |
                             load8(p + at + 16) | load8(p + at + 24);
        if ((any & HIGH_BITS) != 0) {
            break;
        }
        at += WIDE_STEP;
    }
    while (len - at >= NARROW_STEP && (load8(p + at) & HIGH_BITS) == 0) {
        at += NARROW_STEP;
    }
    return at;
}

/* What a first byte promises: how many bytes the character has, and the range
 * of the second, which is where overlong forms (E0, F0), surrogates (ED) and
 * what lies beyond U+10FFFF (F4) are refused. */
struct lead {
    size_t need; /* 0: no character begins so */
    uint8_t low;
    uint8_t high;
};

static struct lead
lead_of(uint8_t byte)
{
    if (byte < 0x80) {
        return (struct lead){.need = 1};
    }
    if (byte < 0xC2 || byte > 0xF4) {
        return (struct lead){.need = 0};
    }
    if (byte < 0xE0) {
        return (struct lead){.need = 2, .low = 0x80, .high = 0xBF};
    }
    if (byte < 0xF0) {
        return (struct lead){
            .need = 3,
            .low = byte == 0xE0 ? 0xA0 : 0x80,
            .high = byte == 0xED ? 0x9F : 0xBF,
        };
    }
    return (struct lead){
        .need = 4,
        .low = byte == 0xF0 ? 0x90 : 0x80,
        .high = byte == 0xF4 ? 0x8F : 0xBF,
    };
}

/* How many bytes at `p` belong to the character that begins there: as many as
 * `lead` needs when it is whole, fewer when it is broken or cut. */
static size_t
matched(struct lead lead, const uint8_t *p, size_t len)
{
    if (lead.need < 2) {
        return lead.need;
    }
    size_t n = 1;
    while (n < lead.need && n < len) {
        const uint8_t low = n == 1 ? lead.low : 0x80;
        const uint8_t high = n == 1 ? lead.high : 0xBF;
        if (p[n] < low || p[n] > high) {
            break;
        }
        n++;
    }
    return n;
}

size_t
utf8_valid_prefix(struct span s)
{
    size_t at = 0;
    while (at < s.len) {
        if (s.ptr[at] < 0x80) {
            const size_t run = ascii_prefix(s.ptr + at, s.len - at);
            at += run > 0 ? run : 1;
            continue;
        }
        const struct lead lead = lead_of(s.ptr[at]);
        const size_t n = matched(lead, s.ptr + at, s.len - at);
        if (lead.need == 0 || n < lead.need) {
            return at;
        }
        at += n;
    }
    return at;
}

size_t
utf8_split_tail(struct span s)
{
    for (size_t n = 1; n <= 3 && n <= s.len; n++) {
        const uint8_t *p = s.ptr + s.len - n;
        if ((*p & 0xC0) == 0x80) {
            continue; /* inside a character: its first byte is further left */
        }
        const struct lead lead = lead_of(*p);
        return lead.need > n && matched(lead, p, n) == n ? n : 0;
    }
    return 0;
}

enum status
utf8_repair(struct span s, struct buf *out)
{
    static const struct span replacement = {
        (const uint8_t *)"\xEF\xBF\xBD", 3}; /* U+FFFD */
    for (;;) {
        struct span valid = SPAN_EMPTY;
        (void)span_take(&s, utf8_valid_prefix(s), &valid);
        enum status st = buf_append(out, valid);
        if (st != STATUS_OK || s.len == 0) {
            return st;
        }
        st = buf_append(out, replacement);
        if (st != STATUS_OK) {
            return st;
        }
        const size_t bad = matched(lead_of(s.ptr[0]), s.ptr, s.len);
        (void)span_skip(&s, bad > 0 ? bad : 1);
    }
}
