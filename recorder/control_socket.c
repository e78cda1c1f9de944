/* See control_socket.h. */
#include "recorder/control_socket.h"

#include "base/file.h"
#include "base/local_socket.h"
#include "recorder/limits.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS 1000000u

enum peer_state {
    PEER_READING, /* owes us a line */
    PEER_WORKING, /* we owe him a final answer */
    PEER_ENDING,  /* the last bytes are on their way */
    PEER_PARTING, /* he has them; what he still sends is not read, or closing
                   * now would tear them from him */
};

struct control_peer {
    struct control_socket *socket;
    enum peer_state state;
    int fd;
    struct loop_watch *watch;
    char who[LOCAL_USER_MAX];
    struct buf in;
    struct buf out;
    uint64_t moved_ns; /* when he was accepted, or last took bytes */
    size_t ignored;    /* bytes of his while parting */
};

struct control_socket {
    struct loop *loop;
    const struct clock *clock;
    const struct log *log;
    struct control_socket_owner owner;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *timer;
    struct control_peer *peers[RECORDER_CONTROL_PEERS_MAX];
    size_t peer_count;
};

/* --- an end -------------------------------------------------------------- */

static void
free_peer(struct control_peer **p)
{
    loop_watch_close(&(*p)->watch);
    (void)close((*p)->fd);
    buf_fini(&(*p)->in);
    buf_fini(&(*p)->out);
    free(*p);
    *p = NULL;
}

/* Takes him off the list; whoever works for him hears of it. */
static void
drop(struct control_peer *p)
{
    struct control_socket *s = p->socket;
    if (p->state == PEER_WORKING) {
        s->owner.on_gone(s->owner.ctx, p);
    }
    for (size_t i = 0; i < s->peer_count; i++) {
        if (s->peers[i] == p) {
            s->peers[i] = s->peers[--s->peer_count];
            break;
        }
    }
    free_peer(&p);
    if (s->peer_count == 0) {
        loop_timer_stop(s->timer);
    }
    loop_watch_set(s->watch, LOOP_READ); /* there is room for another */
}

/* --- answers ------------------------------------------------------------- */

static void
watch_for(struct control_peer *p)
{
    const bool is_heard = p->state == PEER_READING || p->state == PEER_PARTING;
    int events = is_heard ? LOOP_READ : 0;
    if (p->out.len > 0 || p->state == PEER_ENDING) {
        events |= LOOP_WRITE;
    }
    loop_watch_set(p->watch, events);
}

void
control_peer_say(struct control_peer *p, const struct control_answer *answer)
{
    if (p->out.len == 0) {
        p->moved_ns = clock_mono_ns(p->socket->clock);
    }
    if (control_answer_encode(answer, &p->out) != STATUS_OK) {
        log_event(p->socket->log, LOG_WARN, "control.lost",
            LOG_S("who", p->who)); /* he does not read, or memory is short */
    }
    if (answer->kind == CONTROL_DONE || answer->kind == CONTROL_ERROR) {
        p->state = PEER_ENDING;
    }
    watch_for(p);
}

bool
control_peer_has_room(const struct control_peer *p)
{
    return p->out.len < RECORDER_CONTROL_OUT_MAX / 2;
}

static void
refuse(struct control_peer *p, const struct error *why)
{
    struct control_answer answer = {.kind = CONTROL_ERROR};
    memcpy(answer.error, why->text, sizeof answer.error);
    p->state = PEER_WORKING; /* so that say may end it */
    control_peer_say(p, &answer);
}

/* False: he is gone. */
static bool
flush(struct control_peer *p)
{
    while (p->out.len > 0) {
        const struct span s = buf_view(&p->out);
        const ssize_t n = write(p->fd, s.ptr, s.len);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        buf_consume(&p->out, (size_t)n);
        p->moved_ns = clock_mono_ns(p->socket->clock);
    }
    if (p->state == PEER_ENDING) {
        p->state = PEER_PARTING;
        return shutdown(p->fd, SHUT_WR) == 0;
    }
    return true;
}

/* False: he is gone, or has said too much. */
static bool
ignore(struct control_peer *p)
{
    char bytes[4096];
    const ssize_t n = read(p->fd, bytes, sizeof bytes);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    p->ignored += (size_t)n;
    return p->ignored < RECORDER_CONTROL_OUT_MAX;
}

/* --- requests ------------------------------------------------------------ */

static void
take_line(struct control_peer *p, struct span line, struct span behind)
{
    struct control_request request;
    struct error err = {.code = STATUS_OK};
    enum status st = control_request_decode(line, &request, &err);
    if (st == STATUS_OK && behind.len > 0) {
        st = error_set(&err, STATUS_INVALID, "more than one line was sent");
    }
    if (st != STATUS_OK) {
        log_event(p->socket->log, LOG_WARN, "control.refused",
            LOG_S("who", p->who), LOG_S("why", err.text));
        refuse(p, &err);
        return;
    }
    const struct control_socket_owner *owner = &p->socket->owner;
    p->state = PEER_WORKING;
    buf_fini(&p->in);
    buf_init(&p->in, 0);
    log_event(p->socket->log, LOG_INFO, "control.request", LOG_S("who", p->who),
        LOG_S("do", control_verb_name(request.verb)));
    owner->on_request(owner->ctx, p, &request, p->who);
}

/* False: he is gone. */
static bool
receive(struct control_peer *p)
{
    uint8_t *tail;
    const size_t room = buf_room(&p->in);
    struct error err;
    if (room == 0) {
        (void)error_set(&err, STATUS_LIMIT, "a line longer than %u bytes",
            CONTROL_LINE_MAX);
        refuse(p, &err);
        return true;
    }
    if (buf_reserve(&p->in, room, &tail) != STATUS_OK) {
        return false;
    }
    const ssize_t n = read(p->fd, tail, room);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    buf_commit(&p->in, (size_t)n);
    struct span all = buf_view(&p->in);
    struct span line;
    if (span_take_until(&all, '\n', &line)) {
        take_line(p, line, all);
    }
    return true;
}

static void
on_peer(void *ctx, int events)
{
    struct control_peer *p = ctx;
    bool is_there = true;
    if (p->state == PEER_READING && (events & LOOP_READ) != 0) {
        is_there = receive(p);
    } else if (p->state == PEER_PARTING && (events & LOOP_READ) != 0) {
        is_there = ignore(p);
    }
    if (is_there && (events & LOOP_WRITE) != 0) {
        is_there = flush(p);
    }
    if (is_there) {
        watch_for(p);
    } else {
        drop(p);
    }
}

/* --- connections --------------------------------------------------------- */

static bool
is_overdue(const struct control_peer *p, uint64_t now_ns)
{
    const uint64_t waited_ms = (now_ns - p->moved_ns) / NS_PER_MS;
    switch (p->state) {
    case PEER_READING:
        return waited_ms >= RECORDER_CONTROL_LINE_MS;
    case PEER_WORKING:
        return p->out.len > 0 && waited_ms >= RECORDER_CONTROL_STALL_MS;
    case PEER_ENDING:
        return waited_ms >= RECORDER_CONTROL_STALL_MS;
    case PEER_PARTING:
        return waited_ms >= RECORDER_CONTROL_LINE_MS;
    }
    return true;
}

static void
on_timer(void *ctx)
{
    struct control_socket *s = ctx;
    const uint64_t now_ns = clock_mono_ns(s->clock);
    size_t i = 0;
    while (i < s->peer_count) {
        if (is_overdue(s->peers[i], now_ns)) {
            log_event(s->log, LOG_INFO, "control.slow",
                LOG_S("who", s->peers[i]->who));
            drop(s->peers[i]); /* another moves into its place */
        } else {
            i++;
        }
    }
    loop_watch_set(s->watch, LOOP_READ); /* see on_connection */
    if (s->peer_count == 0) {
        loop_timer_stop(s->timer);
    }
}

static enum status
add_peer(struct control_socket *s, int fd, uid_t uid, struct error *err)
{
    struct control_peer *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a connection");
    }
    p->socket = s;
    p->state = PEER_READING;
    p->fd = -1;
    p->moved_ns = clock_mono_ns(s->clock);
    buf_init(&p->in, CONTROL_LINE_MAX);
    buf_init(&p->out, RECORDER_CONTROL_OUT_MAX);
    local_user_name(uid, p->who);
    const enum status st =
        loop_watch_open(s->loop, fd, on_peer, p, &p->watch, err);
    if (st != STATUS_OK) {
        free(p);
        return st;
    }
    p->fd = fd;
    s->peers[s->peer_count++] = p;
    loop_timer_start(
        s->timer, RECORDER_CONTROL_LOOK_MS, RECORDER_CONTROL_LOOK_MS);
    watch_for(p);
    return STATUS_OK;
}

/* One a turn, so that a flood of them gets one turn's share. */
static void
on_connection(void *ctx, int events)
{
    struct control_socket *s = ctx;
    struct error err;
    int fd;
    uid_t uid;
    (void)events;
    if (s->peer_count == RECORDER_CONTROL_PEERS_MAX) {
        loop_watch_set(s->watch, 0); /* they wait in the backlog */
        return;
    }
    enum status st = local_socket_accept(s->fd, &fd, &uid, &err);
    if (st == STATUS_OK) {
        st = add_peer(s, fd, uid, &err);
        if (st != STATUS_OK) {
            (void)close(fd);
        }
    }
    if (st != STATUS_OK && st != STATUS_CLOSED) {
        /* Out of descriptors or memory: not again before the timer says. */
        log_error(s->log, "control.accept", &err);
        loop_watch_set(s->watch, 0);
        loop_timer_start(
            s->timer, RECORDER_CONTROL_LOOK_MS, RECORDER_CONTROL_LOOK_MS);
    }
}

/* --- birth and death ----------------------------------------------------- */

static enum status
set_up(struct control_socket *s, const char *state_dir, struct error *err)
{
    char path[PATH_MAX];
    enum status st =
        file_join(path, sizeof path, state_dir, CONTROL_SOCKET, err);
    if (st == STATUS_OK) {
        st = local_socket_listen(path, RECORDER_CONTROL_PEERS_MAX, &s->fd, err);
    }
    if (st == STATUS_OK) {
        st = loop_timer_open(s->loop, on_timer, s, &s->timer, err);
    }
    if (st == STATUS_OK) {
        st = loop_watch_open(s->loop, s->fd, on_connection, s, &s->watch, err);
    }
    if (st == STATUS_OK) {
        loop_watch_set(s->watch, LOOP_READ);
    }
    return st;
}

enum status
control_socket_open(struct loop *loop, const char *state_dir,
    const struct clock *clock, const struct log *log,
    const struct control_socket_owner *owner, struct control_socket **out,
    struct error *err)
{
    struct control_socket *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a socket");
    }
    s->loop = loop;
    s->clock = clock;
    s->log = log;
    s->owner = *owner;
    s->fd = -1;
    const enum status st = set_up(s, state_dir, err);
    if (st == STATUS_OK) {
        *out = s;
        s = NULL;
    }
    control_socket_close(&s);
    return st;
}

void
control_socket_close(struct control_socket **s)
{
    if (*s == NULL) {
        return;
    }
    for (size_t i = 0; i < (*s)->peer_count; i++) {
        free_peer(&(*s)->peers[i]);
    }
    loop_watch_close(&(*s)->watch);
    loop_timer_close(&(*s)->timer);
    if ((*s)->fd >= 0) {
        (void)close((*s)->fd);
    }
    free(*s);
    *s = NULL;
}
