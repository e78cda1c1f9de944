/* One set of credentials and whom the API server takes its bearer for: the
 * answer, how long it holds, one review at a time for all who ask.
 *
 * Knows neither where the credentials came from nor who asks. A subject may
 * be freed only when it is not busy, or when nobody waits any more.
 */
#ifndef PROXY_SUBJECT_H
#define PROXY_SUBJECT_H

#include "proxy/identity.h"

struct subject;

/* How long an answer holds. */
struct subject_terms {
    uint64_t fresh_ms;  /* a user's name */
    uint64_t renew_ms;  /* asked again in the background from this age on;
                         * 0: not */
    uint64_t stale_ms;  /* a name, while asking again fails; 0: not */
    uint64_t denied_ms; /* a 401 */
};

struct subject_options {
    struct loop *loop;
    const struct identity_options *parts; /* borrowed */
    const struct subject_terms *terms;    /* borrowed */
    enum caller_power power; /* CALLER_AS_PROXY: the proxy's own credential */
};

/* NULL without memory. */
struct subject *subject_new(const struct subject_options *o);
void subject_free(struct subject **s); /* no waiter is called */

/* `token` is the bearer's, and is not kept; empty for the proxy's own. Else
 * like identity_find. */
enum identity_answer subject_ask(struct subject *s, struct span token,
    struct identity_wait *wait, struct caller **caller_out,
    const char **why_out);

/* For the proxy's own: asks in the background when that is due. */
void subject_renew(struct subject *s);
/* What is known is no longer believed. */
void subject_forget(struct subject *s);
/* A review runs or waits for the credential. */
bool subject_is_busy(const struct subject *s);

#endif
