/* Keeps the programs of `kubetape up` running, and ends them in order.
 *
 * Each program says that it is ready by one byte on the descriptor that its
 * `--ready-fd` names. One that dies after that is started again; one that dies
 * before ends everything. None outlives us. Knows nothing of what they do.
 */
#ifndef PLAYER_SUPERVISE_H
#define PLAYER_SUPERVISE_H

#include "base/status.h"
#include <stdint.h>

#define SUPERVISE_MAX 2

struct supervise_program {
    const char *name;  /* for messages */
    char *const *argv; /* argv[0] is the path; --ready-fd N is added */
};

struct supervise_plan {
    /* Started together; ended from the first to the last. */
    const struct supervise_program *programs;
    int count;
    /* Once, when all are ready. An error ends everything. */
    enum status (*on_ready)(void *ctx, struct error *err);
    void *ctx;
};

/* Until SIGINT, SIGTERM or SIGHUP (STATUS_OK), or until something fails that
 * cannot be mended. A second signal ends the programs without waiting. */
enum status supervise_run(
    const struct supervise_plan *plan, struct error *err) MUST_CHECK;

/* Milliseconds before the n-th start again (from 0): 100 doubling to 5000. */
uint64_t supervise_backoff_ms(unsigned attempt);

#endif
