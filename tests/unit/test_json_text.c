/* JSON strings: what is escaped and what is not, every escape read, every
 * malformed string refused, at every cut and against a guard page. */
#include "schema/json_text.h"
#include "schema/utf8.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static void
assert_encodes(struct span text, const char *want)
{
    struct buf out;
    buf_init(&out, 4096);
    struct guard_page g = guard_page_copy(text);
    assert_int_equal(json_text_encode(g.bytes, &out), STATUS_OK);
    guard_page_free(&g);
    assert_true(span_eq_str(buf_view(&out), want));
    buf_fini(&out);
}

/* The status of decoding; *rest_out is what was not taken. */
static enum status
decode(struct span json, struct buf *out, size_t *rest_out)
{
    struct guard_page g = guard_page_copy(json);
    struct span in = g.bytes;
    buf_clear(out);
    const enum status st = json_text_decode(&in, out);
    *rest_out = in.len;
    guard_page_free(&g);
    return st;
}

static void
only_what_must_be_is_escaped(void **state)
{
    (void)state;
    assert_encodes(SPAN_LIT(""), "\"\"");
    assert_encodes(SPAN_LIT("a/b \xC3\xA9 \xF0\x9F\x98\x80"),
        "\"a/b \xC3\xA9 \xF0\x9F\x98\x80\"");
    assert_encodes(SPAN_LIT("\n\r\t\b\f\"\\"), "\"\\n\\r\\t\\b\\f\\\"\\\\\"");
    assert_encodes(
        SPAN_LIT("\0\1\33\37\177"), "\"\\u0000\\u0001\\u001b\\u001f\\u007f\"");
}

/* Every byte below 0x80 at every place of two steps and what is behind. */
static void
every_byte_is_found_at_every_place(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 256);
    for (unsigned c = 0; c < 0x80; c++) {
        for (size_t at = 0; at < 40; at++) {
            uint8_t text[40];
            memset(text, 'x', sizeof text);
            text[at] = (uint8_t)c;
            buf_clear(&out);
            assert_int_equal(
                json_text_encode(span_of(text, sizeof text), &out), STATUS_OK);
            const struct span json = buf_view(&out);
            const bool is_plain =
                c >= 0x20 && c != '"' && c != '\\' && c != 127;
            assert_int_equal(json.len == sizeof text + 2, is_plain);
            assert_int_equal(json.ptr[1 + at], is_plain ? c : '\\');
        }
    }
    buf_fini(&out);
}

static void
text_survives_the_round_trip(void **state)
{
    (void)state;
    struct buf text;
    struct buf json;
    struct buf back;
    buf_init(&text, 4096);
    buf_init(&json, 8192);
    buf_init(&back, 4096);
    srand(11);
    for (int round = 0; round < 3000; round++) {
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)(rand() >> 5);
        }
        const size_t len = (size_t)rand() % sizeof bytes;
        buf_clear(&text);
        buf_clear(&json);
        assert_int_equal(utf8_repair(span_of(bytes, len), &text), STATUS_OK);
        assert_int_equal(json_text_encode(buf_view(&text), &json), STATUS_OK);
        size_t rest = 1;
        assert_int_equal(decode(buf_view(&json), &back, &rest), STATUS_OK);
        assert_int_equal(rest, 0);
        assert_true(span_eq(buf_view(&text), buf_view(&back)));
    }
    buf_fini(&text);
    buf_fini(&json);
    buf_fini(&back);
}

static void
every_escape_is_read(void **state)
{
    (void)state;
    const struct {
        const char *json;
        struct span want;
    } cases[] = {
        {"\"\"", SPAN_LIT("")},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", SPAN_LIT("\"\\/\b\f\n\r\t")},
        {"\"\\u0000\\u0041\\u007f\"", SPAN_LIT("\0A\177")},
        {"\"\\u00e9\\u00E9\\u20ac\"", SPAN_LIT("\xC3\xA9\xC3\xA9\xE2\x82\xAC")},
        {"\"\\ud83d\\uDE00\"", SPAN_LIT("\xF0\x9F\x98\x80")},
        {"\"\\udbff\\udfff\\ud800\\udc00\"",
            SPAN_LIT("\xF4\x8F\xBF\xBF\xF0\x90\x80\x80")},
        {"\"\\ud7ff\\ue000\"", SPAN_LIT("\xED\x9F\xBF\xEE\x80\x80")},
        {"\"raw \177 del\"", SPAN_LIT("raw \177 del")},
    };
    struct buf out;
    buf_init(&out, 256);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct span json = span_str(cases[i].json);
        size_t rest = 1;
        assert_int_equal(decode(json, &out, &rest), STATUS_OK);
        assert_int_equal(rest, 0);
        assert_true(span_eq(buf_view(&out), cases[i].want));
        for (size_t cut = 0; cut < json.len; cut++) {
            assert_int_equal(
                decode(span_of(json.ptr, cut), &out, &rest), STATUS_INVALID);
        }
    }
    buf_fini(&out);
}

static void
what_is_no_json_string_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"x", "'a'", "\"\\x\"", "\"\\u12\"",
        "\"\\u12g4\"", "\"\\ud83d\"", "\"\\ud83dx\"", "\"\\ud83d\\n\"",
        "\"\\ud83d\\ud83d\"", "\"\\ude00\"", "\"a\nb\"", "\"\x1f\"", "\"\xff\"",
        "\"\xed\xa0\x80\"", "\"\xc3\\n\xa9\"", "\"\\U0041\"", "\"\\\xc3\xa9\""};
    struct buf out;
    buf_init(&out, 256);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t rest = 0;
        assert_int_equal(decode(span_str(bad[i]), &out, &rest), STATUS_INVALID);
    }
    buf_fini(&out);
}

static void
full_buffer_is_a_limit_both_ways(void **state)
{
    (void)state;
    struct buf out;
    for (size_t max = 0; max < 9; max++) {
        buf_init(&out, max);
        assert_int_equal(json_text_encode(SPAN_LIT("a\33b"), &out),
            STATUS_LIMIT); /* ten bytes */
        buf_fini(&out);
    }
    for (size_t max = 0; max < 5; max++) {
        buf_init(&out, max);
        struct span json = SPAN_LIT("\"a\\u20acb\"");
        assert_int_equal(json_text_decode(&json, &out), STATUS_LIMIT);
        buf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_must_be_is_escaped),
        cmocka_unit_test(every_byte_is_found_at_every_place),
        cmocka_unit_test(text_survives_the_round_trip),
        cmocka_unit_test(every_escape_is_read),
        cmocka_unit_test(what_is_no_json_string_is_refused),
        cmocka_unit_test(full_buffer_is_a_limit_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
