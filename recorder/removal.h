/* Taking recordings away: a batch of them, chosen by somebody else, in steps.
 *
 *   telling     tombstones go into the ledger's batch
 *   committing  they are in the ledger, for good
 *   noting      they are in the index
 *   unlinking   the files go
 *   settling    their folders are synced; days that are empty go too
 *   forgetting  the rows go
 *
 * So a crash at any moment leaves either a recording or its tombstone; the row
 * stays to the end, and tells whoever comes next what is left to do.
 */
#ifndef RECORDER_REMOVAL_H
#define RECORDER_REMOVAL_H

#include "recorder/limits.h"
#include "recorder/upkeep_env.h"

struct removal_item {
    struct uuid id; /* nil: a day's attempts that have no file any more */
    int64_t start_us;
    uint64_t size;
    char file[META_FILE_MAX]; /* "" when it never had one */
    char why[LEDGER_WHY_MAX];
    bool is_told;      /* its tombstone is in the ledger already */
    bool has_attempts; /* the rows of that day's attempts go with it */
};

enum removal_state {
    REMOVAL_TELLING,
    REMOVAL_COMMITTING,
    REMOVAL_NOTING,
    REMOVAL_UNLINKING,
    REMOVAL_SETTLING,
    REMOVAL_FORGETTING,
    REMOVAL_DONE,
};

struct removal {
    struct upkeep_env env;
    char who[LEDGER_WHY_MAX];
    int64_t wall_us; /* of the tombstones */
    struct removal_item items[RECORDER_PRUNE_BATCH];
    size_t count;
    uint64_t kept; /* that somebody held meanwhile */
    enum removal_state state;
    size_t at; /* of unlinking and settling */
};

void removal_init(struct removal *r, const struct upkeep_env *env,
    const char *who, int64_t wall_us);
/* For the next batch. */
void removal_clear(struct removal *r);

/* An item to be filled in, zeroed; NULL when there is no room. */
struct removal_item *removal_add(struct removal *r);

/* One step. STATUS_CLOSED: `items` are removed. STATUS_TIMEOUT: the ledger or
 * the index could not be written, and this has to be tried again, later. Any
 * other failure ends it; the next removal of the same goes on there. */
enum status removal_step(struct removal *r, struct error *err) MUST_CHECK;

/* Whether its tombstone may be in the ledger by now, or will be: nothing saves
 * it any more. Of attempts it is not known which, so all are said to be. */
bool removal_has(const struct removal *r, const struct uuid *id);

/* One file alone, and what a compaction of it may have left. One that is gone
 * is as good. `file` is relative to the state folder. */
enum status removal_unlink_file(
    const char *state_dir, const char *file, struct error *err) MUST_CHECK;
/* Makes what was unlinked in the folder of `file` durable; a day's folder that
 * is empty now goes too, and its month and year with it. */
enum status removal_settle_folder(
    const char *state_dir, const char *file, struct error *err) MUST_CHECK;

#endif
