/* One exec session as a client sees it, for measuring: WebSocket
 * (v5.channel.k8s.io) over TLS, with a bearer token, one byte at a time.
 *
 * Owns the socket, the upgrade and the frames. Blocks, because a stopwatch
 * has nothing else to do. Believes the server's frames as far as their
 * lengths go: what it talks to is the test's own.
 */
#ifndef BENCH_EXEC_CALL_H
#define BENCH_EXEC_CALL_H

#include "base/span.h"
#include "base/status.h"
#include "base/tls.h"

struct exec_call;

struct exec_target {
    struct tls_context *tls;
    const char *address; /* numeric HOST:PORT; HOST is in the certificate */
    const char *path;    /* of the exec, query included */
    const char *token;
};

/* Returns when the server has switched protocols. */
enum status exec_call_open(const struct exec_target *target,
    struct exec_call **out, struct error *err) MUST_CHECK;
void exec_call_close(struct exec_call **call); /* hangs up; NULL is fine */

/* Sends one byte of input. */
enum status exec_call_type(
    struct exec_call *call, uint8_t key, struct error *err) MUST_CHECK;
/* Waits until that byte has come back as output; what comes before it is
 * passed over. */
enum status exec_call_hear(
    struct exec_call *call, uint8_t key, struct error *err) MUST_CHECK;

#endif
