/* The system's clocks, and the one text form of wall time.
 *
 * Only clock_system asks the kernel. Everything else gets a struct clock, so
 * that a test can say what time it is.
 */
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

static struct timespec
kernel_time(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);
    assert(rc == 0); /* fails only for an unknown clock */
    return ts;
}

static uint64_t
system_mono_ns(void *self)
{
    (void)self;
    struct timespec ts = kernel_time(CLOCK_MONOTONIC);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int64_t
system_wall_us(void *self)
{
    (void)self;
    struct timespec ts = kernel_time(CLOCK_REALTIME);
    return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

const struct clock clock_system = {
    .mono_ns = system_mono_ns,
    .wall_us = system_wall_us,
    .self = NULL,
};

uint64_t
clock_mono_ns(const struct clock *c)
{
    return c->mono_ns(c->self);
}

int64_t
clock_wall_us(const struct clock *c)
{
    return c->wall_us(c->self);
}

/* RFC 3339 has four digits for a year, so times outside of 0000 to 9999
 * print as the nearest it can say. */
static int64_t
clamp_to_rfc3339(int64_t wall_us)
{
    const int64_t first = INT64_C(-62167219200) * US_PER_S;
    const int64_t last = INT64_C(253402300800) * US_PER_S - 1;
    if (wall_us < first) {
        return first;
    }
    return wall_us > last ? last : wall_us;
}

void
clock_format(int64_t wall_us, char out[CLOCK_TEXT_MAX])
{
    int64_t t = clamp_to_rfc3339(wall_us);
    int64_t us = t % US_PER_S;
    if (us < 0) {
        us += US_PER_S; /* before 1970 a second is still counted upwards */
    }
    time_t seconds = (time_t)((t - us) / US_PER_S);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    /* strftime does not pad the years before 1000 */
    (void)snprintf(out, CLOCK_TEXT_MAX, "%04d", tm.tm_year + 1900);
    size_t len = strlen(out);
    len += strftime(out + len, CLOCK_TEXT_MAX - len, "-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + len, CLOCK_TEXT_MAX - len, ".%06dZ", (int)us);
}
