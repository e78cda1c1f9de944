/* The day's file of what got no recording of its own: refused attempts, and
 * request events. recordings/YYYY/MM/DD/attempts.cast.zst
 *
 * A recording like any other (header, seals, seek table), whose events are
 * `k` only; seconds count from midnight UTC. An attempt is written once, also
 * when its records are read again after a crash: the file is its own memory
 * of the ids in it.
 */
#ifndef RECORDER_DAILY_FILE_H
#define RECORDER_DAILY_FILE_H

#include "recorder/session_file.h"
#include "schema/ledger.h"

#define DAILY_FILE_NAME "attempts.cast.zst"

struct daily_file;

enum status daily_file_new(const struct session_env *env,
    struct daily_file **out, struct error *err) MUST_CHECK;
/* A leaf that stands in the ledger already. */
enum status daily_file_on_leaf(struct daily_file *d,
    const struct ledger_leaf *leaf, struct error *err) MUST_CHECK;
/* Finishes files of earlier days that a stop or a crash left open, or without
 * their leaf. */
enum status daily_file_finish_old(
    struct daily_file *d, struct error *err) MUST_CHECK;
void daily_file_free(struct daily_file **d);

/* Into memory, on the page of its day; the day before is finished first. */
enum status daily_file_add_refused(
    struct daily_file *d, const struct meta *m, struct error *err) MUST_CHECK;
/* `json` is an object. Read again after a crash, it is written again. */
enum status daily_file_add_event(
    struct daily_file *d, struct span json, struct error *err) MUST_CHECK;

/* Leaves are committed: what is left in the clear of days that were encrypted
 * may go. A failure is logged and tried again. */
void daily_file_clear_away(struct daily_file *d);

/* What was added is in the file, sealed and synced, afterwards. Finishes the
 * file when its day is over: its leaf is in the ledger's batch then. */
enum status daily_file_flush(
    struct daily_file *d, struct error *err) MUST_CHECK;

#endif
