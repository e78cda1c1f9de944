/* One worker's journal folder, read to its end again and again.
 *
 * Owns the place in the journal, its sessions, and the position file that
 * tells the worker how far they are. Refuses to know the index and the loop:
 * who a new OPEN record belongs to is the owner's to say.
 */
#ifndef RECORDER_TAIL_H
#define RECORDER_TAIL_H

#include "recorder/session_table.h"

struct tail;

struct tail_owner {
    const struct session_env *env;
    uint8_t *reading; /* RECORDER_READ_MAX bytes, shared by all tails */
    /* An OPEN record. *out stays NULL for a session that is finished, or that
     * cannot be recorded any more: its records are passed over. */
    enum status (*on_open)(void *ctx, const struct uuid *worker,
        const struct journal_record *open, struct session_file **out,
        struct error *err);
    enum status (*on_event)(
        void *ctx, const struct journal_record *r, struct error *err);
    void *ctx;
};

/* `name` is "w<index>-<uuid>", a folder in `journal_dir`. Starts where the
 * position file releases, or at the first segment. STATUS_INVALID: no worker
 * folder. */
enum status tail_open(const struct tail_owner *owner, const char *journal_dir,
    const char *name, struct tail **out, struct error *err) MUST_CHECK;
void tail_close(struct tail **t);

/* Takes over a session that was restored from its file. */
enum status tail_adopt(
    struct tail *t, struct session_file **s, struct error *err) MUST_CHECK;

/* Reads on, at most RECORDER_TURN_BYTES; *more_out: there is more. On failure
 * the record at hand was not taken and comes again. */
enum status tail_read(
    struct tail *t, bool *more_out, struct error *err) MUST_CHECK;

/* Tells the worker how far it was read, and if it may
 * be released, what no session needs any more. */
enum status tail_publish(
    struct tail *t, bool may_release, struct error *err) MUST_CHECK;

/* Seals and syncs up to `most` sessions that keep a whole segment from being
 * released. */
enum status tail_sync_laggards(
    struct tail *t, unsigned most, struct error *err) MUST_CHECK;

/* Whether the worker is gone, for long enough to be sure. */
enum status tail_look(
    struct tail *t, bool *is_dead_out, struct error *err) MUST_CHECK;
/* Removes the folder, when no session is left and the worker is gone. */
enum status tail_remove(struct tail *t, struct error *err) MUST_CHECK;

const char *tail_name(const struct tail *t);
const char *tail_dir(const struct tail *t);
const struct uuid *tail_worker(const struct tail *t);
struct session_table *tail_sessions(struct tail *t);
/* Whether a session was opened, noted or closed since the last call. */
bool tail_take_changed(struct tail *t);

#endif
