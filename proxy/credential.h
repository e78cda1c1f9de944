/* The proxy's own credentials towards the API server: a client certificate
 * and a bearer token, fixed, from a file that is read again, or from an `exec`
 * plugin that is run again. One place holds them; they are wiped.
 */
#ifndef PROXY_CREDENTIAL_H
#define PROXY_CREDENTIAL_H

#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/tls.h"
#include "proxy/kubeconfig.h"

struct credential;

/* Reads what can be read at once; starts the plugin if there is one. `k` is
 * borrowed and must outlive the credential. */
enum status credential_open(struct loop *loop, const struct clock *clock,
    const struct log *log, const struct kubeconfig *k, struct credential **out,
    struct error *err) MUST_CHECK;
void credential_close(struct credential **c); /* no waiter is called */

/* The kubeconfig's name for its user. */
const char *credential_user(const struct credential *c);

/* The client context: verifies the server by the kubeconfig's CA; presents
 * the client certificate only when `with_certificate`. Until the plugin's
 * certificate changes; borrowed. */
struct tls_context *credential_tls(struct credential *c, bool with_certificate);

/* Grows when the plugin's certificate changes: kept connections that were made
 * before speak as whom the proxy was then. */
uint64_t credential_generation(const struct credential *c);

/* A waiter lives in the caller's storage. */
struct credential_wait {
    struct list hook;                       /* list_init before first use */
    void (*fn)(void *ctx, const char *why); /* why NULL: it is there */
    void *ctx;
};

enum credential_answer {
    CREDENTIAL_READY,  /* credential_token may be called now */
    CREDENTIAL_WAIT,   /* fn will be called once, on the loop */
    CREDENTIAL_FAILED, /* *why_out (until the next call) says why */
};

/* Token files are read again when a minute old (client-go's period), a
 * plugin's token when it has expired (30 s before) or after
 * credential_reject. While a plugin runs, callers wait together. */
enum credential_answer credential_get(
    struct credential *c, struct credential_wait *wait, const char **why_out);
void credential_cancel(struct credential_wait *wait);

/* The bearer token, or NULL when there is none. Until the next turn. */
const char *credential_token(const struct credential *c);
/* The API server said 401: a plugin's or file's token is stale. */
void credential_reject(struct credential *c);

#endif
