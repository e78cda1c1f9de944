#include "tests/support/test.h"

#include "proxy/http_message.h"

#include <string.h>

static void
expect(const struct http_message *m, const char *text)
{
    struct buf out;
    const char *got = NULL;
    buf_init(&out, 1u << 20);
    assert_int_equal(http_message_encode(m, &out), STATUS_OK);
    assert_int_equal(buf_cstr(&out, &got), STATUS_OK);
    assert_string_equal(got, text);
    buf_fini(&out);
}

static void
add(struct http_message *m, const char *name, const char *value)
{
    assert_int_equal(
        http_message_add(m, span_str(name), span_str(value)), STATUS_OK);
}

static void
requests(void **state)
{
    (void)state;
    struct http_message m;
    http_message_request(&m, SPAN_LIT("GET"), SPAN_LIT("/version?x=%20"));
    expect(&m, "GET /version?x=%20 HTTP/1.1\r\n\r\n");
    add(&m, "Host", "api:6443");
    add(&m, "Empty", "");
    expect(
        &m, "GET /version?x=%20 HTTP/1.1\r\nHost: api:6443\r\nEmpty: \r\n\r\n");
    m.framing = HTTP_BODY_LENGTH;
    m.length = UINT64_MAX;
    expect(&m, "GET /version?x=%20 HTTP/1.1\r\nHost: api:6443\r\nEmpty: \r\n"
               "Content-Length: 18446744073709551615\r\n\r\n");
    m.framing = HTTP_BODY_CHUNKED;
    expect(&m, "GET /version?x=%20 HTTP/1.1\r\nHost: api:6443\r\nEmpty: \r\n"
               "Transfer-Encoding: chunked\r\n\r\n");
}

/* Servers wait for a POST without a length. */
static void
a_request_without_a_body_says_so_where_one_is_expected(void **state)
{
    (void)state;
    struct http_message m;
    http_message_request(&m, SPAN_LIT("POST"), SPAN_LIT("/"));
    expect(&m, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    http_message_request(&m, SPAN_LIT("HEAD"), SPAN_LIT("/"));
    expect(&m, "HEAD / HTTP/1.1\r\n\r\n");
}

static void
upgrades(void **state)
{
    (void)state;
    struct http_message m;
    http_message_request(&m, SPAN_LIT("GET"), SPAN_LIT("/"));
    m.upgrade = SPAN_LIT("SPDY/3.1");
    expect(&m, "GET / HTTP/1.1\r\nConnection: Upgrade\r\n"
               "Upgrade: SPDY/3.1\r\n\r\n");
    http_message_response(&m, 101, SPAN_LIT("Switching Protocols"));
    m.upgrade = SPAN_LIT("websocket");
    m.has_no_length = true;
    expect(&m, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
               "Upgrade: websocket\r\n\r\n");
}

static void
responses(void **state)
{
    (void)state;
    struct http_message m;
    http_message_response(&m, 200, SPAN_LIT("OK"));
    expect(&m, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    m.must_close = true;
    expect(&m,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    m.framing = HTTP_BODY_UNTIL_CLOSE;
    expect(&m, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    http_message_response(&m, 204, SPAN_EMPTY);
    m.has_no_length = true;
    expect(&m, "HTTP/1.1 204 \r\n\r\n");
    http_message_response(&m, 200, SPAN_LIT("OK")); /* HEAD */
    m.has_no_length = true;
    m.framing = HTTP_BODY_LENGTH;
    m.length = 9;
    expect(&m, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
}

static void
what_would_end_a_field_early_is_refused(void **state)
{
    (void)state;
    const struct http_field bad[] = {
        {SPAN_LIT("A"), SPAN_LIT("b\r\nC: d")},
        {SPAN_LIT("A"), SPAN_LIT("b\n")},
        {SPAN_LIT("A"), SPAN_LIT("b\0c")},
        {SPAN_LIT("A:"), SPAN_LIT("b")},
        {SPAN_LIT("A B"), SPAN_LIT("b")},
        {SPAN_LIT(""), SPAN_LIT("b")},
    };
    struct http_message m;
    http_message_request(&m, SPAN_LIT("GET"), SPAN_LIT("/"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(
            http_message_add(&m, bad[i].name, bad[i].value), STATUS_INVALID);
    }
    expect(&m, "GET / HTTP/1.1\r\n\r\n");
}

static void
fields_have_a_cap(void **state)
{
    (void)state;
    struct http_message m;
    http_message_request(&m, SPAN_LIT("GET"), SPAN_LIT("/"));
    for (size_t i = 0; i < HTTP_MESSAGE_FIELDS; i++) {
        add(&m, "A", "b");
    }
    assert_int_equal(
        http_message_add(&m, SPAN_LIT("A"), SPAN_LIT("b")), STATUS_LIMIT);
}

static void
a_full_buffer_is_told(void **state)
{
    (void)state;
    struct http_message m;
    http_message_response(&m, 200, SPAN_LIT("OK"));
    add(&m, "Name", "value");
    m.must_close = true;
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(http_message_encode(&m, &out), STATUS_OK);
    const size_t whole = out.len;
    buf_fini(&out);
    for (size_t cap = 0; cap < whole; cap++) {
        buf_init(&out, cap);
        assert_int_equal(http_message_encode(&m, &out), STATUS_LIMIT);
        buf_fini(&out);
    }
}

static void
trailers(void **state)
{
    (void)state;
    const struct http_field two[] = {
        {SPAN_LIT("X-Sum"), SPAN_LIT("12")},
        {SPAN_LIT("Y"), SPAN_EMPTY},
    };
    struct buf out;
    const char *got = NULL;
    buf_init(&out, 256);
    assert_int_equal(http_trailers_encode(NULL, 0, &out), STATUS_OK);
    assert_int_equal(http_trailers_encode(two, 2, &out), STATUS_OK);
    assert_int_equal(buf_cstr(&out, &got), STATUS_OK);
    assert_string_equal(got, "0\r\n\r\n0\r\nX-Sum: 12\r\nY: \r\n\r\n");
    buf_fini(&out);
}

static void
reasons(void **state)
{
    (void)state;
    assert_string_equal(http_reason(502), "Bad Gateway");
    assert_string_equal(http_reason(299), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(
            a_request_without_a_body_says_so_where_one_is_expected),
        cmocka_unit_test(upgrades),
        cmocka_unit_test(responses),
        cmocka_unit_test(what_would_end_a_field_early_is_refused),
        cmocka_unit_test(fields_have_a_cap),
        cmocka_unit_test(a_full_buffer_is_told),
        cmocka_unit_test(trailers),
        cmocka_unit_test(reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
