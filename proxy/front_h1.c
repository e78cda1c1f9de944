#include "proxy/front_h1.h"

#include "proxy/exchange.h"
#include "proxy/http_body.h"
#include "proxy/http_send.h"

#include <stdlib.h>
#include <unistd.h>

/* Of an answer's head. */
#define ANSWER_HEAD_MAX (2u * LIMIT_HEAD_BYTES)

/* How the answer's body is written. */
enum answer_body {
    ANSWER_NONE, /* HEAD, 204, 304 */
    ANSWER_RAW,  /* counted by Content-Length, or ended by close */
    ANSWER_CHUNKED,
};

/* One request, from its head to the end of its answer. */
struct request {
    struct http_head head;
    struct http_body_reader body;
    struct exchange *exchange; /* NULL: over */
    enum answer_body answer;
    bool is_body_over;
    bool is_body_wanted;
    bool is_answered; /* finish was called */
};

struct front {
    struct gateway *g;
    struct list hook; /* g->fronts, or g->dead_fronts */
    struct conn *conn;
    struct http_head_reader reader;
    struct request *request; /* NULL: a head is next */
    bool is_head_begun;      /* and its deadline runs */
    bool has_answered;       /* a request, at least */
    bool must_close;         /* after this answer */
    bool is_cut;             /* a part of it could not be kept */
    bool is_busy;            /* in front_on_bytes: it goes on by itself */
};

static const struct exchange_front front_ops;

/* ---- the end ---- */

static void
request_free(struct request **rp)
{
    if (*rp != NULL) {
        http_body_fini(&(*rp)->body);
        free(*rp);
        *rp = NULL;
    }
}

static void
front_retire(struct front *f)
{
    if (f->request != NULL && f->request->exchange != NULL) {
        struct exchange *x = f->request->exchange;
        f->request->exchange = NULL;
        exchange_on_front_gone(x);
    }
    list_append(&f->g->dead_fronts, &f->hook);
}

void
front_h1_bury(struct gateway *g)
{
    for (struct list *hook = list_take(&g->dead_fronts); hook != NULL;
         hook = list_take(&g->dead_fronts)) {
        struct front *f = LIST_ENTRY(hook, struct front, hook);
        request_free(&f->request);
        http_head_fini(&f->reader);
        free(f);
    }
}

static void
front_close(struct front *f)
{
    conn_close(&f->conn);
    front_retire(f);
}

/* ---- from one request to the next ---- */

static void
front_wait_for_request(struct front *f)
{
    conn_deadline(f->conn, f->g->is_draining ? LIMIT_HEAD_MS : LIMIT_IDLE_MS,
        "no request for too long");
}

static void
front_make_ready(struct front *f)
{
    f->has_answered = true;
    request_free(&f->request);
    http_head_reset(&f->reader);
    front_wait_for_request(f);
}

/* The answer is out: closes, or makes ready for the next request. */
static void
front_answered(struct front *f)
{
    if (f->must_close || !f->request->is_body_over || f->g->is_draining) {
        conn_finish(&f->conn);
        front_retire(f);
        return;
    }
    front_make_ready(f);
    if (!f->is_busy) {
        conn_resume(f->conn);
    }
}

/* ---- what the exchange wants ---- */

static enum status
front_send_head(struct front *f, const struct http_message *m)
{
    struct buf bytes;
    buf_init(&bytes, ANSWER_HEAD_MAX);
    enum status st = http_message_encode(m, &bytes);
    if (st == STATUS_OK) {
        st = conn_send(f->conn, buf_view(&bytes), 0);
    }
    buf_fini(&bytes);
    return st;
}

/* A part of the answer is missing, so nothing may follow it. (A connection that
 * takes no more says so itself.) */
static void
front_miss(struct front *f, enum status why)
{
    f->must_close = true;
    f->is_cut |= why != STATUS_CLOSED;
}

static void
front_interim(void *front, const struct http_message *m)
{
    struct front *f = front;
    if (f->request->head.minor == 0) {
        return; /* RFC 9110 15.2: never to HTTP/1.0 */
    }
    if (front_send_head(f, m) != STATUS_OK) {
        f->must_close = true; /* the client can do without it */
    }
}

/* Picks the framing that this client understands. */
static void
front_frame(struct front *f, struct http_message *m)
{
    struct request *r = f->request;
    const bool is_old = r->head.minor == 0;
    if (m->has_no_length || span_eq_str(r->head.method, "HEAD")) {
        r->answer = ANSWER_NONE;
        return;
    }
    if (m->framing == HTTP_BODY_UNTIL_CLOSE && !is_old) {
        m->framing = HTTP_BODY_CHUNKED;
    } else if (m->framing == HTTP_BODY_CHUNKED && is_old) {
        m->framing = HTTP_BODY_UNTIL_CLOSE;
    }
    r->answer = m->framing == HTTP_BODY_CHUNKED ? ANSWER_CHUNKED : ANSWER_RAW;
    f->must_close |= m->framing == HTTP_BODY_UNTIL_CLOSE;
}

static void
front_respond(void *front, const struct http_message *m)
{
    struct front *f = front;
    struct http_message mine = *m;
    if (m->status == 101) {
        f->request->answer = ANSWER_NONE;
    } else {
        front_frame(f, &mine);
        f->must_close |= !f->request->head.keep_alive ||
                         !f->request->is_body_over || f->g->is_draining;
        mine.must_close = f->must_close;
    }
    const enum status st = front_send_head(f, &mine);
    if (st != STATUS_OK) {
        front_miss(f, st);
    }
}

static void
front_body(void *front, struct span bytes)
{
    struct front *f = front;
    enum status st = STATUS_OK;
    if (f->is_cut) {
        return;
    }
    switch (f->request->answer) {
    case ANSWER_NONE:
        break;
    case ANSWER_RAW:
        st = conn_send(f->conn, bytes, 0);
        break;
    case ANSWER_CHUNKED:
        st = http_send_chunk(f->conn, bytes);
        break;
    }
    if (st != STATUS_OK) {
        front_miss(f, st);
    }
}

/* No proper end: the client must see that the answer is cut. */
static void
front_abort(void *front, const char *why)
{
    struct front *f = front;
    (void)why;
    f->request->exchange = NULL;
    front_close(f);
}

static void
front_finish(
    void *front, const struct http_field *trailers, size_t trailer_count)
{
    struct front *f = front;
    if (!f->is_cut && f->request->answer == ANSWER_CHUNKED) {
        const enum status st =
            http_send_last_chunk(f->conn, trailers, trailer_count);
        if (st != STATUS_OK) {
            front_miss(f, st);
        }
    }
    if (f->is_cut) {
        front_abort(f, "no memory for the answer");
        return;
    }
    f->request->exchange = NULL;
    f->request->is_answered = true;
    front_answered(f);
}

static bool
front_is_full(const void *front)
{
    const struct front *f = front;
    return conn_is_full(f->conn);
}

static void
front_want_body(void *front, bool wanted)
{
    struct front *f = front;
    f->request->is_body_wanted = wanted;
    if (wanted && !f->is_busy) {
        conn_resume(f->conn);
    }
}

static struct conn *
front_take_conn(void *front)
{
    struct front *f = front;
    struct conn *conn = f->conn;
    f->conn = NULL;
    f->request->exchange = NULL;
    if (f->is_cut) {
        conn_close(&conn);
    }
    front_retire(f);
    return conn;
}

static const struct address *
front_peer(const void *front)
{
    const struct front *f = front;
    return conn_peer(f->conn);
}

static const struct exchange_front front_ops = {
    .interim = front_interim,
    .respond = front_respond,
    .body = front_body,
    .finish = front_finish,
    .abort = front_abort,
    .is_full = front_is_full,
    .want_body = front_want_body,
    .take_conn = front_take_conn,
    .peer = front_peer,
};

/* ---- what the client sends ---- */

static struct request *
request_new(void)
{
    struct request *r = calloc(1, sizeof *r);
    if (r != NULL) {
        http_body_init(&r->body, HTTP_BODY_NONE, 0);
    }
    return r;
}

/* A head that cannot be read gets its answer, and nothing after it is. */
static void
front_refuse_head(struct front *f)
{
    struct request *r = request_new();
    if (r == NULL) {
        front_close(f);
        return;
    }
    r->head.minor = 1;
    r->head.method = SPAN_EMPTY;
    f->request = r;
    f->must_close = true;
    log_event(
        f->g->log, LOG_INFO, "request.unreadable", LOG_S("why", f->reader.why));
    metrics_add(f->g->metrics, METRIC_REQUESTS_REFUSED, 1);
    exchange_refuse(&front_ops, f, f->reader.bad_status, f->reader.why);
}

static void
front_begin(struct front *f, struct request *r)
{
    f->request = r;
    f->must_close = !r->head.keep_alive;
    f->is_head_begun = false;
    r->is_body_over = !http_has_body(&r->head);
    http_body_init(&r->body, r->head.framing, r->head.length);
    conn_deadline(f->conn, 0, NULL);
    exchange_begin(f->g, &front_ops, f, &r->head, &r->exchange);
    if (f->request == r && r->exchange == NULL && !r->is_answered) {
        front_close(f); /* no memory */
    }
}

/* Whether there is more to do with the bytes in hand. */
static bool
front_step_head(struct front *f, struct span *bytes)
{
    if (bytes->len == 0 || conn_is_full(f->conn)) {
        return false; /* a client that takes no answers asks no more */
    }
    struct request *r = request_new();
    if (r == NULL) {
        front_close(f);
        return false;
    }
    switch (http_head_next(&f->reader, bytes, &r->head)) {
    case FEED_PIECE:
        front_begin(f, r);
        return true;
    case FEED_MORE:
        if (http_head_is_partial(&f->reader) && !f->is_head_begun) {
            f->is_head_begun = true;
            conn_deadline(f->conn, LIMIT_HEAD_MS,
                "the request head did not arrive in time");
        }
        request_free(&r);
        return false;
    case FEED_BAD:
        request_free(&r);
        front_refuse_head(f);
        return false;
    }
    return false;
}

static bool
front_step_body(struct front *f, struct span *bytes)
{
    struct request *r = f->request;
    struct http_body_piece piece;
    if (r->is_body_over || (!r->is_body_wanted && bytes->len > 0)) {
        return false;
    }
    switch (http_body_next(&r->body, bytes, &piece)) {
    case FEED_PIECE:
        if (piece.fact == HTTP_BODY_PIECE) {
            exchange_on_body(r->exchange, piece.bytes);
        } else {
            r->is_body_over = true;
            exchange_on_body_end(
                r->exchange, piece.trailers, piece.trailer_count);
        }
        return true;
    case FEED_MORE:
        return false;
    case FEED_BAD:
        log_event(f->g->log, LOG_INFO, "request.unreadable",
            LOG_S("why", r->body.why));
        front_close(f);
        return false;
    }
    return false;
}

static void
front_on_bytes(void *owner, struct span *bytes)
{
    struct front *f = owner;
    bool goes_on = true;
    f->is_busy = true;
    while (goes_on && f->conn != NULL) {
        goes_on = f->request == NULL ? front_step_head(f, bytes)
                                     : front_step_body(f, bytes);
    }
    f->is_busy = false;
}

/* ---- the other events ---- */

static void
front_on_end(void *owner, bool is_clean)
{
    struct front *f = owner;
    const struct request *r = f->request;
    if (is_clean && r == NULL) {
        conn_finish(&f->conn); /* the last answer may still be on its way */
        front_retire(f);
        return;
    }
    if (!is_clean || !r->is_body_over) {
        front_close(f);
        return;
    }
    /* It may wait for the answer (RFC 9112 9.6), or be gone: an answer that
     * never ends must not keep it for ever. */
    f->must_close = true;
    conn_deadline(f->conn, LIMIT_HALF_CLOSED_MS, "half-closed for too long");
}

static void
front_on_room(void *owner)
{
    struct front *f = owner;
    if (f->request == NULL) {
        conn_resume(f->conn);
    } else if (f->request->exchange != NULL) {
        exchange_on_room(f->request->exchange);
    }
}

static void
front_on_failed(void *owner, const char *why)
{
    struct front *f = owner;
    log_event(f->g->log, LOG_DEBUG, "client.failed", LOG_S("why", why));
    front_close(f);
}

static void
front_on_open(void *owner)
{
    front_wait_for_request(owner);
}

static const struct conn_events front_events = {
    .on_open = front_on_open,
    .on_bytes = front_on_bytes,
    .on_end = front_on_end,
    .on_room = front_on_room,
    .on_failed = front_on_failed,
};

void
front_h1_accept(struct gateway *g, int fd, struct tls_context *tls)
{
    struct front *f = calloc(1, sizeof *f);
    struct error err;
    if (f == NULL) {
        close(fd);
        return;
    }
    f->g = g;
    list_init(&f->hook);
    http_head_init(&f->reader, HTTP_REQUEST);
    if (conn_accept(g->env, fd, tls, &front_events, f, &f->conn, &err) !=
        STATUS_OK) {
        log_error(g->log, "client.accept_failed", &err);
        http_head_fini(&f->reader);
        free(f);
        return;
    }
    conn_deadline(f->conn, LIMIT_HANDSHAKE_MS,
        "the TLS handshake was not finished in time");
    list_append(&g->fronts, &f->hook);
}

/* A client may send again on another connection what a kept one did not
 * take, but is owed an answer on one that was accepted just now. */
static void
front_drain(struct front *f)
{
    if (f->request != NULL) {
        return;
    }
    if (f->has_answered || f->g->is_ending) {
        conn_finish(&f->conn);
        front_retire(f);
    } else if (!f->is_head_begun) {
        front_wait_for_request(f);
    }
}

void
front_h1_drain(struct gateway *g)
{
    struct list batch;
    list_move_all(&g->fronts, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        struct front *f = LIST_ENTRY(hook, struct front, hook);
        list_append(&g->fronts, &f->hook);
        front_drain(f);
    }
}

void
front_h1_close_all(struct gateway *g)
{
    for (struct list *hook = list_take(&g->fronts); hook != NULL;
         hook = list_take(&g->fronts)) {
        front_close(LIST_ENTRY(hook, struct front, hook));
    }
}
