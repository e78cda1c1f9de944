/* One session: which of leaf, row and file there ought to be, and whether they
 * agree. The recorder writes them in the order file, leaf, row; so a row that
 * is read now may be ahead of the leaves that were read before. */
#include "player/audit_pass.h"

#include "base/file.h"
#include "player/claims.h"
#include "player/ledger_check.h"
#include "player/quick_check.h"
#include "player/verify.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct subject {
    struct audit_pass *pass;
    struct audit_entry *entry;
    struct meta row;
    bool has_row;
    struct ledger_leaf leaf; /* the recording's, when it has one */
    const char *file;        /* in the state folder; leaf's or row's */
    char path[PATH_MAX];
    struct verify_report report;
    bool may_pass;     /* what was found may be the recorder at work */
    bool is_looked_at; /* it has a file, which was read */
    bool is_encrypted;
};

static bool
ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text);
    const size_t end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

bool
audit_is_encrypted(const char *file)
{
    return ends_with(file, AUDIT_ENCRYPTED);
}

bool
audit_is_attempts(const char *file)
{
    return ends_with(file, "/" AUDIT_ATTEMPTS) ||
           ends_with(file, "/" AUDIT_ATTEMPTS AUDIT_ENCRYPTED);
}

/* Where its file belongs. */
static enum status
place(struct subject *s, const char *file, struct error *err)
{
    s->file = file;
    s->entry->file_key = audit_list_key(file);
    s->is_encrypted = audit_is_encrypted(file);
    return file_join(
        s->path, sizeof s->path, s->pass->options->state, file, err);
}

/* What may only be true for a moment. */
#define ADD_PASSING(s, ...)                           \
    do {                                              \
        (s)->may_pass = true;                         \
        verify_report_add(&(s)->report, __VA_ARGS__); \
    } while (0)

/* A folder, or a FIFO that nobody writes to, tells nothing. */
static enum status
verify_regular(struct subject *s, struct error *err)
{
    struct stat info;
    const struct verify_options options = {.keys = s->pass->keys};
    if (lstat(s->path, &info) == 0 && !S_ISREG(info.st_mode)) {
        verify_report_init(&s->report);
        return error_set(err, STATUS_CORRUPT, "it is no regular file");
    }
    return verify_file(s->path, &options, &s->report, err);
}

/* The whole file; a file that cannot be read is a finding here. */
static enum status
read_whole(struct subject *s, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    verify_report_fini(&s->report);
    const enum status st = verify_regular(s, &why);
    s->is_looked_at = true;
    if (st == STATUS_NO_MEMORY || st == STATUS_IO) {
        return error_set(err, st, "%s", why.text);
    }
    if (st == STATUS_NOT_FOUND) {
        s->is_looked_at = false;
        ADD_PASSING(s, "its file %s is missing", s->file);
    } else if (st != STATUS_OK) {
        verify_report_add(&s->report, "%s: %s", s->file, why.text);
    }
    return STATUS_OK;
}

/* ---- Finished: leaf, file, row ---- */

/* The file is another than the leaf tells of: what is wrong with it? */
static enum status
read_altered(struct subject *s, const struct file_digest *d, struct error *err)
{
    char what[ERROR_TEXT_MAX];
    const uint64_t line = s->entry->recording.line;
    snprintf(what, sizeof what,
        "%s is not the file that line %" PRIu64 " of the ledger tells of: %s",
        s->file, line,
        d->len == s->leaf.file_len ? "its bytes were altered"
                                   : "its length is another");
    enum status st = STATUS_OK;
    if (s->is_encrypted) {
        s->is_looked_at = true;
    } else {
        st = read_whole(s, err);
    }
    if (st == STATUS_OK && s->report.seals > 0) {
        claims_of_leaf(&s->report, &s->leaf, line);
    }
    const bool is_same_text = s->report.problem_count == 0 && !s->is_encrypted;
    verify_report_add(&s->report, "%s%s", what,
        is_same_text ? ", though its text is as recorded" : "");
    return st;
}

/* Its bytes are the recorder's: what do they say? */
static enum status
read_unaltered(struct subject *s, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    s->is_looked_at = true;
    if (s->is_encrypted) {
        s->report.text_len = s->leaf.text_len;
        return STATUS_OK;
    }
    if (s->pass->options->is_full || audit_is_attempts(s->file)) {
        const enum status st = read_whole(s, err);
        if (st == STATUS_OK) {
            claims_of_leaf(&s->report, &s->leaf, s->entry->recording.line);
        }
        return st;
    }
    const enum status st = quick_check_last_word(s->path, &s->report, &why);
    if (st == STATUS_OK) {
        claims_of_leaf(&s->report, &s->leaf, s->entry->recording.line);
    } else if (st == STATUS_CORRUPT) {
        verify_report_add(&s->report, "%s: %s", s->file, why.text);
    } else {
        return error_set(err, st, "%s: %s", s->file, why.text);
    }
    return STATUS_OK;
}

/* Cells that no file can hold are held against the leaf. */
static void
compare_row(struct subject *s)
{
    struct verify_report *r = &s->report;
    const struct meta *row = &s->row;
    const uint64_t line = s->entry->recording.line;
    if (row->status == META_ACTIVE) {
        ADD_PASSING(s,
            "the index says that it is active, line %" PRIu64
            " of the ledger that it is finished",
            line);
        return;
    }
    if (!row->sealed) {
        verify_report_add(r,
            "the index says that it was not finished, line %" PRIu64
            " of the ledger that it was",
            line);
    }
    if (strcmp(row->file, s->leaf.file) != 0) {
        verify_report_add(r,
            "the index says that its file is \"%.128s\", not %s", row->file,
            s->leaf.file);
    }
    if (row->size != s->leaf.file_len) {
        verify_report_add(r,
            "the index says that its file has %" PRIu64 " bytes, line %" PRIu64
            " of the ledger %" PRIu64,
            row->size, line, s->leaf.file_len);
    }
    if (s->is_looked_at && !s->is_encrypted) {
        claims_of_row(r, row);
    }
}

static enum status
check_finished(struct subject *s, struct error *err)
{
    struct file_digest d;
    struct error why = {.code = STATUS_OK};
    const struct audit_entry *e = s->entry;
    enum status st = place(s, s->leaf.file, err);
    if (st == STATUS_OK) {
        st = quick_check_digest(
            s->path, s->leaf.file_len, s->pass->hasher, &d, &why);
        if (st == STATUS_NOT_FOUND) {
            ADD_PASSING(s,
                "its file %s is missing, of which line %" PRIu64
                " of the ledger tells",
                s->file, e->recording.line);
            st = STATUS_OK;
        } else if (st == STATUS_CORRUPT) {
            verify_report_add(&s->report, "%s", why.text);
            st = STATUS_OK;
        } else if (st != STATUS_OK) {
            st = error_set(err, st, "%s", why.text);
        } else {
            st = claims_fit_file(&s->leaf, &d) ? read_unaltered(s, err)
                                               : read_altered(s, &d, err);
        }
    }
    if (e->other.line != 0) {
        verify_report_add(&s->report,
            "lines %" PRIu64 " and %" PRIu64
            " of the ledger both tell of its recording",
            e->other.line, e->recording.line);
    }
    if (audit_is_attempts(s->leaf.file)) {
        return st; /* a day's file has no row */
    }
    if (s->has_row) {
        compare_row(s);
    } else if (s->pass->query != NULL) {
        ADD_PASSING(s,
            "the index does not know it, line %" PRIu64 " of the ledger does",
            e->recording.line);
    }
    return st;
}

/* ---- Removed ---- */

/* The recorder removes the file, then the row. While there is a row, that is
 * not finished yet, or was cut short by a crash and is finished at the next
 * start; a file without one came back. */
static enum status
check_removed(struct subject *s, struct error *err)
{
    struct ledger_leaf tombstone;
    char removal[CLAIMS_REMOVAL_MAX];
    const struct audit_entry *e = s->entry;
    enum status st = ledger_check_read(
        s->pass->options->state, e->tombstone.offset, &tombstone, err);
    if (st != STATUS_OK || e->recording.line == 0) {
        return st;
    }
    if (audit_list_is_broken_hold(e)) {
        verify_report_add(&s->report,
            "line %" PRIu64 " of the ledger removes what line %" PRIu64
            " holds",
            e->tombstone.line, e->hold_line);
    }
    st = place(s, s->leaf.file, err);
    claims_removal(&tombstone, e->tombstone.line, removal);
    const bool is_there = st == STATUS_OK && access(s->path, F_OK) == 0;
    if (is_there && (!s->has_row || s->pass->is_recorder_running)) {
        ADD_PASSING(s, "%s is back: it was %s", s->file, removal);
    } else if (s->has_row && s->pass->is_recorder_running) {
        ADD_PASSING(s, "the index still knows it: it was %s", removal);
    }
    return st;
}

/* ---- A row without a leaf ---- */

static enum status
check_running(struct subject *s, struct error *err)
{
    if (s->is_encrypted) {
        return STATUS_OK; /* not there before it has ended */
    }
    const enum status st = read_whole(s, err);
    s->may_pass = true; /* whatever it is: it is being written */
    if (st == STATUS_OK && s->is_looked_at) {
        claims_of_name(&s->report, s->path);
    }
    return st;
}

/* Given up: damaged, or removed while it ran. */
static enum status
check_given_up(struct subject *s, struct error *err)
{
    const enum status st = read_whole(s, err);
    if (st == STATUS_OK && s->is_looked_at) {
        claims_of_name(&s->report, s->path);
        claims_of_row(&s->report, &s->row);
    }
    if (s->pass->has_ledger) {
        ADD_PASSING(s,
            "the ledger has no leaf of it, though the index says that it is "
            "%s%s%.200s",
            meta_status_name(s->row.status),
            s->row.reason[0] == '\0' ? "" : ": ", s->row.reason);
    }
    return st;
}

static bool
is_at_its_place(const struct meta *row)
{
    char plain[META_FILE_MAX];
    meta_file_name(&row->id, row->start_us, plain);
    const size_t len = strlen(plain);
    return strncmp(row->file, plain, len) == 0 &&
           (row->file[len] == '\0' || strcmp(row->file + len, ".age") == 0);
}

/* Attempts are with their day's or, when they came late, with a later one's. */
static bool
may_be_encrypted(const struct audit_pass *p, const struct meta *row)
{
    char plain[META_FILE_MAX];
    meta_file_name(&row->id, row->start_us, plain);
    return strncmp(plain, p->encrypted_attempts,
               sizeof "recordings/2026/11/24/" - 1) <= 0;
}

static enum status
check_unfinished(struct subject *s, struct error *err)
{
    const struct meta *row = &s->row;
    s->entry->owes_attempt = row->status == META_REFUSED &&
                             row->file[0] == '\0' &&
                             !may_be_encrypted(s->pass, row);
    if (row->file[0] == '\0') {
        if (row->sealed) {
            verify_report_add(&s->report,
                "the index says that its recording was finished, and names "
                "none");
        }
        return STATUS_OK;
    }
    if (!is_at_its_place(row)) {
        verify_report_add(&s->report,
            "the index says that its file is \"%.128s\", where it does not "
            "belong",
            row->file);
        return STATUS_OK;
    }
    const enum status st = place(s, row->file, err);
    if (st != STATUS_OK) {
        return st;
    }
    return row->status == META_ACTIVE ? check_running(s, err)
                                      : check_given_up(s, err);
}

/* ---- All of it ---- */

enum status
audit_row(struct audit_pass *p, const struct uuid *id, struct meta *out,
    bool *has_out, struct error *err)
{
    *has_out = false;
    if (p->query == NULL) {
        return STATUS_OK;
    }
    enum status st = query_find_id(p->query, id, err);
    if (st == STATUS_OK) {
        st = query_next(p->query, out, err);
    }
    *has_out = st == STATUS_OK;
    return st == STATUS_CLOSED ? STATUS_OK : st;
}

enum status
audit_place(struct audit_pass *p, struct audit_entry *e, struct error *err)
{
    struct subject s = {.pass = p, .entry = e};
    const bool has_leaf = e->recording.line != 0;
    enum status st = STATUS_OK;
    meta_init(&s.row);
    if (has_leaf) {
        st = ledger_check_read(
            p->options->state, e->recording.offset, &s.leaf, err);
    } else {
        st = audit_row(p, &e->id, &s.row, &s.has_row, err);
    }
    if (st == STATUS_OK && (has_leaf || s.has_row)) {
        st = place(&s, has_leaf ? s.leaf.file : s.row.file, err);
    }
    meta_fini(&s.row);
    return st;
}

static enum status
check(struct subject *s, struct error *err)
{
    const struct audit_entry *e = s->entry;
    enum status st = audit_row(s->pass, &e->id, &s->row, &s->has_row, err);
    if (st == STATUS_OK && e->recording.line != 0) {
        st = ledger_check_read(
            s->pass->options->state, e->recording.offset, &s->leaf, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    if (e->tombstone.line != 0) {
        return check_removed(s, err);
    }
    if (e->recording.line != 0) {
        return check_finished(s, err);
    }
    return s->has_row ? check_unfinished(s, err) : STATUS_OK;
}

static void
count(const struct subject *s)
{
    struct audit_summary *sum = s->pass->summary;
    const struct audit_entry *e = s->entry;
    sum->removed += e->tombstone.line != 0 ? 1 : 0;
    if (s->is_looked_at && !audit_is_attempts(s->file)) {
        sum->recordings++;
        sum->encrypted += s->is_encrypted ? 1 : 0;
        sum->running +=
            s->row.status == META_ACTIVE && s->has_row && e->recording.line == 0
                ? 1
                : 0;
        sum->text_len += s->report.text_len;
    }
}

enum status
audit_session(struct audit_pass *p, struct audit_entry *e, struct error *err)
{
    char id[UUID_TEXT_LEN + 1];
    struct subject s = {.pass = p, .entry = e, .file = ""};
    uuid_format(&e->id, id);
    if (!audit_wants(p, id)) {
        return STATUS_OK;
    }
    meta_init(&s.row);
    verify_report_init(&s.report);
    bool is_settled = false;
    enum status st = check(&s, err);
    if (st == STATUS_OK) {
        st = audit_settle(p, id, &s.report, s.may_pass, &is_settled, err);
    }
    if (is_settled) {
        count(&s);
    }
    meta_fini(&s.row);
    verify_report_fini(&s.report);
    return st;
}
