/* Results: how a refusal becomes one sentence.
 *
 * Owns the text of struct error: that it is always terminated, and that
 * a sentence too long for it is cut and not refused, since the code in front
 * of it is what programs act on.
 */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void
text_format(char *out, size_t cap, const char *fmt, va_list args)
{
    if (vsnprintf(out, cap, fmt, args) < 0) {
        out[0] = '\0';
    }
}

enum status
error_set(struct error *err, enum status code, const char *fmt, ...)
{
    if (err == NULL) {
        return code;
    }
    /* The arguments may point into err->text, so it is written last. */
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    text_format(text, sizeof(text), fmt, args);
    va_end(args);
    err->code = code;
    err->sys_errno = 0;
    memcpy(err->text, text, sizeof(text));
    return code;
}

static enum status
status_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
        return STATUS_NOT_FOUND;
    case EEXIST:
        return STATUS_EXISTS;
    case EACCES:
    case EPERM:
        return STATUS_DENIED;
    case ENOSPC:
    case EDQUOT:
        return STATUS_NO_SPACE;
    case ENOMEM:
        return STATUS_NO_MEMORY;
    default:
        return STATUS_IO;
    }
}

static void
text_append(char *text, const char *more)
{
    size_t used = strlen(text);
    (void)snprintf(text + used, ERROR_TEXT_MAX - used, "%s", more);
}

enum status
error_sys(struct error *err, int sys_errno, const char *fmt, ...)
{
    enum status code = status_of_errno(sys_errno);
    if (err == NULL) {
        return code;
    }
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    text_format(text, sizeof(text), fmt, args);
    va_end(args);
    char reason[128];
    text_append(text, ": ");
    text_append(text, strerror_r(sys_errno, reason, sizeof(reason)));
    err->code = code;
    err->sys_errno = sys_errno;
    memcpy(err->text, text, sizeof(text));
    return code;
}

enum status
error_in(struct error *err, enum status code, const char *fmt, ...)
{
    if (err == NULL) {
        return code;
    }
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    text_format(text, sizeof(text), fmt, args);
    va_end(args);
    text_append(text, ": ");
    text_append(text, err->text);
    memcpy(err->text, text, sizeof(text));
    return err->code;
}

const char *
status_name(enum status st)
{
    switch (st) {
    case STATUS_OK:
        return "ok";
    case STATUS_INVALID:
        return "invalid";
    case STATUS_CORRUPT:
        return "corrupt";
    case STATUS_NOT_FOUND:
        return "not-found";
    case STATUS_EXISTS:
        return "exists";
    case STATUS_DENIED:
        return "denied";
    case STATUS_LIMIT:
        return "limit";
    case STATUS_NO_SPACE:
        return "no-space";
    case STATUS_NO_MEMORY:
        return "no-memory";
    case STATUS_IO:
        return "io";
    case STATUS_CLOSED:
        return "closed";
    case STATUS_TIMEOUT:
        return "timeout";
    case STATUS_UNSUPPORTED:
        return "unsupported";
    }
    return "unknown";
}
