/* Records to event lines: what a session's bytes look like as asciicast text.
 *
 * Owns the decisions that RECORDING.md describes: which stream an `o` event
 * belongs to (`s`), characters cut between two chunks (carried, per stream),
 * bytes that are no UTF-8 (U+FFFD, and the exact bytes in a `b` behind it),
 * streams that are no text at all (`B`, from then on), sizes and times.
 *
 * Refuses to know files, frames, clocks and the journal. Its whole state is a
 * struct seal_writer, so a seal carries all that is needed to go on; what it
 * writes depends on that state and the record only, so a recovered recording
 * has the text of an uninterrupted one.
 *
 * A call that fails (no memory) leaves text and state as they were.
 */
#ifndef RECORDER_CAST_WRITER_H
#define RECORDER_CAST_WRITER_H

#include "schema/cast.h"
#include "schema/gap.h"
#include "schema/seal.h"

struct cast_writer {
    struct seal_writer at;
    bool is_tty; /* its output is always text: a terminal shows it */
};

/* Working memory, shared by all sessions of a process. */
struct cast_scratch {
    struct buf joined; /* a carried character's start, then the chunk */
    struct buf repaired;
    struct buf coded;
};
void cast_scratch_init(struct cast_scratch *s);
void cast_scratch_fini(struct cast_scratch *s);
/* Gives back what an unusually large chunk took. */
void cast_scratch_shrink(struct cast_scratch *s);

/* Stands at the first event of the session whose OPEN record is `open`. */
void cast_writer_init(struct cast_writer *w, const struct uuid *worker,
    const struct journal_record *open, bool is_tty);

enum status cast_writer_data(struct cast_writer *w,
    const struct journal_record *r, struct cast_scratch *scratch,
    struct buf *text) MUST_CHECK;

/* False, and nothing written, for a size that is none (0 columns or rows). */
bool cast_writer_size_of(
    const struct journal_record *r, uint16_t *columns_out, uint16_t *rows_out);
/* An `r` event, unless the size is the last one. */
enum status cast_writer_resize(struct cast_writer *w,
    const struct journal_record *r, struct buf *text) MUST_CHECK;

/* A `k` event with a JSON object. */
enum status cast_writer_facts(struct cast_writer *w, uint64_t mono_ns,
    struct span json, struct buf *text) MUST_CHECK;
/* A `k` event with bytes of the error stream: {"error_stream":"<base64>"}. */
enum status cast_writer_status(struct cast_writer *w,
    const struct journal_record *r, struct cast_scratch *scratch,
    struct buf *text) MUST_CHECK;
/* The bytes that such a `k` event carries, appended to `out`; nothing for
 * other facts. */
enum status cast_writer_status_of(struct span json, struct buf *out) MUST_CHECK;

/* A stretch that was not recorded: an `m` event that says so to people, and a
 * `k` event with `json`, the gap itself. A character begun before it does not
 * go on behind it. */
enum status cast_writer_gap(struct cast_writer *w, uint64_t mono_ns,
    const struct gap *gap, struct span json, struct cast_scratch *scratch,
    struct buf *text) MUST_CHECK;

/* What is still carried of characters that never became whole. */
enum status cast_writer_flush(struct cast_writer *w, uint64_t mono_ns,
    struct cast_scratch *scratch, struct buf *text) MUST_CHECK;
/* The `x` event. */
enum status cast_writer_exit(struct cast_writer *w, uint64_t mono_ns,
    int exit_code, struct buf *text) MUST_CHECK;

/* Microseconds of a record on the session's time line: never before the last
 * event's. */
uint64_t cast_writer_time_us(const struct cast_writer *w, uint64_t mono_ns);

#endif
