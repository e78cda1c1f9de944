/* See identity.h. `local` is one subject, the proxy itself, behind one secret;
 * `passthrough` is a subject for each token. */
#include "proxy/identity.h"

#include "base/digest.h"
#include "proxy/identity_passthrough.h"
#include "proxy/subject.h"

#include <stdlib.h>

#define TICK_MS 1000u

/* Requests never wait for the proxy's own name while the API server
 * answers. */
static const struct subject_terms own_terms = {
    .fresh_ms = 60000,
    .renew_ms = 45000,
    .stale_ms = 300000,
};

struct identity {
    struct identity_options parts;
    struct buf local_token;
    struct subject *own;             /* NULL: no `local` */
    struct passthrough *passthrough; /* NULL: no `passthrough` */
    struct loop_timer *tick;
};

/* ---- asking ---- */

static bool
is_local(const struct identity *i, struct span token)
{
    return i->local_token.len > 0 &&
           secret_eq(token, buf_view(&i->local_token));
}

static enum identity_answer
find_by_token(struct identity *i, struct span token, struct identity_wait *wait,
    struct caller **caller_out, const char **why_out)
{
    const struct config *c = i->parts.config;
    for (size_t n = 0; n < c->identity_count; n++) {
        switch (c->identity[n]) {
        case CONFIG_IDENTITY_LOCAL:
            if (is_local(i, token)) {
                return subject_ask(
                    i->own, SPAN_EMPTY, wait, caller_out, why_out);
            }
            break;
        case CONFIG_IDENTITY_PASSTHROUGH:
            return passthrough_ask(
                i->passthrough, token, wait, caller_out, why_out);
        }
    }
    *why_out = "the bearer token is not known here";
    return IDENTITY_DENIED;
}

enum identity_answer
identity_find(struct identity *i, const struct http_head *request,
    struct identity_wait *wait, struct caller **caller_out,
    const char **why_out)
{
    struct buf scratch;
    struct span token = SPAN_EMPTY;
    bool is_ambiguous = false;
    enum identity_answer answer = IDENTITY_DENIED;
    buf_init(&scratch, LIMIT_HEAD_BYTES);
    if (identity_bearer(request, &scratch, &token, &is_ambiguous)) {
        answer = find_by_token(i, token, wait, caller_out, why_out);
    } else {
        *why_out = is_ambiguous
                       ? "several credentials: expected one bearer token"
                       : "no credentials: expected a bearer token";
    }
    buf_wipe(&scratch);
    return answer;
}

void
identity_cancel(struct identity_wait *wait)
{
    list_drop(&wait->hook);
}

void
identity_reject(struct identity *i, const struct http_head *request)
{
    struct buf scratch;
    struct span token = SPAN_EMPTY;
    bool is_ambiguous = false;
    buf_init(&scratch, LIMIT_HEAD_BYTES);
    if (i->passthrough != NULL &&
        identity_bearer(request, &scratch, &token, &is_ambiguous)) {
        passthrough_forget(i->passthrough, token);
    }
    buf_wipe(&scratch);
}

/* ---- life ---- */

static void
identity_on_tick(void *ctx)
{
    struct identity *i = ctx;
    subject_renew(i->own);
}

/* The first question is asked now, so that the first request finds its
 * answer. */
static enum status
open_local(struct identity *i, struct loop *loop, struct error *err)
{
    if (i->own != NULL) {
        return STATUS_OK;
    }
    i->own = subject_new(&(struct subject_options){
        .loop = loop,
        .parts = &i->parts,
        .terms = &own_terms,
        .power = CALLER_AS_PROXY,
    });
    if (i->own == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for callers");
    }
    const enum status st =
        loop_timer_open(loop, identity_on_tick, i, &i->tick, err);
    if (st == STATUS_OK) {
        loop_timer_start(i->tick, TICK_MS, TICK_MS);
        subject_renew(i->own);
    }
    return st;
}

static enum status
open_passthrough(struct identity *i, struct loop *loop, struct error *err)
{
    if (i->passthrough == NULL) {
        i->passthrough = passthrough_new(loop, &i->parts);
    }
    return i->passthrough != NULL
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory for callers");
}

static enum status
open_authenticators(struct identity *i, struct loop *loop, struct error *err)
{
    const struct config *c = i->parts.config;
    enum status st = STATUS_OK;
    for (size_t n = 0; n < c->identity_count && st == STATUS_OK; n++) {
        switch (c->identity[n]) {
        case CONFIG_IDENTITY_LOCAL:
            st = open_local(i, loop, err);
            break;
        case CONFIG_IDENTITY_PASSTHROUGH:
            st = open_passthrough(i, loop, err);
            break;
        }
    }
    return st;
}

enum status
identity_open(struct loop *loop, const struct identity_options *o,
    struct identity **out, struct error *err)
{
    struct identity *i = calloc(1, sizeof *i);
    if (i == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for callers");
    }
    i->parts = *o;
    i->parts.local_token = SPAN_EMPTY; /* the caller's, soon wiped */
    buf_init(&i->local_token, LIMIT_HEAD_BYTES);
    enum status st = buf_append(&i->local_token, o->local_token);
    st = st == STATUS_OK ? open_authenticators(i, loop, err)
                         : error_set(err, st, "no memory for the local token");
    if (st != STATUS_OK) {
        identity_close(&i);
        return st;
    }
    *out = i;
    return STATUS_OK;
}

void
identity_close(struct identity **ip)
{
    struct identity *i = *ip;
    *ip = NULL;
    if (i == NULL) {
        return;
    }
    loop_timer_close(&i->tick);
    subject_free(&i->own);
    passthrough_free(&i->passthrough);
    buf_wipe(&i->local_token);
    free(i);
}
