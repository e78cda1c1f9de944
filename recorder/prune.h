/* Removing recordings by rule, in steps that never keep the loop for long.
 *
 *   unfinished  what a crash left: the ledger says removed, a row is there
 *   by age      sessions whose rule says so, oldest first
 *   by size     then the oldest, until all together are below the cap
 *   by day      attempts, a day at a time, when every one of them is due
 *
 * A batch goes: choose; tombstones into the ledger, committed; noted in the
 * index; files unlinked; folders synced; rows deleted. So a crash at any
 * moment leaves either a recording or its tombstone, and who comes next
 * finishes the removal. Whoever is held or still recorded is not chosen.
 */
#ifndef RECORDER_PRUNE_H
#define RECORDER_PRUNE_H

#include "recorder/retention.h"
#include "recorder/upkeep_env.h"

struct prune;

struct prune_options {
    const struct config_retention *rules; /* copied */
    const char *who;                      /* copied: for the tombstones */
    bool is_dry_run;                      /* tells what would go */
};

/* `asker` hears of every recording that goes, and is borrowed; he leaves when
 * his `say` becomes NULL. */
enum status prune_new(const struct upkeep_env *env,
    const struct prune_options *options, const struct upkeep_asker *asker,
    struct prune **out, struct error *err) MUST_CHECK;
void prune_free(struct prune **p);

/* One step. STATUS_CLOSED: it is over. STATUS_TIMEOUT: something has to be
 * tried again, later; `err` says what. Any other failure ends it, and the next
 * prune goes on there. */
enum status prune_step(struct prune *p, struct error *err) MUST_CHECK;

/* Whether the session is past the point where a hold could save it. */
bool prune_is_removing(const struct prune *p, const struct uuid *id);

/* What went so far, and what a hold kept from going: a CONTROL_DONE. */
void prune_result(const struct prune *p, struct control_answer *out);

#endif
