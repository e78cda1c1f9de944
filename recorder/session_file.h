/* One session: its records in, its recording out.
 *
 * Owns when things happen: when the size is known and the header can be
 * written, when a frame is cut, what a session's end adds, and which records
 * the journal must still keep for it. cast_writer says how it reads,
 * frame_file how it lies in the file.
 *
 * A record that cannot be taken (disk full, no memory) is not taken: the
 * caller gives it again, and the journal holds it meanwhile.
 *
 *   WAITING   no header yet: no size is known, or nothing has happened
 *   RUNNING   the header is sealed; text is cut into frames
 *   ENDING    its last record was taken; the file is finished, compacted and
 *             encrypted, in steps
 *   SEALED    the file is as it stays, and synced; its leaf is not in the
 *             ledger's batch
 *   REFUSED   ended before anything happened: it gets no file
 *   FINISHED  nothing is owed but to commit: ledger, then row (or it was given
 *             up, and has no leaf)
 */
#ifndef RECORDER_SESSION_FILE_H
#define RECORDER_SESSION_FILE_H

#include "base/clock.h"
#include "base/log.h"
#include "recorder/cast_writer.h"
#include "recorder/press.h"
#include "recorder/put_away.h"

struct ledger;

/* What all sessions share; borrowed. */
struct session_env {
    const char *state_dir;
    struct ledger *ledger;
    struct press *press;
    struct press *archive; /* for compaction: its level is not the live one */
    struct cast_scratch *scratch;
    const struct clock *clock;
    const struct log *log;
    struct recipients recipients; /* of recordings that end from now on */
    uint64_t seal_interval_ns;
    size_t frame_text; /* a frame is cut when it holds so much */
    /* As of now: whether others wait (a journal has more than a turn could
     * read, or many sessions end), and until when sessions that end may be
     * worked on. */
    bool is_behind;
    uint64_t ending_until_ns;
};

enum session_state {
    SESSION_WAITING,
    SESSION_RUNNING,
    SESSION_ENDING,
    SESSION_SEALED,
    SESSION_REFUSED,
    SESSION_FINISHED,
};

struct session_file;

/* Reads the facts of an OPEN record. STATUS_INVALID when they are none. */
enum status session_file_facts(const struct journal_record *open,
    struct meta *meta_out, struct error *err) MUST_CHECK;

/* A session that begins with `open`, in WAITING. */
enum status session_file_open(const struct session_env *env,
    const struct uuid *worker, const struct journal_record *open,
    struct session_file **out, struct error *err) MUST_CHECK;

/* A session whose file a crash left: goes on behind the last seal, durable
 * with the next sync. `file` is any of its names, see put_away. NOT_FOUND and
 * CORRUPT as frame_file_resume. */
enum status session_file_resume(const struct session_env *env, const char *file,
    struct session_file **out, struct error *err) MUST_CHECK;

void session_file_free(struct session_file **s);

/* Any record of the session but its OPEN; those already in the file are
 * passed over. */
enum status session_file_take(struct session_file *s,
    const struct journal_record *r, struct error *err) MUST_CHECK;

/* No more records will come, and none was CLOSE: it failed. */
enum status session_file_break_off(
    struct session_file *s, const char *reason, struct error *err) MUST_CHECK;

/* What is due by the clock, and by what was taken: the header, a frame, the
 * end. Moves at most to FINISHED. */
enum status session_file_work(
    struct session_file *s, struct error *err) MUST_CHECK;
/* A frame of whatever text waits, whenever it came. */
enum status session_file_seal_now(
    struct session_file *s, struct error *err) MUST_CHECK;
/* What is sealed survives a power cut, and so leaves session_file_needs. */
enum status session_file_sync(
    struct session_file *s, struct error *err) MUST_CHECK;

enum session_state session_file_state(const struct session_file *s);
const struct meta *session_file_meta(const struct session_file *s);
struct uuid session_file_worker(const struct session_file *s);
uint64_t session_file_key(const struct session_file *s);
/* The first record of the session that must stay in the journal: UINT64_MAX
 * when none need. */
uint64_t session_file_needs(const struct session_file *s);

/* A file that was found finished may have its leaf from before a crash. Such a
 * session waits until somebody looked. */
bool session_file_wants_leaf_search(const struct session_file *s);
void session_file_set_leaf(struct session_file *s, bool is_in_ledger);

/* Its row says that it is over: what is left of it in the clear may go. A
 * failure is logged; the next start tries again. */
void session_file_clear_away(const struct session_file *s);

/* A session in REFUSED is in the day's file now, and so FINISHED. */
void session_file_set_noted(struct session_file *s);

/* Whether the index should hear: set by what changes a row, cleared by whoever
 * wrote it. A session that is ENDING, SEALED or REFUSED stays as it is there
 * until it is FINISHED: no row says sealed before file and ledger do. */
bool session_file_is_unindexed(const struct session_file *s);
void session_file_set_indexed(struct session_file *s);

#endif
