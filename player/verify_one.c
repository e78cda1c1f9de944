#include "player/verify_one.h"

#include "base/clock.h"
#include "base/file.h"
#include "player/audit_list.h"
#include "player/claims.h"
#include "player/command.h"
#include "player/display.h"
#include "player/ledger_check.h"
#include "player/limits.h"
#include "player/store.h"
#include "player/verify.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct one {
    const struct verify_one_options *options;
    struct key_set *keys;
    struct store_entry entry;
    struct audit_list list;      /* what the ledger knows */
    struct verify_report ledger; /* findings about the ledger itself */
    struct verify_report report;
    unsigned shown; /* per cent of progress */
};

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

/* ---- The ledger ---- */

static enum status
on_leaf(void *ctx, const struct ledger_leaf *leaf, uint64_t line,
    uint64_t offset, struct error *err)
{
    struct one *v = ctx;
    struct audit_entry e = {.id = leaf->id};
    return audit_list_take_leaf(&e, leaf, line, offset)
               ? audit_list_add(&v->list, &e, err)
               : STATUS_OK;
}

static void
on_ledger_finding(void *ctx, const char *text)
{
    struct one *v = ctx;
    verify_report_add(&v->ledger, "ledger: %s", text);
}

static enum status
read_ledger(struct one *v, struct error *err)
{
    uint64_t size = 0;
    const struct ledger_check_options ledger = {
        .state = v->options->state,
        .old = v->options->checkpoint,
        .on_leaf = on_leaf,
        .on_finding = on_ledger_finding,
        .ctx = v,
    };
    const enum status st = ledger_check(&ledger, v->keys, &size, err);
    audit_list_join(&v->list);
    return st;
}

static enum status
read_leaf(
    struct one *v, uint64_t offset, struct ledger_leaf *out, struct error *err)
{
    return ledger_check_read(v->options->state, offset, out, err);
}

/* ---- A recording without a row ---- */

/* The entry whose ID begins so, if there is exactly one. */
static const struct audit_entry *
find_by_prefix(const struct one *v, const char *prefix)
{
    const struct audit_entry *found = NULL;
    char id[UUID_TEXT_LEN + 1];
    for (size_t i = 0; i < v->list.count; i++) {
        uuid_format(&v->list.entries[i].id, id);
        if (strncmp(id, prefix, strlen(prefix)) == 0) {
            if (found != NULL) {
                return NULL;
            }
            found = &v->list.entries[i];
        }
    }
    return found;
}

/* Lawfully, if the ledger can be believed. */
static enum status
tell_removal(struct one *v, const struct audit_entry *e, struct error *err)
{
    struct ledger_leaf leaf;
    char removal[CLAIMS_REMOVAL_MAX];
    char id[UUID_TEXT_LEN + 1];
    const enum status st = read_leaf(v, e->tombstone.offset, &leaf, err);
    if (st == STATUS_OK) {
        uuid_format(&e->id, id);
        claims_removal(&leaf, e->tombstone.line, removal);
        if (audit_list_is_broken_hold(e)) {
            verify_report_add(&v->ledger,
                "line %" PRIu64 " of the ledger removes what line %" PRIu64
                " holds",
                e->tombstone.line, e->hold_line);
        }
        printf("session %s: %s%s\n", id,
            v->ledger.problem_count == 0 ? "lawfully " : "", removal);
    }
    return st;
}

/* What only the ledger knows of. *done_out: it was removed, and that is all
 * there is to say. */
static enum status
find_in_ledger(struct one *v, bool *done_out, struct error *err)
{
    const struct audit_entry *e = find_by_prefix(v, v->options->name);
    struct ledger_leaf leaf;
    char id[UUID_TEXT_LEN + 1];
    if (e == NULL) {
        return STATUS_NOT_FOUND; /* as the index said */
    }
    if (e->tombstone.line != 0) {
        *done_out = true;
        return tell_removal(v, e, err);
    }
    uuid_format(&e->id, id);
    const enum status st = read_leaf(v, e->recording.offset, &leaf, err);
    if (st != STATUS_OK) {
        return st;
    }
    verify_report_add(&v->ledger,
        "the index does not know session %s, line %" PRIu64
        " of the ledger does",
        id, e->recording.line);
    return file_join(
        v->entry.path, sizeof v->entry.path, v->options->state, leaf.file, err);
}

/* ---- What index and ledger say ---- */

/* The index's row of a file that was named by path, if there is one. */
static void
look_up(struct one *v)
{
    char text[UUID_TEXT_LEN + 1];
    struct store_entry found;
    if (v->entry.is_indexed || uuid_is_nil(&v->report.id)) {
        return;
    }
    uuid_format(&v->report.id, text);
    store_entry_init(&found);
    if (store_find_id(v->options->state, text, &found, NULL) == STATUS_OK &&
        meta_copy(&found.meta, &v->entry.meta) == STATUS_OK) {
        v->entry.is_indexed = true;
    }
    store_entry_fini(&found);
}

static bool
is_same_file(const char *a, const char *b)
{
    struct stat one;
    struct stat other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static enum status
compare_with_leaf(struct one *v, const struct audit_entry *e, struct error *err)
{
    struct ledger_leaf leaf;
    struct ledger_leaf tombstone;
    char place[PATH_MAX];
    char removal[CLAIMS_REMOVAL_MAX];
    enum status st = read_leaf(v, e->recording.offset, &leaf, err);
    if (st == STATUS_OK) {
        st = file_join(place, sizeof place, v->options->state, leaf.file, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    claims_of_leaf(&v->report, &leaf, e->recording.line);
    if (e->tombstone.line == 0) {
        return STATUS_OK;
    }
    st = read_leaf(v, e->tombstone.offset, &tombstone, err);
    if (st != STATUS_OK) {
        return st;
    }
    claims_removal(&tombstone, e->tombstone.line, removal);
    if (is_same_file(v->entry.path, place)) {
        verify_report_add(&v->report, "it is back: it was %s", removal);
    } else {
        printf("the store's own copy was lawfully %s\n", removal);
    }
    return STATUS_OK;
}

static enum status
compare(struct one *v, struct error *err)
{
    claims_of_name(&v->report, v->entry.path);
    look_up(v);
    if (v->entry.is_indexed) {
        claims_of_row(&v->report, &v->entry.meta);
    }
    const struct audit_entry *e = audit_list_find(&v->list, &v->report.id);
    if (e != NULL && e->recording.line != 0) {
        return compare_with_leaf(v, e, err);
    }
    if (v->list.count > 0 && v->entry.is_indexed && v->entry.meta.sealed) {
        verify_report_add(&v->report,
            "the index says that it was finished, but the ledger has no leaf "
            "of it");
    }
    return STATUS_OK;
}

/* An encrypted file proves itself by its digest, to whoever has no key. */
static enum status
check_digest_alone(struct one *v, int *code_out, struct error *err)
{
    const struct audit_entry *e = audit_list_find(&v->list, &v->entry.meta.id);
    struct ledger_leaf leaf;
    struct file_digest d;
    struct hasher *hasher = NULL;
    if (!v->entry.is_indexed || e == NULL || e->recording.line == 0) {
        return STATUS_DENIED; /* as it was */
    }
    enum status st = read_leaf(v, e->recording.offset, &leaf, err);
    if (st == STATUS_OK) {
        st = hasher_new(&hasher);
    }
    if (st == STATUS_OK) {
        st = quick_check_digest(v->entry.path, leaf.file_len, hasher, &d, err);
    }
    hasher_free(&hasher);
    if (st != STATUS_OK) {
        return st;
    }
    const bool fits = claims_fit_file(&leaf, &d);
    printf("%s: the encrypted file is%s the one that line %" PRIu64
           " of the ledger tells of; with --identity its text is verified\n",
        fits ? "as recorded" : "NOT AS RECORDED", fits ? "" : " not",
        e->recording.line);
    *code_out = fits && v->ledger.problem_count == 0 ? EXIT_DONE : EXIT_FOUND;
    return STATUS_OK;
}

/* ---- The verdict ---- */

static void
print_facts(const struct verify_report *r)
{
    char id[UUID_TEXT_LEN + 1];
    char size[DISPLAY_SIZE_MAX];
    char time[CLOCK_TEXT_MAX];
    uuid_format(&r->id, id);
    display_size(r->text_len, size);
    printf("session %s: %" PRIu64 " seals over %s of text in %" PRIu64
           " frames, %" PRIu64 " events, " VERIFY_SECONDS "\n",
        id, r->seals, size, r->frames, r->event_count,
        VERIFY_TIME_OF(r->last_time_us));
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
    struct buf shown;
    buf_init(&shown, PLAYER_LINE_MAX);
    while (span_take_until(&rest, '\n', &line)) {
        buf_clear(&shown);
        const bool fits = display_escape(line, &shown) == STATUS_OK;
        printf("wrong: %.*s\n", fits ? (int)shown.len : 0,
            (const char *)buf_view(&shown).ptr);
    }
    if (r->problem_count > PLAYER_PROBLEMS_MAX) {
        printf("wrong: and %zu more\n", r->problem_count - PLAYER_PROBLEMS_MAX);
    }
    buf_fini(&shown);
}

static void
print_verdict(const struct verify_report *r, bool has_problems)
{
    if (has_problems) {
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
print_all(const struct one *v)
{
    const bool has_problems =
        v->report.problem_count + v->ledger.problem_count > 0;
    print_facts(&v->report);
    print_problems(&v->report);
    print_problems(&v->ledger);
    print_verdict(&v->report, has_problems);
    if (has_problems) {
        return EXIT_FOUND;
    }
    return v->report.seals > 0 ? EXIT_DONE : EXIT_COULD_NOT;
}

/* Nothing but index and ledger were read. */
static int
print_ledger(const struct one *v)
{
    print_problems(&v->ledger);
    if (v->ledger.problem_count > 0) {
        printf("NOT AS RECORDED\n");
    }
    return v->ledger.problem_count > 0 ? EXIT_FOUND : EXIT_DONE;
}

/* A session that has ended, and whose file is not there. */
static enum status
print_missing(struct one *v, int *code_out, struct error *err)
{
    const struct audit_entry *e = audit_list_find(&v->list, &v->entry.meta.id);
    enum status st = STATUS_OK;
    if (e != NULL && e->tombstone.line != 0) { /* its row is about to go */
        st = tell_removal(v, e, err);
    } else {
        verify_report_add(&v->ledger, "its file %s is missing", v->entry.path);
    }
    if (st == STATUS_OK) {
        *code_out = print_ledger(v);
    }
    return st;
}

/* ---- All of it ---- */

static enum status
verify_and_print(struct one *v, int *code_out, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    const bool shows = isatty(STDERR_FILENO);
    const struct verify_options options = {
        .keys = v->keys,
        .ids = v->options->ids,
        .seals = v->options->seals,
        .progress = shows ? show_progress : NULL,
        .ctx = &v->shown,
    };
    verify_report_fini(&v->report);
    enum status st = verify_file(v->entry.path, &options, &v->report, &why);
    if (shows && v->shown > 0) {
        fprintf(stderr, "\r\033[K");
    }
    if (st == STATUS_DENIED) {
        st = check_digest_alone(v, code_out, err);
        if (st == STATUS_OK) {
            return st;
        }
    }
    const bool is_running =
        v->entry.is_indexed && v->entry.meta.status == META_ACTIVE;
    if (st == STATUS_NOT_FOUND && !is_running) {
        return print_missing(v, code_out, err);
    }
    if (st != STATUS_OK) {
        return error_set(err, st, "%s: %s", v->entry.path, why.text);
    }
    st = compare(v, err);
    if (st == STATUS_OK) {
        *code_out = print_all(v);
    }
    return st;
}

/* Finds it and verifies it; *code_out when that was possible. */
static enum status
run(struct one *v, int *code_out, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    bool is_done = false;
    enum status st = read_ledger(v, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = store_find(v->options->state, v->options->name, &v->entry, err);
    if (st == STATUS_NOT_FOUND) {
        st = find_in_ledger(v, &is_done, &why);
    }
    if (st == STATUS_OK && is_done) {
        *code_out = print_ledger(v);
        return st;
    }
    return st == STATUS_OK ? verify_and_print(v, code_out, err) : st;
}

int
verify_one(
    const struct verify_one_options *o, struct key_set *keys, struct error *err)
{
    struct one v = {.options = o, .keys = keys};
    int code = EXIT_COULD_NOT;
    store_entry_init(&v.entry);
    verify_report_init(&v.ledger);
    verify_report_init(&v.report);
    const enum status st = run(&v, &code, err);
    if (st != STATUS_OK) {
        code = command_failed(st);
    }
    store_entry_fini(&v.entry);
    verify_report_fini(&v.ledger);
    verify_report_fini(&v.report);
    audit_list_fini(&v.list);
    return code;
}
