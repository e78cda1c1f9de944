/* See upstream.h. A `back` is one connection to the server with at most one
 * call on it; a call outlives its back only when it is tried again. */
#include "proxy/upstream.h"

#include "proxy/http_send.h"
#include "proxy/resolver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct back {
    struct upstream *upstream;
    struct conn *conn;
    struct call *call; /* NULL: idle in the pool, or dead */
    struct list hook;  /* pool, or dead */
    bool with_certificate;
    uint64_t generation; /* of the credentials it was made with */
    bool is_reused;
    bool is_in_body;  /* of a response; else a head is next */
    bool may_be_kept; /* what the response's head said */
    bool is_paused;
    struct http_head_reader head;
    struct http_body_reader body;
};

struct call {
    const struct call_events *events;
    void *owner;
    struct back *back;
    struct buf head; /* encoded, kept until it is sure to have arrived */
    uint64_t lsn;
    enum http_framing framing;
    uint64_t body_left; /* HTTP_BODY_LENGTH */
    bool is_head_method;
    bool is_upgrade;
    bool with_certificate;
    bool may_retry; /* idempotent, and nothing of a body was sent */
    bool is_sent;   /* the request is whole */
};

struct upstream {
    struct conn_env *env;
    const struct kubeconfig *kubeconfig;
    struct credential *credential;
    struct resolver *resolver;
    struct resolver_answer servers; /* where it is, as far as we know */
    size_t server_next;
    char *host_field;
    struct list pool[2]; /* without, with client certificate */
    size_t pool_count;
    struct list dead;
    struct http_head scratch; /* the head being delivered */
};

static const struct conn_events back_events;

static void upstream_move_on(struct upstream *u);

/* ---- backs ---- */

static void
back_close(struct back *b)
{
    conn_close(&b->conn);
    b->call = NULL;
    list_append(&b->upstream->dead, &b->hook);
}

void
upstream_bury(struct upstream *u)
{
    for (struct list *hook = list_take(&u->dead); hook != NULL;
         hook = list_take(&u->dead)) {
        struct back *b = LIST_ENTRY(hook, struct back, hook);
        http_head_fini(&b->head);
        http_body_fini(&b->body);
        free(b);
    }
}

static enum status
back_connect(struct upstream *u, bool with_certificate, struct back **out,
    struct error *err)
{
    struct back *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a connection");
    }
    b->upstream = u;
    b->with_certificate = with_certificate;
    b->generation = credential_generation(u->credential);
    list_init(&b->hook);
    http_head_init(&b->head, HTTP_RESPONSE);
    http_body_init(&b->body, HTTP_BODY_NONE, 0);
    const struct address *to =
        &u->servers.addresses[u->server_next % u->servers.count];
    const enum status st =
        conn_connect(u->env, to, u->kubeconfig->tls_server_name,
            credential_tls(u->credential, with_certificate), &back_events, b,
            &b->conn, err);
    if (st != STATUS_OK) {
        upstream_move_on(u);
        back_close(b);
        return st;
    }
    conn_deadline(b->conn, LIMIT_HANDSHAKE_MS,
        "the API server did not answer the connection in time");
    *out = b;
    return STATUS_OK;
}

/* One made with older credentials speaks as whom the proxy was then. */
static bool
back_is_current(const struct back *b)
{
    return !b->with_certificate ||
           b->generation == credential_generation(b->upstream->credential);
}

static struct back *
pool_take(struct upstream *u, bool with_certificate)
{
    for (struct list *hook = list_take(&u->pool[with_certificate]);
         hook != NULL; hook = list_take(&u->pool[with_certificate])) {
        struct back *b = LIST_ENTRY(hook, struct back, hook);
        u->pool_count--;
        /* What a server said unasked would be read as the next answer; what it
         * has closed would cost a request that may not be repeated. */
        if (back_is_current(b) && conn_is_quiet(b->conn)) {
            b->is_reused = true;
            conn_deadline(b->conn, 0, NULL);
            return b;
        }
        back_close(b);
    }
    return NULL;
}

static void
pool_put(struct back *b)
{
    struct upstream *u = b->upstream;
    if (u->pool_count >= LIMIT_POOL || !back_is_current(b)) {
        back_close(b);
        return;
    }
    b->call = NULL;
    list_push(&u->pool[b->with_certificate], &b->hook);
    u->pool_count++;
    conn_deadline(b->conn, LIMIT_POOL_IDLE_MS, "idle");
    if (b->is_paused) {
        b->is_paused = false;
        conn_resume(b->conn);
    }
}

/* ---- the ends of a call ---- */

static void
call_free(struct call *c)
{
    buf_wipe(&c->head); /* it may hold a bearer token */
    free(c);
}

static void
call_fail(struct call *c, const char *why)
{
    const struct call_events *events = c->events;
    void *owner = c->owner;
    if (c->back != NULL) {
        back_close(c->back);
    }
    call_free(c);
    events->on_failed(owner, why);
}

void
call_ungate(struct call *c)
{
    c->lsn = 0; /* also of a second try */
    if (c->back != NULL) {
        conn_ungate(c->back->conn);
    }
}

void
call_cancel(struct call **cp)
{
    struct call *c = *cp;
    *cp = NULL;
    if (c != NULL) {
        if (c->back != NULL) {
            back_close(c->back);
        }
        call_free(c);
    }
}

/* `is_exact`: nothing came behind the response. A server that says more would
 * answer the next request with that. */
static void
call_complete(struct call *c, bool is_exact)
{
    struct back *b = c->back;
    const struct call_events *events = c->events;
    void *owner = c->owner;
    const struct http_field *trailers = b->body.trailers;
    const size_t trailer_count = b->body.trailer_count;
    const bool is_kept = is_exact && b->may_be_kept && c->is_sent &&
                         !c->is_upgrade && conn_may_send(b->conn);
    b->call = NULL;
    b->is_in_body = false;
    call_free(c);
    events->on_body_end(owner, trailers, trailer_count);
    http_body_fini(&b->body);
    http_body_init(&b->body, HTTP_BODY_NONE, 0);
    if (is_kept) {
        pool_put(b);
    } else {
        back_close(b);
    }
}

static enum status
call_place(
    struct call *c, struct upstream *u, bool may_reuse, struct error *err)
{
    struct back *b = may_reuse ? pool_take(u, c->with_certificate) : NULL;
    if (b == NULL) {
        const enum status st = back_connect(u, c->with_certificate, &b, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    c->back = b;
    b->call = c;
    const enum status st = conn_send(b->conn, buf_view(&c->head), c->lsn);
    return st == STATUS_OK
               ? STATUS_OK
               : error_set(err, st, "the request head could not be sent");
}

/* A kept connection may have been closed by the server at the moment when it
 * was taken: what has no effect twice is tried once more, on a new one. */
static bool
call_retry(struct call *c)
{
    struct back *b = c->back;
    struct upstream *u = b->upstream;
    if (!b->is_reused || !c->may_retry || b->is_in_body ||
        http_head_is_partial(&b->head)) {
        return false;
    }
    back_close(b);
    c->back = NULL;
    c->may_retry = false;
    struct error err;
    return call_place(c, u, false, &err) == STATUS_OK;
}

/* ---- what the server sends ---- */

/* The final head. False: the call is over. */
static bool
back_on_final_head(struct back *b, const struct http_head *h)
{
    struct call *c = b->call;
    b->is_in_body = true;
    b->may_be_kept = h->keep_alive && h->framing != HTTP_BODY_UNTIL_CLOSE;
    http_body_fini(&b->body);
    http_body_init(
        &b->body, c->is_head_method ? HTTP_BODY_NONE : h->framing, h->length);
    c->events->on_response(c->owner, h);
    if (b->call != c) {
        return false;
    }
    http_head_reset(&b->head);
    return true;
}

static bool
back_on_upgraded(struct back *b, const struct http_head *h)
{
    struct call *c = b->call;
    if (!c->is_upgrade) {
        call_fail(c, "the API server switched protocols unasked");
        return false;
    }
    struct conn *conn = b->conn;
    const struct call_events *events = c->events;
    void *owner = c->owner;
    b->conn = NULL;
    call_free(c);
    events->on_upgraded(owner, h, conn);
    back_close(b);
    return false;
}

static bool
back_on_head(struct back *b, const struct http_head *h)
{
    if (h->status == 101) {
        return back_on_upgraded(b, h);
    }
    if (h->status >= 200) {
        return back_on_final_head(b, h);
    }
    struct call *c = b->call;
    c->events->on_response(c->owner, h);
    if (b->call != c) {
        return false;
    }
    http_head_reset(&b->head);
    return true;
}

/* One fact of the response; false: stop, the call is over or must wait. */
static bool
back_step_head(struct back *b, struct span *bytes)
{
    struct http_head *h = &b->upstream->scratch;
    switch (http_head_next(&b->head, bytes, h)) {
    case FEED_PIECE:
        return back_on_head(b, h);
    case FEED_MORE:
        return false;
    case FEED_BAD:
        call_fail(b->call, b->head.why);
        return false;
    }
    return false;
}

static bool
back_step_body(struct back *b, struct span *bytes)
{
    struct call *c = b->call;
    struct http_body_piece piece;
    switch (http_body_next(&b->body, bytes, &piece)) {
    case FEED_PIECE:
        if (piece.fact == HTTP_BODY_END) {
            call_complete(c, bytes->len == 0);
            return false;
        }
        c->events->on_body(c->owner, piece.bytes);
        /* Paused or not: an end that needs no more bytes is told now, since
         * no byte will come to tell it later. */
        return b->call == c && (!b->is_paused || bytes->len == 0);
    case FEED_MORE:
        return false;
    case FEED_BAD:
        call_fail(c, b->body.why);
        return false;
    }
    return false;
}

static void
back_on_bytes(void *owner, struct span *bytes)
{
    struct back *b = owner;
    if (b->call == NULL) {
        /* A server that speaks unasked on a kept connection would answer the
         * next request with that. */
        list_drop(&b->hook);
        b->upstream->pool_count--;
        back_close(b);
        return;
    }
    if (b->is_paused) {
        return;
    }
    bool goes_on = true;
    while (goes_on) {
        goes_on =
            b->is_in_body ? back_step_body(b, bytes) : back_step_head(b, bytes);
    }
}

static void
back_lost(struct back *b, const char *why)
{
    struct call *c = b->call;
    if (c == NULL) {
        list_drop(&b->hook);
        b->upstream->pool_count--;
        back_close(b);
    } else if (!call_retry(c)) {
        upstream_move_on(b->upstream);
        call_fail(c, why);
    }
}

static void
back_on_end(void *owner, bool is_clean)
{
    struct back *b = owner;
    if (b->call != NULL && b->is_in_body && is_clean &&
        http_body_closed(&b->body)) {
        call_complete(b->call, true);
        return;
    }
    back_lost(b, "the API server closed the connection");
}

static void
back_on_failed(void *owner, const char *why)
{
    back_lost(owner, why);
}

static void
back_on_room(void *owner)
{
    struct back *b = owner;
    if (b->call != NULL) {
        b->call->events->on_room(b->call->owner);
    }
}

static void
back_on_open(void *owner)
{
    (void)owner;
}

static const struct conn_events back_events = {
    .on_open = back_on_open,
    .on_bytes = back_on_bytes,
    .on_end = back_on_end,
    .on_room = back_on_room,
    .on_failed = back_on_failed,
};

/* ---- what the caller does ---- */

static bool
is_idempotent(struct span method) /* RFC 9110 9.2.2 */
{
    static const char *const methods[] = {
        "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (span_eq_str(method, methods[i])) {
            return true;
        }
    }
    return false;
}

enum status
call_start(struct upstream *u, const struct call_options *o,
    const struct call_events *events, void *owner, struct call **out,
    struct error *err)
{
    struct call *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a request");
    }
    c->events = events;
    c->owner = owner;
    c->lsn = o->lsn;
    c->framing = o->head->framing;
    c->body_left = o->head->length;
    c->is_head_method = span_eq_str(o->head->method, "HEAD");
    c->is_upgrade = o->is_upgrade;
    c->with_certificate = o->with_certificate;
    c->may_retry = is_idempotent(o->head->method) && !o->is_upgrade;
    c->is_sent = c->framing == HTTP_BODY_NONE ||
                 (c->framing == HTTP_BODY_LENGTH && c->body_left == 0);
    buf_init(&c->head, 2 * LIMIT_HEAD_BYTES);
    enum status st = http_message_encode(o->head, &c->head);
    if (st == STATUS_OK) {
        st = call_place(c, u, !o->is_upgrade, err);
    } else {
        (void)error_set(err, st, "the request head is too long");
    }
    if (st != STATUS_OK) {
        call_cancel(&c);
        return st;
    }
    *out = c;
    return STATUS_OK;
}

enum status
call_send_body(struct call *c, struct span bytes)
{
    c->may_retry = false;
    if (c->framing == HTTP_BODY_CHUNKED) {
        return http_send_chunk(c->back->conn, bytes);
    }
    assert(bytes.len <= c->body_left);
    c->body_left -= bytes.len;
    return conn_send(c->back->conn, bytes, 0);
}

enum status
call_end_body(
    struct call *c, const struct http_field *trailers, size_t trailer_count)
{
    assert(c->framing != HTTP_BODY_LENGTH || c->body_left == 0);
    c->is_sent = true;
    return c->framing == HTTP_BODY_CHUNKED
               ? http_send_last_chunk(c->back->conn, trailers, trailer_count)
               : STATUS_OK;
}

bool
call_is_full(const struct call *c)
{
    return conn_is_full(c->back->conn);
}

void
call_pause(struct call *c)
{
    c->back->is_paused = true;
    conn_pause(c->back->conn);
}

void
call_resume(struct call *c)
{
    if (c->back->is_paused) {
        c->back->is_paused = false;
        conn_resume(c->back->conn);
    }
}

/* ---- life ---- */

static void
upstream_on_answer(void *ctx, const struct resolver_answer *answer)
{
    struct upstream *u = ctx;
    u->servers = *answer;
    u->server_next = 0;
}

/* The next call tries another address, and the name is looked up again. */
static void
upstream_move_on(struct upstream *u)
{
    u->server_next++;
    resolver_ask(u->resolver, clock_mono_ns(u->env->clock));
}

static char *
host_field_new(const struct kubeconfig *k)
{
    struct buf text;
    const char *copy = NULL;
    char *out = NULL;
    buf_init(&text, 1024);
    /* An IPv6 address takes brackets (RFC 3986 3.2.2). */
    const bool is_v6 = strchr(k->host, ':') != NULL;
    if (buf_printf(&text, is_v6 ? "[%s]:%s" : "%s:%s", k->host, k->port) ==
            STATUS_OK &&
        buf_cstr(&text, &copy) == STATUS_OK) {
        out = strdup(copy);
    }
    buf_fini(&text);
    return out;
}

enum status
upstream_open(struct conn_env *env, const struct kubeconfig *k,
    struct credential *credential, struct upstream **out, struct error *err)
{
    struct upstream *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the upstream");
    }
    u->env = env;
    u->kubeconfig = k;
    u->credential = credential;
    list_init(&u->pool[0]);
    list_init(&u->pool[1]);
    list_init(&u->dead);
    u->host_field = host_field_new(k);
    enum status st =
        u->host_field == NULL
            ? error_set(err, STATUS_NO_MEMORY, "no memory for the upstream")
            : resolver_look_up(k->host, k->port, &u->servers, err);
    if (st == STATUS_OK) {
        st = resolver_open(env->loop, k->host, k->port, upstream_on_answer, u,
            &u->resolver, err);
    }
    if (st != STATUS_OK) {
        upstream_close(&u);
        return st;
    }
    *out = u;
    return STATUS_OK;
}

void
upstream_close(struct upstream **up)
{
    struct upstream *u = *up;
    *up = NULL;
    if (u == NULL) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        for (struct list *hook = list_take(&u->pool[i]); hook != NULL;
             hook = list_take(&u->pool[i])) {
            back_close(LIST_ENTRY(hook, struct back, hook));
        }
    }
    upstream_bury(u);
    resolver_close(&u->resolver);
    free(u->host_field);
    free(u);
}

struct span
upstream_host(const struct upstream *u)
{
    return span_str(u->host_field);
}

struct span
upstream_path_prefix(const struct upstream *u)
{
    return span_str(u->kubeconfig->path_prefix);
}

const char *
upstream_cluster(const struct upstream *u)
{
    return u->kubeconfig->cluster_name;
}
