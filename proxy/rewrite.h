/* Which header fields pass, both ways (DESIGN section 4). Pure functions on
 * heads; the one place where a client's field can reach the API server.
 *
 * Hop-by-hop fields go first, so that a client cannot have an added field
 * removed by naming it in Connection.
 */
#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include "proxy/http_message.h"

struct rewrite {
    struct span host;          /* of the API server */
    struct span target;        /* with the upstream's path prefix */
    struct span client;        /* the peer's address, for X-Forwarded-For */
    struct span authorization; /* "Bearer …": whose power this is; or empty */
    struct span session_id;    /* of a recorded session; empty otherwise */
    bool is_upgrade;           /* ask upstream for what `upgrade` says */
    struct span subprotocols;  /* Sec-WebSocket-Protocol without credentials;
                               * empty: the field is dropped */
};

/* Views into `in` and `r`. STATUS_LIMIT: too many fields. */
enum status rewrite_request(const struct http_head *in, const struct rewrite *r,
    struct http_message *out) MUST_CHECK;

/* A response as it goes to the client; `to_head`: the request was HEAD. */
enum status rewrite_response(const struct http_head *in, bool to_head,
    struct span session_id, struct http_message *out) MUST_CHECK;

/* Writes the Sec-WebSocket-Protocol values without bearer tokens, joined by
 * ", ". */
enum status rewrite_subprotocols(
    const struct http_head *in, struct buf *out) MUST_CHECK;

#endif
