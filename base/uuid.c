/* UUID version 7: time in front, randomness behind.
 *
 * The 12 bits after the milliseconds carry the microseconds (RFC 9562 6.2,
 * method 3), so that the texts of two sessions of one millisecond still sort
 * by their start. The other 62 bits are random.
 */
#include "base/uuid.h"

#include "base/digest.h"

#include <string.h>

struct uuid
uuid_v7(int64_t wall_us)
{
    uint64_t us = wall_us < 0 ? 0 : (uint64_t)wall_us;
    uint64_t ms = us / 1000;
    uint64_t fraction = us % 1000 * 4096 / 1000;
    struct uuid u;
    random_bytes(u.bytes, sizeof(u.bytes));
    for (size_t i = 0; i < 6; i++) {
        u.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    u.bytes[6] = (uint8_t)(0x70 | (fraction >> 8)); /* version */
    u.bytes[7] = (uint8_t)fraction;
    u.bytes[8] = (uint8_t)(0x80 | (u.bytes[8] & 0x3f)); /* variant */
    return u;
}

bool
uuid_is_nil(const struct uuid *u)
{
    static const struct uuid nil;
    return memcmp(u, &nil, sizeof(nil)) == 0;
}

/* A hyphen stands in front of bytes 4, 6, 8 and 10. */
static bool
has_hyphen_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void
uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(u->bytes); i++) {
        if (has_hyphen_before(i)) {
            *out++ = '-';
        }
        *out++ = digits[u->bytes[i] >> 4];
        *out++ = digits[u->bytes[i] & 15];
    }
    *out = '\0';
}

static bool
take_hex_digit(struct span *s, uint8_t *out)
{
    uint8_t c;
    if (!span_take_u8(s, &c)) {
        return false;
    }
    if (c >= '0' && c <= '9') {
        *out = (uint8_t)(c - '0');
        return true;
    }
    if (c >= 'a' && c <= 'f') {
        *out = (uint8_t)(c - 'a' + 10);
        return true;
    }
    return false;
}

bool
uuid_parse(struct span text, struct uuid *out)
{
    struct uuid u;
    for (size_t i = 0; i < sizeof(u.bytes); i++) {
        uint8_t c;
        uint8_t high;
        uint8_t low;
        if (has_hyphen_before(i) && !(span_take_u8(&text, &c) && c == '-')) {
            return false;
        }
        if (!take_hex_digit(&text, &high) || !take_hex_digit(&text, &low)) {
            return false;
        }
        u.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (text.len != 0) {
        return false;
    }
    *out = u;
    return true;
}
