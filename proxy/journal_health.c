#include "proxy/journal_health.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
/* A trouble that comes back sooner is the same one: a recorder that is a
 * little too slow would fill the log. */
#define QUIET_MS 2000u
/* How far below its cap the backlog must fall, how far above its floor the free
 * space must rise: this part, but no more than so much. */
#define SLACK_PART      16u
#define SLACK_BYTES_MAX (UINT64_C(16) << 20)

static const char *const names[JOURNAL_TROUBLE_COUNT] = {
    [JOURNAL_TROUBLE_WRITE] = "write",
    [JOURNAL_TROUBLE_SYNC] = "sync",
    [JOURNAL_TROUBLE_SEGMENT] = "segment",
    [JOURNAL_TROUBLE_STALL] = "stall",
    [JOURNAL_TROUBLE_BACKLOG] = "backlog",
    [JOURNAL_TROUBLE_SILENCE] = "silence",
    [JOURNAL_TROUBLE_SPARE] = "spare",
    [JOURNAL_TROUBLE_ROOM] = "room",
};

/* Up to which trouble a need is concerned; see their order. */
static const enum journal_trouble worst_of[] = {
    [JOURNAL_NEED_WRITE] = JOURNAL_TROUBLE_BACKLOG,
    [JOURNAL_NEED_RECORD] = JOURNAL_TROUBLE_SILENCE,
    [JOURNAL_NEED_OPEN] = JOURNAL_TROUBLE_ROOM,
};

void
journal_health_init(struct journal_health *h, const struct clock *clock,
    const struct log *log, const struct journal_health_limits *limits)
{
    memset(h, 0, sizeof *h);
    h->clock = clock;
    h->log = log;
    h->limits = *limits;
}

/* The disk's own troubles are errors; the others pass by themselves. */
static enum log_level
level_of(enum journal_trouble which)
{
    return which <= JOURNAL_TROUBLE_STALL || which == JOURNAL_TROUBLE_SPARE
               ? LOG_ERROR
               : LOG_WARN;
}

static void
begin(struct journal_health *h, enum journal_trouble which)
{
    const uint64_t now = clock_mono_ns(h->clock);
    h->troubles[which].is_on = true;
    if (h->troubles[which].is_told) {
        return; /* it had not been over for long enough */
    }
    h->troubles[which].is_told = true;
    h->troubles[which].began_ns = now;
    log_event(h->log, level_of(which), "journal.trouble",
        LOG_S("what", names[which]), LOG_S("why", h->troubles[which].why));
}

static void
set(struct journal_health *h, enum journal_trouble which, bool is_on)
{
    if (is_on && !h->troubles[which].is_on) {
        begin(h, which);
    } else if (!is_on && h->troubles[which].is_on) {
        h->troubles[which].is_on = false;
        h->troubles[which].ended_ns = clock_mono_ns(h->clock);
    }
}

void
journal_health_tell(struct journal_health *h)
{
    const uint64_t now = clock_mono_ns(h->clock);
    for (int i = 0; i < JOURNAL_TROUBLE_COUNT; i++) {
        const uint64_t ended = h->troubles[i].ended_ns;
        if (!h->troubles[i].is_told || h->troubles[i].is_on ||
            now - ended < QUIET_MS * NS_PER_MS) {
            continue;
        }
        h->troubles[i].is_told = false;
        log_event(h->log, LOG_INFO, "journal.trouble_over",
            LOG_S("what", names[i]),
            LOG_I("ms", (ended - h->troubles[i].began_ns) / NS_PER_MS));
    }
}

/* ---- what is seen ---- */

static const char *
words_for(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
        return "the disk with the session journal is full";
    case EDQUOT:
        return "the disk quota of the session journal is used up";
    case EROFS:
        return "the file system of the session journal is read-only";
    case EIO:
        return "the disk with the session journal has input/output errors";
    default:
        return "the session journal cannot be written";
    }
}

void
journal_health_see_error(
    struct journal_health *h, enum journal_trouble which, int sys_errno)
{
    if (sys_errno != 0) {
        snprintf(h->troubles[which].why, JOURNAL_WHY_MAX, "%s",
            words_for(sys_errno));
    }
    set(h, which, sys_errno != 0);
}

static void
set_with(struct journal_health *h, enum journal_trouble which, bool is_on,
    const char *why)
{
    snprintf(h->troubles[which].why, JOURNAL_WHY_MAX, "%s", why);
    set(h, which, is_on);
}

void
journal_health_see_stall(struct journal_health *h, bool is_stalled)
{
    set_with(h, JOURNAL_TROUBLE_STALL, is_stalled,
        "the disk with the session journal gives no answer");
}

static uint64_t
slack(uint64_t limit)
{
    const uint64_t part = limit / SLACK_PART;
    return part < SLACK_BYTES_MAX ? part : SLACK_BYTES_MAX;
}

void
journal_health_see_backlog(struct journal_health *h, uint64_t bytes)
{
    const uint64_t max = h->limits.max_bytes;
    if (bytes > max || bytes <= max - slack(max)) {
        set_with(h, JOURNAL_TROUBLE_BACKLOG, bytes > max,
            "the recorder is too far behind");
    }
}

void
journal_health_see_silence(struct journal_health *h, uint64_t ms)
{
    set_with(h, JOURNAL_TROUBLE_SILENCE, ms > h->limits.recorder_timeout_ms,
        "the recorder is not running");
}

void
journal_health_see_free(struct journal_health *h, uint64_t bytes)
{
    const uint64_t min = h->limits.min_free_bytes;
    char why[JOURNAL_WHY_MAX];
    if (bytes < min || bytes - min >= slack(min)) {
        snprintf(why, sizeof why,
            "less than %" PRIu64 " MiB free where the session journal is",
            min >> 20);
        set_with(h, JOURNAL_TROUBLE_ROOM, bytes < min, why);
    }
}

/* ---- what follows ---- */

bool
journal_health_has(const struct journal_health *h, enum journal_trouble which)
{
    return h->troubles[which].is_on;
}

const char *
journal_health_why_not(const struct journal_health *h, enum journal_need need)
{
    for (int i = 0; i <= (int)worst_of[need]; i++) {
        if (h->troubles[i].is_on) {
            return h->troubles[i].why;
        }
    }
    return NULL;
}

bool
journal_health_is_well(const struct journal_health *h)
{
    return journal_health_why_not(h, JOURNAL_NEED_OPEN) == NULL;
}
