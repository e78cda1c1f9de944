/* A child process on the loop: its output collected up to a cap, its end
 * awaited through a pidfd, so that no SIGCHLD handler is shared. */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include "base/buf.h"
#include "base/loop.h"

struct child;

/* status is what waitpid gave; `out` is its standard output. */
typedef void child_fn(void *ctx, int status, struct span out);

/* Runs argv[0] (by PATH) with `env` entries ("K=V", NULL-terminated, may be
 * NULL) added to the environment; stdin is /dev/null, stderr is shared. It is
 * killed after timeout_ms or when its output passes max_out; `fn` is called
 * exactly once unless child_cancel comes first. child_cancel kills what still
 * runs and frees; it is needed after `fn` too, and allowed inside it. */
enum status child_run(struct loop *loop, char *const argv[], char *const env[],
    size_t max_out, uint64_t timeout_ms, child_fn *fn, void *ctx,
    struct child **out, struct error *err) MUST_CHECK;
void child_cancel(struct child **c);

#endif
