/* The ledger: what was recorded, and what became of it, appended only.
 *
 * Owns ledger/leaves and ledger/checkpoint. What is added counts once
 * ledger_commit has returned: the lines are synced, then a checkpoint over
 * all of them is signed and replaces the one before, durably. Lines behind
 * the last checkpoint are a crash's, belong to nobody and are cut off at the
 * next start; whoever added them adds them again.
 *
 * Refuses to know recordings and the index. Refuses to start on a ledger that
 * its checkpoint does not fit: nothing is signed over what was tampered with.
 */
#ifndef RECORDER_LEDGER_H
#define RECORDER_LEDGER_H

#include "base/clock.h"
#include "base/log.h"
#include "schema/checkpoint.h"
#include "schema/ledger.h"

struct ledger;

/* All borrowed, for as long as the ledger is open. */
struct ledger_options {
    const char *state_dir;
    const struct signer *signer;        /* signs */
    const struct signer *const *former; /* keys that signed before: one of */
    size_t former_count;                /* them vouches for a new one, once */
    const struct clock *clock;
    const struct log *log; /* hears of keys */
};

typedef enum status ledger_leaf_fn(void *ctx, uint64_t index,
    const struct ledger_leaf *leaf, struct error *err);

/* Opens or makes the ledger; the first leaf of a new one is the signer's key.
 * A signer that the ledger does not end with is added as a key leaf.
 * `on_leaf` hears every leaf in order, for what the caller wants to remember.
 * STATUS_CORRUPT when leaves and checkpoint disagree, STATUS_DENIED when the
 * checkpoint is not signed by the key that the leaves name last. */
enum status ledger_open(const struct ledger_options *o, ledger_leaf_fn *on_leaf,
    void *ctx, struct ledger **out, struct error *err) MUST_CHECK;
void ledger_close(struct ledger **l);

/* Every committed leaf once more, from the file. */
enum status ledger_each(struct ledger *l, ledger_leaf_fn *on_leaf, void *ctx,
    struct error *err) MUST_CHECK;

/* Into the batch, in memory; wall_us is filled in when it is 0. STATUS_LIMIT
 * when the batch is full: it has to be committed first. */
enum status ledger_add(struct ledger *l, const struct ledger_leaf *leaf,
    struct error *err) MUST_CHECK;
/* The batch is in the ledger, signed and durable, afterwards; or, when this
 * fails, none of it is, and the next commit tries again. */
enum status ledger_commit(struct ledger *l, struct error *err) MUST_CHECK;

uint64_t ledger_size(const struct ledger *l); /* committed leaves */

#endif
