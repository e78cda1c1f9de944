/* TLS on a non-blocking socket: the only door to openssl/ssl.h.
 *
 * TLS 1.2 and 1.3. Clients always verify the server's chain and name. ALPN
 * is http/1.1 on both sides until the h2 codec stands. A context is shared by
 * many connections and may be freed while connections made from it live
 * (they hold a reference), so a reload is: make a new one, swap, free.
 *
 * A write to a socket whose peer is gone raises SIGPIPE: a program with no
 * loop (loop_new sees to it) ignores that signal itself.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include "base/span.h"
#include "base/status.h"
#include <stdbool.h>

struct tls_context;
struct tls;

/* PEM chain (leaf first) and private key. Session tickets are off on the
 * server; partial writes and released buffers are on. */
enum status tls_server_context(struct span cert_pem, struct span key_pem,
    struct tls_context **out, struct error *err) MUST_CHECK;

/* `ca_pem` empty: the system's trust store. cert and key empty: no client
 * certificate. */
enum status tls_client_context(struct span ca_pem, struct span cert_pem,
    struct span key_pem, struct tls_context **out,
    struct error *err) MUST_CHECK;

void tls_context_free(struct tls_context **ctx);

/* The descriptor stays the caller's: tls never closes it. */
enum status tls_accept(
    struct tls_context *ctx, int fd, struct tls **out) MUST_CHECK;
/* `name` is a DNS name or an IP address (no brackets); it is sent as SNI
 * (names only) and verified against the certificate. STATUS_INVALID when it is
 * empty or no name. */
enum status tls_connect(struct tls_context *ctx, int fd, const char *name,
    struct tls **out) MUST_CHECK;
void tls_free(struct tls **tls); /* NULL is fine; sends nothing */

enum tls_result {
    TLS_DONE,       /* the call did its work */
    TLS_WANT_READ,  /* again when the descriptor can be read */
    TLS_WANT_WRITE, /* again when it can be written */
    TLS_EOF,        /* read: the peer sent close_notify */
    TLS_CUT,        /* the peer ended without close_notify */
    TLS_FAILED,     /* protocol or system error: tls_why() */
};

enum tls_result tls_handshake(struct tls *tls) MUST_CHECK;
/* Up to `cap` bytes; *n_out > 0 with TLS_DONE, and only then written. */
enum tls_result tls_read(
    struct tls *tls, void *dst, size_t cap, size_t *n_out) MUST_CHECK;
/* As much of `bytes` as goes; *n_out > 0 with TLS_DONE. May be called again
 * with a longer span that starts with the same unsent bytes. */
enum tls_result tls_write(
    struct tls *tls, struct span bytes, size_t *n_out) MUST_CHECK;
/* Sends close_notify; the other direction stays open. Comes after the last
 * tls_write is done: nothing may be written later, and no write that answered
 * TLS_WANT_* may be abandoned before it. Again after TLS_DONE is nothing. */
enum tls_result tls_end(struct tls *tls) MUST_CHECK;
/* Decrypted bytes that wait inside, and no descriptor will signal. */
bool tls_has_pending(const struct tls *tls);

/* One sentence about the last TLS_FAILED or TLS_CUT; until the next call. */
const char *tls_why(const struct tls *tls);

#endif
