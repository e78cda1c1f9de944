/* Requests and what they are, as transcripts of one line. The path variants
 * were tried on a v1.36.3 API server: what starts an exec there must be a
 * session or refused here, never plain. */
#include "tests/support/test.h"

#include "proxy/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPDY                                       \
    "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" \
    "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
#define WEBSOCKET                                               \
    "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n"
#define PLAIN ""

#define WEB "/api/v1/namespaces/default/pods/web"

static const char *const kind_names[] = {
    [ROUTE_PLAIN] = "plain",
    [ROUTE_SESSION] = "session",
    [ROUTE_PORT_FORWARD] = "port-forward",
    [ROUTE_NODE_SESSION] = "node",
    [ROUTE_OTHER_UPGRADE] = "other-upgrade",
    [ROUTE_REFUSED] = "refused",
};

static const char *const upgrade_names[] = {
    [ROUTE_UPGRADE_NONE] = "none",
    [ROUTE_UPGRADE_SPDY] = "spdy",
    [ROUTE_UPGRADE_WEBSOCKET] = "websocket",
    [ROUTE_UPGRADE_UNKNOWN] = "unknown",
};

static void
print_session(FILE *to, const struct route *r)
{
    fprintf(to, " %s", meta_type_name(r->type));
    if (r->node[0] != '\0') {
        fprintf(to, " node=%s", r->node);
    }
    fprintf(to, " %s/%s/%s", r->namespace, r->pod, r->container);
    fprintf(to, "%s%s%s%s", r->wants_stdin ? " in" : "",
        r->wants_stdout ? " out" : "", r->wants_stderr ? " err" : "",
        r->tty ? " tty" : "");
    for (size_t i = 0; i < r->command_count; i++) {
        fprintf(to, " [%s]", r->command[i]);
    }
}

static void
print_route(FILE *to, const struct route *r)
{
    fprintf(to, "%s", kind_names[r->kind]);
    switch (r->kind) {
    case ROUTE_PLAIN:
        break;
    case ROUTE_SESSION:
    case ROUTE_PORT_FORWARD:
    case ROUTE_NODE_SESSION:
        fprintf(to, " %s", upgrade_names[r->upgrade]);
        print_session(to, r);
        break;
    case ROUTE_OTHER_UPGRADE:
        fprintf(to, " %s", upgrade_names[r->upgrade]);
        break;
    case ROUTE_REFUSED:
        fprintf(to, ": %s", r->why);
        break;
    }
}

static void
expect_head(const char *text, const char *expected)
{
    struct http_head_reader reader;
    static struct http_head head;
    http_head_init(&reader, HTTP_REQUEST);
    struct span in = span_str(text);
    assert_int_equal(http_head_next(&reader, &in, &head), FEED_PIECE);
    struct route r;
    assert_int_equal(route_classify(&head, &r), STATUS_OK);
    char *got = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&got, &len);
    assert_non_null(to);
    print_route(to, &r);
    fclose(to);
    assert_string_equal(got, expected);
    free(got);
    route_fini(&r);
    route_fini(&r); /* twice is fine */
    http_head_fini(&reader);
}

#define EXPECT(target, fields, expected) \
    expect_head(                         \
        "GET " target " HTTP/1.1\r\nHost: a\r\n" fields "\r\n", expected)

static void
passes_plain_requests(void **state)
{
    (void)state;
    EXPECT("/", PLAIN, "plain");
    EXPECT("/version", PLAIN, "plain");
    EXPECT("/.well-known/openid-configuration", PLAIN, "plain");
    EXPECT("/api/v1/pods?watch=1&x=%zz", PLAIN, "plain");
    EXPECT("/apis/apps/v1/namespaces/a/deployments/exec", PLAIN, "plain");
    EXPECT("/api/v1/namespaces/exec/pods/attach", PLAIN, "plain");
    EXPECT(WEB, PLAIN, "plain");
    EXPECT(WEB "/log?follow=true", PLAIN, "plain");
    EXPECT(WEB "/ephemeralcontainers", PLAIN, "plain");
    EXPECT(WEB "/EXEC", PLAIN, "plain");
    EXPECT(WEB "/exec;x", PLAIN, "plain");
    EXPECT(WEB "/exec/x", PLAIN, "plain");
    EXPECT(WEB "/%2565xec", PLAIN, "plain");
    EXPECT("/api/v1/nodes/n/proxy/containerLogs/a/b/c", PLAIN, "plain");
    EXPECT("/api/v1/nodes/n/proxy/EXEC/a/b/c", PLAIN, "plain");
    EXPECT("/api/v1/nodes/n/proxy", PLAIN, "plain");
    expect_head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "plain");
}

static void
sees_an_exec_in_every_spelling(void **state)
{
    (void)state;
    static const char *const targets[] = {
        WEB "/exec",
        WEB "/exec/",
        WEB "/exec?",
        WEB "/exec/?",
        WEB "/%65xec",
        WEB "/%65%78%65%63",
        WEB "/exec%2F",
        WEB "/exec%2f",
        WEB "%2Fexec",
        "/api/%761/namespaces/default/%70ods/web/exec",
        "/%61pi/v1%2Fnamespaces%2fdefault/pods/web/exec",
    };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char head[512];
        snprintf(head, sizeof head,
            "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" SPDY "\r\n",
            targets[i]);
        expect_head(head, "session spdy exec default/web/");
    }
}

static void
refuses_paths_that_readers_split_differently(void **state)
{
    (void)state;
    static const char *const empty = "refused: path has an empty segment";
    static const char *const dots = "refused: path has a dot segment";
    static const char *const broken =
        "refused: path has a broken escape or a NUL";
    EXPECT(WEB "/exec//", SPDY, empty);
    EXPECT(WEB "/exec/%2F", SPDY, empty);
    EXPECT(WEB "/exec%2F/", SPDY, empty);
    EXPECT(WEB "//exec", SPDY, empty);
    EXPECT(WEB "%2F%2Fexec", SPDY, empty);
    EXPECT("//api/v1/namespaces/default/pods/web/exec", SPDY, empty);
    EXPECT("/%2Fapi/v1/namespaces/default/pods/web/exec", SPDY, empty);
    EXPECT("//", PLAIN, empty);
    EXPECT("/api/v1/nodes/n/proxy//exec/a/b/c", PLAIN, empty);
    EXPECT("/api/v1/nodes//n/proxy/pods", PLAIN, empty);
    EXPECT(WEB "/x/../exec", SPDY, dots);
    EXPECT(WEB "/./exec", PLAIN, dots);
    EXPECT(WEB "/%2e%2E/web/exec", PLAIN, dots);
    EXPECT("/api/v1/nodes/n/proxy/x/../run/a/b/c", PLAIN, dots);
    EXPECT("/..", PLAIN, dots);
    EXPECT(WEB "/exec%", SPDY, broken);
    EXPECT(WEB "/exec%6", SPDY, broken);
    EXPECT(WEB "/%6gxec", SPDY, broken);
    EXPECT(WEB "/exec%00", SPDY, broken);
}

/* What is below an application's proxy path is the application's. */
static void
leaves_application_paths_alone(void **state)
{
    (void)state;
    EXPECT("/api/v1/namespaces/a/services/https:b:/proxy//static//x", PLAIN,
        "plain");
    EXPECT("/api/v1/namespaces/a/pods/b:8080/proxy//", PLAIN, "plain");
    EXPECT("/api/v1/namespaces/a/services/b/proxy/%2F%2Fx", PLAIN, "plain");
    EXPECT("/api/v1/namespaces/a/services/b/proxy/x", WEBSOCKET,
        "other-upgrade websocket");
    EXPECT("/api/v1/namespaces/a/services/b/proxy//x", WEBSOCKET,
        "refused: path has an empty segment");
    EXPECT("/api/v1/namespaces/a/services//b/proxy/x", PLAIN,
        "refused: path has an empty segment");
    EXPECT("/api/v1/namespaces/a/services/b/proxy/../x", PLAIN,
        "refused: path has a dot segment");
    EXPECT("/api/v1/namespaces/a/configmaps/b/proxy//x", PLAIN,
        "refused: path has an empty segment");
}

static void
reads_exec_queries(void **state)
{
    (void)state;
    EXPECT(WEB "/exec?command=sh&command=-c&command=echo+%22a%20b%22%3Bid"
               "&container=main&stdin=true&stdout=true&stderr=true&tty=true",
        WEBSOCKET,
        "session websocket exec default/web/main in out err tty "
        "[sh] [-c] [echo \"a b\";id]");
    EXPECT(WEB "/exec?command=&command", SPDY,
        "session spdy exec default/web/ [] []");
    EXPECT(WEB "/exec?%63ommand=a&comm+and=b&Command=c", SPDY,
        "session spdy exec default/web/ [a]");
    EXPECT(WEB "/exec?command=a=b&&=x&", SPDY,
        "session spdy exec default/web/ [a=b]");
    EXPECT(
        WEB "/exec?command=a?b", SPDY, "session spdy exec default/web/ [a?b]");
    EXPECT(WEB "/exec?command=a;tty=1&command=b&command=%zz&command=c%", SPDY,
        "session spdy exec default/web/ [b]");
    EXPECT(WEB "/exec?container=a&container=b&tty=0&tty=1", SPDY,
        "session spdy exec default/web/a");
    EXPECT(WEB "/exec?container=%zz&container=b&tty=%2&tty=1", SPDY,
        "session spdy exec default/web/b tty");
    EXPECT(WEB "/exec?command=%ff%c3%a9", SPDY,
        "session spdy exec default/web/ [\xff\xc3\xa9]");
    EXPECT(WEB "/exec?command=a%00b", SPDY, "refused: query has a NUL");
    EXPECT(WEB "/exec?x=a%00b", SPDY, "session spdy exec default/web/");
}

/* k8s.io/apimachinery/pkg/runtime/conversion.go */
static void
reads_booleans_as_the_api_server(void **state)
{
    (void)state;
    static const char *const tty = "session spdy exec default/web/ tty";
    static const char *const none = "session spdy exec default/web/";
    EXPECT(WEB "/exec?tty=1", SPDY, tty);
    EXPECT(WEB "/exec?tty=true", SPDY, tty);
    EXPECT(WEB "/exec?tty=yes", SPDY, tty);
    EXPECT(WEB "/exec?tty=", SPDY, tty);
    EXPECT(WEB "/exec?tty", SPDY, tty);
    EXPECT(WEB "/exec?tty=00", SPDY, tty);
    EXPECT(WEB "/exec?tty=0", SPDY, none);
    EXPECT(WEB "/exec?tty=False", SPDY, none);
    EXPECT(WEB "/exec?tty=%46ALSE", SPDY, none);
    EXPECT(WEB "/exec?TTY=1", SPDY, none);
    EXPECT(WEB "/exec?tty=fal%c5%bfe", SPDY,
        "refused: query has a boolean that is not ASCII");
}

static void
reads_other_subresources(void **state)
{
    (void)state;
    EXPECT(WEB "/attach?stdin=1&container=c&command=no", SPDY,
        "session spdy attach default/web/c in");
    EXPECT(WEB "/portforward?ports=80&command=no", WEBSOCKET,
        "port-forward websocket port-forward default/web/");
    EXPECT("/api/v1/pods/web/exec", SPDY, "other-upgrade spdy");
    EXPECT("/api/v1/namespaces/default/services/web/exec", SPDY,
        "other-upgrade spdy");
    EXPECT("/apis/v1/namespaces/default/pods/web/exec", SPDY,
        "other-upgrade spdy");
    EXPECT(
        "/api/v2/namespaces/default/pods/web/exec", SPDY, "other-upgrade spdy");
    EXPECT(WEB "/EXEC", SPDY, "other-upgrade spdy");
    EXPECT(WEB "/exec/x", WEBSOCKET, "other-upgrade websocket");
    EXPECT("/api/v1/pods?watch=1", WEBSOCKET, "other-upgrade websocket");
    EXPECT("/", SPDY, "other-upgrade spdy");
}

static void
sees_sessions_of_the_kubelet(void **state)
{
    (void)state;
    EXPECT("/api/v1/nodes/n1/proxy/exec/ns/pod/c?input=1&output=1&error=true"
           "&tty=1&command=sh&command=-i&container=no",
        SPDY, "node spdy exec node=n1 ns/pod/c in out tty [sh] [-i]");
    EXPECT("/api/v1/nodes/https:n1:10250/proxy/exec/ns/pod/uid/c", WEBSOCKET,
        "node websocket exec node=https:n1:10250 ns/pod/c");
    EXPECT("/api/v1/nodes/n1%3A10250/proxy%2F%65xec/ns/pod/c/", SPDY,
        "node spdy exec node=n1:10250 ns/pod/c");
    EXPECT("/api/v1/nodes/n1/proxy/run/ns/pod/c?cmd=ls+-l++/&cmd=x&command=y",
        PLAIN, "node none exec node=n1 ns/pod/c [ls] [-l] [] [/]");
    EXPECT("/api/v1/nodes/n1/proxy/attach/ns/pod/c?tty=true&input=1", SPDY,
        "node spdy attach node=n1 ns/pod/c in");
    EXPECT("/api/v1/nodes/n1/proxy/portForward/ns/pod/uid", SPDY,
        "node spdy port-forward node=n1 ns/pod/");
    EXPECT("/api/v1/nodes/n1/proxy/cri/exec/t0ken", SPDY,
        "node spdy exec node=n1 //");
    EXPECT("/api/v1/nodes/n1/proxy/exec", PLAIN, "node none exec node=n1 //");
    EXPECT("/api/v1/nodes/n1/proxy/exec/a/b/c/d/e/f", SPDY,
        "node spdy exec node=n1 a/b/");
    EXPECT("/api/v1/proxy/nodes/n1/exec/ns/pod/c", SPDY,
        "node spdy exec node=n1 ns/pod/c");
    EXPECT("/api/v1/nodes/n1/proxy/debug/pprof", SPDY, "other-upgrade spdy");
}

static void
knows_only_plain_forms_of_upgrade(void **state)
{
    (void)state;
    static const char *const unknown = "session unknown exec default/web/";
    EXPECT(WEB "/exec", PLAIN, "session none exec default/web/");
    EXPECT(WEB "/exec", "Connection: upgrade\r\nUpgrade: spdy/3.1\r\n",
        "session spdy exec default/web/");
    EXPECT(WEB "/exec",
        "Connection: Upgrade\r\nUpgrade: SPDY/3.1, websocket\r\n",
        "session spdy exec default/web/");
    EXPECT(WEB "/exec", "Connection: Upgrade\r\nUpgrade: h2c\r\n", unknown);
    EXPECT(
        WEB "/exec", "Connection: Upgrade\r\nUpgrade: SPDY/3.1x\r\n", unknown);
    EXPECT(WEB "/exec", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        unknown);
    EXPECT(WEB "/exec",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: SPDY/3.1\r\n",
        unknown);
    EXPECT(
        WEB "/exec", "Connection: xupgrade\r\nUpgrade: SPDY/3.1\r\n", unknown);
    EXPECT(WEB "/exec", "Upgrade: SPDY/3.1\r\n", unknown);
    EXPECT(WEB "/exec", "Connection: Upgrade\r\n", unknown);
    EXPECT(WEB "/exec", "Sec-WebSocket-Key: x\r\n", unknown);
    EXPECT("/version", "Sec-WebSocket-Key: x\r\n", "other-upgrade unknown");
    expect_head("GET " WEB "/exec HTTP/1.0\r\n" SPDY "\r\n", unknown);
}

/* A kubelet reads a form in the body before the query. */
static void
refuses_sessions_with_a_body(void **state)
{
    (void)state;
    static const char *const why = "refused: session request with a body";
    EXPECT(WEB "/exec", SPDY "Content-Length: 1\r\n", why);
    EXPECT(WEB "/exec", SPDY "Transfer-Encoding: chunked\r\n", why);
    EXPECT("/api/v1/nodes/n/proxy/run/a/b/c", "Content-Length: 1\r\n", why);
    EXPECT(WEB "/exec", SPDY "Content-Length: 0\r\n",
        "session spdy exec default/web/");
    EXPECT("/api/v1/pods", "Content-Length: 1\r\n", "plain");
}

static void
keeps_every_word(void **state)
{
    (void)state;
    char *head = NULL;
    char *expected = NULL;
    size_t len;
    size_t expected_len;
    FILE *to = open_memstream(&head, &len);
    FILE *too = open_memstream(&expected, &expected_len);
    assert_non_null(to);
    assert_non_null(too);
    fputs("GET " WEB "/exec?", to);
    fputs("session none exec default/web/", too);
    for (int i = 0; i < 4000; i++) {
        fprintf(to, "command=%d&", i);
        fprintf(too, " [%d]", i);
    }
    fputs(" HTTP/1.1\r\nHost: a\r\n\r\n", to);
    fclose(to);
    fclose(too);
    expect_head(head, expected);
    free(head);
    free(expected);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_plain_requests),
        cmocka_unit_test(sees_an_exec_in_every_spelling),
        cmocka_unit_test(refuses_paths_that_readers_split_differently),
        cmocka_unit_test(leaves_application_paths_alone),
        cmocka_unit_test(reads_exec_queries),
        cmocka_unit_test(reads_booleans_as_the_api_server),
        cmocka_unit_test(reads_other_subresources),
        cmocka_unit_test(sees_sessions_of_the_kubelet),
        cmocka_unit_test(knows_only_plain_forms_of_upgrade),
        cmocka_unit_test(refuses_sessions_with_a_body),
        cmocka_unit_test(keeps_every_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
