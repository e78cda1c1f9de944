/* One worker process: a listener, a loop, a journal, and all that runs on
 * them. */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "base/config.h"
#include "base/log.h"
#include "proxy/metrics.h"

struct worker_options {
    const struct config *config;
    const struct clock *clock;
    const struct log *log;
    struct metrics *metrics;
    unsigned index;
    int listen_fd; /* non-blocking, listening; the worker's */
    int ready_fd;  /* one byte is written and it is closed; -1: none */
};

/* Runs until SIGTERM (drains for LIMIT_DRAIN_MS, then ends what is left with
 * a message) or SIGHUP (drains for as long as sessions run: another worker
 * has taken over). */
enum status worker_run(
    const struct worker_options *o, struct error *err) MUST_CHECK;

#endif
