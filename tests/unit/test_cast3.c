#include "player/cast3.h"
#include "tests/support/test.h"

static void
expect_header(const char *v2, const char *v3)
{
    struct cast3 c;
    struct buf out;
    struct error err;
    buf_init(&out, 4096);
    assert_int_equal(cast3_header(&c, span_str(v2), &out, &err), STATUS_OK);
    assert_true(span_eq_str(buf_view(&out), v3));
    buf_fini(&out);
}

static void
test_header(void **state)
{
    (void)state;
    expect_header("{\"version\": 2, \"width\": 80, \"height\": 24}",
        "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n");
    expect_header(
        "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":1504467315,"
        "\"title\":\"w\xC3\xB6rk\",\"env\":{\"TERM\":\"xterm\"},"
        "\"kubetape\":{\"id\":\"x\"},\"command\":\"sh\"}",
        "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24,\"type\":\"xterm\"},"
        "\"timestamp\":1504467315,\"command\":\"sh\","
        "\"title\":\"w\xC3\xB6rk\",\"env\":{\"TERM\":\"xterm\"}}\n");
}

static void
test_bad_header(void **state)
{
    (void)state;
    struct cast3 c;
    struct buf out;
    struct error err;
    buf_init(&out, 4096);
    assert_int_equal(
        cast3_header(&c, SPAN_LIT("[1]"), &out, &err), STATUS_INVALID);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void
test_events(void **state)
{
    (void)state;
    struct cast3 c = {.last_us = 0};
    struct buf out;
    buf_init(&out, 4096);
    const struct cast_event events[] = {
        {100000, 'o', SPAN_LIT("a\n")},
        {150000, 's', SPAN_LIT("stderr")}, /* ours: its time is not lost */
        {250000, 'o', SPAN_LIT("b")},
        {250000, 'b', SPAN_LIT("YQ==")},
        {250001, 'r', SPAN_LIT("90x30")},
        {3250001, 'm', SPAN_LIT("")},
        {3250001, 'k', SPAN_LIT("{}")},
        {3000000, 'i', SPAN_LIT("q")}, /* never back */
        {3350001, 'x', SPAN_LIT("0")},
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        assert_int_equal(cast3_event(&c, &events[i], &out), STATUS_OK);
    }
    assert_true(span_eq_str(buf_view(&out), "[0.100000, \"o\", \"a\\n\"]\n"
                                            "[0.150000, \"o\", \"b\"]\n"
                                            "[0.000001, \"r\", \"90x30\"]\n"
                                            "[3.000000, \"m\", \"\"]\n"
                                            "[0.000000, \"i\", \"q\"]\n"
                                            "[0.100000, \"x\", \"0\"]\n"));
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_bad_header),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
