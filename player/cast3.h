/* asciicast v3 from v2, line by line (docs.asciinema.org/manual/asciicast/v3).
 *
 * v3 has the terminal's size in a `term` object and times relative to the
 * event before. Its five codes o, i, r, m and x are kept; our own s, b, B and
 * k are left out, and `kubetape` leaves the header, so that strict readers
 * take the file. Times are differences of microseconds, so nothing drifts.
 */
#ifndef PLAYER_CAST3_H
#define PLAYER_CAST3_H

#include "schema/cast.h"

struct cast3 {
    uint64_t last_us; /* of the last event written */
};

/* Appends the v3 header line for a v2 one. */
enum status cast3_header(struct cast3 *c, struct span v2_line, struct buf *out,
    struct error *err) MUST_CHECK;
/* Appends the event's line, or nothing. */
enum status cast3_event(struct cast3 *c, const struct cast_event *event,
    struct buf *out) MUST_CHECK;

#endif
