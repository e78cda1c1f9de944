#include "player/verify_all.h"

#include "base/program.h"
#include "player/audit.h"
#include "player/display.h"
#include "player/limits.h"
#include "schema/json_text.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct printer {
    const struct verify_all_options *options;
    bool shows_progress;
    unsigned shown; /* per cent */
    struct buf line;
    enum status st; /* of printing */
};

/* Thousands apart: "1,234". */
#define NUMBER_MAX 32
static void
format_number(uint64_t value, char out[NUMBER_MAX])
{
    char digits[NUMBER_MAX];
    size_t at = 0;
    const int n = snprintf(digits, sizeof digits, "%" PRIu64, value);
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static void
clear_progress(struct printer *p)
{
    if (p->shows_progress && p->shown > 0) {
        fprintf(stderr, "\r\033[K");
        p->shown = 0;
    }
}

static void
on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct printer *p = ctx;
    const unsigned percent = total == 0 ? 100 : (unsigned)(done * 100 / total);
    if (percent != p->shown) {
        p->shown = percent;
        fprintf(stderr, "\rverifying %3u%%", percent);
    }
}

/* `"name":"…"`: what is there of strangers' bytes is escaped twice, so that
 * neither a terminal nor a parser chokes on it. */
static enum status
add_member(const char *name, const char *value, struct buf *line)
{
    struct buf text;
    buf_init(&text, PLAYER_LINE_MAX);
    enum status st = display_escape(span_str(value), &text);
    if (st == STATUS_OK) {
        st = buf_printf(line, "%s\"%s\":", line->len > 1 ? "," : "", name);
    }
    if (st == STATUS_OK) {
        st = json_text_encode(buf_view(&text), line);
    }
    buf_fini(&text);
    return st;
}

static enum status
finding_json(const struct audit_finding *f, struct buf *line)
{
    enum status st = buf_append_str(line, "{");
    if (st == STATUS_OK) {
        st = add_member("where", f->where, line);
    }
    if (st == STATUS_OK) {
        st = add_member("finding", f->text, line);
    }
    return st == STATUS_OK ? buf_append_str(line, "}\n") : st;
}

static enum status
finding_text(const struct audit_finding *f, struct buf *line)
{
    enum status st = display_escape(span_str(f->where), line);
    if (st == STATUS_OK) {
        st = buf_append_str(line, ": ");
    }
    if (st == STATUS_OK) {
        st = display_escape(span_str(f->text), line);
    }
    return st == STATUS_OK ? buf_append_str(line, "\n") : st;
}

static void
on_finding(void *ctx, const struct audit_finding *f)
{
    struct printer *p = ctx;
    clear_progress(p);
    buf_clear(&p->line);
    const enum status st = p->options->is_json ? finding_json(f, &p->line)
                                               : finding_text(f, &p->line);
    if (st == STATUS_OK) {
        fwrite(buf_view(&p->line).ptr, 1, p->line.len, stdout);
    } else {
        p->st = st;
    }
}

static void
print_json(const struct audit_summary *s)
{
    printf("{\"recordings\":%" PRIu64 ",\"encrypted\":%" PRIu64
           ",\"running\":%" PRIu64 ",\"attempts\":%" PRIu64
           ",\"removed\":%" PRIu64 ",\"text_len\":%" PRIu64
           ",\"leaves\":%" PRIu64 ",\"findings\":%" PRIu64 "}\n",
        s->recordings, s->encrypted, s->running, s->attempts, s->removed,
        s->text_len, s->leaves, s->findings);
}

/* ", 3 of them running", when there are any. */
static void
print_part(uint64_t count, const char *what)
{
    char number[NUMBER_MAX];
    if (count > 0) {
        format_number(count, number);
        printf(", %s %s", number, what);
    }
}

static void
print_summary(const struct audit_summary *s)
{
    char number[NUMBER_MAX];
    char size[DISPLAY_SIZE_MAX];
    format_number(s->recordings, number);
    display_size(s->text_len, size);
    printf("%s recording%s, %s of text", number, s->recordings == 1 ? "" : "s",
        size);
    print_part(s->running, "running (up to their last seal)");
    print_part(s->encrypted, "encrypted (by their files' digests alone)");
    print_part(s->attempts, "refused");
    print_part(s->removed, "lawfully removed");
    if (s->findings == 0) {
        printf(": as recorded\n");
    } else {
        format_number(s->findings, number);
        printf(": NOT AS RECORDED, %s finding%s\n", number,
            s->findings == 1 ? "" : "s");
    }
}

int
verify_all(
    const struct verify_all_options *o, struct key_set *keys, struct error *err)
{
    struct printer p = {.options = o, .shows_progress = isatty(STDERR_FILENO)};
    struct audit_summary summary;
    const struct audit_options options = {
        .state = o->state,
        .checkpoint = o->checkpoint,
        .is_full = o->is_full,
        .on_finding = on_finding,
        .on_progress = p.shows_progress ? on_progress : NULL,
        .ctx = &p,
    };
    buf_init(&p.line, PLAYER_LINE_MAX);
    const enum status st = audit_store(&options, keys, &summary, err);
    clear_progress(&p);
    buf_fini(&p.line);
    if (st != STATUS_OK) {
        return EXIT_COULD_NOT;
    }
    if (p.st != STATUS_OK) {
        error_set(err, p.st, "a finding could not be printed");
        return EXIT_COULD_NOT;
    }
    if (o->is_json) {
        print_json(&summary);
    } else {
        print_summary(&summary);
    }
    return summary.findings > 0 ? EXIT_FOUND : EXIT_DONE;
}
