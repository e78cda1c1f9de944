/* Results.
 *
 * Owns the three ways in which anything here can fail to give an answer:
 * "not yet" is an enum feed (parsers only), "bad input or a failing machine"
 * is an enum status with an optional struct error, "our bug" is assert(),
 * which stays on in release builds.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stddef.h>

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,     /* input that breaks its format or its range */
    STATUS_CORRUPT,     /* stored bytes that do not match their own check */
    STATUS_NOT_FOUND,   /* the named thing does not exist */
    STATUS_EXISTS,      /* the named thing exists, or is locked by another */
    STATUS_DENIED,      /* permission refused, by the system or by policy */
    STATUS_LIMIT,       /* a named cap was reached */
    STATUS_NO_SPACE,    /* disk full */
    STATUS_NO_MEMORY,   /* allocation failed */
    STATUS_IO,          /* another system error; sys_errno says which */
    STATUS_CLOSED,      /* the peer or the stream has ended */
    STATUS_TIMEOUT,     /* a deadline passed */
    STATUS_UNSUPPORTED, /* well formed, but not something this build does */
};

/* What an incremental parser answers, see STYLE "Parsers". */
enum feed {
    FEED_PIECE, /* one fact was written to the out-parameter */
    FEED_MORE,  /* the input span is now empty; call again with more bytes */
    FEED_BAD,   /* refused; sticky: every later call answers FEED_BAD */
};

#define ERROR_TEXT_MAX 512

/* One sentence for a person, with the offending value in it. `text` never
 * ends in a newline or a full stop. */
struct error {
    enum status code;
    int sys_errno; /* 0 when the system was not asked */
    char text[ERROR_TEXT_MAX];
};

/* Fills `err` (which may be NULL) and returns `code`, so that a refusal is
 * one line: `return error_set(err, STATUS_INVALID, "...", ...);` */
enum status error_set(struct error *err, enum status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: appends ": " and strerror(sys_errno),
 * and picks the code from it (ENOENT NOT_FOUND, EEXIST EXISTS, EACCES and
 * EPERM DENIED, ENOSPC and EDQUOT NO_SPACE, ENOMEM NO_MEMORY, else IO). */
enum status error_sys(struct error *err, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text already in `err` (NULL is fine), and
 * returns err's code, or `code` when err is NULL. */
enum status error_in(struct error *err, enum status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A word for logs: "ok", "invalid", ... Static storage. */
const char *status_name(enum status st);

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
