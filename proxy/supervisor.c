#include "proxy/supervisor.h"

#include "base/address.h"
#include "base/file.h"
#include "base/http_service.h"
#include "proxy/limits.h"
#include "proxy/metrics.h"
#include "proxy/server_tls.h"
#include "proxy/worker_process.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_MIN_MS 100u
#define RESTART_MAX_MS 5000u
/* A worker that ran this long is not in a circle of crashes. */
#define RESTART_CALM_MS 10000u

struct supervisor;

struct slot { /* one worker's place */
    struct supervisor *supervisor;
    unsigned index;
    pid_t pid;         /* 0: none */
    pid_t predecessor; /* serves until `pid` is ready; 0: none */
    int listen_fd;
    int metrics_fd;
    struct metrics *metrics;
    int ready_fd; /* reading end; -1 when ready or gone */
    struct loop_watch *ready_watch;
    struct loop_timer *restart;
    uint64_t restart_ms;
    uint64_t started_ns;
    bool is_ready;
};

/* What the configuration says, and a memfd of its text. */
struct settings {
    struct config *config;
    int fd;
};

struct supervisor {
    const char *config_path;
    struct settings settings; /* of workers that are started now */
    struct settings proven;   /* those before, which workers ran with */
    struct log log;
    struct loop *loop;
    struct http_service *admin;
    struct loop_signal *signals[4];
    struct slot slots[WORKERS_MAX];
    unsigned slot_count;
    unsigned ready_count;
    int lock_fd;
    int ready_fd;
    bool was_ready; /* every worker was, once */
    bool is_stopping;
    enum status outcome;
    struct error why;
};

/* ---- settings ---- */

static void
settings_close(struct settings *s)
{
    config_free(&s->config);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static void
settings_apply(struct supervisor *v)
{
    v->log.level = v->settings.config->log.level;
    v->log.format = v->settings.config->log.format;
}

static enum status
settings_read(const char *path, struct settings *out, struct error *err)
{
    struct buf text;
    struct settings s = {NULL, -1};
    buf_init(&text, CONFIG_FILE_MAX);
    enum status st = file_read(path, &text, err);
    if (st == STATUS_OK) {
        st = config_parse(buf_view(&text), path, &s.config, err);
    }
    if (st == STATUS_OK) {
        s.fd = memfd_create("kubetape-config", MFD_CLOEXEC);
        st = s.fd < 0 ? error_sys(err, errno, "memfd_create")
                      : file_pwrite_all(s.fd, buf_view(&text), 0, err);
    }
    buf_fini(&text);
    if (st != STATUS_OK) {
        settings_close(&s);
        return st;
    }
    *out = s;
    return STATUS_OK;
}

/* Whether no worker still has to show that it runs with the settings. */
static bool
is_settled(const struct supervisor *v)
{
    for (unsigned i = 0; i < v->slot_count; i++) {
        if (v->slots[i].predecessor != 0) {
            return false;
        }
    }
    return true;
}

/* An error leaves the settings as they were. */
static enum status
settings_replace(struct supervisor *v, struct error *err)
{
    struct settings fresh;
    const enum status st = settings_read(v->config_path, &fresh, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (is_settled(v)) {
        settings_close(&v->proven);
        v->proven = v->settings;
    } else {
        settings_close(&v->settings);
    }
    v->settings = fresh;
    settings_apply(v);
    return STATUS_OK;
}

/* Back to what workers ran with; once, since the others of the same reload
 * fail likewise. */
static void
settings_restore(struct supervisor *v)
{
    if (v->proven.config != NULL) {
        settings_close(&v->settings);
        v->settings = v->proven;
        v->proven = (struct settings){NULL, -1};
        settings_apply(v);
    }
}

/* ---- starting a worker ---- */

static void supervisor_stop(struct supervisor *v);

static void
supervisor_fail(struct supervisor *v, const struct error *err)
{
    if (v->outcome == STATUS_OK) {
        v->outcome = err->code;
        v->why = *err;
    }
    supervisor_stop(v);
}

static void
slot_close_ready(struct slot *s)
{
    loop_watch_close(&s->ready_watch);
    if (s->ready_fd >= 0) {
        close(s->ready_fd);
        s->ready_fd = -1;
    }
}

static void supervisor_on_ready(struct supervisor *v);

/* The one that was replaced ends with its sessions. */
static void
slot_retire(struct slot *s)
{
    if (s->predecessor != 0) {
        (void)kill(s->predecessor, SIGHUP);
        s->predecessor = 0;
    }
}

static void
slot_on_ready(void *ctx, int events)
{
    struct slot *s = ctx;
    char byte = 0;
    (void)events;
    const bool is_ready = read(s->ready_fd, &byte, 1) == 1;
    slot_close_ready(s);
    if (is_ready && !s->is_ready) {
        s->is_ready = true;
        slot_retire(s);
        supervisor_on_ready(s->supervisor);
    }
}

/* An error leaves the slot as it was. */
static enum status
slot_start(struct slot *s, struct error *err)
{
    struct supervisor *v = s->supervisor;
    const struct worker_process process = {
        .index = s->index,
        .config_fd = v->settings.fd,
        .listen_fd = s->listen_fd,
        .metrics_fd = s->metrics_fd,
    };
    struct loop_watch *watch = NULL;
    pid_t pid = 0;
    int ready_fd = -1;
    enum status st = worker_process_start(&process, &pid, &ready_fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = loop_watch_open(v->loop, ready_fd, slot_on_ready, s, &watch, err);
    if (st != STATUS_OK) { /* nobody would hear that it is ready */
        (void)kill(pid, SIGKILL);
        close(ready_fd);
        return st;
    }
    loop_watch_set(watch, LOOP_READ);
    slot_close_ready(s);
    s->pid = pid;
    s->ready_fd = ready_fd;
    s->ready_watch = watch;
    s->started_ns = clock_mono_ns(&clock_system);
    return STATUS_OK;
}

static void
slot_on_restart(void *ctx)
{
    struct slot *s = ctx;
    struct error err;
    if (!s->supervisor->is_stopping && s->pid == 0 &&
        slot_start(s, &err) != STATUS_OK) {
        log_error(&s->supervisor->log, "worker.start_failed", &err);
        loop_timer_start(s->restart, s->restart_ms, 0);
    }
}

/* ---- when everything is there ---- */

static enum status
address_publish(struct supervisor *v, struct error *err)
{
    struct address bound;
    char text[ADDRESS_TEXT_MAX];
    char path[PATH_MAX];
    struct buf line;
    buf_init(&line, ADDRESS_TEXT_MAX + 1);
    enum status st = address_of_socket(v->slots[0].listen_fd, &bound, err);
    if (st == STATUS_OK) {
        address_format(&bound, text);
        st = buf_printf(&line, "%s\n", text);
    }
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, v->settings.config->state,
            "run/proxy.address", err);
    }
    if (st == STATUS_OK) {
        st = file_write_atomic(path, buf_view(&line), 0644, err);
    }
    if (st == STATUS_OK) {
        log_event(&v->log, LOG_INFO, "proxy.ready", LOG_S("listen", text),
            LOG_I("workers", v->slot_count));
    }
    buf_fini(&line);
    return st;
}

static void
supervisor_on_ready(struct supervisor *v)
{
    struct error err;
    v->ready_count++;
    if (v->was_ready || v->ready_count < v->slot_count) {
        return;
    }
    v->was_ready = true;
    if (address_publish(v, &err) != STATUS_OK) {
        supervisor_fail(v, &err);
        return;
    }
    if (v->ready_fd >= 0) {
        (void)!write(v->ready_fd, "\n", 1); /* a reader that left is no harm */
        close(v->ready_fd);
        v->ready_fd = -1;
    }
}

/* ---- when a worker ends ---- */

static bool
all_gone(const struct supervisor *v)
{
    for (unsigned i = 0; i < v->slot_count; i++) {
        if (v->slots[i].pid != 0 || v->slots[i].predecessor != 0) {
            return false;
        }
    }
    return true;
}

static void
worker_log_end(const struct slot *s, int status)
{
    log_event(&s->supervisor->log, LOG_ERROR, "worker.ended",
        LOG_I("worker", s->index),
        LOG_I("exit",
            WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)));
}

/* The new configuration does not run: its message is in the log, and the
 * worker that was to be replaced serves on. */
static void
slot_keep_predecessor(struct slot *s)
{
    struct supervisor *v = s->supervisor;
    s->pid = s->predecessor;
    s->predecessor = 0;
    s->is_ready = true;
    v->ready_count++;
    slot_close_ready(s);
    settings_restore(v);
    log_event(&v->log, LOG_ERROR, "config.kept", LOG_I("worker", s->index),
        LOG_S("why", "a worker with the new configuration did not start"));
}

static void
slot_on_exit(struct slot *s, int status)
{
    struct supervisor *v = s->supervisor;
    const uint64_t ran_ms =
        (clock_mono_ns(&clock_system) - s->started_ns) / 1000000u;
    if (!v->is_stopping) {
        worker_log_end(s, status);
    }
    if (s->ready_fd >= 0) {
        slot_on_ready(s, LOOP_READ); /* it may have said so just before */
    }
    if (s->predecessor != 0 && !v->is_stopping) {
        slot_keep_predecessor(s);
        return;
    }
    s->pid = 0;
    v->ready_count -= s->is_ready ? 1 : 0;
    s->is_ready = false;
    metrics_set(s->metrics, METRIC_IS_READY, 0);
    metrics_set(s->metrics, METRIC_CONNECTIONS, 0);
    metrics_set(s->metrics, METRIC_SESSIONS_ACTIVE, 0);
    metrics_set(s->metrics, METRIC_SESSIONS_PAUSED, 0);
    metrics_set(s->metrics, METRIC_JOURNAL_BACKLOG, 0);
    metrics_set(s->metrics, METRIC_RECORDER_SILENCE, 0);
    slot_close_ready(s);
    if (v->is_stopping) {
        return;
    }
    if (!v->was_ready) {
        struct error err;
        error_set(&err, STATUS_IO,
            "a worker ended before it was ready; its message is above");
        supervisor_fail(v, &err);
        return;
    }
    s->restart_ms = ran_ms > RESTART_CALM_MS             ? RESTART_MIN_MS
                    : s->restart_ms * 2 > RESTART_MAX_MS ? RESTART_MAX_MS
                                                         : s->restart_ms * 2;
    loop_timer_start(s->restart, s->restart_ms, 0);
}

static void
supervisor_on_child(void *ctx)
{
    struct supervisor *v = ctx;
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0;
         pid = waitpid(-1, &status, WNOHANG)) {
        for (unsigned i = 0; i < v->slot_count; i++) {
            if (v->slots[i].pid == pid) {
                slot_on_exit(&v->slots[i], status);
            } else if (v->slots[i].predecessor == pid) {
                v->slots[i].predecessor = 0; /* its successor is on the way */
            }
        }
    }
    if (v->is_stopping && all_gone(v)) {
        loop_stop(v->loop);
    }
}

/* ---- stopping and reloading ---- */

static void
supervisor_stop(struct supervisor *v)
{
    v->is_stopping = true;
    for (unsigned i = 0; i < v->slot_count; i++) {
        const struct slot *s = &v->slots[i];
        loop_timer_stop(s->restart);
        if (s->pid != 0) {
            kill(s->pid, SIGTERM);
        }
        if (s->predecessor != 0) {
            kill(s->predecessor, SIGTERM);
        }
    }
    if (all_gone(v)) {
        loop_stop(v->loop);
    }
}

static void
supervisor_on_stop(void *ctx)
{
    struct supervisor *v = ctx;
    log_event(&v->log, LOG_INFO, "proxy.stopping", LOG_S("by", "signal"));
    supervisor_stop(v);
}

/* A worker on the new configuration in place of the one there is, which goes
 * on until the new one is ready, if it serves. */
static void
slot_replace(struct slot *s)
{
    struct supervisor *v = s->supervisor;
    struct error err;
    const pid_t old = s->pid;
    if (slot_start(s, &err) != STATUS_OK) {
        log_error(&v->log, "worker.start_failed", &err);
        return;
    }
    loop_timer_stop(s->restart);
    if (s->is_ready) {
        s->predecessor = old;
        s->is_ready = false;
        v->ready_count--;
    } else if (old != 0) {
        (void)kill(old, SIGTERM);
    }
}

/* New workers take over the listening sockets; the old ones drain for as long
 * as their sessions run. What was bound at the start (address, number of
 * workers, state folder, admin address) stays. */
static void
supervisor_on_reload(void *ctx)
{
    struct supervisor *v = ctx;
    struct error err;
    if (settings_replace(v, &err) != STATUS_OK) {
        log_error(&v->log, "config.kept", &err);
        return;
    }
    log_event(
        &v->log, LOG_INFO, "config.reloaded", LOG_S("file", v->config_path));
    for (unsigned i = 0; i < v->slot_count; i++) {
        slot_replace(&v->slots[i]);
    }
}

/* ---- admin ---- */

static void
admin_metrics(struct supervisor *v, struct http_answer *a)
{
    const struct metrics *workers[WORKERS_MAX];
    for (unsigned i = 0; i < v->slot_count; i++) {
        workers[i] = v->slots[i].metrics;
    }
    a->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (metrics_print(workers, v->slot_count, &a->body) != STATUS_OK) {
        a->status = 500;
    }
}

static bool
all_may_record(const struct supervisor *v)
{
    for (unsigned i = 0; i < v->slot_count; i++) {
        if (!v->slots[i].is_ready ||
            v->slots[i].metrics->values[METRIC_IS_READY] == 0) {
            return false;
        }
    }
    return true;
}

static void
admin_on_request(
    void *ctx, struct span method, struct span path, struct http_answer *a)
{
    struct supervisor *v = ctx;
    const char *text = "ok\n";
    (void)method;
    if (span_eq_str(path, "/metrics")) {
        admin_metrics(v, a);
        return;
    }
    if (span_eq_str(path, "/readyz")) {
        if (v->is_stopping || !all_may_record(v)) {
            a->status = 503;
            text = "not ready: a worker cannot open sessions now\n";
        }
    } else if (!span_eq_str(path, "/healthz")) {
        a->status = 404;
        text = "not found: try /healthz, /readyz or /metrics\n";
    }
    if (buf_append_str(&a->body, text) != STATUS_OK) {
        a->status = 500;
    }
}

static enum status
admin_open(struct supervisor *v, struct error *err)
{
    if (v->settings.config->admin[0] == '\0') {
        return STATUS_OK;
    }
    const enum status st = http_service_open(v->loop, v->settings.config->admin,
        admin_on_request, v, &v->log, &v->admin, err);
    if (st == STATUS_OK) {
        log_event(&v->log, LOG_INFO, "admin.ready",
            LOG_I("port", http_service_port(v->admin)));
    }
    return st;
}

/* ---- life ---- */

static enum status
folders_make(struct supervisor *v, struct error *err)
{
    static const char *const names[] = {"journal", "run", "keys", "tls"};
    char path[PATH_MAX];
    enum status st = STATUS_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && st == STATUS_OK;
         i++) {
        st = file_join(
            path, sizeof path, v->settings.config->state, names[i], err);
        if (st == STATUS_OK) {
            st = file_make_dirs(path, 0700, err);
        }
    }
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, v->settings.config->state,
            "run/proxy.lock", err);
    }
    if (st == STATUS_OK) {
        /* Longer than one that drains takes to go. */
        st = file_lock_wait(path, LIMIT_DRAIN_MS + 3000, &v->lock_fd, err);
    }
    return st;
}

/* All sockets are bound to one address; with port 0 the first one's. */
static enum status
slots_listen(struct supervisor *v, struct error *err)
{
    struct address at;
    enum status st = address_parse(v->settings.config->listen, &at, err);
    v->slot_count = v->settings.config->workers;
    for (unsigned i = 0; i < v->slot_count && st == STATUS_OK; i++) {
        struct slot *s = &v->slots[i];
        s->supervisor = v;
        s->index = i;
        s->ready_fd = -1;
        s->restart_ms = RESTART_MIN_MS;
        st = address_listen(&at, v->slot_count > 1, &s->listen_fd, err);
        if (st == STATUS_OK) {
            st = address_of_socket(s->listen_fd, &at, err);
        }
        if (st == STATUS_OK) {
            st = metrics_new(&s->metrics, &s->metrics_fd, err);
        }
        if (st == STATUS_OK) {
            st = loop_timer_open(v->loop, slot_on_restart, s, &s->restart, err);
        }
    }
    return st;
}

static enum status
signals_open(struct supervisor *v, struct error *err)
{
    const struct {
        int signo;
        loop_fn *fn;
    } wanted[] = {
        {SIGTERM, supervisor_on_stop},
        {SIGINT, supervisor_on_stop},
        {SIGHUP, supervisor_on_reload},
        {SIGCHLD, supervisor_on_child},
    };
    enum status st = STATUS_OK;
    for (size_t i = 0; i < 4 && st == STATUS_OK; i++) {
        st = loop_signal_open(
            v->loop, wanted[i].signo, wanted[i].fn, v, &v->signals[i], err);
    }
    return st;
}

static enum status
supervisor_open(struct supervisor *v, struct error *err)
{
    enum status st = settings_read(v->config_path, &v->settings, err);
    if (st == STATUS_OK) {
        settings_apply(v);
    }
    if (st == STATUS_OK) {
        st = folders_make(v, err);
    }
    if (st == STATUS_OK) {
        st = server_tls_prepare(
            v->settings.config, clock_wall_us(&clock_system) / 1000000, err);
    }
    if (st == STATUS_OK) {
        st = loop_new(&v->loop, err);
    }
    if (st == STATUS_OK) {
        st = signals_open(v, err);
    }
    if (st == STATUS_OK) {
        st = slots_listen(v, err);
    }
    if (st == STATUS_OK) {
        st = admin_open(v, err);
    }
    for (unsigned i = 0; i < v->slot_count && st == STATUS_OK; i++) {
        st = slot_start(&v->slots[i], err);
    }
    return st;
}

static void
worker_end(pid_t pid)
{
    if (pid != 0) {
        kill(pid, SIGTERM);
        (void)waitpid(pid, NULL, 0);
    }
}

static void
supervisor_close(struct supervisor *v)
{
    http_service_close(&v->admin);
    for (unsigned i = 0; i < v->slot_count; i++) {
        struct slot *s = &v->slots[i];
        worker_end(s->pid);
        worker_end(s->predecessor);
        slot_close_ready(s);
        loop_timer_close(&s->restart);
        metrics_free(&s->metrics);
    }
    for (size_t i = 0; i < 4; i++) {
        loop_signal_close(&v->signals[i]);
    }
    loop_free(&v->loop);
    settings_close(&v->settings);
    settings_close(&v->proven);
}

enum status
supervisor_run(const char *config_path, int ready_fd, struct error *err)
{
    struct supervisor *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    v->config_path = config_path;
    v->settings.fd = -1;
    v->proven.fd = -1;
    v->lock_fd = -1;
    v->ready_fd = ready_fd;
    v->log = (struct log){
        .fd = STDERR_FILENO,
        .level = LOG_INFO,
        .clock = &clock_system,
        .program = "kubetape-proxy",
    };
    enum status st = supervisor_open(v, err);
    if (st == STATUS_OK) {
        loop_run(v->loop);
        st = v->outcome;
        if (st != STATUS_OK) {
            *err = v->why;
        }
    }
    supervisor_close(v);
    free(v); /* descriptors go with the process */
    return st;
}
