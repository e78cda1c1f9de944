/* Moments as people write them, pure: `now` is given.
 *
 * RFC 3339 ("2026-11-24T22:43:56.5+01:00"), a date ("2026-11-24", UTC), or
 * ago ("90s", "5m", "2h", "3d", "1w").
 */
#ifndef PLAYER_MOMENT_H
#define PLAYER_MOMENT_H

#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

/* A date is its first moment, or with `ends_day` the first moment of the day
 * after, so that `--until 2026-11-24` includes that day. */
enum status moment_parse(const char *text, int64_t now_us, bool ends_day,
    int64_t *out_us, struct error *err) MUST_CHECK;

/* A length: "1.5", "90" (seconds), "90s", "5m", "1m30s", "1:30", "1:02:03". */
enum status moment_length_parse(
    const char *text, uint64_t *out_us, struct error *err) MUST_CHECK;

#endif
