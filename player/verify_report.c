#include "player/verify_report.h"

#include "player/limits.h"
#include <stdarg.h>
#include <stdio.h>

void
verify_report_init(struct verify_report *r)
{
    *r = (struct verify_report){.file_len = 0};
    meta_init(&r->meta);
    buf_init(&r->problems, PLAYER_PROBLEMS_MAX * (ERROR_TEXT_MAX + 1));
}

void
verify_report_fini(struct verify_report *r)
{
    meta_fini(&r->meta);
    buf_fini(&r->problems);
}

void
verify_report_add(struct verify_report *r, const char *fmt, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) { /* one finding is one line */
        *c = *c == '\n' ? '?' : *c;
    }
    r->problem_count++;
    if (r->problem_count > PLAYER_PROBLEMS_MAX) {
        return; /* counted */
    }
    if (buf_printf(&r->problems, "%s\n", text) != STATUS_OK) {
        return; /* counted too: the verdict does not depend on memory */
    }
}
