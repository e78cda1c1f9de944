/* The first process: reads the configuration, holds the listening sockets,
 * starts workers and starts them again, answers /healthz, /readyz and
 * /metrics. It never touches a byte from a client.
 *
 * SIGHUP starts workers on the new configuration; each old one drains once
 * its successor is ready, or goes on if that does not start.
 */
#ifndef PROXY_SUPERVISOR_H
#define PROXY_SUPERVISOR_H

#include "base/status.h"

/* Until SIGTERM or SIGINT. STATUS_INVALID: the configuration is wrong. */
enum status supervisor_run(
    const char *config_path, int ready_fd, struct error *err) MUST_CHECK;

#endif
