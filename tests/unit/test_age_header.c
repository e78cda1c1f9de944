#include "base/age_header.h"

#include "tests/support/guard_page.h"
#include "tests/support/test.h"
#include <string.h>

#define SHARE "TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc"
#define BODY  "hjabGXwSLQ9c3S6Lw2i+S2Tu2fiwQHHslbBN6B41FLE"
#define MAC   "WyJp9F/9FOZh7gJdheq2WIJcwHgYc8NIVh3ddwhrcNg"
#define FULL  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define INTRO "age-encryption.org/v1\n"
#define X     "-> X25519 " SHARE "\n" BODY "\n"
#define END   "--- " MAC "\n"

static enum status
parse(const char *text, struct age_header *h)
{
    struct error err;
    struct guard_page g = guard_page_copy(span_str(text));
    const enum status st = age_header_parse(g.bytes, h, &err);
    guard_page_free(&g);
    return st;
}

static void
test_parses(void **state)
{
    (void)state;
    static const char text[] = INTRO "-> grease 1 two\n" FULL "\n\n" X
                                     "-> empty\n\n" END "payload\n--- x\n";
    struct age_header h;
    struct age_stanza s;
    struct error err;
    assert_int_equal(age_header_parse(span_str(text), &h, &err), STATUS_OK);
    assert_int_equal(h.stanza_count, 3);
    assert_string_equal(text + h.len, "payload\n--- x\n");
    assert_int_equal(h.mac[0], 0x5b);
    assert_int_equal(h.authentic.len, h.len - sizeof(END) + 1 + 3);
    assert_memory_equal(h.authentic.ptr + h.authentic.len - 4, "\n---", 4);

    assert_true(age_stanza_take(&h.stanzas, &s));
    assert_true(span_eq_str(s.type, "grease"));
    assert_true(span_eq_str(s.arguments, "1 two"));
    assert_int_equal(s.argument_count, 2);
    assert_true(span_eq_str(s.body, FULL "\n\n"));
    assert_true(age_stanza_take(&h.stanzas, &s));
    assert_true(span_eq_str(s.type, "X25519"));
    assert_int_equal(s.argument_count, 1);
    assert_true(span_eq_str(s.arguments, SHARE));
    assert_true(span_eq_str(s.body, BODY "\n"));
    assert_true(age_stanza_take(&h.stanzas, &s));
    assert_int_equal(s.argument_count, 0);
    assert_false(age_stanza_take(&h.stanzas, &s));
}

static void
test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "age-encryption.org",
        "something else",
        INTRO,
        INTRO END,              /* to nobody */
        INTRO X,                /* no end */
        INTRO X "--- " MAC,     /* no end of the end */
        INTRO X "---" MAC "\n", /* no space */
        INTRO X "---  " MAC "\n",
        INTRO X "--- " MAC " \n",
        INTRO X "--- " MAC "=\n",
        INTRO X "--- WyJp\n",
        INTRO X "--- WyJp9F/9FOZh7gJdheq2WIJcwHgYc8NIVh3ddwhrcNh\n",
        INTRO X "\n" END,
        INTRO "->\n\n" END,
        INTRO "-> \n\n" END,
        INTRO "->X\n\n" END,
        INTRO "-> X \n\n" END,
        INTRO "-> X  y\n\n" END,
        INTRO "-> X \ty\n\n" END,
        INTRO "-> X \x7f\n\n" END,
        INTRO "-> X \xc3\xa9\n\n" END,
        INTRO "-> X\r\n\n" END,
        INTRO "-> X\n" END,              /* no body */
        INTRO "-> X\n" FULL "\n" END,    /* a full line is not the last */
        INTRO "-> X\n" FULL "A\n\n" END, /* 65 characters */
        INTRO "-> X\nAAA=\n" END,
        INTRO "-> X\nA\n" END,
        INTRO "-> X\nAB\n" END, /* bits that are not zero */
        INTRO "-> X\nAA AA\n" END,
        INTRO "-> X\nAAAA\nAAAA\n" END,
    };
    struct age_header h;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i], &h), STATUS_CORRUPT);
    }
    assert_int_equal(
        parse("age-encryption.org/v2\n" X END, &h), STATUS_UNSUPPORTED);
}

static void
test_every_cut(void **state)
{
    (void)state;
    static const char whole[] = INTRO X "-> a b\n" FULL "\nAA\n" END;
    struct age_header h;
    struct error err;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        struct guard_page g = guard_page_copy(span_of(whole, len));
        assert_int_not_equal(age_header_parse(g.bytes, &h, &err), STATUS_OK);
        guard_page_free(&g);
    }
    assert_int_equal(parse(whole, &h), STATUS_OK);
    assert_int_equal(h.len, sizeof whole - 1);
}

static void
test_is_age(void **state)
{
    (void)state;
    assert_true(age_header_is_age(SPAN_LIT("age-encryption.org/v1\n")));
    assert_true(age_header_is_age(SPAN_LIT("age-encryption.org/v9 x")));
    assert_false(age_header_is_age(SPAN_LIT("age-encryption.org")));
    assert_false(age_header_is_age(SPAN_LIT("{\"version\":2}")));
}

static void
test_appends(void **state)
{
    (void)state;
    struct buf out;
    struct age_stanza s;
    buf_init(&out, 1000);
    assert_int_equal(age_stanza_append("X25519", SPAN_LIT("\x01\x02\x03\x04"),
                         SPAN_LIT("12345"), &out),
        STATUS_OK);
    assert_true(span_eq_str(buf_view(&out), "-> X25519 AQIDBA\nMTIzNDU\n"));
    struct span text = buf_view(&out);
    assert_true(age_stanza_take(&text, &s));
    assert_int_equal(text.len, 0);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parses),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_is_age),
        cmocka_unit_test(test_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
