/* What fails with every try is told once, and again when time has passed. */
#include "recorder/complaints.h"
#include "recorder/limits.h"
#include "tests/support/test.h"

#define MS UINT64_C(1000000)

static void
test_once_a_while(void **state)
{
    (void)state;
    struct complaints c = {0};
    const uint64_t later = 5 + RECORDER_COMPLAIN_MS * MS;
    assert_true(complaints_are_new(&c, "batch", STATUS_IO, 5));
    assert_false(complaints_are_new(&c, "batch", STATUS_IO, 6));
    assert_false(complaints_are_new(&c, "batch", STATUS_IO, later - 1));
    assert_true(complaints_are_new(&c, "batch", STATUS_IO, later));
    assert_false(complaints_are_new(&c, "batch", STATUS_IO, later + 1));
}

/* A full disk fails several things in turns. */
static void
test_kinds_in_turns(void **state)
{
    (void)state;
    struct complaints c = {0};
    assert_true(complaints_are_new(&c, "batch", STATUS_IO, 1));
    assert_true(complaints_are_new(&c, "publish", STATUS_IO, 2));
    assert_true(complaints_are_new(&c, "batch", STATUS_NO_SPACE, 3));
    for (uint64_t ns = 4; ns < 100; ns += 3) {
        assert_false(complaints_are_new(&c, "batch", STATUS_IO, ns));
        assert_false(complaints_are_new(&c, "publish", STATUS_IO, ns + 1));
        assert_false(complaints_are_new(&c, "batch", STATUS_NO_SPACE, ns + 2));
    }
}

/* More kinds than places: the oldest is told of again, no new one is lost. */
static void
test_more_kinds_than_places(void **state)
{
    (void)state;
    static const char *const events[] = {"a", "b", "c", "d", "e", "f", "g", "h",
        "i", "j", "k", "l", "m", "n", "o", "p", "q", "r"};
    struct complaints c = {0};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        assert_true(complaints_are_new(&c, events[i], STATUS_IO, i));
    }
    assert_false(complaints_are_new(&c, "r", STATUS_IO, 20));
    assert_true(complaints_are_new(&c, "a", STATUS_IO, 21));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_a_while),
        cmocka_unit_test(test_kinds_in_turns),
        cmocka_unit_test(test_more_kinds_than_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
