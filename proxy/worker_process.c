/* See worker_process.h. The trap: a descriptor that is given may have the
 * number of one that another is to get, so all move out of the way first. */
#include "proxy/worker_process.h"

#include "base/config.h"
#include "base/file.h"
#include "proxy/metrics.h"
#include "proxy/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What a worker finds open. */
enum worker_fd {
    FD_CONFIG = 3,
    FD_LISTEN,
    FD_METRICS,
    FD_READY,
    FD_COUNT,
};

/* ---- the supervisor's side ---- */

/* In the child, where every signal is blocked: until exec, the parent's handlers
 * would take what is meant for the child, and a SIGTERM would be lost. */
static void
signals_let_in(const sigset_t *mask)
{
    const struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int signo = 1; signo < NSIG; signo++) {
        if (signo != SIGPIPE) {
            (void)sigaction(signo, &dfl, NULL); /* not all can be set */
        }
    }
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
}

/* In the child, between fork and exec: only what is safe there. */
static void
worker_exec(const struct worker_process *p, int ready_fd, pid_t parent)
{
    const int from[] = {p->config_fd, p->listen_fd, p->metrics_fd, ready_fd};
    int high[FD_COUNT];
    char index[16];
    char name[] = "kubetape-proxy";
    char flag[] = "--worker";
    char *const argv[] = {name, flag, index, NULL};
    snprintf(index, sizeof index, "%u", p->index);
    /* Out of the way first, so that no target is still a source. */
    for (size_t i = 0; i < FD_COUNT - FD_CONFIG; i++) {
        high[i] = fcntl(from[i], F_DUPFD, 64);
    }
    for (size_t i = 0; i < FD_COUNT - FD_CONFIG; i++) {
        if (dup2(high[i], (int)(FD_CONFIG + i)) < 0) {
            _exit(127);
        }
    }
    (void)close_range(FD_COUNT, ~0u, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(127); /* the supervisor died before the line above */
    }
    execv("/proc/self/exe", argv);
    _exit(127);
}

enum status
worker_process_start(const struct worker_process *p, pid_t *pid_out,
    int *ready_fd_out, struct error *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        return error_sys(err, errno, "pipe");
    }
    const pid_t parent = getpid();
    sigset_t all;
    sigset_t mask;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &mask);
    const pid_t pid = fork();
    if (pid == 0) {
        signals_let_in(&mask);
        worker_exec(p, pipe_fds[1], parent);
    }
    const int why = errno;
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return error_sys(err, why, "fork");
    }
    *pid_out = pid;
    *ready_fd_out = pipe_fds[0];
    return STATUS_OK;
}

/* ---- the worker's side ---- */

enum status
worker_process_run(const char *index, struct error *err)
{
    struct buf text;
    struct config *c = NULL;
    struct metrics *metrics = NULL;
    uint64_t number = 0;
    if (!span_to_u64(span_str(index), WORKERS_MAX, &number)) {
        return error_set(
            err, STATUS_INVALID, "--worker %s: not a number", index);
    }
    for (int fd = FD_CONFIG; fd < FD_COUNT; fd++) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* not for plugins */
    }
    buf_init(&text, CONFIG_FILE_MAX);
    enum status st = file_read("/proc/self/fd/3", &text, err);
    if (st == STATUS_OK) {
        st = config_parse(buf_view(&text), "configuration", &c, err);
    }
    if (st == STATUS_OK) {
        st = metrics_map(FD_METRICS, &metrics, err);
    }
    if (st == STATUS_OK) {
        const struct log log = {
            .fd = STDERR_FILENO,
            .level = c->log.level,
            .format = c->log.format,
            .clock = &clock_system,
            .program = "kubetape-proxy",
        };
        st = worker_run(
            &(struct worker_options){
                .config = c,
                .clock = &clock_system,
                .log = &log,
                .metrics = metrics,
                .index = (unsigned)number,
                .listen_fd = FD_LISTEN,
                .ready_fd = FD_READY,
            },
            err);
    }
    metrics_free(&metrics);
    config_free(&c);
    buf_fini(&text);
    return st;
}
