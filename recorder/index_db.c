/* See index_db.h. */
#include "recorder/index_db.h"

#include "recorder/limits.h"
#include "schema/index.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
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
    STMT_STATUS,
    STMT_ACTIVE,
    STMT_FAIL,
    STMT_COUNT,
};

/* The lists come as the JSON that meta_encode wrote, so that their text is
 * the same everywhere. */
static const char *const statement_sql[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_PUT] =
        "INSERT INTO sessions (id, status, type, user, groups, uid, source,"
        " cluster, namespace, pod, container, command, tty, protocol,"
        " subprotocol, start_us, end_us, exit_code, reason, bytes_stdin,"
        " bytes_stdout, bytes_stderr, file, size, sealed, user_agent,"
        " kubectl_session, kubectl_command, stdin_recorded)"
        " VALUES (:id, :status, :type, :user,"
        " coalesce(json_extract(:facts, '$.groups'), '[]'), :uid, :source,"
        " :cluster, :namespace, :pod, :container,"
        " coalesce(json_extract(:facts, '$.command'), '[]'), :tty, :protocol,"
        " :subprotocol, :start_us, :end_us, :exit_code, :reason,"
        " :bytes_stdin, :bytes_stdout, :bytes_stderr, :file, :size, :sealed,"
        " :user_agent, :kubectl_session, :kubectl_command, :stdin_recorded)"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status,"
        " type = excluded.type, user = excluded.user,"
        " groups = excluded.groups, uid = excluded.uid, pod = excluded.pod,"
        " container = excluded.container, command = excluded.command,"
        " subprotocol = excluded.subprotocol, end_us = excluded.end_us,"
        " exit_code = excluded.exit_code, reason = excluded.reason,"
        " bytes_stdin = excluded.bytes_stdin,"
        " bytes_stdout = excluded.bytes_stdout,"
        " bytes_stderr = excluded.bytes_stderr, file = excluded.file,"
        " size = excluded.size, sealed = excluded.sealed",
    [STMT_STATUS] = "SELECT status FROM sessions WHERE id = :id",
    [STMT_ACTIVE] = "SELECT id, file FROM sessions WHERE status = 'active'",
    [STMT_FAIL] = ("UPDATE sessions SET status = 'failed', reason = :reason,"
                   " end_us = start_us WHERE id = :id AND status = 'active'"),
};

struct index_db {
    sqlite3 *db;
    sqlite3_stmt *statements[STMT_COUNT];
    bool is_in_batch;
};

static enum status
failed(struct index_db *db, const char *what, struct error *err)
{
    const int code = sqlite3_errcode(db->db);
    const enum status st =
        code == SQLITE_FULL
            ? STATUS_NO_SPACE
            : (code == SQLITE_NOMEM ? STATUS_NO_MEMORY : STATUS_IO);
    return error_set(err, st, "index: %s: %s", what, sqlite3_errmsg(db->db));
}

/* --- statements ---------------------------------------------------------- */

static void
bind_text(sqlite3_stmt *stmt, const char *name, const char *text)
{
    const int at = sqlite3_bind_parameter_index(stmt, name);
    assert(at > 0);
    /* A failure (no memory) leaves NULL, which NOT NULL refuses. */
    (void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
}

static void
bind_int(sqlite3_stmt *stmt, const char *name, int64_t value)
{
    const int at = sqlite3_bind_parameter_index(stmt, name);
    assert(at > 0);
    (void)sqlite3_bind_int64(stmt, at, value);
}

static void
bind_uuid(sqlite3_stmt *stmt, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    bind_text(stmt, name, text);
}

static void
release(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt); /* repeats the error that step reported */
    (void)sqlite3_clear_bindings(stmt);
}

/* Runs a statement that gives no rows. */
static enum status
run(struct index_db *db, enum statement which, const char *what,
    struct error *err)
{
    sqlite3_stmt *stmt = db->statements[which];
    enum status st = STATUS_OK;
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        st = failed(db, what, err);
    }
    release(stmt);
    return st;
}

/* --- opening ------------------------------------------------------------- */

static enum status
execute(struct index_db *db, const char *sql, struct error *err)
{
    return sqlite3_exec(db->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? STATUS_OK
               : failed(db, "execute", err);
}

static enum status
user_version(struct index_db *db, int *out, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum status st = STATUS_OK;
    if (sqlite3_prepare_v2(db->db, "PRAGMA user_version", -1, &stmt, NULL) !=
            SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        st = failed(db, "user_version", err);
    } else {
        *out = sqlite3_column_int(stmt, 0);
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

static enum status
migrate(struct index_db *db, int version, struct error *err)
{
    while (version < INDEX_VERSION) {
        enum status st = execute(db, "BEGIN IMMEDIATE", err);
        if (st == STATUS_OK) {
            st = execute(db, index_migration(version), err);
        }
        if (st == STATUS_OK) {
            st = execute(db, "COMMIT", err);
        }
        if (st != STATUS_OK) {
            (void)execute(db, "ROLLBACK", NULL);
            return st;
        }
        version++;
    }
    return STATUS_OK;
}

static enum status
prepare(struct index_db *db, struct error *err)
{
    for (int i = 0; i < STMT_COUNT; i++) {
        if (sqlite3_prepare_v3(db->db, statement_sql[i], -1,
                SQLITE_PREPARE_PERSISTENT, &db->statements[i],
                NULL) != SQLITE_OK) {
            return failed(db, statement_sql[i], err);
        }
    }
    return STATUS_OK;
}

/* SQLite would make the file with the umask's mode, and its -wal and -shm
 * files take theirs from it. */
static enum status
make_private(const char *path, bool *is_new_out, struct error *err)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) {
        return error_sys(err, errno, "create %s", path);
    }
    *is_new_out = fd >= 0;
    if (fd >= 0) {
        (void)close(fd); /* empty */
    }
    return STATUS_OK;
}

static enum status
set_up(
    struct index_db *db, const char *path, bool *is_new_out, struct error *err)
{
    if (sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READWRITE, NULL) !=
        SQLITE_OK) {
        return failed(db, path, err);
    }
    (void)sqlite3_busy_timeout(db->db, BUSY_MS);
    enum status st = execute(db,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        " PRAGMA cell_size_check = ON",
        err);
    int version = 0;
    if (st == STATUS_OK) {
        st = user_version(db, &version, err);
    }
    if (st == STATUS_OK && version > INDEX_VERSION) {
        return error_set(err, STATUS_UNSUPPORTED,
            "%s has version %d, this build writes %d", path, version,
            INDEX_VERSION);
    }
    *is_new_out = *is_new_out || version == 0;
    if (st == STATUS_OK) {
        st = migrate(db, version, err);
    }
    return st == STATUS_OK ? prepare(db, err) : st;
}

enum status
index_db_open(const char *path, struct index_db **out, bool *is_new_out,
    struct error *err)
{
    bool is_new = false;
    enum status st = make_private(path, &is_new, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct index_db *db = calloc(1, sizeof *db);
    if (db == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the index");
    }
    st = set_up(db, path, &is_new, err);
    if (st == STATUS_OK) {
        *out = db;
        *is_new_out = is_new;
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
    for (int i = 0; i < STMT_COUNT; i++) {
        (void)sqlite3_finalize((*db)->statements[i]);
    }
    (void)sqlite3_close((*db)->db); /* nothing is open on it any more */
    free(*db);
    *db = NULL;
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
    bind_uuid(stmt, ":id", &m->id);
    bind_text(stmt, ":status", meta_status_name(m->status));
    bind_text(stmt, ":type", meta_type_name(m->type));
    bind_text(stmt, ":user", m->user);
    bind_text(stmt, ":uid", m->uid);
    bind_text(stmt, ":source", m->source);
    bind_text(stmt, ":cluster", m->cluster);
    bind_text(stmt, ":namespace", m->namespace);
    bind_text(stmt, ":pod", m->pod);
    bind_text(stmt, ":container", m->container);
    bind_int(stmt, ":tty", m->tty);
    bind_text(stmt, ":protocol", meta_protocol_name(m->protocol));
    bind_text(stmt, ":subprotocol", m->subprotocol);
    bind_text(stmt, ":user_agent", m->user_agent);
    bind_text(stmt, ":kubectl_session", m->kubectl_session);
    bind_text(stmt, ":kubectl_command", m->kubectl_command);
    bind_int(stmt, ":stdin_recorded", m->stdin_recorded);
}

static int64_t
clamped(uint64_t n)
{
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static void
bind_outcome(sqlite3_stmt *stmt, const struct meta *m)
{
    bind_int(stmt, ":start_us", m->start_us);
    if (m->end_us != 0) { /* else NULL */
        bind_int(stmt, ":end_us", m->end_us);
    }
    if (m->has_exit) {
        bind_int(stmt, ":exit_code", m->exit_code);
    }
    bind_text(stmt, ":reason", m->reason);
    bind_int(stmt, ":bytes_stdin", clamped(m->bytes[STREAM_STDIN]));
    bind_int(stmt, ":bytes_stdout", clamped(m->bytes[STREAM_STDOUT]));
    bind_int(stmt, ":bytes_stderr", clamped(m->bytes[STREAM_STDERR]));
    bind_text(stmt, ":file", m->file);
    bind_int(stmt, ":size", clamped(m->size));
    bind_int(stmt, ":sealed", m->sealed);
}

enum status
index_db_put(struct index_db *db, const struct meta *m, struct error *err)
{
    sqlite3_stmt *stmt = db->statements[STMT_PUT];
    struct buf facts;
    const char *json;
    buf_init(&facts, RECORDER_CLOSING_TEXT_MAX);
    enum status st = meta_encode(m, META_PART_ALL, &facts);
    if (st == STATUS_OK) {
        st = buf_cstr(&facts, &json);
    }
    if (st == STATUS_OK) {
        bind_text(stmt, ":facts", json);
        bind_facts(stmt, m);
        bind_outcome(stmt, m);
        st = run(db, STMT_PUT, "session row", err);
    } else {
        st = error_set(err, st, "no memory for a session row");
    }
    buf_fini(&facts);
    return st;
}

enum status
index_db_status(struct index_db *db, const struct uuid *id,
    enum meta_status *out, struct error *err)
{
    sqlite3_stmt *stmt = db->statements[STMT_STATUS];
    bind_uuid(stmt, ":id", id);
    enum status st = STATUS_OK;
    const int code = sqlite3_step(stmt);
    if (code == SQLITE_DONE) {
        st = error_set(err, STATUS_NOT_FOUND, "the index has no such session");
    } else if (code != SQLITE_ROW) {
        st = failed(db, "status", err);
    } else if (!meta_status_parse(
                   (const char *)sqlite3_column_text(stmt, 0), out)) {
        st = error_set(err, STATUS_CORRUPT, "the index has a wrong status");
    }
    release(stmt);
    return st;
}

enum status
index_db_each_active(
    struct index_db *db, index_db_fn *fn, void *ctx, struct error *err)
{
    sqlite3_stmt *stmt = db->statements[STMT_ACTIVE];
    enum status st = STATUS_OK;
    int code = sqlite3_step(stmt);
    while (st == STATUS_OK && code == SQLITE_ROW) {
        struct uuid id;
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        const char *file = (const char *)sqlite3_column_text(stmt, 1);
        if (uuid_parse(span_str(text), &id)) {
            st = fn(ctx, &id, file, err);
        }
        if (st == STATUS_OK) {
            code = sqlite3_step(stmt);
        }
    }
    if (st == STATUS_OK && code != SQLITE_DONE) {
        st = failed(db, "active sessions", err);
    }
    release(stmt);
    return st;
}

enum status
index_db_fail(struct index_db *db, const struct uuid *id, const char *reason,
    struct error *err)
{
    sqlite3_stmt *stmt = db->statements[STMT_FAIL];
    bind_uuid(stmt, ":id", id);
    bind_text(stmt, ":reason", reason);
    return run(db, STMT_FAIL, "failed row", err);
}
