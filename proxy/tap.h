/* One session's line into the journal: its OPEN, what it said, its CLOSE.
 *
 * Owns the session's facts (struct meta), its key in the journal and the byte
 * counts; decides which facts become records. Refuses to know protocols and
 * connections. A tap that was opened is always closed, once.
 *
 * Of a session that is recorded as well as can be (meta.record), what passes
 * while the journal takes nothing is a gap: counted here, and told by a NOTE in
 * front of whatever is recorded next. If not even OPEN could be appended, that
 * comes then too.
 */
#ifndef PROXY_TAP_H
#define PROXY_TAP_H

#include "proxy/channel.h"
#include "proxy/journal_writer.h"
#include "proxy/metrics.h"
#include "schema/meta.h"

struct tap;

/* Takes `meta` (leaving it empty), gives it an id and a start, and appends
 * OPEN. Nothing of the session may go upstream before the journal is
 * deliverable up to journal_writer_end; but of one in a gap it may. */
enum status tap_open(struct journal_writer *journal, const struct clock *clock,
    struct metrics *metrics, struct meta *meta, struct tap **out,
    struct error *err) MUST_CHECK;

const char *tap_id(const struct tap *t); /* UUID text, as long as the tap */
const struct meta *tap_meta(const struct tap *t);

/* What the response settled: the subprotocol. */
enum status tap_upgraded(struct tap *t, struct span subprotocol) MUST_CHECK;

/* Records what policy has recorded and counts the rest. *recorded_out: a
 * record was appended, so the bytes wait for the journal. */
enum status tap_fact(struct tap *t, enum channel_from from,
    const struct channel_fact *fact, bool *recorded_out) MUST_CHECK;
/* Bytes of a stream that are counted and never recorded (port-forward). */
void tap_count(struct tap *t, enum journal_stream stream, size_t len);

/* Whether the session must be recorded, or not run. */
bool tap_is_required(const struct tap *t);
/* Nothing is recorded from here on, for the reason `why`... */
void tap_gap_begin(struct tap *t, const char *why);
bool tap_is_in_gap(const struct tap *t);
/* ... until here, if that can be recorded now. */
enum status tap_gap_end(struct tap *t) MUST_CHECK;

/* Whether the error channel has brought the command's end. */
bool tap_has_status(const struct tap *t);

/* Appends CLOSE, behind the gap that is open if one is, and frees. `reason` ""
 * when there is nothing to say. If the journal has no room for it the recorder
 * closes the session when this worker ends: never as complete. False when it
 * will never hear of the session at all. */
bool tap_close(struct tap **t, enum meta_status status, const char *reason);

#endif
