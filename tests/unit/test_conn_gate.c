/* What waits for the journal, and where it begins. */
#include "proxy/conn_gate.h"

#include "tests/support/test.h"

#define MARK_OF_ALL 99u

static void
parts_go_in_order(void **state)
{
    (void)state;
    struct conn_gate g = {0};
    conn_gate_add(&g, 10, 100, 1);
    conn_gate_add(&g, 5, 100, 2); /* waits for the same */
    conn_gate_add(&g, 7, 200, 3);
    conn_gate_join(&g, 3);
    conn_gate_add(&g, 1, 300, 4); /* with the last, for want of a slot */
    assert_int_equal(conn_gate_len(&g), 26);
    conn_gate_release(&g, 99);
    assert_int_equal(conn_gate_len(&g), 26);
    conn_gate_release(&g, 100);
    assert_int_equal(conn_gate_len(&g), 11);
    conn_gate_release(&g, 299);
    assert_int_equal(conn_gate_len(&g), 11);
    conn_gate_release(&g, 300);
    assert_int_equal(conn_gate_len(&g), 0);
}

static void
what_is_given_up_tells_where_it_began(void **state)
{
    (void)state;
    struct conn_gate g = {0};
    assert_int_equal(conn_gate_clear(&g, MARK_OF_ALL), MARK_OF_ALL);
    conn_gate_add(&g, 10, 100, 1);
    conn_gate_add(&g, 7, 200, 3);
    conn_gate_release(&g, 100);
    assert_int_equal(conn_gate_clear(&g, MARK_OF_ALL), 3);
    assert_int_equal(conn_gate_len(&g), 0);
    conn_gate_add(&g, 1, 50, 5); /* an earlier LSN than those given up */
    conn_gate_release(&g, 50);
    assert_int_equal(conn_gate_len(&g), 0);
    assert_int_equal(conn_gate_clear(&g, MARK_OF_ALL), MARK_OF_ALL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_go_in_order),
        cmocka_unit_test(what_is_given_up_tells_where_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
