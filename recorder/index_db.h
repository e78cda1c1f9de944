/* The index's only writer.
 *
 * Owns the connection, the migrations and the statements. Rows are written in
 * batches between begin and commit; a commit is durable when it returns,
 * because the journal is released on its word.
 */
#ifndef RECORDER_INDEX_DB_H
#define RECORDER_INDEX_DB_H

#include "schema/meta.h"

struct index_db;

/* Opens or makes `path` (0600) and brings it to this build's version.
 * STATUS_UNSUPPORTED when a later build wrote it, STATUS_CORRUPT when it is
 * damaged. *is_partial_out: it was just made, or a rebuilding was broken off,
 * and does not have all recordings; see index_rebuild.h. */
enum status index_db_open(const char *path, struct index_db **out,
    bool *is_partial_out, struct error *err) MUST_CHECK;
void index_db_close(struct index_db **db);

/* Gives a damaged index and what belongs to it another name:
 * <path>.damaged-<wall_us>. */
enum status index_db_put_aside(
    const char *path, int64_t wall_us, struct error *err) MUST_CHECK;

/* A batch; begin inside a batch does nothing. */
enum status index_db_begin(struct index_db *db, struct error *err) MUST_CHECK;
enum status index_db_commit(struct index_db *db, struct error *err) MUST_CHECK;
void index_db_rollback(struct index_db *db);

/* Writes the session's row, new or over the old one. */
enum status index_db_put(
    struct index_db *db, const struct meta *m, struct error *err) MUST_CHECK;

/* The same, whatever stood in it before, and as the newest row. */
enum status index_db_replace(
    struct index_db *db, const struct meta *m, struct error *err) MUST_CHECK;

/* Whether its recording was removed, lawfully. */
enum status index_db_was_removed(struct index_db *db, const struct uuid *id,
    bool *out, struct error *err) MUST_CHECK;

/* STATUS_NOT_FOUND when there is no row. */
enum status index_db_status(struct index_db *db, const struct uuid *id,
    enum meta_status *out, struct error *err) MUST_CHECK;

/* Ids and files of the sessions that are active, each given to `fn`; it must
 * not call back into the index. */
typedef enum status index_db_fn(
    void *ctx, const struct uuid *id, const char *file, struct error *err);
enum status index_db_each_active(struct index_db *db, index_db_fn *fn,
    void *ctx, struct error *err) MUST_CHECK;

/* Ends a row that no recording and no journal stand behind any more. */
enum status index_db_fail(struct index_db *db, const struct uuid *id,
    const char *reason, struct error *err) MUST_CHECK;

#endif
