#include "base/loop.h"
#include "tests/support/test.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One loop, one socket pair and a trace of what was called, in order. */
struct bed {
    struct loop *loop;
    int fd[2];
    char trace[256];
    size_t trace_len;
    struct loop_watch *watch;
    struct loop_watch *other;
    struct loop_timer *timer;
    struct loop_signal *signal;
    struct loop_wake *wake;
    int again_left;
};

static void
note(struct bed *b, char c)
{
    assert_true(b->trace_len + 1 < sizeof(b->trace));
    b->trace[b->trace_len++] = c;
}

static size_t
count(const struct bed *b, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < b->trace_len; i++) {
        n += b->trace[i] == c;
    }
    return n;
}

static int
setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    assert_int_equal(loop_new(&b->loop, NULL), STATUS_OK);
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b->fd), 0);
    *state = b;
    return 0;
}

static int
teardown(void **state)
{
    struct bed *b = *state;
    loop_watch_close(&b->watch);
    loop_watch_close(&b->other);
    loop_timer_close(&b->timer);
    loop_signal_close(&b->signal);
    loop_wake_close(&b->wake);
    loop_free(&b->loop);
    assert_null(b->loop);
    close(b->fd[0]);
    close(b->fd[1]);
    free(b);
    return 0;
}

static uint64_t
now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
on_event(void *ctx, int events)
{
    struct bed *b = ctx;
    note(b, (char)('0' + events));
}

static void
open_watch(struct bed *b, loop_watch_fn *fn, int events)
{
    assert_int_equal(
        loop_watch_open(b->loop, b->fd[0], fn, b, &b->watch, NULL), STATUS_OK);
    loop_watch_set(b->watch, events);
}

static void
watch_is_level_triggered_and_pauses(void **state)
{
    struct bed *b = *state;
    open_watch(b, on_event, LOOP_READ);
    loop_run_once(b->loop);
    assert_int_equal(b->trace_len, 0);
    assert_int_equal(write(b->fd[1], "x", 1), 1);
    loop_run_once(b->loop);
    loop_watch_set(b->watch, LOOP_READ); /* the same again: no change */
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "11");
    loop_watch_set(b->watch, 0);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "11");
    loop_watch_set(b->watch, LOOP_READ | LOOP_WRITE);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "113");
    loop_watch_set(b->watch, LOOP_WRITE);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "1132");
}

static void
half_close_is_a_hangup(void **state)
{
    struct bed *b = *state;
    open_watch(b, on_event, LOOP_HANGUP);
    loop_run_once(b->loop);
    assert_int_equal(b->trace_len, 0);
    shutdown(b->fd[1], SHUT_WR);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "4");
}

/* The write end of a pipe without reader is in error for ever. */
static void
an_error_is_every_event_asked_for_again_and_again(void **state)
{
    struct bed *b = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(
        loop_watch_open(b->loop, ends[1], on_event, b, &b->watch, NULL),
        STATUS_OK);
    close(ends[0]);
    loop_watch_set(b->watch, LOOP_WRITE);
    loop_run_once(b->loop);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "22");
    loop_watch_set(b->watch, LOOP_HANGUP | LOOP_WRITE);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "226");
    loop_watch_close(&b->watch);
    close(ends[1]);
}

static void
on_event_close_both(void *ctx, int events)
{
    struct bed *b = ctx;
    (void)events;
    note(b, 'c');
    loop_watch_close(&b->watch);
    loop_watch_close(&b->other);
    loop_stop(b->loop);
}

/* Both descriptors are ready; whichever is called first closes both. */
static void
a_callback_closes_itself_and_another(void **state)
{
    struct bed *b = *state;
    open_watch(b, on_event_close_both, LOOP_READ);
    assert_int_equal(loop_watch_open(b->loop, b->fd[1], on_event_close_both, b,
                         &b->other, NULL),
        STATUS_OK);
    loop_watch_set(b->other, LOOP_READ);
    assert_int_equal(write(b->fd[0], "x", 1), 1);
    assert_int_equal(write(b->fd[1], "x", 1), 1);
    loop_run(b->loop);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "c");
    /* The descriptor can be watched again at once. */
    open_watch(b, on_event, LOOP_READ);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "c1");
}

static void
a_file_cannot_be_watched(void **state)
{
    struct bed *b = *state;
    struct error err;
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(
        loop_watch_open(b->loop, fileno(f), on_event, b, &b->watch, &err),
        STATUS_DENIED);
    assert_null(b->watch);
    fclose(f);
}

static void
on_time_stop(void *ctx)
{
    struct bed *b = ctx;
    note(b, 't');
    loop_stop(b->loop);
}

static void
on_time_repeat(void *ctx)
{
    struct bed *b = ctx;
    note(b, 'r');
    if (count(b, 'r') == 3) {
        loop_timer_close(&b->timer);
        loop_stop(b->loop);
    }
}

static void
timers_fire_once_or_repeat(void **state)
{
    struct bed *b = *state;
    assert_int_equal(
        loop_timer_open(b->loop, on_time_stop, b, &b->timer, NULL), STATUS_OK);
    /* Counted from the call, not from when the loop last looked. */
    const struct timespec nap = {.tv_nsec = 40 * 1000000};
    nanosleep(&nap, NULL);
    const uint64_t began = now_ms();
    loop_timer_start(b->timer, 30, 0);
    loop_run(b->loop);
    assert_true(now_ms() - began >= 29);
    assert_string_equal(b->trace, "t");
    loop_timer_start(b->timer, 0, 0);
    loop_timer_stop(b->timer);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "t");
    loop_timer_close(&b->timer);
    assert_int_equal(
        loop_timer_open(b->loop, on_time_repeat, b, &b->timer, NULL),
        STATUS_OK);
    loop_timer_start(b->timer, 1, 1);
    loop_run(b->loop);
    assert_string_equal(b->trace, "trrr");
}

static void
hook_a(void *ctx)
{
    note(ctx, 'A');
}

static void
hook_b(void *ctx)
{
    note(ctx, 'B');
}

static void
add_hooks(struct bed *b)
{
    assert_int_equal(loop_at_turn_end(b->loop, hook_a, b, NULL), STATUS_OK);
    assert_int_equal(loop_at_turn_end(b->loop, hook_b, b, NULL), STATUS_OK);
}

static void
hooks_run_after_poll_in_order(void **state)
{
    struct bed *b = *state;
    add_hooks(b);
    open_watch(b, on_event, LOOP_READ);
    assert_int_equal(write(b->fd[1], "x", 1), 1);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "AB1AB");
}

static void
hooks_run_after_timers_before_the_wait(void **state)
{
    struct bed *b = *state;
    add_hooks(b);
    open_watch(b, on_event, LOOP_READ);
    assert_int_equal(
        loop_timer_open(b->loop, on_time_stop, b, &b->timer, NULL), STATUS_OK);
    loop_timer_start(b->timer, 0, 0);
    assert_int_equal(write(b->fd[1], "x", 1), 1);
    loop_run(b->loop);
    assert_string_equal(b->trace, "tAB1AB");
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

static void
hooks_are_capped(void **state)
{
    struct bed *b = *state;
    struct error err;
    for (int i = 0; i < LOOP_TURN_HOOKS_MAX; i++) {
        assert_int_equal(
            loop_at_turn_end(b->loop, nothing, b, &err), STATUS_OK);
    }
    assert_int_equal(loop_at_turn_end(b->loop, nothing, b, &err), STATUS_LIMIT);
}

static void
hook_again(void *ctx)
{
    struct bed *b = ctx;
    if (b->again_left > 0) {
        b->again_left--;
        loop_again(b->loop);
        return;
    }
    loop_stop(b->loop);
}

/* Without loop_again the loop would wait for the watchdog's two seconds. */
static void
again_does_not_wait(void **state)
{
    struct bed *b = *state;
    assert_int_equal(
        loop_timer_open(b->loop, on_time_stop, b, &b->timer, NULL), STATUS_OK);
    loop_timer_start(b->timer, 2000, 0);
    assert_int_equal(loop_at_turn_end(b->loop, hook_again, b, NULL), STATUS_OK);
    b->again_left = 50;
    loop_run(b->loop);
    assert_int_equal(b->again_left, 0);
    assert_int_equal(count(b, 't'), 0);
}

static void
on_event_again(void *ctx, int events)
{
    struct bed *b = ctx;
    (void)events;
    note(b, 'e');
    loop_watch_set(b->watch, 0);
    loop_again(b->loop);
}

/* Asked for during a poll: the next poll does not wait, the one after does. */
static void
again_lasts_one_turn(void **state)
{
    struct bed *b = *state;
    assert_int_equal(loop_at_turn_end(b->loop, hook_a, b, NULL), STATUS_OK);
    open_watch(b, on_event_again, LOOP_READ);
    assert_int_equal(write(b->fd[1], "x", 1), 1);
    assert_int_equal(
        loop_timer_open(b->loop, on_time_stop, b, &b->timer, NULL), STATUS_OK);
    loop_timer_start(b->timer, 60, 0);
    loop_run(b->loop);
    /* Prepare and check of: the poll with the event, the one without a wait,
     * and the one that the timer ended; then the turn of the timer. */
    assert_string_equal(b->trace, "AeAAAAAtAA");
}

static void
signals_reach_their_callback(void **state)
{
    struct bed *b = *state;
    assert_int_equal(
        loop_signal_open(b->loop, SIGUSR1, on_time_stop, b, &b->signal, NULL),
        STATUS_OK);
    raise(SIGUSR1);
    loop_run(b->loop);
    assert_string_equal(b->trace, "t");
    struct loop_signal *none = NULL;
    assert_int_equal(
        loop_signal_open(b->loop, SIGKILL, on_time_stop, b, &none, NULL),
        STATUS_IO);
    assert_null(none);
}

static void
a_broken_pipe_is_an_error_not_the_end(void **state)
{
    struct bed *b = *state;
    shutdown(b->fd[1], SHUT_RD);
    assert_int_equal(write(b->fd[0], "x", 1), -1);
}

static void *
wake_from_thread(void *ctx)
{
    struct bed *b = ctx;
    loop_wake_send(b->wake);
    loop_wake_send(b->wake);
    return NULL;
}

static void
another_thread_wakes_the_loop(void **state)
{
    struct bed *b = *state;
    pthread_t thread;
    assert_int_equal(
        loop_wake_open(b->loop, on_time_stop, b, &b->wake, NULL), STATUS_OK);
    assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, b), 0);
    loop_run(b->loop);
    pthread_join(thread, NULL);
    assert_true(count(b, 't') >= 1);
    const size_t seen = b->trace_len;
    loop_wake_send(b->wake);
    loop_wake_close(&b->wake); /* after close, never */
    loop_run_once(b->loop);
    assert_int_equal(b->trace_len, seen);
}

/* The child's loop has its own epoll set: what the parent does to its own
 * does not reach the child, and the other way round. */
static void
a_forked_child_runs_the_loop(void **state)
{
    struct bed *b = *state;
    open_watch(b, on_event, LOOP_READ);
    loop_run_once(b->loop);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (loop_after_fork(b->loop, NULL) != STATUS_OK ||
            write(b->fd[1], "x", 1) != 1) {
            _exit(10);
        }
        loop_run_once(b->loop);
        const bool seen = strcmp(b->trace, "1") == 0;
        loop_watch_close(&b->watch);
        loop_run_once(b->loop);
        _exit(seen ? 0 : 11);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    loop_run_once(b->loop);
    assert_string_equal(b->trace, "1");
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(watch_is_level_triggered_and_pauses),
        LOOP_TEST(half_close_is_a_hangup),
        LOOP_TEST(an_error_is_every_event_asked_for_again_and_again),
        LOOP_TEST(a_callback_closes_itself_and_another),
        LOOP_TEST(a_file_cannot_be_watched),
        LOOP_TEST(timers_fire_once_or_repeat),
        LOOP_TEST(hooks_run_after_poll_in_order),
        LOOP_TEST(hooks_run_after_timers_before_the_wait),
        LOOP_TEST(hooks_are_capped),
        LOOP_TEST(again_does_not_wait),
        LOOP_TEST(again_lasts_one_turn),
        LOOP_TEST(signals_reach_their_callback),
        LOOP_TEST(a_broken_pipe_is_an_error_not_the_end),
        LOOP_TEST(another_thread_wakes_the_loop),
        LOOP_TEST(a_forked_child_runs_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
