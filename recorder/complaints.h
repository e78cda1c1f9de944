/* Which failures were told of lately: what fails again with every try, several
 * times a second, is one line now and then. Refuses to know logs: the caller
 * tells, or does not. */
#ifndef RECORDER_COMPLAINTS_H
#define RECORDER_COMPLAINTS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define COMPLAINTS_MAX 16u /* kinds that are known at once */

/* All zero: none was told of. */
struct complaints {
    struct complaint {
        const char *event; /* borrowed for good; NULL: none */
        enum status code;
        uint64_t told_ns;
    } told[COMPLAINTS_MAX];
};

/* Whether `event` with `code` was not told of for RECORDER_COMPLAIN_MS; then
 * it counts as told now. */
bool complaints_are_new(
    struct complaints *c, const char *event, enum status code, uint64_t now_ns);

#endif
