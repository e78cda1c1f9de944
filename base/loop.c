/* The event loop on libuv.
 *
 * Owns the translation between libuv's handles and the contract of loop.h:
 * libuv closes asynchronously and needs the handle's memory until then, so
 * every handle lives on the heap and frees itself in its close callback; after
 * uv_close libuv calls nothing else of it.
 *
 * A pass of libuv is: timers, idle, prepare, poll, check, closing. Prepare
 * ends what timers began, check ends what poll began: turn-end hooks run in
 * both, so no callback's work waits through a poll.
 */
#include "base/loop.h"
#include "base/loop_uv.h"
#include <assert.h>
#include <signal.h>
#include <stdlib.h>

struct turn_hook {
    loop_fn *fn;
    void *ctx;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* active: the next poll does not wait */
    bool is_again_asked;
    size_t hook_count;
    struct turn_hook hooks[LOOP_TURN_HOOKS_MAX];
};

struct loop_watch {
    uv_poll_t poll;
    loop_watch_fn *fn;
    void *ctx;
    int events; /* what was asked for, LOOP_* */
};

struct loop_timer {
    uv_timer_t timer;
    loop_fn *fn;
    void *ctx;
};

struct loop_signal {
    uv_signal_t signal;
    loop_fn *fn;
    void *ctx;
};

struct loop_wake {
    uv_async_t async;
    loop_fn *fn;
    void *ctx;
};

/* The loop */

static void
run_hooks(struct loop *loop)
{
    for (size_t i = 0; i < loop->hook_count; i++) {
        loop->hooks[i].fn(loop->hooks[i].ctx);
    }
}

/* Whoever asked for another turn before this point gets it from the poll that
 * follows; whoever asks during that poll gets the next one. */
static void
on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    run_hooks(loop);
    loop->is_again_asked = false;
}

static void
on_check(uv_check_t *check)
{
    struct loop *loop = check->data;
    if (!loop->is_again_asked) {
        uv_idle_stop(&loop->idle);
    }
    run_hooks(loop);
}

static void
on_idle(uv_idle_t *idle)
{
    (void)idle; /* being active is all it does */
}

enum status
loop_new(struct loop **out, struct error *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the loop");
    }
    const int rc = uv_loop_init(&loop->uv);
    if (rc != 0) {
        free(loop);
        return error_sys(err, -rc, "cannot make an event loop");
    }
    (void)signal(SIGPIPE, SIG_IGN);
    loop->prepare.data = loop;
    loop->check.data = loop;
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    *out = loop;
    return STATUS_OK;
}

/* Of a handle that this file gave out: its memory begins with it. Left open it
 * would keep loop_free waiting for ever. */
static void
assert_closed(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    assert(handle->data != handle || uv_is_closing(handle));
}

void
loop_free(struct loop **loop)
{
    struct loop *l = *loop;
    if (l == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_walk(&l->uv, assert_closed, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT); /* until the last handle is closed */
    const int rc = uv_loop_close(&l->uv);
    assert(rc == 0);
    free(l);
    *loop = NULL;
}

void
loop_run(struct loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void
loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void
loop_run_once(struct loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
}

enum status
loop_after_fork(struct loop *loop, struct error *err)
{
    const int rc = uv_loop_fork(&loop->uv);
    if (rc != 0) {
        return error_sys(err, -rc, "cannot take over the loop after fork");
    }
    return STATUS_OK;
}

enum status
loop_at_turn_end(struct loop *loop, loop_fn *fn, void *ctx, struct error *err)
{
    if (loop->hook_count == LOOP_TURN_HOOKS_MAX) {
        return error_set(err, STATUS_LIMIT, "more than %d turn-end hooks",
            LOOP_TURN_HOOKS_MAX);
    }
    loop->hooks[loop->hook_count] = (struct turn_hook){.fn = fn, .ctx = ctx};
    loop->hook_count++;
    return STATUS_OK;
}

void
loop_again(struct loop *loop)
{
    loop->is_again_asked = true;
    uv_idle_start(&loop->idle, on_idle); /* nothing when it is active */
}

uv_loop_t *
loop_uv(struct loop *loop)
{
    return &loop->uv;
}

/* Every handle's data points at the allocation it is part of. */
static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Frees what a failed init leaves behind: libuv knows nothing of it. */
static enum status
init_failed(void *allocation, int rc, struct error *err, const char *what)
{
    free(allocation);
    return error_sys(err, -rc, "cannot open a %s on the loop", what);
}

static enum status
no_memory(struct error *err, const char *what)
{
    return error_set(err, STATUS_NO_MEMORY, "no memory for a %s", what);
}

/* Descriptors */

static_assert((int)LOOP_READ == (int)UV_READABLE &&
                  (int)LOOP_WRITE == (int)UV_WRITABLE &&
                  (int)LOOP_HANGUP == (int)UV_DISCONNECT,
    "events pass through unchanged");

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    struct loop_watch *w = poll->data;
    if (status == 0) {
        w->fn(w->ctx, events);
        return;
    }
    /* libuv stopped the watch because of the error; the contract is
     * level-triggered, so it goes on unless the callback changes it. */
    const int asked = w->events;
    w->events = 0;
    loop_watch_set(w, asked);
    w->fn(w->ctx, asked);
}

enum status
loop_watch_open(struct loop *loop, int fd, loop_watch_fn *fn, void *ctx,
    struct loop_watch **out, struct error *err)
{
    struct loop_watch *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return no_memory(err, "watch");
    }
    const int rc = uv_poll_init(&loop->uv, &w->poll, fd);
    if (rc != 0) {
        return init_failed(w, rc, err, "watch");
    }
    w->poll.data = w;
    w->fn = fn;
    w->ctx = ctx;
    *out = w;
    return STATUS_OK;
}

void
loop_watch_set(struct loop_watch *w, int events)
{
    if (events == w->events) {
        return;
    }
    w->events = events;
    if (events == 0) {
        uv_poll_stop(&w->poll);
    } else {
        uv_poll_start(&w->poll, events, on_poll);
    }
}

void
loop_watch_close(struct loop_watch **w)
{
    if (*w != NULL) {
        uv_close((uv_handle_t *)&(*w)->poll, on_closed);
        *w = NULL;
    }
}

/* Time */

static void
on_timer(uv_timer_t *timer)
{
    struct loop_timer *t = timer->data;
    t->fn(t->ctx);
}

enum status
loop_timer_open(struct loop *loop, loop_fn *fn, void *ctx,
    struct loop_timer **out, struct error *err)
{
    struct loop_timer *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return no_memory(err, "timer");
    }
    uv_timer_init(&loop->uv, &t->timer); /* cannot fail */
    t->timer.data = t;
    t->fn = fn;
    t->ctx = ctx;
    *out = t;
    return STATUS_OK;
}

void
loop_timer_start(struct loop_timer *t, uint64_t delay_ms, uint64_t repeat_ms)
{
    /* libuv counts from the start of the turn, which may be long ago. */
    uv_update_time(t->timer.loop);
    uv_timer_start(&t->timer, on_timer, delay_ms, repeat_ms);
}

void
loop_timer_stop(struct loop_timer *t)
{
    uv_timer_stop(&t->timer);
}

void
loop_timer_close(struct loop_timer **t)
{
    if (*t != NULL) {
        uv_close((uv_handle_t *)&(*t)->timer, on_closed);
        *t = NULL;
    }
}

/* Signals */

static void
on_signal(uv_signal_t *signal, int signo)
{
    struct loop_signal *s = signal->data;
    (void)signo;
    s->fn(s->ctx);
}

enum status
loop_signal_open(struct loop *loop, int signo, loop_fn *fn, void *ctx,
    struct loop_signal **out, struct error *err)
{
    struct loop_signal *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return no_memory(err, "signal");
    }
    const int init_rc = uv_signal_init(&loop->uv, &s->signal);
    if (init_rc != 0) {
        return init_failed(s, init_rc, err, "signal");
    }
    s->signal.data = s;
    s->fn = fn;
    s->ctx = ctx;
    const int start_rc = uv_signal_start(&s->signal, on_signal, signo);
    if (start_rc != 0) {
        loop_signal_close(&s);
        return error_sys(err, -start_rc, "cannot catch signal %d", signo);
    }
    *out = s;
    return STATUS_OK;
}

void
loop_signal_close(struct loop_signal **s)
{
    if (*s != NULL) {
        uv_close((uv_handle_t *)&(*s)->signal, on_closed);
        *s = NULL;
    }
}

/* Other threads */

static void
on_wake(uv_async_t *async)
{
    struct loop_wake *w = async->data;
    w->fn(w->ctx);
}

enum status
loop_wake_open(struct loop *loop, loop_fn *fn, void *ctx,
    struct loop_wake **out, struct error *err)
{
    struct loop_wake *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return no_memory(err, "wake");
    }
    const int rc = uv_async_init(&loop->uv, &w->async, on_wake);
    if (rc != 0) {
        return init_failed(w, rc, err, "wake");
    }
    w->async.data = w;
    w->fn = fn;
    w->ctx = ctx;
    *out = w;
    return STATUS_OK;
}

void
loop_wake_send(struct loop_wake *w)
{
    const int rc = uv_async_send(&w->async);
    assert(rc == 0); /* only a closed handle is refused */
}

void
loop_wake_close(struct loop_wake **w)
{
    if (*w != NULL) {
        uv_close((uv_handle_t *)&(*w)->async, on_closed);
        *w = NULL;
    }
}
