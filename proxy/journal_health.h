/* Whether a worker's journal may be trusted with more, and if not, why.
 *
 * Owns the troubles that keep records from being kept, their reasons in words,
 * and when each begins and ends: with slack between the two, so that what
 * hangs on them does not flap. Says each to the log once when it begins and
 * once when it is over. Refuses to know files, threads and sessions: it is
 * told what was seen.
 */
#ifndef PROXY_JOURNAL_HEALTH_H
#define PROXY_JOURNAL_HEALTH_H

#include "base/clock.h"
#include "base/log.h"

#include <stdbool.h>

enum journal_trouble {
    JOURNAL_TROUBLE_WRITE,   /* records cannot be written */
    JOURNAL_TROUBLE_SYNC,    /* a sync failed: what the disk holds is unknown */
    JOURNAL_TROUBLE_SEGMENT, /* the segment is full, and there is no next */
    JOURNAL_TROUBLE_STALL,   /* the disk gives no answer */
    JOURNAL_TROUBLE_BACKLOG, /* more than journal.max_bytes is not released */
    JOURNAL_TROUBLE_SILENCE, /* the recorder gives no sign of life */
    JOURNAL_TROUBLE_SPARE,   /* when the segment is full there is no next */
    JOURNAL_TROUBLE_ROOM,    /* less free than journal.min_free_bytes */
    JOURNAL_TROUBLE_COUNT,
};

/* What somebody wants of the journal; each includes the one before. */
enum journal_need {
    JOURNAL_NEED_WRITE,  /* that records are written at all: best effort */
    JOURNAL_NEED_RECORD, /* that a session which must be recorded goes on */
    JOURNAL_NEED_OPEN,   /* that such a session begins */
};

#define JOURNAL_WHY_MAX 128

struct journal_health_limits {
    uint64_t max_bytes;
    uint64_t min_free_bytes; /* 0: any */
    uint32_t recorder_timeout_ms;
};

struct journal_health {
    const struct clock *clock;
    const struct log *log;
    struct journal_health_limits limits;
    struct {
        bool is_on;
        bool is_told; /* the log has its beginning, and not its end */
        uint64_t began_ns;
        uint64_t ended_ns;
        char why[JOURNAL_WHY_MAX];
    } troubles[JOURNAL_TROUBLE_COUNT];
};

void journal_health_init(struct journal_health *h, const struct clock *clock,
    const struct log *log, const struct journal_health_limits *limits);

/* A trouble of the disk, with the system's word for it; 0: it is over. */
void journal_health_see_error(
    struct journal_health *h, enum journal_trouble which, int sys_errno);
void journal_health_see_stall(struct journal_health *h, bool is_stalled);
void journal_health_see_backlog(struct journal_health *h, uint64_t bytes);
void journal_health_see_silence(struct journal_health *h, uint64_t ms);
void journal_health_see_free(struct journal_health *h, uint64_t bytes);
/* Now and then: says what has been over for long enough to be over. */
void journal_health_tell(struct journal_health *h);

bool journal_health_has(
    const struct journal_health *h, enum journal_trouble which);
/* NULL: the need is met. Else why not, until the next change. */
const char *journal_health_why_not(
    const struct journal_health *h, enum journal_need need);
bool journal_health_is_well(const struct journal_health *h);

#endif
