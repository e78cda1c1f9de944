/* The passes. Each lists the index first and the ledger then: a row that says
 * finished has its leaf already, so one that has none is none of the
 * recorder's, but for what came between. */
#include "player/audit.h"

#include "base/file.h"
#include "player/audit_pass.h"
#include "player/ledger_check.h"
#include "schema/index.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDER_LOCK "run/recorder.lock"
/* How often a running recorder is given time for what it is just about, and
 * how much: it closes files and commits every quarter of a second. */
#define PASSES      6
#define PASS_GAP_MS 1000

/* ---- Suspects ---- */

static enum status
add_suspect(struct audit_suspects *s, const char *name, struct error *err)
{
    if (s->count == s->room) {
        const size_t room = s->room == 0 ? 64 : s->room * 2;
        uint64_t *grown = realloc(s->keys, room * sizeof *grown);
        if (grown == NULL) {
            return error_set(err, STATUS_NO_MEMORY, "out of memory");
        }
        s->keys = grown;
        s->room = room;
    }
    s->keys[s->count++] = audit_list_key(name);
    return STATUS_OK;
}

static int
compare_keys(const void *left, const void *right)
{
    uint64_t a = 0;
    uint64_t b = 0;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return (a > b) - (a < b);
}

static void
sort_suspects(struct audit_suspects *s)
{
    if (s->count > 0) {
        qsort(s->keys, s->count, sizeof *s->keys, compare_keys);
    }
}

bool
audit_wants(const struct audit_pass *p, const char *where)
{
    const uint64_t key = audit_list_key(where);
    return p->only == NULL ||
           (p->only->count > 0 && bsearch(&key, p->only->keys, p->only->count,
                                      sizeof key, compare_keys) != NULL);
}

/* ---- Findings ---- */

void
audit_tell(struct audit_pass *p, const char *where, const char *text)
{
    const struct audit_finding f = {.where = where, .text = text};
    p->summary->findings++;
    p->options->on_finding(p->options->ctx, &f);
}

static void
tell_report(
    struct audit_pass *p, const char *where, const struct verify_report *r)
{
    struct span rest = buf_view(&r->problems);
    struct span line = SPAN_EMPTY;
    char text[ERROR_TEXT_MAX];
    while (span_take_until(&rest, '\n', &line)) {
        const size_t len = line.len < sizeof text ? line.len : sizeof text - 1;
        memcpy(text, line.ptr, len);
        text[len] = '\0';
        audit_tell(p, where, text);
    }
}

enum status
audit_settle(struct audit_pass *p, const char *where,
    const struct verify_report *r, bool may_pass, bool *settled_out,
    struct error *err)
{
    *settled_out = r->problem_count == 0 || !may_pass || p->is_last;
    if (!*settled_out) {
        return add_suspect(&p->next, where, err);
    }
    tell_report(p, where, r);
    return STATUS_OK;
}

static void
on_ledger_finding(void *ctx, const char *text)
{
    struct audit_pass *p = ctx;
    if (p->only == NULL) { /* once */
        audit_tell(p, "ledger", text);
    }
}

/* ---- What the store knows ---- */

static enum status
on_row(void *ctx, const struct uuid *id, struct error *err)
{
    struct audit_pass *p = ctx;
    const struct audit_entry e = {.id = *id, .has_row = true};
    return audit_list_add(&p->list, &e, err);
}

/* Their name says nothing of their id: they are known by their place. */
static void
note_encrypted_attempts(
    struct audit_pass *p, const struct ledger_leaf *leaf, struct audit_entry *e)
{
    if (!audit_is_attempts(leaf->file) || !audit_is_encrypted(leaf->file)) {
        return;
    }
    e->file_key = audit_list_key(leaf->file);
    if (strcmp(leaf->file, p->encrypted_attempts) > 0) {
        memcpy(p->encrypted_attempts, leaf->file, sizeof leaf->file);
    }
}

static enum status
on_leaf(void *ctx, const struct ledger_leaf *leaf, uint64_t line,
    uint64_t offset, struct error *err)
{
    struct audit_pass *p = ctx;
    struct audit_entry e = {.id = leaf->id};
    if (!audit_list_take_leaf(&e, leaf, line, offset)) {
        return STATUS_OK;
    }
    if (leaf->kind == LEDGER_RECORDING) {
        note_encrypted_attempts(p, leaf, &e);
    }
    return audit_list_add(&p->list, &e, err);
}

static enum status
open_index(struct audit_pass *p, struct error *err)
{
    char path[PATH_MAX];
    enum status st =
        file_join(path, sizeof path, p->options->state, INDEX_FILE, err);
    if (st == STATUS_OK) {
        st = query_open(path, &p->query, err);
    }
    if (st == STATUS_CORRUPT) {
        if (p->only == NULL) {
            audit_tell(p, "index", err->text);
        }
        st = STATUS_OK;
    }
    return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

static enum status
list_rows(struct audit_pass *p, struct error *err)
{
    if (p->query == NULL) {
        return STATUS_OK;
    }
    const enum status st = query_each_id(p->query, on_row, p, err);
    if (st != STATUS_CORRUPT) {
        return st;
    }
    if (p->only == NULL) {
        audit_tell(p, "index", err->text);
    }
    return STATUS_OK;
}

/* One of the two alone: told once, and not again of every session. */
static void
tell_missing(struct audit_pass *p)
{
    p->has_ledger = p->summary->leaves > 0;
    if (p->only != NULL || p->list.count == 0) {
        return;
    }
    if (!p->has_ledger && p->options->checkpoint == NULL) {
        audit_tell(p, "ledger", "it is missing");
    }
    if (p->query == NULL) {
        audit_tell(p, "index", "it is missing");
    }
}

static enum status
list_all(struct audit_pass *p, struct error *err)
{
    const struct ledger_check_options ledger = {
        .state = p->options->state,
        .old = p->options->checkpoint,
        .on_leaf = on_leaf,
        .on_finding = on_ledger_finding,
        .ctx = p,
    };
    enum status st = open_index(p, err);
    if (st == STATUS_OK) {
        st = list_rows(p, err);
    }
    if (st == STATUS_OK) {
        st = ledger_check(&ledger, p->keys, &p->summary->leaves, err);
    }
    audit_list_join(&p->list);
    if (st == STATUS_OK) {
        tell_missing(p);
    }
    return st;
}

/* ---- One pass ---- */

static enum status
look_at_sessions(struct audit_pass *p, struct error *err)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < p->list.count; i++) {
        st = audit_session(p, &p->list.entries[i], err);
        if (p->options->on_progress != NULL && p->only == NULL) {
            p->options->on_progress(p->options->ctx, i + 1, p->list.count);
        }
    }
    return st;
}

/* Refused sessions that no day's file tells of. */
static enum status
look_for_attempts(struct audit_pass *p, struct error *err)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < p->list.count; i++) {
        const struct audit_entry *e = &p->list.entries[i];
        if (!e->owes_attempt || e->has_attempt) {
            continue;
        }
        char id[UUID_TEXT_LEN + 1];
        struct verify_report r;
        bool is_settled = false;
        uuid_format(&e->id, id);
        verify_report_init(&r);
        verify_report_add(
            &r, "the index says that it was refused, no day's attempts do");
        st = audit_settle(p, id, &r, true, &is_settled, err);
        verify_report_fini(&r);
    }
    return st;
}

static enum status
look(struct audit_pass *p, struct error *err)
{
    enum status st = list_all(p, err);
    if (st == STATUS_OK) {
        st = look_at_sessions(p, err);
    }
    if (st == STATUS_OK) {
        st = audit_files(p, err);
    }
    if (st == STATUS_OK) {
        st = look_for_attempts(p, err);
    }
    sort_suspects(&p->next);
    query_close(&p->query);
    audit_list_fini(&p->list);
    return st;
}

/* ---- All passes ---- */

static enum status
is_recorder_running(const char *state, bool *out, struct error *err)
{
    char path[PATH_MAX];
    const enum status st =
        file_join(path, sizeof path, state, RECORDER_LOCK, err);
    return st == STATUS_OK ? file_is_locked(path, out, err) : st;
}

static enum status
run_passes(struct audit_pass *p, struct error *err)
{
    struct audit_suspects only = {.count = 0};
    enum status st = STATUS_OK;
    for (int pass = 0; st == STATUS_OK && pass < PASSES; pass++) {
        st = is_recorder_running(
            p->options->state, &p->is_recorder_running, err);
        /* What a recorder leaves that ends is looked at once more. */
        p->is_last =
            pass > 0 && (!p->is_recorder_running || pass == PASSES - 1);
        if (st == STATUS_OK) {
            st = look(p, err);
        }
        if (p->next.count == 0) {
            break;
        }
        free(only.keys);
        only = p->next;
        p->only = &only;
        p->next = (struct audit_suspects){.count = 0};
        if (st == STATUS_OK && p->is_recorder_running && !p->is_last) {
            (void)poll(NULL, 0, PASS_GAP_MS);
        }
    }
    free(only.keys);
    free(p->next.keys);
    return st;
}

enum status
audit_store(const struct audit_options *o, struct key_set *keys,
    struct audit_summary *out, struct error *err)
{
    struct audit_pass p = {.options = o, .keys = keys, .summary = out};
    *out = (struct audit_summary){.recordings = 0};
    if (access(o->state, R_OK | X_OK) != 0) {
        return error_sys(err, errno, "cannot read %s", o->state);
    }
    enum status st = hasher_new(&p.hasher);
    if (st == STATUS_OK) {
        st = run_passes(&p, err);
    }
    hasher_free(&p.hasher);
    return st;
}
