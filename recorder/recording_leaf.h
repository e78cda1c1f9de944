/* The ledger's leaf of a finished recording: what its last seal says of the
 * text, and the digest of the file as it lies there.
 *
 * The file is read once more, in steps, because a long one must not keep the
 * loop from its heartbeat.
 */
#ifndef RECORDER_RECORDING_LEAF_H
#define RECORDER_RECORDING_LEAF_H

#include "recorder/frame_file.h"
#include "recorder/ledger.h"

struct recording_leaf;

/* `file`, of `len` bytes, is relative to the state folder and durable; `f` is
 * borrowed for the call. STATUS_CORRUPT when the file is gone or has another
 * length. */
enum status recording_leaf_new(const char *state_dir, const char *file,
    uint64_t len, const struct frame_file *f, struct recording_leaf **out,
    struct error *err) MUST_CHECK;
void recording_leaf_free(struct recording_leaf **l); /* NULL is fine */

/* Some megabytes. STATUS_CORRUPT when the file shrank meanwhile. */
enum status recording_leaf_step(
    struct recording_leaf *l, bool *is_done_out, struct error *err) MUST_CHECK;
/* When it is done: into the ledger's batch. */
enum status recording_leaf_add(const struct recording_leaf *l,
    struct ledger *ledger, struct error *err) MUST_CHECK;

#endif
