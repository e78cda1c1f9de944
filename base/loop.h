/* The event loop: the only door to libuv.
 *
 * Owns waiting: for descriptors, time, signals and other threads. Refuses to
 * know what the descriptors are. One loop a process; every callback runs on
 * the thread that calls loop_run.
 *
 * A turn is one pass of the loop. Turn-end hooks run after all callbacks of a
 * turn and before the loop waits again, in the order they were added: that
 * is where the journal is written and then bytes are delivered.
 *
 * Anything may be closed from inside any callback, its own included; after
 * close returns its callback is never called again.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_watch;
struct loop_timer;
struct loop_signal;
struct loop_wake;

/* Also ignores SIGPIPE, for the whole process: a write to a closed socket must
 * be an error that its caller sees, not the end of the program. */
enum status loop_new(struct loop **out, struct error *err) MUST_CHECK;
void loop_free(struct loop **loop); /* everything on it closed before */
void loop_run(struct loop *loop);   /* until loop_stop */
void loop_stop(struct loop *loop);
/* Once, without waiting: for tests and for child processes after fork. */
void loop_run_once(struct loop *loop);
/* In a forked child, before anything else touches the loop. */
enum status loop_after_fork(struct loop *loop, struct error *err) MUST_CHECK;

enum {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
    LOOP_HANGUP = 4, /* the peer shut down its sending half */
};

/* Watches a non-blocking descriptor, level-triggered. `events` given to the
 * callback is a set of the above; an error condition is reported as every
 * event that was asked for, so that the read or write finds it. Closing does
 * not close the descriptor. */
typedef void loop_watch_fn(void *ctx, int events);
enum status loop_watch_open(struct loop *loop, int fd, loop_watch_fn *fn,
    void *ctx, struct loop_watch **out, struct error *err) MUST_CHECK;
void loop_watch_set(struct loop_watch *w, int events); /* 0 pauses */
void loop_watch_close(struct loop_watch **w);          /* NULL is fine */

typedef void loop_fn(void *ctx);
enum status loop_timer_open(struct loop *loop, loop_fn *fn, void *ctx,
    struct loop_timer **out, struct error *err) MUST_CHECK;
void loop_timer_start(struct loop_timer *t, uint64_t delay_ms,
    uint64_t repeat_ms); /* 0 once; restarts one that runs */
void loop_timer_stop(struct loop_timer *t);
void loop_timer_close(struct loop_timer **t);

enum status loop_signal_open(struct loop *loop, int signo, loop_fn *fn,
    void *ctx, struct loop_signal **out, struct error *err) MUST_CHECK;
void loop_signal_close(struct loop_signal **s);

/* May be woken from any thread; wakes may be joined into one call. */
enum status loop_wake_open(struct loop *loop, loop_fn *fn, void *ctx,
    struct loop_wake **out, struct error *err) MUST_CHECK;
void loop_wake_send(struct loop_wake *w);
void loop_wake_close(struct loop_wake **w);

#define LOOP_TURN_HOOKS_MAX 8
enum status loop_at_turn_end(
    struct loop *loop, loop_fn *fn, void *ctx, struct error *err) MUST_CHECK;
/* The loop will not wait at the end of this turn: more work is ready (for
 * instance decrypted bytes that no descriptor will signal). */
void loop_again(struct loop *loop);

#endif
