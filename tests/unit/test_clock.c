/* Wall time prints as RFC 3339, and a test can own the clock. */
#include "base/clock.h"

#include "tests/support/test.h"

static void
formats_rfc3339(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {INT64_C(1795560236000001), "2026-11-24T22:43:56.000001Z"},
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(1709164800000000), "2024-02-29T00:00:00.000000Z"},
        {INT64_C(999999), "1970-01-01T00:00:00.999999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[CLOCK_TEXT_MAX];
        clock_format(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void
the_system_clock_goes_forward(void **state)
{
    (void)state;
    uint64_t before = clock_mono_ns(&clock_system);
    uint64_t after = clock_mono_ns(&clock_system);
    assert_true(before > 0);
    assert_true(after >= before);
    /* between 2020 and 2100: the unit is microseconds */
    assert_true(clock_wall_us(&clock_system) > INT64_C(1577836800000000));
    assert_true(clock_wall_us(&clock_system) < INT64_C(4102444800000000));
}

static uint64_t
fake_mono(void *self)
{
    return *(const uint64_t *)self + 1;
}

static int64_t
fake_wall(void *self)
{
    return (int64_t) * (const uint64_t *)self + 2;
}

static void
a_clock_asks_its_self(void **state)
{
    (void)state;
    uint64_t now = 40;
    struct clock fake = {fake_mono, fake_wall, &now};
    assert_int_equal(clock_mono_ns(&fake), 41);
    assert_int_equal(clock_wall_us(&fake), 42);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_rfc3339),
        cmocka_unit_test(the_system_clock_goes_forward),
        cmocka_unit_test(a_clock_asks_its_self),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
