/* Real handshakes over socket pairs, both ends driven in turns by one thread. */
#include "base/pki.h"
#include "base/tls.h"
#include "tests/support/test.h"
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEM_MAX    16384
#define TURNS_MAX  1000000
#define YEAR_S     (INT64_C(365) * 86400)
#define BULK_BYTES (1u << 20)

struct pair {
    struct buf cert;
    struct buf key;
};

/* Made once: the authority, a good server, an expired one, a stranger. */
static struct pair authority;
static struct pair good;
static struct pair expired;
static struct pair stranger;

struct ends {
    int fd[2];
    struct tls_context *client_ctx;
    struct tls_context *server_ctx;
    struct tls *client;
    struct tls *server;
};

static void
issue(struct pair *out, const struct pair *ca, int64_t now_s)
{
    static const char *const names[] = {"tape.example", "127.0.0.1"};
    buf_init(&out->cert, PEM_MAX);
    buf_init(&out->key, PEM_MAX);
    assert_int_equal(pki_issue_server(buf_view(&ca->cert), buf_view(&ca->key),
                         names, 2, now_s, &out->cert, &out->key, NULL),
        STATUS_OK);
}

static void
make_authority(struct pair *out, int64_t now_s)
{
    buf_init(&out->cert, PEM_MAX);
    buf_init(&out->key, PEM_MAX);
    assert_int_equal(
        pki_make_authority("test", now_s, &out->cert, &out->key, NULL),
        STATUS_OK);
}

static int
group_setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    const int64_t now_s = time(NULL);
    make_authority(&authority, now_s - 3 * YEAR_S);
    make_authority(&stranger, now_s);
    issue(&good, &authority, now_s);
    issue(&expired, &authority, now_s - 2 * YEAR_S);
    return 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    struct pair *const all[] = {&authority, &good, &expired, &stranger};
    for (size_t i = 0; i < 4; i++) {
        buf_fini(&all[i]->cert);
        buf_wipe(&all[i]->key);
    }
    return 0;
}

/* Both ends, not yet shaken hands. Contexts are freed at once: connections
 * must live on without them. */
static void
open_ends(struct ends *e, const struct pair *ca, const struct pair *server,
    const char *name)
{
    *e = (struct ends){.fd = {-1, -1}};
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, e->fd), 0);
    assert_int_equal(tls_client_context(buf_view(&ca->cert), SPAN_EMPTY,
                         SPAN_EMPTY, &e->client_ctx, NULL),
        STATUS_OK);
    assert_int_equal(tls_server_context(buf_view(&server->cert),
                         buf_view(&server->key), &e->server_ctx, NULL),
        STATUS_OK);
    assert_int_equal(
        tls_connect(e->client_ctx, e->fd[0], name, &e->client), STATUS_OK);
    assert_int_equal(
        tls_accept(e->server_ctx, e->fd[1], &e->server), STATUS_OK);
    tls_context_free(&e->client_ctx);
    tls_context_free(&e->server_ctx);
    assert_null(e->client_ctx);
}

static void
close_ends(struct ends *e)
{
    tls_free(&e->client);
    tls_free(&e->server);
    close(e->fd[0]);
    close(e->fd[1]);
}

static bool
is_waiting(enum tls_result r)
{
    return r == TLS_WANT_READ || r == TLS_WANT_WRITE;
}

static void
shake(struct ends *e, enum tls_result *client_out, enum tls_result *server_out)
{
    enum tls_result client = TLS_WANT_READ;
    enum tls_result server = TLS_WANT_READ;
    for (int i = 0; i < 10; i++) {
        client = is_waiting(client) ? tls_handshake(e->client) : client;
        server = is_waiting(server) ? tls_handshake(e->server) : server;
    }
    *client_out = client;
    *server_out = server;
}

static void
shake_well(struct ends *e)
{
    enum tls_result client = TLS_FAILED;
    enum tls_result server = TLS_FAILED;
    open_ends(e, &authority, &good, "tape.example");
    shake(e, &client, &server);
    assert_int_equal(client, TLS_DONE);
    assert_int_equal(server, TLS_DONE);
}

/* The client must refuse `server` when asked for `name`, and say `why`. */
static void
expect_refusal(const struct pair *ca, const struct pair *server,
    const char *name, const char *why)
{
    struct ends e;
    enum tls_result at_client = TLS_DONE;
    enum tls_result at_server = TLS_DONE;
    open_ends(&e, ca, server, name);
    shake(&e, &at_client, &at_server);
    assert_int_equal(at_client, TLS_FAILED);
    assert_non_null(strstr(tls_why(e.client), why));
    assert_int_not_equal(at_server, TLS_DONE);
    size_t n = 0; /* sticky: no data moves after a refusal */
    assert_int_equal(tls_write(e.client, SPAN_LIT("secret"), &n), TLS_FAILED);
    assert_int_equal(n, 0);
    close_ends(&e);
}

static void
wrong_name_is_refused(void **state)
{
    (void)state;
    expect_refusal(&authority, &good, "other.example", "ostname mismatch");
}

static void
wrong_address_is_refused(void **state)
{
    (void)state;
    expect_refusal(&authority, &good, "127.0.0.2", "IP address mismatch");
    expect_refusal(&authority, &good, "::1", "IP address mismatch");
}

static void
wrong_authority_is_refused(void **state)
{
    (void)state;
    expect_refusal(
        &stranger, &good, "tape.example", "unable to get local issuer");
}

static void
expired_certificate_is_refused(void **state)
{
    (void)state;
    expect_refusal(&authority, &expired, "tape.example", "expired");
}

static void
append_pem(BIO *bio, struct buf *out)
{
    char *bytes = NULL;
    const long len = BIO_get_mem_data(bio, &bytes);
    buf_init(out, PEM_MAX);
    assert_int_equal(buf_append(out, span_of(bytes, (size_t)len)), STATUS_OK);
    BIO_free(bio);
}

/* What pki never makes: a certificate whose only name is the common name. */
static void
make_nameless(struct pair *out, const char *common_name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    BIO *cert_pem = BIO_new(BIO_s_mem());
    BIO *key_pem = BIO_new(BIO_s_mem());
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
        (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(cert_pem, cert), 1);
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL),
        1);
    append_pem(cert_pem, &out->cert);
    append_pem(key_pem, &out->key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void
the_common_name_is_no_host_name(void **state)
{
    (void)state;
    struct pair nameless;
    make_nameless(&nameless, "cn.example");
    expect_refusal(&nameless, &nameless, "cn.example", "ostname mismatch");
    buf_fini(&nameless.cert);
    buf_wipe(&nameless.key);
}

static void
the_system_store_does_not_know_our_authority(void **state)
{
    (void)state;
    struct pair none;
    buf_init(&none.cert, 1);
    expect_refusal(&none, &good, "tape.example", "unable to get local issuer");
}

static void
an_address_verifies(void **state)
{
    (void)state;
    struct ends e;
    enum tls_result client = TLS_FAILED;
    enum tls_result server = TLS_FAILED;
    open_ends(&e, &authority, &good, "127.0.0.1");
    shake(&e, &client, &server);
    assert_int_equal(client, TLS_DONE);
    assert_int_equal(server, TLS_DONE);
    close_ends(&e);
}

/* As kubectl does: a kubeconfig may name the server's own certificate. */
static void
a_certificate_trusted_itself_verifies(void **state)
{
    (void)state;
    struct ends e;
    enum tls_result client = TLS_FAILED;
    enum tls_result server = TLS_FAILED;
    open_ends(&e, &good, &good, "tape.example");
    shake(&e, &client, &server);
    assert_int_equal(client, TLS_DONE);
    close_ends(&e);
}

static void
an_empty_name_is_refused(void **state)
{
    (void)state;
    struct tls_context *ctx = NULL;
    struct tls *t = NULL;
    assert_int_equal(tls_client_context(buf_view(&authority.cert), SPAN_EMPTY,
                         SPAN_EMPTY, &ctx, NULL),
        STATUS_OK);
    assert_int_equal(tls_connect(ctx, 0, "", &t), STATUS_INVALID);
    char longest[300];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(tls_connect(ctx, 0, longest, &t), STATUS_INVALID);
    assert_null(t);
    tls_context_free(&ctx);
}

static void
expect_bytes(struct tls *t, const char *text)
{
    char got[256];
    size_t n = 0;
    assert_int_equal(tls_read(t, got, sizeof(got), &n), TLS_DONE);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
}

static void
say(struct tls *t, const char *text)
{
    size_t n = 0;
    assert_int_equal(tls_write(t, span_str(text), &n), TLS_DONE);
    assert_int_equal(n, strlen(text));
}

static void
half_close_leaves_the_other_direction(struct tls *ender, struct tls *other)
{
    char dst[16];
    size_t n = 0;
    say(ender, "all of it");
    assert_int_equal(tls_end(ender), TLS_DONE);
    assert_int_equal(tls_end(ender), TLS_DONE);
    expect_bytes(other, "all of it");
    assert_int_equal(tls_read(other, dst, sizeof(dst), &n), TLS_EOF);
    assert_int_equal(tls_read(other, dst, sizeof(dst), &n), TLS_EOF);
    say(other, "an answer");
    say(other, ", and more");
    expect_bytes(ender, "an answer");
    expect_bytes(ender, ", and more");
    assert_int_equal(tls_read(ender, dst, sizeof(dst), &n), TLS_WANT_READ);
    assert_int_equal(tls_end(other), TLS_DONE);
    assert_int_equal(tls_read(ender, dst, sizeof(dst), &n), TLS_EOF);
    assert_int_equal(n, 0);
}

static void
half_close_by_each_side(void **state)
{
    (void)state;
    struct ends e;
    shake_well(&e);
    half_close_leaves_the_other_direction(e.client, e.server);
    close_ends(&e);
    shake_well(&e);
    half_close_leaves_the_other_direction(e.server, e.client);
    close_ends(&e);
}

static void
a_cut_is_no_end(void **state)
{
    (void)state;
    struct ends e;
    char dst[16];
    size_t n = 0;
    shake_well(&e);
    say(e.client, "half of");
    shutdown(e.fd[0], SHUT_WR);
    expect_bytes(e.server, "half of");
    assert_int_equal(tls_read(e.server, dst, sizeof(dst), &n), TLS_CUT);
    assert_string_equal(tls_why(e.server), "ended without close_notify");
    assert_int_equal(tls_read(e.server, dst, sizeof(dst), &n), TLS_CUT);
    close_ends(&e);
}

static void
a_cut_in_the_handshake_is_a_cut(void **state)
{
    (void)state;
    struct ends e;
    open_ends(&e, &authority, &good, "tape.example");
    assert_int_equal(tls_handshake(e.client), TLS_WANT_READ);
    shutdown(e.fd[1], SHUT_WR);
    assert_int_equal(tls_handshake(e.client), TLS_CUT);
    close_ends(&e);
}

/* A server that refuses an upload answers and closes: the answer counts. */
static void
what_came_before_a_reset_can_be_read(void **state)
{
    (void)state;
    struct ends e;
    size_t n = 0;
    shake_well(&e);
    say(e.server, "413 too large");
    shutdown(e.fd[1], SHUT_RDWR);
    assert_int_equal(tls_write(e.client, SPAN_LIT("more"), &n), TLS_CUT);
    expect_bytes(e.client, "413 too large");
    close_ends(&e);
}

static void
bytes_that_are_no_tls_fail(void **state)
{
    (void)state;
    struct ends e;
    open_ends(&e, &authority, &good, "tape.example");
    static const char plain[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(
        write(e.fd[0], plain, sizeof(plain) - 1), sizeof(plain) - 1);
    assert_int_equal(tls_handshake(e.server), TLS_FAILED);
    assert_string_equal(tls_why(e.server), "http request");
    assert_int_equal(tls_handshake(e.server), TLS_FAILED);
    close_ends(&e);
}

static void
pending_bytes_are_told(void **state)
{
    (void)state;
    struct ends e;
    char dst[4];
    size_t n = 0;
    shake_well(&e);
    assert_false(tls_has_pending(e.server));
    say(e.client, "sixteen bytes...");
    assert_false(tls_has_pending(e.server));
    assert_int_equal(tls_read(e.server, dst, sizeof(dst), &n), TLS_DONE);
    assert_int_equal(n, 4);
    assert_true(tls_has_pending(e.server));
    expect_bytes(e.server, "een bytes...");
    assert_false(tls_has_pending(e.server));
    close_ends(&e);
}

/* A MiB that one end sends and the other has received so far. */
struct flow {
    struct tls *from;
    struct tls *to;
    uint8_t *sent_bytes;
    uint8_t *got_bytes;
    size_t sent;
    size_t got;
    unsigned short_writes;
};

static void
flow_init(struct flow *f, struct tls *from, struct tls *to, uint32_t seed)
{
    *f = (struct flow){.from = from, .to = to};
    f->sent_bytes = malloc(BULK_BYTES);
    f->got_bytes = malloc(BULK_BYTES);
    assert_non_null(f->sent_bytes);
    assert_non_null(f->got_bytes);
    for (size_t i = 0; i < BULK_BYTES; i++) {
        seed = seed * 1664525u + 1013904223u;
        f->sent_bytes[i] = (uint8_t)(seed >> 24);
    }
}

/* Offers a window that grows while the same record waits unsent, from memory
 * that has moved: what a queue in front of the socket does. */
static void
flow_send(struct flow *f, size_t window)
{
    const size_t left = BULK_BYTES - f->sent;
    const size_t len = left < window ? left : window;
    if (len == 0) {
        return;
    }
    uint8_t *moved = malloc(len);
    assert_non_null(moved);
    memcpy(moved, f->sent_bytes + f->sent, len);
    size_t n = 0;
    const enum tls_result r = tls_write(f->from, span_of(moved, len), &n);
    free(moved);
    if (r == TLS_DONE) {
        assert_in_range(n, 1, len);
        f->sent += n;
        f->short_writes += n < len;
        return;
    }
    assert_int_equal(r, TLS_WANT_WRITE);
    f->short_writes++;
}

static void
flow_receive(struct flow *f)
{
    size_t n = 0;
    uint8_t dst[5000];
    const enum tls_result r = tls_read(f->to, dst, sizeof(dst), &n);
    if (r == TLS_DONE) {
        assert_true(f->got + n <= BULK_BYTES);
        memcpy(f->got_bytes + f->got, dst, n);
        f->got += n;
        return;
    }
    assert_int_equal(r, TLS_WANT_READ);
}

static void
flow_check(struct flow *f)
{
    assert_int_equal(f->got, BULK_BYTES);
    assert_true(f->short_writes > 0);
    assert_memory_equal(f->sent_bytes, f->got_bytes, BULK_BYTES);
    free(f->sent_bytes);
    free(f->got_bytes);
}

static void
bulk_goes_both_ways_through_short_writes(void **state)
{
    (void)state;
    struct ends e;
    struct flow up;
    struct flow down;
    shake_well(&e);
    const int small = 4096;
    for (int i = 0; i < 2; i++) {
        setsockopt(e.fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    }
    flow_init(&up, e.client, e.server, 1);
    flow_init(&down, e.server, e.client, 2);
    size_t window = 1;
    for (int i = 0; i < TURNS_MAX; i++) {
        /* Grows slowly to well above a record, then starts small again; never
         * less than what a pending write was offered. */
        window = window + 997;
        flow_send(&up, window);
        flow_send(&down, window);
        flow_receive(&up);
        flow_receive(&down);
        if (up.got == BULK_BYTES && down.got == BULK_BYTES) {
            break;
        }
    }
    flow_check(&up);
    flow_check(&down);
    close_ends(&e);
}

/* A bare OpenSSL client, for what our own never does. */
static SSL *
bare_client(int fd, int version, const unsigned char *alpn, unsigned alpn_len)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(ctx);
    SSL_CTX_set_security_level(ctx, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
    if (alpn_len > 0) {
        assert_int_equal(SSL_CTX_set_alpn_protos(ctx, alpn, alpn_len), 0);
    }
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    assert_non_null(ssl);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    SSL_set_connect_state(ssl);
    return ssl;
}

static enum tls_result
accept_bare(struct ends *e, SSL *client)
{
    enum tls_result server = TLS_WANT_READ;
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(client);
        server = is_waiting(server) ? tls_handshake(e->server) : server;
    }
    return server;
}

static void
old_versions_are_refused(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};
    for (size_t i = 0; i < 2; i++) {
        struct ends e;
        open_ends(&e, &authority, &good, "tape.example");
        SSL *client = bare_client(e.fd[0], versions[i], NULL, 0);
        assert_int_equal(accept_bare(&e, client), TLS_FAILED);
        assert_string_equal(tls_why(e.server), "unsupported protocol");
        SSL_free(client);
        close_ends(&e);
    }
}

/* 1.2 still stands, and neither version leaves anything to resume with. */
static void
new_versions_get_no_ticket(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        struct ends e;
        char dst[8];
        open_ends(&e, &authority, &good, "tape.example");
        SSL *client = bare_client(e.fd[0], versions[i], NULL, 0);
        assert_int_equal(accept_bare(&e, client), TLS_DONE);
        assert_int_equal(SSL_version(client), versions[i]);
        say(e.server, "x");
        assert_int_equal(SSL_read(client, dst, sizeof(dst)), 1);
        const SSL_SESSION *session = SSL_get0_session(client);
        assert_int_equal(SSL_SESSION_has_ticket(session), 0);
        assert_int_equal(SSL_SESSION_is_resumable(session), 0);
        SSL_free(client);
        close_ends(&e);
    }
}

static void
expect_alpn(const unsigned char *offer, unsigned offer_len, const char *chosen)
{
    struct ends e;
    const unsigned char *got = NULL;
    unsigned got_len = 0;
    open_ends(&e, &authority, &good, "tape.example");
    SSL *client = bare_client(e.fd[0], TLS1_3_VERSION, offer, offer_len);
    assert_int_equal(accept_bare(&e, client), TLS_DONE);
    SSL_get0_alpn_selected(client, &got, &got_len);
    assert_int_equal(got_len, strlen(chosen));
    assert_memory_equal(got, chosen, got_len);
    SSL_free(client);
    close_ends(&e);
}

static void
alpn_is_http_1_1_or_nothing(void **state)
{
    (void)state;
    expect_alpn((const unsigned char *)"\x02h2\x08http/1.1", 12, "http/1.1");
    expect_alpn((const unsigned char *)"\x02h2", 3, "");
}

static void
expect_no_server_context(struct span cert, struct span key, const char *why)
{
    struct tls_context *ctx = NULL;
    struct error err;
    assert_int_equal(tls_server_context(cert, key, &ctx, &err), STATUS_INVALID);
    assert_null(ctx);
    assert_non_null(strstr(err.text, why));
}

static void
bad_pem_is_refused(void **state)
{
    (void)state;
    const struct span cert = buf_view(&good.cert);
    const struct span key = buf_view(&good.key);
    expect_no_server_context(SPAN_EMPTY, key, "certificate: ");
    expect_no_server_context(key, key, "certificate: ");
    expect_no_server_context(cert, SPAN_EMPTY, "private key: ");
    expect_no_server_context(cert, buf_view(&stranger.key), "private key: ");
    struct span cut = cert;
    cut.len -= 40;
    expect_no_server_context(cut, key, "certificate: ");
    struct tls_context *ctx = NULL;
    struct error err;
    assert_int_equal(
        tls_client_context(SPAN_LIT("x"), SPAN_EMPTY, SPAN_EMPTY, &ctx, &err),
        STATUS_INVALID);
    assert_string_equal(err.text, "CA bundle: no certificate");
    assert_int_equal(
        tls_client_context(cut, SPAN_EMPTY, SPAN_EMPTY, &ctx, &err),
        STATUS_INVALID);
    assert_int_equal(tls_client_context(buf_view(&authority.cert), cert,
                         SPAN_EMPTY, &ctx, &err),
        STATUS_INVALID);
    assert_null(ctx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_name_is_refused),
        cmocka_unit_test(wrong_address_is_refused),
        cmocka_unit_test(wrong_authority_is_refused),
        cmocka_unit_test(expired_certificate_is_refused),
        cmocka_unit_test(the_common_name_is_no_host_name),
        cmocka_unit_test(the_system_store_does_not_know_our_authority),
        cmocka_unit_test(an_address_verifies),
        cmocka_unit_test(a_certificate_trusted_itself_verifies),
        cmocka_unit_test(an_empty_name_is_refused),
        cmocka_unit_test(half_close_by_each_side),
        cmocka_unit_test(a_cut_is_no_end),
        cmocka_unit_test(a_cut_in_the_handshake_is_a_cut),
        cmocka_unit_test(what_came_before_a_reset_can_be_read),
        cmocka_unit_test(bytes_that_are_no_tls_fail),
        cmocka_unit_test(pending_bytes_are_told),
        cmocka_unit_test(bulk_goes_both_ways_through_short_writes),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(new_versions_get_no_ticket),
        cmocka_unit_test(alpn_is_http_1_1_or_nothing),
        cmocka_unit_test(bad_pem_is_refused),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
