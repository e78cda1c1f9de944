/* TLS on OpenSSL 3.0, straight on the descriptor.
 *
 * Owns what is allowed on a connection: TLS 1.2 and 1.3 with forward secrecy
 * and AEAD, no renegotiation, no resumption (a session ticket would outlive
 * the certificate that let its owner in), verification of chain and name by
 * every client. Refuses to know what the bytes mean and when to try again.
 *
 * Two traps shaped this file. OpenSSL's error queue is per thread: whatever is
 * left in it makes the next SSL_get_error lie, so it is emptied before each
 * call. And an end of file without close_notify is an attack or a crash, never
 * an end: it is TLS_CUT.
 */
#include "base/tls.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLS_WHY_MAX 160
#define TLS_WHY_CUT "ended without close_notify"

/* Forward secrecy and AEAD, for TLS 1.2; every suite of 1.3 has both. */
#define TLS_12_SUITES "ECDHE+AESGCM:ECDHE+CHACHA20"

static const unsigned char alpn_protocols[] = "\x08http/1.1";
#define ALPN_LEN (sizeof(alpn_protocols) - 1)

struct tls_context {
    SSL_CTX *ctx; /* counted: each connection holds one reference */
};

struct tls {
    SSL *ssl;
    bool is_end_sent;
    bool is_write_pending; /* OpenSSL holds an unsent record */
    enum tls_result fatal; /* TLS_DONE until the connection broke for good */
    char why[TLS_WHY_MAX];
};

/* Errors */

/* The newest reason in the queue, which is emptied. Static storage. */
static const char *
take_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason != NULL ? reason : "unknown error";
}

static enum status
refuse(struct error *err, const char *what)
{
    return error_set(err, STATUS_INVALID, "%s: %s", what, take_reason());
}

/* Contexts */

/* OpenSSL would ask on the terminal; a key with a passphrase is refused. */
static int
no_passphrase(char *dst, int cap, int is_writing, void *ctx)
{
    (void)dst;
    (void)cap;
    (void)is_writing;
    (void)ctx;
    return 0;
}

static BIO *
bio_of(struct span pem)
{
    return pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
}

static X509 *
next_certificate(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
}

/* Whether reading stopped because no further PEM block begins. */
static bool
is_at_pem_end(void)
{
    const unsigned long code = ERR_peek_last_error();
    const bool is_end = ERR_GET_LIB(code) == ERR_LIB_PEM &&
                        ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (is_end) {
        ERR_clear_error();
    }
    return is_end;
}

/* Leaf first, then what leads to the authority. */
static bool
use_chain(SSL_CTX *ctx, BIO *bio)
{
    X509 *leaf = next_certificate(bio);
    const bool is_used =
        leaf != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1;
    X509_free(leaf);
    if (!is_used) {
        return false;
    }
    X509 *issuer = next_certificate(bio);
    while (issuer != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, issuer) != 1) {
            X509_free(issuer);
            return false;
        }
        issuer = next_certificate(bio);
    }
    return is_at_pem_end();
}

static bool
use_key(SSL_CTX *ctx, BIO *bio)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    const bool is_used = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
                         SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    return is_used;
}

static enum status
use_identity(
    SSL_CTX *ctx, struct span cert_pem, struct span key_pem, struct error *err)
{
    enum status st = STATUS_OK;
    BIO *cert = bio_of(cert_pem);
    BIO *key = bio_of(key_pem);
    if (cert == NULL || key == NULL) {
        st = error_set(err, STATUS_NO_MEMORY, "no memory for a certificate");
    } else if (!use_chain(ctx, cert)) {
        st = refuse(err, "certificate");
    } else if (!use_key(ctx, key)) {
        st = refuse(err, "private key");
    }
    BIO_free(cert);
    BIO_free(key);
    return st;
}

/* Like the clients of Kubernetes, which trust any certificate of the bundle
 * itself, also one that another authority signed. */
static enum status
trust_bundle(SSL_CTX *ctx, struct span ca_pem, struct error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    BIO *bio = bio_of(ca_pem);
    if (bio == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a CA bundle");
    }
    size_t count = 0;
    bool is_added = true;
    X509 *ca = next_certificate(bio);
    while (ca != NULL && is_added) {
        is_added = X509_STORE_add_cert(store, ca) == 1;
        X509_free(ca);
        count++;
        ca = is_added ? next_certificate(bio) : NULL;
    }
    BIO_free(bio);
    if (!is_added || !is_at_pem_end()) {
        return refuse(err, "CA bundle");
    }
    if (count == 0) {
        return error_set(err, STATUS_INVALID, "CA bundle: no certificate");
    }
    return STATUS_OK;
}

static enum status
trust(SSL_CTX *ctx, struct span ca_pem, struct error *err)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (ca_pem.len > 0) {
        return trust_bundle(ctx, ca_pem, err);
    }
    return SSL_CTX_set_default_verify_paths(ctx) == 1
               ? STATUS_OK
               : refuse(err, "system's trust store");
}

/* A client that offers only other protocols goes on without ALPN: it may well
 * speak HTTP/1.1 all the same. */
static int
select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *offer, unsigned offer_len, void *ctx)
{
    (void)ssl;
    (void)ctx;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, alpn_protocols, ALPN_LEN, offer,
            offer_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* What both sides share. */
static bool
set_rules(SSL_CTX *ctx)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                 SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, TLS_12_SUITES) == 1 &&
           SSL_CTX_set_num_tickets(ctx, 0) == 1;
}

static enum status
context_new(
    const SSL_METHOD *method, struct tls_context **out, struct error *err)
{
    ERR_clear_error();
    struct tls_context *c = calloc(1, sizeof(*c));
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (c == NULL || ctx == NULL) {
        SSL_CTX_free(ctx);
        free(c);
        return error_set(err, STATUS_NO_MEMORY, "no memory for TLS");
    }
    c->ctx = ctx;
    if (!set_rules(ctx)) {
        tls_context_free(&c);
        return refuse(err, "TLS settings");
    }
    *out = c;
    return STATUS_OK;
}

enum status
tls_server_context(struct span cert_pem, struct span key_pem,
    struct tls_context **out, struct error *err)
{
    struct tls_context *c = NULL;
    enum status st = context_new(TLS_server_method(), &c, err);
    if (st == STATUS_OK) {
        SSL_CTX_set_alpn_select_cb(c->ctx, select_alpn, NULL);
        st = use_identity(c->ctx, cert_pem, key_pem, err);
    }
    if (st == STATUS_OK) {
        *out = c;
        c = NULL;
    }
    tls_context_free(&c);
    return st;
}

enum status
tls_client_context(struct span ca_pem, struct span cert_pem,
    struct span key_pem, struct tls_context **out, struct error *err)
{
    struct tls_context *c = NULL;
    enum status st = context_new(TLS_client_method(), &c, err);
    if (st == STATUS_OK) {
        st = trust(c->ctx, ca_pem, err);
    }
    if (st == STATUS_OK && (cert_pem.len > 0 || key_pem.len > 0)) {
        st = use_identity(c->ctx, cert_pem, key_pem, err);
    }
    /* Answers 0 for success, unlike its siblings. */
    if (st == STATUS_OK &&
        SSL_CTX_set_alpn_protos(c->ctx, alpn_protocols, ALPN_LEN) != 0) {
        st = refuse(err, "ALPN");
    }
    if (st == STATUS_OK) {
        *out = c;
        c = NULL;
    }
    tls_context_free(&c);
    return st;
}

void
tls_context_free(struct tls_context **ctx)
{
    if (*ctx != NULL) {
        SSL_CTX_free((*ctx)->ctx);
        free(*ctx);
        *ctx = NULL;
    }
}

/* Connections */

static enum status
tls_new(struct tls_context *ctx, int fd, struct tls **out)
{
    ERR_clear_error();
    struct tls *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return STATUS_NO_MEMORY;
    }
    t->ssl = SSL_new(ctx->ctx);
    if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1) {
        tls_free(&t);
        return STATUS_NO_MEMORY;
    }
    *out = t;
    return STATUS_OK;
}

enum status
tls_accept(struct tls_context *ctx, int fd, struct tls **out)
{
    const enum status st = tls_new(ctx, fd, out);
    if (st == STATUS_OK) {
        SSL_set_accept_state((*out)->ssl);
    }
    return st;
}

/* OpenSSL copies the name but takes it through a pointer to non-const. */
static bool
send_name(SSL *ssl, const char *name)
{
    char copy[TLSEXT_MAXLEN_host_name + 1];
    const size_t len = strlen(name);
    if (len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, name, len + 1);
    return SSL_set_tlsext_host_name(ssl, copy) == 1;
}

/* RFC 6066 3: an address is not a host name and is not sent. */
static bool
expect_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    unsigned char ip[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, name, ip) == 1) {
        return X509_VERIFY_PARAM_set1_ip(param, ip, sizeof(struct in_addr));
    }
    if (inet_pton(AF_INET6, name, ip) == 1) {
        return X509_VERIFY_PARAM_set1_ip(param, ip, sizeof(ip));
    }
    /* The subject's common name is no host name: RFC 9525 2. */
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(ssl, name) == 1 && send_name(ssl, name);
}

enum status
tls_connect(struct tls_context *ctx, int fd, const char *name, struct tls **out)
{
    if (name[0] == '\0') {
        return STATUS_INVALID; /* to OpenSSL "" means: accept any name */
    }
    struct tls *t = NULL;
    const enum status st = tls_new(ctx, fd, &t);
    if (st != STATUS_OK) {
        return st;
    }
    if (!expect_name(t->ssl, name)) {
        tls_free(&t);
        return STATUS_INVALID;
    }
    SSL_set_connect_state(t->ssl);
    *out = t;
    return STATUS_OK;
}

void
tls_free(struct tls **tls)
{
    if (*tls != NULL) {
        SSL_free((*tls)->ssl);
        free(*tls);
        *tls = NULL;
    }
}

/* Results */

/* An SSL_ERROR_SSL: OpenSSL forbids every later call. */
static enum tls_result
protocol_error(struct tls *t)
{
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    enum tls_result result = TLS_FAILED;
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        (void)snprintf(t->why, sizeof(t->why), TLS_WHY_CUT);
        result = TLS_CUT;
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        (void)snprintf(t->why, sizeof(t->why), "peer's certificate: %s",
            X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
    } else {
        (void)snprintf(t->why, sizeof(t->why), "%s", take_reason());
    }
    ERR_clear_error();
    t->fatal = result;
    return result;
}

/* Not fatal for the other direction: what a peer said before it reset can
 * still be read after a write found out. */
static enum tls_result
system_error(struct tls *t, int sys_errno)
{
    if (sys_errno == 0) {
        (void)snprintf(t->why, sizeof(t->why), TLS_WHY_CUT);
        return TLS_CUT;
    }
    (void)snprintf(t->why, sizeof(t->why), "%s", strerrordesc_np(sys_errno));
    return sys_errno == ECONNRESET || sys_errno == EPIPE ? TLS_CUT : TLS_FAILED;
}

/* Before each call into OpenSSL: its answer depends on both. */
static void
begin_call(void)
{
    ERR_clear_error();
    errno = 0;
}

static enum tls_result
result_of(struct tls *t, int rc)
{
    const int sys_errno = errno;
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_NONE:
        return TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_EOF;
    case SSL_ERROR_SYSCALL:
        return system_error(t, sys_errno);
    default:
        return protocol_error(t);
    }
}

enum tls_result
tls_handshake(struct tls *tls)
{
    if (tls->fatal != TLS_DONE) {
        return tls->fatal;
    }
    begin_call();
    return result_of(tls, SSL_do_handshake(tls->ssl));
}

enum tls_result
tls_read(struct tls *tls, void *dst, size_t cap, size_t *n_out)
{
    assert(cap > 0);
    if (tls->fatal != TLS_DONE) {
        return tls->fatal;
    }
    size_t n = 0;
    begin_call();
    const enum tls_result result =
        result_of(tls, SSL_read_ex(tls->ssl, dst, cap, &n));
    if (result == TLS_DONE) {
        *n_out = n;
    }
    return result;
}

/* At most one record a call: of more, OpenSSL would not tell how much has gone
 * until a whole call has, and a slow peer would look like a dead one. */
static size_t
record_len(size_t len)
{
    return len < SSL3_RT_MAX_PLAIN_LENGTH ? len : SSL3_RT_MAX_PLAIN_LENGTH;
}

enum tls_result
tls_write(struct tls *tls, struct span bytes, size_t *n_out)
{
    assert(bytes.len > 0);
    if (tls->fatal != TLS_DONE) {
        return tls->fatal;
    }
    size_t sent = 0;
    enum tls_result result = TLS_DONE;
    while (result == TLS_DONE && sent < bytes.len) {
        size_t n = 0;
        begin_call();
        result = result_of(tls, SSL_write_ex(tls->ssl, bytes.ptr + sent,
                                    record_len(bytes.len - sent), &n));
        sent += n;
    }
    tls->is_write_pending = result == TLS_WANT_READ || result == TLS_WANT_WRITE;
    if (sent == 0) {
        return result;
    }
    *n_out = sent;
    return TLS_DONE; /* the next call tells what stopped this one */
}

enum tls_result
tls_end(struct tls *tls)
{
    if (tls->fatal != TLS_DONE) {
        return tls->fatal;
    }
    if (tls->is_end_sent) {
        return TLS_DONE; /* a second SSL_shutdown would read */
    }
    /* OpenSSL would set the alert aside for a write that it then refuses. */
    assert(!tls->is_write_pending);
    begin_call();
    const int rc = SSL_shutdown(tls->ssl);
    if (rc < 0) {
        return result_of(tls, rc);
    }
    tls->is_end_sent = true;
    return TLS_DONE;
}

/* Not SSL_has_pending: that also counts a record that is not whole yet, for
 * which the descriptor does signal. */
bool
tls_has_pending(const struct tls *tls)
{
    return SSL_pending(tls->ssl) > 0;
}

const char *
tls_why(const struct tls *tls)
{
    return tls->why;
}
