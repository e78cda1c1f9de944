/* A worker's counters: a page that parent and child share, written by the
 * worker, read by the supervisor. Plain stores of 64 bits; a counter that has
 * no other writer needs no more. */
#ifndef PROXY_METRICS_H
#define PROXY_METRICS_H

#include "base/buf.h"

enum metric {
    METRIC_REQUESTS,
    METRIC_REQUESTS_DENIED,  /* 401 */
    METRIC_REQUESTS_REFUSED, /* by us: 400, 403, 503 */
    METRIC_UPSTREAM_FAILURES,
    METRIC_CONNECTIONS,     /* gauge */
    METRIC_SESSIONS,        /* opened */
    METRIC_SESSIONS_ACTIVE, /* gauge */
    METRIC_SESSIONS_REFUSED,
    METRIC_SESSIONS_FAILED,
    METRIC_SESSIONS_PAUSED,       /* gauge: they cannot be recorded now */
    METRIC_SESSIONS_UNRECORDABLE, /* ended for that */
    METRIC_BYTES_STDIN,
    METRIC_BYTES_STDOUT,
    METRIC_BYTES_STDERR,
    METRIC_JOURNAL_BYTES,
    METRIC_GAPS,
    METRIC_GAP_BYTES,        /* passed unrecorded */
    METRIC_IS_READY,         /* gauge: 1 when a session may be opened */
    METRIC_JOURNAL_BACKLOG,  /* gauge */
    METRIC_JOURNAL_FREE,     /* gauge; of all workers the least */
    METRIC_RECORDER_SILENCE, /* gauge, seconds; of all workers the most */
    METRIC_COUNT,
};

struct metrics {
    uint64_t values[METRIC_COUNT];
};

/* A new page, and the descriptor by which another process maps it. */
enum status metrics_new(
    struct metrics **out, int *fd_out, struct error *err) MUST_CHECK;
enum status metrics_map(
    int fd, struct metrics **out, struct error *err) MUST_CHECK;
void metrics_free(struct metrics **m);
void metrics_add(struct metrics *m, enum metric which, int64_t n);
void metrics_set(struct metrics *m, enum metric which, uint64_t n);
/* Prometheus text format 0.0.4, of all workers together. */
enum status metrics_print(const struct metrics *const *workers, size_t count,
    struct buf *out) MUST_CHECK;

#endif
