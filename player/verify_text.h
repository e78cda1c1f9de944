/* The text's lines, while it is verified.
 *
 * That the text is what the recorder wrote is what its hash says; so of most
 * events only time and code are looked at, and only facts are decoded whole.
 */
#ifndef PLAYER_VERIFY_TEXT_H
#define PLAYER_VERIFY_TEXT_H

#include "player/verify_report.h"

struct verify_text {
    struct verify_report *report; /* gets id, meta, events and times */
    struct buf line;              /* text since the last newline */
    struct buf scratch;
    uint64_t line_count;
    char last_code;
    bool is_line_told; /* the first bad line is told alone */
};

void verify_text_init(struct verify_text *t, struct verify_report *report);
void verify_text_fini(struct verify_text *t);

/* STATUS_LIMIT when a line is too long. */
enum status verify_text_take(
    struct verify_text *t, struct span text, struct error *err) MUST_CHECK;

#endif
