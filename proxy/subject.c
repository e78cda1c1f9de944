/* See subject.h. The trap: whoever is woken may ask other questions, and
 * those may free this subject, so waking is the last thing done and touches
 * only what was copied before. */
#include "proxy/subject.h"

#include "proxy/review.h"

#include <stdio.h>
#include <stdlib.h>

#define MS_NS UINT64_C(1000000)

/* After a failure nobody may make the proxy ask again at once. */
#define PAUSE_MS 1000u

/* How often a renewal that fails is tried while nobody waits for it. */
#define RENEW_PAUSE_MS 5000u

#define WHY_MAX 1024

/* The last answer. */
enum knowledge {
    KNOWS_NOTHING,
    KNOWS_CALLER,
    KNOWS_DENIED,
};

struct subject {
    struct subject_options o;
    enum knowledge knowledge;
    struct caller *caller; /* KNOWS_CALLER */
    uint64_t known_ns;     /* since when */
    bool has_failed;       /* the last question did, `why` says how */
    uint64_t failed_ns;
    bool is_second; /* the credential was refused, and this is its successor */
    struct review *review;
    struct credential_wait credential_wait;
    struct list waiters;
    char why[WHY_MAX];
};

static bool
is_within(const struct subject *s, uint64_t since_ns, uint64_t ms)
{
    return clock_mono_ns(s->o.parts->clock) < since_ns + ms * MS_NS;
}

bool
subject_is_busy(const struct subject *s)
{
    return s->review != NULL || !list_is_empty(&s->credential_wait.hook);
}

/* ---- answers ---- */

/* A name that is too old, but the newest there is. */
static bool
may_use_old(const struct subject *s)
{
    return s->knowledge == KNOWS_CALLER && s->has_failed &&
           is_within(s, s->known_ns, s->o.terms->stale_ms);
}

/* What can be said without asking; IDENTITY_WAIT when nothing can. */
static enum identity_answer
subject_answer(
    const struct subject *s, struct caller **caller_out, const char **why_out)
{
    const struct subject_terms *t = s->o.terms;
    if (may_use_old(s) || (s->knowledge == KNOWS_CALLER &&
                              is_within(s, s->known_ns, t->fresh_ms))) {
        *caller_out = caller_hold(s->caller);
        return IDENTITY_FOUND;
    }
    *why_out = s->why;
    if (s->knowledge == KNOWS_DENIED &&
        is_within(s, s->known_ns, t->denied_ms)) {
        return IDENTITY_DENIED;
    }
    if (s->has_failed && is_within(s, s->failed_ns, PAUSE_MS)) {
        return IDENTITY_UNAVAILABLE;
    }
    return IDENTITY_WAIT;
}

static void
wake_all(struct list *waiters, enum identity_answer answer,
    struct caller *caller, const char *why)
{
    struct list woken;
    list_move_all(waiters, &woken);
    for (struct list *hook = list_take(&woken); hook != NULL;
         hook = list_take(&woken)) {
        struct identity_wait *w = LIST_ENTRY(hook, struct identity_wait, hook);
        w->fn(w->ctx, answer, caller != NULL ? caller_hold(caller) : NULL, why);
    }
}

/* The last thing done with `s`. */
static void
subject_wake(struct subject *s, enum identity_answer answer)
{
    char why[WHY_MAX];
    struct caller *caller =
        answer == IDENTITY_FOUND ? caller_hold(s->caller) : NULL;
    snprintf(why, sizeof why, "%s", s->why);
    wake_all(&s->waiters, answer, caller, why);
    caller_release(&caller);
}

static void
subject_set_failed(struct subject *s, const char *why)
{
    s->has_failed = true;
    s->failed_ns = clock_mono_ns(s->o.parts->clock);
    snprintf(s->why, sizeof s->why, "%s", why);
    /* Strangers may not fill the log. */
    log_event(s->o.parts->log,
        s->o.power == CALLER_AS_PROXY ? LOG_WARN : LOG_DEBUG,
        "identity.unavailable", LOG_S("why", s->why));
}

static void
subject_on_failed(struct subject *s, const char *why)
{
    subject_set_failed(s, why);
    subject_wake(s, may_use_old(s) ? IDENTITY_FOUND : IDENTITY_UNAVAILABLE);
}

static void
subject_on_found(struct subject *s, struct caller *caller)
{
    caller_release(&s->caller);
    s->caller = caller;
    s->knowledge = KNOWS_CALLER;
    s->known_ns = clock_mono_ns(s->o.parts->clock);
    s->has_failed = false;
    subject_wake(s, IDENTITY_FOUND);
}

static void
subject_on_denied(struct subject *s, const char *why)
{
    caller_release(&s->caller);
    s->knowledge = KNOWS_DENIED;
    s->known_ns = clock_mono_ns(s->o.parts->clock);
    s->has_failed = false;
    snprintf(s->why, sizeof s->why, "%s", why);
    subject_wake(s, IDENTITY_DENIED);
}

/* ---- questions ---- */

static enum status subject_start_own(struct subject *s, struct error *err);

/* The API server refuses the proxy itself: its credential may have been
 * replaced meanwhile, so that is looked at once. */
static void
subject_on_own_denied(struct subject *s)
{
    struct error err;
    if (s->is_second) {
        subject_on_failed(
            s, "the API server does not accept the proxy's own credentials");
        return;
    }
    s->is_second = true;
    credential_reject(s->o.parts->credential);
    if (subject_start_own(s, &err) != STATUS_OK) {
        subject_on_failed(s, err.text);
    }
}

/* The kubeconfig's name for its user is the best there is. */
static void
subject_on_own_unsupported(struct subject *s)
{
    char user[512];
    snprintf(user, sizeof user, "kubeconfig:%s",
        credential_user(s->o.parts->credential));
    struct caller *caller = caller_new(s->o.power, user, "", NULL, 0);
    if (caller == NULL) {
        subject_on_failed(s, "no memory for the caller");
        return;
    }
    subject_on_found(s, caller);
}

static void
subject_on_review(void *ctx, enum review_answer answer, struct caller *caller,
    const char *why)
{
    struct subject *s = ctx;
    const bool is_own = s->o.power == CALLER_AS_PROXY;
    s->review = NULL;
    switch (answer) {
    case REVIEW_FOUND:
        subject_on_found(s, caller);
        return;
    case REVIEW_DENIED:
        if (is_own) {
            subject_on_own_denied(s);
        } else {
            subject_on_denied(s, why);
        }
        return;
    case REVIEW_UNSUPPORTED:
        if (is_own) {
            subject_on_own_unsupported(s);
        } else {
            subject_on_failed(s, why);
        }
        return;
    case REVIEW_UNAVAILABLE:
        subject_on_failed(s, why);
        return;
    }
}

static enum status
subject_start_review(struct subject *s, struct span token, struct error *err)
{
    return review_start(
        &(struct review_options){
            .loop = s->o.loop,
            .upstream = s->o.parts->upstream,
            .token = token,
            .with_certificate = s->o.power == CALLER_AS_PROXY,
            .power = s->o.power,
        },
        subject_on_review, s, &s->review, err);
}

static enum status
subject_start_own_review(struct subject *s, struct error *err)
{
    const char *token = credential_token(s->o.parts->credential);
    return subject_start_review(
        s, token != NULL ? span_str(token) : SPAN_EMPTY, err);
}

static void
subject_on_credential(void *ctx, const char *why)
{
    struct subject *s = ctx;
    struct error err;
    if (why == NULL && subject_start_own_review(s, &err) != STATUS_OK) {
        why = err.text;
    }
    if (why != NULL) {
        subject_on_failed(s, why);
    }
}

static enum status
subject_start_own(struct subject *s, struct error *err)
{
    const char *why = NULL;
    s->credential_wait.fn = subject_on_credential;
    s->credential_wait.ctx = s;
    switch (credential_get(s->o.parts->credential, &s->credential_wait, &why)) {
    case CREDENTIAL_READY:
        return subject_start_own_review(s, err);
    case CREDENTIAL_WAIT:
        return STATUS_OK;
    case CREDENTIAL_FAILED:
        return error_set(err, STATUS_DENIED, "%s", why);
    }
    return STATUS_OK;
}

static enum status
subject_start(struct subject *s, struct span token, struct error *err)
{
    s->is_second = false;
    return s->o.power == CALLER_AS_PROXY ? subject_start_own(s, err)
                                         : subject_start_review(s, token, err);
}

/* ---- asking ---- */

static bool
is_renewal_due(const struct subject *s)
{
    const uint64_t renew_ms = s->o.terms->renew_ms;
    return renew_ms > 0 && !subject_is_busy(s) &&
           !(s->has_failed && is_within(s, s->failed_ns, RENEW_PAUSE_MS)) &&
           !(s->knowledge == KNOWS_CALLER &&
               is_within(s, s->known_ns, renew_ms));
}

void
subject_renew(struct subject *s)
{
    struct error err;
    if (is_renewal_due(s) && subject_start(s, SPAN_EMPTY, &err) != STATUS_OK) {
        subject_set_failed(s, err.text);
    }
}

enum identity_answer
subject_ask(struct subject *s, struct span token, struct identity_wait *wait,
    struct caller **caller_out, const char **why_out)
{
    struct error err;
    subject_renew(s);
    const enum identity_answer answer = subject_answer(s, caller_out, why_out);
    if (answer != IDENTITY_WAIT) {
        return answer;
    }
    if (!subject_is_busy(s) && subject_start(s, token, &err) != STATUS_OK) {
        subject_set_failed(s, err.text);
        return subject_answer(s, caller_out, why_out);
    }
    list_append(&s->waiters, &wait->hook);
    return IDENTITY_WAIT;
}

void
subject_forget(struct subject *s)
{
    caller_release(&s->caller);
    s->knowledge = KNOWS_NOTHING;
}

/* ---- life ---- */

struct subject *
subject_new(const struct subject_options *o)
{
    struct subject *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->o = *o;
        list_init(&s->credential_wait.hook);
        list_init(&s->waiters);
    }
    return s;
}

void
subject_free(struct subject **sp)
{
    struct subject *s = *sp;
    *sp = NULL;
    if (s == NULL) {
        return;
    }
    review_cancel(&s->review);
    credential_cancel(&s->credential_wait);
    for (struct list *hook = list_take(&s->waiters); hook != NULL;
         hook = list_take(&s->waiters)) {
        /* Alone again, so that a late cancel is harmless. */
    }
    caller_release(&s->caller);
    free(s);
}
