/* A worker's journal, the writing side (schema/JOURNAL.md).
 *
 * Owns the worker's folder, its lock, segments and the helper thread that
 * syncs and prepares them. Refuses to know sessions and connections: it gives
 * every record an LSN and says up to which LSN things may be revealed.
 *
 * Records collect until journal_writer_flush, which is called at the end of
 * every loop turn and writes them in one system call. When writing fails,
 * nothing is lost and nothing becomes deliverable: the batch is kept and tried
 * again at the next flush; journal_writer_is_ready says no meanwhile, so that
 * no session is opened.
 */
#ifndef PROXY_JOURNAL_WRITER_H
#define PROXY_JOURNAL_WRITER_H

#include "base/config.h"
#include "base/loop.h"
#include "schema/journal.h"

struct journal_writer;

struct journal_writer_options {
    const char *journal_dir; /* <state>/journal */
    unsigned worker_index;
    enum config_durability durability;
    uint32_t sync_interval_ms;
    uint64_t max_bytes; /* of records the recorder has not released */
    uint32_t recorder_timeout_ms;
};

/* `on_synced`, on the loop: deliverable may have grown (strict). */
enum status journal_writer_open(struct loop *loop, const struct clock *clock,
    const struct log *log, const struct journal_writer_options *o,
    loop_fn *on_synced, void *ctx, struct journal_writer **out,
    struct error *err) MUST_CHECK;
/* Flushes, syncs, and lets go of the lock. */
void journal_writer_close(struct journal_writer **w);

/* Takes a copy of the payload, or, when it is large, writes it at once (<= JOURNAL_PAYLOAD_MAX). For JOURNAL_OPEN
 * `session` is ignored, and *lsn_out, which may be NULL, is the session's
 * key. STATUS_LIMIT when too much waits to be written; never so when
 * journal_writer_has_room said yes for as many bytes. */
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

/* Whether a session may be opened; if not, *why_out (static) says why. */
bool journal_writer_is_ready(struct journal_writer *w, const char **why_out);

struct uuid journal_writer_id(const struct journal_writer *w);

#endif
