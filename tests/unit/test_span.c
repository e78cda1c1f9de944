/* Takes are checked at every length, right up to a guard page. */
#include "base/span.h"

#include "tests/support/guard_page.h"
#include "tests/support/test.h"

static const uint8_t counting[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static void
of_never_yields_a_null_pointer(void **state)
{
    (void)state;
    assert_non_null(span_of(NULL, 0).ptr);
    assert_non_null(span_str("").ptr);
    assert_non_null(SPAN_EMPTY.ptr);
    assert_int_equal(SPAN_LIT("abc").len, 3);
}

static void
integers_are_big_endian(void **state)
{
    (void)state;
    struct span s = span_of(counting, sizeof(counting));
    uint8_t u8;
    uint16_t u16;
    uint32_t u24;
    assert_true(span_take_u8(&s, &u8));
    assert_true(span_take_u16(&s, &u16));
    assert_true(span_take_u24(&s, &u24));
    assert_int_equal(u8, 0x01);
    assert_int_equal(u16, 0x0203);
    assert_int_equal(u24, 0x040506);
    assert_int_equal(s.len, 3);

    uint32_t u32;
    uint64_t u64;
    s = span_of(counting, 4);
    assert_true(span_take_u32(&s, &u32));
    assert_int_equal(u32, 0x01020304);
    s = span_of(counting, 8);
    assert_true(span_take_u64(&s, &u64));
    assert_true(u64 == UINT64_C(0x0102030405060708));
    assert_int_equal(s.len, 0);
}

/* Every take, at every length that is too short, changes nothing. */
static void
short_takes_change_nothing(void **state)
{
    (void)state;
    for (size_t len = 0; len < 8; len++) {
        struct guard_page page = guard_page_copy(span_of(counting, len));
        struct span s = page.bytes;
        uint8_t u8 = 0xee;
        uint16_t u16 = 0xeeee;
        uint32_t u32 = 0xeeeeeeee;
        uint64_t u64 = 0xee;
        struct span head = SPAN_EMPTY;
        assert_int_equal(len >= 1, span_take_u8(&s, &u8));
        s = page.bytes;
        assert_int_equal(len >= 2, span_take_u16(&s, &u16));
        s = page.bytes;
        assert_int_equal(len >= 3, span_take_u24(&s, &u32));
        s = page.bytes;
        assert_int_equal(len >= 4, span_take_u32(&s, &u32));
        s = page.bytes;
        assert_false(span_take_u64(&s, &u64));
        assert_false(span_take(&s, len + 1, &head));
        assert_false(span_take(&s, SIZE_MAX, &head));
        assert_false(span_skip(&s, SIZE_MAX));
        assert_ptr_equal(s.ptr, page.bytes.ptr);
        assert_int_equal(s.len, len);
        assert_int_equal(u64, 0xee);
        assert_int_equal(head.len, 0);
        assert_true(span_take(&s, len, &head));
        assert_true(span_eq(head, page.bytes));
        guard_page_free(&page);
    }
}

static void
comparisons(void **state)
{
    (void)state;
    assert_true(span_eq(SPAN_EMPTY, span_of(NULL, 0)));
    assert_true(span_eq_str(SPAN_LIT("abc"), "abc"));
    assert_false(span_eq_str(SPAN_LIT("abc"), "abcd"));
    assert_false(span_eq_str(SPAN_LIT("abc"), "abd"));
    assert_true(span_eq_nocase(SPAN_LIT("WebSocket"), "websocket"));
    assert_true(span_eq_nocase(SPAN_LIT("spdy/3.1"), "SPDY/3.1"));
    assert_false(span_eq_nocase(SPAN_LIT("["), "{")); /* differ by 0x20 */
    assert_false(span_eq_nocase(SPAN_LIT("\xc0"), "\xe0"));
    assert_false(span_eq_nocase(SPAN_LIT("ab"), "a"));
    assert_true(span_starts_with(SPAN_LIT("/api/v1"), "/api"));
    assert_true(span_starts_with(SPAN_LIT("x"), ""));
    assert_false(span_starts_with(SPAN_LIT("/ap"), "/api"));
    assert_false(span_starts_with(SPAN_LIT("/bpi"), "/api"));
}

static void
take_until_splits_at_the_first(void **state)
{
    (void)state;
    struct span s = SPAN_LIT("a:b:c");
    struct span head = SPAN_EMPTY;
    assert_true(span_take_until(&s, ':', &head));
    assert_true(span_eq_str(head, "a"));
    assert_true(span_eq_str(s, "b:c"));
    assert_true(span_take_until(&s, ':', &head));
    assert_false(span_take_until(&s, ':', &head));
    assert_true(span_eq_str(head, "b"));
    assert_true(span_eq_str(s, "c"));
    s = SPAN_LIT(":");
    assert_true(span_take_until(&s, ':', &head));
    assert_int_equal(head.len, 0);
    assert_int_equal(s.len, 0);
    assert_false(span_take_until(&s, ':', &head));
}

static void
trim_takes_blanks_only(void **state)
{
    (void)state;
    assert_true(span_eq_str(span_trim(SPAN_LIT(" \ta b\t ")), "a b"));
    assert_true(span_eq_str(span_trim(SPAN_LIT("\ra\n")), "\ra\n"));
    assert_int_equal(span_trim(SPAN_LIT(" \t ")).len, 0);
    assert_int_equal(span_trim(SPAN_EMPTY).len, 0);
}

static void
numbers_stop_at_max(void **state)
{
    (void)state;
    uint64_t v = 77;
    assert_true(span_to_u64(SPAN_LIT("0"), 0, &v));
    assert_int_equal(v, 0);
    assert_true(span_to_u64(SPAN_LIT("65535"), 65535, &v));
    assert_int_equal(v, 65535);
    assert_true(span_to_u64(SPAN_LIT("007"), 7, &v));
    assert_int_equal(v, 7);
    assert_true(span_to_u64(SPAN_LIT("18446744073709551615"), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);

    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1a",
        "18446744073709551616", "99999999999999999999999"};
    v = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(span_to_u64(span_str(bad[i]), UINT64_MAX, &v));
    }
    assert_false(span_to_u64(SPAN_LIT("65536"), 65535, &v));
    assert_false(span_to_u64(SPAN_LIT("1"), 0, &v));
    assert_false(span_to_u64(SPAN_LIT("9"), 5, &v));
    assert_int_equal(v, 77);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_never_yields_a_null_pointer),
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(short_takes_change_nothing),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(take_until_splits_at_the_first),
        cmocka_unit_test(trim_takes_blanks_only),
        cmocka_unit_test(numbers_stop_at_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
