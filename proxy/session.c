#include "proxy/session.h"

#include "proxy/api_status.h"

#include <assert.h>
#include <stdlib.h>

#define GOODBYE_MAX 8192u

struct session;

/* One direction's source. */
struct side {
    struct session *session;
    enum channel_from from;
    struct conn *conn;
    bool is_over; /* it sends no more */
    bool is_clean;
};

struct session {
    struct gateway *g;
    struct tap *tap;
    struct demux *demux;
    struct side sides[2]; /* by enum channel_from */
    struct list running;
    struct list stalled;
};

static const struct conn_events side_events;

static struct conn *
peer_of(const struct side *side)
{
    return side->session
        ->sides[side->from == FROM_CLIENT ? FROM_SERVER : FROM_CLIENT]
        .conn;
}

/* ---- the end ---- */

static void
session_log_end(
    const struct session *s, enum meta_status status, const char *reason)
{
    const struct meta *m = tap_meta(s->tap);
    log_event(s->g->log, LOG_INFO, "session.end",
        LOG_S("session", tap_id(s->tap)),
        LOG_S("status", meta_status_name(status)), LOG_S("reason", reason),
        LOG_I("stdin", m->bytes[STREAM_STDIN]),
        LOG_I("stdout", m->bytes[STREAM_STDOUT]),
        LOG_I("stderr", m->bytes[STREAM_STDERR]));
}

/* What waits to be sent is still sent; nothing more is read. */
static void
session_finish(struct session *s, enum meta_status status, const char *reason)
{
    session_log_end(s, status, reason);
    tap_close(&s->tap, status, reason);
    conn_finish(&s->sides[FROM_CLIENT].conn);
    conn_finish(&s->sides[FROM_SERVER].conn);
    demux_free(&s->demux);
    list_drop(&s->running);
    list_drop(&s->stalled);
    free(s);
}

/* Whether the session has said all that belongs to it. */
static bool
session_is_told(const struct session *s)
{
    const struct side *server = &s->sides[FROM_SERVER];
    if (s->demux == NULL || tap_has_status(s->tap) || demux_is_over(s->demux)) {
        return true;
    }
    return !demux_has_status(s->demux) && server->is_over && server->is_clean;
}

static void
session_finish_by_ends(struct session *s)
{
    const struct side *server = &s->sides[FROM_SERVER];
    if (session_is_told(s)) {
        session_finish(s, META_COMPLETE, "");
    } else if (demux_has_left(s->demux, FROM_CLIENT)) {
        /* However the server took it: its end may be seen first. */
        session_finish(s, META_COMPLETE, "the client disconnected");
    } else if (server->is_over && !server->is_clean) {
        session_finish(
            s, META_FAILED, "the connection to the API server was cut");
    } else if (s->sides[FROM_CLIENT].is_over) {
        session_finish(s, META_COMPLETE, "the client disconnected");
    } else {
        session_finish(
            s, META_FAILED, "the API server ended the session early");
    }
}

/* Breaks the session off, and tells its user why if the protocol lets us. */
static void
session_break(struct session *s, const char *why)
{
    struct buf status;
    struct buf goodbye;
    buf_init(&status, GOODBYE_MAX);
    buf_init(&goodbye, 2 * GOODBYE_MAX);
    struct buf text;
    buf_init(&text, GOODBYE_MAX);
    if (s->demux != NULL &&
        buf_printf(&text, "\r\nkubetape: session ended: %s\r\n", why) ==
            STATUS_OK &&
        api_status_encode(500, span_str(why), &status) == STATUS_OK &&
        demux_say_goodbye(s->demux, buf_view(&text), buf_view(&status),
            &goodbye) == STATUS_OK) {
        /* A full or failed connection gets no message, only the end. */
        (void)!conn_send(s->sides[FROM_CLIENT].conn, buf_view(&goodbye), 0);
    }
    buf_fini(&text);
    buf_fini(&status);
    buf_fini(&goodbye);
    session_finish(s, META_FAILED, why);
}

void
session_end_all(struct gateway *g, const char *why)
{
    struct list batch;
    list_move_all(&g->sessions, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        session_break(LIST_ENTRY(hook, struct session, running), why);
    }
}

/* ---- bytes ---- */

enum progress {
    PROGRESS_ALL,     /* everything was taken */
    PROGRESS_STALLED, /* the journal has no room for more just now */
    PROGRESS_BROKEN,  /* refused; demux_why says why */
    PROGRESS_FAILED,  /* no memory, or the journal refused a record */
};

/* Reads along in `bytes` and records; *safe_out is the part that may go on,
 * *recorded_out whether it must wait for the journal. */
static enum progress
side_read_along(struct side *side, struct span *bytes, struct span *safe_out,
    bool *recorded_out)
{
    struct session *s = side->session;
    const uint8_t *start = bytes->ptr;
    *safe_out = span_of(start, 0);
    for (;;) {
        if (!journal_writer_has_room(s->g->journal, LIMIT_READ_BYTES)) {
            return PROGRESS_STALLED;
        }
        struct channel_fact fact;
        const enum feed fed = demux_next(s->demux, side->from, bytes, &fact);
        if (fed == FEED_BAD) {
            return PROGRESS_BROKEN;
        }
        if (fed == FEED_PIECE &&
            tap_fact(s->tap, side->from, &fact, recorded_out) != STATUS_OK) {
            return PROGRESS_FAILED;
        }
        safe_out->len = (size_t)(bytes->ptr - start);
        if (fed == FEED_MORE) {
            return PROGRESS_ALL;
        }
    }
}

/* Port-forward: counted, never recorded. */
static enum progress
side_count(struct side *side, struct span *bytes, struct span *safe_out)
{
    const enum journal_stream stream =
        side->from == FROM_CLIENT ? STREAM_STDIN : STREAM_STDOUT;
    tap_count(side->session->tap, stream, bytes->len);
    *safe_out = *bytes;
    (void)span_skip(bytes, bytes->len);
    return PROGRESS_ALL;
}

static bool
side_forward(struct side *side, struct span bytes, bool recorded)
{
    struct conn *to = peer_of(side);
    if (bytes.len == 0) {
        return true;
    }
    const struct gateway *g = side->session->g;
    conn_env_note_released(g->env, journal_writer_deliverable(g->journal));
    const uint64_t lsn = recorded ? journal_writer_end(g->journal) : 0;
    const enum status st = conn_send(to, bytes, lsn);
    if (st == STATUS_CLOSED && side->from == FROM_CLIENT) {
        return true; /* a server that takes no more may still have to say why */
    }
    if (st != STATUS_OK) {
        return false;
    }
    if (conn_is_full(to)) {
        conn_pause(side->conn);
    }
    return true;
}

static void
side_on_bytes(void *owner, struct span *bytes)
{
    struct side *side = owner;
    struct session *s = side->session;
    struct span safe = SPAN_EMPTY;
    bool recorded = false;
    const enum progress p = s->demux != NULL
                                ? side_read_along(side, bytes, &safe, &recorded)
                                : side_count(side, bytes, &safe);
    if (!side_forward(side, safe, recorded)) {
        session_finish_by_ends(s);
        return;
    }
    switch (p) {
    case PROGRESS_ALL:
        return;
    case PROGRESS_STALLED:
        /* What is left in `bytes` is kept by the connection. */
        list_append(&s->g->stalled, &s->stalled);
        return;
    case PROGRESS_BROKEN:
        session_break(s, demux_why(s->demux));
        return;
    case PROGRESS_FAILED:
        session_break(s, "the session could not be recorded");
        return;
    }
}

/* ---- the other events ---- */

static void
side_on_end(void *owner, bool is_clean)
{
    struct side *side = owner;
    struct session *s = side->session;
    side->is_over = true;
    side->is_clean = is_clean;
    struct conn *other = peer_of(side);
    if (!is_clean || s->sides[FROM_SERVER].is_over) {
        /* The server's end is the session's: it is passed on after all that
         * it said. A cut client has nobody left to talk to. */
        session_finish_by_ends(s);
        return;
    }
    conn_end(other);
}

static void
side_on_failed(void *owner, const char *why)
{
    struct side *side = owner;
    struct session *s = side->session;
    (void)why;
    side->is_over = true;
    side->is_clean = false;
    conn_close(&side->conn);
    session_finish_by_ends(s);
}

static void
side_on_room(void *owner)
{
    struct side *side = owner;
    conn_resume(peer_of(side));
}

static void
side_on_open(void *owner)
{
    (void)owner; /* both were open before the session began */
}

static const struct conn_events side_events = {
    .on_open = side_on_open,
    .on_bytes = side_on_bytes,
    .on_end = side_on_end,
    .on_room = side_on_room,
    .on_failed = side_on_failed,
};

/* ---- the beginning ---- */

static void
side_init(struct session *s, enum channel_from from, struct conn *conn)
{
    struct side *side = &s->sides[from];
    side->session = s;
    side->from = from;
    side->conn = conn;
    conn_set_owner(conn, &side_events, side);
    conn_deadline(conn, 0, NULL);
    conn_pause(conn);
    conn_resume(conn);
}

void
session_begin(struct gateway *g, const struct session_parts *parts)
{
    struct session_parts p = *parts;
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        conn_close(&p.front);
        conn_close(&p.back);
        demux_free(&p.demux);
        tap_close(&p.tap, META_FAILED, "no memory for the session");
        return;
    }
    s->g = g;
    s->tap = p.tap;
    s->demux = p.demux;
    list_init(&s->running);
    list_init(&s->stalled);
    list_append(&g->sessions, &s->running);
    side_init(s, FROM_CLIENT, p.front);
    side_init(s, FROM_SERVER, p.back);
}

/* Unless it waits for its peer as well. */
static void
side_go_on(struct side *side)
{
    if (!conn_is_full(peer_of(side))) {
        conn_resume(side->conn);
    }
}

void
session_run_stalled(struct gateway *g)
{
    if (!journal_writer_has_room(g->journal, LIMIT_READ_BYTES)) {
        return;
    }
    struct list batch;
    list_move_all(&g->stalled, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        struct session *s = LIST_ENTRY(hook, struct session, stalled);
        side_go_on(&s->sides[FROM_CLIENT]);
        side_go_on(&s->sides[FROM_SERVER]);
    }
}
