#include "player/pace.h"
#include "tests/support/test.h"

static void
test_real_time(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 1, 0, 0);
    assert_int_equal(pace_due(&p, 0), 0);
    assert_int_equal(pace_due(&p, 250000), 250000);
    assert_int_equal(pace_due(&p, 60000000), 60000000);
}

static void
test_speed(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 4, 0, 0);
    assert_int_equal(pace_due(&p, 1000000), 250000);
    pace_init(&p, 0.5, 0, 0);
    assert_int_equal(pace_due(&p, 1000000), 2000000);
}

static void
test_idle_limit_is_of_recorded_time(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 2, 2000000, 0);
    assert_int_equal(pace_due(&p, 1000000), 500000);
    assert_int_equal(pace_due(&p, 61000000), 1500000); /* 60 s became 2 */
    assert_int_equal(pace_due(&p, 62000000), 2000000);
}

static void
test_at(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 1, 0, 10000000);
    assert_int_equal(pace_due(&p, 0), 0);
    assert_int_equal(pace_due(&p, 9999999), 0);
    assert_int_equal(pace_due(&p, 12000000), 2000000);
}

static void
test_never_goes_back(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 1, 0, 0);
    assert_int_equal(pace_due(&p, 5000000), 5000000);
    assert_int_equal(pace_due(&p, 1000000), 5000000);
    assert_int_equal(pace_due(&p, 6000000), 6000000);
    assert_true(pace_due(&p, UINT64_MAX) >= 6000000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_time),
        cmocka_unit_test(test_speed),
        cmocka_unit_test(test_idle_limit_is_of_recorded_time),
        cmocka_unit_test(test_at),
        cmocka_unit_test(test_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
