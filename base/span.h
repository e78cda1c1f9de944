/* Borrowed bytes.
 *
 * A span never owns; it is valid until the call it was given to returns,
 * unless the header of that call says otherwise. Every take is checked by
 * comparing lengths, never by adding to a pointer first, and leaves the span
 * untouched when it answers false. Integers are big-endian.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const uint8_t *ptr; /* never NULL, also when len is 0 */
    size_t len;
};

#define SPAN_EMPTY ((struct span){(const uint8_t *)"", 0})
/* A span of a string literal, without its NUL. */
#define SPAN_LIT(s) ((struct span){(const uint8_t *)("" s), sizeof(s) - 1})

struct span span_of(const void *ptr, size_t len); /* NULL only with len 0 */
struct span span_str(const char *s);              /* without the NUL */

bool span_take(struct span *s, size_t n, struct span *head_out);
bool span_skip(struct span *s, size_t n);
bool span_take_u8(struct span *s, uint8_t *out);
bool span_take_u16(struct span *s, uint16_t *out);
bool span_take_u24(struct span *s, uint32_t *out);
bool span_take_u32(struct span *s, uint32_t *out);
bool span_take_u64(struct span *s, uint64_t *out);

bool span_eq(struct span a, struct span b);
bool span_eq_str(struct span a, const char *b);
bool span_eq_nocase(struct span a, const char *b); /* ASCII letters only */
bool span_starts_with(struct span s, const char *prefix);

/* Splits `s` at the first `byte`: the part before goes to *head_out and both
 * are removed from `s`. False, and nothing changed, when there is none. */
bool span_take_until(struct span *s, uint8_t byte, struct span *head_out);

/* Without leading and trailing SP and HTAB (RFC 9110 5.6.3 OWS). */
struct span span_trim(struct span s);

/* Digits only, the whole span, no sign; false when empty, not a number or
 * above max. */
bool span_to_u64(struct span s, uint64_t max, uint64_t *out);

#endif
