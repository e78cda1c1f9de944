/* What rebuilding asks of the index.
 *
 * Whatever the files say is written over with index_db_replace, which makes a
 * row the newest; so the rows that were there before the rebuilding, and are
 * still in their old places behind it, are those that no file speaks for. That
 * it began is in the index, so a broken-off rebuilding is taken up again.
 */
#ifndef RECORDER_INDEX_REBUILD_H
#define RECORDER_INDEX_REBUILD_H

#include "recorder/index_db.h"

struct index_rebuild;

/* Notes, durably, that the index is being rebuilt. Lives on the index's
 * connection: closed before it. */
enum status index_rebuild_begin(struct index_db *index, int64_t wall_us,
    struct index_rebuild **out, struct error *err) MUST_CHECK;
void index_rebuild_close(struct index_rebuild **r);

/* A row that was there before and was not replaced yet. */
struct index_old_row {
    struct uuid id;
    enum meta_status status;
    const char *file;
    bool was_removed; /* the ledger has its tombstone */
};
/* `fn` must not call back into the index; *drop_out: the row goes. */
typedef enum status index_old_row_fn(void *ctx, const struct index_old_row *row,
    bool *drop_out, struct error *err);
#define INDEX_SWEEP_MAX 256u
/* Goes on over up to `most` (at most INDEX_SWEEP_MAX) rows, in one batch of its own; *count_out less
 * than that: there are no more. */
enum status index_rebuild_sweep(struct index_rebuild *r, unsigned most,
    index_old_row_fn *fn, void *ctx, unsigned *count_out,
    struct error *err) MUST_CHECK;

/* It is whole: into the batch. */
enum status index_rebuild_end(
    struct index_rebuild *r, struct error *err) MUST_CHECK;

#endif
