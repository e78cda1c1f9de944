/* What plugins are told and what they answer. */
#include "proxy/exec_credential.h"
#include "tests/support/test.h"
#include <string.h>

#define V1   "client.authentication.k8s.io/v1"
#define HEAD "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\","
#define YAML "kind: ExecCredential\napiVersion: " V1 "\n"

static void
expect_refused(const char *text, const char *why)
{
    struct exec_credential c;
    struct error err = {0};
    exec_credential_init(&c);
    assert_int_not_equal(
        exec_credential_parse(span_str(text), V1, &c, &err), STATUS_OK);
    assert_string_equal(err.text, why);
    exec_credential_fini(&c);
}

static void
test_answers(void **state)
{
    (void)state;
    struct exec_credential c;
    exec_credential_init(&c);
    assert_int_equal(
        exec_credential_parse(
            SPAN_LIT(HEAD "\"status\":{\"token\":\"t\\u0041\","
                          "\"clientCertificateData\":\"a\\nb\","
                          "\"clientKeyData\":\"k\",\"expirationTimestamp\":"
                          "\"2026-11-24T22:43:56Z\",\"other\":1}}"),
            V1, &c, NULL),
        STATUS_OK);
    assert_true(span_eq_str(buf_view(&c.token), "tA"));
    assert_true(span_eq_str(buf_view(&c.cert_pem), "a\nb"));
    assert_true(span_eq_str(buf_view(&c.key_pem), "k"));
    assert_true(c.expires);
    assert_int_equal(c.expires_us, INT64_C(1795560236000000));
    exec_credential_fini(&c);
    exec_credential_init(&c);
    assert_int_equal(exec_credential_parse(
                         SPAN_LIT(YAML "status: {token: t}\n"), V1, &c, NULL),
        STATUS_OK);
    assert_false(c.expires);
    exec_credential_fini(&c);
}

static void
test_bad_answers(void **state)
{
    (void)state;
    expect_refused("{", "its answer is neither JSON nor YAML");
    expect_refused("secret", "it did not answer with an ExecCredential");
    expect_refused("", "it did not answer with an ExecCredential");
    expect_refused("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
                   "beta1\",\"status\":{\"token\":\"t\"}}",
        "it answered in another version than " V1);
    expect_refused(HEAD "\"spec\":{}}", "its answer has no status");
    expect_refused(HEAD "\"status\":{}}",
        "it answered with neither a token nor a certificate");
    expect_refused(HEAD "\"status\":{\"token\":\"\"}}",
        "it answered with neither a token nor a certificate");
    expect_refused(HEAD "\"status\":{\"token\":[\"secret\"]}}",
        "its status.token is no text");
    expect_refused(HEAD "\"status\":{\"token\":\"a\\nsecret\"}}",
        "its token has bytes that no token may have");
    expect_refused(HEAD
        "\"status\":{\"token\":\"t\",\"clientKeyData\":\"secret\"}}",
        "it answered with only one of certificate and key");
    expect_refused(HEAD "\"status\":{\"token\":\"t\",\"expirationTimestamp\":"
                        "\"soon\"}}",
        "its status.expirationTimestamp is no RFC 3339 time");
}

static void
expect_time(const char *text, int64_t want)
{
    int64_t us = -1;
    assert_true(exec_credential_time(span_str(text), &us));
    assert_int_equal(us, want);
}

static void
test_times(void **state)
{
    (void)state;
    expect_time("1970-01-01T00:00:00Z", 0);
    expect_time("1970-01-01t00:00:01.5z", 1500000);
    expect_time("1970-01-01T00:00:00.123456789Z", 123456);
    expect_time("1970-01-01T01:00:00+01:00", 0);
    expect_time("1969-12-31T19:30:00-04:30", 0);
    expect_time("2024-02-29T12:00:00Z", INT64_C(1709208000000000));
    static const char *const bad[] = {"", "1970-01-01", "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z", "1970-1-01T00:00:00Z", "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z", "1970-01-00T00:00:00Z", "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z", "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00Zx", "+970-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t us = 0;
        assert_false(exec_credential_time(span_str(bad[i]), &us));
    }
}

static void
test_info(void **state)
{
    (void)state;
    char version[] = V1;
    char cluster[] = "{\"server\":\"https://h\"}";
    struct kubeconfig_exec x = {.api_version = version};
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(exec_credential_info(&x, &out), STATUS_OK);
    assert_true(span_eq_str(buf_view(&out),
        "KUBERNETES_EXEC_INFO=" HEAD "\"spec\":{\"interactive\":false}}"));
    buf_clear(&out);
    x.cluster_info = cluster;
    assert_int_equal(exec_credential_info(&x, &out), STATUS_OK);
    assert_true(span_eq_str(buf_view(&out),
        "KUBERNETES_EXEC_INFO=" HEAD "\"spec\":{\"cluster\":"
        "{\"server\":\"https://h\"},\"interactive\":false}}"));
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
