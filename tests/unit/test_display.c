#include "player/display.h"
#include "tests/support/test.h"
#include <locale.h>
#include <string.h>

static void
expect_escaped(struct span in, const char *wanted)
{
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(display_escape(in, &out), STATUS_OK);
    assert_true(span_eq_str(buf_view(&out), wanted));
    buf_fini(&out);
}

static void
test_escape(void **state)
{
    (void)state;
    expect_escaped(SPAN_LIT("plain w\xC3\xB6rd"), "plain w\xC3\xB6rd");
    expect_escaped(SPAN_LIT("a\nb\tc\rd"), "a\\nb\\tc\\rd");
    expect_escaped(SPAN_LIT("\033[31mred"), "\\x1b[31mred");
    expect_escaped(SPAN_LIT("\x7F"), "\\x7f");
    expect_escaped(SPAN_LIT("\xC2\x9B"
                            "31m"),
        "\\x9b31m"); /* C1 CSI */
    expect_escaped(SPAN_LIT("a\xE2\x80\xAE"
                            "b"),
        "a\\u202eb"); /* override */
    expect_escaped(SPAN_LIT("a\xE2\x81\xA6"
                            "b"),
        "a\\u2066b"); /* isolate */
    expect_escaped(SPAN_LIT("\xFF\xC3"), "\\xff\\xc3");
    expect_escaped(SPAN_LIT("\xED\xA0\x80"), "\\xed\\xa0\\x80"); /* surrogate */
    expect_escaped(SPAN_EMPTY, "");
}

/* The same JSON, without what a terminal would take for a command. */
static void
test_json(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *wanted;
    } cases[] = {
        {"{\"a\":\"w\xC3\xB6rd \\n\"}\n", "{\"a\":\"w\xC3\xB6rd \\n\"}\n"},
        {"\"\xC2\x9B"
         "31m\"",
            "\"\\u009b31m\""},
        {"\"\xE2\x80\xAE\"", "\"\\u202e\""},
        {"\"\xF3\xA0\x81\x81\"", "\"\\udb40\\udc41\""},
        {"\"\xF0\x9F\x98\x80\"", "\"\xF0\x9F\x98\x80\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        const struct span in = span_str(cases[i].in);
        buf_init(&out, DISPLAY_JSON_GROWTH * in.len);
        assert_int_equal(display_json(in, &out), STATUS_OK);
        assert_true(span_eq_str(buf_view(&out), cases[i].wanted));
        buf_fini(&out);
    }
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(display_json(SPAN_LIT("\"\xFF\""), &out), STATUS_INVALID);
    buf_fini(&out);
}

static void
test_width(void **state)
{
    (void)state;
    assert_int_equal(display_width(SPAN_LIT("abc")), 3);
    assert_int_equal(display_width(SPAN_LIT("w\xC3\xB6rd")), 4);
    assert_int_equal(display_width(SPAN_LIT("\xE6\xBC\xA2\xE5\xAD\x97")), 4);
    assert_int_equal(display_width(SPAN_LIT("e\xCC\x81")), 1);
    assert_int_equal(display_width(SPAN_EMPTY), 0);
}

static void
test_cut(void **state)
{
    (void)state;
    const struct span wide = SPAN_LIT("a\xE6\xBC\xA2"
                                      "b");
    assert_int_equal(display_cut(wide, 0).len, 0);
    assert_int_equal(display_cut(wide, 1).len, 1);
    assert_int_equal(display_cut(wide, 2).len, 1); /* the wide one needs two */
    assert_int_equal(display_cut(wide, 3).len, 4);
    assert_int_equal(display_cut(wide, 9).len, 5);
}

static void
expect_command(char *const *words, size_t count, const char *wanted)
{
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(display_command(words, count, &out), STATUS_OK);
    assert_true(span_eq_str(buf_view(&out), wanted));
    buf_fini(&out);
}

static void
test_command(void **state)
{
    (void)state;
    char sh[] = "sh";
    char flag[] = "-c";
    char script[] = "echo 'a' > /x\n";
    char nothing[] = "";
    char *const words[] = {sh, flag, script, nothing};
    expect_command(words, 4, "sh -c 'echo '\\''a'\\'' > /x\\n' ''");
    expect_command(words, 0, "");
}

static void
test_numbers(void **state)
{
    (void)state;
    char text[DISPLAY_SIZE_MAX];
    display_size(0, text);
    assert_string_equal(text, "0 B");
    display_size(1023, text);
    assert_string_equal(text, "1023 B");
    display_size(1536, text);
    assert_string_equal(text, "1.5 KiB");
    display_size(UINT64_MAX, text);
    assert_string_equal(text, "16384.0 PiB");
    display_duration(-5, text);
    assert_string_equal(text, "0ms");
    display_duration(850000, text);
    assert_string_equal(text, "850ms");
    display_duration(12345678, text);
    assert_string_equal(text, "12.3s");
    display_duration(245000000, text);
    assert_string_equal(text, "4m05s");
    display_duration(7380000000, text);
    assert_string_equal(text, "2h03m");
    display_duration(273600000000, text);
    assert_string_equal(text, "3d04h");
}

int
main(void)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
