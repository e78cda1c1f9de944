/* Looks into the environment and the index, and nowhere else: it never lists
 * folders, so what it finds is what the recorder has committed. */
#include "player/store.h"

#include "base/clock.h"
#include "base/file.h"
#include "player/display.h"
#include "player/limits.h"
#include "player/query.h"
#include "schema/index.h"
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The folder ---- */

const char *
store_home_folder(void)
{
    const char *home = getenv("HOME");
    if (home != NULL && home[0] != '\0') {
        return home;
    }
    const struct passwd *user = getpwuid(getuid());
    return user == NULL ? NULL : user->pw_dir;
}

static enum status
absolute(const char *path, char out[PATH_MAX], struct error *err)
{
    if (path[0] == '/') {
        return file_join(out, PATH_MAX, path, "", err);
    }
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == NULL) {
        return error_sys(err, errno, "cannot tell the current folder");
    }
    return file_join(out, PATH_MAX, here, path, err);
}

static void
drop_trailing_slashes(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        path[--len] = '\0';
    }
}

/* XDG Base Directory: a relative value is to be ignored. */
static enum status
default_folder(char out[PATH_MAX], struct error *err)
{
    const char *xdg = getenv("XDG_STATE_HOME");
    if (xdg != NULL && xdg[0] == '/') {
        return file_join(out, PATH_MAX, xdg, "kubetape", err);
    }
    const char *home = store_home_folder();
    if (home == NULL) {
        return error_set(err, STATUS_NOT_FOUND,
            "no home folder: name the state folder with --state");
    }
    return file_join(out, PATH_MAX, home, ".local/state/kubetape", err);
}

enum status
store_folder(const char *flag, char out[PATH_MAX], struct error *err)
{
    const char *named = flag;
    if (named == NULL || named[0] == '\0') {
        named = getenv("KUBETAPE_STATE");
    }
    enum status st = named == NULL || named[0] == '\0'
                         ? default_folder(out, err)
                         : absolute(named, out, err);
    if (st == STATUS_OK) {
        drop_trailing_slashes(out);
    }
    return st;
}

/* ---- Recordings ---- */

void
store_entry_init(struct store_entry *e)
{
    e->is_indexed = false;
    e->path[0] = '\0';
    meta_init(&e->meta);
}

void
store_entry_fini(struct store_entry *e)
{
    meta_fini(&e->meta);
}

static bool
is_id_prefix(const char *text)
{
    const size_t len = strlen(text);
    return len > 0 && len <= UUID_TEXT_LEN &&
           strspn(text, "0123456789abcdef-") == len;
}

/* "several sessions begin with 0193: 0193…, 0193…", with the second in `m`
 * and more to come. */
static enum status
list_candidates(struct query *q, const char *prefix, const struct uuid *first,
    struct meta *m, struct error *err)
{
    char id[UUID_TEXT_LEN + 1];
    char list[PLAYER_CANDIDATES_MAX * (UUID_TEXT_LEN + 2) + 8];
    size_t len = 0;
    uuid_format(first, id);
    len += (size_t)snprintf(list, sizeof list, "%s", id);
    enum status st = STATUS_OK;
    size_t count = 1;
    while (st == STATUS_OK && count < PLAYER_CANDIDATES_MAX) {
        uuid_format(&m->id, id);
        len += (size_t)snprintf(list + len, sizeof list - len, ", %s", id);
        count++;
        st = query_next(q, m, err);
    }
    const char *more = st == STATUS_OK ? ", …" : "";
    return error_set(err, STATUS_LIMIT, "several sessions begin with %s: %s%s",
        prefix, list, more);
}

static enum status
tell_removed(const struct query_note *note, struct error *err)
{
    char id[UUID_TEXT_LEN + 1];
    char when[CLOCK_TEXT_MAX];
    struct buf by;
    uuid_format(&note->id, id);
    clock_format(note->at_us, when);
    buf_init(&by, 8 * LEDGER_WHY_MAX);
    enum status st = display_escape(span_str(note->who), &by);
    if (st == STATUS_OK) {
        st = buf_append_str(&by, ": ");
    }
    if (st == STATUS_OK) {
        st = display_escape(span_str(note->reason), &by);
    }
    st = st == STATUS_OK
             ? error_set(err, STATUS_NOT_FOUND,
                   "the recording of session %s was removed on %s by %.*s", id,
                   when, (int)by.len, (const char *)buf_view(&by).ptr)
             : error_set(err, st, "out of memory");
    buf_fini(&by);
    return st;
}

/* What is to be said of an ID that the index has no session of. */
static enum status
not_found(struct query *q, const char *prefix, struct error *err)
{
    struct query_note note;
    const enum status st = query_note_of(q, QUERY_REMOVED, prefix, &note, err);
    if (st == STATUS_CLOSED) {
        return error_set(
            err, STATUS_NOT_FOUND, "no session has the ID %s", prefix);
    }
    if (st != STATUS_OK) {
        return st;
    }
    return tell_removed(&note, err);
}

/* The one session that begins so goes to `m`. */
static enum status
find_one(struct query *q, const char *prefix, struct meta *m, struct error *err)
{
    struct meta next;
    meta_init(&next);
    enum status st = query_find_prefix(q, prefix, err);
    if (st == STATUS_OK) {
        st = query_next(q, m, err);
    }
    if (st == STATUS_CLOSED) {
        st = not_found(q, prefix, err);
    } else if (st == STATUS_OK) {
        st = query_next(q, &next, err);
        if (st == STATUS_OK) {
            st = list_candidates(q, prefix, &m->id, &next, err);
        } else if (st == STATUS_CLOSED) {
            st = STATUS_OK;
        }
    }
    meta_fini(&next);
    return st;
}

enum status
store_find_id(const char *state, const char *id, struct store_entry *out,
    struct error *err)
{
    if (!is_id_prefix(id)) {
        return error_set(err, STATUS_NOT_FOUND,
            "\"%.64s\" is neither a file nor the ID of a session", id);
    }
    char path[PATH_MAX];
    struct query *q = NULL;
    enum status st = file_join(path, sizeof path, state, INDEX_FILE, err);
    if (st == STATUS_OK) {
        st = query_open(path, &q, err);
        if (st == STATUS_NOT_FOUND) {
            error_set(err, st, "no session has the ID %s: %s has no recordings",
                id, state);
        }
    }
    if (st == STATUS_OK) {
        st = find_one(q, id, &out->meta, err);
    }
    if (st == STATUS_OK) {
        out->is_indexed = true;
        out->path[0] = '\0';
        if (out->meta.file[0] != '\0') {
            st = file_join(
                out->path, sizeof out->path, state, out->meta.file, err);
        }
    }
    query_close(&q);
    return st;
}

enum status
store_find_hold(const char *state, const struct uuid *id,
    struct query_note *out, bool *is_held_out, struct error *err)
{
    char path[PATH_MAX];
    char text[UUID_TEXT_LEN + 1];
    struct query *q = NULL;
    enum status st = file_join(path, sizeof path, state, INDEX_FILE, err);
    if (st == STATUS_OK) {
        st = query_open(path, &q, err);
    }
    if (st == STATUS_OK) {
        uuid_format(id, text);
        st = query_note_of(q, QUERY_HELD, text, out, err);
        *is_held_out = st == STATUS_OK;
    }
    query_close(&q);
    return st == STATUS_CLOSED ? STATUS_OK : st;
}

static bool
ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text);
    const size_t end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool
is_path(const char *name)
{
    return strchr(name, '/') != NULL || ends_with(name, ".cast") ||
           ends_with(name, ".zst") || ends_with(name, ".age") ||
           access(name, F_OK) == 0;
}

/* Whether a session has a file by now. While one runs that will be encrypted,
 * its text is where auditors do not read. */
static enum status
is_readable(const char *name, const struct store_entry *e, struct error *err)
{
    const struct meta *m = &e->meta;
    if (e->path[0] == '\0') {
        return error_set(err, STATUS_NOT_FOUND,
            "session %s has no recording (%s%s%s)", name,
            meta_status_name(m->status), m->reason[0] == '\0' ? "" : ": ",
            m->reason);
    }
    if (m->status == META_ACTIVE && ends_with(e->path, ".age")) {
        return error_set(err, STATUS_DENIED,
            "session %s is encrypted when it has ended; it cannot be read "
            "while it runs",
            name);
    }
    return STATUS_OK;
}

enum status
store_find(const char *state, const char *name, struct store_entry *out,
    struct error *err)
{
    if (is_path(name)) {
        out->is_indexed = false;
        const int len = snprintf(out->path, sizeof out->path, "%s", name);
        return len >= 0 && (size_t)len < sizeof out->path
                   ? STATUS_OK
                   : error_set(err, STATUS_LIMIT, "too long a path");
    }
    const enum status st = store_find_id(state, name, out, err);
    return st == STATUS_OK ? is_readable(name, out, err) : st;
}
