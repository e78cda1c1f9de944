/* list: adding what is listed already, moving all, taking. */
#include "base/list.h"
#include "tests/support/test.h"

struct thing {
    int number;
    struct list hook;
};

static void
things_init(struct thing *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        t[i].number = (int)i;
        list_init(&t[i].hook);
    }
}

static int
take_number(struct list *l)
{
    struct list *hook = list_take(l);
    return hook == NULL ? -1 : LIST_ENTRY(hook, struct thing, hook)->number;
}

static void
test_order(void **state)
{
    struct list l;
    struct thing t[3];
    (void)state;
    list_init(&l);
    things_init(t, 3);
    list_append(&l, &t[1].hook);
    list_append(&l, &t[2].hook);
    list_push(&l, &t[0].hook);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take_number(&l), i);
    }
    assert_true(list_is_empty(&l));
    assert_int_equal(take_number(&l), -1);
}

/* The last member appended again stays in the list. */
static void
test_append_what_is_last(void **state)
{
    struct list l;
    struct thing t[2];
    (void)state;
    list_init(&l);
    things_init(t, 2);
    list_append(&l, &t[0].hook);
    list_append(&l, &t[0].hook);
    list_append(&l, &t[1].hook);
    list_append(&l, &t[1].hook);
    list_append(&l, &t[0].hook);
    assert_int_equal(take_number(&l), 1);
    assert_int_equal(take_number(&l), 0);
    assert_true(list_is_empty(&l));
}

static void
test_push_what_is_first(void **state)
{
    struct list l;
    struct thing t[2];
    (void)state;
    list_init(&l);
    things_init(t, 2);
    list_push(&l, &t[0].hook);
    list_push(&l, &t[0].hook);
    list_push(&l, &t[1].hook);
    list_push(&l, &t[1].hook);
    assert_int_equal(take_number(&l), 1);
    assert_int_equal(take_number(&l), 0);
    assert_true(list_is_empty(&l));
}

static void
test_drop_twice(void **state)
{
    struct list l;
    struct thing t[1];
    (void)state;
    list_init(&l);
    things_init(t, 1);
    list_append(&l, &t[0].hook);
    list_drop(&t[0].hook);
    list_drop(&t[0].hook);
    assert_true(list_is_empty(&l));
    assert_true(list_is_empty(&t[0].hook));
}

static void
test_move_all(void **state)
{
    struct list l;
    struct list to;
    struct thing t[2];
    (void)state;
    list_init(&l);
    things_init(t, 2);
    list_move_all(&l, &to);
    assert_true(list_is_empty(&to));
    list_append(&l, &t[0].hook);
    list_append(&l, &t[1].hook);
    list_move_all(&l, &to);
    assert_true(list_is_empty(&l));
    list_drop(&t[0].hook); /* a member may leave while the list is walked */
    assert_int_equal(take_number(&to), 1);
    assert_int_equal(take_number(&to), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_append_what_is_last),
        cmocka_unit_test(test_push_what_is_first),
        cmocka_unit_test(test_drop_twice),
        cmocka_unit_test(test_move_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
