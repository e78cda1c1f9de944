/* The vectors of RFC 4648 section 10, every length, and every refusal. */
#include "base/base64.h"

#include "tests/support/guard_page.h"
#include "tests/support/test.h"

typedef enum status codec_fn(struct span in, struct buf *out);

static void
check(codec_fn *codec, const char *in, const char *expected)
{
    struct guard_page page = guard_page_copy(span_str(in));
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(buf_append_u8(&out, '>'), STATUS_OK); /* appends */
    assert_int_equal(codec(page.bytes, &out), STATUS_OK);
    buf_consume(&out, 1);
    assert_true(span_eq_str(buf_view(&out), expected));
    buf_fini(&out);
    guard_page_free(&page);
}

static void
rfc_vectors_both_ways(void **state)
{
    (void)state;
    static const char *const pairs[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbe", "+/++", "-_--"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        check(base64_encode, pairs[i][0], pairs[i][1]);
        check(base64_decode, pairs[i][1], pairs[i][0]);
        check(base64url_encode, pairs[i][0], pairs[i][2]);
        check(base64url_decode, pairs[i][2], pairs[i][0]);
    }
}

static void
every_length_round_trips(void **state)
{
    (void)state;
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 167 + 3);
    }
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct buf text;
        struct buf back;
        buf_init(&text, 400);
        buf_init(&back, len);
        assert_int_equal(base64_encode(span_of(bytes, len), &text), STATUS_OK);
        assert_int_equal(base64_decode(buf_view(&text), &back), STATUS_OK);
        assert_true(span_eq(buf_view(&back), span_of(bytes, len)));
        buf_clear(&text);
        buf_clear(&back);
        assert_int_equal(
            base64url_encode(span_of(bytes, len), &text), STATUS_OK);
        assert_int_equal(base64url_decode(buf_view(&text), &back), STATUS_OK);
        assert_true(span_eq(buf_view(&back), span_of(bytes, len)));
        buf_fini(&text);
        buf_fini(&back);
    }
}

static void
refused(codec_fn *codec, struct span in)
{
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(codec(in, &out), STATUS_INVALID);
    assert_int_equal(buf_view(&out).len, 0);
    buf_fini(&out);
}

static void
other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const standard[] = {"Zg", "Zg=", "Zm8", "Z",
        "Z===", "====", "=", "==", "Zg==Zg==", "Zm9v\n", "Zm9vYg==\n", "Zm 9",
        "Zm-v", "Zm_v", "Zh==", "Zm9=", "Zg=a",
        "Zm9vYmE==", "AAAA====", "Z\x80==", "A==="};
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
        refused(base64_decode, span_str(standard[i]));
    }
    static const char *const url[] = {"Zg==", "Zm8=", "Z", "Zm9vY", "Zm+v",
        "Zm/v", "Zh", "Zm9", "Zg\n", " Zm9", "="};
    for (size_t i = 0; i < sizeof(url) / sizeof(url[0]); i++) {
        refused(base64url_decode, span_str(url[i]));
    }
    refused(base64_decode, SPAN_LIT("Zm\0v"));
}

/* Each byte outside of the alphabet, in each place of a group. */
static void
every_foreign_byte_is_refused(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool is_digit = c >= '0' && c <= '9';
        if (is_letter || is_digit || c == '+' || c == '/' || c == '=') {
            continue;
        }
        for (size_t at = 0; at < 4; at++) {
            uint8_t group[4] = {'A', 'A', 'A', 'A'};
            group[at] = (uint8_t)c;
            refused(base64_decode, span_of(group, 4));
        }
    }
}

static void
the_cap_of_out_holds(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 7);
    assert_int_equal(base64_encode(SPAN_LIT("abcd"), &out), STATUS_LIMIT);
    assert_int_equal(base64url_encode(SPAN_LIT("abcdef"), &out), STATUS_LIMIT);
    assert_int_equal(
        base64_decode(SPAN_LIT("YWJjZGVmZ2g="), &out), STATUS_LIMIT);
    assert_int_equal(buf_view(&out).len, 0);
    assert_int_equal(base64url_encode(SPAN_LIT("abcde"), &out), STATUS_OK);
    buf_fini(&out);
}

static void
without_padding_and_of_one_length(void **state)
{
    (void)state;
    uint8_t bytes[6];
    check(base64_bare_encode, "\xfb\xff\xbe\xfb", "+/+++w");
    assert_int_equal(
        base64_bare_decode(SPAN_LIT("+/+++w"), bytes, 4), STATUS_OK);
    assert_memory_equal(bytes, "\xfb\xff\xbe\xfb", 4);
    assert_int_equal(base64_bare_decode(SPAN_EMPTY, bytes, 0), STATUS_OK);
    assert_int_equal(
        base64_bare_decode(SPAN_LIT("+/+++w"), bytes, 3), STATUS_INVALID);
    assert_int_equal(
        base64_bare_decode(SPAN_LIT("+/+++w"), bytes, 5), STATUS_INVALID);
    assert_int_equal(
        base64_bare_decode(SPAN_LIT("+/+++w=="), bytes, 4), STATUS_INVALID);
    assert_int_equal(
        base64_bare_decode(SPAN_LIT("+/+++x"), bytes, 4), STATUS_INVALID);
    assert_int_equal(
        base64_bare_decode(SPAN_LIT("AAAAA"), bytes, 3), STATUS_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_vectors_both_ways),
        cmocka_unit_test(every_length_round_trips),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(every_foreign_byte_is_refused),
        cmocka_unit_test(the_cap_of_out_holds),
        cmocka_unit_test(without_padding_and_of_one_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
