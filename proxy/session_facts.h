/* What is known of a session before it starts: who, from where, to which
 * container, what for. A pure function from request, route and caller to the
 * meta of the journal's OPEN. */
#ifndef PROXY_SESSION_FACTS_H
#define PROXY_SESSION_FACTS_H

#include "base/address.h"
#include "base/config.h"
#include "proxy/identity.h"
#include "proxy/pod_lookup.h"
#include "proxy/route.h"

struct session_facts {
    const struct http_head *request;
    const struct route *route;
    const struct caller *caller;
    const struct address *peer;
    const struct pod_facts *pod; /* what the API server knows of it */
    const char *cluster;
    const struct config *config; /* whether input is recorded */
};

/* `out` is inited. */
enum status session_facts_fill(
    const struct session_facts *f, struct meta *out) MUST_CHECK;

#endif
