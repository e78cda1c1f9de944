/* A person at a real shell: bash on a terminal of its own, commands typed key
 * by key, with its own echo and the real output of programs that are on every
 * Debian. Only the time is made up, so that nobody has to wait.
 *
 * Refuses to know what becomes of it: the caller gets each chunk as it was
 * read from the terminal, and the pause before it.
 */
#ifndef BENCH_CORPUS_SHELL_H
#define BENCH_CORPUS_SHELL_H

#include "base/span.h"
#include "tests/bench/corpus_log.h"

#define CORPUS_SHELL_COLUMNS 120
#define CORPUS_SHELL_ROWS    40

typedef void corpus_shell_fn(void *ctx, uint64_t pause_us, struct span output);

/* One session of `commands` commands, read only and harmless; some minutes of
 * its own time. Aborts when there is no bash. */
void corpus_shell_run(
    struct corpus *random, unsigned commands, corpus_shell_fn *fn, void *ctx);

#endif
