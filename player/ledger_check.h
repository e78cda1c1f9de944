/* The ledger, held against its checkpoint.
 *
 * Owns what can be told from ledger/ alone: that its leaves are those that the
 * checkpoint signs, that a trusted key signed it, and that it goes on from an
 * older checkpoint. Lines behind the last checkpoint are nobody's word, a
 * crash's, and left out. Refuses to know recordings and the index.
 */
#ifndef PLAYER_LEDGER_CHECK_H
#define PLAYER_LEDGER_CHECK_H

#include "player/key_set.h"
#include "schema/ledger.h"

/* `line` counts from 1, `offset` is where it begins in the file. */
typedef enum status ledger_check_leaf_fn(void *ctx,
    const struct ledger_leaf *leaf, uint64_t line, uint64_t offset,
    struct error *err);
/* A finding: one sentence. */
typedef void ledger_check_finding_fn(void *ctx, const char *text);

struct ledger_check_options {
    const char *state;
    const char *old; /* path of an older checkpoint, or NULL */
    ledger_check_leaf_fn *on_leaf;
    ledger_check_finding_fn *on_finding;
    void *ctx;
};

/* `keys` grows by those that the ledger's chain leads to from them.
 * *size_out: leaves; 0 when there is no ledger, which is no finding here.
 * STATUS_OK whatever was found. */
enum status ledger_check(const struct ledger_check_options *o,
    struct key_set *keys, uint64_t *size_out, struct error *err) MUST_CHECK;

/* One leaf again, at the place that was told. */
enum status ledger_check_read(const char *state, uint64_t offset,
    struct ledger_leaf *out, struct error *err) MUST_CHECK;

#endif
