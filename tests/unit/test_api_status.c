#include "tests/support/test.h"

#include "proxy/api_status.h"

#include <jansson.h>
#include <string.h>

static void
expect(unsigned code, struct span message, const char *expected)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(api_status_encode(code, message, &out), STATUS_OK);
    const char *text;
    assert_int_equal(buf_cstr(&out, &text), STATUS_OK);
    assert_string_equal(text, expected);
    json_t *json = json_loadb(text, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    json_decref(json);
    buf_fini(&out);
}

#define STATUS_JSON(message, reason, code)                                \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"         \
    "\"status\":\"Failure\",\"message\":" message ",\"reason\":\"" reason \
    "\",\"code\":" code "}"

static void
names_the_reason(void **state)
{
    (void)state;
    expect(400, SPAN_LIT("a"), STATUS_JSON("\"a\"", "BadRequest", "400"));
    expect(401, SPAN_LIT("a"), STATUS_JSON("\"a\"", "Unauthorized", "401"));
    expect(403, SPAN_LIT("a"), STATUS_JSON("\"a\"", "Forbidden", "403"));
    expect(404, SPAN_LIT("a"), STATUS_JSON("\"a\"", "NotFound", "404"));
    expect(413, SPAN_LIT("a"),
        STATUS_JSON("\"a\"", "RequestEntityTooLarge", "413"));
    expect(429, SPAN_LIT("a"), STATUS_JSON("\"a\"", "TooManyRequests", "429"));
    expect(500, SPAN_LIT("a"), STATUS_JSON("\"a\"", "InternalError", "500"));
    expect(
        502, SPAN_LIT("a"), STATUS_JSON("\"a\"", "ServiceUnavailable", "502"));
    expect(
        503, SPAN_LIT("a"), STATUS_JSON("\"a\"", "ServiceUnavailable", "503"));
    expect(504, SPAN_LIT("a"), STATUS_JSON("\"a\"", "Timeout", "504"));
    expect(431, SPAN_LIT("a"), STATUS_JSON("\"a\"", "", "431"));
}

static void
carries_any_bytes(void **state)
{
    (void)state;
    expect(403, SPAN_EMPTY, STATUS_JSON("\"\"", "Forbidden", "403"));
    expect(403, SPAN_LIT("pods \"web\" \\ \n"),
        STATUS_JSON("\"pods \\\"web\\\" \\\\ \\n\"", "Forbidden", "403"));
    expect(403, SPAN_LIT("caf\xc3\xa9 \xff\xfe"),
        STATUS_JSON(
            "\"caf\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\"", "Forbidden", "403"));
}

static void
answers_limit_at_the_cap(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(api_status_encode(403, SPAN_LIT("abc"), &out), STATUS_OK);
    const size_t whole = out.len;
    buf_fini(&out);
    for (size_t cap = 1; cap < whole; cap++) {
        buf_init(&out, cap);
        assert_int_equal(
            api_status_encode(403, SPAN_LIT("abc"), &out), STATUS_LIMIT);
        buf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_reason),
        cmocka_unit_test(carries_any_bytes),
        cmocka_unit_test(answers_limit_at_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
