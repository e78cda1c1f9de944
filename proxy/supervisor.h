/* The first process: reads the configuration, holds the listening sockets,
 * starts workers and starts them again, answers /healthz, /readyz and
 * /metrics. It never touches a byte from a client.
 *
 * A worker is this program run again, so that it shares no memory, lock or
 * library state with anything. It gets, on fixed descriptors, the
 * configuration's text (a memfd, so that a worker that is started again has
 * what the others have), its listening socket, its metrics (a memfd) and a
 * pipe to say that it is ready. SIGHUP starts new workers on a new
 * configuration and lets the old ones drain.
 */
#ifndef PROXY_SUPERVISOR_H
#define PROXY_SUPERVISOR_H

#include "base/status.h"

/* Until SIGTERM or SIGINT. STATUS_INVALID: the configuration is wrong. */
enum status supervisor_run(
    const char *config_path, int ready_fd, struct error *err) MUST_CHECK;

/* The worker's side. `index` is what the supervisor passed. */
enum status supervisor_run_worker(
    const char *index, struct error *err) MUST_CHECK;

#endif
