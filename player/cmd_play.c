/* `kubetape play`: a recording in real time, on a terminal or into a pipe. */
#include "base/clock.h"
#include "player/cast_reader.h"
#include "player/command.h"
#include "player/display.h"
#include "player/identity_file.h"
#include "player/limits.h"
#include "player/moment.h"
#include "player/pace.h"
#include "player/store.h"
#include "player/terminal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct play_options {
    const char *state;
    const char *identity;
    const char *speed_text;
    const char *idle_text;
    const char *at_text;
    double speed;
    uint64_t idle_limit_us;
    uint64_t at_us;
};

#define SPEED_MIN 0.001
#define SPEED_MAX 1000000.0

struct playing {
    struct terminal *terminal;
    struct pace pace;
    uint64_t start_ns; /* moves on by every pause */
    bool is_binary_told;
};

static enum status
parse_speed(const char *text, double *out, struct error *err)
{
    char *end = NULL;
    const double speed = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(speed) || speed < SPEED_MIN ||
        speed > SPEED_MAX) {
        return error_set(err, STATUS_INVALID,
            "--speed \"%.64s\": expected a number like 2 or 0.5", text);
    }
    *out = speed;
    return STATUS_OK;
}

static enum status
parse_options(struct play_options *o, struct error *err)
{
    enum status st = STATUS_OK;
    o->speed = 1;
    if (o->speed_text != NULL) {
        st = parse_speed(o->speed_text, &o->speed, err);
    }
    if (st == STATUS_OK && o->idle_text != NULL) {
        st = moment_length_parse(o->idle_text, &o->idle_limit_us, err);
        if (st == STATUS_OK && o->idle_limit_us == 0) {
            o->idle_limit_us = 1; /* 0 would be no limit */
        }
    }
    if (st == STATUS_OK && o->at_text != NULL) {
        st = moment_length_parse(o->at_text, &o->at_us, err);
    }
    return st;
}

/* Sizes are not forced on a terminal, but a small one garbles. */
static void
warn_if_small(const struct cast_header *h)
{
    uint16_t columns = 0;
    uint16_t rows = 0;
    if (isatty(STDOUT_FILENO) && terminal_size(&columns, &rows) &&
        (columns < h->width || rows < h->height)) {
        fprintf(stderr,
            "kubetape: this terminal has %ux%u, the recording %ux%u: enlarge "
            "it to see what was seen\r\n",
            (unsigned)columns, (unsigned)rows, (unsigned)h->width,
            (unsigned)h->height);
    }
}

/* Until the next key; *quit_out when that is to quit. */
static void
pause_playing(struct playing *p, bool *quit_out)
{
    const uint64_t from_ns = clock_mono_ns(&clock_system);
    enum terminal_key key = TERMINAL_NOTHING;
    while (key == TERMINAL_NOTHING) {
        key = terminal_wait(p->terminal, UINT64_MAX);
    }
    p->start_ns += clock_mono_ns(&clock_system) - from_ns;
    *quit_out = key == TERMINAL_QUIT;
}

/* Until the event is due; *quit_out when the person has seen enough. */
static void
wait_for(struct playing *p, uint64_t due_us, bool *quit_out)
{
    *quit_out = false;
    while (!*quit_out) {
        const uint64_t due_ns = p->start_ns + due_us * 1000;
        if (due_us == 0 || clock_mono_ns(&clock_system) >= due_ns) {
            return;
        }
        switch (terminal_wait(p->terminal, due_ns)) {
        case TERMINAL_NOTHING:
            break;
        case TERMINAL_PAUSE:
            pause_playing(p, quit_out);
            break;
        case TERMINAL_QUIT:
            *quit_out = true;
            break;
        }
    }
}

static void
tell_binary(struct playing *p)
{
    if (!p->is_binary_told) {
        fprintf(stderr,
            "kubetape: output that is not text is not shown; `kubetape export "
            "--format raw` has it\r\n");
    }
    p->is_binary_told = true;
}

/* What recorder or proxy has to say, in between: never to be taken for what the
 * session printed. */
static enum status
tell_marker(struct playing *p, struct span marker, struct error *err)
{
    struct buf text;
    const bool is_person = isatty(STDOUT_FILENO);
    buf_init(&text, PLAYER_LINE_MAX);
    enum status st = buf_append_str(&text, is_person ? "\r\n\x1b[0;7m" : "");
    if (st == STATUS_OK) {
        st = buf_append_str(&text, "kubetape: ");
    }
    if (st == STATUS_OK) {
        st = display_escape(marker, &text);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(&text, is_person ? "\x1b[0m\r\n" : "\n");
    }
    const struct span s = buf_view(&text);
    if (st != STATUS_OK) {
        st = error_set(err, st, "no memory for a marker");
    } else if (is_person) {
        st = terminal_show(p->terminal, s, err);
    } else {
        fprintf(stderr, "%.*s", (int)s.len, (const char *)s.ptr);
    }
    buf_fini(&text);
    return st;
}

static enum status
play_event(struct playing *p, const struct cast_event *e, bool *quit_out,
    struct error *err)
{
    *quit_out = false;
    if (e->code == CAST_BINARY) {
        tell_binary(p);
    }
    if (e->code != CAST_OUTPUT && e->code != CAST_MARKER) {
        return STATUS_OK;
    }
    wait_for(p, pace_due(&p->pace, e->time_us), quit_out);
    if (*quit_out) {
        return STATUS_OK;
    }
    return e->code == CAST_MARKER ? tell_marker(p, e->data, err)
                                  : terminal_show(p->terminal, e->data, err);
}

static enum status
play_all(struct playing *p, struct cast_reader *r, struct error *err)
{
    struct cast_event e;
    bool quits = false;
    enum status st = cast_reader_next(r, &e, err);
    while (st == STATUS_OK && !quits) {
        st = play_event(p, &e, &quits, err);
        if (st == STATUS_OK && !quits) {
            st = cast_reader_next(r, &e, err);
            if (st == STATUS_CLOSED) {
                *err = (struct error){.code = STATUS_OK};
                return STATUS_OK;
            }
        }
    }
    return st;
}

static enum status
play(const char *path, const struct age_identities *ids,
    const struct play_options *o, struct error *err)
{
    struct cast_reader *r = NULL;
    struct playing p = {.terminal = NULL};
    enum status st = cast_reader_open(path, ids, &r, err);
    if (st != STATUS_OK) {
        return st;
    }
    const struct cast_header *h = cast_reader_header(r);
    warn_if_small(h);
    /* Sessions of other tools always had a terminal. */
    const bool has_tty = h->meta.tty || uuid_is_nil(&h->meta.id);
    st = terminal_open(!has_tty, &p.terminal, err);
    if (st == STATUS_OK) {
        pace_init(&p.pace, o->speed, o->idle_limit_us, o->at_us);
        p.start_ns = clock_mono_ns(&clock_system);
        st = play_all(&p, r, err);
    }
    terminal_close(&p.terminal);
    if (st == STATUS_OK && cast_reader_is_cut(r)) {
        fprintf(stderr, "kubetape: the recording is not finished: this is what "
                        "is there so far\n");
    }
    cast_reader_close(&r);
    return st;
}

int
cmd_play(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    struct play_options o = {.state = NULL};
    const struct flag flags[] = {
        {"speed", 0, FLAG_TEXT, "X", "times as fast", &o.speed_text},
        {"idle-limit", 'i', FLAG_TEXT, "S", "no pause longer than this",
            &o.idle_text},
        {"at", 0, FLAG_TEXT, "T", "start there: 90, 1:30, 1m30s", &o.at_text},
        FLAG_IDENTITY(o.identity), FLAG_STATE(o.state), FLAG_HELP(line),
        FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    if (parse_options(&o, err) != STATUS_OK) {
        return EXIT_USAGE;
    }
    char state[PATH_MAX];
    struct age_identities *ids = NULL;
    struct store_entry entry;
    store_entry_init(&entry);
    enum status st = store_folder(o.state, state, err);
    if (st == STATUS_OK) {
        st = store_find(state, line.args[0], &entry, err);
    }
    if (st == STATUS_OK) {
        st = identity_file_load(o.identity, &ids, err);
    }
    code = st == STATUS_OK ? EXIT_DONE : command_failed(st);
    if (st == STATUS_OK && play(entry.path, ids, &o, err) != STATUS_OK) {
        code = EXIT_COULD_NOT;
    }
    age_identities_free(&ids);
    store_entry_fini(&entry);
    return code;
}
