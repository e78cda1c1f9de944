/* Callers by their own bearer tokens, as the API server knows them.
 *
 * Owns the memory of recent tokens: by their SHA-256 only, in bounded number,
 * the oldest goes first.
 */
#ifndef PROXY_IDENTITY_PASSTHROUGH_H
#define PROXY_IDENTITY_PASSTHROUGH_H

#include "proxy/identity.h"

#define PASSTHROUGH_TOKENS_MAX 1024u

struct passthrough;

/* `parts` is borrowed. NULL without memory. */
struct passthrough *passthrough_new(
    struct loop *loop, const struct identity_options *parts);
void passthrough_free(struct passthrough **p);

/* Like identity_find. */
enum identity_answer passthrough_ask(struct passthrough *p, struct span token,
    struct identity_wait *wait, struct caller **caller_out,
    const char **why_out);
void passthrough_forget(struct passthrough *p, struct span token);

#endif
