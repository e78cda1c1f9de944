#include "proxy/spdy_streams.h"

#include "tests/support/test.h"

static const struct spdy_allowance everything = {
    .may_open = {true, true, true, true, true},
};

static bool
open_stream(struct spdy_streams *s, uint32_t id, const char *type)
{
    enum channel c;
    return spdy_streams_open(s, id, span_str(type), &c);
}

static void
knows_the_versions(void **state)
{
    (void)state;
    struct spdy_subprotocol how;
    assert_true(spdy_subprotocol_find(SPAN_EMPTY, &how));
    assert_true(!how.has_resize && !how.has_status);
    assert_true(spdy_subprotocol_find(SPAN_LIT("channel.k8s.io"), &how));
    assert_true(!how.has_resize && !how.has_status);
    assert_true(spdy_subprotocol_find(SPAN_LIT("v2.channel.k8s.io"), &how));
    assert_true(!how.has_resize && !how.has_status);
    assert_true(spdy_subprotocol_find(SPAN_LIT("v3.channel.k8s.io"), &how));
    assert_true(how.has_resize && !how.has_status);
    assert_true(spdy_subprotocol_find(SPAN_LIT("v4.channel.k8s.io"), &how));
    assert_true(how.has_resize && how.has_status);
    assert_true(spdy_subprotocol_find(SPAN_LIT("v5.channel.k8s.io"), &how));
    assert_true(how.has_resize && how.has_status);
    assert_false(spdy_subprotocol_find(SPAN_LIT("v6.channel.k8s.io"), &how));
    assert_false(spdy_subprotocol_find(SPAN_LIT("portforward.k8s.io"), &how));
}

static void
opens_each_type_once(void **state)
{
    (void)state;
    struct spdy_streams s;
    enum channel c;
    spdy_streams_init(&s, &everything);
    assert_true(spdy_streams_open(&s, 1, SPAN_LIT("error"), &c));
    assert_int_equal(c, CHANNEL_ERROR);
    assert_true(spdy_streams_open(&s, 131, SPAN_LIT("stdout"), &c));
    assert_int_equal(c, CHANNEL_STDOUT);
    assert_true(spdy_streams_open(&s, 0x7FFFFFFF, SPAN_LIT("resize"), &c));
    assert_int_equal(c, CHANNEL_RESIZE);
    assert_true(spdy_streams_find(&s, 131, &c));
    assert_int_equal(c, CHANNEL_STDOUT);

    spdy_streams_init(&s, &everything);
    assert_true(open_stream(&s, 1, "stdout"));
    assert_false(open_stream(&s, 3, "stdout"));
    assert_string_equal(s.why, "spdy: second stream of one type");
}

static void
refuses_streams_that_no_client_opens(void **state)
{
    (void)state;
    static const struct {
        uint32_t id;
        const char *type;
        const char *why;
    } cases[] = {
        {7, "stdin", "spdy: stream id used before"},
        {5, "stdin", "spdy: stream id used before"},
        {10, "stdin", "spdy: client stream with an even id"},
        {9, "", "spdy: unknown stream type"},
        {9, "Stdin", "spdy: unknown stream type"},
        {9, "stdin ", "spdy: unknown stream type"},
        {9, "data", "spdy: unknown stream type"},
        {9, "stderr", "spdy: stream that the request did not ask for"},
    };
    struct spdy_allowance allowance = everything;
    allowance.may_open[CHANNEL_STDERR] = false;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct spdy_streams s;
        spdy_streams_init(&s, &allowance);
        assert_true(open_stream(&s, 7, "error"));
        assert_false(open_stream(&s, cases[i].id, cases[i].type));
        assert_string_equal(s.why, cases[i].why);
    }
}

static void
follows_a_stream_to_its_end(void **state)
{
    (void)state;
    struct spdy_streams s;
    enum channel c;
    spdy_streams_init(&s, &everything);
    assert_false(spdy_streams_are_over(&s, FROM_SERVER));
    assert_false(spdy_streams_find(&s, 1, &c));
    assert_false(spdy_streams_find(&s, 0, &c));
    assert_true(open_stream(&s, 1, "stdout"));
    assert_false(spdy_streams_may_send(&s, CHANNEL_STDOUT, FROM_SERVER));
    assert_true(spdy_streams_may_send(&s, CHANNEL_STDOUT, FROM_CLIENT));
    assert_false(spdy_streams_is_heard(&s, CHANNEL_STDOUT));
    assert_true(spdy_streams_reply(&s, CHANNEL_STDOUT));
    assert_false(spdy_streams_reply(&s, CHANNEL_STDOUT));
    assert_true(spdy_streams_may_send(&s, CHANNEL_STDOUT, FROM_SERVER));
    assert_true(spdy_streams_is_heard(&s, CHANNEL_STDOUT));
    spdy_streams_finish(&s, CHANNEL_STDOUT, FROM_SERVER);
    assert_false(spdy_streams_may_send(&s, CHANNEL_STDOUT, FROM_SERVER));
    assert_false(spdy_streams_is_heard(&s, CHANNEL_STDOUT));
    assert_true(spdy_streams_are_over(&s, FROM_SERVER));
    assert_false(spdy_streams_are_over(&s, FROM_CLIENT));
    spdy_streams_reset(&s, CHANNEL_STDOUT);
    assert_true(spdy_streams_are_over(&s, FROM_CLIENT));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_versions),
        cmocka_unit_test(opens_each_type_once),
        cmocka_unit_test(refuses_streams_that_no_client_opens),
        cmocka_unit_test(follows_a_stream_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
