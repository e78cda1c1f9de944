/* Statements on the index's connection, for the recorder's index_*.c alone:
 * bound by name, stepped and reset in one place. */
#ifndef RECORDER_INDEX_SQL_H
#define RECORDER_INDEX_SQL_H

#include "base/status.h"
#include "base/uuid.h"

struct sqlite3;
struct sqlite3_stmt;
struct index_db;

struct sqlite3 *index_db_connection(const struct index_db *db);

/* What the connection's last call says: STATUS_NO_SPACE, STATUS_NO_MEMORY,
 * STATUS_CORRUPT (damaged, or no database) or STATUS_IO. */
enum status index_sql_failed(
    struct sqlite3 *db, const char *what, struct error *err);

enum status index_sql_execute(
    struct sqlite3 *db, const char *sql, struct error *err) MUST_CHECK;
/* Statements that live as long as the connection; those made so far are in
 * `out` when it fails. */
enum status index_sql_prepare(struct sqlite3 *db, const char *const sql[],
    int count, struct sqlite3_stmt *out[], struct error *err) MUST_CHECK;
void index_sql_finalize(struct sqlite3_stmt *statements[], int count);

/* After a failure (no memory) the statement's next step says so. */
void index_sql_bind_text(
    struct sqlite3_stmt *stmt, const char *name, const char *text);
void index_sql_bind_int(
    struct sqlite3_stmt *stmt, const char *name, int64_t value);
void index_sql_bind_uuid(
    struct sqlite3_stmt *stmt, const char *name, const struct uuid *id);

/* sqlite3_step, but SQLITE_NOMEM when a binding failed. */
int index_sql_step(struct sqlite3_stmt *stmt) MUST_CHECK;
/* Resets it, its bindings too. */
void index_sql_release(struct sqlite3_stmt *stmt);
/* Runs one that gives no rows, and releases it. */
enum status index_sql_run(struct sqlite3 *db, struct sqlite3_stmt *stmt,
    const char *what, struct error *err) MUST_CHECK;
/* One number, 0 when there is no row or it is NULL; releases it. */
enum status index_sql_number(struct sqlite3 *db, struct sqlite3_stmt *stmt,
    const char *what, int64_t *out, struct error *err) MUST_CHECK;

#endif
