/* What is known of a session before it starts, and whom it is believed. */
#include "tests/support/test.h"

#include "proxy/session_facts.h"

#include <stdlib.h>
#include <string.h>

struct stage {
    struct http_head_reader reader;
    struct http_head head;
    struct route route;
    struct config config;
    struct address peer;
    struct pod_facts pod;
    struct meta meta;
};

static char user[] = "jane";
static char uid[] = "u-1";
static char group_a[] = "dev";
static char group_b[] = "ops";
static char *groups[] = {group_a, group_b};
static const struct caller jane = {.references = 1,
    .user = user,
    .uid = uid,
    .groups = groups,
    .group_count = 2};

#define ATTACH "/api/v1/namespaces/ns/pods/web/attach"
#define EXEC   "/api/v1/namespaces/ns/pods/web/exec"

static void
fill(struct stage *s, const char *target, const char *lines)
{
    struct buf text;
    const char *head = NULL;
    buf_init(&text, 8192);
    assert_int_equal(buf_printf(&text,
                         "GET %s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
                         "Upgrade: websocket\r\n%s\r\n",
                         target, lines),
        STATUS_OK);
    assert_int_equal(buf_cstr(&text, &head), STATUS_OK);
    struct span in = span_str(head);
    http_head_init(&s->reader, HTTP_REQUEST);
    assert_int_equal(http_head_next(&s->reader, &in, &s->head), FEED_PIECE);
    assert_int_equal(route_classify(&s->head, &s->route), STATUS_OK);
    assert_int_equal(
        address_parse("192.0.2.7:1234", &s->peer, NULL), STATUS_OK);
    meta_init(&s->meta);
    assert_int_equal(session_facts_fill(
                         &(struct session_facts){
                             .request = &s->head,
                             .route = &s->route,
                             .caller = &jane,
                             .peer = &s->peer,
                             .pod = &s->pod,
                             .cluster = "prod",
                             .config = &s->config,
                         },
                         &s->meta),
        STATUS_OK);
    buf_fini(&text);
}

static void
stage_fini(struct stage *s)
{
    meta_fini(&s->meta);
    route_fini(&s->route);
    http_head_fini(&s->reader);
}

static void
who_where_and_what(void **state)
{
    (void)state;
    struct stage s = {.pod = {.container = "found"}};
    fill(&s, EXEC "?command=sh&command=-c&command=a%20b&container=c&tty=true",
        "User-Agent: kubectl/1\r\nKubectl-Session: k-1\r\n"
        "Kubectl-Command: kubectl exec\r\n");
    assert_string_equal(s.meta.user, "jane");
    assert_string_equal(s.meta.uid, "u-1");
    assert_int_equal(s.meta.group_count, 2);
    assert_string_equal(s.meta.groups[1], "ops");
    assert_string_equal(s.meta.source, "192.0.2.7:1234");
    assert_string_equal(s.meta.user_agent, "kubectl/1");
    assert_string_equal(s.meta.kubectl_session, "k-1");
    assert_string_equal(s.meta.cluster, "prod");
    assert_string_equal(s.meta.namespace, "ns");
    assert_string_equal(s.meta.pod, "web");
    assert_string_equal(s.meta.container, "c"); /* asked for, not found */
    assert_int_equal(s.meta.command_count, 3);
    assert_string_equal(s.meta.command[2], "a b");
    assert_int_equal(s.meta.type, META_EXEC);
    assert_int_equal(s.meta.protocol, META_WEBSOCKET);
    assert_true(s.meta.tty);
    stage_fini(&s);
}

static void
the_container_that_was_found_when_none_is_named(void **state)
{
    (void)state;
    struct stage s = {.pod = {.container = "found"}};
    fill(&s, EXEC "?command=sh", "");
    assert_string_equal(s.meta.container, "found");
    stage_fini(&s);
}

static void
input_is_recorded_as_configured(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct stage s = {.pod = {.container = ""}};
        const bool tty = (i & 1) != 0;
        s.config.record.stdin_tty = (i & 2) != 0;
        s.config.record.stdin_non_tty = (i & 4) != 0;
        fill(&s, tty ? EXEC "?command=sh&tty=1" : EXEC "?command=sh", "");
        assert_int_equal(s.meta.stdin_recorded, (i & (tty ? 2 : 4)) != 0);
        stage_fini(&s);
    }
}

/* An attach is to the terminal that the container has, not to the one that
 * the client claims: else input without echo would be kept out by a word. */
static void
input_is_recorded_where_no_terminal_echoes_it(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const bool has_tty = (i & 1) != 0;
        const bool asks = (i & 2) != 0;
        struct stage s = {.pod = {.container = "c", .has_tty = has_tty}};
        s.config.record.stdin_non_tty = true;
        fill(&s, asks ? ATTACH "?stdin=1&tty=1" : ATTACH "?stdin=1", "");
        assert_int_equal(s.meta.stdin_recorded, !(has_tty && asks));
        assert_int_equal(s.meta.tty, asks);
        stage_fini(&s);
    }
}

static void
expect_type(const char *target, const char *claim, bool is_ephemeral,
    enum meta_type type)
{
    struct stage s = {.pod = {.container = "c", .is_ephemeral = is_ephemeral}};
    fill(&s, target, claim);
    assert_int_equal(s.meta.type, type);
    stage_fini(&s);
}

/* What the client says of itself adds a name to what is seen, and takes
 * nothing away. */
static void
types(void **state)
{
    (void)state;
    expect_type(ATTACH, "", false, META_ATTACH);
    expect_type(ATTACH, "", true, META_DEBUG);
    expect_type(
        ATTACH, "Kubectl-Command: kubectl debug\r\n", false, META_ATTACH);
    expect_type(ATTACH, "Kubectl-Command: kubectl run\r\n", false, META_RUN);
    expect_type(ATTACH, "Kubectl-Command: kubectl run\r\n", true, META_DEBUG);
    expect_type(EXEC "?command=tar&command=xf",
        "Kubectl-Command: kubectl cp\r\n", false, META_CP);
    expect_type(EXEC "?command=sh", "Kubectl-Command: kubectl cp\r\n", false,
        META_EXEC);
    expect_type(EXEC "?command=tar", "", false, META_EXEC);
    expect_type(EXEC "?command=sh", "Kubectl-Command: kubectl debug\r\n", true,
        META_EXEC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_where_and_what),
        cmocka_unit_test(the_container_that_was_found_when_none_is_named),
        cmocka_unit_test(input_is_recorded_as_configured),
        cmocka_unit_test(input_is_recorded_where_no_terminal_echoes_it),
        cmocka_unit_test(types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
