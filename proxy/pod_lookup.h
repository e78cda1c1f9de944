/* What the API server knows of a pod that a session is for: the container's
 * name when the request left it out, whether it is an ephemeral one, and
 * whether it has a terminal.
 *
 * Asked with the caller's own power, before the session is opened. Not
 * knowing is an answer too: a session is recorded all the same.
 */
#ifndef PROXY_POD_LOOKUP_H
#define PROXY_POD_LOOKUP_H

#include "proxy/gateway.h"

struct pod_lookup;

struct pod_facts {
    const char *container; /* that the session goes to; "" when not known */
    bool is_ephemeral;     /* as `kubectl debug` adds them */
    bool has_tty;          /* its own; an exec gets another */
};

struct pod_lookup_options {
    const char *namespace;
    const char *pod;
    const char *container;     /* "" when the request names none */
    struct span authorization; /* "Bearer …" or empty */
    bool with_certificate;
};

/* `fn` is called once, unless cancelled; facts live for the call. */
typedef void pod_lookup_fn(void *ctx, const struct pod_facts *facts);
enum status pod_lookup_start(struct gateway *g,
    const struct pod_lookup_options *o, pod_lookup_fn *fn, void *ctx,
    struct pod_lookup **out, struct error *err) MUST_CHECK;
void pod_lookup_cancel(struct pod_lookup **l); /* NULL is fine */

/* The pure part: what a Pod object says of the container that was `asked`
 * for ("": the default). */
struct pod_text {
    char container[256];
    bool is_ephemeral;
    bool has_tty;
};
void pod_text_read(struct span json, const char *asked, struct pod_text *out);

#endif
