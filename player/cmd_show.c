/* `kubetape show`: all facts of one session, for a person or as JSON. */
#include "base/clock.h"
#include "player/cast_reader.h"
#include "player/command.h"
#include "player/display.h"
#include "player/limits.h"
#include "player/store.h"
#include "schema/gap.h"
#include <inttypes.h>
#include <string.h>

/* One line; what is unknown is left out. */
static enum status
show_text(const char *name, struct span value)
{
    if (value.len == 0) {
        return STATUS_OK;
    }
    struct buf text;
    buf_init(&text, PLAYER_LINE_MAX);
    const enum status st = display_escape(value, &text);
    if (st == STATUS_OK) {
        const struct span s = buf_view(&text);
        printf("%-14s%.*s\n", name, (int)s.len, (const char *)s.ptr);
    }
    buf_fini(&text);
    return st;
}

static enum status
show_string(const char *name, const char *value)
{
    return show_text(name, span_str(value));
}

static void
show_time(const char *name, int64_t us)
{
    char text[CLOCK_TEXT_MAX];
    if (us != 0) {
        clock_format(us, text);
        printf("%-14s%s\n", name, text);
    }
}

static enum status
show_groups(const struct meta *m)
{
    struct buf text;
    buf_init(&text, PLAYER_LINE_MAX);
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < m->group_count; i++) {
        st = buf_printf(&text, "%s%s", i > 0 ? ", " : "", m->groups[i]);
    }
    if (st == STATUS_OK) {
        st = show_text("groups", buf_view(&text));
    }
    buf_fini(&text);
    return st;
}

static enum status
show_command(const struct meta *m)
{
    struct buf text;
    buf_init(&text, PLAYER_LINE_MAX);
    const enum status st = display_command(m->command, m->command_count, &text);
    if (st == STATUS_OK && text.len > 0) {
        const struct span s = buf_view(&text);
        printf("%-14s%.*s\n", "command", (int)s.len, (const char *)s.ptr);
    }
    buf_fini(&text);
    return st;
}

static enum status
show_who(const struct meta *m)
{
    enum status st = show_string("user", m->user);
    if (st == STATUS_OK) {
        st = show_groups(m);
    }
    if (st == STATUS_OK) {
        st = show_string("uid", m->uid);
    }
    if (st == STATUS_OK) {
        st = show_string("source", m->source);
    }
    if (st == STATUS_OK) {
        st = show_string("user agent", m->user_agent);
    }
    if (st == STATUS_OK) { /* a claim of the client's */
        st = show_string("kubectl", m->kubectl_command);
    }
    return st;
}

static enum status
show_where(const struct meta *m)
{
    enum status st = show_string("cluster", m->cluster);
    if (st == STATUS_OK) {
        st = show_string("namespace", m->namespace);
    }
    if (st == STATUS_OK) {
        st = show_string("pod", m->pod);
    }
    if (st == STATUS_OK) {
        st = show_string("container", m->container);
    }
    return st == STATUS_OK ? show_command(m) : st;
}

static void
show_times(const struct meta *m)
{
    char text[DISPLAY_DURATION_MAX];
    show_time("start", m->start_us);
    show_time("end", m->end_us);
    if (m->end_us != 0) {
        display_duration(m->end_us - m->start_us, text);
        printf("%-14s%s\n", "duration", text);
    }
}

static void
show_bytes(const struct meta *m)
{
    static const char *const names[STREAM_COUNT] = {
        "stdin", "stdout", "stderr"};
    for (int i = 0; i < STREAM_COUNT; i++) {
        printf("%-14s%" PRIu64 " bytes%s\n", names[i], m->bytes[i],
            i == STREAM_STDIN && !m->stdin_recorded ? ", not recorded" : "");
    }
}

static void
show_gap(const struct gap *gap, uint64_t at_us)
{
    char text[GAP_TEXT_MAX];
    char at[DISPLAY_DURATION_MAX];
    char line[GAP_TEXT_MAX + DISPLAY_DURATION_MAX + 8];
    gap_text(gap, text);
    display_duration((int64_t)at_us, at);
    snprintf(line, sizeof line, "until %s: %s", at, text + strlen("gap: "));
    (void)!show_string("gap", line);
}

/* Each is in the recording; one that cannot be read here has told how many
 * there are, at least. */
static void
show_gaps(const struct meta *m, const char *path)
{
    struct cast_reader *r = NULL;
    struct cast_event e;
    struct gap gap;
    if (m->record != META_REQUIRED) {
        printf("%-14s%s\n", "record", meta_record_name(m->record));
    }
    if (m->gap_count == 0) {
        return;
    }
    printf("%-14s%" PRIu64 ", with %" PRIu64 " bytes that were not recorded\n",
        "gaps", m->gap_count, m->gap_bytes);
    if (cast_reader_open(path, NULL, &r, NULL) != STATUS_OK) {
        return;
    }
    while (cast_reader_next(r, &e, NULL) == STATUS_OK) {
        if (e.code == CAST_FACTS && gap_decode(e.data, &gap) == STATUS_OK) {
            show_gap(&gap, e.time_us);
        }
    }
    cast_reader_close(&r);
}

static enum status
show_file(const struct meta *m)
{
    char size[DISPLAY_SIZE_MAX];
    if (m->file[0] == '\0') {
        printf("%-14snone\n", "recording");
        return STATUS_OK;
    }
    const enum status st = show_string("recording", m->file);
    display_size(m->size, size);
    printf("%-14s%s\n%-14s%s\n", "size", size, "sealed",
        m->sealed ? "yes" : "not yet");
    return st;
}

static enum status
show_hold(const struct query_note *hold)
{
    char since[CLOCK_TEXT_MAX];
    struct buf text;
    clock_format(hold->at_us, since);
    buf_init(&text, PLAYER_LINE_MAX);
    enum status st =
        buf_printf(&text, "since %s by %s: %s", since, hold->who, hold->reason);
    if (st == STATUS_OK) {
        st = show_text("held", buf_view(&text));
    }
    buf_fini(&text);
    return st;
}

static enum status
show_all(const struct meta *m, const char *path)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&m->id, id);
    printf("%-14s%s\n%-14s%s", "id", id, "status", meta_status_name(m->status));
    if (m->has_exit) {
        printf(", exit code %d", m->exit_code);
    }
    printf("\n");
    enum status st = show_string("reason", m->reason);
    printf("%-14s%s%s\n", "type", meta_type_name(m->type),
        m->tty ? ", with a terminal" : "");
    if (st == STATUS_OK) {
        st = show_who(m);
    }
    if (st == STATUS_OK) {
        st = show_where(m);
    }
    printf("%-14s%s%s%s\n", "protocol", meta_protocol_name(m->protocol),
        m->subprotocol[0] == '\0' ? "" : ", ",
        m->subprotocol[0] == '\0' ? "" : m->subprotocol);
    show_times(m);
    show_bytes(m);
    show_gaps(m, path);
    return st == STATUS_OK ? show_file(m) : st;
}

static enum status
show_json(const struct meta *m)
{
    struct buf json;
    struct buf text;
    buf_init(&json, PLAYER_LINE_MAX);
    buf_init(&text, DISPLAY_JSON_GROWTH * PLAYER_LINE_MAX);
    enum status st = meta_encode(m, META_PART_ALL, &json);
    if (st == STATUS_OK) {
        st = display_json(buf_view(&json), &text);
    }
    if (st == STATUS_OK) {
        const struct span s = buf_view(&text);
        printf("%.*s\n", (int)s.len, (const char *)s.ptr);
    }
    buf_fini(&json);
    buf_fini(&text);
    return st;
}

int
cmd_show(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const char *state_flag = NULL;
    bool is_json = false;
    const struct flag flags[] = {
        {"json", 0, FLAG_BOOL, NULL, "one JSON object", &is_json},
        FLAG_STATE(state_flag), FLAG_HELP(line), FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    char state[PATH_MAX];
    struct store_entry entry;
    store_entry_init(&entry);
    enum status st = store_folder(state_flag, state, err);
    if (st == STATUS_OK) {
        st = store_find_id(state, line.args[0], &entry, err);
    }
    struct query_note hold;
    bool is_held = false;
    if (st == STATUS_OK) {
        st = store_find_hold(state, &entry.meta.id, &hold, &is_held, err);
    }
    if (st == STATUS_OK) {
        st = is_json ? show_json(&entry.meta)
                     : show_all(&entry.meta, entry.path);
        if (st == STATUS_OK && is_held && !is_json) {
            st = show_hold(&hold);
        }
        if (st != STATUS_OK) {
            st = error_set(err, STATUS_NO_MEMORY, "out of memory");
        }
    }
    store_entry_fini(&entry);
    return st == STATUS_OK ? EXIT_DONE : command_failed(st);
}
