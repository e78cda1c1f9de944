/* Borrowed bytes: the checked takes that every parser is made of.
 *
 * All takes go through span_take, so there is one place where a length is
 * compared. It refuses to know what the bytes mean.
 */
#include "base/span.h"

#include <assert.h>
#include <string.h>

struct span
span_of(const void *ptr, size_t len)
{
    if (ptr == NULL) {
        assert(len == 0);
        return SPAN_EMPTY;
    }
    return (struct span){.ptr = ptr, .len = len};
}

struct span
span_str(const char *s)
{
    return span_of(s, strlen(s));
}

bool
span_take(struct span *s, size_t n, struct span *head_out)
{
    if (n > s->len) {
        return false;
    }
    *head_out = (struct span){.ptr = s->ptr, .len = n};
    s->ptr += n;
    s->len -= n;
    return true;
}

bool
span_skip(struct span *s, size_t n)
{
    struct span head;
    return span_take(s, n, &head);
}

static bool
take_be(struct span *s, size_t n, uint64_t *out)
{
    struct span head;
    if (!span_take(s, n, &head)) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = (v << 8) | head.ptr[i];
    }
    *out = v;
    return true;
}

bool
span_take_u8(struct span *s, uint8_t *out)
{
    uint64_t v;
    if (!take_be(s, 1, &v)) {
        return false;
    }
    *out = (uint8_t)v;
    return true;
}

bool
span_take_u16(struct span *s, uint16_t *out)
{
    uint64_t v;
    if (!take_be(s, 2, &v)) {
        return false;
    }
    *out = (uint16_t)v;
    return true;
}

bool
span_take_u24(struct span *s, uint32_t *out)
{
    uint64_t v;
    if (!take_be(s, 3, &v)) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

bool
span_take_u32(struct span *s, uint32_t *out)
{
    uint64_t v;
    if (!take_be(s, 4, &v)) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

bool
span_take_u64(struct span *s, uint64_t *out)
{
    return take_be(s, 8, out);
}

bool
span_eq(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool
span_eq_str(struct span a, const char *b)
{
    return span_eq(a, span_str(b));
}

/* Not tolower(): a locale must not decide what a header name is. */
static uint8_t
ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

bool
span_eq_nocase(struct span a, const char *b)
{
    struct span other = span_str(b);
    if (a.len != other.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(other.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool
span_starts_with(struct span s, const char *prefix)
{
    struct span head;
    return span_take(&s, strlen(prefix), &head) && span_eq_str(head, prefix);
}

bool
span_take_until(struct span *s, uint8_t byte, struct span *head_out)
{
    const uint8_t *at = memchr(s->ptr, byte, s->len);
    if (at == NULL) {
        return false;
    }
    bool taken = span_take(s, (size_t)(at - s->ptr), head_out);
    return taken && span_skip(s, 1);
}

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct span
span_trim(struct span s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool
span_to_u64(struct span s, uint64_t max, uint64_t *out)
{
    if (s.len == 0) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        /* v * 10 + digit <= max, without overflow on the way */
        if (digit > max || v > (max - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}
