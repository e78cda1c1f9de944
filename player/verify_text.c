#include "player/verify_text.h"

#include "schema/cast.h"
#include <inttypes.h>

void
verify_text_init(struct verify_text *t, struct verify_report *report)
{
    *t = (struct verify_text){.report = report};
    buf_init(&t->line, CAST_LINE_MAX);
    buf_init(&t->scratch, CAST_LINE_MAX);
}

void
verify_text_fini(struct verify_text *t)
{
    buf_fini(&t->line);
    buf_fini(&t->scratch);
}

static void
tell_line(struct verify_text *t, const struct error *why)
{
    if (!t->is_line_told) {
        verify_report_add(
            t->report, "line %" PRIu64 ": %s", t->line_count, why->text);
    }
    t->is_line_told = true;
}

static void
check_header(struct verify_text *t, struct span line)
{
    struct cast_header h;
    struct error why = {.code = STATUS_OK};
    if (cast_header_decode(line, &h, &why) != STATUS_OK) {
        tell_line(t, &why);
        return;
    }
    t->report->id = h.meta.id;
    meta_fini(&t->report->meta);
    t->report->meta = h.meta; /* the report's now */
}

/* What is not written as the recorder writes it may be an event all the same;
 * and facts are wanted whole. */
static enum status
read_event(struct verify_text *t, struct span line, struct cast_event *out,
    struct error *why)
{
    if (cast_event_peek(line, out) && out->code != CAST_FACTS) {
        return STATUS_OK;
    }
    return cast_event_decode(line, &t->scratch, out, why);
}

static void
check_event(struct verify_text *t, struct span line)
{
    struct verify_report *r = t->report;
    struct cast_event e;
    struct error why = {.code = STATUS_OK};
    if (read_event(t, line, &e, &why) != STATUS_OK) {
        tell_line(t, &why);
        return;
    }
    if (e.time_us < r->last_time_us) {
        error_set(&why, STATUS_INVALID, "time goes back");
        tell_line(t, &why);
    }
    if (e.code == CAST_FACTS &&
        meta_decode(e.data, &r->meta, &why) != STATUS_OK) {
        tell_line(t, &why);
    }
    t->last_code = e.code;
    r->last_time_us = e.time_us;
    r->event_count++;
}

static void
check_line(struct verify_text *t, struct span line)
{
    t->line_count++;
    if (t->line_count == 1) {
        check_header(t, line);
    } else {
        check_event(t, line);
    }
}

enum status
verify_text_take(struct verify_text *t, struct span text, struct error *err)
{
    struct span head = SPAN_EMPTY;
    enum status st = STATUS_OK;
    while (st == STATUS_OK && span_take_until(&text, '\n', &head)) {
        if (t->line.len > 0) {
            st = buf_append(&t->line, head);
            head = buf_view(&t->line);
        }
        if (st == STATUS_OK) {
            check_line(t, head);
            buf_clear(&t->line);
        }
    }
    if (st == STATUS_OK) {
        st = buf_append(&t->line, text);
    }
    if (st == STATUS_OK) {
        return st;
    }
    return error_set(err, st, "line %" PRIu64 " is longer than %u bytes",
        t->line_count + 1, CAST_LINE_MAX);
}
