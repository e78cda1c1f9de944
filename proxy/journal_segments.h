/* The files of a worker's journal: its folder and lock, the segment that is
 * written to, the spare that comes next, and the helper thread that syncs
 * them, prepares the spare and looks at the free space, since fdatasync,
 * fallocate and statvfs may take long.
 *
 * Refuses to know records and what a failure means: it says which errno each
 * of its works met last, and tries again when told to.
 */
#ifndef PROXY_JOURNAL_SEGMENTS_H
#define PROXY_JOURNAL_SEGMENTS_H

#include "base/clock.h"
#include "base/loop.h"
#include "schema/journal.h"

#include <limits.h>

struct journal_segments;

/* What the helper has done. */
struct journal_disk {
    uint64_t synced_lsn; /* every sync up to here has been tried */
    unsigned sync_failures;
    int sync_errno;      /* of the last that failed */
    int spare_errno;     /* 0, or why there is no spare now */
    uint64_t free_bytes; /* UINT64_MAX: not known */
};

/* Makes the folder and begins segment 0. `on_wake`, on the loop: the helper
 * has done something. */
enum status journal_segments_open(struct loop *loop, const struct clock *clock,
    const char *journal_dir, unsigned worker_index, uint32_t salt,
    loop_fn *on_wake, void *ctx, struct journal_segments **out,
    struct error *err) MUST_CHECK;
/* Syncs up to the last LSN that was wanted, and lets go of the lock. */
void journal_segments_close(struct journal_segments **s);

struct uuid journal_segments_id(const struct journal_segments *s);
const char *journal_segments_dir(const struct journal_segments *s);

/* The segment that records go to now. */
int journal_segments_fd(const struct journal_segments *s);
uint64_t journal_segments_number(const struct journal_segments *s);

/* Goes on in the next segment, whose head gets `salt`. STATUS_TIMEOUT: not yet,
 * on_wake will come. */
enum status journal_segments_roll(struct journal_segments *s, uint32_t salt,
    uint64_t written_lsn, struct error *err) MUST_CHECK;

void journal_segments_want_sync(struct journal_segments *s, uint64_t lsn);
/* What lies below is used again, or given back to the disk, in time. */
void journal_segments_note_released(struct journal_segments *s, uint64_t lsn);
/* Looks at the free space, and tries again to make a spare that a full disk
 * refused. */
void journal_segments_look(struct journal_segments *s);
struct journal_disk journal_segments_disk(struct journal_segments *s);

#endif
