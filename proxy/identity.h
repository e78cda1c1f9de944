/* Who calls, and with whose power the call goes upstream.
 *
 * Owns the order of authenticators: the first that recognises the caller
 * decides; none is 401. Refuses to know routes, policy and sockets. The
 * answer never falls through to the proxy's own power.
 */
#ifndef PROXY_IDENTITY_H
#define PROXY_IDENTITY_H

#include "base/config.h"
#include "base/list.h"
#include "proxy/http_head.h"
#include "proxy/upstream.h"

enum caller_power {
    CALLER_AS_PROXY, /* local: upstream goes the kubeconfig's own user */
    CALLER_AS_SELF,  /* passthrough: the caller's own bearer token */
};

/* Shared, immutable, counted. */
struct caller {
    unsigned references;
    enum caller_power power;
    char *user; /* as the API server's SelfSubjectReview says */
    char *uid;
    char **groups;
    size_t group_count;
};
struct caller *caller_hold(struct caller *c);
void caller_release(struct caller **c); /* NULL is fine */

struct identity;

struct identity_options {
    const struct config *config;
    struct span local_token; /* copied; empty when `local` is not used */
    struct upstream *upstream;
    struct credential *credential;
    const struct clock *clock;
    const struct log *log;
};
enum status identity_open(struct loop *loop, const struct identity_options *o,
    struct identity **out, struct error *err) MUST_CHECK;
void identity_close(struct identity **i);

enum identity_answer {
    IDENTITY_FOUND,
    IDENTITY_WAIT,        /* fn will be called once */
    IDENTITY_DENIED,      /* 401 */
    IDENTITY_UNAVAILABLE, /* 503: the API server could not be asked */
};

/* A waiter lives in the caller's storage. */
struct identity_wait {
    struct list hook; /* list_init before first use */
    void (*fn)(void *ctx, enum identity_answer answer, struct caller *caller,
        const char *why);
    void *ctx;
};

/* FOUND: *caller_out is held for the asker. Otherwise *why_out (until the
 * next call) says why; it never holds a credential. The head must live until
 * the answer. */
enum identity_answer identity_find(struct identity *i,
    const struct http_head *request, struct identity_wait *wait,
    struct caller **caller_out, const char **why_out);
void identity_cancel(struct identity_wait *wait);

/* k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go */
#define IDENTITY_WS_BEARER "base64url.bearer.authorization.k8s.io."

/* A bearer token in a request: Authorization, or the WebSocket subprotocol
 * "base64url.bearer.authorization.k8s.io.<base64url>" (decoded into
 * `scratch`, which the caller wipes). False: none. Two different places are
 * both credentials: then none is taken and *is_ambiguous_out is set. */
bool identity_bearer(const struct http_head *request, struct buf *scratch,
    struct span *token_out, bool *is_ambiguous_out);

/* The API server answered 401 to a token that the cache still holds. */
void identity_reject(struct identity *i, const struct http_head *request);

#endif
