/* The checksum is over the prefix in lower case, and what it covers is what
 * makes a mistyped recipient an error instead of a recording that nobody can
 * read. */
#include "base/bech32.h"

#include <string.h>

#define CHECKSUM_CHARS 6

static const char lower[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
static const char upper[] = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

static bool
is_upper(const char *prefix)
{
    return prefix[0] >= 'A' && prefix[0] <= 'Z';
}

/* BIP 173 "Checksum": the generator of a BCH code over GF(32). */
static uint32_t
checksum_step(uint32_t sum, uint8_t value)
{
    static const uint32_t generator[] = {
        0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    const uint32_t top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (unsigned i = 0; i < 5; i++) {
        sum ^= (top >> i & 1) != 0 ? generator[i] : 0;
    }
    return sum;
}

static uint8_t
to_lower(char c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static uint32_t
prefix_checksum(const char *prefix)
{
    uint32_t sum = 1;
    for (const char *p = prefix; *p != '\0'; p++) {
        sum = checksum_step(sum, to_lower(*p) >> 5);
    }
    sum = checksum_step(sum, 0);
    for (const char *p = prefix; *p != '\0'; p++) {
        sum = checksum_step(sum, to_lower(*p) & 31);
    }
    return sum;
}

/* What is gathered of bits that do not make a byte yet. */
struct bits {
    uint32_t value;
    unsigned count;
    uint8_t *dst;
    size_t room;
};

static bool
put_five(struct bits *b, uint8_t value)
{
    b->value = (b->value << 5 | value) & 0xfff;
    b->count += 5;
    if (b->count < 8) {
        return true;
    }
    if (b->room == 0) {
        return false;
    }
    b->count -= 8;
    *b->dst++ = (uint8_t)(b->value >> b->count);
    b->room--;
    return true;
}

/* The characters behind the "1", checksum and all. */
static bool
decode_chars(struct span chars, const char *prefix, struct bits *b)
{
    const char *alphabet = is_upper(prefix) ? upper : lower;
    uint32_t sum = prefix_checksum(prefix);
    const size_t data_len = chars.len - CHECKSUM_CHARS;
    for (size_t i = 0; i < chars.len; i++) {
        const char *at = memchr(alphabet, chars.ptr[i], 32);
        if (at == NULL) {
            return false;
        }
        const uint8_t value = (uint8_t)(at - alphabet);
        sum = checksum_step(sum, value);
        if (i < data_len && !put_five(b, value)) {
            return false;
        }
    }
    const bool is_padding_zero =
        b->count < 5 && (b->value & ((1u << b->count) - 1)) == 0;
    return sum == 1 && is_padding_zero && b->room == 0;
}

enum status
bech32_decode(struct span text, const char *prefix, uint8_t *dst, size_t len)
{
    struct bits b = {.dst = dst, .room = len};
    if (!span_starts_with(text, prefix) || !span_skip(&text, strlen(prefix)) ||
        !span_starts_with(text, "1") || !span_skip(&text, 1) ||
        text.len < CHECKSUM_CHARS || !decode_chars(text, prefix, &b)) {
        explicit_bzero(dst, len);
        explicit_bzero(&b, sizeof b);
        return STATUS_INVALID;
    }
    explicit_bzero(&b, sizeof b);
    return STATUS_OK;
}
