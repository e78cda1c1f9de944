/* See complaints.h. */
#include "recorder/complaints.h"

#include "recorder/limits.h"

#include <stddef.h>
#include <string.h>

#define SILENCE_NS ((uint64_t)RECORDER_COMPLAIN_MS * 1000000u)

/* The place of that kind, or else the one that was told of longest ago. */
static struct complaint *
place_of(struct complaints *c, const char *event, enum status code)
{
    struct complaint *oldest = &c->told[0];
    for (size_t i = 0; i < COMPLAINTS_MAX; i++) {
        struct complaint *at = &c->told[i];
        if (at->event == NULL ||
            (at->code == code && strcmp(at->event, event) == 0)) {
            return at;
        }
        if (at->told_ns < oldest->told_ns) {
            oldest = at;
        }
    }
    oldest->event = NULL;
    return oldest;
}

bool
complaints_are_new(
    struct complaints *c, const char *event, enum status code, uint64_t now_ns)
{
    struct complaint *at = place_of(c, event, code);
    if (at->event != NULL && now_ns - at->told_ns < SILENCE_NS) {
        return false;
    }
    *at = (struct complaint){event, code, now_ns};
    return true;
}
