/* What keeping and removing recordings asks of the index: which are old, which
 * are held, which were removed.
 *
 * Holds and removals are the ledger's leaves, repeated here so that they can
 * be asked for; whoever commits a leaf notes it here afterwards, and a start
 * notes all leaves again. Writes belong to the index's batch.
 */
#ifndef RECORDER_INDEX_KEEP_H
#define RECORDER_INDEX_KEEP_H

#include "recorder/index_db.h"
#include "schema/ledger.h"

struct index_keep;

/* Lives on the index's connection: closed before it. */
enum status index_keep_open(struct index_db *index, struct index_keep **out,
    struct error *err) MUST_CHECK;
void index_keep_close(struct index_keep **k);

/* A hold, a release, a tombstone; leaves of other kinds change nothing. */
enum status index_keep_note(struct index_keep *k,
    const struct ledger_leaf *leaf, struct error *err) MUST_CHECK;
/* The same as a ledger_leaf_fn, whose ctx is the index_keep. */
enum status index_keep_on_leaf(void *ctx, uint64_t index,
    const struct ledger_leaf *leaf, struct error *err);
/* Before all leaves are noted again. */
enum status index_keep_forget_holds(
    struct index_keep *k, struct error *err) MUST_CHECK;

enum status index_keep_is_held(struct index_keep *k, const struct uuid *id,
    bool *out, struct error *err) MUST_CHECK;

/* Whether one of the attempts that started in [from, until) is held. */
enum status index_keep_is_attempt_held(struct index_keep *k, int64_t from_us,
    int64_t until_us, bool *out, struct error *err) MUST_CHECK;

/* One session that has ended; texts live until the call returns. */
struct index_candidate {
    struct uuid id;
    int64_t start_us;
    int64_t end_us;
    uint64_t size;
    const char *namespace;
    const char *user;
    const char *type;
    const char *file; /* "" when none */
    bool is_held;
};
/* `fn` must not call back into the index. */
typedef enum status index_candidate_fn(
    void *ctx, const struct index_candidate *c, struct error *err);

/* A walk over sessions by their start, oldest first, in steps. */
struct index_walk {
    int64_t from_us; /* goes on with those behind this start and id */
    struct uuid id;  /* nil at first */
    int64_t until_us;
    bool wants_attempts; /* refused ones without a recording, else the others */
};
/* Up to `most` of them; *count_out less than that: there are no more. When
 * `fn` fails, the walk stands before what it was given. */
enum status index_keep_walk(struct index_keep *k, struct index_walk *walk,
    unsigned most, index_candidate_fn *fn, void *ctx, unsigned *count_out,
    struct error *err) MUST_CHECK;

/* Rows whose recording was removed by the ledger's word, at most `most`: what
 * a crash left to do. */
enum status index_keep_each_unfinished(struct index_keep *k, unsigned most,
    index_candidate_fn *fn, void *ctx, struct error *err) MUST_CHECK;

enum status index_keep_delete(
    struct index_keep *k, const struct uuid *id, struct error *err) MUST_CHECK;
/* Attempts that started in [from, until), at most `most` of them. */
enum status index_keep_delete_attempts(struct index_keep *k, int64_t from_us,
    int64_t until_us, unsigned most, unsigned *count_out,
    struct error *err) MUST_CHECK;

#endif
