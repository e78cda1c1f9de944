/* One child process: started, fed nothing, listened to, and never forgotten.
 *
 * Its end is a readable pidfd, so no SIGCHLD handler is shared with anyone.
 * It leads a process group of its own, which is killed whole, and the kernel
 * kills it if this process dies first. Its output counts up to its own end: a
 * grandchild that keeps the pipe open is not waited for.
 *
 * The trap: between fork and exec only async-signal-safe calls may run, since
 * another thread may hold a lock of malloc; so arguments and environment are
 * made before the fork, and a failing exec comes back through a pipe.
 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_CHUNK ((size_t)16 * 1024)

extern char **environ;

struct child {
    pid_t pid; /* 0 once it was waited for */
    int pid_fd;
    int out_fd;
    struct loop_watch *exit_watch;
    struct loop_watch *out_watch;
    struct loop_timer *timer;
    struct buf out;
    child_fn *fn;
    void *ctx;
};

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* The leader is not yet waited for, so its number still names its group,
 * which it made before exec. */
static void
kill_group(const struct child *c)
{
    if (c->pid > 0) {
        (void)kill(-c->pid, SIGKILL);
    }
}

static void
stop_watching(struct child *c)
{
    loop_watch_close(&c->exit_watch);
    loop_watch_close(&c->out_watch);
    loop_timer_close(&c->timer);
    close_fd(&c->pid_fd);
    close_fd(&c->out_fd);
}

/* Everything is let go of before the call, which may free the child. */
static void
finish(struct child *c, int status)
{
    struct buf out = c->out;
    buf_init(&c->out, 0);
    stop_watching(c);
    c->fn(c->ctx, status, buf_view(&out));
    buf_wipe(&out); /* a credential plugin prints tokens */
}

enum drained {
    DRAINED_ALL,
    DRAINED_END,
    DRAINED_TOO_MUCH
};

/* Reads what is there. A full buffer reads one byte aside: only that tells
 * "exactly max_out" from more. */
static enum drained
drain(struct child *c)
{
    for (;;) {
        uint8_t probe;
        uint8_t *tail = &probe;
        size_t room = buf_room(&c->out);
        size_t want = room < READ_CHUNK ? room : READ_CHUNK;
        if (room == 0) {
            want = sizeof(probe);
        } else if (buf_reserve(&c->out, want, &tail) != STATUS_OK) {
            return DRAINED_TOO_MUCH;
        }
        ssize_t n = read(c->out_fd, tail, want);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 && errno == EAGAIN ? DRAINED_ALL : DRAINED_END;
        }
        if (room == 0) {
            return DRAINED_TOO_MUCH;
        }
        buf_commit(&c->out, (size_t)n);
    }
}

static void
on_output(void *ctx, int events)
{
    (void)events;
    struct child *c = ctx;
    switch (drain(c)) {
    case DRAINED_ALL:
        return;
    case DRAINED_TOO_MUCH:
        kill_group(c);
        loop_watch_close(&c->out_watch);
        return;
    case DRAINED_END:
        loop_watch_close(&c->out_watch);
        return;
    }
}

static void
on_exit_ready(void *ctx, int events)
{
    (void)events;
    struct child *c = ctx;
    int status;
    pid_t pid = waitpid(c->pid, &status, WNOHANG);
    if (pid != c->pid) {
        return;
    }
    c->pid = 0;
    (void)drain(c);
    finish(c, status);
}

/* fn is called when the end arrives. */
static void
on_timeout(void *ctx)
{
    kill_group(ctx);
}

/* What the forked process needs, made before the fork. */
struct plan {
    char *const *argv;
    char **env;
    int out_pipe[2];
    int error_pipe[2]; /* closed by exec, or carries its errno */
    pid_t parent;
};

static bool
has_same_key(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");
    return len == strcspn(b, "=") && memcmp(a, b, len) == 0;
}

static bool
is_replaced(const char *entry, char *const added[])
{
    for (size_t i = 0; added[i] != NULL; i++) {
        if (has_same_key(entry, added[i])) {
            return true;
        }
    }
    return false;
}

static size_t
count(char *const list[])
{
    size_t n = 0;
    while (list[n] != NULL) {
        n++;
    }
    return n;
}

/* The environment with `added` in place of what has the same keys; the
 * strings are borrowed. NULL without memory. */
static char **
merged_environment(char *const added[])
{
    char *const nothing[] = {NULL};
    char *const *more = added == NULL ? nothing : added;
    char **env = calloc(count(environ) + count(more) + 1, sizeof(*env));
    if (env == NULL) {
        return NULL;
    }
    size_t n = 0;
    for (size_t i = 0; environ[i] != NULL; i++) {
        if (!is_replaced(environ[i], more)) {
            env[n++] = environ[i];
        }
    }
    for (size_t i = 0; more[i] != NULL; i++) {
        env[n++] = more[i];
    }
    return env;
}

/* Handlers and masks of this process are not the child's: an ignored
 * SIGPIPE would survive exec. */
static void
default_signals(void)
{
    for (int signo = 1; signo < NSIG; signo++) {
        (void)signal(signo, SIG_DFL); /* SIGKILL and SIGSTOP refuse */
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: descriptors 0 and 1, and nothing else but stderr. */
static bool
arrange_descriptors(const struct plan *plan)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(plan->out_pipe[1], STDOUT_FILENO) < 0) {
        return false;
    }
    /* Also what a library opened without close-on-exec. An old kernel that
     * does not know this still closes all of ours. */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    return true;
}

__attribute__((noreturn)) static void
become(const struct plan *plan)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan->parent) {
        _exit(127); /* it died before prctl */
    }
    default_signals();
    if (arrange_descriptors(plan)) {
        (void)execvpe(plan->argv[0], plan->argv, plan->env);
    }
    int failed = errno;
    ssize_t n = write(plan->error_pipe[1], &failed, sizeof(failed));
    (void)n;
    _exit(127);
}

/* Signals wait until the child has its own handlers: a handler of the loop
 * would write into a pipe that both processes share. */
static pid_t
fork_blocked(const struct plan *plan)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        become(plan);
    }
    int failed = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return pid;
}

/* 0 when exec succeeded, which closed the pipe; else its errno. */
static int
await_exec(int fd)
{
    int failed = 0;
    ssize_t n;
    do {
        n = read(fd, &failed, sizeof(failed));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(failed) ? failed : 0;
}

static void
reap(struct child *c)
{
    kill_group(c);
    pid_t pid = 0;
    while (c->pid > 0 && pid != c->pid) {
        pid = waitpid(c->pid, NULL, 0);
        if (pid < 0 && errno != EINTR) {
            break;
        }
    }
    c->pid = 0;
}

static enum status
launch(struct child *c, struct plan *plan, struct error *err)
{
    c->pid = fork_blocked(plan);
    if (c->pid < 0) {
        return error_sys(err, errno, "cannot fork for %s", plan->argv[0]);
    }
    close_fd(&plan->out_pipe[1]);
    close_fd(&plan->error_pipe[1]);
    int failed = await_exec(plan->error_pipe[0]);
    if (failed != 0) {
        reap(c);
        return error_sys(err, failed, "cannot run %s", plan->argv[0]);
    }
    c->out_fd = plan->out_pipe[0];
    plan->out_pipe[0] = -1;
    return STATUS_OK;
}

static enum status
open_plan(struct plan *plan, char *const env[], struct error *err)
{
    plan->env = merged_environment(env);
    if (plan->env == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a child");
    }
    if (pipe2(plan->out_pipe, O_CLOEXEC) != 0 ||
        pipe2(plan->error_pipe, O_CLOEXEC) != 0 ||
        fcntl(plan->out_pipe[0], F_SETFL, O_NONBLOCK) != 0) {
        return error_sys(err, errno, "cannot open a pipe to a child");
    }
    return STATUS_OK;
}

static void
close_plan(struct plan *plan)
{
    free(plan->env);
    for (int end = 0; end < 2; end++) {
        close_fd(&plan->out_pipe[end]);
        close_fd(&plan->error_pipe[end]);
    }
}

static enum status
start(struct child *c, char *const argv[], char *const env[], struct error *err)
{
    struct plan plan = {
        .argv = argv,
        .out_pipe = {-1, -1},
        .error_pipe = {-1, -1},
        .parent = getpid(),
    };
    enum status st = open_plan(&plan, env, err);
    if (st == STATUS_OK) {
        st = launch(c, &plan, err);
    }
    close_plan(&plan);
    return st;
}

static enum status
watch(
    struct child *c, struct loop *loop, uint64_t timeout_ms, struct error *err)
{
    c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pid_fd < 0) {
        return error_sys(err, errno, "cannot open a pidfd");
    }
    enum status st =
        loop_watch_open(loop, c->pid_fd, on_exit_ready, c, &c->exit_watch, err);
    if (st == STATUS_OK) {
        st = loop_watch_open(loop, c->out_fd, on_output, c, &c->out_watch, err);
    }
    if (st == STATUS_OK) {
        st = loop_timer_open(loop, on_timeout, c, &c->timer, err);
    }
    if (st == STATUS_OK) {
        loop_watch_set(c->exit_watch, LOOP_READ);
        loop_watch_set(c->out_watch, LOOP_READ);
        loop_timer_start(c->timer, timeout_ms, 0);
    }
    return st;
}

enum status
child_run(struct loop *loop, char *const argv[], char *const env[],
    size_t max_out, uint64_t timeout_ms, child_fn *fn, void *ctx,
    struct child **out, struct error *err)
{
    struct child *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a child");
    }
    c->pid_fd = -1;
    c->out_fd = -1;
    c->fn = fn;
    c->ctx = ctx;
    buf_init(&c->out, max_out);
    enum status st = start(c, argv, env, err);
    if (st == STATUS_OK) {
        st = watch(c, loop, timeout_ms, err);
    }
    if (st != STATUS_OK) {
        child_cancel(&c);
        return st;
    }
    *out = c;
    return STATUS_OK;
}

void
child_cancel(struct child **c)
{
    if (*c == NULL) {
        return;
    }
    reap(*c); /* SIGKILL first, so this does not wait for long */
    stop_watching(*c);
    buf_wipe(&(*c)->out);
    free(*c);
    *c = NULL;
}
