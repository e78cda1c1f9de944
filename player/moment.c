/* Taken piece by piece from a span; every number is bounded before it is
 * multiplied, and a calendar day that does not exist is refused, not moved. */
#include "player/moment.h"

#include "base/span.h"
#include <time.h>

#define US_PER_SECOND 1000000u
#define SECONDS_MAX   (100u * 366 * 86400) /* a century is no length */

/* Seconds of a unit letter, 0 when it is none. */
static uint64_t
unit_seconds(uint8_t letter)
{
    switch (letter) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return (uint64_t)7 * 86400;
    default:
        return 0;
    }
}

/* Digits at the front, at least one. */
static bool
take_number(struct span *s, uint64_t max, uint64_t *out)
{
    size_t n = 0;
    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9') {
        n++;
    }
    struct span digits = SPAN_EMPTY;
    struct span rest = *s;
    if (!span_take(&rest, n, &digits) || !span_to_u64(digits, max, out)) {
        return false;
    }
    *s = rest;
    return true;
}

/* Exactly `width` digits within [min, max]. */
static bool
take_field(struct span *s, size_t width, int min, int max, int *out)
{
    struct span digits = SPAN_EMPTY;
    uint64_t value = 0;
    if (!span_take(s, width, &digits) ||
        !span_to_u64(digits, (uint64_t)max, &value) || (int)value < min) {
        return false;
    }
    *out = (int)value;
    return true;
}

static bool
take_byte(struct span *s, const char *any_of)
{
    for (const char *p = any_of; s->len > 0 && *p != '\0'; p++) {
        if (s->ptr[0] == (uint8_t)*p) {
            return span_skip(s, 1);
        }
    }
    return false;
}

/* ".5" as 500000; digits beyond the sixth are dropped. */
static bool
take_fraction(struct span *s, uint64_t *us_out)
{
    uint64_t us = 0;
    uint64_t place = US_PER_SECOND / 10;
    size_t n = 0;
    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9') {
        us += (uint64_t)(s->ptr[n] - '0') * place;
        place /= 10;
        n++;
    }
    *us_out = us;
    return n > 0 && span_skip(s, n);
}

static bool
take_date(struct span *s, struct tm *tm)
{
    if (!take_field(s, 4, 1970, 9999, &tm->tm_year) || !take_byte(s, "-") ||
        !take_field(s, 2, 1, 12, &tm->tm_mon) || !take_byte(s, "-") ||
        !take_field(s, 2, 1, 31, &tm->tm_mday)) {
        return false;
    }
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    /* 31 April becomes 1 May in timegm: not what was written. */
    struct tm normal = *tm;
    return timegm(&normal) >= 0 && normal.tm_mday == tm->tm_mday;
}

static bool
take_offset(struct span *s, int *seconds_out)
{
    if (take_byte(s, "Zz")) {
        *seconds_out = 0;
        return true;
    }
    const bool west = s->len > 0 && s->ptr[0] == '-';
    int hours = 0;
    int minutes = 0;
    if (!take_byte(s, "+-") || !take_field(s, 2, 0, 23, &hours) ||
        !take_byte(s, ":") || !take_field(s, 2, 0, 59, &minutes)) {
        return false;
    }
    const int seconds = hours * 3600 + minutes * 60;
    *seconds_out = west ? -seconds : seconds;
    return true;
}

/* RFC 3339 5.6, a space allowed for the T as its note says. */
static bool
take_time(struct span *s, struct tm *tm, uint64_t *us_out, int *offset_out)
{
    if (!take_byte(s, "Tt ") || !take_field(s, 2, 0, 23, &tm->tm_hour) ||
        !take_byte(s, ":") || !take_field(s, 2, 0, 59, &tm->tm_min) ||
        !take_byte(s, ":") || !take_field(s, 2, 0, 60, &tm->tm_sec)) {
        return false;
    }
    *us_out = 0;
    if (take_byte(s, ".") && !take_fraction(s, us_out)) {
        return false;
    }
    return take_offset(s, offset_out);
}

static bool
parse_calendar(struct span s, bool ends_day, int64_t *out_us)
{
    struct tm tm = {0};
    uint64_t us = 0;
    int offset = 0;
    if (!take_date(&s, &tm)) {
        return false;
    }
    if (s.len == 0) {
        tm.tm_mday += ends_day ? 1 : 0;
    } else if (!take_time(&s, &tm, &us, &offset) || s.len > 0) {
        return false;
    }
    const int64_t seconds = (int64_t)timegm(&tm) - offset;
    *out_us = seconds * (int64_t)US_PER_SECOND + (int64_t)us;
    return true;
}

static bool
parse_ago(struct span s, uint64_t *us_out)
{
    uint64_t number = 0;
    if (!take_number(&s, SECONDS_MAX, &number) || s.len != 1) {
        return false;
    }
    const uint64_t unit = unit_seconds(s.ptr[0]);
    if (unit == 0 || number > SECONDS_MAX / unit) {
        return false;
    }
    *us_out = number * unit * US_PER_SECOND;
    return true;
}

enum status
moment_parse(const char *text, int64_t now_us, bool ends_day, int64_t *out_us,
    struct error *err)
{
    uint64_t ago_us = 0;
    if (parse_ago(span_str(text), &ago_us)) {
        *out_us = now_us - (int64_t)ago_us;
        return STATUS_OK;
    }
    if (parse_calendar(span_str(text), ends_day, out_us)) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID,
        "\"%.64s\" is no time: give RFC 3339 (2026-11-24T22:43:56Z), a date "
        "(2026-11-24) or how long ago (90s, 5m, 2h, 3d, 1w)",
        text);
}

/* One part of a length: a number, a fraction, a unit or a colon. */
static bool
take_part(struct span *s, uint64_t *total_us)
{
    uint64_t number = 0;
    uint64_t fraction = 0;
    if (!take_number(s, SECONDS_MAX, &number) ||
        (take_byte(s, ".") && !take_fraction(s, &fraction))) {
        return false;
    }
    uint64_t unit = 1;
    if (s->len > 0 && s->ptr[0] != ':') {
        unit = unit_seconds(s->ptr[0]);
        (void)span_skip(s, 1);
    }
    if (unit == 0 || number > SECONDS_MAX / unit) {
        return false;
    }
    *total_us += unit * (number * US_PER_SECOND + fraction);
    if (take_byte(s, ":")) {
        *total_us *= 60;
        return s->len > 0;
    }
    return true;
}

enum status
moment_length_parse(const char *text, uint64_t *out_us, struct error *err)
{
    struct span s = span_str(text);
    uint64_t us = 0;
    bool good = s.len > 0 && s.len < 32;
    while (good && s.len > 0) {
        good =
            take_part(&s, &us) && us <= (uint64_t)SECONDS_MAX * US_PER_SECOND;
    }
    if (!good) {
        return error_set(err, STATUS_INVALID,
            "\"%.64s\" is no length of time: give seconds (1.5), or 90s, 5m, "
            "1m30s, 1:30",
            text);
    }
    *out_us = us;
    return STATUS_OK;
}
