/* Gaps: what is written is read, what is none is none, and people's words. */
#include "schema/gap.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static void
round_trip(void **state)
{
    (void)state;
    const struct gap gap = {.bytes = {1, UINT64_C(1) << 40, 3},
        .ms = 4205,
        .reason = "the \"disk\" is full\n"};
    struct gap read;
    struct buf json;
    const char *text = NULL;
    buf_init(&json, GAP_JSON_MAX);
    assert_int_equal(gap_encode(&gap, &json), STATUS_OK);
    assert_int_equal(buf_cstr(&json, &text), STATUS_OK);
    assert_string_equal(text,
        "{\"gap\":{\"stdin\":1,\"stdout\":1099511627776,\"stderr\":3,"
        "\"seconds\":4.205,\"reason\":\"the \\\"disk\\\" is full\\n\"}}");
    assert_int_equal(gap_decode(buf_view(&json), &read), STATUS_OK);
    assert_memory_equal(read.bytes, gap.bytes, sizeof gap.bytes);
    assert_int_equal(read.ms, gap.ms);
    assert_string_equal(read.reason, gap.reason);
    assert_int_equal(gap_total(&read), 4 + (UINT64_C(1) << 40));
    buf_fini(&json);
}

static void
a_reason_of_controls_fits(void **state)
{
    (void)state;
    struct gap gap = {.ms = UINT64_MAX / 2};
    struct buf json;
    memset(gap.bytes, 0xff, sizeof gap.bytes);
    memset(gap.reason, 1, GAP_REASON_MAX - 1);
    buf_init(&json, GAP_JSON_MAX);
    assert_int_equal(gap_encode(&gap, &json), STATUS_OK);
    buf_fini(&json);
}

static void
other_facts_are_none(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "{}",
        "null",
        "{\"reason\":\"gap\"}",
        "{\"gap\":1}",
        "{\"gap\":{}}",
        "{\"gap\":{\"stdin\":0,\"stdout\":-1,\"stderr\":0,\"seconds\":1,"
        "\"reason\":\"\"}}",
        "{\"gap\":{\"stdin\":0,\"stdout\":1,\"stderr\":0,\"seconds\":-1,"
        "\"reason\":\"\"}}",
        "{\"gap\":{\"stdin\":0,\"stdout\":1,\"stderr\":0,\"seconds\":1}}",
        "{\"gap\":{\"stdin\":0,",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct gap gap = {.ms = 77};
        assert_int_equal(
            gap_decode(span_str(others[i]), &gap), STATUS_NOT_FOUND);
        assert_int_equal(gap.ms, 77);
    }
}

static void
people_read_what_is_missing(void **state)
{
    (void)state;
    struct gap gap = {.bytes = {0, 1200, 34}, .ms = 4290, .reason = "full"};
    char text[GAP_TEXT_MAX];
    gap_text(&gap, text);
    assert_string_equal(
        text, "gap: 1234 bytes of output were not recorded in 4.2 s: full");
    gap.bytes[STREAM_STDIN] = 5;
    gap_text(&gap, text);
    assert_string_equal(text, "gap: 1234 bytes of output and 5 of input were "
                              "not recorded in 4.2 s: full");
    gap = (struct gap){.bytes = {5, 0, 0}, .reason = "full"};
    gap_text(&gap, text);
    assert_string_equal(
        text, "gap: 5 bytes of input were not recorded in 0.0 s: full");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(a_reason_of_controls_fits),
        cmocka_unit_test(other_facts_are_none),
        cmocka_unit_test(people_read_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
