/* How far the recorder is with a worker's journal: the reading side of the
 * position file (schema/JOURNAL.md, "Position").
 *
 * Its time of writing is only compared with itself: a sign of life is one that
 * differs from the last, by this worker's own clock. So a wall clock that is
 * set neither kills a recorder nor raises it from the dead.
 */
#ifndef PROXY_RECORDER_POSITION_H
#define PROXY_RECORDER_POSITION_H

#include "base/clock.h"
#include "schema/journal.h"

struct recorder_position {
    const struct clock *clock;
    struct journal_position last;
    uint64_t read_ns;  /* when the file was looked at */
    uint64_t alive_ns; /* when it last told something new */
};

/* A recorder has its time to start. */
void recorder_position_init(
    struct recorder_position *p, const struct clock *clock);
/* Looks at the file in `dir`, unless it did a moment ago. */
void recorder_position_read(struct recorder_position *p, const char *dir);
uint64_t recorder_position_silent_ms(const struct recorder_position *p);

#endif
