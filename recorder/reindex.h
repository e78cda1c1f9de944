/* Making the index's rows anew from the recordings, in steps.
 *
 * Every finished recording's last facts, and every attempt, become a row;
 * what was there before in its place is not believed. Then the rows that no
 * file spoke for: attempts that no file has are dropped, and so is what the
 * ledger has a tombstone of; any other row stays, as the evidence that its
 * recording is missing. Sessions that are being recorded are the recorder's.
 *
 * Begun again after a kill, it comes to the same.
 */
#ifndef RECORDER_REINDEX_H
#define RECORDER_REINDEX_H

#include "recorder/upkeep_env.h"

struct reindex;

/* `asker` hears how far it is, and is borrowed; he leaves when
 * his `say` becomes NULL. */
enum status reindex_new(const struct upkeep_env *env,
    const struct upkeep_asker *asker, struct reindex **out,
    struct error *err) MUST_CHECK;
void reindex_free(struct reindex **r);

/* One step. STATUS_CLOSED: it is over. Any other failure ends it; the index
 * remembers that it is not whole. */
enum status reindex_step(struct reindex *r, struct error *err) MUST_CHECK;

/* Rows made, and rows kept whose recording is missing: a CONTROL_DONE. */
void reindex_result(const struct reindex *r, struct control_answer *out);

#endif
