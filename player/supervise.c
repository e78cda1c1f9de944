/* A slot a program: its pidfd tells its end, its pipe that it is ready, its
 * timer either starts it again or kills it. Stopping walks the slots in order
 * and waits for each, for the recorder must outlive what the proxy still
 * writes.
 *
 * The trap: Ctrl-C reaches a whole process group. The programs get groups of
 * their own, or the recorder would end together with the proxy. */
#include "player/supervise.h"

#include "base/clock.h"
#include "base/loop.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MAX_MS   5000u
#define STEADY_NS        (10ull * 1000 * 1000 * 1000) /* resets the backoff */
#define STOP_MS          10000u /* from SIGTERM to SIGKILL */
#define ARGS_MAX         16

enum child_state {
    CHILD_IDLE,     /* nothing runs: not started, or ended for good */
    CHILD_STARTING, /* owes its byte */
    CHILD_READY,
    CHILD_RESTING, /* ended; its timer starts it again */
};

struct supervisor;

struct child_slot {
    struct supervisor *owner;
    const struct supervise_program *program;
    enum child_state state;
    bool was_ready; /* ever: then it is worth starting again */
    bool is_told;   /* SIGTERM was sent */
    unsigned attempt;
    uint64_t ready_ns;
    pid_t pid;
    int pid_fd;
    int ready_fd;
    struct loop_watch *end_watch;
    struct loop_watch *ready_watch;
    struct loop_timer *timer; /* of the rest, or to SIGKILL */
};

struct supervisor {
    const struct supervise_plan *plan;
    struct loop *loop;
    struct loop_signal *signals[3];
    struct child_slot slots[SUPERVISE_MAX];
    bool is_announced; /* on_ready was called */
    bool is_stopping;
    int stopping; /* the slot whose end is awaited */
    enum status result;
    struct error *err;
};

uint64_t
supervise_backoff_ms(unsigned attempt)
{
    /* 100 * 2^6 is above the most already */
    const uint64_t ms = (uint64_t)BACKOFF_FIRST_MS
                        << (attempt < 6 ? attempt : 6);
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static void start_child(struct child_slot *s);
static void stop_all(struct supervisor *v);

/* The first failure is the one that is told. */
static void
fail(struct supervisor *v, enum status st)
{
    if (v->result == STATUS_OK) {
        v->result = st;
    }
    stop_all(v);
}

/* ---- In the child, between fork and exec ---- */

static void
become_program(const struct supervise_program *p, pid_t parent, int ready_fd)
{
    char *argv[ARGS_MAX + 3];
    char number[16];
    int count = 0;
    while (p->argv[count] != NULL && count < ARGS_MAX) {
        argv[count] = p->argv[count];
        count++;
    }
    char flag[] = "--ready-fd";
    snprintf(number, sizeof number, "%d", ready_fd);
    argv[count++] = flag;
    argv[count++] = number;
    argv[count] = NULL;
    /* A group of its own: Ctrl-C is for us, who end the programs in order.
     * The signal of a parent's death could have been missed before prctl. */
    if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 ||
        getppid() != parent || fcntl(ready_fd, F_SETFD, 0) != 0) {
        _exit(127);
    }
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) {
        _exit(127);
    }
    signal(SIGPIPE, SIG_DFL); /* an ignored signal would be inherited */
    execv(argv[0], argv);
    _exit(127);
}

/* ---- Events ---- */

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* a pidfd or the read end of a pipe */
        *fd = -1;
    }
}

static void
close_ready(struct child_slot *s)
{
    loop_watch_close(&s->ready_watch);
    close_fd(&s->ready_fd);
}

static bool
are_all_ready(const struct supervisor *v)
{
    for (int i = 0; i < v->plan->count; i++) {
        if (v->slots[i].state != CHILD_READY) {
            return false;
        }
    }
    return true;
}

static void
on_ready_byte(void *ctx, int events)
{
    struct child_slot *s = ctx;
    struct supervisor *v = s->owner;
    (void)events;
    char byte = 0;
    const ssize_t n = read(s->ready_fd, &byte, 1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    close_ready(s);
    if (n != 1) {
        return; /* it closed the descriptor: its end will tell why */
    }
    s->state = CHILD_READY;
    s->was_ready = true;
    s->ready_ns = clock_mono_ns(&clock_system);
    if (v->is_announced || v->is_stopping || !are_all_ready(v)) {
        return;
    }
    v->is_announced = true;
    const enum status st = v->plan->on_ready(v->plan->ctx, v->err);
    if (st != STATUS_OK) {
        fail(v, st);
    }
}

/* "ended with exit code 3", "was ended by signal 9 (Killed)". */
static void
describe_end(int status, char *out, size_t cap)
{
    if (WIFSIGNALED(status)) {
        snprintf(out, cap, "was ended by signal %d (%s)", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    } else {
        snprintf(out, cap, "ended with exit code %d", WEXITSTATUS(status));
    }
}

static void
rest_and_restart(struct child_slot *s, const char *how)
{
    const uint64_t now = clock_mono_ns(&clock_system);
    if (s->state == CHILD_READY && now - s->ready_ns >= STEADY_NS) {
        s->attempt = 0;
    }
    const uint64_t delay_ms = supervise_backoff_ms(s->attempt++);
    fprintf(stderr, "kubetape: %s %s; starting it again in %llu ms\n",
        s->program->name, how, (unsigned long long)delay_ms);
    s->state = CHILD_RESTING;
    loop_timer_start(s->timer, delay_ms, 0);
}

static void
on_end(void *ctx, int events)
{
    struct child_slot *s = ctx;
    struct supervisor *v = s->owner;
    (void)events;
    int status = 0;
    if (waitpid(s->pid, &status, WNOHANG) != s->pid) {
        return;
    }
    char how[128];
    describe_end(status, how, sizeof how);
    loop_watch_close(&s->end_watch);
    close_fd(&s->pid_fd);
    if (s->ready_fd >= 0) {
        on_ready_byte(s, LOOP_READ); /* it may have said so just before */
    }
    close_ready(s);
    loop_timer_stop(s->timer);
    s->pid = 0;
    if (v->is_stopping) {
        s->state = CHILD_IDLE;
        stop_all(v);
    } else if (s->was_ready) {
        rest_and_restart(s, how);
    } else {
        s->state = CHILD_IDLE;
        fail(v, error_set(v->err, STATUS_CLOSED, "%s %s before it was ready",
                    s->program->name, how));
    }
}

/* Two timers in one: a program cannot rest and be ending at once. */
static void
on_timer(void *ctx)
{
    struct child_slot *s = ctx;
    if (s->owner->is_stopping) {
        fprintf(stderr, "kubetape: %s does not end; killing it\n",
            s->program->name);
        (void)kill(s->pid, SIGKILL);
        return;
    }
    start_child(s);
}

static void
tell_to_end(struct child_slot *s)
{
    if (!s->is_told) {
        s->is_told = true;
        (void)kill(s->pid, SIGTERM);
        loop_timer_start(s->timer, STOP_MS, 0);
    }
}

/* Ends the first that still runs, and with the last of them the loop. */
static void
stop_all(struct supervisor *v)
{
    v->is_stopping = true;
    for (; v->stopping < v->plan->count; v->stopping++) {
        struct child_slot *s = &v->slots[v->stopping];
        if (s->pid != 0) {
            tell_to_end(s);
            return;
        }
        loop_timer_stop(s->timer);
        s->state = CHILD_IDLE;
    }
    loop_stop(v->loop);
}

static void
on_stop_signal(void *ctx)
{
    struct supervisor *v = ctx;
    if (!v->is_stopping) {
        stop_all(v);
        return;
    }
    if (v->stopping < v->plan->count && v->slots[v->stopping].pid != 0) {
        (void)kill(v->slots[v->stopping].pid, SIGKILL);
    }
}

/* ---- Starting ---- */

static enum status
watch_child(struct child_slot *s, struct error *err)
{
    struct loop *loop = s->owner->loop;
    s->pid_fd = pidfd_open(s->pid, 0);
    if (s->pid_fd < 0) {
        return error_sys(err, errno, "cannot watch %s", s->program->name);
    }
    enum status st =
        loop_watch_open(loop, s->pid_fd, on_end, s, &s->end_watch, err);
    if (st == STATUS_OK) {
        loop_watch_set(s->end_watch, LOOP_READ);
        st = loop_watch_open(
            loop, s->ready_fd, on_ready_byte, s, &s->ready_watch, err);
    }
    if (st == STATUS_OK) {
        loop_watch_set(s->ready_watch, LOOP_READ);
    }
    return st;
}

static enum status
spawn(struct child_slot *s, struct error *err)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) != 0) {
        return error_sys(err, errno, "cannot make a pipe");
    }
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        become_program(s->program, parent, ready[1]);
    }
    const int fork_errno = errno;
    (void)close(ready[1]);
    s->ready_fd = ready[0];
    if (pid < 0) {
        close_fd(&s->ready_fd);
        return error_sys(err, fork_errno, "cannot start %s", s->program->name);
    }
    s->pid = pid;
    s->state = CHILD_STARTING;
    const enum status st = watch_child(s, err);
    if (st != STATUS_OK) { /* its end would never be seen */
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        s->pid = 0;
        s->state = CHILD_IDLE;
    }
    return st;
}

static void
start_child(struct child_slot *s)
{
    const enum status st = spawn(s, s->owner->err);
    if (st != STATUS_OK) {
        fail(s->owner, st);
    }
}

static enum status
open_all(struct supervisor *v, struct error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    enum status st = loop_new(&v->loop, err);
    for (size_t i = 0; st == STATUS_OK && i < 3; i++) {
        st = loop_signal_open(
            v->loop, signals[i], on_stop_signal, v, &v->signals[i], err);
    }
    for (int i = 0; i < v->plan->count; i++) {
        struct child_slot *s = &v->slots[i];
        *s = (struct child_slot){
            .owner = v,
            .program = &v->plan->programs[i],
            .pid_fd = -1,
            .ready_fd = -1,
        };
        if (st == STATUS_OK) {
            st = loop_timer_open(v->loop, on_timer, s, &s->timer, err);
        }
    }
    return st;
}

static void
close_all(struct supervisor *v)
{
    for (int i = 0; i < v->plan->count; i++) {
        struct child_slot *s = &v->slots[i];
        loop_watch_close(&s->end_watch);
        close_fd(&s->pid_fd);
        close_ready(s);
        loop_timer_close(&s->timer);
    }
    for (size_t i = 0; i < 3; i++) {
        loop_signal_close(&v->signals[i]);
    }
    loop_free(&v->loop);
}

enum status
supervise_run(const struct supervise_plan *plan, struct error *err)
{
    assert(plan->count <= SUPERVISE_MAX);
    struct supervisor v = {.plan = plan, .result = STATUS_OK, .err = err};
    v.result = open_all(&v, err);
    if (v.result == STATUS_OK) {
        for (int i = 0; i < plan->count && !v.is_stopping; i++) {
            start_child(&v.slots[i]);
        }
        loop_run(v.loop);
    }
    close_all(&v);
    return v.result;
}
