#include "proxy/resize.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* Feeds `text` and returns the sizes it gave, "80x24 0x0 ". */
static const char *
sizes_of(struct resize_reader *r, const char *text)
{
    static char out[256];
    size_t len = 0;
    out[0] = '\0';
    for (const char *c = text; *c != '\0'; c++) {
        uint16_t width = 1;
        uint16_t height = 1;
        if (resize_take(r, (uint8_t)*c, &width, &height)) {
            const int n =
                snprintf(out + len, sizeof out - len, "%ux%u ", width, height);
            assert_in_range(n, 1, (int)(sizeof out - len) - 1);
            len += (size_t)n;
        }
    }
    return out;
}

static void
check(const char *text, const char *expected)
{
    struct resize_reader r;
    resize_init(&r);
    assert_string_equal(sizes_of(&r, text), expected);
}

static void
reads_what_kubectl_sends(void **state)
{
    (void)state;
    check("{\"Width\":80,\"Height\":24}\n", "80x24 ");
    check("{\"Width\":80,\"Height\":24}\n{\"Width\":100,\"Height\":30}\n",
        "80x24 100x30 ");
    check(
        "{\"Width\":80,\"Height\":24}{\"Width\":0,\"Height\":0}", "80x24 0x0 ");
}

static void
reads_json_as_go_does(void **state)
{
    (void)state;
    check(" { \"height\" : 24 ,\t\"WIDTH\": 65535\r\n} ", "65535x24 ");
    check("{}", "0x0 ");
    check("{\"Width\":80}", "80x0 ");
    check("{\"Width\":null,\"Height\":24}", "0x24 ");
    check("{\"Width\":1,\"Width\":2}", "2x0 ");
    check("{\"x\":{\"Width\":9,\"y\":[1,\"}\",{}]},\"Width\":80,"
          "\"z\":\"a\\\"},\",\"Height\":24}",
        "80x24 ");
}

static void
stops_listening_where_go_does(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x",
        "null",
        "7",
        "[]",
        "\"{}\"",
        "}",
        "{\"Width\":65536}",
        "{\"Width\":-1}",
        "{\"Width\":8.0}",
        "{\"Width\":\"80\"}",
        "{\"Width\":08}",
        "{\"Width\" 80}",
        "{\"Width\":80,}",
        "{,}",
        "{80}",
        "{\"Width\":80 \"Height\":24}",
        "{\"Width\":}",
        "{\"x\":}",
        "{\"x\":]}",
        "{\"Width\":true}",
        "{\"\\u0057idth\":80}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct resize_reader r;
        resize_init(&r);
        assert_string_equal(sizes_of(&r, bad[i]), "");
        assert_string_equal(sizes_of(&r, "{\"Width\":80,\"Height\":24}"), "");
        assert_true(r.is_deaf);
    }
}

static void
keeps_no_more_than_its_cap(void **state)
{
    (void)state;
    char text[2 * RESIZE_TEXT_MAX];
    memset(text, ' ', sizeof text);
    text[0] = '{';
    text[RESIZE_TEXT_MAX - 1] = '}';
    text[RESIZE_TEXT_MAX] = '\0';
    check(text, "0x0 ");
    text[RESIZE_TEXT_MAX - 1] = ' ';
    text[RESIZE_TEXT_MAX] = '}';
    text[RESIZE_TEXT_MAX + 1] = '\0';
    check(text, "");
    memset(text, '{', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    check(text, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_kubectl_sends),
        cmocka_unit_test(reads_json_as_go_does),
        cmocka_unit_test(stops_listening_where_go_does),
        cmocka_unit_test(keeps_no_more_than_its_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
