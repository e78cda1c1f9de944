/* Logs as services of a cluster write them, the same for the same seed: what
 * `kubectl exec web -- tail -f` or a `cat` of a log file brings.
 *
 * What decides how it compresses is as in life: lines come from requests, so
 * those of one request share its trace and its client; clients, routes, users
 * and objects come again, few of them often and many rarely; times, durations,
 * sizes and identifiers do not.
 */
#ifndef BENCH_CORPUS_LOG_H
#define BENCH_CORPUS_LOG_H

#include "base/buf.h"

enum corpus_kind {
    CORPUS_JSON,   /* a service with structured logs and traces */
    CORPUS_ACCESS, /* a web server's, combined format */
    CORPUS_KLOG,   /* a controller of Kubernetes' own kind */
    CORPUS_JAVA,   /* text with loggers, threads and now and then a trace */
    CORPUS_KINDS
};

struct corpus_request {
    uint64_t trace;
    unsigned lines_left;
    unsigned route;
    unsigned client;
    unsigned user;
    unsigned agent;
    bool has_failed;
};

struct corpus {
    uint64_t random; /* state; any seed but 0 */
    uint64_t time_us;
    enum corpus_kind kind;
    struct corpus_request request;
    unsigned recent_clients[8];
};

uint64_t corpus_random(struct corpus *c, uint64_t below);

/* Appends a line with its end; fails only when `out` is full. */
enum status corpus_log_line(struct corpus *c, struct buf *out) MUST_CHECK;

#endif
