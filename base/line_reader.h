/* A text file line by line, for files that only grow: one bounded buffer,
 * pread, and no trust in how long a line is. A last line without its newline
 * is not there yet.
 */
#ifndef BASE_LINE_READER_H
#define BASE_LINE_READER_H

#include "base/span.h"
#include "base/status.h"

struct line_reader;

/* `line_max`: bytes of a line, its newline included. STATUS_NOT_FOUND when
 * there is no such file. */
enum status line_reader_open(const char *path, size_t line_max,
    struct line_reader **out, struct error *err) MUST_CHECK;
void line_reader_close(struct line_reader **r); /* NULL is fine */

/* The next line without its newline, until the next call; *has_out is false
 * behind the last. STATUS_CORRUPT for a line longer than any. */
enum status line_reader_next(struct line_reader *r, struct span *line_out,
    bool *has_out, struct error *err) MUST_CHECK;

/* Where in the file the lines that were given end. */
uint64_t line_reader_offset(const struct line_reader *r);

#endif
