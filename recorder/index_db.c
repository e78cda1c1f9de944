/* See index_db.h. */
#include "recorder/index_db.h"

#include "base/file.h"
#include "recorder/index_sql.h"
#include "recorder/limits.h"
#include "schema/index.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Readers never hold the database for long; this only rides out their
 * checkpoints. */
#define BUSY_MS 5000

enum statement {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_PUT,
    STMT_REPLACE,
    STMT_STATUS,
    STMT_ACTIVE,
    STMT_FAIL,
    STMT_REMOVED,
    STMT_COUNT,
};

/* A row whole. The lists come as the JSON that meta_encode wrote, so that
 * their text is the same everywhere. */
#define INTO_SESSIONS                                                       \
    "INTO sessions (id, status, type, user, groups, uid, source,"           \
    " cluster, namespace, pod, container, command, tty, protocol,"          \
    " subprotocol, start_us, end_us, exit_code, reason, bytes_stdin,"       \
    " bytes_stdout, bytes_stderr, file, size, sealed, user_agent,"          \
    " kubectl_session, kubectl_command, stdin_recorded, record, gap_count," \
    " gap_bytes)"                                                           \
    " VALUES (:id, :status, :type, :user,"                                  \
    " coalesce(json_extract(:facts, '$.groups'), '[]'), :uid, :source,"     \
    " :cluster, :namespace, :pod, :container,"                              \
    " coalesce(json_extract(:facts, '$.command'), '[]'), :tty, :protocol,"  \
    " :subprotocol, :start_us, :end_us, :exit_code, :reason,"               \
    " :bytes_stdin, :bytes_stdout, :bytes_stderr, :file, :size, :sealed,"   \
    " :user_agent, :kubectl_session, :kubectl_command, :stdin_recorded,"    \
    " :record, :gap_count, :gap_bytes)"

static const char *const statement_sql[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_PUT] =
        "INSERT " INTO_SESSIONS
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status,"
        " type = excluded.type, user = excluded.user,"
        " groups = excluded.groups, uid = excluded.uid, pod = excluded.pod,"
        " container = excluded.container, command = excluded.command,"
        " subprotocol = excluded.subprotocol, end_us = excluded.end_us,"
        " exit_code = excluded.exit_code, reason = excluded.reason,"
        " bytes_stdin = excluded.bytes_stdin,"
        " bytes_stdout = excluded.bytes_stdout,"
        " bytes_stderr = excluded.bytes_stderr, file = excluded.file,"
        " size = excluded.size, sealed = excluded.sealed,"
        " gap_count = excluded.gap_count, gap_bytes = excluded.gap_bytes",
    [STMT_REPLACE] = "INSERT OR REPLACE " INTO_SESSIONS,
    [STMT_STATUS] = "SELECT status FROM sessions WHERE id = :id",
    [STMT_ACTIVE] = "SELECT id, file FROM sessions WHERE status = 'active'",
    [STMT_FAIL] = ("UPDATE sessions SET status = 'failed', reason = :reason,"
                   " end_us = start_us WHERE id = :id AND status = 'active'"),
    [STMT_REMOVED] = "SELECT 1 FROM removed WHERE session = :id",
};

struct index_db {
    sqlite3 *db;
    sqlite3_stmt *statements[STMT_COUNT];
    bool is_in_batch;
};

/* Runs a statement that gives no rows. */
static enum status
run(struct index_db *db, enum statement which, const char *what,
    struct error *err)
{
    return index_sql_run(db->db, db->statements[which], what, err);
}

struct sqlite3 *
index_db_connection(const struct index_db *db)
{
    return db->db;
}

/* --- opening ------------------------------------------------------------- */

/* The one number that a query gives. */
static enum status
ask(struct index_db *db, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum status st = index_sql_prepare(db->db, &sql, 1, &stmt, err);
    if (st == STATUS_OK) {
        st = index_sql_number(db->db, stmt, sql, out, err);
    }
    index_sql_finalize(&stmt, 1);
    return st;
}

/* An index that is damaged where nobody looks yet is better known now, when
 * it can be made again, than when a session has ended. Larger ones would keep
 * sessions waiting. */
static enum status
check(struct index_db *db, struct error *err)
{
    int64_t bytes = 0;
    int64_t is_sound = 0;
    enum status st = ask(db,
        "SELECT page_count * page_size FROM pragma_page_count,"
        " pragma_page_size",
        &bytes, err);
    if (st != STATUS_OK || bytes > RECORDER_INDEX_CHECK_MAX) {
        return st;
    }
    st = ask(db, "SELECT quick_check = 'ok' FROM pragma_quick_check(1)",
        &is_sound, err);
    return st == STATUS_OK && !is_sound
               ? error_set(err, STATUS_CORRUPT, "index: its pages are damaged")
               : st;
}

static enum status
migrate(struct index_db *db, int64_t version, struct error *err)
{
    while (version < INDEX_VERSION) {
        enum status st = index_sql_execute(db->db, "BEGIN IMMEDIATE", err);
        if (st == STATUS_OK) {
            st = index_sql_execute(db->db, index_migration((int)version), err);
        }
        if (st == STATUS_OK) {
            st = index_sql_execute(db->db, "COMMIT", err);
        }
        if (st != STATUS_OK) {
            /* It may have rolled back by itself: then this one fails. */
            (void)sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
            return st;
        }
        version++;
    }
    return STATUS_OK;
}

/* SQLite would make the file with the umask's mode, and its -wal and -shm
 * files take theirs from it. */
static enum status
make_private(const char *path, struct error *err)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) {
        return error_sys(err, errno, "create %s", path);
    }
    if (fd >= 0) {
        (void)close(fd); /* empty */
    }
    return STATUS_OK;
}

static enum status
set_up(struct index_db *db, const char *path, bool *is_partial_out,
    struct error *err)
{
    if (sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READWRITE, NULL) !=
        SQLITE_OK) {
        return index_sql_failed(db->db, path, err);
    }
    (void)sqlite3_busy_timeout(db->db, BUSY_MS);
    enum status st = index_sql_execute(db->db,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        " PRAGMA cell_size_check = ON",
        err);
    int64_t version = 0;
    if (st == STATUS_OK) {
        st = ask(db, "PRAGMA user_version", &version, err);
    }
    if (st == STATUS_OK && version > INDEX_VERSION) {
        return error_set(err, STATUS_UNSUPPORTED,
            "%s has version %d, this build writes %d", path, (int)version,
            INDEX_VERSION);
    }
    if (st == STATUS_OK) {
        st = check(db, err);
    }
    if (st == STATUS_OK) {
        st = migrate(db, version, err);
    }
    int64_t is_partial = 0;
    if (st == STATUS_OK) {
        st = ask(db, "SELECT count(*) > 0 FROM rebuilding", &is_partial, err);
    }
    *is_partial_out = is_partial != 0;
    return st == STATUS_OK ? index_sql_prepare(db->db, statement_sql,
                                 STMT_COUNT, db->statements, err)
                           : st;
}

enum status
index_db_open(const char *path, struct index_db **out, bool *is_partial_out,
    struct error *err)
{
    bool is_partial = false;
    enum status st = make_private(path, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct index_db *db = calloc(1, sizeof *db);
    if (db == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the index");
    }
    st = set_up(db, path, &is_partial, err);
    if (st == STATUS_OK) {
        *out = db;
        *is_partial_out = is_partial;
        db = NULL; /* the caller's now */
    }
    index_db_close(&db);
    return st;
}

void
index_db_close(struct index_db **db)
{
    if (*db == NULL) {
        return;
    }
    index_sql_finalize((*db)->statements, STMT_COUNT);
    (void)sqlite3_close((*db)->db); /* nothing is open on it any more */
    free(*db);
    *db = NULL;
}

enum status
index_db_put_aside(const char *path, int64_t wall_us, struct error *err)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char from[PATH_MAX + 8];
        char to[PATH_MAX + 64];
        snprintf(from, sizeof from, "%s%s", path, parts[i]);
        snprintf(to, sizeof to, "%s.damaged-%lld%s", path, (long long)wall_us,
            parts[i]);
        if (rename(from, to) != 0 && errno != ENOENT) {
            return error_sys(err, errno, "rename %s", from);
        }
    }
    return file_fsync_parent(path, err);
}

/* --- batches ------------------------------------------------------------- */

enum status
index_db_begin(struct index_db *db, struct error *err)
{
    if (db->is_in_batch) {
        return STATUS_OK;
    }
    const enum status st = run(db, STMT_BEGIN, "begin", err);
    db->is_in_batch = st == STATUS_OK;
    return st;
}

enum status
index_db_commit(struct index_db *db, struct error *err)
{
    if (!db->is_in_batch) {
        return STATUS_OK;
    }
    const enum status st = run(db, STMT_COMMIT, "commit", err);
    if (st == STATUS_OK) {
        db->is_in_batch = false;
    }
    return st;
}

void
index_db_rollback(struct index_db *db)
{
    if (db->is_in_batch) {
        /* SQLite may have rolled back by itself: then this one fails, and the
         * batch is over all the same. */
        (void)run(db, STMT_ROLLBACK, "rollback", NULL);
        db->is_in_batch = false;
    }
}

/* --- rows ---------------------------------------------------------------- */

static void
bind_facts(sqlite3_stmt *stmt, const struct meta *m)
{
    index_sql_bind_uuid(stmt, ":id", &m->id);
    index_sql_bind_text(stmt, ":status", meta_status_name(m->status));
    index_sql_bind_text(stmt, ":type", meta_type_name(m->type));
    index_sql_bind_text(stmt, ":user", m->user);
    index_sql_bind_text(stmt, ":uid", m->uid);
    index_sql_bind_text(stmt, ":source", m->source);
    index_sql_bind_text(stmt, ":cluster", m->cluster);
    index_sql_bind_text(stmt, ":namespace", m->namespace);
    index_sql_bind_text(stmt, ":pod", m->pod);
    index_sql_bind_text(stmt, ":container", m->container);
    index_sql_bind_int(stmt, ":tty", m->tty);
    index_sql_bind_text(stmt, ":protocol", meta_protocol_name(m->protocol));
    index_sql_bind_text(stmt, ":subprotocol", m->subprotocol);
    index_sql_bind_text(stmt, ":user_agent", m->user_agent);
    index_sql_bind_text(stmt, ":kubectl_session", m->kubectl_session);
    index_sql_bind_text(stmt, ":kubectl_command", m->kubectl_command);
    index_sql_bind_int(stmt, ":stdin_recorded", m->stdin_recorded);
    index_sql_bind_text(stmt, ":record", meta_record_name(m->record));
}

static int64_t
clamped(uint64_t n)
{
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static void
bind_outcome(sqlite3_stmt *stmt, const struct meta *m)
{
    index_sql_bind_int(stmt, ":start_us", m->start_us);
    if (m->end_us != 0) { /* else NULL */
        index_sql_bind_int(stmt, ":end_us", m->end_us);
    }
    if (m->has_exit) {
        index_sql_bind_int(stmt, ":exit_code", m->exit_code);
    }
    index_sql_bind_text(stmt, ":reason", m->reason);
    index_sql_bind_int(stmt, ":gap_count", clamped(m->gap_count));
    index_sql_bind_int(stmt, ":gap_bytes", clamped(m->gap_bytes));
    index_sql_bind_int(stmt, ":bytes_stdin", clamped(m->bytes[STREAM_STDIN]));
    index_sql_bind_int(stmt, ":bytes_stdout", clamped(m->bytes[STREAM_STDOUT]));
    index_sql_bind_int(stmt, ":bytes_stderr", clamped(m->bytes[STREAM_STDERR]));
    index_sql_bind_text(stmt, ":file", m->file);
    index_sql_bind_int(stmt, ":size", clamped(m->size));
    index_sql_bind_int(stmt, ":sealed", m->sealed);
}

static enum status
put(struct index_db *db, enum statement which, const struct meta *m,
    struct error *err)
{
    sqlite3_stmt *stmt = db->statements[which];
    struct buf facts;
    const char *json;
    buf_init(&facts, RECORDER_CLOSING_TEXT_MAX);
    enum status st = meta_encode(m, META_PART_ALL, &facts);
    if (st == STATUS_OK) {
        st = buf_cstr(&facts, &json);
    }
    if (st == STATUS_OK) {
        index_sql_bind_text(stmt, ":facts", json);
        bind_facts(stmt, m);
        bind_outcome(stmt, m);
        st = run(db, which, "session row", err);
    } else {
        st = error_set(err, st, "no memory for a session row");
    }
    buf_fini(&facts);
    return st;
}

enum status
index_db_put(struct index_db *db, const struct meta *m, struct error *err)
{
    return put(db, STMT_PUT, m, err);
}

enum status
index_db_replace(struct index_db *db, const struct meta *m, struct error *err)
{
    return put(db, STMT_REPLACE, m, err);
}

enum status
index_db_was_removed(
    struct index_db *db, const struct uuid *id, bool *out, struct error *err)
{
    sqlite3_stmt *stmt = db->statements[STMT_REMOVED];
    int64_t was_removed = 0;
    index_sql_bind_uuid(stmt, ":id", id);
    const enum status st =
        index_sql_number(db->db, stmt, "removed", &was_removed, err);
    *out = was_removed != 0;
    return st;
}

enum status
index_db_status(struct index_db *db, const struct uuid *id,
    enum meta_status *out, struct error *err)
{
    sqlite3_stmt *stmt = db->statements[STMT_STATUS];
    index_sql_bind_uuid(stmt, ":id", id);
    enum status st = STATUS_OK;
    const int code = index_sql_step(stmt);
    if (code == SQLITE_DONE) {
        st = error_set(err, STATUS_NOT_FOUND, "the index has no such session");
    } else if (code != SQLITE_ROW) {
        st = index_sql_failed(db->db, "status", err);
    } else if (!meta_status_parse(
                   (const char *)sqlite3_column_text(stmt, 0), out)) {
        st = error_set(err, STATUS_CORRUPT, "the index has a wrong status");
    }
    index_sql_release(stmt);
    return st;
}

enum status
index_db_each_active(
    struct index_db *db, index_db_fn *fn, void *ctx, struct error *err)
{
    sqlite3_stmt *stmt = db->statements[STMT_ACTIVE];
    enum status st = STATUS_OK;
    int code = index_sql_step(stmt);
    while (st == STATUS_OK && code == SQLITE_ROW) {
        struct uuid id;
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        const char *file = (const char *)sqlite3_column_text(stmt, 1);
        if (uuid_parse(span_str(text), &id)) {
            st = fn(ctx, &id, file, err);
        }
        if (st == STATUS_OK) {
            code = index_sql_step(stmt);
        }
    }
    if (st == STATUS_OK && code != SQLITE_DONE) {
        st = index_sql_failed(db->db, "active sessions", err);
    }
    index_sql_release(stmt);
    return st;
}

enum status
index_db_fail(struct index_db *db, const struct uuid *id, const char *reason,
    struct error *err)
{
    sqlite3_stmt *stmt = db->statements[STMT_FAIL];
    index_sql_bind_uuid(stmt, ":id", id);
    index_sql_bind_text(stmt, ":reason", reason);
    return run(db, STMT_FAIL, "failed row", err);
}
