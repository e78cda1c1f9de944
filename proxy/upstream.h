/* The API server, from the proxy's side: its addresses, a pool of kept
 * connections, and calls on them.
 *
 * A call is one request and its response. Owns HTTP/1.1 towards the server:
 * which connection carries a call, when one may be used again, and trying
 * again when a kept connection turned out to be dead. Refuses to know who the
 * client is and what the request means.
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include "proxy/conn.h"
#include "proxy/credential.h"
#include "proxy/http_body.h"
#include "proxy/http_message.h"

struct upstream;
struct call;

/* `k` and `credential` are borrowed. Looks the host name up now, and
 * again whenever a connection fails. */
enum status upstream_open(struct conn_env *env, const struct kubeconfig *k,
    struct credential *credential, struct upstream **out,
    struct error *err) MUST_CHECK;
void upstream_close(struct upstream **u);
/* At the end of a turn. */
void upstream_bury(struct upstream *u);

/* "host:port" for the Host field; until the upstream closes. */
struct span upstream_host(const struct upstream *u);
struct span upstream_path_prefix(const struct upstream *u);
const char *upstream_cluster(const struct upstream *u);

/* Every callback may cancel the call. After on_body_end, on_upgraded or
 * on_failed the call is over and its pointer dead. */
struct call_events {
    /* Interim (1xx) responses come before the final one. Views live for the
     * call of this function. */
    void (*on_response)(void *owner, const struct http_head *head);
    void (*on_body)(void *owner, struct span bytes);
    void (*on_body_end)(
        void *owner, const struct http_field *trailers, size_t trailer_count);
    /* 101: the connection is the owner's now; what came after the head is
     * offered to whom conn_set_owner names, after conn_resume. */
    void (*on_upgraded)(
        void *owner, const struct http_head *head, struct conn *conn);
    void (*on_room)(void *owner); /* request body may flow again */
    void (*on_failed)(void *owner, const char *why);
};

struct call_options {
    const struct http_message *head; /* encoded at once */
    bool with_certificate; /* present the proxy's client certificate */
    bool is_upgrade;       /* on a connection of its own */
    uint64_t lsn; /* nothing is sent before the journal is there; 0 none */
};

enum status call_start(struct upstream *u, const struct call_options *o,
    const struct call_events *events, void *owner, struct call **out,
    struct error *err) MUST_CHECK;
void call_cancel(struct call **c); /* NULL is fine */
/* The head waits for the journal no longer. */
void call_ungate(struct call *c);

/* The request's body, framed as its head said. */
enum status call_send_body(struct call *c, struct span bytes) MUST_CHECK;
enum status call_end_body(struct call *c, const struct http_field *trailers,
    size_t trailer_count) MUST_CHECK;
bool call_is_full(const struct call *c);

/* The response's body. */
void call_pause(struct call *c);
void call_resume(struct call *c);

#endif
