#include "proxy/exchange.h"

#include "proxy/api_status.h"
#include "proxy/pod_lookup.h"
#include "proxy/rewrite.h"
#include "proxy/route.h"
#include "proxy/session.h"
#include "proxy/session_facts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a refusal's Status, for the reason in the index. */
#define REFUSAL_MAX 8192u

#define UNRECORDABLE "sessions must be recorded, and cannot be now: %s"

enum exchange_state {
    EXCHANGE_IDENTIFYING, /* the caller is owed */
    EXCHANGE_CREDENTIAL,  /* the proxy's own token is owed */
    EXCHANGE_LOOKING,     /* what the pod is, before a session is opened */
    EXCHANGE_CALLING,     /* the final response head is owed */
    EXCHANGE_ANSWERING,   /* the rest of the response is owed */
    EXCHANGE_OVER,
};

struct exchange {
    struct gateway *g;
    const struct exchange_front *ops;
    void *front;
    const struct http_head *request;
    enum exchange_state state;
    struct list hook;    /* g->buried */
    struct list opening; /* g->opening: it has a tap */
    uint64_t open_lsn;   /* behind the session's OPEN */
    uint64_t opened_ns;
    struct route route;
    struct caller *caller;
    struct identity_wait identity_wait;
    struct credential_wait credential_wait;
    struct pod_lookup *lookup;
    struct call *call;
    struct tap *tap;    /* of a session that has not begun */
    struct buf refusal; /* body of the answer that refused it */
    unsigned refusal_code;
};

/* ---- the end ---- */

/* Everything but the memory, which others further up the stack may hold. */
static void
exchange_retire(struct exchange *x)
{
    x->state = EXCHANGE_OVER;
    identity_cancel(&x->identity_wait);
    credential_cancel(&x->credential_wait);
    pod_lookup_cancel(&x->lookup);
    call_cancel(&x->call);
    caller_release(&x->caller);
    list_drop(&x->opening);
    list_append(&x->g->buried, &x->hook);
}

void
exchange_bury(struct gateway *g)
{
    for (struct list *hook = list_take(&g->buried); hook != NULL;
         hook = list_take(&g->buried)) {
        struct exchange *x = LIST_ENTRY(hook, struct exchange, hook);
        route_fini(&x->route);
        buf_fini(&x->refusal);
        free(x);
    }
}

/* A session that was opened and never began ends here. */
static void
exchange_close_tap(
    struct exchange *x, enum meta_status status, const char *reason)
{
    if (x->tap == NULL) {
        return;
    }
    log_event(x->g->log, LOG_INFO, "session.refused",
        LOG_S("session", tap_id(x->tap)),
        LOG_S("status", meta_status_name(status)), LOG_S("reason", reason));
    (void)tap_close(&x->tap, status, reason);
}

void
exchange_refuse(const struct exchange_front *ops, void *front, unsigned code,
    const char *why)
{
    struct buf body;
    struct http_message m;
    buf_init(&body, 16384);
    http_message_response(&m, code, span_str(http_reason(code)));
    if (api_status_encode(code, span_str(why), &body) != STATUS_OK ||
        http_message_add(&m, SPAN_LIT("Content-Type"),
            SPAN_LIT("application/json")) != STATUS_OK) {
        buf_fini(&body);
        ops->abort(front, "no memory for an answer");
        return;
    }
    m.framing = HTTP_BODY_LENGTH;
    m.length = body.len;
    ops->respond(front, &m);
    ops->body(front, buf_view(&body));
    ops->finish(front, NULL, 0);
    buf_fini(&body);
}

static void
exchange_deny(struct exchange *x, unsigned code, const char *why)
{
    const struct exchange_front *ops = x->ops;
    void *front = x->front;
    struct metrics *metrics = x->g->metrics;
    metrics_add(metrics,
        code == 401 ? METRIC_REQUESTS_DENIED : METRIC_REQUESTS_REFUSED, 1);
    exchange_close_tap(x, META_REFUSED, why);
    exchange_retire(x);
    exchange_refuse(ops, front, code, why);
}

/* The way to the API server failed: before the answer began that is 502, and
 * later only a cut. */
static void
exchange_fail(struct exchange *x, const char *why)
{
    const struct exchange_front *ops = x->ops;
    void *front = x->front;
    const bool has_begun = x->state == EXCHANGE_ANSWERING;
    char text[512];
    snprintf(text, sizeof text, "the call to the API server failed: %s", why);
    metrics_add(x->g->metrics, METRIC_UPSTREAM_FAILURES, 1);
    log_event(x->g->log, LOG_WARN, "upstream.failed", LOG_S("why", why));
    exchange_close_tap(x, META_FAILED, text);
    exchange_retire(x);
    if (has_begun) {
        ops->abort(front, text);
    } else {
        exchange_refuse(ops, front, 502, text);
    }
}

/* Nothing was sent: there is nobody to send it as. */
static void
exchange_lack_credential(struct exchange *x, const char *why)
{
    char text[512];
    snprintf(text, sizeof text,
        "the proxy has no credentials for the API server: %s", why);
    exchange_deny(x, 502, text);
}

void
exchange_on_front_gone(struct exchange *x)
{
    exchange_close_tap(
        x, META_FAILED, "the client disconnected before the session began");
    exchange_retire(x);
}

/* ---- what the API server answers ---- */

static void
exchange_pass_head(struct exchange *x, const struct http_head *h)
{
    struct http_message m;
    const bool to_head = span_eq_str(x->request->method, "HEAD");
    const struct span id =
        x->tap != NULL ? span_str(tap_id(x->tap)) : SPAN_EMPTY;
    if (rewrite_response(h, to_head, id, &m) != STATUS_OK) {
        exchange_fail(x, "its response has too many header fields");
        return;
    }
    if (h->status < 200) {
        x->ops->interim(x->front, &m);
        return;
    }
    x->state = EXCHANGE_ANSWERING;
    x->ops->respond(x->front, &m);
}

static void
exchange_on_response(void *owner, const struct http_head *h)
{
    struct exchange *x = owner;
    if (h->status == 401) {
        if (x->caller->power == CALLER_AS_PROXY) {
            credential_reject(x->g->credential);
        } else {
            identity_reject(x->g->identity, x->request);
        }
    }
    if (h->status >= 200) {
        x->refusal_code = h->status;
    }
    exchange_pass_head(x, h);
}

static void
exchange_on_response_body(void *owner, struct span bytes)
{
    struct exchange *x = owner;
    if (x->tap != NULL && x->refusal.len + bytes.len <= REFUSAL_MAX) {
        /* A lost reason is no lost evidence. */
        (void)!buf_append(&x->refusal, bytes);
    }
    x->ops->body(x->front, bytes);
    if (x->state == EXCHANGE_ANSWERING && x->ops->is_full(x->front)) {
        call_pause(x->call);
    }
}

/* "403: pods "web" is forbidden …": the Status's message, if it is one. */
static void
refusal_reason(const struct exchange *x, char *out, size_t cap)
{
    const struct span body = buf_view(&x->refusal);
    json_t *root = json_loadb((const char *)body.ptr, body.len, 0, NULL);
    const char *message = json_string_value(json_object_get(root, "message"));
    snprintf(out, cap, "%u: %s", x->refusal_code,
        message != NULL ? message : http_reason(x->refusal_code));
    json_decref(root);
}

static void
exchange_on_response_end(
    void *owner, const struct http_field *trailers, size_t trailer_count)
{
    struct exchange *x = owner;
    const struct exchange_front *ops = x->ops;
    void *front = x->front;
    x->call = NULL;
    if (x->tap != NULL) {
        char reason[1024];
        refusal_reason(x, reason, sizeof reason);
        exchange_close_tap(x, META_REFUSED, reason);
    }
    exchange_retire(x);
    ops->finish(front, trailers, trailer_count);
}

static void
exchange_on_failed(void *owner, const char *why)
{
    struct exchange *x = owner;
    x->call = NULL;
    exchange_fail(x, why);
}

static void
exchange_on_call_room(void *owner)
{
    struct exchange *x = owner;
    x->ops->want_body(x->front, true);
}

/* ---- 101 ---- */

static struct span
subprotocol_of(const struct exchange *x, const struct http_head *h)
{
    const struct http_field *f = http_find(
        h, x->route.upgrade == ROUTE_UPGRADE_SPDY ? "X-Stream-Protocol-Version"
                                                  : "Sec-WebSocket-Protocol");
    return f != NULL ? f->value : SPAN_EMPTY;
}

/* What the session will be read with; NULL with OK for port-forward. */
static enum status
demux_for(const struct exchange *x, const struct http_head *h,
    struct demux **out, struct error *err)
{
    const struct http_field *upgrade = http_find(h, "Upgrade");
    const bool is_spdy = x->route.upgrade == ROUTE_UPGRADE_SPDY;
    *out = NULL;
    if (upgrade == NULL ||
        !span_eq_nocase(upgrade->value, is_spdy ? "SPDY/3.1" : "websocket")) {
        return error_set(err, STATUS_UNSUPPORTED,
            "the API server switched to another protocol than was asked for");
    }
    if (x->route.kind == ROUTE_PORT_FORWARD) {
        return STATUS_OK;
    }
    const struct demux_wish wish = {
        .tty = x->route.tty,
        .has_stdin = x->route.wants_stdin,
        .has_stdout = x->route.wants_stdout,
        .has_stderr = x->route.wants_stderr,
    };
    return demux_new(is_spdy ? META_SPDY : META_WEBSOCKET, subprotocol_of(x, h),
        &wish, out, err);
}

static void
exchange_on_upgraded(void *owner, const struct http_head *h, struct conn *back)
{
    struct exchange *x = owner;
    struct error err;
    struct demux *demux = NULL;
    struct http_message m;
    x->call = NULL;
    enum status st = demux_for(x, h, &demux, &err);
    if (st == STATUS_OK &&
        (tap_upgraded(x->tap, subprotocol_of(x, h)) != STATUS_OK ||
            rewrite_response(h, false, span_str(tap_id(x->tap)), &m) !=
                STATUS_OK)) {
        st = error_set(
            &err, STATUS_LIMIT, "its response has too many header fields");
    }
    if (st != STATUS_OK) {
        conn_close(&back);
        demux_free(&demux);
        exchange_fail(x, err.text);
        return;
    }
    x->ops->respond(x->front, &m);
    const struct session_parts parts = {
        .tap = x->tap,
        .demux = demux,
        .front = x->ops->take_conn(x->front),
        .back = back,
    };
    struct gateway *g = x->g;
    x->tap = NULL;
    exchange_retire(x);
    session_begin(g, &parts);
}

static const struct call_events call_events = {
    .on_response = exchange_on_response,
    .on_body = exchange_on_response_body,
    .on_body_end = exchange_on_response_end,
    .on_upgraded = exchange_on_upgraded,
    .on_room = exchange_on_call_room,
    .on_failed = exchange_on_failed,
};

/* ---- the call ---- */

static bool
is_session(const struct exchange *x)
{
    return x->tap != NULL;
}

/* "Bearer <token>" of whoever's power this is; nothing when the power is a
 * client certificate. */
static enum status
authorization_of(const struct exchange *x, struct buf *out)
{
    if (x->caller->power == CALLER_AS_PROXY) {
        const char *token = credential_token(x->g->credential);
        return token == NULL ? STATUS_OK : buf_printf(out, "Bearer %s", token);
    }
    struct buf scratch;
    struct span token = SPAN_EMPTY;
    bool is_ambiguous = false;
    buf_init(&scratch, LIMIT_HEAD_BYTES);
    enum status st = STATUS_DENIED; /* it was there when the caller was known */
    if (identity_bearer(x->request, &scratch, &token, &is_ambiguous)) {
        st = buf_append_str(out, "Bearer ");
        if (st == STATUS_OK) {
            st = buf_append(out, token);
        }
    }
    buf_wipe(&scratch);
    return st;
}

/* The texts a rewritten request needs, for as long as it is being encoded. */
struct request_texts {
    struct buf authorization;
    struct buf target;
    struct buf subprotocols;
    char client[ADDRESS_TEXT_MAX];
};

static enum status
request_texts_fill(struct exchange *x, struct request_texts *t)
{
    enum status st = authorization_of(x, &t->authorization);
    if (st == STATUS_OK) {
        st = buf_append(&t->target, upstream_path_prefix(x->g->upstream));
    }
    if (st == STATUS_OK) {
        st = buf_append(&t->target, x->request->target);
    }
    if (st == STATUS_OK && is_session(x)) {
        st = rewrite_subprotocols(x->request, &t->subprotocols);
    }
    address_format_host(x->ops->peer(x->front), t->client);
    return st;
}

static enum status
exchange_start_call(
    struct exchange *x, struct request_texts *t, struct error *err)
{
    enum status st = request_texts_fill(x, t);
    if (st != STATUS_OK) {
        return error_set(err, st, "the request's texts do not fit a head");
    }
    const struct rewrite r = {
        .host = upstream_host(x->g->upstream),
        .target = buf_view(&t->target),
        .client = span_str(t->client),
        .authorization = buf_view(&t->authorization),
        .session_id = is_session(x) ? span_str(tap_id(x->tap)) : SPAN_EMPTY,
        .is_upgrade = is_session(x),
        .subprotocols = buf_view(&t->subprotocols),
    };
    struct http_message m;
    st = rewrite_request(x->request, &r, &m);
    if (st != STATUS_OK) {
        return error_set(err, st, "the request has too many header fields");
    }
    return call_start(x->g->upstream,
        &(struct call_options){
            .head = &m,
            .with_certificate = x->caller->power == CALLER_AS_PROXY,
            .is_upgrade = is_session(x),
            .lsn = x->open_lsn,
        },
        &call_events, x, &x->call, err);
}

static void
exchange_call(struct exchange *x)
{
    struct request_texts t;
    struct error err;
    buf_init(&t.authorization, LIMIT_HEAD_BYTES);
    buf_init(&t.target, LIMIT_TARGET_BYTES + 4096);
    buf_init(&t.subprotocols, LIMIT_HEAD_BYTES);
    x->state = EXCHANGE_CALLING;
    const enum status st = exchange_start_call(x, &t, &err);
    buf_wipe(&t.authorization);
    buf_fini(&t.target);
    buf_fini(&t.subprotocols);
    if (st == STATUS_LIMIT) {
        exchange_deny(x, 431, err.text); /* with our own fields in it */
    } else if (st != STATUS_OK) {
        exchange_fail(x, err.text);
    } else {
        x->ops->want_body(x->front, true);
    }
}

/* ---- decisions ---- */

static enum status
exchange_open_tap(
    struct exchange *x, const struct pod_facts *pod, struct error *err)
{
    struct meta m;
    meta_init(&m);
    enum status st = session_facts_fill(
        &(struct session_facts){
            .request = x->request,
            .route = &x->route,
            .caller = x->caller,
            .peer = x->ops->peer(x->front),
            .cluster = x->g->config->cluster[0] != '\0'
                           ? x->g->config->cluster
                           : upstream_cluster(x->g->upstream),
            .config = x->g->config,
            .pod = pod,
        },
        &m);
    if (st != STATUS_OK) {
        meta_fini(&m);
        return error_set(err, st,
            st == STATUS_LIMIT ? "its command, or the list of its caller's "
                                 "groups, is longer than "
                                 "a recording can name"
                               : "no memory for the session's facts");
    }
    st = tap_open(x->g->journal, x->g->clock, x->g->metrics, &m, &x->tap, err);
    meta_fini(&m);
    return st;
}

static void
exchange_log_session(const struct exchange *x)
{
    const struct meta *m = tap_meta(x->tap);
    log_event(x->g->log, LOG_INFO, "session.open",
        LOG_S("session", tap_id(x->tap)), LOG_S("user", m->user),
        LOG_S("source", m->source), LOG_S("type", meta_type_name(m->type)),
        LOG_S("namespace", m->namespace), LOG_S("pod", m->pod),
        LOG_S("container", m->container),
        LOG_S("protocol", meta_protocol_name(m->protocol)));
}

/* A session that need not be recorded runs without the journal. */
static void
exchange_let_go_unrecorded(struct exchange *x, const char *why)
{
    const struct meta *m = tap_meta(x->tap);
    if (tap_is_required(x->tap) || tap_is_in_gap(x->tap)) {
        return;
    }
    log_event(x->g->log, LOG_WARN, "session.unrecorded",
        LOG_S("session", tap_id(x->tap)), LOG_S("user", m->user),
        LOG_S("pod", m->pod), LOG_S("why", why));
    tap_gap_begin(x->tap, why);
    x->open_lsn = 0;
    if (x->call != NULL) {
        call_ungate(x->call);
    }
}

/* Whether there is a tap now; if not, the request was denied. */
static bool
exchange_is_recorded(struct exchange *x, const struct pod_facts *pod)
{
    struct error err;
    struct journal_writer *j = x->g->journal;
    const char *why = journal_writer_why_not(j, JOURNAL_NEED_OPEN);
    if (why != NULL && x->g->config->record.mode == CONFIG_RECORD_REQUIRED) {
        error_set(&err, STATUS_LIMIT, UNRECORDABLE, why);
    } else if (exchange_open_tap(x, pod, &err) == STATUS_OK) {
        x->open_lsn = journal_writer_end(j);
        x->opened_ns = clock_mono_ns(x->g->clock);
        list_append(&x->g->opening, &x->opening);
        exchange_log_session(x);
        why = journal_writer_why_not(j, JOURNAL_NEED_WRITE);
        if (why != NULL) {
            exchange_let_go_unrecorded(x, why);
        }
        return true;
    }
    exchange_deny(x, 503, err.text);
    return false;
}

/* Its request has waited for its OPEN in vain, so nothing went upstream. */
static void
exchange_heed_one(struct exchange *x, const char *why)
{
    const uint64_t waited = clock_mono_ns(x->g->clock) - x->opened_ns;
    const uint64_t pause_ms = x->g->config->journal.pause_ms;
    struct error err;
    if (!tap_is_required(x->tap)) {
        why = journal_writer_why_not(x->g->journal, JOURNAL_NEED_WRITE);
        if (why != NULL) {
            exchange_let_go_unrecorded(x, why);
        }
        return;
    }
    if (x->open_lsn > x->g->env->released_lsn &&
        waited >= pause_ms * UINT64_C(1000000)) {
        error_set(&err, STATUS_LIMIT, UNRECORDABLE, why);
        exchange_deny(x, 503, err.text);
    }
}

void
exchange_heed_journal(struct gateway *g)
{
    struct list batch;
    const char *why = journal_writer_why_not(g->journal, JOURNAL_NEED_RECORD);
    if (why == NULL || list_is_empty(&g->opening)) {
        return;
    }
    list_move_all(&g->opening, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        list_append(&g->opening, hook);
        exchange_heed_one(LIST_ENTRY(hook, struct exchange, opening), why);
    }
}

static void
exchange_on_pod(void *ctx, const struct pod_facts *facts)
{
    struct exchange *x = ctx;
    x->lookup = NULL;
    if (exchange_is_recorded(x, facts)) {
        exchange_call(x);
    }
}

/* An exec that names its container needs no look at the pod; an attach may be
 * the second half of `kubectl debug`. */
static void
exchange_look_at_pod(struct exchange *x)
{
    static const struct pod_facts unknown = {.container = ""};
    struct buf authorization;
    const struct route *r = &x->route;
    if (r->kind == ROUTE_PORT_FORWARD ||
        (r->type == META_EXEC && r->container[0] != '\0')) {
        exchange_on_pod(x, &unknown);
        return;
    }
    x->state = EXCHANGE_LOOKING;
    buf_init(&authorization, LIMIT_HEAD_BYTES);
    enum status st = authorization_of(x, &authorization);
    if (st == STATUS_OK) {
        st = pod_lookup_start(x->g,
            &(struct pod_lookup_options){
                .namespace = r->namespace,
                .pod = r->pod,
                .container = r->container,
                .authorization = buf_view(&authorization),
                .with_certificate = x->caller->power == CALLER_AS_PROXY,
            },
            exchange_on_pod, x, &x->lookup, NULL);
    }
    buf_wipe(&authorization);
    if (st != STATUS_OK) {
        exchange_on_pod(x, &unknown);
    }
}

/* A session that is refused here still shows in the index. */
static void
exchange_deny_session(struct exchange *x, unsigned code, const char *why)
{
    static const struct pod_facts unknown = {.container = ""};
    if (exchange_is_recorded(x, &unknown)) {
        exchange_deny(x, code, why);
    }
}

static bool
asks_for_session(const struct exchange *x)
{
    return (x->route.kind == ROUTE_SESSION ||
               x->route.kind == ROUTE_PORT_FORWARD) &&
           x->route.upgrade != ROUTE_UPGRADE_NONE;
}

static void
exchange_with_credential(struct exchange *x)
{
    if (asks_for_session(x)) {
        exchange_look_at_pod(x);
    } else {
        exchange_call(x);
    }
}

static void
exchange_on_credential(void *ctx, const char *why)
{
    struct exchange *x = ctx;
    if (why != NULL) {
        exchange_lack_credential(x, why);
        return;
    }
    exchange_with_credential(x);
}

static void
exchange_get_credential(struct exchange *x)
{
    const char *why = NULL;
    if (x->caller->power == CALLER_AS_SELF) {
        exchange_with_credential(x);
        return;
    }
    x->state = EXCHANGE_CREDENTIAL;
    x->credential_wait.fn = exchange_on_credential;
    x->credential_wait.ctx = x;
    switch (credential_get(x->g->credential, &x->credential_wait, &why)) {
    case CREDENTIAL_READY:
        exchange_with_credential(x);
        return;
    case CREDENTIAL_WAIT:
        return;
    case CREDENTIAL_FAILED:
        exchange_lack_credential(x, why);
        return;
    }
}

static void
exchange_decide(struct exchange *x)
{
    switch (x->route.kind) {
    case ROUTE_PLAIN:
        exchange_get_credential(x);
        return;
    case ROUTE_SESSION:
    case ROUTE_PORT_FORWARD:
        /* Without the wish to upgrade no session can start: hop-by-hop
         * fields do not pass, and the API server answers 400. */
        if (x->route.upgrade == ROUTE_UPGRADE_UNKNOWN) {
            exchange_deny_session(x, 400,
                "the upgrade asked for is neither SPDY/3.1 nor websocket");
        } else {
            exchange_get_credential(x);
        }
        return;
    case ROUTE_NODE_SESSION:
        exchange_deny_session(x, 403,
            "sessions through nodes/proxy cannot be recorded: "
            "use kubectl exec or attach");
        return;
    case ROUTE_OTHER_UPGRADE:
        exchange_deny(x, 403,
            "this request asks for a connection that cannot be recorded");
        return;
    case ROUTE_REFUSED:
        exchange_deny(x, 400, x->route.why);
        return;
    }
}

static void
exchange_on_identity(void *ctx, enum identity_answer answer,
    struct caller *caller, const char *why)
{
    struct exchange *x = ctx;
    switch (answer) {
    case IDENTITY_FOUND:
        x->caller = caller;
        exchange_decide(x);
        return;
    case IDENTITY_WAIT:
        return;
    case IDENTITY_DENIED:
        exchange_deny(x, 401, why);
        return;
    case IDENTITY_UNAVAILABLE:
        exchange_deny(x, 503, why);
        return;
    }
}

/* ---- the front's side ---- */

void
exchange_begin(struct gateway *g, const struct exchange_front *ops, void *front,
    const struct http_head *request, struct exchange **out)
{
    struct exchange *x = calloc(1, sizeof *x);
    *out = x;
    if (x == NULL) {
        return;
    }
    x->g = g;
    x->ops = ops;
    x->front = front;
    x->request = request;
    list_init(&x->hook);
    list_init(&x->opening);
    list_init(&x->identity_wait.hook);
    list_init(&x->credential_wait.hook);
    buf_init(&x->refusal, REFUSAL_MAX);
    metrics_add(g->metrics, METRIC_REQUESTS, 1);
    if (route_classify(request, &x->route) != STATUS_OK) {
        exchange_deny(x, 503, "no memory for the request");
        return;
    }
    if (g->is_ending) {
        exchange_deny(x, 503, "the proxy is shutting down");
        return;
    }
    struct caller *caller = NULL;
    const char *why = "";
    x->identity_wait.fn = exchange_on_identity;
    x->identity_wait.ctx = x;
    const enum identity_answer answer =
        identity_find(g->identity, request, &x->identity_wait, &caller, &why);
    exchange_on_identity(x, answer, caller, why);
}

void
exchange_on_body(struct exchange *x, struct span bytes)
{
    if (x->call == NULL) {
        return; /* answered already; the rest is let pass by */
    }
    const enum status st = call_send_body(x->call, bytes);
    if (st == STATUS_CLOSED) {
        /* The server takes no more; its answer, or its end, is to come. */
        x->ops->want_body(x->front, false);
        return;
    }
    if (st != STATUS_OK) {
        exchange_fail(x, "the request body could not be sent");
        return;
    }
    if (call_is_full(x->call)) {
        x->ops->want_body(x->front, false);
    }
}

void
exchange_on_body_end(
    struct exchange *x, const struct http_field *trailers, size_t trailer_count)
{
    if (x->call != NULL &&
        call_end_body(x->call, trailers, trailer_count) != STATUS_OK) {
        exchange_fail(x, "the request body could not be sent");
    }
}

void
exchange_on_room(struct exchange *x)
{
    if (x->call != NULL) {
        call_resume(x->call);
    }
}
