/* Sums gaps, not times, so that a shortened pause shifts all that follows. In
 * double: 2^53 microseconds are 285 years before one is lost. */
#include "player/pace.h"

#include <assert.h>

void
pace_init(struct pace *p, double speed, uint64_t idle_limit_us, uint64_t at_us)
{
    assert(speed > 0);
    *p = (struct pace){
        .speed = speed,
        .idle_limit_us = idle_limit_us,
        .last_us = at_us,
    };
}

uint64_t
pace_due(struct pace *p, uint64_t time_us)
{
    if (time_us > p->last_us) {
        uint64_t gap_us = time_us - p->last_us;
        if (p->idle_limit_us > 0 && gap_us > p->idle_limit_us) {
            gap_us = p->idle_limit_us;
        }
        p->due_us += (double)gap_us / p->speed;
        p->last_us = time_us;
    }
    /* 2^63 us are 292,000 years: beyond it a double does not convert. */
    return p->due_us < 0x1p63 ? (uint64_t)p->due_us : UINT64_MAX / 2;
}
