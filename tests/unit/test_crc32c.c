/* Both ways to compute CRC-32C against the published values and each other.
 * The source is included, so that the test reaches the one that this
 * processor would not choose. */
#include "base/crc32c.c"

#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <stdlib.h>

/* RFC 3720 B.4, and the check value of the catalogue of CRCs. */
static void
known_answers(void **state)
{
    (void)state;
    uint8_t block[32] = {0};
    assert_int_equal(crc32c(0, SPAN_EMPTY), 0);
    assert_int_equal(crc32c(0, SPAN_LIT("123456789")), 0xe3069283);
    assert_int_equal(crc32c(0, span_of(block, 32)), 0x8a9136aa);
    memset(block, 0xff, sizeof(block));
    assert_int_equal(crc32c(0, span_of(block, 32)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++) {
        block[i] = i;
    }
    assert_int_equal(crc32c(0, span_of(block, 32)), 0x46dd794e);
}

static void
fill_random(uint8_t *bytes, size_t len)
{
    srand(3720);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)rand();
    }
}

/* One bit at a time, straight from the definition. */
static uint32_t
crc_by_bits(struct span s)
{
    uint32_t reg = UINT32_MAX;
    for (size_t i = 0; i < s.len; i++) {
        reg ^= s.ptr[i];
        for (int bit = 0; bit < 8; bit++) {
            reg = (reg >> 1) ^ ((reg & 1) != 0 ? POLYNOMIAL : 0);
        }
    }
    return ~reg;
}

static void
both_agree_with_the_definition(void **state)
{
    (void)state;
    static uint8_t bytes[4 * 3 * LANE];
    fill_random(bytes, sizeof(bytes));
    static const size_t lengths[] = {0, 1, 7, 8, 9, 63, 3 * LANE - 1, 3 * LANE,
        3 * LANE + 1, 6 * LANE + 13, sizeof(bytes)};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct guard_page page = guard_page_copy(span_of(bytes, lengths[i]));
        uint32_t expected = crc_by_bits(page.bytes);
        assert_int_equal(crc32c(0, page.bytes), expected);
        assert_int_equal(~update_by_table(UINT32_MAX, page.bytes), expected);
#ifdef __x86_64__
        if (__builtin_cpu_supports("sse4.2")) {
            assert_int_equal(
                ~update_by_sse42(UINT32_MAX, page.bytes), expected);
        }
#endif
        guard_page_free(&page);
    }
}

static void
continues_at_every_split(void **state)
{
    (void)state;
    static uint8_t bytes[7 * LANE];
    fill_random(bytes, sizeof(bytes));
    struct span whole = span_of(bytes, sizeof(bytes));
    uint32_t expected = crc32c(0, whole);
    for (size_t at = 0; at <= whole.len; at += 13) {
        uint32_t crc = crc32c(0, span_of(bytes, at));
        crc = crc32c(crc, span_of(bytes + at, whole.len - at));
        assert_int_equal(crc, expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(both_agree_with_the_definition),
        cmocka_unit_test(continues_at_every_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
