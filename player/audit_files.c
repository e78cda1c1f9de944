/* Every file below recordings/ is the one of a session that the store knows,
 * at its place, or a day's attempts; and every refused attempt has its row. */
#include "player/audit_pass.h"

#include "base/file.h"
#include "player/cast_reader.h"
#include "player/claims.h"
#include "player/verify.h"
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNNING     "journal/running"
#define RUNNING_END "-" AUDIT_ATTEMPTS

struct walk {
    struct audit_pass *pass;
    const char *file; /* the one at hand, relative to the state folder */
    const char *path;
};

/* ---- Findings about the file at hand ---- */

static enum status
settle(struct walk *w, const struct verify_report *r, struct error *err)
{
    bool is_settled = false;
    return audit_settle(w->pass, w->file, r, true, &is_settled, err);
}

static enum status
find_stray(struct walk *w, const char *why, struct error *err)
{
    struct verify_report r;
    if (!audit_wants(w->pass, w->file)) {
        return STATUS_OK;
    }
    verify_report_init(&r);
    verify_report_add(&r, "%s", why);
    const enum status st = settle(w, &r, err);
    verify_report_fini(&r);
    return st;
}

/* ---- A recording ---- */

/* "recordings/2026/11/24/", 4-2-2 digits. */
static bool
take_day(struct span *name)
{
    static const char form[] = "recordings/dddd/dd/dd/";
    struct span day = SPAN_EMPTY;
    if (!span_take(name, sizeof form - 1, &day)) {
        return false;
    }
    for (size_t i = 0; i < day.len; i++) {
        const bool is_digit = day.ptr[i] >= '0' && day.ptr[i] <= '9';
        if (form[i] == 'd' && i > 9 ? !is_digit
                                    : day.ptr[i] != (uint8_t)form[i]) {
            return false;
        }
    }
    return true;
}

/* A file that was begun and not yet put in its place. */
static enum status
check_temporary(struct walk *w, const struct uuid *id, struct error *err)
{
    struct meta row;
    bool has_row = false;
    meta_init(&row);
    enum status st = audit_row(w->pass, id, &row, &has_row, err);
    if (st == STATUS_OK && (!has_row || row.status != META_ACTIVE)) {
        st = find_stray(w, "a file in the making, of no running session", err);
    }
    meta_fini(&row);
    return st;
}

static enum status
check_recording(struct walk *w, const struct uuid *id, struct error *err)
{
    struct audit_entry *e = audit_list_find(&w->pass->list, id);
    if (e == NULL) {
        return find_stray(
            w, "a recording that neither the ledger nor the index knows", err);
    }
    if (e->file_key == 0) { /* a session that this pass did not look at */
        const enum status st = audit_place(w->pass, e, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    return e->file_key == audit_list_key(w->file)
               ? STATUS_OK
               : find_stray(
                     w, "a recording that is not at its session's place", err);
}

/* ---- Attempts ---- */

static enum status
check_attempt(struct walk *w, const struct meta *attempt,
    struct verify_report *r, struct error *err)
{
    struct meta row;
    char id[UUID_TEXT_LEN + 1];
    bool has_row = false;
    char names[CLAIMS_NAMES_MAX] = "";
    struct audit_entry *e = audit_list_find(&w->pass->list, &attempt->id);
    uuid_format(&attempt->id, id);
    meta_init(&row);
    enum status st = audit_row(w->pass, &attempt->id, &row, &has_row, err);
    if (st == STATUS_OK && has_row) {
        st = claims_differences(attempt, &row, names);
    }
    if (!has_row) {
        verify_report_add(r, "the index does not know the attempt %s", id);
    } else if (e != NULL && e->has_attempt) {
        verify_report_add(r, "the attempt %s stands here once more", id);
    } else if (names[0] != '\0' || row.file[0] != '\0') {
        verify_report_add(r,
            "the index tells something else of the attempt %s: %s", id,
            names[0] != '\0' ? names : "file");
    }
    if (e != NULL) {
        e->has_attempt = true;
    }
    w->pass->summary->attempts += w->pass->only == NULL ? 1 : 0;
    meta_fini(&row);
    return st;
}

/* A request event has no ID, and no row. */
static enum status
check_event(struct walk *w, const struct cast_event *e, struct verify_report *r,
    struct error *err)
{
    struct meta m;
    meta_init(&m);
    enum status st = STATUS_OK;
    if (e->code == CAST_FACTS && meta_decode(e->data, &m, NULL) == STATUS_OK &&
        !uuid_is_nil(&m.id)) {
        st = check_attempt(w, &m, r, err);
    }
    meta_fini(&m);
    return st;
}

static enum status
read_attempts(struct walk *w, struct verify_report *r, struct error *err)
{
    struct cast_reader *reader = NULL;
    struct cast_event e;
    struct error why = {.code = STATUS_OK};
    enum status st = cast_reader_open(w->path, NULL, &reader, &why);
    while (st == STATUS_OK) {
        st = cast_reader_next(reader, &e, &why);
        if (st == STATUS_OK) {
            st = check_event(w, &e, r, err);
            if (st != STATUS_OK) {
                cast_reader_close(&reader);
                return st;
            }
        }
    }
    cast_reader_close(&reader);
    if (st != STATUS_CLOSED) {
        verify_report_add(r, "its attempts cannot be read: %s", why.text);
    }
    return STATUS_OK;
}

/* The day's file itself: one with a leaf was checked with that. */
static enum status
check_attempts_file(struct walk *w, struct verify_report *r, struct error *err)
{
    const struct verify_options options = {.keys = w->pass->keys};
    struct error why = {.code = STATUS_OK};
    verify_report_fini(r);
    const enum status st = verify_file(w->path, &options, r, &why);
    if (st == STATUS_NO_MEMORY || st == STATUS_IO) {
        return error_set(err, st, "%s", why.text);
    }
    if (st != STATUS_OK) {
        verify_report_add(r, "%s", why.text);
        return STATUS_OK;
    }
    const struct audit_entry *e = audit_list_find(&w->pass->list, &r->id);
    if (e != NULL && e->recording.line != 0) {
        verify_report_fini(r); /* that is told with its leaf */
        verify_report_init(r);
    } else if (r->is_final) {
        verify_report_add(
            r, "it is finished, but the ledger has no leaf of it");
    }
    return STATUS_OK;
}

static enum status
check_attempts(struct walk *w, struct error *err)
{
    struct verify_report r;
    verify_report_init(&r);
    enum status st = check_attempts_file(w, &r, err);
    if (st == STATUS_OK) {
        st = read_attempts(w, &r, err);
    }
    if (st == STATUS_OK && audit_wants(w->pass, w->file)) {
        st = settle(w, &r, err);
    }
    verify_report_fini(&r);
    return st;
}

/* For others' keys: its leaf says what it is, and was held against it. */
static bool
has_leaf(const struct audit_list *l, const char *file)
{
    const uint64_t key = audit_list_key(file);
    for (size_t i = 0; i < l->count; i++) {
        if (l->entries[i].recording.line != 0 &&
            l->entries[i].file_key == key) {
            return true;
        }
    }
    return false;
}

/* What it was made from is still there: it goes when the leaf is made. */
static bool
is_in_the_making(const struct walk *w)
{
    char clear[PATH_MAX];
    const char *day = w->file + sizeof "recordings/" - 1;
    const int n = snprintf(clear, sizeof clear,
        "%s/" RUNNING "/%.4s-%.2s-%.2s-" AUDIT_ATTEMPTS,
        w->pass->options->state, day, day + 5, day + 8);
    return n > 0 && (size_t)n < sizeof clear && access(clear, F_OK) == 0;
}

static enum status
check_encrypted_attempts(struct walk *w, struct error *err)
{
    return has_leaf(&w->pass->list, w->file) || is_in_the_making(w)
               ? STATUS_OK
               : find_stray(w,
                     "encrypted attempts that the ledger does not know", err);
}

/* ---- The walk ---- */

static enum status
check_file(struct walk *w, struct error *err)
{
    struct span name = span_str(w->file);
    struct span id_text = SPAN_EMPTY;
    struct uuid id;
    if (!take_day(&name)) {
        return find_stray(w, "a file where no recording belongs", err);
    }
    if (span_eq_str(name, AUDIT_ATTEMPTS)) {
        return check_attempts(w, err);
    }
    if (span_eq_str(name, AUDIT_ATTEMPTS AUDIT_ENCRYPTED) ||
        span_eq_str(name, AUDIT_ATTEMPTS AUDIT_ENCRYPTED ".tmp")) {
        return check_encrypted_attempts(w, err);
    }
    if (!span_take(&name, UUID_TEXT_LEN, &id_text) ||
        !uuid_parse(id_text, &id)) {
        return find_stray(w, "no recording, by its name", err);
    }
    if (span_eq_str(name, ".cast.zst") || span_eq_str(name, ".cast.zst.age")) {
        return check_recording(w, &id, err);
    }
    if (span_eq_str(name, ".cast.zst.tmp") ||
        span_eq_str(name, ".cast.zst.age.tmp")) {
        return check_temporary(w, &id, err);
    }
    return find_stray(w, "no recording, by its name", err);
}

static enum status
check_found(
    struct walk *w, const FTSENT *f, size_t state_len, struct error *err)
{
    w->path = f->fts_path;
    w->file = f->fts_path + state_len + 1;
    switch (f->fts_info) {
    case FTS_D:
    case FTS_DP:
        return STATUS_OK;
    case FTS_F:
        return check_file(w, err);
    case FTS_NS:
        return f->fts_errno == ENOENT || f->fts_level == FTS_ROOTLEVEL
                   ? STATUS_OK /* gone meanwhile, or no recordings yet */
                   : error_sys(err, f->fts_errno, "cannot read %s", w->path);
    case FTS_DNR:
    case FTS_ERR:
        return error_sys(err, f->fts_errno, "cannot read %s", w->path);
    default:
        return find_stray(w, "neither a file nor a folder", err);
    }
}

/* A name in journal/running/. */
static enum status
check_running(struct audit_pass *p, const char *name, struct error *err)
{
    char file[PATH_MAX];
    char path[PATH_MAX];
    struct walk w = {.pass = p, .file = file, .path = path};
    struct stat info;
    const size_t end_len = sizeof RUNNING_END - 1;
    const size_t len = strlen(name);
    if (len < end_len || strcmp(name + len - end_len, RUNNING_END) != 0) {
        return STATUS_OK; /* a session's: its row tells of it */
    }
    enum status st = file_join(file, sizeof file, RUNNING, name, err);
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, p->options->state, file, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    return lstat(path, &info) == 0 && !S_ISREG(info.st_mode)
               ? find_stray(&w, "neither a file nor a folder", err)
               : check_attempts(&w, err);
}

static enum status
check_all_running(struct audit_pass *p, struct error *err)
{
    char path[PATH_MAX];
    enum status st =
        file_join(path, sizeof path, p->options->state, RUNNING, err);
    DIR *dir = st == STATUS_OK ? opendir(path) : NULL;
    if (dir == NULL) {
        return st != STATUS_OK || errno == ENOENT
                   ? st
                   : error_sys(err, errno, "cannot read %s", path);
    }
    while (st == STATUS_OK) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            st = errno == 0 ? STATUS_OK
                            : error_sys(err, errno, "cannot read %s", path);
            break;
        }
        st = check_running(p, entry->d_name, err);
    }
    (void)closedir(dir); /* read only: nothing to lose */
    return st;
}

static enum status
check_all_recordings(struct audit_pass *p, struct error *err)
{
    char root[PATH_MAX];
    struct walk w = {.pass = p};
    const size_t state_len = strlen(p->options->state);
    enum status st =
        file_join(root, sizeof root, p->options->state, "recordings", err);
    if (st != STATUS_OK) {
        return st;
    }
    char *const roots[] = {root, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (fts == NULL) {
        return error_sys(err, errno, "cannot read %s", root);
    }
    errno = 0;
    for (const FTSENT *f = fts_read(fts); f != NULL && st == STATUS_OK;
         f = st == STATUS_OK ? fts_read(fts) : NULL) {
        st = check_found(&w, f, state_len, err);
        errno = 0;
    }
    if (st == STATUS_OK && errno != 0) {
        st = error_sys(err, errno, "cannot read %s", root);
    }
    (void)fts_close(fts); /* read only: nothing to lose */
    return st;
}

enum status
audit_files(struct audit_pass *p, struct error *err)
{
    const enum status st = check_all_recordings(p, err);
    return st == STATUS_OK ? check_all_running(p, err) : st;
}
