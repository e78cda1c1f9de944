/* Heads, as transcripts: every vector is read whole, byte by byte, at every
 * split and ending at a guard page, and must say the same each time. */
#include "tests/support/test.h"

#include "proxy/http_head.h"
#include "tests/support/guard_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST  HTTP_REQUEST
#define RESPONSE HTTP_RESPONSE

static const char *const framing_names[] = {
    [HTTP_BODY_NONE] = "none",
    [HTTP_BODY_LENGTH] = "length",
    [HTTP_BODY_CHUNKED] = "chunked",
    [HTTP_BODY_UNTIL_CLOSE] = "close",
};

static void
print_head(FILE *to, const struct http_head *h)
{
    if (h->kind == HTTP_REQUEST) {
        fprintf(to, "%.*s %.*s 1.%u", (int)h->method.len,
            (const char *)h->method.ptr, (int)h->target.len,
            (const char *)h->target.ptr, h->minor);
    } else {
        fprintf(to, "1.%u %u (%.*s)", h->minor, h->status, (int)h->reason.len,
            (const char *)h->reason.ptr);
    }
    fprintf(to, " %s", framing_names[h->framing]);
    if (h->framing == HTTP_BODY_LENGTH) {
        fprintf(to, " %llu", (unsigned long long)h->length);
    }
    fprintf(to, "%s%s%s", h->keep_alive ? " keep" : "",
        h->is_upgrade ? " upgrade" : "",
        h->expects_continue ? " continue" : "");
    for (size_t i = 0; i < h->field_count; i++) {
        fprintf(to, " %.*s=[%.*s]", (int)h->fields[i].name.len,
            (const char *)h->fields[i].name.ptr, (int)h->fields[i].value.len,
            (const char *)h->fields[i].value.ptr);
    }
    fputc('\n', to);
}

/* Feeds `piece` until it is empty or refused. */
static bool
feed(struct http_head_reader *r, struct span piece, FILE *to)
{
    static struct http_head head;
    for (;;) {
        switch (http_head_next(r, &piece, &head)) {
        case FEED_PIECE:
            print_head(to, &head);
            http_head_reset(r);
            break;
        case FEED_MORE:
            assert_int_equal(piece.len, 0);
            return true;
        case FEED_BAD:
            fprintf(to, "%u %s\n", r->bad_status, r->why);
            assert_int_equal(http_head_next(r, &piece, &head), FEED_BAD);
            return false;
        }
    }
}

/* In steps of `first` bytes, then `step` bytes each. */
static char *
transcript(enum http_kind kind, struct span bytes, size_t first, size_t step)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    struct http_head_reader r;
    http_head_init(&r, kind);
    bool goes_on = true;
    size_t n = first;
    while (goes_on && bytes.len > 0) {
        struct span piece;
        n = n < bytes.len ? n : bytes.len;
        assert_true(span_take(&bytes, n, &piece));
        goes_on = feed(&r, piece, to);
        n = step;
    }
    if (goes_on && http_head_is_partial(&r)) {
        fputs("partial\n", to);
    }
    http_head_fini(&r);
    fclose(to);
    return text;
}

static void
expect_split(enum http_kind kind, struct span bytes, size_t first, size_t step,
    const char *expected)
{
    char *text = transcript(kind, bytes, first, step);
    assert_string_equal(text, expected);
    free(text);
}

static void
expect(enum http_kind kind, struct span bytes, const char *expected)
{
    expect_split(kind, bytes, bytes.len, 1, expected);
    expect_split(kind, bytes, 1, 1, expected);
    for (size_t at = 1; at < bytes.len; at++) {
        expect_split(kind, bytes, at, bytes.len, expected);
    }
    struct guard_page g = guard_page_copy(bytes);
    expect_split(kind, g.bytes, bytes.len, 1, expected);
    guard_page_free(&g);
}

#define EXPECT(kind, bytes, expected) expect(kind, SPAN_LIT(bytes), expected)
/* One more field in a good request. */
#define EXPECT_FIELD(field, expected) \
    EXPECT(REQUEST, "GET / HTTP/1.1\r\nHost: a\r\n" field "\r\n\r\n", expected)
#define EXPECT_LINE(line, expected) \
    EXPECT(REQUEST, line "\r\nHost: a\r\n\r\n", expected)

static void
reads_requests(void **state)
{
    (void)state;
    EXPECT(REQUEST,
        "GET /api/v1/pods?limit=1 HTTP/1.1\r\nHost: a:6443\r\n"
        "Accept:\t application/json , */* \t\r\nX-Empty:\r\n\r\n",
        "GET /api/v1/pods?limit=1 1.1 none keep Host=[a:6443] "
        "Accept=[application/json , */*] X-Empty=[]\n");
    EXPECT(REQUEST, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "OPTIONS * 1.1 none keep host=[a]\n");
    EXPECT(REQUEST, "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 none\n");
    EXPECT(REQUEST, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        "GET / 1.0 none keep Connection=[Keep-Alive]\n");
    EXPECT_FIELD("connection: a, CLOSE ,b",
        "GET / 1.1 none Host=[a] connection=[a, CLOSE ,b]\n");
    EXPECT_FIELD(
        "X: caf\xc3\xa9", "GET / 1.1 none keep Host=[a] X=[caf\xc3\xa9]\n");
}

static void
reads_several_heads(void **state)
{
    (void)state;
    EXPECT(REQUEST,
        "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"
        "\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\nGET",
        "GET /a 1.1 none keep Host=[a]\n"
        "GET /b 1.1 none keep Host=[b]\npartial\n");
    EXPECT(REQUEST, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "400 head begins with an empty line\n");
}

static void
reads_framing(void **state)
{
    (void)state;
    EXPECT_FIELD("Content-Length: 0",
        "GET / 1.1 length 0 keep Host=[a] Content-Length=[0]\n");
    EXPECT_FIELD("content-length: 9223372036854775807",
        "GET / 1.1 length 9223372036854775807 keep Host=[a] "
        "content-length=[9223372036854775807]\n");
    EXPECT_FIELD("Transfer-Encoding: CHUNKED",
        "GET / 1.1 chunked keep Host=[a] Transfer-Encoding=[CHUNKED]\n");
    EXPECT_FIELD("Expect: 100-Continue",
        "GET / 1.1 none keep continue Host=[a] Expect=[100-Continue]\n");
    EXPECT(REQUEST, "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
        "GET / 1.0 none Expect=[100-continue]\n");
}

static void
refuses_smuggling(void **state)
{
    (void)state;
    EXPECT_FIELD("Content-Length: 1\r\nTransfer-Encoding: chunked",
        "400 both Content-Length and Transfer-Encoding\n");
    EXPECT_FIELD("Content-Length: 1\r\nContent-Length: 1",
        "400 Content-Length is repeated\n");
    EXPECT_FIELD(
        "Content-Length: 1, 1", "400 Content-Length is not a number\n");
    EXPECT_FIELD("Content-Length: +1", "400 Content-Length is not a number\n");
    EXPECT_FIELD("Content-Length: 0x1", "400 Content-Length is not a number\n");
    EXPECT_FIELD("Content-Length:", "400 Content-Length is not a number\n");
    EXPECT_FIELD("Content-Length: 9223372036854775808",
        "400 Content-Length is not a number\n");
    EXPECT_FIELD("Transfer-Encoding: gzip, chunked",
        "501 Transfer-Encoding is not chunked alone\n");
    EXPECT_FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "501 Transfer-Encoding is not chunked alone\n");
    EXPECT_FIELD("Transfer-Encoding: identity",
        "501 Transfer-Encoding is not chunked alone\n");
    EXPECT_FIELD(
        "Transfer-Encoding:", "501 Transfer-Encoding is not chunked alone\n");
    EXPECT(REQUEST, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "400 Transfer-Encoding in HTTP/1.0\n");
}

static void
refuses_lines_that_readers_split_differently(void **state)
{
    (void)state;
    EXPECT(
        REQUEST, "GET / HTTP/1.1\nHost: a\n\n", "400 line ends without CR\n");
    EXPECT(REQUEST, "\nGET / HTTP/1.1\r\n", "400 line ends without CR\n");
    EXPECT_FIELD("A: b\n C: d", "400 line ends without CR\n");
    EXPECT_FIELD("A: b\rC: d", "400 forbidden byte in header \"A\"\n");
    EXPECT_FIELD("A: b\r", "400 forbidden byte in header \"A\"\n");
    EXPECT_FIELD("A: b\0c", "400 forbidden byte in header \"A\"\n");
    EXPECT_FIELD("A: b\x7f", "400 forbidden byte in header \"A\"\n");
    EXPECT_FIELD("A: b\r\n c", "400 folded header line\n");
    EXPECT_FIELD("A: b\r\n\tc: d", "400 folded header line\n");
    EXPECT_FIELD("A : b", "400 bad header name \"A\\x20\"\n");
    EXPECT_FIELD("A\x1b\"\\: b", "400 bad header name \"A\\x1b\\x22\\x5c\"\n");
    EXPECT_FIELD(": b", "400 bad header name\n");
    EXPECT_FIELD("no colon", "400 header line without colon\n");
    EXPECT(REQUEST, "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "400 folded header line\n");
}

static void
refuses_request_lines(void **state)
{
    (void)state;
    EXPECT_LINE("GET  / HTTP/1.1", "400 no HTTP version \"/\\x20HTTP/1.1\"\n");
    EXPECT_LINE("GET /  HTTP/1.1", "400 no HTTP version \"\\x20HTTP/1.1\"\n");
    EXPECT_LINE(" GET / HTTP/1.1", "400 request line has no method\n");
    EXPECT_LINE("G(T / HTTP/1.1", "400 request line has no method\n");
    EXPECT_LINE("GET", "400 request line has no method\n");
    EXPECT_LINE("GET /", "400 request line has no version\n");
    EXPECT_LINE("GET / HTTP/1.1 ", "400 no HTTP version \"HTTP/1.1\\x20\"\n");
    EXPECT_LINE("GET / http/1.1", "400 no HTTP version \"http/1.1\"\n");
    EXPECT_LINE(
        "GET / HTTP/1.2", "505 HTTP version is not 1.0 or 1.1: \"HTTP/1.2\"\n");
    EXPECT_LINE(
        "PRI * HTTP/2.0", "505 HTTP version is not 1.0 or 1.1: \"HTTP/2.0\"\n");
    EXPECT_LINE("GET http://a/ HTTP/1.1", "400 request target is not a path\n");
    EXPECT_LINE("GET * HTTP/1.1", "400 request target is not a path\n");
    EXPECT_LINE("GET a HTTP/1.1", "400 request target is not a path\n");
    EXPECT_LINE(
        "CONNECT a:443 HTTP/1.1", "400 method is not served: \"CONNECT\"\n");
    EXPECT_LINE(
        "CONNECT /api HTTP/1.1", "400 method is not served: \"CONNECT\"\n");
    EXPECT_LINE(
        "GET /#a HTTP/1.1", "400 forbidden byte in request target \"#\"\n");
    EXPECT_LINE("GET /\x80 HTTP/1.1",
        "400 forbidden byte in request target \"\\x80\"\n");
    EXPECT_LINE(
        "GET /\t HTTP/1.1", "400 forbidden byte in request target \"\\x09\"\n");
}

static void
requires_one_host(void **state)
{
    (void)state;
    EXPECT(
        REQUEST, "GET / HTTP/1.1\r\n\r\n", "400 Host is missing or repeated\n");
    EXPECT_FIELD("Host: a", "400 Host is missing or repeated\n");
    EXPECT(REQUEST, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        "400 Host is missing or repeated\n");
    EXPECT(REQUEST, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "400 Host is not a host\n");
    EXPECT(REQUEST, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "400 Host is not a host\n");
    EXPECT(REQUEST, "GET / HTTP/1.1\r\nHost: [::1]:6443\r\n\r\n",
        "GET / 1.1 none keep Host=[[::1]:6443]\n");
}

/* Everything that an API server could take for the wish to upgrade. */
static void
sees_every_upgrade_wish(void **state)
{
    (void)state;
    EXPECT_FIELD("Connection: keep-alive, UpGrade",
        "GET / 1.1 none keep upgrade Host=[a] "
        "Connection=[keep-alive, UpGrade]\n");
    EXPECT_FIELD("Connection: xupgradex",
        "GET / 1.1 none keep upgrade Host=[a] Connection=[xupgradex]\n");
    EXPECT_FIELD("Connection: a\r\nConnection: upgrade",
        "GET / 1.1 none keep upgrade Host=[a] Connection=[a] "
        "Connection=[upgrade]\n");
    EXPECT_FIELD(
        "upgrade:", "GET / 1.1 none keep upgrade Host=[a] upgrade=[]\n");
    EXPECT_FIELD("sec-websocket-KEY: x",
        "GET / 1.1 none keep upgrade Host=[a] sec-websocket-KEY=[x]\n");
    EXPECT_FIELD("Sec-WebSocket-Protocol: v4.channel.k8s.io",
        "GET / 1.1 none keep upgrade Host=[a] "
        "Sec-WebSocket-Protocol=[v4.channel.k8s.io]\n");
    EXPECT_FIELD("x-stream-protocol-version: v4",
        "GET / 1.1 none keep upgrade Host=[a] "
        "x-stream-protocol-version=[v4]\n");
    EXPECT_FIELD("Upgrade-Insecure-Requests: 1",
        "GET / 1.1 none keep Host=[a] Upgrade-Insecure-Requests=[1]\n");
}

static void
reads_responses(void **state)
{
    (void)state;
    EXPECT(RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        "1.1 200 (OK) length 3 keep Content-Length=[3]\n");
    EXPECT(RESPONSE, "HTTP/1.1 200 OK\r\n\r\n", "1.1 200 (OK) close\n");
    EXPECT(RESPONSE, "HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n\r\n",
        "1.1 404 () chunked keep Transfer-Encoding=[chunked]\n");
    EXPECT(RESPONSE, "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
        "1.1 404 () length 0 keep Content-Length=[0]\n");
    EXPECT(RESPONSE,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
        "Upgrade: SPDY/3.1\r\n\r\n",
        "1.1 101 (Switching Protocols) none keep upgrade "
        "Connection=[Upgrade] Upgrade=[SPDY/3.1]\n");
    EXPECT(RESPONSE, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        "1.1 304 (Not Modified) none keep Content-Length=[9]\n");
    EXPECT(RESPONSE, "HTTP/1.1 204 No Content\r\n\r\n",
        "1.1 204 (No Content) none keep\n");
    EXPECT(RESPONSE, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n",
        "1.1 100 (Continue) none keep\n1.0 200 (OK) close\n");
}

static void
refuses_responses(void **state)
{
    (void)state;
    EXPECT(RESPONSE, "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "400 head begins with an empty line\n");
    EXPECT(
        RESPONSE, "HTTP/1.1 2000 OK\r\n\r\n", "400 status code is too long\n");
    EXPECT(
        RESPONSE, "HTTP/1.1 099 OK\r\n\r\n", "400 no status code: \"099\"\n");
    EXPECT(
        RESPONSE, "HTTP/1.1 600 OK\r\n\r\n", "400 no status code: \"600\"\n");
    EXPECT(RESPONSE, "HTTP/1.1 20\r\n\r\n", "400 status line is incomplete\n");
    EXPECT(RESPONSE, "HTTP/2.0 200 OK\r\n\r\n",
        "505 HTTP version is not 1.0 or 1.1: \"HTTP/2.0\"\n");
    EXPECT(RESPONSE, "HTTP/1.1 200 O\x01K\r\n\r\n",
        "400 forbidden byte in reason\n");
    EXPECT(RESPONSE,
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n",
        "400 both Content-Length and Transfer-Encoding\n");
}

/* Repeats `unit` until the text has at least `len` bytes. */
static char *
repeat(const char *head, const char *unit, size_t len)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    fputs(head, to);
    for (size_t n = 0; n < len; n += strlen(unit)) {
        fputs(unit, to);
    }
    fclose(to);
    return text;
}

static void
expect_limit(char *bytes, const char *expected)
{
    const struct span s = span_str(bytes);
    expect_split(REQUEST, s, s.len, 1, expected);
    expect_split(REQUEST, s, 4000, 4000, expected);
    free(bytes);
}

static void
keeps_its_caps(void **state)
{
    (void)state;
    expect_limit(repeat("GET /", "aaaaaaaa", LIMIT_HEAD_BYTES),
        "414 request line is too long\n");
    expect_limit(repeat("GET / HTTP/1.1\r\nHost: a\r\nA: ", "aaaaaaaa",
                     LIMIT_HEAD_BYTES),
        "431 head is too large\n");
    char *target = repeat("GET /", "aaaaaaaa", LIMIT_TARGET_BYTES);
    char *head = repeat(target, " HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    free(target);
    expect_limit(head, "414 request target is too long\n");
    char *fields =
        repeat("GET / HTTP/1.1\r\nHost: a\r\n", "A: b\r\n", 6 * LIMIT_FIELDS);
    head = repeat(fields, "\r\n", 1);
    free(fields);
    expect_limit(head, "431 too many header lines\n");
}

/* A refusal goes to logs and to the client: no value, no target in it. */
static void
never_quotes_credentials(void **state)
{
    (void)state;
    EXPECT_FIELD("Authorization: Bearer s3cret\x01",
        "400 forbidden byte in header \"Authorization\"\n");
    EXPECT_FIELD("Bearer s3cret", "400 header line without colon\n");
    EXPECT_LINE("GET s3cret HTTP/1.1", "400 request target is not a path\n");
}

static void
cuts_long_names_in_refusals(void **state)
{
    (void)state;
    char *bytes = repeat("GET / HTTP/1.1\r\n", "\x01", 500);
    char *head = repeat(bytes, ": a\r\n\r\n", 1);
    free(bytes);
    struct http_head_reader r;
    static struct http_head out;
    struct span in = span_str(head);
    http_head_init(&r, HTTP_REQUEST);
    assert_int_equal(http_head_next(&r, &in, &out), FEED_BAD);
    assert_true(strlen(r.why) < sizeof r.why);
    assert_int_equal(r.why[strlen(r.why) - 1], '"');
    http_head_fini(&r);
    free(head);
}

static void
consumes_nothing_behind_the_head(void **state)
{
    (void)state;
    struct http_head_reader r;
    static struct http_head head;
    struct span in =
        SPAN_LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    http_head_init(&r, HTTP_REQUEST);
    assert_false(http_head_is_partial(&r));
    assert_int_equal(http_head_next(&r, &in, &head), FEED_PIECE);
    assert_true(span_eq_str(in, "hi"));
    assert_false(http_head_is_partial(&r));
    http_head_reset(&r);
    assert_null(r.bytes.data);
    http_head_fini(&r);
}

static struct http_head found;
static struct http_head_reader found_reader;

static int
read_found(void **state)
{
    (void)state;
    struct span in =
        SPAN_LIT("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\n"
                 "connection:  ,Content-Length, host\r\nX-Hop: 1\r\n"
                 "X-Two: a\r\nx-two: b , C\r\nKeep-Alive: 5\r\n\r\n");
    http_head_init(&found_reader, HTTP_REQUEST);
    return http_head_next(&found_reader, &in, &found) == FEED_PIECE ? 0 : -1;
}

static int
drop_found(void **state)
{
    (void)state;
    http_head_fini(&found_reader);
    return 0;
}

static void
finds_fields(void **state)
{
    (void)state;
    assert_true(span_eq_str(http_find(&found, "X-TWO")->value, "a"));
    assert_null(http_find(&found, "X-Three"));
    assert_int_equal(http_count(&found, "x-two"), 2);
    assert_true(http_has_token(&found, "X-Two", "c"));
    assert_true(http_has_token(&found, "X-Two", "A"));
    assert_false(http_has_token(&found, "X-Two", "b , C"));
    assert_false(http_has_token(&found, "X-Three", "a"));
}

static void
knows_hop_by_hop(void **state)
{
    (void)state;
    static const char *const hops[] = {"connection", "Keep-Alive",
        "proxy-connection", "TE", "trailer", "TRANSFER-ENCODING", "Upgrade",
        "Proxy-Authenticate", "Proxy-Authorization", "x-hop"};
    for (size_t i = 0; i < sizeof hops / sizeof hops[0]; i++) {
        assert_true(http_is_hop_by_hop(&found, span_str(hops[i])));
    }
    static const char *const ends[] = {
        "X-Two", "Authorization", "Content-Length", "Host"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        assert_false(http_is_hop_by_hop(&found, span_str(ends[i])));
    }
}

static void
checks_what_may_be_written(void **state)
{
    (void)state;
    assert_true(http_name_is_valid(SPAN_LIT("Impersonate-Extra-a%2Fb")));
    assert_true(http_name_is_valid(SPAN_LIT("!#$%&'*+-.^_`|~09azAZ")));
    assert_false(http_name_is_valid(SPAN_EMPTY));
    assert_false(http_name_is_valid(SPAN_LIT("a b")));
    assert_false(http_name_is_valid(SPAN_LIT("a:")));
    assert_false(http_name_is_valid(SPAN_LIT("a\0")));
    assert_false(http_name_is_valid(SPAN_LIT("a\x80")));
    assert_true(http_value_is_valid(SPAN_LIT("a \t\xff")));
    assert_true(http_value_is_valid(SPAN_EMPTY));
    assert_false(http_value_is_valid(SPAN_LIT("a\r\nB: c")));
    assert_false(http_value_is_valid(SPAN_LIT("a\n")));
    assert_false(http_value_is_valid(SPAN_LIT("a\0")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_requests),
        cmocka_unit_test(reads_several_heads),
        cmocka_unit_test(reads_framing),
        cmocka_unit_test(refuses_smuggling),
        cmocka_unit_test(refuses_lines_that_readers_split_differently),
        cmocka_unit_test(refuses_request_lines),
        cmocka_unit_test(requires_one_host),
        cmocka_unit_test(sees_every_upgrade_wish),
        cmocka_unit_test(reads_responses),
        cmocka_unit_test(refuses_responses),
        cmocka_unit_test(keeps_its_caps),
        cmocka_unit_test(never_quotes_credentials),
        cmocka_unit_test(cuts_long_names_in_refusals),
        cmocka_unit_test(consumes_nothing_behind_the_head),
        cmocka_unit_test_setup_teardown(finds_fields, read_found, drop_found),
        cmocka_unit_test_setup_teardown(
            knows_hop_by_hop, read_found, drop_found),
        cmocka_unit_test(checks_what_may_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
