/* What a request asks for, read as the API server reads it.
 *
 * A pure function of the request head. Owns the rules of DESIGN section 4:
 * path decoded once, one trailing slash ignored, then matched; query values
 * decoded like Go's net/url; whatever could start a session is one. Refuses
 * to know who asks and what policy says.
 */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "proxy/http_head.h"
#include "schema/meta.h"

enum route_kind {
    ROUTE_PLAIN,         /* forwarded as it is */
    ROUTE_SESSION,       /* pods/{exec,attach}: recorded */
    ROUTE_PORT_FORWARD,  /* pods/portforward: metadata and byte counts */
    ROUTE_NODE_SESSION,  /* nodes/{n}/proxy/{exec,attach,run,…}, also the
                         * kubelet's portForward and cri/ paths */
    ROUTE_OTHER_UPGRADE, /* asks for an upgrade and is none of the above */
    ROUTE_REFUSED,       /* 400: `why` */
};

enum route_upgrade {
    ROUTE_UPGRADE_NONE,
    ROUTE_UPGRADE_SPDY,
    ROUTE_UPGRADE_WEBSOCKET,
    ROUTE_UPGRADE_UNKNOWN,
};

struct route {
    enum route_kind kind;
    enum route_upgrade upgrade; /* "SPDY/3.1, websocket" is SPDY, as the API
                                 * server takes it */
    char why[160];
    /* Sessions and port forwards: decoded, heap, "" when absent, exact bytes
     * without NUL; see meta. NULL for the other kinds. */
    enum meta_type type; /* META_EXEC, META_ATTACH or META_PORT_FORWARD;
                          * claims of the client (Kubectl-Command) only ever
                          * add */
    char *namespace;
    char *pod;
    char *container;
    char *node;
    char **command;
    size_t command_count;
    bool tty;
    bool wants_stdin;
    bool wants_stdout;
    bool wants_stderr;
};

/* *out is inited by the call; route_fini always. STATUS_NO_MEMORY or OK; a
 * refusal is a kind, not a status. A session without an upgrade wish (a plain
 * GET on …/exec, which the API server answers with 400) is ROUTE_SESSION
 * with ROUTE_UPGRADE_NONE. */
enum status route_classify(
    const struct http_head *h, struct route *out) MUST_CHECK;
void route_fini(struct route *r);

#endif
