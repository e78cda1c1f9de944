/* Structured log lines on one descriptor: one event a line, logfmt.
 *
 *   2026-11-24T22:43:56.000001Z info  session.open session=0193… user=alice
 *
 * Owns escaping: a value with anything but printable ASCII without quote,
 * backslash, space and '=' is quoted and escaped (\xNN), so that bytes from a
 * peer cannot forge a line or reach a terminal. Values longer than 512 bytes
 * are cut and marked. Never give it tokens, header values or session bytes.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/clock.h"
#include "base/span.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_TRACE,
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR
};
enum log_format {
    LOG_LOGFMT,
    LOG_JSON
};

struct log {
    int fd;
    enum log_level level;
    enum log_format format;
    const struct clock *clock;
    const char *program; /* borrowed; "kubetape-proxy" */
};

enum log_kind {
    LOG_END = 0,
    LOG_KIND_STR,
    LOG_KIND_SPAN,
    LOG_KIND_INT
};
struct log_field {
    enum log_kind kind;
    const char *key;
    union {
        const char *str; /* NULL prints as "" */
        struct span span;
        int64_t num;
    } as;
};

#define LOG_S(k, v)        \
    {                      \
        LOG_KIND_STR, (k), \
        {                  \
            .str = (v)     \
        }                  \
    }
#define LOG_B(k, v)         \
    {                       \
        LOG_KIND_SPAN, (k), \
        {                   \
            .span = (v)     \
        }                   \
    }
#define LOG_I(k, v)             \
    {                           \
        LOG_KIND_INT, (k),      \
        {                       \
            .num = (int64_t)(v) \
        }                       \
    }

void log_fields(const struct log *log, enum log_level level, const char *event,
    const struct log_field *fields); /* log may be NULL: says nothing */

/* log_event(log, LOG_INFO, "session.open", LOG_S("user", u), LOG_I("n", 3)) */
#define log_event(log, level, event, ...) \
    log_fields((log), (level), (event),   \
        (const struct log_field[]){__VA_ARGS__, {LOG_END, NULL, {.num = 0}}})
/* An error as one line: event, its code and its text. */
void log_error(
    const struct log *log, const char *event, const struct error *err);

bool log_level_parse(const char *word, enum log_level *out);

#endif
