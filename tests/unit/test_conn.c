/* Connections over socket pairs: one end on the loop, the other driven by hand
 * with a plain TLS client, so that every byte's moment is the test's. */
#include "proxy/conn.h"

#include "base/pki.h"
#include "tests/support/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEM_MAX   16384
#define TURNS     2000
#define BIG_BYTES (512u << 10)

static struct buf ca_cert;
static struct buf ca_key;
static struct buf cert;
static struct buf key;

/* ---- a clock that the test moves ---- */

static uint64_t now_ns;

static uint64_t
fake_mono_ns(void *self)
{
    (void)self;
    return now_ns;
}

static int64_t
fake_wall_us(void *self)
{
    (void)self;
    return 0;
}

static const struct clock clock_fake = {fake_mono_ns, fake_wall_us, NULL};

/* ---- an owner that notes what it hears ---- */

struct owner {
    struct conn *conn;
    struct buf got;
    size_t take_max; /* of each offer; the rest is left */
    bool has_opened;
    int ends;
    bool was_clean;
    int rooms;
    int failures;
    char why[128];
    int calls;             /* of any kind */
    struct owner *hand_to; /* on_bytes: gives the connection away */
    bool is_closing;       /* on_bytes: closes it */
    bool is_finishing;     /* on_bytes: finishes it */
};

static const struct conn_events owner_events;

static void
owner_on_open(void *ctx)
{
    struct owner *o = ctx;
    o->calls++;
    o->has_opened = true;
}

static void
owner_on_bytes(void *ctx, struct span *bytes)
{
    struct owner *o = ctx;
    o->calls++;
    const size_t n = bytes->len < o->take_max ? bytes->len : o->take_max;
    assert_int_equal(buf_append(&o->got, span_of(bytes->ptr, n)), STATUS_OK);
    assert_true(span_skip(bytes, n));
    if (o->hand_to != NULL) {
        struct owner *next = o->hand_to;
        next->conn = o->conn;
        o->conn = NULL;
        o->hand_to = NULL;
        conn_set_owner(next->conn, &owner_events, next);
        conn_pause(next->conn);
        conn_resume(next->conn);
    }
    if (o->is_closing) {
        conn_close(&o->conn);
    }
    if (o->is_finishing) {
        conn_finish(&o->conn);
    }
}

static void
owner_on_end(void *ctx, bool is_clean)
{
    struct owner *o = ctx;
    o->calls++;
    o->ends++;
    o->was_clean = is_clean;
}

static void
owner_on_room(void *ctx)
{
    struct owner *o = ctx;
    o->calls++;
    o->rooms++;
}

static void
owner_on_failed(void *ctx, const char *why)
{
    struct owner *o = ctx;
    o->calls++;
    o->failures++;
    strncpy(o->why, why, sizeof o->why - 1);
    conn_close(&o->conn);
}

static const struct conn_events owner_events = {
    .on_open = owner_on_open,
    .on_bytes = owner_on_bytes,
    .on_end = owner_on_end,
    .on_room = owner_on_room,
    .on_failed = owner_on_failed,
};

/* ---- the stage ---- */

struct stage {
    struct loop *loop;
    struct conn_env *env;
    uint64_t deliverable;
    struct owner owner;
    int fd; /* the peer's */
    struct tls *peer;
    struct tls_context *server_tls;
    struct tls_context *client_tls;
    struct log log;
};

static void
stage_on_turn_end(void *ctx)
{
    struct stage *s = ctx;
    conn_env_run_ready(s->env);
    conn_env_release(s->env, s->deliverable);
    conn_env_bury(s->env);
}

static void
owner_init(struct owner *o)
{
    *o = (struct owner){.take_max = SIZE_MAX};
    buf_init(&o->got, 64u << 20);
}

static void
turns(struct stage *s, int n)
{
    for (int i = 0; i < n; i++) {
        loop_run_once(s->loop);
    }
}

static void
shake(struct stage *s)
{
    enum tls_result r = TLS_WANT_READ;
    for (int i = 0; i < TURNS && r != TLS_DONE; i++) {
        r = tls_handshake(s->peer);
        assert_true(r == TLS_DONE || r == TLS_WANT_READ || r == TLS_WANT_WRITE);
        turns(s, 1);
    }
    assert_int_equal(r, TLS_DONE);
    turns(s, 2);
    assert_true(s->owner.has_opened);
}

static void
stage_open(struct stage *s)
{
    int fds[2];
    const int small = 4096;
    *s = (struct stage){.fd = -1};
    s->log = (struct log){.fd = -1, .level = LOG_ERROR, .clock = &clock_fake};
    s->env = malloc(sizeof *s->env);
    assert_non_null(s->env);
    assert_int_equal(loop_new(&s->loop, NULL), STATUS_OK);
    conn_env_init(s->env, s->loop, &clock_fake, &s->log);
    assert_int_equal(
        loop_at_turn_end(s->loop, stage_on_turn_end, s, NULL), STATUS_OK);
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    for (int i = 0; i < 2; i++) {
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    }
    s->fd = fds[1];
    assert_int_equal(tls_server_context(
                         buf_view(&cert), buf_view(&key), &s->server_tls, NULL),
        STATUS_OK);
    assert_int_equal(tls_client_context(buf_view(&ca_cert), SPAN_EMPTY,
                         SPAN_EMPTY, &s->client_tls, NULL),
        STATUS_OK);
    assert_int_equal(
        tls_connect(s->client_tls, s->fd, "tape.example", &s->peer), STATUS_OK);
    owner_init(&s->owner);
    assert_int_equal(conn_accept(s->env, fds[0], s->server_tls, &owner_events,
                         &s->owner, &s->owner.conn, NULL),
        STATUS_OK);
}

static void
stage_open_shaken(struct stage *s)
{
    stage_open(s);
    shake(s);
}

static void
peer_close(struct stage *s)
{
    tls_free(&s->peer);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static void
stage_close(struct stage *s)
{
    conn_env_close_all(s->env);
    peer_close(s);
    tls_context_free(&s->server_tls);
    tls_context_free(&s->client_tls);
    loop_free(&s->loop);
    buf_fini(&s->owner.got);
    free(s->env);
}

/* ---- the peer, by hand ---- */

static void
peer_say(struct stage *s, struct span bytes)
{
    for (int i = 0; i < TURNS && bytes.len > 0; i++) {
        size_t n = 0;
        if (tls_write(s->peer, bytes, &n) == TLS_DONE) {
            assert_true(span_skip(&bytes, n));
        }
        turns(s, 1);
    }
    assert_int_equal(bytes.len, 0);
    turns(s, 2);
}

/* What arrives until nothing more does; the result that stopped it. */
static enum tls_result
peer_hear(struct stage *s, struct buf *out)
{
    uint8_t bytes[16384];
    enum tls_result r = TLS_DONE;
    for (int idle = 0; idle < 4;) {
        size_t n = 0;
        r = tls_read(s->peer, bytes, sizeof bytes, &n);
        if (r == TLS_DONE) {
            assert_int_equal(buf_append(out, span_of(bytes, n)), STATUS_OK);
            idle = 0;
            continue;
        }
        if (r != TLS_WANT_READ) {
            return r;
        }
        turns(s, 1);
        idle++;
    }
    return r;
}

static void
expect_heard(struct stage *s, const char *text)
{
    struct buf got;
    buf_init(&got, 1u << 20);
    assert_int_equal(peer_hear(s, &got), TLS_WANT_READ);
    assert_int_equal(got.len, strlen(text));
    if (got.len > 0) {
        assert_memory_equal(buf_view(&got).ptr, text, got.len);
    }
    buf_fini(&got);
}

static void
expect_got(const struct owner *o, const char *text)
{
    const struct span got = buf_view(&o->got);
    assert_int_equal(got.len, strlen(text));
    assert_memory_equal(got.ptr, text, got.len);
}

static void
say(struct stage *s, const char *text, uint64_t lsn)
{
    assert_int_equal(conn_send(s->owner.conn, span_str(text), lsn), STATUS_OK);
}

/* More than the kernel takes, in pieces that differ. */
static struct buf
big(size_t len)
{
    struct buf b;
    uint8_t *tail = NULL;
    uint32_t seed = 7;
    buf_init(&b, len);
    assert_int_equal(buf_reserve(&b, len, &tail), STATUS_OK);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        tail[i] = (uint8_t)(seed >> 24);
    }
    buf_commit(&b, len);
    return b;
}

/* ---- the gate ---- */

static void
gated_bytes_wait_for_the_journal(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    say(&s, "secret", 100);
    expect_heard(&s, "");
    s.deliverable = 99;
    expect_heard(&s, "");
    s.deliverable = 100;
    expect_heard(&s, "secret");
    stage_close(&s);
}

static void
ungated_bytes_do_not_overtake(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    say(&s, "one ", 100);
    say(&s, "two ", 0);
    say(&s, "three ", 200);
    say(&s, "four", 0);
    expect_heard(&s, "");
    s.deliverable = 150;
    expect_heard(&s, "one two ");
    s.deliverable = 200;
    expect_heard(&s, "three four");
    stage_close(&s);
}

static void
what_is_released_already_goes_with_the_turn(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    s.deliverable = 300;
    turns(&s, 1);
    say(&s, "old", 300);
    say(&s, "new", 301);
    expect_heard(&s, "old");
    assert_int_equal(conn_unsent(s.owner.conn), 3);
    s.deliverable = 301;
    expect_heard(&s, "new");
    stage_close(&s);
}

/* A head and its body are one write, and so one TLS record: nothing is sent
 * before the turn ends. */
static void
small_pieces_leave_together(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    turns(&s, 1);
    say(&s, "head ", 0);
    say(&s, "body", 0);
    assert_int_equal(conn_unsent(s.owner.conn), 9);
    expect_heard(&s, "head body");
    assert_int_equal(conn_unsent(s.owner.conn), 0);
    stage_close(&s);
}

/* The owner of a released number never sends above it in time: a journal that
 * stands still must hold everything, in order, whatever mixture comes. */
static void
the_gate_holds_every_mixture(void **state)
{
    (void)state;
    struct stage s;
    struct buf got;
    char expected[26 + 1] = {0};
    buf_init(&got, 1u << 20);
    stage_open_shaken(&s);
    uint64_t lsn = 10;
    for (int i = 0; i < 26; i++) {
        const char text[2] = {(char)('a' + i), '\0'};
        expected[i] = text[0];
        lsn += i % 5 == 0 ? 10 : 0;
        say(&s, text, i % 3 == 0 ? 0 : lsn);
    }
    /* `a` had nothing before it; `b` is at 20. */
    assert_int_equal(peer_hear(&s, &got), TLS_WANT_READ);
    assert_int_equal(got.len, 1);
    for (s.deliverable = 11; s.deliverable <= lsn; s.deliverable++) {
        const size_t before = got.len;
        assert_int_equal(peer_hear(&s, &got), TLS_WANT_READ);
        if (s.deliverable < 20) {
            assert_int_equal(got.len, before);
        }
        if (s.deliverable < lsn) {
            assert_true(got.len < 26);
        }
    }
    assert_int_equal(got.len, 26);
    assert_memory_equal(buf_view(&got).ptr, expected, 26);
    buf_fini(&got);
    stage_close(&s);
}

static void
bytes_sent_before_the_handshake_wait_for_both(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    say(&s, "early", 50);
    shake(&s);
    expect_heard(&s, "");
    s.deliverable = 50;
    expect_heard(&s, "early");
    stage_close(&s);
}

/* ---- reading ---- */

static void
what_is_left_is_offered_again(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    s.owner.take_max = 3;
    peer_say(&s, SPAN_LIT("abcdefgh"));
    expect_got(&s.owner, "abc");
    peer_say(&s, SPAN_LIT("ijk")); /* paused: nobody is called */
    expect_got(&s.owner, "abc");
    conn_resume(s.owner.conn);
    turns(&s, 3);
    expect_got(&s.owner, "abcdef");
    s.owner.take_max = SIZE_MAX;
    conn_resume(s.owner.conn);
    turns(&s, 3);
    expect_got(&s.owner, "abcdefghijk");
    stage_close(&s);
}

static void
a_pause_holds_until_resume(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    conn_pause(s.owner.conn);
    conn_resume(s.owner.conn);
    conn_pause(s.owner.conn);
    peer_say(&s, SPAN_LIT("later"));
    expect_got(&s.owner, "");
    conn_resume(s.owner.conn);
    turns(&s, 3);
    expect_got(&s.owner, "later");
    stage_close(&s);
}

static void
a_new_owner_gets_the_rest(void **state)
{
    (void)state;
    struct stage s;
    struct owner second;
    stage_open_shaken(&s);
    owner_init(&second);
    s.owner.take_max = 5;
    s.owner.hand_to = &second;
    peer_say(&s, SPAN_LIT("head;frames"));
    turns(&s, 3);
    expect_got(&s.owner, "head;");
    expect_got(&second, "frames");
    peer_say(&s, SPAN_LIT(" and more"));
    expect_got(&second, "frames and more");
    assert_int_equal(s.owner.calls, 2); /* open, bytes */
    buf_fini(&second.got);
    stage_close(&s);
}

/* The end comes in one read with the bytes that are left. */
static void
the_end_waits_for_what_was_left(void **state)
{
    (void)state;
    struct stage s;
    size_t n = 0;
    stage_open_shaken(&s);
    s.owner.take_max = 4;
    assert_int_equal(tls_write(s.peer, SPAN_LIT("lastword"), &n), TLS_DONE);
    assert_int_equal(tls_end(s.peer), TLS_DONE);
    turns(&s, 4);
    expect_got(&s.owner, "last");
    assert_int_equal(s.owner.ends, 0);
    conn_resume(s.owner.conn);
    turns(&s, 4);
    expect_got(&s.owner, "lastword");
    assert_int_equal(s.owner.ends, 1);
    assert_true(s.owner.was_clean);
    /* The other direction is open still. */
    say(&s, "answer", 0);
    expect_heard(&s, "answer");
    stage_close(&s);
}

static void
a_cut_is_told_from_an_end(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    assert_int_equal(shutdown(s.fd, SHUT_WR), 0);
    turns(&s, 3);
    assert_int_equal(s.owner.ends, 1);
    assert_false(s.owner.was_clean);
    stage_close(&s);
}

static void
closing_inside_a_callback_is_the_last_one(void **state)
{
    (void)state;
    struct stage s;
    size_t n = 0;
    stage_open_shaken(&s);
    s.owner.is_closing = true;
    assert_int_equal(tls_write(s.peer, SPAN_LIT("x"), &n), TLS_DONE);
    assert_int_equal(tls_end(s.peer), TLS_DONE);
    turns(&s, 4);
    assert_int_equal(s.owner.calls, 2); /* open, bytes; no end */
    assert_int_equal(s.env->count, 0);
    stage_close(&s);
}

/* ---- marks ---- */

static void
the_marks_tell_when_to_stop_and_when_to_go_on(void **state)
{
    (void)state;
    struct stage s;
    struct buf got;
    struct buf all = big(BIG_BYTES);
    struct span rest = buf_view(&all);
    buf_init(&got, 1u << 20);
    stage_open_shaken(&s);
    while (!conn_is_full(s.owner.conn)) {
        assert_int_equal(
            conn_send(s.owner.conn, span_of(rest.ptr, 16384), 0), STATUS_OK);
        assert_true(span_skip(&rest, 16384));
        turns(&s, 1);
    }
    assert_true(conn_unsent(s.owner.conn) > LIMIT_OUT_HIGH_BYTES);
    assert_int_equal(s.owner.rooms, 0);
    assert_int_equal(peer_hear(&s, &got), TLS_WANT_READ);
    assert_int_equal(s.owner.rooms, 1);
    assert_int_equal(got.len, all.len - rest.len);
    assert_memory_equal(buf_view(&got).ptr, buf_view(&all).ptr, got.len);
    buf_fini(&got);
    buf_fini(&all);
    stage_close(&s);
}

static void
the_cap_refuses(void **state)
{
    (void)state;
    struct stage s;
    struct buf all = big(LIMIT_OUT_BYTES);
    stage_open_shaken(&s);
    assert_int_equal(conn_send(s.owner.conn, SPAN_LIT("x"), 9), STATUS_OK);
    assert_int_equal(conn_send(s.owner.conn, buf_view(&all), 0), STATUS_LIMIT);
    buf_fini(&all);
    stage_close(&s);
}

/* ---- the ends ---- */

/* A slow reader of a long tail: the owner left long ago, and must not be
 * called for the room that comes. */
static void
finish_delivers_everything_and_calls_nobody(void **state)
{
    (void)state;
    struct stage s;
    struct buf got;
    struct buf all = big(BIG_BYTES);
    buf_init(&got, 1u << 20);
    stage_open_shaken(&s);
    assert_int_equal(conn_send(s.owner.conn, buf_view(&all), 0), STATUS_OK);
    assert_true(conn_is_full(s.owner.conn));
    const int calls = s.owner.calls;
    conn_finish(&s.owner.conn);
    assert_null(s.owner.conn);
    assert_int_equal(s.env->finishing_count, 1);
    assert_int_equal(peer_hear(&s, &got), TLS_EOF);
    assert_int_equal(got.len, all.len);
    assert_memory_equal(buf_view(&got).ptr, buf_view(&all).ptr, got.len);
    assert_int_equal(s.owner.calls, calls);
    assert_int_equal(s.env->count, 1); /* lingers for the peer's end */
    peer_close(&s);
    turns(&s, 3);
    assert_int_equal(s.env->count, 0);
    assert_int_equal(s.env->finishing_count, 0);
    buf_fini(&got);
    buf_fini(&all);
    stage_close(&s);
}

static void
finish_inside_on_bytes_with_an_end_behind_calls_nobody(void **state)
{
    (void)state;
    struct stage s;
    size_t n = 0;
    stage_open_shaken(&s);
    say(&s, "held", 77); /* so that the connection stays */
    s.owner.is_finishing = true;
    s.owner.take_max = 1;
    assert_int_equal(tls_write(s.peer, SPAN_LIT("xyz"), &n), TLS_DONE);
    assert_int_equal(tls_end(s.peer), TLS_DONE);
    turns(&s, 4);
    assert_int_equal(s.owner.calls, 2); /* open, bytes; no end */
    assert_int_equal(s.env->count, 1);
    s.deliverable = 77;
    struct buf got;
    buf_init(&got, 64);
    assert_int_equal(peer_hear(&s, &got), TLS_EOF);
    assert_int_equal(got.len, 4);
    buf_fini(&got);
    stage_close(&s);
}

static void
finish_keeps_the_gate_shut(void **state)
{
    (void)state;
    struct stage s;
    struct buf got;
    buf_init(&got, 64);
    stage_open_shaken(&s);
    say(&s, "tail", 40);
    conn_finish(&s.owner.conn);
    assert_int_equal(peer_hear(&s, &got), TLS_WANT_READ);
    assert_int_equal(got.len, 0);
    s.deliverable = 40;
    assert_int_equal(peer_hear(&s, &got), TLS_EOF);
    assert_int_equal(got.len, 4);
    buf_fini(&got);
    stage_close(&s);
}

/* Nobody waits for ever for a peer that takes nothing; one that takes a little
 * now and then gets all of it. */
static void
finish_waits_for_a_slow_peer_and_not_for_a_dead_one(void **state)
{
    (void)state;
    struct stage s;
    struct buf all = big(BIG_BYTES);
    uint8_t bytes[16384];
    size_t n = 0;
    stage_open_shaken(&s);
    assert_int_equal(conn_send(s.owner.conn, buf_view(&all), 0), STATUS_OK);
    conn_finish(&s.owner.conn);
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 20; k++) {
            (void)!tls_read(s.peer, bytes, 4096, &n);
            turns(&s, 1);
        }
        now_ns += (uint64_t)LIMIT_FINISH_MS * 600000u;
        conn_env_check_deadlines(s.env);
        assert_int_equal(s.env->count, 1);
    }
    now_ns += (uint64_t)LIMIT_FINISH_MS * 1000000u + 1;
    conn_env_check_deadlines(s.env);
    assert_int_equal(s.env->count, 0);
    buf_fini(&all);
    stage_close(&s);
}

/* After the end the peer may go on sending, and gains no time by it. */
static void
a_flood_after_the_end_has_its_deadline(void **state)
{
    (void)state;
    struct stage s;
    struct buf got;
    uint8_t junk[65536] = {0};
    buf_init(&got, 64);
    stage_open_shaken(&s);
    conn_finish(&s.owner.conn);
    assert_int_equal(peer_hear(&s, &got), TLS_EOF);
    for (int i = 0; i < 50; i++) {
        while (write(s.fd, junk, sizeof junk) > 0) {
        }
        turns(&s, 1);
    }
    assert_int_equal(s.env->count, 1);
    now_ns += (uint64_t)LIMIT_FINISH_MS * 1000000u + 1;
    conn_env_check_deadlines(s.env);
    assert_int_equal(s.env->count, 0);
    buf_fini(&got);
    stage_close(&s);
}

static void
a_half_close_leaves_the_reading_open(void **state)
{
    (void)state;
    struct stage s;
    struct buf got;
    buf_init(&got, 64);
    stage_open_shaken(&s);
    say(&s, "bye", 5);
    conn_end(s.owner.conn);
    assert_int_equal(
        conn_send(s.owner.conn, SPAN_LIT("more"), 0), STATUS_CLOSED);
    assert_int_equal(peer_hear(&s, &got), TLS_WANT_READ);
    s.deliverable = 5;
    assert_int_equal(peer_hear(&s, &got), TLS_EOF);
    assert_int_equal(got.len, 3);
    peer_say(&s, SPAN_LIT("still here"));
    expect_got(&s.owner, "still here");
    buf_fini(&got);
    stage_close(&s);
}

/* The refusal of an upload, from a server that then closes. */
static void
what_the_peer_said_before_it_left_is_heard(void **state)
{
    (void)state;
    struct stage s;
    size_t n = 0;
    stage_open_shaken(&s);
    assert_int_equal(
        tls_write(s.peer, SPAN_LIT("413 too large"), &n), TLS_DONE);
    peer_close(&s);
    say(&s, "more of the body", 0);
    say(&s, "and more", 0);
    turns(&s, 4);
    expect_got(&s.owner, "413 too large");
    assert_int_equal(s.owner.ends + s.owner.failures, 1);
    stage_close(&s);
}

/* ---- deadlines ---- */

static void
a_deadline_fails_the_connection_once(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    conn_deadline(s.owner.conn, 1000, "too slow");
    now_ns += UINT64_C(999) * 1000000u;
    conn_env_check_deadlines(s.env);
    assert_int_equal(s.owner.failures, 0);
    now_ns += 1000000u;
    conn_env_check_deadlines(s.env);
    conn_env_check_deadlines(s.env);
    assert_int_equal(s.owner.failures, 1);
    assert_string_equal(s.owner.why, "too slow");
    turns(&s, 1);
    assert_int_equal(s.env->count, 0);
    stage_close(&s);
}

static void
a_deadline_that_moves_does_not_fire(void **state)
{
    (void)state;
    struct stage s;
    stage_open_shaken(&s);
    conn_deadline(s.owner.conn, 1000, "too slow");
    conn_deadline(s.owner.conn, 0, NULL);
    now_ns += UINT64_C(5000) * 1000000u;
    conn_env_check_deadlines(s.env);
    assert_int_equal(s.owner.failures, 0);
    stage_close(&s);
}

static void
a_handshake_that_never_comes_has_its_deadline(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    conn_deadline(s.owner.conn, 10, "no handshake");
    turns(&s, 2);
    now_ns += UINT64_C(11) * 1000000u;
    conn_env_check_deadlines(s.env);
    assert_int_equal(s.owner.failures, 1);
    assert_string_equal(s.owner.why, "no handshake");
    stage_close(&s);
}

static void
bytes_that_are_no_tls_fail(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    assert_int_equal(write(s.fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    turns(&s, 3);
    assert_int_equal(s.owner.failures, 1);
    assert_int_equal(s.env->count, 0);
    stage_close(&s);
}

static int
group_setup(void **state)
{
    (void)state;
    static const char *const names[] = {"tape.example"};
    struct buf *const all[] = {&ca_cert, &ca_key, &cert, &key};
    for (size_t i = 0; i < 4; i++) {
        buf_init(all[i], PEM_MAX);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    const int64_t now_s = time(NULL);
    assert_int_equal(
        pki_make_authority("test", now_s, &ca_cert, &ca_key, NULL), STATUS_OK);
    assert_int_equal(pki_issue_server(buf_view(&ca_cert), buf_view(&ca_key),
                         names, 1, now_s, &cert, &key, NULL),
        STATUS_OK);
    return 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    buf_fini(&ca_cert);
    buf_wipe(&ca_key);
    buf_fini(&cert);
    buf_wipe(&key);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gated_bytes_wait_for_the_journal),
        cmocka_unit_test(ungated_bytes_do_not_overtake),
        cmocka_unit_test(what_is_released_already_goes_with_the_turn),
        cmocka_unit_test(small_pieces_leave_together),
        cmocka_unit_test(the_gate_holds_every_mixture),
        cmocka_unit_test(bytes_sent_before_the_handshake_wait_for_both),
        cmocka_unit_test(what_is_left_is_offered_again),
        cmocka_unit_test(a_pause_holds_until_resume),
        cmocka_unit_test(a_new_owner_gets_the_rest),
        cmocka_unit_test(the_end_waits_for_what_was_left),
        cmocka_unit_test(a_cut_is_told_from_an_end),
        cmocka_unit_test(closing_inside_a_callback_is_the_last_one),
        cmocka_unit_test(the_marks_tell_when_to_stop_and_when_to_go_on),
        cmocka_unit_test(the_cap_refuses),
        cmocka_unit_test(finish_delivers_everything_and_calls_nobody),
        cmocka_unit_test(
            finish_inside_on_bytes_with_an_end_behind_calls_nobody),
        cmocka_unit_test(finish_keeps_the_gate_shut),
        cmocka_unit_test(finish_waits_for_a_slow_peer_and_not_for_a_dead_one),
        cmocka_unit_test(a_flood_after_the_end_has_its_deadline),
        cmocka_unit_test(a_half_close_leaves_the_reading_open),
        cmocka_unit_test(what_the_peer_said_before_it_left_is_heard),
        cmocka_unit_test(a_deadline_fails_the_connection_once),
        cmocka_unit_test(a_deadline_that_moves_does_not_fire),
        cmocka_unit_test(a_handshake_that_never_comes_has_its_deadline),
        cmocka_unit_test(bytes_that_are_no_tls_fail),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
