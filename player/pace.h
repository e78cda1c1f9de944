/* When to show what: recorded time to playing time, pure.
 *
 * Owns speed, the limit on idle gaps and starting in the middle; refuses to
 * know clocks, terminals and pauses. Everything before `at` is due at once,
 * so that the screen is as it was then.
 */
#ifndef PLAYER_PACE_H
#define PLAYER_PACE_H

#include <stdint.h>

struct pace {
    double speed;
    uint64_t idle_limit_us; /* 0: none; of recorded time, before speed */
    uint64_t last_us;       /* recorded time that `due` stands for */
    double due_us;          /* playing time of the last event */
};

/* speed > 0. */
void pace_init(
    struct pace *p, double speed, uint64_t idle_limit_us, uint64_t at_us);

/* Microseconds of playing after the start at which an event of `time_us` is
 * due. Never decreasing, also for a recording whose times go back. */
uint64_t pace_due(struct pace *p, uint64_t time_us);

#endif
