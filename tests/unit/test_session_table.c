#include "recorder/session_table.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 500

static struct session_file *
session(uint64_t key)
{
    static const struct uuid worker;
    static const struct session_env env = {.clock = &clock_system};
    const struct journal_record r = {.lsn = key,
        .session = key,
        .kind = JOURNAL_OPEN,
        .payload =
            SPAN_LIT("{\"id\":\"019ab809-0000-7000-8000-000000000001\"}")};
    struct session_file *s = NULL;
    struct error err;
    if (session_file_open(&env, &worker, &r, &s, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    return s;
}

static void
add(struct session_table *t, uint64_t key)
{
    struct session_file *s = session(key);
    assert_int_equal(session_table_add(t, &s, NULL), STATUS_OK);
    assert_null(s);
}

static void
test_find_and_remove(void **state)
{
    (void)state;
    struct session_table t;
    bool is_in[KEYS] = {false};
    session_table_init(&t);
    assert_null(session_table_find(&t, 8));
    srand(1);
    for (int step = 0; step < 4000; step++) {
        const size_t n = (size_t)rand() % KEYS;
        const uint64_t key = 128 + n * 48;
        if (is_in[n]) {
            session_table_remove(&t, key);
        } else {
            add(&t, key);
        }
        is_in[n] = !is_in[n];
        size_t count = 0;
        for (size_t i = 0; i < KEYS; i++) {
            const struct session_file *s = session_table_find(&t, 128 + i * 48);
            assert_int_equal(s != NULL, is_in[i]);
            if (s != NULL) {
                assert_int_equal(session_file_key(s), 128 + i * 48);
                count++;
            }
        }
        assert_int_equal(count, t.count);
    }
    session_table_fini(&t);
}

/* Every one is seen when some are removed on the way, by the rule in
 * session_table.h. */
static void
test_remove_while_walking(void **state)
{
    (void)state;
    for (size_t n = 1; n < 60; n++) {
        struct session_table t;
        bool was_seen[64] = {false};
        size_t at = 0;
        session_table_init(&t);
        for (size_t i = 0; i < n; i++) {
            add(&t, 128 + i * 48);
        }
        for (;;) {
            const struct session_file *s = session_table_next(&t, &at);
            if (s == NULL) {
                break;
            }
            const size_t i = (size_t)(session_file_key(s) - 128) / 48;
            was_seen[i] = true;
            if (i % 3 != 0) {
                session_table_remove(&t, session_file_key(s));
                at--;
            }
        }
        for (size_t i = 0; i < n; i++) {
            assert_true(was_seen[i]);
        }
        assert_int_equal(t.count, (n + 2) / 3);
        session_table_fini(&t);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_and_remove),
        cmocka_unit_test(test_remove_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
