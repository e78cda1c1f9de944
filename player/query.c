/* One SELECT for all questions; a filter adds only the conditions it sets, so
 * that an index serves them. Globs over commands are fnmatch's, not SQL's. */
#include "player/query.h"

#include "player/limits.h"
#include "schema/index.h"
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long to wait for a writer that recovers the WAL after a crash. */
#define QUERY_BUSY_MS 2000

struct query {
    sqlite3 *db;
    sqlite3_stmt *walk;
    sqlite3_stmt *by_id;   /* prepared once: a whole store asks by it */
    sqlite3_stmt *current; /* which of the two is stepped */
    const char *command;   /* of the filter: not for SQL */
    uint64_t limit;
    uint64_t given;
};

/* One object a row, with meta's names, so that meta_decode reads it; times
 * are numbers and come beside it. */
static const char select_sql[] =
    "SELECT json_object('id', id, 'status', status, 'type', type,"
    " 'user', user, 'groups', json(groups), 'uid', uid, 'source', source,"
    " 'cluster', cluster, 'namespace', namespace, 'pod', pod,"
    " 'container', container, 'command', json(command),"
    " 'tty', json(iif(tty, 'true', 'false')), 'protocol', protocol,"
    " 'subprotocol', subprotocol, 'exit_code', exit_code, 'reason', reason,"
    " 'bytes', json_object('stdin', bytes_stdin, 'stdout', bytes_stdout,"
    " 'stderr', bytes_stderr), 'file', file, 'size', size,"
    " 'sealed', json(iif(sealed, 'true', 'false')), 'user_agent', user_agent,"
    " 'kubectl_session', kubectl_session, 'kubectl_command', kubectl_command,"
    " 'stdin_recorded', json(iif(stdin_recorded, 'true', 'false')),"
    " 'record', record, 'gaps', json_object('count', gap_count, 'bytes',"
    " gap_bytes)),"
    " start_us, ifnull(end_us, 0) FROM sessions";

static enum status
db_error(const struct query *q, struct error *err)
{
    const int code = sqlite3_errcode(q->db);
    const enum status st = code == SQLITE_CORRUPT || code == SQLITE_NOTADB
                               ? STATUS_CORRUPT
                               : STATUS_IO;
    return error_set(
        err, st, "the index cannot be read: %s", sqlite3_errmsg(q->db));
}

static enum status
prepare(struct query *q, const char *sql, struct error *err)
{
    sqlite3_finalize(q->walk);
    q->walk = NULL;
    if (sqlite3_prepare_v2(q->db, sql, -1, &q->walk, NULL) != SQLITE_OK) {
        return db_error(q, err);
    }
    q->current = q->walk;
    return STATUS_OK;
}

/* ---- Opening ---- */

static enum status
connect_as(struct query *q, const char *name, int flags, struct error *err)
{
    sqlite3_close(q->db);
    q->db = NULL;
    if (sqlite3_open_v2(name, &q->db, SQLITE_OPEN_READONLY | flags, NULL) !=
            SQLITE_OK ||
        sqlite3_busy_timeout(q->db, QUERY_BUSY_MS) != SQLITE_OK) {
        return q->db == NULL ? error_set(err, STATUS_NO_MEMORY, "out of memory")
                             : db_error(q, err);
    }
    return STATUS_OK;
}

/* An auditor who may read the folder but not write it cannot make the WAL's
 * shared memory. When no WAL is there, nobody writes either, and the file can
 * be taken as it is (sqlite.org/wal.html, "Read-Only Databases"). */
static enum status
connect_immutable(struct query *q, const char *path, struct error *err)
{
    static const char plain[] = "/.-_~"
                                "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    struct buf uri;
    const char *text = NULL;
    buf_init(&uri, 3 * PATH_MAX + 64);
    enum status st = buf_append_str(&uri, "file:");
    for (const char *p = path; st == STATUS_OK && *p != '\0'; p++) {
        st = strchr(plain, *p) != NULL
                 ? buf_append_u8(&uri, (uint8_t)*p)
                 : buf_printf(&uri, "%%%02X", (unsigned)(unsigned char)*p);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(&uri, "?immutable=1");
    }
    if (st == STATUS_OK) {
        st = buf_cstr(&uri, &text);
    }
    st = st == STATUS_OK ? connect_as(q, text, SQLITE_OPEN_URI, err)
                         : error_set(err, st, "out of memory");
    buf_fini(&uri);
    return st;
}

static bool
has_wal(const char *path)
{
    char wal[PATH_MAX + 8];
    snprintf(wal, sizeof wal, "%s-wal", path);
    return access(wal, F_OK) == 0;
}

/* What SQLite says when it cannot make the files that WAL needs. */
static bool
is_unwritable(const struct query *q)
{
    const int code = sqlite3_errcode(q->db);
    return code == SQLITE_CANTOPEN || code == SQLITE_READONLY;
}

static enum status
read_version(struct query *q, int *out, struct error *err)
{
    enum status st = prepare(q, "PRAGMA user_version", err);
    if (st == STATUS_OK && sqlite3_step(q->walk) != SQLITE_ROW) {
        st = db_error(q, err);
    }
    if (st == STATUS_OK) {
        *out = sqlite3_column_int(q->walk, 0);
    }
    sqlite3_finalize(q->walk);
    q->walk = NULL;
    return st;
}

static enum status
connect_checked(struct query *q, const char *path, struct error *err)
{
    int version = 0;
    enum status st = connect_as(q, path, 0, err);
    if (st == STATUS_OK) {
        st = read_version(q, &version, err);
    }
    if (st != STATUS_OK && is_unwritable(q) && !has_wal(path)) {
        st = connect_immutable(q, path, err);
        if (st == STATUS_OK) {
            st = read_version(q, &version, err);
        }
    }
    if (st == STATUS_OK && version == 0) { /* the recorder just makes it */
        st = error_set(err, STATUS_NOT_FOUND, "%s is empty", path);
    } else if (st == STATUS_OK && version != INDEX_VERSION) {
        st = error_set(err, STATUS_UNSUPPORTED,
            "%s is of version %d, this kubetape reads version %d", path,
            version, INDEX_VERSION);
    }
    return st;
}

enum status
query_open(const char *path, struct query **out, struct error *err)
{
    if (access(path, F_OK) != 0) {
        return error_sys(err, errno, "no index at %s", path);
    }
    struct query *q = calloc(1, sizeof *q);
    if (q == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    const enum status st = connect_checked(q, path, err);
    if (st == STATUS_OK) {
        *out = q;
        q = NULL;
    }
    query_close(&q);
    return st;
}

void
query_close(struct query **q)
{
    if (*q == NULL) {
        return;
    }
    sqlite3_finalize((*q)->walk);
    sqlite3_finalize((*q)->by_id);
    sqlite3_close((*q)->db);
    free(*q);
    *q = NULL;
}

/* ---- Walking ---- */

/* The conditions that a filter may set; SQL gets only those it does set, so
 * that an index serves them. */
struct condition {
    const char *sql;
    const char *text;      /* bound when not NULL */
    const int64_t *number; /* likewise */
};
#define CONDITIONS 8

static bool
is_set(const struct condition *c)
{
    return c->text != NULL || c->number != NULL;
}

static enum status
bind_all(struct query *q, const struct condition *c, struct error *err)
{
    int place = 1;
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < CONDITIONS; i++) {
        if (!is_set(&c[i])) {
            continue;
        }
        code = c[i].text != NULL
                   ? sqlite3_bind_text(
                         q->walk, place, c[i].text, -1, SQLITE_TRANSIENT)
                   : sqlite3_bind_int64(q->walk, place, *c[i].number);
        place++;
    }
    return code == SQLITE_OK ? STATUS_OK : db_error(q, err);
}

static enum status
prepare_filtered(struct query *q, const struct condition *c, struct error *err)
{
    struct buf sql;
    const char *text = NULL;
    const char *joint = " WHERE ";
    buf_init(&sql, PLAYER_LINE_MAX);
    enum status st = buf_append_str(&sql, select_sql);
    for (size_t i = 0; st == STATUS_OK && i < CONDITIONS; i++) {
        if (is_set(&c[i])) {
            st = buf_printf(&sql, "%s%s ?", joint, c[i].sql);
            joint = " AND ";
        }
    }
    if (st == STATUS_OK) {
        st = buf_append_str(&sql, " ORDER BY start_us DESC, id DESC");
    }
    if (st == STATUS_OK) {
        st = buf_cstr(&sql, &text);
    }
    st = st == STATUS_OK ? prepare(q, text, err)
                         : error_set(err, st, "out of memory");
    buf_fini(&sql);
    return st;
}

enum status
query_find(struct query *q, const struct query_filter *f, struct error *err)
{
    const struct condition conditions[CONDITIONS] = {
        {"user =", f->user, NULL},
        {"namespace =", f->namespace, NULL},
        {"pod =", f->pod, NULL},
        {"container =", f->container, NULL},
        {"type =", f->type, NULL},
        {"status =", f->status, NULL},
        {"start_us >=", NULL, f->since_us},
        {"start_us <", NULL, f->until_us},
    };
    q->command = f->command;
    q->limit = f->limit;
    q->given = 0;
    const enum status st = prepare_filtered(q, conditions, err);
    return st == STATUS_OK ? bind_all(q, conditions, err) : st;
}

static enum status
begin_with(
    struct query *q, sqlite3_stmt *stmt, const char *value, struct error *err)
{
    q->current = stmt;
    q->command = NULL;
    q->limit = 0;
    q->given = 0;
    return sqlite3_bind_text(stmt, 1, value, -1, SQLITE_TRANSIENT) == SQLITE_OK
               ? STATUS_OK
               : db_error(q, err);
}

enum status
query_find_prefix(struct query *q, const char *prefix, struct error *err)
{
    char sql[sizeof select_sql + 64];
    snprintf(sql, sizeof sql,
        "%s WHERE substr(id, 1, length(?1)) = ?1"
        " ORDER BY id",
        select_sql);
    const enum status st = prepare(q, sql, err);
    return st == STATUS_OK ? begin_with(q, q->walk, prefix, err) : st;
}

enum status
query_find_id(struct query *q, const struct uuid *id, struct error *err)
{
    char sql[sizeof select_sql + 32];
    char text[UUID_TEXT_LEN + 1];
    snprintf(sql, sizeof sql, "%s WHERE id = ?1", select_sql);
    uuid_format(id, text);
    if (q->by_id == NULL &&
        sqlite3_prepare_v2(q->db, sql, -1, &q->by_id, NULL) != SQLITE_OK) {
        return db_error(q, err);
    }
    (void)sqlite3_reset(q->by_id); /* its error was told by the last step */
    return begin_with(q, q->by_id, text, err);
}

static enum status
read_row(struct query *q, struct meta *m, struct error *err)
{
    const char *json = (const char *)sqlite3_column_text(q->current, 0);
    const int len = sqlite3_column_bytes(q->current, 0);
    if (json == NULL) {
        return db_error(q, err);
    }
    meta_fini(m);
    meta_init(m);
    const enum status st = meta_decode(span_of(json, (size_t)len), m, err);
    m->start_us = sqlite3_column_int64(q->current, 1);
    m->end_us = sqlite3_column_int64(q->current, 2);
    return st == STATUS_OK ? st : error_in(err, st, "the index");
}

/* The words as somebody would type a pattern for them: joined by spaces,
 * without quotes. */
static enum status
matches_command(const struct query *q, const struct meta *m, bool *out)
{
    *out = true;
    if (q->command == NULL) {
        return STATUS_OK;
    }
    struct buf line;
    const char *text = NULL;
    buf_init(&line, 2 * META_LIST_BYTES_MAX + META_LIST_MAX + 1);
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < m->command_count; i++) {
        st = buf_printf(&line, "%s%s", i > 0 ? " " : "", m->command[i]);
    }
    if (st == STATUS_OK) {
        st = buf_cstr(&line, &text);
    }
    if (st == STATUS_OK) {
        *out = fnmatch(q->command, text, 0) == 0;
    }
    buf_fini(&line);
    return st;
}

enum status
query_next(struct query *q, struct meta *m, struct error *err)
{
    while (q->limit == 0 || q->given < q->limit) {
        const int code = sqlite3_step(q->current);
        if (code == SQLITE_DONE) {
            break;
        }
        if (code != SQLITE_ROW) {
            return db_error(q, err);
        }
        bool passes = false;
        enum status st = read_row(q, m, err);
        if (st == STATUS_OK) {
            st = matches_command(q, m, &passes);
        }
        if (st != STATUS_OK) {
            return st;
        }
        if (passes) {
            q->given++;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_CLOSED, "no more sessions");
}

/* An ID that is none can only be somebody's doing, and names no session. */
static enum status
give_id(struct query *q, query_id_fn *fn, void *ctx, struct error *err)
{
    const char *text = (const char *)sqlite3_column_text(q->walk, 0);
    struct uuid id;
    if (text == NULL || !uuid_parse(span_str(text), &id)) {
        return error_set(err, STATUS_CORRUPT,
            "the index has a session of the ID \"%.64s\"",
            text == NULL ? "" : text);
    }
    return fn(ctx, &id, err);
}

enum status
query_each_id(struct query *q, query_id_fn *fn, void *ctx, struct error *err)
{
    enum status st = prepare(q, "SELECT id FROM sessions", err);
    while (st == STATUS_OK) {
        const int code = sqlite3_step(q->walk);
        if (code == SQLITE_DONE) {
            return STATUS_OK;
        }
        st = code == SQLITE_ROW ? give_id(q, fn, ctx, err) : db_error(q, err);
    }
    return st;
}

/* ---- What was said of sessions ---- */

static void
copy_text(sqlite3_stmt *stmt, int column, char out[LEDGER_WHY_MAX])
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    snprintf(out, LEDGER_WHY_MAX, "%s", text == NULL ? "" : text);
}

static enum status
read_note(struct query *q, struct query_note *out, struct error *err)
{
    const int code = sqlite3_step(q->walk);
    if (code == SQLITE_DONE) {
        return STATUS_CLOSED;
    }
    const char *id = code == SQLITE_ROW
                         ? (const char *)sqlite3_column_text(q->walk, 0)
                         : NULL;
    if (id == NULL) {
        return db_error(q, err);
    }
    if (!uuid_parse(span_str(id), &out->id)) {
        return error_set(err, STATUS_CORRUPT, "the index has a wrong id");
    }
    copy_text(q->walk, 1, out->who);
    copy_text(q->walk, 2, out->reason);
    out->at_us = sqlite3_column_int64(q->walk, 3);
    return STATUS_OK;
}

enum status
query_note_of(struct query *q, enum query_note_kind kind, const char *prefix,
    struct query_note *out, struct error *err)
{
    static const char *const sql[] = {
        [QUERY_HELD] = "SELECT session, who, reason, since_us FROM holds"
                       " WHERE session >= ?1 AND substr(session, 1,"
                       " length(?1)) = ?1 ORDER BY session LIMIT 1",
        [QUERY_REMOVED] = "SELECT session, who, reason, removed_us FROM removed"
                          " WHERE session >= ?1 AND substr(session, 1,"
                          " length(?1)) = ?1 ORDER BY session LIMIT 1",
    };
    enum status st = prepare(q, sql[kind], err);
    if (st == STATUS_OK && sqlite3_bind_text(q->walk, 1, prefix, -1,
                               SQLITE_TRANSIENT) != SQLITE_OK) {
        st = db_error(q, err);
    }
    return st == STATUS_OK ? read_note(q, out, err) : st;
}
