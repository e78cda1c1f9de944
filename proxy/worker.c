#include "proxy/worker.h"

#include "base/file.h"
#include "base/local_token.h"
#include "proxy/exchange.h"
#include "proxy/front_h1.h"
#include "proxy/server_tls.h"
#include "proxy/session.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections accepted before others get their turn. */
#define ACCEPT_BATCH 64

struct worker {
    const struct worker_options *options;
    struct gateway gateway;
    struct conn_env env;
    struct loop *loop;
    struct tls_context *tls;
    struct kubeconfig *kubeconfig;
    struct loop_watch *listener;
    struct loop_timer *second; /* deadlines, gauges */
    struct loop_timer *drain;
    struct loop_signal *on_term;
    struct loop_signal *on_hup;
};

/* ---- turns ---- */

/* The order is the promise: write what this turn recorded, then let go what
 * was waiting for that. */
static void
worker_on_turn_end(void *ctx)
{
    struct worker *w = ctx;
    struct gateway *g = &w->gateway;
    conn_env_run_ready(&w->env);
    journal_writer_flush(g->journal);
    conn_env_release(&w->env, journal_writer_deliverable(g->journal));
    session_heed_journal(g);
    exchange_heed_journal(g);
    session_run_stalled(g);
    exchange_bury(g);
    front_h1_bury(g);
    upstream_bury(g->upstream);
    conn_env_bury(&w->env);
}

/* The disk has taken more: the end of this turn lets it go. */
static void
worker_on_synced(void *ctx)
{
    (void)ctx;
}

/* ---- accepting ---- */

static void
worker_on_connections(void *ctx, int events)
{
    struct worker *w = ctx;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (w->env.count >= LIMIT_CONNECTIONS) {
            loop_watch_set(w->listener, 0); /* until the second is over */
            return;
        }
        const int fd = accept4(
            w->options->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            front_h1_accept(&w->gateway, fd, w->tls);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE) {
            loop_watch_set(w->listener, 0);
        }
        if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* ---- time ---- */

static void
worker_stop_if_drained(struct worker *w)
{
    if (w->gateway.is_draining && list_is_empty(&w->gateway.sessions) &&
        list_is_empty(&w->gateway.fronts) && w->env.finishing_count == 0) {
        loop_stop(w->loop);
    }
}

static void
worker_set_gauges(const struct gateway *g)
{
    const bool is_ready =
        journal_writer_why_not(g->journal, JOURNAL_NEED_OPEN) == NULL;
    const struct journal_gauges j = journal_writer_gauges(g->journal);
    metrics_set(g->metrics, METRIC_CONNECTIONS, g->env->count);
    metrics_set(g->metrics, METRIC_IS_READY, is_ready ? 1 : 0);
    metrics_set(g->metrics, METRIC_JOURNAL_BACKLOG, j.backlog_bytes);
    metrics_set(g->metrics, METRIC_JOURNAL_FREE, j.free_bytes);
    metrics_set(g->metrics, METRIC_RECORDER_SILENCE, j.silent_ms / 1000);
}

static void
worker_on_second(void *ctx)
{
    struct worker *w = ctx;
    conn_env_check_deadlines(&w->env);
    worker_set_gauges(&w->gateway);
    if (w->listener != NULL && w->env.count < LIMIT_CONNECTIONS) {
        loop_watch_set(w->listener, LOOP_READ);
    }
    worker_stop_if_drained(w);
}

/* ---- draining ---- */

static void
worker_drain(struct worker *w)
{
    const bool has_begun = w->gateway.is_draining;
    w->gateway.is_draining = true;
    front_h1_drain(&w->gateway);
    if (has_begun) {
        return;
    }
    loop_watch_close(&w->listener);
    log_event(w->options->log, LOG_INFO, "worker.draining",
        LOG_I("worker", w->options->index), LOG_I("connections", w->env.count));
    loop_timer_start(w->second, LIMIT_DRAIN_LOOK_MS, LIMIT_DRAIN_LOOK_MS);
    worker_stop_if_drained(w);
}

static void
worker_on_drain_over(void *ctx)
{
    struct worker *w = ctx;
    session_end_all(&w->gateway, "the proxy is shutting down");
    /* One more turn delivers the goodbyes; then whatever is left goes. */
    loop_timer_close(&w->drain);
    loop_stop(w->loop);
}

static void
worker_on_term(void *ctx)
{
    struct worker *w = ctx;
    w->gateway.is_ending = true;
    worker_drain(w);
    loop_timer_start(w->drain, LIMIT_DRAIN_MS, 0);
}

static void
worker_on_hup(void *ctx)
{
    worker_drain(ctx);
}

/* ---- life ---- */

static enum status
worker_open_journal(struct worker *w, struct error *err)
{
    const struct config *c = w->options->config;
    char dir[PATH_MAX];
    const enum status st = file_join(dir, sizeof dir, c->state, "journal", err);
    if (st != STATUS_OK) {
        return st;
    }
    return journal_writer_open(w->loop, w->options->clock, w->options->log,
        &(struct journal_writer_options){
            .journal_dir = dir,
            .worker_index = w->options->index,
            .durability = c->journal.durability,
            .sync_interval_ms = c->journal.sync_interval_ms,
            .limits =
                {
                    .max_bytes = c->journal.max_bytes,
                    .min_free_bytes = c->journal.min_free_bytes,
                    .recorder_timeout_ms = c->recorder.timeout_ms,
                },
        },
        worker_on_synced, w, &w->gateway.journal, err);
}

static enum status
worker_open_upstream(struct worker *w, struct error *err)
{
    const struct config *c = w->options->config;
    struct gateway *g = &w->gateway;
    enum status st = c->upstream.in_cluster
                         ? kubeconfig_in_cluster(&w->kubeconfig, err)
                         : kubeconfig_load(c->upstream.kubeconfig,
                               c->upstream.context, &w->kubeconfig, err);
    if (st == STATUS_OK) {
        st = credential_open(w->loop, w->options->clock, w->options->log,
            w->kubeconfig, &g->credential, err);
    }
    if (st == STATUS_OK) {
        st = upstream_open(
            &w->env, w->kubeconfig, g->credential, &g->upstream, err);
    }
    return st;
}

static enum status
worker_open_identity(struct worker *w, struct error *err)
{
    const struct config *c = w->options->config;
    struct gateway *g = &w->gateway;
    struct buf token;
    buf_init(&token, 256);
    enum status st = local_token_load(c->state, &token, err);
    if (st == STATUS_OK) {
        st = identity_open(w->loop,
            &(struct identity_options){
                .config = c,
                .local_token = buf_view(&token),
                .upstream = g->upstream,
                .credential = g->credential,
                .clock = w->options->clock,
                .log = w->options->log,
            },
            &g->identity, err);
    }
    buf_wipe(&token);
    return st;
}

static enum status
worker_open_loop(struct worker *w, struct error *err)
{
    enum status st = loop_new(&w->loop, err);
    if (st == STATUS_OK) {
        conn_env_init(&w->env, w->loop, w->options->clock, w->options->log);
        st = loop_timer_open(w->loop, worker_on_second, w, &w->second, err);
    }
    if (st == STATUS_OK) {
        st = loop_timer_open(w->loop, worker_on_drain_over, w, &w->drain, err);
    }
    if (st == STATUS_OK) {
        st = loop_signal_open(
            w->loop, SIGTERM, worker_on_term, w, &w->on_term, err);
    }
    if (st == STATUS_OK) {
        st = loop_signal_open(
            w->loop, SIGHUP, worker_on_hup, w, &w->on_hup, err);
    }
    return st;
}

static enum status
worker_open(struct worker *w, struct error *err)
{
    enum status st = worker_open_loop(w, err);
    if (st == STATUS_OK) {
        st = server_tls_open(w->options->config, &w->tls, err);
    }
    if (st == STATUS_OK) {
        st = worker_open_upstream(w, err);
    }
    if (st == STATUS_OK) {
        st = worker_open_identity(w, err);
    }
    if (st == STATUS_OK) {
        st = worker_open_journal(w, err);
    }
    if (st == STATUS_OK) {
        st = loop_at_turn_end(w->loop, worker_on_turn_end, w, err);
    }
    if (st == STATUS_OK) {
        st = loop_watch_open(w->loop, w->options->listen_fd,
            worker_on_connections, w, &w->listener, err);
    }
    return st;
}

static void
close_sessions_and_fronts(struct worker *w)
{
    /* Whatever still lives is over: bytes behind the gate stay unsent. */
    session_end_all(&w->gateway, "the proxy is shutting down");
    front_h1_close_all(&w->gateway);
    exchange_bury(&w->gateway);
    front_h1_bury(&w->gateway);
}

static void
worker_close(struct worker *w)
{
    struct gateway *g = &w->gateway;
    loop_watch_close(&w->listener);
    close_sessions_and_fronts(w);
    identity_close(&g->identity);
    upstream_close(&g->upstream);
    conn_env_close_all(&w->env); /* those without an owner */
    credential_close(&g->credential);
    journal_writer_close(&g->journal);
    kubeconfig_free(&w->kubeconfig);
    tls_context_free(&w->tls);
    loop_timer_close(&w->second);
    loop_timer_close(&w->drain);
    loop_signal_close(&w->on_term);
    loop_signal_close(&w->on_hup);
    loop_free(&w->loop);
    close(w->options->listen_fd);
}

static void
worker_say_ready(const struct worker_options *o)
{
    if (o->ready_fd >= 0) {
        /* Nobody may be listening any more, and that is no harm. */
        (void)!write(o->ready_fd, "\n", 1);
        close(o->ready_fd);
    }
}

enum status
worker_run(const struct worker_options *o, struct error *err)
{
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a worker");
    }
    w->options = o;
    w->gateway = (struct gateway){
        .config = o->config,
        .clock = o->clock,
        .log = o->log,
        .env = &w->env,
        .metrics = o->metrics,
    };
    list_init(&w->gateway.stalled);
    list_init(&w->gateway.sessions);
    list_init(&w->gateway.held);
    list_init(&w->gateway.opening);
    list_init(&w->gateway.fronts);
    list_init(&w->gateway.dead_fronts);
    list_init(&w->gateway.buried);
    conn_env_init(&w->env, NULL, o->clock, o->log);
    const enum status st = worker_open(w, err);
    if (st == STATUS_OK) {
        loop_timer_start(w->second, 1000, 1000);
        loop_watch_set(w->listener, LOOP_READ);
        worker_on_second(w);
        worker_say_ready(o);
        log_event(o->log, LOG_INFO, "worker.ready", LOG_I("worker", o->index));
        loop_run(w->loop);
    }
    worker_close(w);
    free(w);
    return st;
}
