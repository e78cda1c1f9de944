/* UTF-8 against a second opinion: a decoder that works by code points, tried
 * on every code point and every short sequence. */
#include "schema/utf8.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static size_t
guarded_prefix(struct span s)
{
    struct guard_page g = guard_page_copy(s);
    const size_t n = utf8_valid_prefix(g.bytes);
    guard_page_free(&g);
    return n;
}

static size_t
put_char(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    const size_t len = more + 1;
    out[0] = (uint8_t)(0xFF00u >> len | c >> 6 * more);
    for (size_t i = 1; i < len; i++) {
        more--;
        out[i] = (uint8_t)(0x80 | (c >> 6 * more & 0x3F));
    }
    return len;
}

/* Whether exactly one well-formed character: decoded by arithmetic, then
 * encoded again, which refuses overlong forms. */
static bool
is_character(const uint8_t *p, size_t len)
{
    static const uint8_t first_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    if (len == 0 || len > 4) {
        return false;
    }
    uint32_t c = p[0] & first_mask[len];
    for (size_t i = 1; i < len; i++) {
        c = c << 6 | (p[i] & 0x3F);
    }
    uint8_t again[4];
    return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF) &&
           put_char(c, again) == len && memcmp(again, p, len) == 0;
}

static void
every_code_point_is_right(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x200000; c++) {
        uint8_t b[4];
        const size_t len = put_char(c, b);
        const bool is_scalar = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        const size_t n = utf8_valid_prefix(span_of(b, len));
        assert_int_equal(n, is_scalar ? len : 0);
    }
}

static void
every_short_sequence_agrees_with_arithmetic(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 0x1000000; v++) {
        const uint8_t b[3] = {
            (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        if (b[0] < 0x80 && v % 0x10000 != 0) {
            continue; /* ASCII in front says nothing new */
        }
        size_t want = 0;
        for (size_t n = 1; want == 0 && n <= 3; n++) {
            want = is_character(b, n) ? n : 0;
        }
        const size_t got = utf8_valid_prefix(span_of(b, 3));
        assert_true(want == 0 ? got == 0 : got >= want);
    }
}

static void
prefix_ends_where_the_fault_is(void **state)
{
    (void)state;
    static const char *const faults[] = {"\x80", "\xC0\xAF", "\xC1\xBF",
        "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFF", "\xE2\x82", "\xF0\x9F\x98", "\xC3"};
    /* The fault at every place relative to the wide steps. */
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        for (size_t before = 0; before < 80; before++) {
            uint8_t bytes[200];
            const size_t len = strlen(faults[i]);
            memset(bytes, 'a', sizeof bytes);
            memcpy(bytes + before, faults[i], len);
            const struct span at_end = span_of(bytes, before + len);
            assert_int_equal(guarded_prefix(at_end), before);
            assert_int_equal(
                utf8_valid_prefix(span_of(bytes, sizeof bytes)), before);
        }
    }
}

static void
split_tail_is_what_could_still_become_a_character(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t tail;
    } cases[] = {
        {"", 0},
        {"a", 0},
        {"\xC3", 1},
        {"a\xC3", 1},
        {"\xC3\xA9", 0},
        {"\xE2", 1},
        {"\xE2\x82", 2},
        {"\xE2\x82\xAC", 0},
        {"\xF0", 1},
        {"\xF0\x9F", 2},
        {"\xF0\x9F\x98", 3},
        {"\xF0\x9F\x98\x80", 0},
        {"x\xF0\x9F\x98", 3},
        {"\x82", 0},
        {"\x82\x82\x82\x82", 0},
        {"\xE0\x80", 0},
        {"\xED\xA0", 0},
        {"\xF4\x90", 0},
        {"\xF0\x80\x80", 0},
        {"\xF5", 0},
        {"\xC0", 0},
        {"\xE2\x82\xE2", 1},
        {"\xC3\x28", 0},
        {"\xF0\x9F\xF0\x9F", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guard_page g = guard_page_copy(span_str(cases[i].bytes));
        assert_int_equal(utf8_split_tail(g.bytes), cases[i].tail);
        guard_page_free(&g);
    }
}

static void
assert_repairs(struct span bytes, struct span want)
{
    struct buf out;
    buf_init(&out, 1024);
    struct guard_page g = guard_page_copy(bytes);
    assert_int_equal(utf8_repair(g.bytes, &out), STATUS_OK);
    guard_page_free(&g);
    assert_true(span_eq(buf_view(&out), want));
    buf_fini(&out);
}

#define BAD "\xEF\xBF\xBD"

static void
each_maximal_invalid_part_is_one_replacement(void **state)
{
    (void)state;
    assert_repairs(SPAN_LIT(""), SPAN_LIT(""));
    assert_repairs(SPAN_LIT("plain \xC3\xA9"), SPAN_LIT("plain \xC3\xA9"));
    /* Unicode 15, tables 3-8 to 3-11. */
    assert_repairs(SPAN_LIT("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
                            "A"),
        SPAN_LIT(BAD BAD BAD BAD BAD BAD BAD BAD "A"));
    assert_repairs(SPAN_LIT("\xED\xA0\x80\xED\xBF\xBF\xED\xAF"
                            "A"),
        SPAN_LIT(BAD BAD BAD BAD BAD BAD BAD BAD "A"));
    assert_repairs(SPAN_LIT("\xF4\x91\x92\x93\xFF"
                            "A\x80\xBF"
                            "B"),
        SPAN_LIT(BAD BAD BAD BAD BAD "A" BAD BAD "B"));
    assert_repairs(SPAN_LIT("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                            "A"),
        SPAN_LIT(BAD BAD BAD BAD "A"));
    assert_repairs(SPAN_LIT("cut \xF0\x9F\x98"), SPAN_LIT("cut " BAD));
}

static void
repaired_text_is_valid_and_a_full_buffer_says_so(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    srand(7);
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[48];
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)(rand() >> 7);
        }
        buf_clear(&out);
        assert_int_equal(
            utf8_repair(span_of(bytes, sizeof bytes), &out), STATUS_OK);
        const struct span text = buf_view(&out);
        assert_int_equal(utf8_valid_prefix(text), text.len);
    }
    buf_fini(&out);
    buf_init(&out, 4);
    assert_int_equal(utf8_repair(SPAN_LIT("ab\xFF"), &out), STATUS_LIMIT);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_is_right),
        cmocka_unit_test(every_short_sequence_agrees_with_arithmetic),
        cmocka_unit_test(prefix_ends_where_the_fault_is),
        cmocka_unit_test(split_tail_is_what_could_still_become_a_character),
        cmocka_unit_test(each_maximal_invalid_part_is_one_replacement),
        cmocka_unit_test(repaired_text_is_valid_and_a_full_buffer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
