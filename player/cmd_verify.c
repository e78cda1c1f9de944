/* `kubetape verify`: a verdict on one recording, for a person and by exit
 * code. What the index says of the session is held against the file too: a
 * recording cut at a seal looks unfinished, and only the index tells that it
 * was finished once. */
#include "base/clock.h"
#include "base/file.h"
#include "player/command.h"
#include "player/display.h"
#include "player/limits.h"
#include "player/store.h"
#include "player/verify.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static enum status
load_keys(
    const char *state, const char *flag, struct key_set *out, struct error *err)
{
    char path[PATH_MAX];
    if (flag != NULL) {
        return key_set_load(flag, out, err);
    }
    const enum status st =
        file_join(path, sizeof path, state, "keys/seal.pub.pem", err);
    return st == STATUS_OK ? key_set_load(path, out, err) : st;
}

static void
show_progress(void *ctx, uint64_t done, uint64_t total)
{
    unsigned *shown = ctx;
    const unsigned percent = total == 0 ? 100 : (unsigned)(done * 100 / total);
    if (percent != *shown) {
        *shown = percent;
        fprintf(stderr, "\rverifying %3u%%", percent);
    }
}

/* The index's row of a file that was named by path, if there is one. */
static void
look_up(const char *state, const struct uuid *id, struct store_entry *entry)
{
    char text[UUID_TEXT_LEN + 1];
    if (entry->is_indexed || uuid_is_nil(id)) {
        return;
    }
    uuid_format(id, text);
    struct store_entry found;
    store_entry_init(&found);
    if (store_find_id(state, text, &found, NULL) == STATUS_OK &&
        meta_copy(&found.meta, &entry->meta) == STATUS_OK) {
        entry->is_indexed = true;
    }
    store_entry_fini(&found);
}

/* Whether the index tells of the session what its recording does. File, size
 * and seal are the index's own: no file can hold them. */
static enum status
tells_the_same(
    const struct meta *recorded, const struct meta *indexed, bool *same_out)
{
    struct meta m;
    struct buf a;
    struct buf b;
    meta_init(&m);
    buf_init(&a, PLAYER_LINE_MAX);
    buf_init(&b, PLAYER_LINE_MAX);
    enum status st = meta_copy(recorded, &m);
    if (st == STATUS_OK) {
        m.size = indexed->size;
        m.sealed = indexed->sealed;
        st = meta_set(&m.file, span_str(indexed->file));
    }
    if (st == STATUS_OK) {
        st = meta_encode(&m, META_PART_ALL, &a);
    }
    if (st == STATUS_OK) {
        st = meta_encode(indexed, META_PART_ALL, &b);
    }
    if (st == STATUS_OK) {
        *same_out = span_eq(buf_view(&a), buf_view(&b));
    }
    buf_fini(&a);
    buf_fini(&b);
    meta_fini(&m);
    return st;
}

/* What the index promises and the file does not hold. */
static void
compare_with_index(struct verify_report *r, const struct meta *m)
{
    if (!uuid_is_nil(&r->id) && memcmp(&r->id, &m->id, sizeof r->id) != 0) {
        verify_report_add(r, "the file is of another session than the index "
                             "says");
    }
    if (!r->is_final && m->sealed) {
        verify_report_add(r, "the index says that the recording was finished, "
                             "but its end is missing");
    }
    if (m->status == META_ACTIVE) {
        return; /* the row comes after the file */
    }
    bool is_same = true;
    if (r->is_final && r->problem_count == 0 &&
        (tells_the_same(&r->meta, m, &is_same) != STATUS_OK || !is_same)) {
        verify_report_add(r, "the index tells something else of the session "
                             "than its recording");
    }
}

/* RECORDING.md, "To verify a file", 3: a session's file has its id for a name.
 * Other names, of copies, say nothing. */
static void
compare_with_name(struct verify_report *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct span name = span_str(slash == NULL ? path : slash + 1);
    struct span id = SPAN_EMPTY;
    struct uuid named;
    if (span_take(&name, UUID_TEXT_LEN, &id) &&
        span_eq_str(name, ".cast.zst") && uuid_parse(id, &named) &&
        !uuid_is_nil(&r->id) && memcmp(&named, &r->id, sizeof named) != 0) {
        verify_report_add(r, "the file is of another session than its name "
                             "says");
    }
}

static void
print_facts(const struct verify_report *r)
{
    char id[UUID_TEXT_LEN + 1];
    char size[DISPLAY_SIZE_MAX];
    char time[CLOCK_TEXT_MAX];
    uuid_format(&r->id, id);
    display_size(r->text_len, size);
    printf("session %s: %" PRIu64 " seals over %s of text in %" PRIu64
           " frames, %" PRIu64 " events, %" PRIu64 ".%03" PRIu64 " s\n",
        id, r->seals, size, r->frames, r->event_count,
        r->last_time_us / 1000000, r->last_time_us % 1000000 / 1000);
    if (r->sealed_us != 0) {
        clock_format(r->sealed_us, time);
        printf("last good seal: %s\n", time);
    }
}

static void
print_problems(const struct verify_report *r)
{
    struct span rest = buf_view(&r->problems);
    struct span line = SPAN_EMPTY;
    while (span_take_until(&rest, '\n', &line)) {
        printf("wrong: %.*s\n", (int)line.len, (const char *)line.ptr);
    }
    if (r->problem_count > PLAYER_PROBLEMS_MAX) {
        printf("wrong: and %zu more\n", r->problem_count - PLAYER_PROBLEMS_MAX);
    }
}

static void
print_verdict(const struct verify_report *r)
{
    if (r->problem_count > 0) {
        printf("NOT AS RECORDED\n");
    } else if (r->is_final) {
        printf("as recorded, and complete\n");
    } else if (r->seals == 0) {
        printf("unfinished, and not sealed yet: nothing is proved\n");
    } else {
        printf("as recorded up to the last seal; the recording is not finished "
               "(%" PRIu64 " bytes of text after it are not proved)\n",
            r->text_len - r->sealed_len);
    }
}

/* Without a seal nothing was told about the text, and a script that looks at
 * the exit code alone must not take that for a proof. */
static int
exit_code(const struct verify_report *r)
{
    if (r->problem_count > 0) {
        return EXIT_FOUND;
    }
    return r->seals > 0 ? EXIT_DONE : EXIT_COULD_NOT;
}

static int
verify(const char *state, const char *key_flag, struct store_entry *entry,
    struct error *err)
{
    struct key_set keys;
    struct verify_report report;
    unsigned shown = 0;
    if (load_keys(state, key_flag, &keys, err) != STATUS_OK) {
        return EXIT_COULD_NOT;
    }
    const bool shows = isatty(STDERR_FILENO);
    const struct verify_options options = {
        .keys = &keys,
        .progress = shows ? show_progress : NULL,
        .ctx = &shown,
    };
    const enum status st = verify_file(entry->path, &options, &report, err);
    if (shows && shown > 0) {
        fprintf(stderr, "\r\033[K");
    }
    int code = EXIT_COULD_NOT;
    if (st == STATUS_OK) {
        compare_with_name(&report, entry->path);
        look_up(state, &report.id, entry);
        if (entry->is_indexed) {
            compare_with_index(&report, &entry->meta);
        }
        print_facts(&report);
        print_problems(&report);
        print_verdict(&report);
        code = exit_code(&report);
    } else {
        error_in(err, st, "%s", entry->path);
    }
    verify_report_fini(&report);
    return code;
}

int
cmd_verify(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const char *state_flag = NULL;
    const char *key_flag = NULL;
    const struct flag flags[] = {
        {"key", 'k', FLAG_TEXT, "F",
            "public key, PEM (<state>/keys/seal.pub.pem)", &key_flag},
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
        st = store_find(state, line.args[0], &entry, err);
    }
    code = st == STATUS_OK ? verify(state, key_flag, &entry, err)
                           : command_failed(st);
    store_entry_fini(&entry);
    return code;
}
