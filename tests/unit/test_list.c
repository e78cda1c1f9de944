/* Every way in and out of a list, held against an array that says the order. */
#include "base/list.h"
#include "tests/support/test.h"

struct item {
    int name;
    struct list hook;
};

static void
item_init(struct item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        items[i].name = (int)i;
        list_init(&items[i].hook);
    }
}

static void
expect_order(struct list *l, const int *names, size_t count)
{
    size_t n = 0;
    for (struct list *hook = l->next; hook != l; hook = hook->next) {
        assert_true(n < count);
        assert_int_equal(LIST_ENTRY(hook, struct item, hook)->name, names[n]);
        assert_ptr_equal(hook->next->prev, hook);
        n++;
    }
    assert_int_equal(n, count);
    assert_int_equal(list_is_empty(l), count == 0);
}

static void
front_and_back(void **state)
{
    (void)state;
    struct list l;
    struct item items[3];
    list_init(&l);
    item_init(items, 3);
    list_append(&l, &items[1].hook);
    list_append(&l, &items[2].hook);
    list_push(&l, &items[0].hook);
    expect_order(&l, (const int[]){0, 1, 2}, 3);
    list_drop(&items[1].hook);
    expect_order(&l, (const int[]){0, 2}, 2);
    assert_true(list_is_empty(&items[1].hook));
}

/* The last one, the first one, the only one: each is its own neighbour. */
static void
a_listed_hook_moves(void **state)
{
    (void)state;
    struct list l;
    struct item items[3];
    list_init(&l);
    item_init(items, 3);
    list_append(&l, &items[0].hook);
    list_append(&l, &items[0].hook);
    expect_order(&l, (const int[]){0}, 1);
    list_push(&l, &items[0].hook);
    expect_order(&l, (const int[]){0}, 1);
    list_append(&l, &items[1].hook);
    list_append(&l, &items[2].hook);
    list_append(&l, &items[2].hook);
    expect_order(&l, (const int[]){0, 1, 2}, 3);
    list_push(&l, &items[0].hook);
    expect_order(&l, (const int[]){0, 1, 2}, 3);
    list_append(&l, &items[0].hook);
    expect_order(&l, (const int[]){1, 2, 0}, 3);
    list_push(&l, &items[0].hook);
    expect_order(&l, (const int[]){0, 1, 2}, 3);
    list_push(&l, &items[1].hook);
    expect_order(&l, (const int[]){1, 0, 2}, 3);
}

static void
taking_empties(void **state)
{
    (void)state;
    struct list l;
    struct list all;
    struct item items[2];
    list_init(&l);
    item_init(items, 2);
    assert_null(list_take(&l));
    list_move_all(&l, &all);
    assert_true(list_is_empty(&all));
    list_append(&l, &items[0].hook);
    list_append(&l, &items[1].hook);
    list_move_all(&l, &all);
    expect_order(&l, NULL, 0);
    expect_order(&all, (const int[]){0, 1}, 2);
    assert_ptr_equal(list_take(&all), &items[0].hook);
    assert_true(list_is_empty(&items[0].hook));
    list_append(&l, &items[1].hook); /* out of the middle of a walk */
    assert_null(list_take(&all));
    expect_order(&l, (const int[]){1}, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(front_and_back),
        cmocka_unit_test(a_listed_hook_moves),
        cmocka_unit_test(taking_empties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
