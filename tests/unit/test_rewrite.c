/* Header fields from the bytes of a real head to the bytes that leave: what
 * passes, what does not, and what only looks like it. */
#include "tests/support/test.h"

#include "proxy/rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parsed {
    struct http_head_reader reader;
    struct http_head head;
};

static void
parse(struct parsed *p, enum http_kind kind, const char *text)
{
    struct span in = span_str(text);
    http_head_init(&p->reader, kind);
    assert_int_equal(http_head_next(&p->reader, &in, &p->head), FEED_PIECE);
}

static void
expect_encoded(const struct http_message *m, const char *expected)
{
    struct buf out;
    const char *got = NULL;
    buf_init(&out, 1u << 20);
    assert_int_equal(http_message_encode(m, &out), STATUS_OK);
    assert_int_equal(buf_cstr(&out, &got), STATUS_OK);
    assert_string_equal(got, expected);
    buf_fini(&out);
}

static struct rewrite
plain(void)
{
    return (struct rewrite){
        .host = SPAN_LIT("api:6443"),
        .target = SPAN_LIT("/prefix/api"),
        .client = SPAN_LIT("192.0.2.7"),
        .authorization = SPAN_LIT("Bearer own"),
        .session_id = SPAN_EMPTY,
        .subprotocols = SPAN_EMPTY,
    };
}

#define BEGIN "GET /prefix/api HTTP/1.1\r\nHost: api:6443\r\n"
#define END                          \
    "X-Forwarded-For: 192.0.2.7\r\n" \
    "Authorization: Bearer own\r\n\r\n"

/* Of these header lines only `kept` reaches the API server. */
static void
expect_request(const char *lines, const char *kept)
{
    char in[8192];
    char out[8192];
    struct parsed p;
    struct http_message m;
    const struct rewrite r = plain();
    snprintf(in, sizeof in, "GET /api HTTP/1.1\r\nHost: here\r\n%s\r\n", lines);
    snprintf(out, sizeof out, BEGIN "%s" END, kept);
    parse(&p, HTTP_REQUEST, in);
    assert_int_equal(rewrite_request(&p.head, &r, &m), STATUS_OK);
    expect_encoded(&m, out);
    http_head_fini(&p.reader);
}

static void
ordinary_fields_pass_in_order(void **state)
{
    (void)state;
    static const char lines[] = "Accept: a\r\nUser-Agent: kubectl\r\n"
                                "accept: b\r\nKubectl-Command: kubectl get\r\n"
                                "X-Other: c\r\nOrigin: d\r\n";
    expect_request(lines, lines);
}

static void
hop_by_hop_fields_stay(void **state)
{
    (void)state;
    expect_request("Connection: close\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
                   "Trailer: X\r\nProxy-Connection: x\r\nA: b\r\n"
                   "Proxy-Authorization: Basic x\r\n",
        "A: b\r\n");
}

static void
what_connection_names_stays(void **state)
{
    (void)state;
    expect_request("Connection: keep-alive, X-Drop ,accept\r\n"
                   "X-Drop: 1\r\nx-drop: 2\r\nAccept: 3\r\nX-Keep: 4\r\n"
                   "connection: x-late\r\nX-Late: 5\r\n",
        "X-Keep: 4\r\n");
}

/* Naming an added field in Connection must not take it away. */
static void
added_fields_cannot_be_named_away(void **state)
{
    (void)state;
    expect_request("Connection: Authorization, X-Forwarded-For, Host, Audit-ID"
                   "\r\n",
        "");
}

/* Every name in every spelling that some server could take for it. */
static void
reserved_names_never_pass(void **state)
{
    (void)state;
    static const char *const names[] = {"Audit-ID", "Forwarded", "X-Real-IP",
        "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
        "X-Forwarded-Uri", "X-Remote-User", "X-Remote-Group",
        "X-Remote-Extra-Scopes", "X-Remote-Uid", "Kubetape-Session",
        "Kubetape-Anything", "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Protocol", "Cookie", "Authorization",
        "X-Remote-Extra-0123456789012345678901234567890123456789012345678901"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (int spelling = 0; spelling < 6; spelling++) {
            char line[256];
            snprintf(line, sizeof line, "%s: forged\r\n", names[i]);
            for (char *c = line; *c != ':'; c++) {
                if (spelling % 3 == 1 && *c >= 'a' && *c <= 'z') {
                    *c = (char)(*c - 'a' + 'A');
                } else if (spelling % 3 == 2 && *c >= 'A' && *c <= 'Z') {
                    *c = (char)(*c - 'A' + 'a');
                }
                if (spelling >= 3 && *c == '-') {
                    *c = '_';
                }
            }
            expect_request(line, "");
        }
    }
}

/* Neither way of being known impersonates: who may is the API server's word,
 * about the caller's own power. */
static void
impersonation_is_the_api_servers_to_judge(void **state)
{
    (void)state;
    static const char lines[] =
        "Impersonate-User: jane\r\nImpersonate-Group: dev\r\n";
    expect_request(lines, lines);
}

static void
names_that_only_look_reserved_pass(void **state)
{
    (void)state;
    static const char lines[] = "X-Forwarded: a\r\nX-Remote: b\r\n"
                                "Audit-IDs: c\r\nAuthorizations: d\r\n"
                                "Kubetap: e\r\nMy-X-Remote-User: f\r\n";
    expect_request(lines, lines);
}

static void
an_upgrade_that_is_no_session_is_forgotten(void **state)
{
    (void)state;
    expect_request(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nA: b\r\n", "A: b\r\n");
}

static void
a_session_carries_its_id_and_its_wish(void **state)
{
    (void)state;
    struct parsed p;
    struct http_message m;
    struct rewrite r = plain();
    r.session_id = SPAN_LIT("0199-id");
    r.is_upgrade = true;
    r.subprotocols = SPAN_LIT("v5.channel.k8s.io");
    r.authorization = SPAN_EMPTY; /* a client certificate speaks */
    parse(&p, HTTP_REQUEST,
        "GET /x HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n"
        "Upgrade: WebSocket\r\nSec-WebSocket-Key: k\r\nAudit-Id: forged\r\n"
        "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer theirs\r\n\r\n");
    assert_int_equal(rewrite_request(&p.head, &r, &m), STATUS_OK);
    expect_encoded(&m,
        BEGIN "Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n"
              "X-Forwarded-For: 192.0.2.7\r\nAudit-ID: 0199-id\r\n"
              "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
              "Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
    http_head_fini(&p.reader);
}

static void
framing_is_said_anew(void **state)
{
    (void)state;
    struct parsed p;
    struct http_message m;
    const struct rewrite r = plain();
    parse(&p, HTTP_REQUEST,
        "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    assert_int_equal(rewrite_request(&p.head, &r, &m), STATUS_OK);
    assert_int_equal(m.framing, HTTP_BODY_LENGTH);
    assert_int_equal(m.length, 5);
    http_head_fini(&p.reader);
    parse(&p, HTTP_REQUEST,
        "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
        "Expect: 100-continue\r\n\r\n");
    assert_int_equal(rewrite_request(&p.head, &r, &m), STATUS_OK);
    expect_encoded(&m,
        "PUT /prefix/api HTTP/1.1\r\nHost: api:6443\r\n"
        "Expect: 100-continue\r\nX-Forwarded-For: 192.0.2.7\r\n"
        "Authorization: Bearer own\r\nTransfer-Encoding: chunked\r\n\r\n");
    http_head_fini(&p.reader);
}

static void
a_token_that_would_end_its_field_is_refused(void **state)
{
    (void)state;
    struct parsed p;
    struct http_message m;
    struct rewrite r = plain();
    r.authorization = SPAN_LIT("Bearer a\r\nImpersonate-User: admin");
    parse(&p, HTTP_REQUEST, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(rewrite_request(&p.head, &r, &m), STATUS_INVALID);
    http_head_fini(&p.reader);
}

static void
as_many_fields_as_a_head_may_have(void **state)
{
    (void)state;
    struct parsed p;
    struct http_message m;
    struct rewrite r = plain();
    struct buf text;
    const char *head = NULL;
    r.session_id = SPAN_LIT("id");
    r.subprotocols = SPAN_LIT("v4");
    buf_init(&text, 65536);
    assert_int_equal(
        buf_append_str(&text, "GET / HTTP/1.1\r\nHost: h\r\n"), STATUS_OK);
    for (size_t i = 1; i < LIMIT_FIELDS; i++) {
        assert_int_equal(buf_append_str(&text, "A: b\r\n"), STATUS_OK);
    }
    assert_int_equal(buf_append_str(&text, "\r\n"), STATUS_OK);
    assert_int_equal(buf_cstr(&text, &head), STATUS_OK);
    parse(&p, HTTP_REQUEST, head);
    assert_int_equal(rewrite_request(&p.head, &r, &m), STATUS_OK);
    assert_int_equal(m.field_count, LIMIT_FIELDS + 4);
    http_head_fini(&p.reader);
    buf_fini(&text);
}

/* ---- subprotocols ---- */

static void
expect_subprotocols(const char *lines, const char *expected)
{
    char in[1024];
    struct parsed p;
    struct buf out;
    const char *got = NULL;
    snprintf(in, sizeof in, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    parse(&p, HTTP_REQUEST, in);
    buf_init(&out, 1024);
    assert_int_equal(rewrite_subprotocols(&p.head, &out), STATUS_OK);
    assert_int_equal(buf_cstr(&out, &got), STATUS_OK);
    assert_string_equal(got, expected);
    buf_fini(&out);
    http_head_fini(&p.reader);
}

#define BEARER "base64url.bearer.authorization.k8s.io."

static void
bearer_subprotocols_are_taken_out(void **state)
{
    (void)state;
    expect_subprotocols("", "");
    expect_subprotocols("Sec-WebSocket-Protocol: a\r\n", "a");
    expect_subprotocols(
        "Sec-WebSocket-Protocol: a, " BEARER "eA ,b\r\n", "a, b");
    expect_subprotocols("Sec-WebSocket-Protocol: " BEARER "eA\r\n", "");
    expect_subprotocols("sec-websocket-protocol: BASE64URL.bearer."
                        "authorization.k8s.io.eA\r\n"
                        "Sec-WebSocket-Protocol: ,,c,\r\n",
        "c");
    expect_subprotocols(
        "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n", "a, b");
}

/* ---- responses ---- */

static void
expect_response(
    const char *in, bool to_head, struct span id, const char *expected)
{
    struct parsed p;
    struct http_message m;
    parse(&p, HTTP_RESPONSE, in);
    assert_int_equal(rewrite_response(&p.head, to_head, id, &m), STATUS_OK);
    expect_encoded(&m, expected);
    http_head_fini(&p.reader);
}

static void
responses_pass_without_what_is_hop_by_hop(void **state)
{
    (void)state;
    expect_response("HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nA: b\r\n"
                    "Connection: close, X-Hop\r\nX-Hop: 1\r\nSet-Cookie: c\r\n"
                    "Keep-Alive: 1\r\nWarning: w\r\n\r\n",
        false, SPAN_EMPTY,
        "HTTP/1.1 200 Fine\r\nA: b\r\nSet-Cookie: c\r\nWarning: w\r\n"
        "Content-Length: 3\r\n\r\n");
    expect_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        false, SPAN_EMPTY,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void
responses_without_a_body(void **state)
{
    (void)state;
    expect_response("HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", false,
        SPAN_EMPTY, "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n");
    expect_response("HTTP/1.1 304 Not Modified\r\nETag: e\r\n\r\n", false,
        SPAN_EMPTY, "HTTP/1.1 304 Not Modified\r\nETag: e\r\n\r\n");
    expect_response("HTTP/1.1 100 Continue\r\n\r\n", false, SPAN_EMPTY,
        "HTTP/1.1 100 Continue\r\n\r\n");
    expect_response("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", true,
        SPAN_EMPTY, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n");
    expect_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        true, SPAN_EMPTY, "HTTP/1.1 200 OK\r\n\r\n");
}

static void
a_session_tells_its_id(void **state)
{
    (void)state;
    expect_response(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
        "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4\r\n\r\n",
        false, SPAN_LIT("0199"),
        "HTTP/1.1 101 Switching Protocols\r\nX-Stream-Protocol-Version: v4\r\n"
        "Kubetape-Session: 0199\r\nConnection: Upgrade\r\n"
        "Upgrade: SPDY/3.1\r\n\r\n");
}

/* What is behind the API server, a pod's own answer for instance, cannot speak
 * in our name. */
static void
nobody_else_tells_a_session(void **state)
{
    (void)state;
    expect_response("HTTP/1.1 200 OK\r\nkubetape-session: forged\r\nA: b\r\n"
                    "Content-Length: 0\r\n\r\n",
        false, SPAN_EMPTY,
        "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_fields_pass_in_order),
        cmocka_unit_test(hop_by_hop_fields_stay),
        cmocka_unit_test(what_connection_names_stays),
        cmocka_unit_test(added_fields_cannot_be_named_away),
        cmocka_unit_test(reserved_names_never_pass),
        cmocka_unit_test(impersonation_is_the_api_servers_to_judge),
        cmocka_unit_test(names_that_only_look_reserved_pass),
        cmocka_unit_test(an_upgrade_that_is_no_session_is_forgotten),
        cmocka_unit_test(a_session_carries_its_id_and_its_wish),
        cmocka_unit_test(framing_is_said_anew),
        cmocka_unit_test(a_token_that_would_end_its_field_is_refused),
        cmocka_unit_test(as_many_fields_as_a_head_may_have),
        cmocka_unit_test(bearer_subprotocols_are_taken_out),
        cmocka_unit_test(responses_pass_without_what_is_hop_by_hop),
        cmocka_unit_test(responses_without_a_body),
        cmocka_unit_test(a_session_tells_its_id),
        cmocka_unit_test(nobody_else_tells_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
