/* How far back a worker's journal still goes.
 *
 * For who finds a recording damaged: what was sealed and not synced is still
 * in the journal, so it can be had again; what the journal has let go was
 * durable once, and its damage is no crash's.
 */
#ifndef RECORDER_JOURNAL_REACH_H
#define RECORDER_JOURNAL_REACH_H

#include "base/uuid.h"
#include "schema/journal.h"

/* Whether all of the worker's records from `lsn` on are still in its folder
 * below `journal_dir`. False when that cannot be told. */
bool journal_reaches(
    const char *journal_dir, const struct uuid *worker, uint64_t lsn);

#endif
