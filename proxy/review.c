/* See review.h. A review changes nothing, so it may be asked again: once more,
 * on a connection of its own, when the way failed, since a kept connection may
 * have been dead already. */
#include "proxy/review.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A person may be in thousands of groups; a peer may not fill memory. */
#define REVIEW_MAX (1u << 20)

/* Requests wait for this. */
#define REVIEW_TIMEOUT_MS 10000u

static const struct {
    const char *target;
    const char *body;
} versions[] = {
    {"/apis/authentication.k8s.io/v1/selfsubjectreviews",
        "{\"kind\":\"SelfSubjectReview\","
        "\"apiVersion\":\"authentication.k8s.io/v1\"}"},
    {"/apis/authentication.k8s.io/v1beta1/selfsubjectreviews",
        "{\"kind\":\"SelfSubjectReview\","
        "\"apiVersion\":\"authentication.k8s.io/v1beta1\"}"},
};
#define VERSION_COUNT (sizeof versions / sizeof versions[0])

struct review {
    struct upstream *upstream;
    review_fn *fn;
    void *ctx;
    struct call *call;
    struct loop_timer *timer;
    struct buf authorization; /* "Bearer …", or empty */
    bool with_certificate;
    enum caller_power power;
    size_t version; /* in `versions` */
    bool is_again;  /* the way has failed once */
    unsigned status;
    struct buf body;
};

/* ---- callers ---- */

struct caller *
caller_hold(struct caller *c)
{
    c->references++;
    return c;
}

static void
caller_free(struct caller *c)
{
    for (size_t i = 0; i < c->group_count; i++) {
        free(c->groups[i]);
    }
    free(c->groups);
    free(c->user);
    free(c->uid);
    free(c);
}

void
caller_release(struct caller **cp)
{
    struct caller *c = *cp;
    *cp = NULL;
    if (c == NULL) {
        return;
    }
    c->references--;
    if (c->references == 0) {
        caller_free(c);
    }
}

static bool
copy_groups(struct caller *c, const char *const *groups, size_t count)
{
    c->groups = calloc(count + 1, sizeof *c->groups);
    if (c->groups == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        c->groups[i] = strdup(groups[i]);
        if (c->groups[i] == NULL) {
            return false;
        }
        c->group_count++;
    }
    return true;
}

struct caller *
caller_new(enum caller_power power, const char *user, const char *uid,
    const char *const *groups, size_t group_count)
{
    struct caller *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->references = 1;
    c->power = power;
    c->user = strdup(user);
    c->uid = strdup(uid);
    if (c->user == NULL || c->uid == NULL ||
        !copy_groups(c, groups, group_count)) {
        caller_release(&c);
    }
    return c;
}

/* ---- reading ---- */

/* The texts of `list`, borrowed from it; NULL without memory or when one is
 * no text. */
static const char **
borrow_texts(const json_t *list)
{
    const char **texts = calloc(json_array_size(list) + 1, sizeof *texts);
    for (size_t i = 0; texts != NULL && i < json_array_size(list); i++) {
        texts[i] = json_string_value(json_array_get(list, i));
        if (texts[i] == NULL) {
            free(texts);
            texts = NULL;
        }
    }
    return texts;
}

struct caller *
review_read(struct span json, enum caller_power power)
{
    json_t *root = json_loadb(
        (const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *info =
        json_object_get(json_object_get(root, "status"), "userInfo");
    const json_t *list = json_object_get(info, "groups");
    const char *kind = json_string_value(json_object_get(root, "kind"));
    const char *user = json_string_value(json_object_get(info, "username"));
    const char *uid = json_string_value(json_object_get(info, "uid"));
    const char **groups = borrow_texts(list);
    struct caller *caller = NULL;
    if (kind != NULL && strcmp(kind, "SelfSubjectReview") == 0 &&
        user != NULL && user[0] != '\0' && groups != NULL) {
        caller = caller_new(
            power, user, uid != NULL ? uid : "", groups, json_array_size(list));
    }
    free(groups);
    json_decref(root);
    return caller;
}

/* ---- the end ---- */

static void
review_free(struct review *r)
{
    call_cancel(&r->call);
    loop_timer_close(&r->timer);
    buf_wipe(&r->authorization);
    buf_fini(&r->body);
    free(r);
}

void
review_cancel(struct review **rp)
{
    struct review *r = *rp;
    *rp = NULL;
    if (r != NULL) {
        review_free(r);
    }
}

static void
review_finish(struct review *r, enum review_answer answer,
    struct caller *caller, const char *why)
{
    review_fn *fn = r->fn;
    void *ctx = r->ctx;
    review_free(r);
    fn(ctx, answer, caller, why);
}

static void
review_fail(struct review *r, const char *why)
{
    char text[256];
    snprintf(
        text, sizeof text, "the API server could not be asked who: %s", why);
    review_finish(r, REVIEW_UNAVAILABLE, NULL, text);
}

static void
review_on_timeout(void *ctx)
{
    review_fail(ctx, "it did not answer in 10 seconds");
}

/* ---- the question ---- */

static const struct call_events review_events;

static enum status
fill_message(const struct review *r, struct span target, struct http_message *m)
{
    static const struct span json = {
        (const uint8_t *)"application/json", sizeof "application/json" - 1};
    http_message_request(m, SPAN_LIT("POST"), target);
    m->framing = HTTP_BODY_LENGTH;
    m->length = strlen(versions[r->version].body);
    enum status st =
        http_message_add(m, SPAN_LIT("Host"), upstream_host(r->upstream));
    if (st == STATUS_OK) {
        st = http_message_add(m, SPAN_LIT("Accept"), json);
    }
    if (st == STATUS_OK) {
        st = http_message_add(m, SPAN_LIT("Content-Type"), json);
    }
    if (st == STATUS_OK) {
        st = http_message_add(
            m, SPAN_LIT("User-Agent"), SPAN_LIT("kubetape-proxy"));
    }
    if (st == STATUS_OK && r->authorization.len > 0) {
        st = http_message_add(
            m, SPAN_LIT("Authorization"), buf_view(&r->authorization));
    }
    return st;
}

static enum status
send_body(struct review *r)
{
    const enum status st =
        call_send_body(r->call, span_str(versions[r->version].body));
    return st == STATUS_OK ? call_end_body(r->call, NULL, 0) : st;
}

static enum status
review_call(struct review *r, struct span target, struct error *err)
{
    struct http_message m;
    enum status st = fill_message(r, target, &m);
    if (st != STATUS_OK) {
        return error_set(err, st, "the question does not fit a request");
    }
    st = call_start(r->upstream,
        &(struct call_options){
            .head = &m,
            .with_certificate = r->with_certificate,
            .is_upgrade = r->is_again, /* on a connection of its own */
        },
        &review_events, r, &r->call, err);
    if (st == STATUS_OK && send_body(r) != STATUS_OK) {
        call_cancel(&r->call);
        st = error_set(err, STATUS_CLOSED, "the question could not be sent");
    }
    return st;
}

static enum status
review_ask(struct review *r, struct error *err)
{
    struct buf target;
    buf_init(&target, LIMIT_TARGET_BYTES);
    r->status = 0;
    buf_clear(&r->body);
    enum status st = buf_append(&target, upstream_path_prefix(r->upstream));
    if (st == STATUS_OK) {
        st = buf_append_str(&target, versions[r->version].target);
    }
    st = st == STATUS_OK ? review_call(r, buf_view(&target), err)
                         : error_set(err, st, "no memory for a question");
    buf_fini(&target);
    return st;
}

static void
review_ask_again(struct review *r)
{
    struct error err;
    if (review_ask(r, &err) != STATUS_OK) {
        review_fail(r, err.text);
    }
}

/* ---- the answer ---- */

static void
review_on_response(void *owner, const struct http_head *head)
{
    struct review *r = owner;
    r->status = head->status; /* interim ones are followed by the final one */
}

static bool
is_success(unsigned status)
{
    return status == 200 || status == 201;
}

static void
review_on_body(void *owner, struct span bytes)
{
    struct review *r = owner;
    if (is_success(r->status) && buf_append(&r->body, bytes) != STATUS_OK) {
        review_fail(r, "its answer is longer than 1 MiB");
    }
}

static void
review_found(struct review *r)
{
    struct caller *caller = review_read(buf_view(&r->body), r->power);
    if (caller == NULL) {
        review_fail(r, "its answer is no SelfSubjectReview that names a user");
        return;
    }
    review_finish(r, REVIEW_FOUND, caller, NULL);
}

static void
review_on_body_end(
    void *owner, const struct http_field *trailers, size_t trailer_count)
{
    struct review *r = owner;
    (void)trailers;
    (void)trailer_count;
    r->call = NULL;
    if (is_success(r->status)) {
        review_found(r);
    } else if (r->status == 401) {
        review_finish(r, REVIEW_DENIED, NULL,
            "the API server does not know the bearer token");
    } else if (r->status == 404 && r->version + 1 < VERSION_COUNT) {
        r->version++;
        review_ask_again(r);
    } else if (r->status == 404) {
        review_finish(r, REVIEW_UNSUPPORTED, NULL,
            "the API server has no SelfSubjectReview: it is older than 1.27");
    } else {
        char why[64];
        snprintf(why, sizeof why, "it answered %u", r->status);
        review_fail(r, why);
    }
}

static void
review_on_upgraded(void *owner, const struct http_head *head, struct conn *conn)
{
    struct review *r = owner;
    (void)head;
    r->call = NULL;
    conn_close(&conn);
    review_fail(r, "it switched protocols unasked");
}

static void
review_on_room(void *owner)
{
    (void)owner; /* the question is one short piece */
}

static void
review_on_failed(void *owner, const char *why)
{
    struct review *r = owner;
    r->call = NULL;
    if (r->is_again) {
        review_fail(r, why);
        return;
    }
    r->is_again = true;
    review_ask_again(r);
}

static const struct call_events review_events = {
    .on_response = review_on_response,
    .on_body = review_on_body,
    .on_body_end = review_on_body_end,
    .on_upgraded = review_on_upgraded,
    .on_room = review_on_room,
    .on_failed = review_on_failed,
};

/* ---- the start ---- */

static enum status
keep_token(struct review *r, struct span token, struct error *err)
{
    enum status st = STATUS_OK;
    if (token.len > 0) {
        st = buf_append_str(&r->authorization, "Bearer ");
    }
    if (st == STATUS_OK) {
        st = buf_append(&r->authorization, token);
    }
    return st == STATUS_OK ? st
                           : error_set(err, st, "the bearer token is too long");
}

enum status
review_start(const struct review_options *o, review_fn *fn, void *ctx,
    struct review **out, struct error *err)
{
    struct review *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a question");
    }
    r->upstream = o->upstream;
    r->fn = fn;
    r->ctx = ctx;
    r->with_certificate = o->with_certificate;
    r->power = o->power;
    buf_init(&r->authorization, LIMIT_HEAD_BYTES);
    buf_init(&r->body, REVIEW_MAX);
    enum status st = keep_token(r, o->token, err);
    if (st == STATUS_OK) {
        st = loop_timer_open(o->loop, review_on_timeout, r, &r->timer, err);
    }
    if (st == STATUS_OK) {
        st = review_ask(r, err);
    }
    if (st != STATUS_OK) {
        review_free(r);
        return st;
    }
    loop_timer_start(r->timer, REVIEW_TIMEOUT_MS, 0);
    *out = r;
    return STATUS_OK;
}
