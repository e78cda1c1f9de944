/* One SelfSubjectReview: the API server is asked whom it takes the bearer of
 * some credentials for (authentication.k8s.io; v1, else v1beta1).
 *
 * Owns the question, its time limit and the reading of the answer. It is
 * asked with these credentials and nothing else: no field of a client's
 * request is in it, so nobody can be impersonated.
 */
#ifndef PROXY_REVIEW_H
#define PROXY_REVIEW_H

#include "proxy/identity.h"

struct review;

enum review_answer {
    REVIEW_FOUND,
    REVIEW_DENIED,      /* 401 */
    REVIEW_UNAVAILABLE, /* no answer, or none that says who it is */
    REVIEW_UNSUPPORTED, /* the API server has no such question */
};

struct review_options {
    struct loop *loop;
    struct upstream *upstream;
    struct span token;     /* copied, wiped at the end; empty: none */
    bool with_certificate; /* the proxy's own */
    enum caller_power power;
};

/* Called once, unless cancelled; the review is gone then. `caller` is held
 * for the asker and not NULL with FOUND only; `why` lives for the call. */
typedef void review_fn(void *ctx, enum review_answer answer,
    struct caller *caller, const char *why);
/* `fn` is never called from here. */
enum status review_start(const struct review_options *o, review_fn *fn,
    void *ctx, struct review **out, struct error *err) MUST_CHECK;
void review_cancel(struct review **r); /* NULL is fine */

/* One reference; `groups` may be NULL with a count of 0. NULL without
 * memory. */
struct caller *caller_new(enum caller_power power, const char *user,
    const char *uid, const char *const *groups, size_t group_count);

/* The pure part: the user that a SelfSubjectReview names, or NULL. */
struct caller *review_read(struct span json, enum caller_power power);

#endif
