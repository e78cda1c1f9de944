/* What a store's ledger says of its recordings, read by the schema alone. */
#ifndef SUPPORT_LEAVES_H
#define SUPPORT_LEAVES_H

#include "schema/ledger.h"

/* How many recordings' leaves there are of `id`, and the last of them. Lines
 * that are no leaves abort. */
size_t leaves_of(
    const char *state_dir, const struct uuid *id, struct ledger_leaf *last_out);

/* Whether it tells of the very bytes that its file has now. */
bool leaf_fits(const char *state_dir, const struct ledger_leaf *leaf);

#endif
