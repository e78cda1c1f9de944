/* Looks a host name up again and again, off the loop: getaddrinfo blocks, and
 * an API server behind a name may move.
 */
#ifndef PROXY_RESOLVER_H
#define PROXY_RESOLVER_H

#include "base/address.h"
#include "base/loop.h"
#include <stddef.h>

#define RESOLVER_ADDRESSES_MAX 16

struct resolver_answer {
    struct address addresses[RESOLVER_ADDRESSES_MAX];
    size_t count; /* at least 1 */
};

/* At once, blocking. */
enum status resolver_look_up(const char *host, const char *port,
    struct resolver_answer *out, struct error *err) MUST_CHECK;

struct resolver;

/* Called on the loop with every answer; a failed lookup calls nothing: the old
 * addresses are the best there is. */
typedef void resolver_fn(void *ctx, const struct resolver_answer *answer);

/* `host` and `port` are borrowed. */
enum status resolver_open(struct loop *loop, const char *host, const char *port,
    resolver_fn *fn, void *ctx, struct resolver **out,
    struct error *err) MUST_CHECK;
/* Waits for a lookup under way. */
void resolver_close(struct resolver **r);

/* Starts a lookup, unless one runs or ran within RESOLVER_PAUSE_MS. */
#define RESOLVER_PAUSE_MS 1000u
void resolver_ask(struct resolver *r, uint64_t now_ns);

#endif
