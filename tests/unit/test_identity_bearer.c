/* Where a request's bearer token is, read as the API server reads it. */
#include "proxy/identity.h"
#include "tests/support/test.h"
#include <string.h>

enum outcome {
    TOKEN,
    NONE,
    AMBIGUOUS
};

static void
expect(const char *fields, enum outcome want, const char *want_token)
{
    struct http_head_reader reader;
    struct http_head head;
    struct buf text;
    struct buf scratch;
    struct span token = SPAN_EMPTY;
    bool is_ambiguous = true;
    buf_init(&text, 8192);
    buf_init(&scratch, 8192);
    assert_int_equal(
        buf_printf(&text, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields),
        STATUS_OK);
    struct span in = buf_view(&text);
    http_head_init(&reader, HTTP_REQUEST);
    assert_int_equal(http_head_next(&reader, &in, &head), FEED_PIECE);
    const bool found = identity_bearer(&head, &scratch, &token, &is_ambiguous);
    assert_int_equal(found, want == TOKEN);
    assert_int_equal(is_ambiguous, want == AMBIGUOUS);
    if (found) {
        assert_true(span_eq_str(token, want_token));
    }
    http_head_fini(&reader);
    buf_fini(&text);
    buf_fini(&scratch);
}

static void
test_authorization(void **state)
{
    (void)state;
    expect("", NONE, NULL);
    expect("Authorization: Bearer abc\r\n", TOKEN, "abc");
    expect("authorization: bEARER a.b-c_d~e+f/g=\r\n", TOKEN, "a.b-c_d~e+f/g=");
    expect("Authorization:   Bearer abc  \r\n", TOKEN, "abc");
    /* The API server reads no token here, */
    expect("Authorization: Bearer\r\n", NONE, NULL);
    expect("Authorization: Bearer \r\n", NONE, NULL);
    expect("Authorization: Bearer  abc\r\n", NONE, NULL);
    expect("Authorization: Bearer\tabc\r\n", NONE, NULL);
    expect("Authorization: Basic YTpi\r\n", NONE, NULL);
    expect("Authorization: abc\r\n", NONE, NULL);
    expect("Authorization: \r\n", NONE, NULL);
    /* and the first word of these, which others would read otherwise. */
    expect("Authorization: Bearer abc def\r\n", NONE, NULL);
    expect("Authorization: Bearer abc\tdef\r\n", NONE, NULL);
}

#define WS     "Connection: Upgrade\r\nUpgrade: WebSocket\r\n"
#define OFFER  "Sec-WebSocket-Protocol: "
#define PREFIX "base64url.bearer.authorization.k8s.io."

static void
test_subprotocol(void **state)
{
    (void)state;
    expect(WS OFFER "v5.channel.k8s.io, " PREFIX "YWJj\r\n", TOKEN, "abc");
    expect(WS OFFER PREFIX "YWJj,v4.channel.k8s.io\r\n", TOKEN, "abc");
    expect(
        WS OFFER PREFIX "YWJj\r\n" OFFER "v4.channel.k8s.io\r\n", TOKEN, "abc");
    expect(WS OFFER PREFIX "YWI_,a\r\n", TOKEN, "ab?");
    /* Alone there would be nothing to answer with. */
    expect(WS OFFER PREFIX "YWJj\r\n", NONE, NULL);
    expect(WS OFFER PREFIX "YWJj, ,\r\n", NONE, NULL);
    /* Not a WebSocket request. */
    expect(OFFER "a, " PREFIX "YWJj\r\n", NONE, NULL);
    expect("Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" OFFER "a, " PREFIX
           "YWJj\r\n",
        NONE, NULL);
    /* Padding, another alphabet, nothing, a token that is two words. */
    expect(WS OFFER "a, " PREFIX "YWI=\r\n", NONE, NULL);
    expect(WS OFFER "a, " PREFIX "YW+/\r\n", NONE, NULL);
    expect(WS OFFER "a, " PREFIX "\r\n", NONE, NULL);
    expect(WS OFFER "a, " PREFIX "YSBi\r\n", NONE, NULL);
    expect(WS OFFER "a, " PREFIX "YQpi\r\n", NONE, NULL);
    /* The prefix is exact. */
    expect(WS OFFER "a, BASE64URL.bearer.authorization.k8s.io.YWJj\r\n", NONE,
        NULL);
}

static void
test_ambiguous(void **state)
{
    (void)state;
    expect("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", AMBIGUOUS,
        NULL);
    expect("Authorization: Bearer a\r\nAuthorization: Bearer a\r\n", AMBIGUOUS,
        NULL);
    expect("Authorization: Bearer a\r\nauthorization: Basic b\r\n", AMBIGUOUS,
        NULL);
    expect(WS "Authorization: Bearer abc\r\n" OFFER "a, " PREFIX "YWJj\r\n",
        AMBIGUOUS, NULL);
    expect("Authorization: Bearer abc\r\n" OFFER "a, " PREFIX "YWJj\r\n",
        AMBIGUOUS, NULL);
    expect(WS OFFER "a, " PREFIX "YWJj, " PREFIX "YWJj\r\n", AMBIGUOUS, NULL);
    expect(
        WS OFFER "a, " PREFIX "YWJj\r\n" OFFER PREFIX "*\r\n", AMBIGUOUS, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authorization),
        cmocka_unit_test(test_subprotocol),
        cmocka_unit_test(test_ambiguous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
