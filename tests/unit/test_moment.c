#include "player/moment.h"
#include "tests/support/test.h"

/* 2026-11-24T22:43:56Z */
#define NOW_US 1795560236000000

static void
expect(const char *text, bool ends_day, int64_t wanted_us)
{
    int64_t us = -1;
    struct error err;
    assert_int_equal(
        moment_parse(text, NOW_US, ends_day, &us, &err), STATUS_OK);
    assert_int_equal(us, wanted_us);
}

static void
refuse(const char *text)
{
    int64_t us = -1;
    struct error err;
    assert_int_equal(
        moment_parse(text, NOW_US, false, &us, &err), STATUS_INVALID);
    assert_int_equal(us, -1);
}

static void
test_times(void **state)
{
    (void)state;
    expect("2026-11-24T22:43:56Z", false, NOW_US);
    expect("2026-11-24t22:43:56z", false, NOW_US);
    expect("2026-11-24 22:43:56Z", true, NOW_US);
    expect("2026-11-24T23:43:56+01:00", false, NOW_US);
    expect("2026-11-24T17:13:56-05:30", false, NOW_US);
    expect("2026-11-24T22:43:56.5Z", false, NOW_US + 500000);
    expect("2026-11-24T22:43:56.0000019Z", false, NOW_US + 1);
    expect("1970-01-01T00:00:00Z", false, 0);
}

static void
test_dates(void **state)
{
    (void)state;
    expect("2026-11-24", false, 1795478400000000);
    expect("2026-11-24", true, 1795564800000000);
    expect("2024-02-29", false, 1709164800000000);
    expect("2026-12-31", true, 1798761600000000);
}

static void
test_ago(void **state)
{
    (void)state;
    expect("90s", false, NOW_US - 90000000);
    expect("5m", true, NOW_US - 300000000);
    expect("2h", false, NOW_US - 7200000000);
    expect("3d", false, NOW_US - 259200000000);
    expect("1w", false, NOW_US - 604800000000);
    expect("0s", false, NOW_US);
}

static void
test_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "x", "5", "5y", "-5m", "h", "5 m",
        "99999999999999999999s", "9999999999d", "2026", "2026-13-01",
        "2026-02-30", "2026-11-31", "2026-11-24T", "2026-11-24T22:43Z",
        "2026-11-24T22:43:56", "2026-11-24T24:00:00Z", "2026-11-24T22:43:56.Z",
        "2026-11-24T22:43:56+1:00", "2026-11-24T22:43:56Zx", "2026-1-2",
        "1969-12-31", "tomorrow"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuse(bad[i]);
    }
}

static void
expect_length(const char *text, uint64_t wanted_us)
{
    uint64_t us = 0;
    struct error err;
    assert_int_equal(moment_length_parse(text, &us, &err), STATUS_OK);
    assert_int_equal(us, wanted_us);
}

static void
test_lengths(void **state)
{
    (void)state;
    expect_length("1.5", 1500000);
    expect_length("90", 90000000);
    expect_length("90s", 90000000);
    expect_length("5m", 300000000);
    expect_length("1m30s", 90000000);
    expect_length("1.5m", 90000000);
    expect_length("1:30", 90000000);
    expect_length("1:02:03", 3723000000);
    expect_length("0", 0);
    static const char *const bad[] = {"", "x", "-1", "1.", ":", "1:", "1y",
        "1e3", "99999999999999999999", "9999999999", " 1", "1 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t us = 7;
        struct error err;
        assert_int_equal(
            moment_length_parse(bad[i], &us, &err), STATUS_INVALID);
        assert_int_equal(us, 7);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_ago),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
