/* `kubetape ls`: sessions by the index, as a table or one JSON object a line. */
#include "base/clock.h"
#include "base/file.h"
#include "player/command.h"
#include "player/display.h"
#include "player/limits.h"
#include "player/moment.h"
#include "player/query.h"
#include "player/store.h"
#include "player/table.h"
#include "player/terminal.h"
#include "schema/index.h"
#include <string.h>
#include <unistd.h>

/* Enough of a UUIDv7 to be unique: its milliseconds and 12 random bits. */
#define SHORT_ID_LEN 18

struct ls_options {
    const char *state;
    const char *since;
    const char *until;
    const char *limit;
    bool is_json;
    int64_t since_us;
    int64_t until_us;
    struct query_filter filter;
};

static const char *const titles[] = {"ID", "START", "DURATION", "STATUS",
    "EXIT", "TYPE", "USER", "POD", "COMMAND"};
#define TITLES (sizeof titles / sizeof titles[0])

/* ---- Flags ---- */

static enum status
check_words(const struct query_filter *f, struct error *err)
{
    enum meta_type type;
    enum meta_status status;
    if (f->type != NULL && !meta_type_parse(f->type, &type)) {
        return error_set(err, STATUS_INVALID,
            "--type \"%.64s\": expected exec, attach, debug, run, cp or "
            "port-forward",
            f->type);
    }
    if (f->status != NULL && !meta_status_parse(f->status, &status)) {
        return error_set(err, STATUS_INVALID,
            "--status \"%.64s\": expected active, complete, refused or failed",
            f->status);
    }
    return STATUS_OK;
}

static enum status
check_times(struct ls_options *o, struct error *err)
{
    const int64_t now_us = clock_wall_us(&clock_system);
    enum status st = STATUS_OK;
    if (o->since != NULL) {
        st = moment_parse(o->since, now_us, false, &o->since_us, err);
        o->filter.since_us = &o->since_us;
    }
    if (st == STATUS_OK && o->until != NULL) {
        st = moment_parse(o->until, now_us, true, &o->until_us, err);
        o->filter.until_us = &o->until_us;
    }
    return st;
}

static enum status
check_options(struct ls_options *o, struct error *err)
{
    if (o->limit != NULL &&
        (!span_to_u64(span_str(o->limit), UINT32_MAX, &o->filter.limit) ||
            o->filter.limit == 0)) {
        return error_set(err, STATUS_INVALID,
            "--limit \"%.64s\": expected a number from 1", o->limit);
    }
    const enum status st = check_words(&o->filter, err);
    return st == STATUS_OK ? check_times(o, err) : st;
}

/* ---- JSON ---- */

static enum status
print_json(const struct meta *m, struct buf *line)
{
    struct buf json;
    buf_init(&json, PLAYER_LINE_MAX);
    buf_clear(line);
    enum status st = meta_encode(m, META_PART_ALL, &json);
    if (st == STATUS_OK) {
        st = display_json(buf_view(&json), line);
    }
    buf_fini(&json);
    if (st == STATUS_OK) {
        st = buf_append_u8(line, '\n');
    }
    if (st == STATUS_OK) {
        const struct span text = buf_view(line);
        (void)fwrite(text.ptr, 1, text.len, stdout); /* main checks */
    }
    return st;
}

/* ---- The table ---- */

static enum table_tone
status_tone(enum meta_status s)
{
    switch (s) {
    case META_ACTIVE:
        return TABLE_GOOD;
    case META_COMPLETE:
        return TABLE_PLAIN;
    case META_REFUSED:
    case META_FAILED:
        return TABLE_BAD;
    }
    return TABLE_PLAIN;
}

/* To the second, as --since takes it: "2026-11-24T22:43:56Z". */
static enum status
add_start(struct table *t, const struct meta *m)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(m->start_us, text);
    const size_t whole = strcspn(text, ".");
    text[whole] = 'Z';
    return table_add(t, span_of(text, whole + 1), TABLE_PLAIN);
}

static enum status
add_duration(struct table *t, const struct meta *m)
{
    const int64_t end_us =
        m->end_us != 0 ? m->end_us : clock_wall_us(&clock_system);
    char text[DISPLAY_DURATION_MAX];
    display_duration(end_us - m->start_us, text);
    return table_add(
        t, span_str(text), m->end_us != 0 ? TABLE_PLAIN : TABLE_DIM);
}

static enum status
add_exit(struct table *t, const struct meta *m)
{
    char text[16] = "-";
    if (m->has_exit) {
        snprintf(text, sizeof text, "%d", m->exit_code);
    }
    const bool is_bad = m->has_exit && m->exit_code != 0;
    return table_add(t, span_str(text), is_bad ? TABLE_BAD : TABLE_PLAIN);
}

/* "namespace/pod/container", what is known of it. */
static enum status
add_pod(struct table *t, const struct meta *m, struct buf *scratch)
{
    const char *const parts[] = {m->namespace, m->pod, m->container};
    const char *joint = "";
    buf_clear(scratch);
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < 3; i++) {
        if (parts[i][0] != '\0') {
            st = buf_printf(scratch, "%s%s", joint, parts[i]);
            joint = "/";
        }
    }
    return st == STATUS_OK ? table_add(t, buf_view(scratch), TABLE_PLAIN) : st;
}

static enum status
add_command(struct table *t, const struct meta *m, struct buf *scratch)
{
    buf_clear(scratch);
    const enum status st =
        display_command(m->command, m->command_count, scratch);
    return st == STATUS_OK
               ? table_add_escaped(t, buf_view(scratch), TABLE_PLAIN)
               : st;
}

static enum status
add_row(struct table *t, const struct meta *m, struct buf *scratch)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&m->id, id);
    enum status st = table_add(t, span_of(id, SHORT_ID_LEN), TABLE_PLAIN);
    if (st == STATUS_OK) {
        st = add_start(t, m);
    }
    if (st == STATUS_OK) {
        st = add_duration(t, m);
    }
    if (st == STATUS_OK) {
        st = table_add(
            t, span_str(meta_status_name(m->status)), status_tone(m->status));
    }
    if (st == STATUS_OK) {
        st = add_exit(t, m);
    }
    if (st == STATUS_OK) {
        st = table_add(t, span_str(meta_type_name(m->type)), TABLE_PLAIN);
    }
    if (st == STATUS_OK) {
        st = table_add(t, span_str(m->user), TABLE_PLAIN);
    }
    if (st == STATUS_OK) {
        st = add_pod(t, m, scratch);
    }
    return st == STATUS_OK ? add_command(t, m, scratch) : st;
}

static void
print_table(const struct table *t)
{
    uint16_t columns = 0;
    uint16_t rows = 0;
    const bool is_terminal = isatty(STDOUT_FILENO);
    if (!is_terminal || !terminal_size(&columns, &rows)) {
        columns = 0;
    }
    table_print(t, stdout, columns, command_may_colour(stdout));
}

/* ---- All of it ---- */

static enum status
list(struct query *q, const struct ls_options *o, struct error *err)
{
    struct meta m;
    struct buf scratch;
    struct table *t = NULL;
    size_t count = 0;
    meta_init(&m);
    buf_init(&scratch, DISPLAY_JSON_GROWTH * PLAYER_LINE_MAX);
    enum status st = query_find(q, &o->filter, err);
    if (st == STATUS_OK && table_new(titles, TITLES, &t) != STATUS_OK) {
        st = error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    while (st == STATUS_OK) {
        st = query_next(q, &m, err);
        if (st == STATUS_OK) {
            count++;
            st = o->is_json ? print_json(&m, &scratch)
                            : add_row(t, &m, &scratch);
            if (st != STATUS_OK) {
                error_set(err, st,
                    "too many sessions for one table: use "
                    "--limit or --json");
            }
        }
    }
    if (st == STATUS_CLOSED) {
        st = STATUS_OK;
        if (!o->is_json && count > 0) {
            print_table(t);
        } else if (count == 0) {
            fprintf(stderr, "kubetape: no session matches\n");
        }
        *err = (struct error){.code = STATUS_OK};
    }
    table_free(&t);
    buf_fini(&scratch);
    meta_fini(&m);
    return st;
}

static int
run(struct ls_options *o, struct error *err)
{
    char state[PATH_MAX];
    char path[PATH_MAX];
    struct query *q = NULL;
    enum status st = store_folder(o->state, state, err);
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, state, INDEX_FILE, err);
    }
    if (st == STATUS_OK) {
        st = query_open(path, &q, err);
    }
    if (st == STATUS_NOT_FOUND) { /* nothing was recorded: that is an answer */
        *err = (struct error){.code = STATUS_OK};
        fprintf(stderr, "kubetape: no recordings yet in %s\n", state);
        return EXIT_DONE;
    }
    if (st == STATUS_OK) {
        st = list(q, o, err);
    }
    query_close(&q);
    return st == STATUS_OK ? EXIT_DONE : EXIT_COULD_NOT;
}

int
cmd_ls(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    struct ls_options o = {.state = NULL};
    const struct flag flags[] = {
        {"user", 'u', FLAG_TEXT, "U", "of this user", &o.filter.user},
        {"namespace", 'n', FLAG_TEXT, "N", "in this namespace",
            &o.filter.namespace},
        {"pod", 'p', FLAG_TEXT, "P", "in this pod", &o.filter.pod},
        {"container", 'c', FLAG_TEXT, "C", "in this container",
            &o.filter.container},
        {"type", 't', FLAG_TEXT, "T",
            "exec, attach, debug, run, cp or port-forward", &o.filter.type},
        {"since", 0, FLAG_TEXT, "T", "started then or later", &o.since},
        {"until", 0, FLAG_TEXT, "T", "started before", &o.until},
        {"status", 's', FLAG_TEXT, "S", "active, complete, refused or failed",
            &o.filter.status},
        {"command", 0, FLAG_TEXT, "GLOB",
            "whose words, joined by spaces, match", &o.filter.command},
        {"limit", 'l', FLAG_TEXT, "N", "at most so many", &o.limit},
        {"json", 0, FLAG_BOOL, NULL, "one JSON object a line", &o.is_json},
        FLAG_STATE(o.state), FLAG_HELP(line), FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    if (check_options(&o, err) != STATUS_OK) {
        return EXIT_USAGE;
    }
    return run(&o, err);
}
