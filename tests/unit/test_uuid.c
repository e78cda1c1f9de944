/* Version 7 by RFC 9562: layout, order, and a strict text form. */
#include "base/uuid.h"

#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <string.h>

/* The example of RFC 9562 A.6: 2022-02-22 14:22:22.00 -05:00. */
static const char example[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

static void
the_layout_is_version_7(void **state)
{
    (void)state;
    struct uuid u = uuid_v7(INT64_C(1645557742000000));
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&u, text);
    assert_memory_equal(text, "017f22e2-79b0-7000-", 19);
    assert_non_null(strchr("89ab", text[19]));
    assert_int_equal(strlen(text), UUID_TEXT_LEN);
    struct uuid other = uuid_v7(INT64_C(1645557742000000));
    assert_memory_not_equal(u.bytes + 8, other.bytes + 8, 8);
}

static void
texts_sort_by_time_to_the_microsecond(void **state)
{
    (void)state;
    char before[UUID_TEXT_LEN + 1] = "";
    for (int64_t us = INT64_C(1795560235998990); us < INT64_C(1795560236001010);
         us++) {
        struct uuid u = uuid_v7(us);
        char text[UUID_TEXT_LEN + 1];
        uuid_format(&u, text);
        assert_int_equal(text[14], '7');
        assert_true(strcmp(before, text) < 0);
        memcpy(before, text, sizeof(before));
    }
}

static void
parse_takes_what_format_writes(void **state)
{
    (void)state;
    struct guard_page page = guard_page_copy(span_str(example));
    struct uuid u;
    char text[UUID_TEXT_LEN + 1];
    assert_true(uuid_parse(page.bytes, &u));
    uuid_format(&u, text);
    assert_string_equal(text, example);
    guard_page_free(&page);
    assert_false(uuid_is_nil(&u));
    assert_true(
        uuid_parse(SPAN_LIT("00000000-0000-0000-0000-000000000000"), &u));
    assert_true(uuid_is_nil(&u));
}

static void
other_texts_are_refused(void **state)
{
    (void)state;
    struct uuid u = {{9}};
    for (size_t len = 0; len < UUID_TEXT_LEN; len++) {
        struct guard_page page = guard_page_copy(span_of(example, len));
        assert_false(uuid_parse(page.bytes, &u));
        guard_page_free(&page);
    }
    for (size_t at = 0; at < UUID_TEXT_LEN; at++) {
        static const char foreign[] = "gG/:@`A -\x80";
        for (size_t k = 0; k < sizeof(foreign); k++) {
            char text[sizeof(example)];
            memcpy(text, example, sizeof(text));
            if (text[at] == foreign[k]) {
                continue;
            }
            text[at] = foreign[k];
            assert_false(uuid_parse(span_of(text, UUID_TEXT_LEN), &u));
        }
    }
    assert_false(
        uuid_parse(SPAN_LIT("017f22e2-79b0-7cc3-98c4-dc0c0c07398f0"), &u));
    assert_int_equal(u.bytes[0], 9);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_version_7),
        cmocka_unit_test(texts_sort_by_time_to_the_microsecond),
        cmocka_unit_test(parse_takes_what_format_writes),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
