#include "proxy/session.h"

#include "proxy/api_status.h"

#include <assert.h>
#include <stdlib.h>

#define GOODBYE_MAX 8192u

#define ENDED        "session ended"
#define UNRECORDABLE "this session was ended: it can no longer be recorded"

struct session;

static bool session_is_held(const struct session *s);
static void session_unhold(struct session *s);

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
    struct list held; /* in g->held: it cannot be recorded now */
    uint64_t held_since_ns;
    size_t overdraft; /* bytes it may still have of a begun frame */
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
    if (!tap_close(&s->tap, status, reason)) {
        log_event(s->g->log, LOG_ERROR, "session.lost",
            LOG_S("why", "nothing of it could be recorded, see session.end"));
    }
    conn_finish(&s->sides[FROM_CLIENT].conn);
    conn_finish(&s->sides[FROM_SERVER].conn);
    demux_free(&s->demux);
    list_drop(&s->running);
    list_drop(&s->stalled);
    session_unhold(s);
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

/* What the journal cannot keep now will not be delivered either. The mark of
 * the last that is. */
static uint32_t
session_give_up_gated(struct session *s)
{
    if (!journal_writer_is_blocked(s->g->journal)) {
        return demux_server_mark(s->demux);
    }
    (void)conn_drop_gated(s->sides[FROM_SERVER].conn);
    return conn_drop_gated(s->sides[FROM_CLIENT].conn);
}

static enum status
session_say_goodbye(
    struct session *s, uint32_t mark, const char *what, const char *why)
{
    struct buf status;
    struct buf goodbye;
    struct buf text;
    buf_init(&status, GOODBYE_MAX);
    buf_init(&goodbye, 2 * GOODBYE_MAX);
    buf_init(&text, GOODBYE_MAX);
    enum status st = buf_printf(&text, "\r\nkubetape: %s: %s\r\n", what, why);
    if (st == STATUS_OK) {
        st = api_status_encode(500, span_str(why), &status);
    }
    if (st == STATUS_OK) {
        st = demux_say_goodbye(
            s->demux, mark, buf_view(&text), buf_view(&status), &goodbye);
    }
    if (st == STATUS_OK) {
        st = conn_send(s->sides[FROM_CLIENT].conn, buf_view(&goodbye), 0);
    }
    buf_fini(&text);
    buf_fini(&status);
    buf_fini(&goodbye);
    return st;
}

/* Breaks the session off, and tells its user why if the protocol lets us. */
static void
session_break(struct session *s, const char *what, const char *why)
{
    if (s->demux != NULL) {
        const uint32_t mark = session_give_up_gated(s);
        /* A full or failed connection gets no message, only the end. */
        (void)!session_say_goodbye(s, mark, what, why);
        if (session_is_held(s) && !demux_mark_is_between(mark)) {
            /* To end politely within a frame would be a lie. */
            conn_reset(&s->sides[FROM_CLIENT].conn);
        }
    }
    session_finish(s, META_FAILED, why);
}

void
session_end_all(struct gateway *g, const char *why)
{
    struct list batch;
    list_move_all(&g->sessions, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        session_break(LIST_ENTRY(hook, struct session, running), ENDED, why);
    }
}

/* ---- while it cannot be recorded ---- */

static bool
session_is_held(const struct session *s)
{
    return !list_is_empty(&s->held);
}

static void
session_unhold(struct session *s)
{
    if (session_is_held(s)) {
        list_drop(&s->held);
        metrics_add(s->g->metrics, METRIC_SESSIONS_PAUSED, -1);
    }
}

/* A frame of the server that has begun may end, so that the client can be
 * told something behind it; but only where it can still be recorded. */
static bool
side_owes_frame(const struct side *side)
{
    const struct session *s = side->session;
    return side->from == FROM_SERVER && s->demux != NULL &&
           !demux_mark_is_between(demux_server_mark(s->demux)) &&
           s->overdraft > 0 && !journal_writer_is_blocked(s->g->journal);
}

static void
side_hold(struct side *side)
{
    if (!side_owes_frame(side)) {
        conn_pause(side->conn);
    }
}

static void
session_hold(struct session *s)
{
    if (session_is_held(s)) {
        return;
    }
    s->held_since_ns = clock_mono_ns(s->g->clock);
    s->overdraft = LIMIT_HELD_BYTES;
    list_append(&s->g->held, &s->held);
    metrics_add(s->g->metrics, METRIC_SESSIONS_PAUSED, 1);
    side_hold(&s->sides[FROM_CLIENT]);
    side_hold(&s->sides[FROM_SERVER]);
}

/* Unless it waits for its peer as well. */
static void
side_go_on(struct side *side)
{
    if (!session_is_held(side->session) && !conn_is_full(peer_of(side))) {
        conn_resume(side->conn);
    }
}

static void
session_go_on(struct session *s)
{
    side_go_on(&s->sides[FROM_CLIENT]);
    side_go_on(&s->sides[FROM_SERVER]);
}

/* It runs on unrecorded. What was appended before is recorded later; what
 * waited for that waits no longer. */
static void
session_gap_begin(struct session *s, const char *why)
{
    if (tap_is_in_gap(s->tap)) {
        return;
    }
    const bool is_first = tap_meta(s->tap)->gap_count == 0;
    log_event(s->g->log, is_first ? LOG_WARN : LOG_DEBUG, "session.gap",
        LOG_S("session", tap_id(s->tap)), LOG_S("why", why));
    tap_gap_begin(s->tap, why);
    conn_ungate(s->sides[FROM_CLIENT].conn);
    conn_ungate(s->sides[FROM_SERVER].conn);
    session_go_on(s);
}

static void
session_heed(struct session *s, const char *hold_why, const char *gap_why)
{
    if (!tap_is_required(s->tap)) {
        if (gap_why != NULL) {
            session_gap_begin(s, gap_why);
        } else {
            (void)!tap_gap_end(s->tap); /* or before the next that comes */
        }
    } else if (hold_why != NULL) {
        session_hold(s);
    } else if (session_is_held(s)) {
        session_unhold(s);
        session_go_on(s);
    }
}

static void
heed_all(struct gateway *g, const char *hold_why, const char *gap_why)
{
    struct list batch;
    list_move_all(&g->sessions, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        list_append(&g->sessions, hook);
        session_heed(
            LIST_ENTRY(hook, struct session, running), hold_why, gap_why);
    }
}

static void
end_overdue(struct gateway *g, const char *why)
{
    const uint64_t pause_ns = g->config->journal.pause_ms * UINT64_C(1000000);
    const uint64_t now = clock_mono_ns(g->clock);
    while (!list_is_empty(&g->held)) {
        struct session *s = LIST_ENTRY(g->held.next, struct session, held);
        if (now - s->held_since_ns < pause_ns) {
            return; /* the others came later */
        }
        metrics_add(g->metrics, METRIC_SESSIONS_UNRECORDABLE, 1);
        session_break(s, UNRECORDABLE, why);
    }
}

void
session_heed_journal(struct gateway *g)
{
    const char *hold_why =
        journal_writer_why_not(g->journal, JOURNAL_NEED_RECORD);
    const char *gap_why =
        journal_writer_why_not(g->journal, JOURNAL_NEED_WRITE);
    const bool is_holding = hold_why != NULL;
    const bool is_gapping = gap_why != NULL;
    /* What held within a turn and is well at its end leaves some behind. */
    const bool has_rest = !is_holding && !list_is_empty(&g->held);
    if (is_holding != g->is_holding || is_gapping != g->is_gapping ||
        has_rest) {
        g->is_holding = is_holding;
        g->is_gapping = is_gapping;
        heed_all(g, hold_why, gap_why);
    }
    if (is_holding) {
        end_overdue(g, hold_why);
    }
}

/* ---- bytes ---- */

enum progress {
    PROGRESS_ALL,     /* everything was taken */
    PROGRESS_STALLED, /* the journal has no room for more just now */
    PROGRESS_BROKEN,  /* refused; demux_why says why */
    PROGRESS_FAILED,  /* no memory, or the journal refused a record */
};

/* Best effort: whether another fact can be recorded, or passes unrecorded. */
static bool
side_may_try(struct side *side)
{
    struct session *s = side->session;
    struct journal_writer *j = s->g->journal;
    const char *why = journal_writer_why_not(j, JOURNAL_NEED_WRITE);
    if (why != NULL) {
        session_gap_begin(s, why);
    } else if (tap_gap_end(s->tap) != STATUS_OK) {
        return true; /* still in it */
    }
    return tap_is_in_gap(s->tap) ||
           journal_writer_has_room(j, LIMIT_READ_BYTES);
}

/* Whether another fact can be recorded now. */
static bool
side_may_read(struct side *side)
{
    struct session *s = side->session;
    struct journal_writer *j = s->g->journal;
    if (!tap_is_required(s->tap)) {
        return side_may_try(side);
    }
    if (journal_writer_why_not(j, JOURNAL_NEED_RECORD) != NULL) {
        session_hold(s);
    }
    return journal_writer_has_room(j, LIMIT_READ_BYTES) &&
           (!session_is_held(s) || side_owes_frame(side));
}

static void
side_draw(struct side *side, size_t bytes)
{
    struct session *s = side->session;
    s->overdraft = bytes < s->overdraft ? s->overdraft - bytes : 0;
}

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
        if (!side_may_read(side)) {
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
        side_draw(side, (size_t)(bytes->ptr - start) - safe_out->len);
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

static enum status
side_forward(struct side *side, struct span bytes, bool recorded)
{
    struct conn *to = peer_of(side);
    if (bytes.len == 0) {
        return STATUS_OK;
    }
    const struct gateway *g = side->session->g;
    conn_env_note_released(g->env, journal_writer_deliverable(g->journal));
    const uint64_t lsn = recorded ? journal_writer_end(g->journal) : 0;
    const enum status st = conn_send(to, bytes, lsn);
    if (st == STATUS_CLOSED && side->from == FROM_CLIENT) {
        return STATUS_OK; /* it may still have to say why */
    }
    if (st != STATUS_OK) {
        return st;
    }
    if (side->from == FROM_SERVER && side->session->demux != NULL) {
        conn_set_mark(to, demux_server_mark(side->session->demux));
    }
    if (conn_is_full(to)) {
        conn_pause(side->conn);
    }
    return STATUS_OK;
}

/* There was no memory for what should have been passed on. Its peer must not
 * take the rest for the whole. */
static void
side_tear(struct side *side)
{
    struct session *s = side->session;
    conn_reset(
        &s->sides[side->from == FROM_CLIENT ? FROM_SERVER : FROM_CLIENT].conn);
    session_finish(s, META_FAILED, "no memory to pass on what was said");
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
    const enum status st = side_forward(side, safe, recorded);
    if (st == STATUS_CLOSED) {
        session_finish_by_ends(s);
        return;
    }
    if (st != STATUS_OK) {
        side_tear(side);
        return;
    }
    switch (p) {
    case PROGRESS_ALL:
        if (session_is_held(s)) {
            side_hold(side);
        }
        return;
    case PROGRESS_STALLED:
        /* What is left in `bytes` is kept by the connection. */
        list_append(&s->g->stalled, &s->stalled);
        return;
    case PROGRESS_BROKEN:
        session_break(s, ENDED, demux_why(s->demux));
        return;
    case PROGRESS_FAILED:
        session_break(s, ENDED, "the session could not be recorded");
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
    side_go_on(&side->session->sides[side->from == FROM_CLIENT ? FROM_SERVER
                                                               : FROM_CLIENT]);
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
    struct session *s = p.front == NULL ? NULL : calloc(1, sizeof *s);
    if (s == NULL) {
        conn_close(&p.front);
        conn_close(&p.back);
        demux_free(&p.demux);
        (void)tap_close(&p.tap, META_FAILED, "no memory for the session");
        return;
    }
    s->g = g;
    s->tap = p.tap;
    s->demux = p.demux;
    list_init(&s->running);
    list_init(&s->stalled);
    list_init(&s->held);
    list_append(&g->sessions, &s->running);
    side_init(s, FROM_CLIENT, p.front);
    side_init(s, FROM_SERVER, p.back);
    if (s->demux != NULL) {
        conn_set_mark(p.front, demux_server_mark(s->demux));
    }
    if (g->is_holding || g->is_gapping) {
        session_heed(s, journal_writer_why_not(g->journal, JOURNAL_NEED_RECORD),
            journal_writer_why_not(g->journal, JOURNAL_NEED_WRITE));
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
        session_go_on(LIST_ENTRY(hook, struct session, stalled));
    }
}
