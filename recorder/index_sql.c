/* See index_sql.h. */
#include "recorder/index_sql.h"

#include <assert.h>
#include <sqlite3.h>

/* The statement that lacks a binding for which there was no memory, until it is
 * released. The next binding hides SQLite's own word of it, and a SELECT by an
 * id that is NULL would find nothing, as if there were no such row. */
static sqlite3_stmt *unbound;

enum status
index_sql_failed(sqlite3 *db, const char *what, struct error *err)
{
    enum status st = STATUS_IO;
    switch (sqlite3_errcode(db) & 0xff) { /* without the extended part */
    case SQLITE_FULL:
        st = STATUS_NO_SPACE;
        break;
    case SQLITE_NOMEM:
    case SQLITE_OK: /* of a binding since: see unbound */
        st = STATUS_NO_MEMORY;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        st = STATUS_CORRUPT;
        break;
    default:
        break;
    }
    return error_set(err, st, "index: %s: %s", what, sqlite3_errmsg(db));
}

enum status
index_sql_execute(sqlite3 *db, const char *sql, struct error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? STATUS_OK
               : index_sql_failed(db, "execute", err);
}

enum status
index_sql_prepare(sqlite3 *db, const char *const sql[], int count,
    sqlite3_stmt *out[], struct error *err)
{
    for (int i = 0; i < count; i++) {
        if (sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                &out[i], NULL) != SQLITE_OK) {
            return index_sql_failed(db, sql[i], err);
        }
    }
    return STATUS_OK;
}

void
index_sql_finalize(sqlite3_stmt *statements[], int count)
{
    for (int i = 0; i < count; i++) {
        (void)sqlite3_finalize(statements[i]); /* NULL is fine */
        statements[i] = NULL;
    }
}

void
index_sql_bind_text(sqlite3_stmt *stmt, const char *name, const char *text)
{
    const int at = sqlite3_bind_parameter_index(stmt, name);
    assert(at > 0);
    if (sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT) != SQLITE_OK) {
        unbound = stmt;
    }
}

void
index_sql_bind_int(sqlite3_stmt *stmt, const char *name, int64_t value)
{
    const int at = sqlite3_bind_parameter_index(stmt, name);
    assert(at > 0);
    (void)sqlite3_bind_int64(stmt, at, value);
}

void
index_sql_bind_uuid(sqlite3_stmt *stmt, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    index_sql_bind_text(stmt, name, text);
}

int
index_sql_step(sqlite3_stmt *stmt)
{
    return stmt == unbound ? SQLITE_NOMEM : sqlite3_step(stmt);
}

void
index_sql_release(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt); /* repeats the error that step reported */
    (void)sqlite3_clear_bindings(stmt);
    if (unbound == stmt) {
        unbound = NULL;
    }
}

enum status
index_sql_run(
    sqlite3 *db, sqlite3_stmt *stmt, const char *what, struct error *err)
{
    enum status st = STATUS_OK;
    if (index_sql_step(stmt) != SQLITE_DONE) {
        st = index_sql_failed(db, what, err);
    }
    index_sql_release(stmt);
    return st;
}

enum status
index_sql_number(sqlite3 *db, sqlite3_stmt *stmt, const char *what,
    int64_t *out, struct error *err)
{
    enum status st = STATUS_OK;
    const int code = index_sql_step(stmt);
    if (code == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
    } else if (code == SQLITE_DONE) {
        *out = 0;
    } else {
        st = index_sql_failed(db, what, err);
    }
    index_sql_release(stmt);
    return st;
}
