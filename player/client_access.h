/* What a local client needs to come through the proxy, gathered from the
 * state folder: where it listens, its authority, the token.
 */
#ifndef PLAYER_CLIENT_ACCESS_H
#define PLAYER_CLIENT_ACCESS_H

#include "player/kubeconfig.h"

struct client_access {
    struct buf server;
    struct buf ca_data; /* base64; empty when the system's authorities do */
    struct buf token;
};

struct client_access_wish {
    const char *server; /* NULL: where the proxy listens, or would */
    const char *ca;     /* NULL: the one in the state folder */
};

/* `out` is inited by the call, always. STATUS_NOT_FOUND when no proxy has
 * made its authority yet. */
enum status client_access_load(const char *state,
    const struct client_access_wish *wish, struct client_access *out,
    struct error *err) MUST_CHECK;
void client_access_fini(struct client_access *c); /* wipes the token */

/* Appends a whole kubeconfig to `out`, or with `into` that text with our
 * entries in it; `file` names it. */
enum status client_access_render(struct client_access *c, const char *name,
    const struct span *into, const char *file, struct buf *out,
    struct error *err) MUST_CHECK;

#endif
