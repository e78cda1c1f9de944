/* See conn.h. The trap that shaped this file: any callback may close any
 * connection, so lists are walked by taking from their front, and memory is
 * freed only when the turn is over. */
#include "proxy/conn.h"

#include "base/buf.h"
#include "proxy/conn_gate.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A fast peer may be read this often before others get their turn. */
#define READ_ROUNDS 4

/* An idle connection keeps this much room, so that keystrokes allocate
 * nothing, and gives back what a burst needed. */
#define OUT_KEPT_BYTES 4096u

/* From this size on a piece is worth a TLS record, and a system call, of its
 * own: 16 KiB is the record's limit (RFC 8446 5.1). */
#define JOIN_BYTES (16u << 10)

enum conn_state {
    CONN_CONNECTING, /* TCP is owed */
    CONN_SHAKING,    /* the TLS handshake is owed */
    CONN_OPEN,
    CONN_LINGERING, /* ownerless: all is sent, the peer's end is owed */
    CONN_FAILED,    /* the owner was told, and owes conn_close */
    CONN_CLOSED,    /* only the memory is left */
};

enum conn_sending {
    SENDING_OPEN,
    SENDING_ENDING, /* close_notify is owed after what waits */
    SENDING_ENDED,
};

struct conn {
    struct conn_env *env;
    const struct conn_events *events;
    void *owner;
    int fd;
    struct tls *tls;
    struct loop_watch *watch;
    struct address peer;
    enum conn_state state;
    enum conn_sending sending;
    bool is_reading_over; /* the peer ended, and the owner knows */
    bool is_paused;
    bool is_finishing; /* ownerless: close when all is sent */
    bool wants_write;  /* TLS asked for it, whatever we wanted */
    bool was_full;
    bool is_joined;        /* small pieces wait for the end of this turn */
    bool was_used;         /* `out` was, since the last look */
    struct buf in;         /* read, left by the owner */
    struct buf out;        /* to be sent */
    struct conn_gate gate; /* over the end of `out` */
    uint32_t mark;         /* the owner's, of all that was sent so far */
    uint64_t deadline_ns;  /* 0: none */
    const char *deadline_why;
    struct list all; /* or env->dead */
    struct list waiting;
    struct list ready;
};

/* ---- life ---- */

static void conn_on_events(void *ctx, int events);

/* Who owns a connection that finishes: its owner may be gone already. */
static void
nobody_hears(void *owner)
{
    (void)owner;
}

static void
nobody_takes(void *owner, struct span *bytes)
{
    (void)owner;
    (void)span_skip(bytes, bytes->len);
}

static void
nobody_sees_end(void *owner, bool is_clean)
{
    (void)owner;
    (void)is_clean;
}

static void
nobody_asks_why(void *owner, const char *why)
{
    (void)owner;
    (void)why;
}

static const struct conn_events nobody = {
    .on_open = nobody_hears,
    .on_bytes = nobody_takes,
    .on_end = nobody_sees_end,
    .on_room = nobody_hears,
    .on_failed = nobody_asks_why,
};

void
conn_env_init(struct conn_env *env, struct loop *loop,
    const struct clock *clock, const struct log *log)
{
    env->loop = loop;
    env->clock = clock;
    env->log = log;
    env->count = 0;
    env->has_joined = false;
    env->finishing_count = 0;
    env->released_lsn = 0;
    list_init(&env->all);
    list_init(&env->waiting);
    list_init(&env->ready);
    list_init(&env->dead);
}

static struct conn *
conn_alloc(
    struct conn_env *env, int fd, const struct conn_events *events, void *owner)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->env = env;
    c->fd = fd;
    c->events = events;
    c->owner = owner;
    buf_init(&c->in, LIMIT_READ_BYTES);
    buf_init(&c->out, LIMIT_OUT_BYTES);
    list_init(&c->all);
    list_init(&c->waiting);
    list_init(&c->ready);
    list_push(&env->all, &c->all);
    env->count++;
    return c;
}

static void
conn_shut(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    c->state = CONN_CLOSED;
    loop_watch_close(&c->watch);
    tls_free(&c->tls);
    close(c->fd);
    c->fd = -1;
    buf_wipe(&c->in); /* either may hold a bearer token */
    buf_wipe(&c->out);
    list_drop(&c->waiting);
    list_drop(&c->ready);
    list_push(&c->env->dead, &c->all);
    c->env->count--;
    c->env->finishing_count -= c->is_finishing ? 1 : 0;
}

void
conn_close(struct conn **c)
{
    if (*c != NULL) {
        conn_shut(*c);
        *c = NULL;
    }
}

void
conn_env_bury(struct conn_env *env)
{
    for (struct list *hook = list_take(&env->dead); hook != NULL;
         hook = list_take(&env->dead)) {
        free(LIST_ENTRY(hook, struct conn, all));
    }
}

void
conn_env_close_all(struct conn_env *env)
{
    for (struct list *hook = list_take(&env->all); hook != NULL;
         hook = list_take(&env->all)) {
        conn_shut(LIST_ENTRY(hook, struct conn, all));
    }
    conn_env_bury(env);
}

static void
conn_fail(struct conn *c, const char *why)
{
    if (c->state == CONN_FAILED || c->state == CONN_CLOSED) {
        return;
    }
    if (c->is_finishing) {
        conn_shut(c);
        return;
    }
    c->state = CONN_FAILED;
    loop_watch_set(c->watch, 0);
    c->events->on_failed(c->owner, why);
}

static enum status
conn_prepare(struct conn *c, struct error *err)
{
    const int on = 1;
    /* Keystrokes must not wait for Nagle; a vanished peer must be noticed. */
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return loop_watch_open(
        c->env->loop, c->fd, conn_on_events, c, &c->watch, err);
}

enum status
conn_accept(struct conn_env *env, int fd, struct tls_context *tls,
    const struct conn_events *events, void *owner, struct conn **out,
    struct error *err)
{
    struct conn *c = conn_alloc(env, fd, events, owner);
    if (c == NULL) {
        close(fd);
        return error_set(err, STATUS_NO_MEMORY, "no memory for a connection");
    }
    c->peer.len = sizeof c->peer.sa;
    if (getpeername(fd, (struct sockaddr *)&c->peer.sa, &c->peer.len) != 0) {
        c->peer.len = 0;
    }
    c->state = CONN_SHAKING;
    enum status st = conn_prepare(c, err);
    if (st == STATUS_OK) {
        st = tls_accept(tls, fd, &c->tls);
    }
    if (st != STATUS_OK) {
        conn_shut(c);
        return st;
    }
    loop_watch_set(c->watch, LOOP_READ);
    *out = c;
    return STATUS_OK;
}

enum status
conn_connect(struct conn_env *env, const struct address *to, const char *name,
    struct tls_context *tls, const struct conn_events *events, void *owner,
    struct conn **out, struct error *err)
{
    const int fd =
        socket(to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return error_sys(err, errno, "socket");
    }
    struct conn *c = conn_alloc(env, fd, events, owner);
    if (c == NULL) {
        close(fd);
        return error_set(err, STATUS_NO_MEMORY, "no memory for a connection");
    }
    c->peer = *to;
    c->state = CONN_CONNECTING;
    enum status st = conn_prepare(c, err);
    if (st == STATUS_OK) {
        st = tls_connect(tls, fd, name, &c->tls);
    }
    if (st == STATUS_OK &&
        connect(fd, (const struct sockaddr *)&to->sa, to->len) != 0 &&
        errno != EINPROGRESS) {
        st = error_sys(err, errno, "connect");
    }
    if (st != STATUS_OK) {
        conn_shut(c);
        return st;
    }
    loop_watch_set(c->watch, LOOP_WRITE);
    *out = c;
    return STATUS_OK;
}

void
conn_set_owner(struct conn *c, const struct conn_events *events, void *owner)
{
    c->events = events;
    c->owner = owner;
}

/* ---- interest ---- */

static size_t
conn_sendable(const struct conn *c)
{
    return c->out.len - conn_gate_len(&c->gate);
}

static bool
conn_may_read(const struct conn *c)
{
    return c->state == CONN_OPEN && !c->is_reading_over && !c->is_paused;
}

static void
conn_update_watch(struct conn *c)
{
    if (c->state != CONN_OPEN) {
        return;
    }
    int events = 0;
    if (conn_may_read(c) && c->in.len == 0) {
        events |= LOOP_READ;
    }
    if (c->wants_write || (conn_sendable(c) > 0 && !c->is_joined)) {
        events |= LOOP_WRITE;
    }
    loop_watch_set(c->watch, events);
}

/* ---- sending ---- */

/* Closing a socket with unread bytes resets it, and the reset can overtake
 * the last bytes sent (RFC 9112 9.6): reads on until the peer closes or the
 * deadline comes. */
static void
conn_linger(struct conn *c)
{
    (void)shutdown(c->fd, SHUT_WR);
    c->state = CONN_LINGERING;
    loop_watch_set(c->watch, LOOP_READ);
}

static void
conn_discard(struct conn *c)
{
    ssize_t n = 1;
    for (int round = 0; round < READ_ROUNDS && n > 0; round++) {
        n = read(c->fd, c->env->read_bytes, sizeof c->env->read_bytes);
    }
    if (n > 0) {
        return; /* level-triggered: the rest has its turn */
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        conn_shut(c);
    }
}

static void
conn_send_end(struct conn *c)
{
    switch (tls_end(c->tls)) {
    case TLS_WANT_READ:
    case TLS_WANT_WRITE:
        c->wants_write = true;
        return;
    case TLS_DONE:
    case TLS_EOF:
    case TLS_CUT:
    case TLS_FAILED:
        break;
    }
    c->wants_write = false;
    c->sending = SENDING_ENDED;
    if (c->is_finishing) {
        conn_linger(c);
    }
}

/* The peer takes no more, but what it said before may still be here: the
 * answer to a request whose body it did not want, for instance. */
static void
conn_stop_sending(struct conn *c)
{
    c->sending = SENDING_ENDED;
    buf_clear(&c->out);
    (void)conn_gate_clear(&c->gate, 0);
    list_drop(&c->waiting);
    if (c->is_finishing) {
        conn_shut(c);
    }
}

/* A peer that goes on taking gets all of it, however slowly. */
static void
conn_finish_deadline(struct conn *c)
{
    conn_deadline(c, LIMIT_FINISH_MS, "took too long to take the last bytes");
}

/* Sends what may be sent; false when the connection has failed or gone. */
static bool
conn_flush(struct conn *c)
{
    const size_t had = c->out.len;
    c->wants_write = false;
    while (conn_sendable(c) > 0) {
        size_t n = 0;
        const struct span some = {c->out.data + c->out.off, conn_sendable(c)};
        const enum tls_result r = tls_write(c->tls, some, &n);
        if (r == TLS_DONE) {
            buf_consume(&c->out, n);
        } else if (r == TLS_WANT_WRITE || r == TLS_WANT_READ) {
            c->wants_write = r == TLS_WANT_WRITE;
            break;
        } else if (r == TLS_CUT && !c->is_reading_over) {
            conn_stop_sending(c);
            break;
        } else {
            conn_fail(c, tls_why(c->tls));
            return false;
        }
    }
    if (c->is_finishing && c->out.len < had) {
        conn_finish_deadline(c);
    }
    if (c->out.len == 0) {
        if (c->sending == SENDING_ENDING) {
            conn_send_end(c);
        }
    }
    if (c->state != CONN_OPEN) {
        return false;
    }
    conn_update_watch(c);
    if (c->was_full && c->out.len <= LIMIT_OUT_LOW_BYTES) {
        c->was_full = false;
        c->events->on_room(c->owner);
    }
    return c->state == CONN_OPEN;
}

/* Small pieces wait for the end of the turn, so that a head and its body, or
 * the frames of many reads, leave in one TLS record. */
static void
conn_join(struct conn *c)
{
    c->is_joined = true;
    c->env->has_joined = true;
    list_append(&c->env->waiting, &c->waiting);
}

static enum status
conn_queue(struct conn *c, struct span bytes, uint64_t lsn)
{
    const enum status st = buf_append(&c->out, bytes);
    if (st != STATUS_OK) {
        return st;
    }
    if (lsn > 0) {
        conn_gate_add(&c->gate, bytes.len, lsn, c->mark);
        list_append(&c->env->waiting, &c->waiting);
    } else if (conn_gate_len(&c->gate) > 0) {
        conn_gate_join(&c->gate, bytes.len);
    }
    c->was_used = true;
    c->was_full |= conn_is_full(c);
    return STATUS_OK;
}

bool
conn_may_send(const struct conn *c)
{
    return c->state <= CONN_OPEN && c->sending == SENDING_OPEN;
}

enum status
conn_send(struct conn *c, struct span bytes, uint64_t lsn)
{
    if (!conn_may_send(c)) {
        return STATUS_CLOSED;
    }
    if (lsn <= c->env->released_lsn) {
        lsn = 0; /* the gate is open for these */
    }
    const bool is_open = lsn == 0 && c->state == CONN_OPEN;
    if (is_open && bytes.len < JOIN_BYTES && conn_gate_len(&c->gate) == 0) {
        conn_join(c);
    } else if (is_open && c->out.len == 0) {
        size_t n = 0;
        /* A failure shows again in the flush, where it is dealt with. */
        while (bytes.len > 0 && tls_write(c->tls, bytes, &n) == TLS_DONE) {
            (void)span_skip(&bytes, n);
        }
    }
    if (bytes.len == 0) {
        return STATUS_OK;
    }
    const enum status st = conn_queue(c, bytes, lsn);
    conn_update_watch(c);
    return st;
}

void
conn_set_mark(struct conn *c, uint32_t mark)
{
    c->mark = mark;
}

uint32_t
conn_drop_gated(struct conn *c)
{
    c->out.len -= conn_gate_len(&c->gate);
    c->mark = conn_gate_clear(&c->gate, c->mark);
    return c->mark;
}

void
conn_ungate(struct conn *c)
{
    (void)conn_gate_clear(&c->gate, 0);
    conn_update_watch(c);
}

void
conn_env_note_released(struct conn_env *env, uint64_t lsn)
{
    if (lsn > env->released_lsn) {
        env->released_lsn = lsn;
    }
}

void
conn_env_release(struct conn_env *env, uint64_t lsn)
{
    struct list batch;
    conn_env_note_released(env, lsn);
    env->has_joined = false;
    list_move_all(&env->waiting, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        struct conn *c = LIST_ENTRY(hook, struct conn, waiting);
        conn_gate_release(&c->gate, lsn);
        if (conn_gate_len(&c->gate) > 0) {
            list_append(&env->waiting, &c->waiting);
        }
        c->is_joined = false;
        if (c->state == CONN_OPEN) {
            (void)conn_flush(c);
        }
    }
    if (env->has_joined) {
        loop_again(env->loop); /* a callback sent something meanwhile */
    }
}

void
conn_end(struct conn *c)
{
    if (c->sending != SENDING_OPEN) {
        return;
    }
    c->sending = SENDING_ENDING;
    if (c->state == CONN_OPEN && c->out.len == 0) {
        conn_send_end(c);
        conn_update_watch(c);
    }
}

void
conn_finish(struct conn **cp)
{
    struct conn *c = *cp;
    *cp = NULL;
    if (c == NULL) {
        return;
    }
    if (c->state != CONN_OPEN) {
        conn_shut(c);
        return;
    }
    conn_set_owner(c, &nobody, NULL);
    c->is_finishing = true;
    c->is_paused = true;
    c->env->finishing_count++;
    conn_finish_deadline(c);
    if (c->sending == SENDING_ENDED) {
        conn_linger(c);
        return;
    }
    conn_end(c);
    if (c->state == CONN_OPEN) {
        conn_update_watch(c);
    }
}

void
conn_reset(struct conn **cp)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (*cp != NULL && (*cp)->state != CONN_CLOSED) {
        (void)setsockopt(
            (*cp)->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    conn_close(cp);
}

bool
conn_is_full(const struct conn *c)
{
    return c->out.len > LIMIT_OUT_HIGH_BYTES;
}

size_t
conn_unsent(const struct conn *c)
{
    return c->out.len;
}

/* ---- reading ---- */

/* The owner left bytes. Unless it has asked for them already (a new owner
 * does, before the old one's callback returns), they wait for its word. */
static void
conn_pause_for_rest(struct conn *c)
{
    c->is_paused = list_is_empty(&c->ready);
}

/* Offers bytes to the owner and keeps what it leaves. */
static void
conn_offer(struct conn *c, struct span bytes)
{
    c->events->on_bytes(c->owner, &bytes);
    if (c->state != CONN_OPEN || bytes.len == 0) {
        return;
    }
    conn_pause_for_rest(c);
    if (buf_append(&c->in, bytes) != STATUS_OK) {
        conn_fail(c, "no memory for received bytes");
    }
}

static void
conn_reading_ended(struct conn *c, enum tls_result r)
{
    if (r == TLS_FAILED) {
        conn_fail(c, tls_why(c->tls));
        return;
    }
    c->is_reading_over = true;
    conn_update_watch(c);
    c->events->on_end(c->owner, r == TLS_EOF);
}

/* Fills the shared buffer once; the answer says why it stopped. */
static enum tls_result
conn_fill(struct conn *c, size_t *len_out)
{
    enum tls_result r = TLS_DONE;
    size_t len = 0;
    while (len < LIMIT_READ_BYTES) {
        size_t n = 0;
        r = tls_read(
            c->tls, c->env->read_bytes + len, LIMIT_READ_BYTES - len, &n);
        if (r != TLS_DONE) {
            break;
        }
        len += n;
    }
    *len_out = len;
    return r;
}

/* Others have their turn. What is decrypted already no descriptor signals. */
static void
conn_read_on_later(struct conn *c)
{
    if (conn_may_read(c) && tls_has_pending(c->tls)) {
        list_append(&c->env->ready, &c->ready);
        loop_again(c->env->loop);
    }
}

static void
conn_read(struct conn *c)
{
    int rounds = 0;
    while (conn_may_read(c) && c->in.len == 0) {
        size_t len = 0;
        const enum tls_result r = conn_fill(c, &len);
        if (len > 0) {
            conn_offer(c, span_of(c->env->read_bytes, len));
        }
        if (c->state != CONN_OPEN) {
            return;
        }
        if (r == TLS_WANT_READ || r == TLS_WANT_WRITE) {
            c->wants_write |= r == TLS_WANT_WRITE;
            break;
        }
        if (r != TLS_DONE && c->in.len > 0) {
            break; /* the end is seen again when the rest has been taken */
        }
        if (r != TLS_DONE) {
            conn_reading_ended(c, r);
            return;
        }
        rounds++;
        if (rounds >= READ_ROUNDS) {
            conn_read_on_later(c);
            break;
        }
    }
    conn_update_watch(c);
}

/* Not by conn_read: this may run inside another connection's on_bytes, whose
 * bytes are in the shared buffer. */
bool
conn_is_quiet(struct conn *c)
{
    uint8_t byte = 0;
    size_t n = 0;
    return c->state == CONN_OPEN && !c->is_reading_over && c->in.len == 0 &&
           tls_read(c->tls, &byte, sizeof byte, &n) == TLS_WANT_READ;
}

void
conn_pause(struct conn *c)
{
    c->is_paused = true;
    list_drop(&c->ready);
    conn_update_watch(c);
}

void
conn_resume(struct conn *c)
{
    if (!c->is_paused || c->is_finishing) {
        return;
    }
    c->is_paused = false;
    list_append(&c->env->ready, &c->ready);
    loop_again(c->env->loop);
}

static void
conn_run_ready(struct conn *c)
{
    if (c->in.len > 0 && conn_may_read(c)) {
        struct span left = buf_view(&c->in);
        const size_t had = left.len;
        c->events->on_bytes(c->owner, &left);
        if (c->state != CONN_OPEN) {
            return;
        }
        buf_consume(&c->in, had - left.len);
        buf_shrink(&c->in);
        if (c->in.len > 0) {
            conn_pause_for_rest(c);
        }
    }
    conn_read(c);
}

void
conn_env_run_ready(struct conn_env *env)
{
    struct list batch; /* what becomes ready again waits for the next turn */
    list_move_all(&env->ready, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        struct conn *c = LIST_ENTRY(hook, struct conn, ready);
        if (c->state == CONN_OPEN) {
            conn_run_ready(c);
        }
    }
}

/* ---- events ---- */

static void
conn_connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        conn_fail(c, strerror(error));
        return;
    }
    c->state = CONN_SHAKING;
}

static void
conn_shake(struct conn *c)
{
    switch (tls_handshake(c->tls)) {
    case TLS_DONE:
        c->state = CONN_OPEN;
        c->deadline_ns = 0;
        c->events->on_open(c->owner);
        if (c->state == CONN_OPEN && conn_flush(c)) {
            conn_read(c);
        }
        return;
    case TLS_WANT_READ:
        loop_watch_set(c->watch, LOOP_READ);
        return;
    case TLS_WANT_WRITE:
        loop_watch_set(c->watch, LOOP_WRITE);
        return;
    case TLS_EOF:
    case TLS_CUT:
    case TLS_FAILED:
        conn_fail(c, tls_why(c->tls));
        return;
    }
}

static void
conn_on_events(void *ctx, int events)
{
    struct conn *c = ctx;
    if (c->state == CONN_CONNECTING) {
        conn_connected(c);
    }
    if (c->state == CONN_SHAKING) {
        conn_shake(c);
        return;
    }
    if (c->state == CONN_LINGERING) {
        conn_discard(c);
        return;
    }
    if (c->state == CONN_OPEN && (events & LOOP_WRITE) != 0 && !conn_flush(c)) {
        return;
    }
    if (c->state == CONN_OPEN && (events & (LOOP_READ | LOOP_HANGUP)) != 0) {
        conn_read(c);
    }
}

/* ---- deadlines ---- */

void
conn_deadline(struct conn *c, uint64_t from_now_ms, const char *why)
{
    c->deadline_why = why;
    c->deadline_ns = from_now_ms == 0 ? 0
                                      : clock_mono_ns(c->env->clock) +
                                            from_now_ms * 1000000u;
}

/* A burst's memory goes when a second has passed without one: freeing it at
 * every drain would fault it in again at the next. */
static void
conn_give_back(struct conn *c)
{
    if (c->out.len == 0 && c->out.cap > OUT_KEPT_BYTES && !c->was_used) {
        buf_shrink(&c->out);
    }
    c->was_used = false;
}

void
conn_env_check_deadlines(struct conn_env *env)
{
    const uint64_t now = clock_mono_ns(env->clock);
    struct list batch;
    list_move_all(&env->all, &batch);
    for (struct list *hook = list_take(&batch); hook != NULL;
         hook = list_take(&batch)) {
        struct conn *c = LIST_ENTRY(hook, struct conn, all);
        list_push(&env->all, &c->all);
        conn_give_back(c);
        if (c->deadline_ns != 0 && c->deadline_ns <= now) {
            c->deadline_ns = 0;
            conn_fail(c, c->deadline_why);
        }
    }
}

const struct address *
conn_peer(const struct conn *c)
{
    return &c->peer;
}
