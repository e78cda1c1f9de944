/* A worker's journal, the writing side (schema/JOURNAL.md).
 *
 * Owns the order of records and the batch that collects them; the files are
 * journal_segments', what is wrong journal_health's. Refuses to know sessions
 * and connections: it gives every record an LSN and says up to which LSN
 * things may be revealed.
 *
 * Records collect until journal_writer_flush, which is called at the end of
 * every loop turn and writes them in one system call. When writing fails,
 * nothing is lost and nothing becomes deliverable: the batch is kept and tried
 * again at the next flush, and journal_writer_why_not says what is wrong. A
 * part of the batch's cap is kept for the records that end sessions, so that
 * those which end meanwhile are still told of.
 */
#ifndef PROXY_JOURNAL_WRITER_H
#define PROXY_JOURNAL_WRITER_H

#include "base/config.h"
#include "base/loop.h"
#include "proxy/journal_health.h"
#include "schema/journal.h"

struct journal_writer;

struct journal_writer_options {
    const char *journal_dir; /* <state>/journal */
    unsigned worker_index;
    enum config_durability durability;
    uint32_t sync_interval_ms;
    struct journal_health_limits limits;
};

/* `on_synced`, on the loop: deliverable may have grown (strict). */
enum status journal_writer_open(struct loop *loop, const struct clock *clock,
    const struct log *log, const struct journal_writer_options *o,
    loop_fn *on_synced, void *ctx, struct journal_writer **out,
    struct error *err) MUST_CHECK;
/* Flushes, syncs, and lets go of the lock. */
void journal_writer_close(struct journal_writer **w);

/* Takes a copy of the payload (<= JOURNAL_PAYLOAD_MAX), or, when it is large,
 * writes it at once. For JOURNAL_OPEN `session` is ignored, and *lsn_out, which
 * may be NULL, is the session's key. STATUS_LIMIT when too much waits to be
 * written; never so when journal_writer_has_room said yes for as many bytes. */
enum status journal_writer_append(struct journal_writer *w,
    enum journal_kind kind, enum journal_stream stream, uint64_t session,
    struct span payload, uint64_t *lsn_out) MUST_CHECK;
/* Whether records of `bytes` payload in all can be taken now. */
bool journal_writer_has_room(const struct journal_writer *w, size_t bytes);

/* The address after the last record appended: what was read before this call
 * may be revealed when _deliverable has reached it. */
uint64_t journal_writer_end(const struct journal_writer *w);
/* Everything below may be revealed. */
uint64_t journal_writer_deliverable(const struct journal_writer *w);

/* Writes what has collected. */
void journal_writer_flush(struct journal_writer *w);

/* NULL when the need is met; else why not, until the next call. */
const char *journal_writer_why_not(
    struct journal_writer *w, enum journal_need need);

/* Whether what is appended now does not get into the journal. A need may be
 * unmet before it comes to that. */
bool journal_writer_is_blocked(const struct journal_writer *w);

struct journal_gauges {
    uint64_t backlog_bytes; /* not released by the recorder */
    uint64_t free_bytes;    /* of the journal's file system; UINT64_MAX: ? */
    uint64_t silent_ms;     /* since the recorder's last sign of life */
};
struct journal_gauges journal_writer_gauges(const struct journal_writer *w);

struct uuid journal_writer_id(const struct journal_writer *w);

#endif
