/* One event, one line, one write(2).
 *
 * A line is put together in a fixed array, so that logging works when memory
 * is gone. A field that does not fit is left out whole and the line says so:
 * it is well formed whatever its values are. A value may come from a hostile
 * peer; what is not printable ASCII leaves here only as an escape, so that it
 * can neither forge a line nor speak to a terminal. Names of events, keys and
 * programs are literals of our own and are written as they are.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES  8192
#define VALUE_MAX_BYTES 512
#define TAIL_BYTES      32 /* kept free for the end of the line */

struct line {
    enum log_format format;
    bool is_full; /* something was left out */
    size_t len;
    char text[LINE_MAX_BYTES];
};

static void
put_bytes(struct line *line, const char *bytes, size_t len)
{
    if (line->is_full || len > LINE_MAX_BYTES - TAIL_BYTES - line->len) {
        line->is_full = true;
        return;
    }
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
}

static void
put(struct line *line, const char *s)
{
    put_bytes(line, s, strlen(s));
}

/* Into the room that put_bytes leaves free. */
static void
put_tail(struct line *line, const char *s)
{
    size_t len = strlen(s);
    memcpy(line->text + line->len, s, len);
    line->len += len;
}

/* JSON knows \u00NN for the controls; \xNN, with its backslash escaped,
 * stands for the bytes that ASCII does not have. */
static void
put_escape(struct line *line, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    if (line->format == LOG_LOGFMT) {
        put(line, "\\x");
    } else {
        put(line, c < 0x80 ? "\\u00" : "\\\\x");
    }
    put_bytes(line, (const char[]){digits[c >> 4], digits[c & 15]}, 2);
}

static void
put_quoted(struct line *line, struct span value)
{
    size_t shown = value.len < VALUE_MAX_BYTES ? value.len : VALUE_MAX_BYTES;
    put(line, "\"");
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = value.ptr[i];
        if (c == '"' || c == '\\') {
            put_bytes(line, (const char[]){'\\', (char)c}, 2);
        } else if (c < ' ' || c > '~') {
            put_escape(line, c);
        } else {
            put_bytes(line, (const char *)&c, 1);
        }
    }
    if (shown < value.len) {
        char mark[48];
        (void)snprintf(mark, sizeof(mark), "...[%zu more]", value.len - shown);
        put(line, mark);
    }
    put(line, "\"");
}

static bool
is_bare(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return value.len > 0 && value.len <= VALUE_MAX_BYTES;
}

static void
put_text(struct line *line, struct span value)
{
    if (line->format == LOG_LOGFMT && is_bare(value)) {
        put_bytes(line, (const char *)value.ptr, value.len);
    } else {
        put_quoted(line, value);
    }
}

static void
put_number(struct line *line, int64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, v);
    put(line, text);
}

static void
put_key(struct line *line, const char *key)
{
    bool is_json = line->format == LOG_JSON;
    put(line, is_json ? ",\"" : " ");
    put(line, key);
    put(line, is_json ? "\":" : "=");
}

static void
put_value(struct line *line, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_KIND_STR:
        put_text(line, span_str(field->as.str == NULL ? "" : field->as.str));
        return;
    case LOG_KIND_SPAN:
        put_text(line, field->as.span);
        return;
    case LOG_KIND_INT:
        put_number(line, field->as.num);
        return;
    case LOG_END:
        return;
    }
}

/* The whole field or nothing of it. */
static void
put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->len;
    put_key(line, field->key);
    put_value(line, field);
    if (line->is_full) {
        line->len = before;
    }
}

static const char *const level_names[] = {
    [LOG_TRACE] = "trace",
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

/* In JSON the name of the program is a field; a logfmt line is read on the
 * program's own output, and has the width for the event instead. */
static void
put_head(struct line *line, const struct log *log, enum log_level level,
    const char *event)
{
    char time[CLOCK_TEXT_MAX];
    clock_format(clock_wall_us(log->clock), time);
    bool is_json = line->format == LOG_JSON;
    put(line, is_json ? "{\"time\":\"" : "");
    put(line, time);
    put(line, is_json ? "\",\"level\":\"" : " ");
    put(line, level_names[level]);
    if (is_json) {
        put(line, "\",\"event\":\"");
        put(line, event);
        put(line, "\"");
        put_field(line, &(struct log_field)LOG_S("program", log->program));
        return;
    }
    put(line, strlen(level_names[level]) == 4 ? "  " : " "); /* a column */
    put(line, event);
}

static void
put_end(struct line *line)
{
    bool is_json = line->format == LOG_JSON;
    if (line->is_full) {
        put_tail(line, is_json ? ",\"cut\":true" : " cut=true");
    }
    put_tail(line, is_json ? "}\n" : "\n");
}

/* A log that cannot be written has nobody to tell: the line is lost. */
static void
write_line(int fd, const struct line *line)
{
    ssize_t n;
    do {
        n = write(fd, line->text, line->len);
    } while (n < 0 && errno == EINTR);
}

void
log_fields(const struct log *log, enum log_level level, const char *event,
    const struct log_field *fields)
{
    if (log == NULL || level < log->level) {
        return;
    }
    int errno_before = errno; /* a log line changes nothing around it */
    struct line line;
    line.format = log->format;
    line.is_full = false;
    line.len = 0;
    put_head(&line, log, level, event);
    for (; fields->kind != LOG_END; fields++) {
        put_field(&line, fields);
    }
    put_end(&line);
    write_line(log->fd, &line);
    errno = errno_before;
}

void
log_error(const struct log *log, const char *event, const struct error *err)
{
    log_event(log, LOG_ERROR, event, LOG_S("code", status_name(err->code)),
        LOG_S("error", err->text));
}

bool
log_level_parse(const char *word, enum log_level *out)
{
    for (int i = LOG_TRACE; i <= LOG_ERROR; i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}
