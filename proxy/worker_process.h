/* How a worker's process begins: the supervisor's side, which starts this
 * program again, and the worker's, which finds what it was given.
 *
 * Owns the descriptors' numbers. A process that is begun by exec shares no
 * memory, lock or library state with the supervisor; the configuration comes
 * as its text, so that a worker that is started again has what the others
 * have. Refuses to know when workers start and what they do.
 */
#ifndef PROXY_WORKER_PROCESS_H
#define PROXY_WORKER_PROCESS_H

#include "base/status.h"

#include <sys/types.h>

#define WORKERS_MAX 256u

struct worker_process {
    unsigned index;
    int config_fd; /* memfd of the configuration's text */
    int listen_fd;
    int metrics_fd;
};

/* *ready_fd_out can be read when the worker is ready (one byte) or has ended
 * (none); the caller's. */
enum status worker_process_start(const struct worker_process *p, pid_t *pid_out,
    int *ready_fd_out, struct error *err) MUST_CHECK;

/* In the process that was started; `index` is the text it was given. */
enum status worker_process_run(const char *index, struct error *err) MUST_CHECK;

#endif
