/* Time, as a parameter, so that tests own it.
 *
 * Offsets come from the monotonic clock; wall time appears once in a record,
 * where a person will read it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock {
    uint64_t (*mono_ns)(void *self); /* CLOCK_MONOTONIC, nanoseconds */
    int64_t (*wall_us)(void *self);  /* Unix time, microseconds, UTC */
    void *self;
};

extern const struct clock clock_system;

uint64_t clock_mono_ns(const struct clock *c);
int64_t clock_wall_us(const struct clock *c);

#define CLOCK_TEXT_MAX 32
/* RFC 3339 in UTC with microseconds: 2026-11-24T22:43:56.000001Z */
void clock_format(int64_t wall_us, char out[CLOCK_TEXT_MAX]);

#endif
