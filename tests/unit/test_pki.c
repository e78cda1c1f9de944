#include "base/pki.h"
#include "tests/support/test.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S   1795560000 /* 24 November 2026 */
#define DAY_S   INT64_C(86400)
#define PEM_MAX 16384

struct pair {
    struct buf cert;
    struct buf key;
};

static void
pair_init(struct pair *p)
{
    buf_init(&p->cert, PEM_MAX);
    buf_init(&p->key, PEM_MAX);
}

static void
pair_fini(struct pair *p)
{
    buf_fini(&p->cert);
    buf_wipe(&p->key);
}

static void
make_authority(struct pair *p)
{
    pair_init(p);
    assert_int_equal(
        pki_make_authority("test authority", NOW_S, &p->cert, &p->key, NULL),
        STATUS_OK);
}

static enum status
issue(const struct pair *ca, const char *const *names, size_t count,
    struct pair *out, struct error *err)
{
    pair_init(out);
    return pki_issue_server(buf_view(&ca->cert), buf_view(&ca->key), names,
        count, NOW_S, &out->cert, &out->key, err);
}

static X509 *
read_cert(const struct pair *p)
{
    const struct span pem = buf_view(&p->cert);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

/* 0 when `leaf` verifies against `ca` for `purpose` at `at_s`. */
static int
verify(
    const struct pair *ca, const struct pair *leaf, int purpose, int64_t at_s)
{
    X509 *root = read_cert(ca);
    X509 *cert = read_cert(leaf);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, root);
    X509_STORE_CTX_init(ctx, store, cert, NULL);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_time(ctx, 0, at_s);
    const int result =
        X509_verify_cert(ctx) == 1 ? 0 : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(cert);
    X509_free(root);
    return result;
}

static const char *const names[] = {
    "localhost", "*.tape.example", "127.0.0.1", "::1"};

static void
a_server_verifies_for_its_names_only(void **state)
{
    (void)state;
    struct pair ca;
    struct pair server;
    make_authority(&ca);
    assert_int_equal(issue(&ca, names, 4, &server, NULL), STATUS_OK);
    assert_int_equal(
        verify(&ca, &server, X509_PURPOSE_SSL_SERVER, NOW_S), X509_V_OK);
    X509 *cert = read_cert(&server);
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "a.tape.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "kubetape", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.2", 0), 0);
    X509_free(cert);
    pair_fini(&server);
    pair_fini(&ca);
}

static void
a_server_is_no_client_and_no_authority(void **state)
{
    (void)state;
    struct pair ca;
    struct pair server;
    struct pair below;
    make_authority(&ca);
    assert_int_equal(issue(&ca, names, 1, &server, NULL), STATUS_OK);
    assert_int_equal(verify(&ca, &server, X509_PURPOSE_SSL_CLIENT, NOW_S),
        X509_V_ERR_INVALID_PURPOSE);
    assert_int_equal(issue(&server, names, 1, &below, NULL), STATUS_OK);
    assert_int_not_equal(
        verify(&ca, &below, X509_PURPOSE_SSL_SERVER, NOW_S), X509_V_OK);
    pair_fini(&below);
    pair_fini(&server);
    pair_fini(&ca);
}

static void
lives_end_when_said(void **state)
{
    (void)state;
    struct pair ca;
    struct pair server;
    int64_t end_s = 0;
    make_authority(&ca);
    assert_int_equal(issue(&ca, names, 1, &server, NULL), STATUS_OK);
    assert_int_equal(
        pki_not_after(buf_view(&ca.cert), &end_s, NULL), STATUS_OK);
    assert_int_equal(end_s, NOW_S + 3650 * DAY_S);
    assert_int_equal(
        pki_not_after(buf_view(&server.cert), &end_s, NULL), STATUS_OK);
    assert_int_equal(end_s, NOW_S + 365 * DAY_S);
    assert_int_equal(verify(&ca, &server, X509_PURPOSE_SSL_SERVER, end_s + 1),
        X509_V_ERR_CERT_HAS_EXPIRED);
    assert_int_equal(
        verify(&ca, &server, X509_PURPOSE_SSL_SERVER, NOW_S - DAY_S),
        X509_V_ERR_CERT_NOT_YET_VALID);
    pair_fini(&server);
    pair_fini(&ca);
}

static void
serials_and_keys_differ(void **state)
{
    (void)state;
    struct pair a;
    struct pair b;
    make_authority(&a);
    make_authority(&b);
    X509 *x = read_cert(&a);
    X509 *y = read_cert(&b);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)),
        0);
    assert_false(span_eq(buf_view(&a.key), buf_view(&b.key)));
    X509_free(x);
    X509_free(y);
    pair_fini(&a);
    pair_fini(&b);
}

static void
bad_names_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a,DNS:evil.example", "a b", "a\n",
        "http://a", "[::1]", "caf\xc3\xa9.example"};
    struct pair ca;
    make_authority(&ca);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pair server;
        struct error err;
        assert_int_equal(issue(&ca, &bad[i], 1, &server, &err), STATUS_INVALID);
        assert_non_null(strstr(err.text, bad[i]));
        assert_int_equal(server.cert.len, 0);
        pair_fini(&server);
    }
    struct pair server;
    assert_int_equal(issue(&ca, names, 0, &server, NULL), STATUS_INVALID);
    pair_fini(&server);
    pair_fini(&ca);
}

static void
another_authoritys_key_is_refused(void **state)
{
    (void)state;
    struct pair a;
    struct pair b;
    struct pair server;
    make_authority(&a);
    make_authority(&b);
    const struct pair mixed = {.cert = a.cert, .key = b.key};
    assert_int_equal(issue(&mixed, names, 1, &server, NULL), STATUS_INVALID);
    pair_fini(&server);
    const struct pair swapped = {.cert = a.key, .key = a.cert};
    assert_int_equal(issue(&swapped, names, 1, &server, NULL), STATUS_INVALID);
    pair_fini(&server);
    pair_fini(&a);
    pair_fini(&b);
}

static void
what_is_no_certificate_is_refused(void **state)
{
    (void)state;
    int64_t end_s = 7;
    struct error err;
    assert_int_equal(
        pki_not_after(SPAN_LIT("hello"), &end_s, &err), STATUS_INVALID);
    assert_int_equal(end_s, 7);
    struct pair p;
    pair_init(&p);
    assert_int_equal(
        pki_make_authority("", NOW_S, &p.cert, &p.key, &err), STATUS_INVALID);
    pair_fini(&p);
}

static void
a_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct pair p;
    buf_init(&p.cert, 64);
    buf_init(&p.key, PEM_MAX);
    assert_int_equal(
        pki_make_authority("ca", NOW_S, &p.cert, &p.key, NULL), STATUS_LIMIT);
    pair_fini(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_verifies_for_its_names_only),
        cmocka_unit_test(a_server_is_no_client_and_no_authority),
        cmocka_unit_test(lives_end_when_said),
        cmocka_unit_test(serials_and_keys_differ),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(another_authoritys_key_is_refused),
        cmocka_unit_test(what_is_no_certificate_is_refused),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
