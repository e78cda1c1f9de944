/* The exact bytes of one stream, from events.
 *
 * An `o` or `i` event is text, with U+FFFD where the bytes were none; the `b`
 * that may follow it has the bytes themselves. So each is held until the next
 * event tells which of the two counts. `s` says whose the `o` are, `B` brings
 * bytes that never were text. RECORDING.md, "Events".
 */
#ifndef PLAYER_EXACT_STREAM_H
#define PLAYER_EXACT_STREAM_H

#include "schema/cast.h"

struct exact_stream {
    enum journal_stream wanted;
    enum journal_stream output; /* of the `o` events now */
    bool is_held;               /* `held` waits for a `b` */
    struct buf held;
};

void exact_stream_init(struct exact_stream *x, enum journal_stream wanted);
void exact_stream_fini(struct exact_stream *x);

/* Appends to `out` the bytes that are certain now. */
enum status exact_stream_feed(struct exact_stream *x,
    const struct cast_event *event, struct buf *out,
    struct error *err) MUST_CHECK;
/* No event follows. */
enum status exact_stream_end(
    struct exact_stream *x, struct buf *out) MUST_CHECK;

bool exact_stream_parse(struct span name, enum journal_stream *out);

#endif
