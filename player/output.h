/* Where a command's result goes: standard output, or a file that appears
 * whole or not at all.
 *
 * A named file is written beside its name (0600: recordings hold what people
 * typed), synced and renamed by output_commit; without it nothing appears.
 */
#ifndef PLAYER_OUTPUT_H
#define PLAYER_OUTPUT_H

#include "base/span.h"
#include "base/status.h"

struct output;

/* `path` NULL or "-" is standard output. */
enum status output_open(
    const char *path, struct output **out, struct error *err) MUST_CHECK;
enum status output_write(
    struct output *o, struct span bytes, struct error *err) MUST_CHECK;
enum status output_commit(struct output *o, struct error *err) MUST_CHECK;
/* Drops what was not committed. */
void output_close(struct output **o);

/* Flushes standard output; an error once, for main. */
enum status output_flush_stdout(struct error *err) MUST_CHECK;
/* A failed write there. With EPIPE in sys_errno the reader of a pipe has gone,
 * of which nobody needs to hear. */
enum status output_stdout_error(int sys_errno, struct error *err);

#endif
