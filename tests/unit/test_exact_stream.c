#include "player/exact_stream.h"
#include "tests/support/test.h"

struct line {
    char code;
    const char *data;
};

static void
expect(enum journal_stream wanted, const struct line *lines, size_t count,
    struct span bytes)
{
    struct exact_stream x;
    struct buf out;
    struct error err;
    exact_stream_init(&x, wanted);
    buf_init(&out, 4096);
    for (size_t i = 0; i < count; i++) {
        const struct cast_event e = {
            .code = lines[i].code,
            .data = span_str(lines[i].data),
        };
        assert_int_equal(exact_stream_feed(&x, &e, &out, &err), STATUS_OK);
    }
    assert_int_equal(exact_stream_end(&x, &out), STATUS_OK);
    assert_true(span_eq(buf_view(&out), bytes));
    buf_fini(&out);
    exact_stream_fini(&x);
}

static const struct line session[] = {
    {'i', "ls\n"},
    {'o', "one "},
    {'o', "b\xEF\xBF\xBD"
          "d"},
    {'b', "Yv9k"}, /* b FF d */
    {'s', "stderr"},
    {'o', "oops\xEF\xBF\xBD"},
    {'b', "b29wc8M="}, /* oops C3 */
    {'r', "100x30"},
    {'i', "\xEF\xBF\xBD"},
    {'b', "gA=="}, /* 80 */
    {'s', "stdout"},
    {'m', "binary"},
    {'B', "{\"stream\":\"stdout\",\"base64\":\"AAEC\"}"},
    {'B', "{\"stream\":\"stderr\",\"base64\":\"/w==\"}"},
    {'z', "of a later version"},
    {'o', "end"},
    {'k', "{}"},
};
#define LINES (sizeof session / sizeof session[0])

static void
test_streams(void **state)
{
    (void)state;
    expect(STREAM_STDOUT, session, LINES,
        SPAN_LIT("one b\xFF"
                 "d\0\1\2end"));
    expect(STREAM_STDERR, session, LINES, SPAN_LIT("oops\xC3\xFF"));
    expect(STREAM_STDIN, session, LINES, SPAN_LIT("ls\n\x80"));
}

static void
test_last_event_counts(void **state)
{
    (void)state;
    const struct line lines[] = {{'o', "a"}, {'o', "b"}};
    expect(STREAM_STDOUT, lines, 2, SPAN_LIT("ab"));
}

static void
test_refusals(void **state)
{
    (void)state;
    static const struct line bad[] = {
        {'B', "{\"stream\":\"stdout\"}"},
        {'B', "{\"stream\":\"elsewhere\",\"base64\":\"\"}"},
        {'B', "nothing"},
        {'B', "{\"stream\":\"stdout\",\"base64\":\"*\"}"},
        {'s', "stdin"},
        {'s', ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct exact_stream x;
        struct buf out;
        struct error err = {.code = STATUS_OK};
        exact_stream_init(&x, STREAM_STDOUT);
        buf_init(&out, 4096);
        const struct cast_event e = {
            .code = bad[i].code, .data = span_str(bad[i].data)};
        assert_int_not_equal(exact_stream_feed(&x, &e, &out, &err), STATUS_OK);
        assert_int_not_equal(err.text[0], '\0');
        buf_fini(&out);
        exact_stream_fini(&x);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_last_event_counts),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
