/* resolver: numeric hosts and localhost are looked up without a network. */
#include "base/clock.h"
#include "proxy/resolver.h"
#include "tests/support/test.h"
#include <string.h>

struct seen {
    struct loop *loop;
    unsigned answers;
    int port;
};

static void
on_answer(void *ctx, const struct resolver_answer *answer)
{
    struct seen *s = ctx;
    s->answers++;
    s->port = address_port(&answer->addresses[0]);
    loop_stop(s->loop);
}

static void
test_look_up(void **state)
{
    struct resolver_answer a;
    struct error err;
    char text[ADDRESS_TEXT_MAX];
    (void)state;
    assert_int_equal(
        resolver_look_up("127.0.0.1", "6443", &a, &err), STATUS_OK);
    assert_int_equal(a.count, 1);
    address_format(&a.addresses[0], text);
    assert_string_equal(text, "127.0.0.1:6443");
    assert_int_equal(resolver_look_up("::1", "1", &a, &err), STATUS_OK);
    address_format(&a.addresses[0], text);
    assert_string_equal(text, "[::1]:1");
}

static void
test_a_name_that_is_none(void **state)
{
    struct resolver_answer a;
    struct error err;
    (void)state;
    assert_int_equal(
        resolver_look_up("127.0.0.1", "http", &a, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "127.0.0.1:http"));
}

static void
test_asks_in_the_background(void **state)
{
    struct seen s = {0};
    struct resolver *r = NULL;
    struct error err;
    (void)state;
    assert_int_equal(loop_new(&s.loop, &err), STATUS_OK);
    assert_int_equal(
        resolver_open(s.loop, "127.0.0.1", "6443", on_answer, &s, &r, &err),
        STATUS_OK);
    resolver_ask(r, 1);
    resolver_ask(r, 2); /* one at a time */
    loop_run(s.loop);
    assert_int_equal(s.answers, 1);
    assert_int_equal(s.port, 6443);
    resolver_ask(r, 2); /* too soon */
    loop_run_once(s.loop);
    assert_int_equal(s.answers, 1);
    resolver_ask(r, 1 + RESOLVER_PAUSE_MS * 1000000ull);
    loop_run(s.loop);
    assert_int_equal(s.answers, 2);
    resolver_close(&r);
    loop_free(&s.loop);
}

static void
test_closes_while_it_asks(void **state)
{
    struct seen s = {0};
    struct resolver *r = NULL;
    struct error err;
    (void)state;
    assert_int_equal(loop_new(&s.loop, &err), STATUS_OK);
    assert_int_equal(
        resolver_open(s.loop, "127.0.0.1", "6443", on_answer, &s, &r, &err),
        STATUS_OK);
    resolver_ask(r, 1);
    resolver_close(&r);
    loop_run_once(s.loop);
    assert_int_equal(s.answers, 0);
    loop_free(&s.loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look_up),
        cmocka_unit_test(test_a_name_that_is_none),
        cmocka_unit_test(test_asks_in_the_background),
        cmocka_unit_test(test_closes_while_it_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
