/* See index_rebuild.h. */
#include "recorder/index_rebuild.h"

#include "recorder/index_sql.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>

enum statement {
    STMT_NOTE,
    STMT_LAST,
    STMT_OLD,
    STMT_DROP,
    STMT_END,
    STMT_COUNT,
};

static const char *const statement_sql[STMT_COUNT] = {
    [STMT_NOTE] = "INSERT INTO rebuilding SELECT :at"
                  " WHERE NOT EXISTS (SELECT 1 FROM rebuilding)",
    [STMT_LAST] = "SELECT max(rowid) FROM sessions",
    [STMT_OLD] = "SELECT rowid, id, status, file,"
                 " id IN (SELECT session FROM removed) FROM sessions"
                 " WHERE rowid > :after AND rowid <= :last"
                 " ORDER BY rowid LIMIT :most",
    [STMT_DROP] = "DELETE FROM sessions WHERE rowid = :row",
    [STMT_END] = "DELETE FROM rebuilding",
};

struct index_rebuild {
    sqlite3 *db;
    struct index_db *index;
    sqlite3_stmt *statements[STMT_COUNT];
    int64_t after; /* swept up to this row */
    int64_t last;  /* rows behind it are of this rebuilding, or newer */
};

enum status
index_rebuild_begin(struct index_db *index, int64_t wall_us,
    struct index_rebuild **out, struct error *err)
{
    struct index_rebuild *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to rebuild");
    }
    r->index = index;
    r->db = index_db_connection(index);
    enum status st =
        index_sql_prepare(r->db, statement_sql, STMT_COUNT, r->statements, err);
    if (st == STATUS_OK) {
        st = index_db_begin(index, err);
    }
    if (st == STATUS_OK) {
        index_sql_bind_int(r->statements[STMT_NOTE], ":at", wall_us);
        st = index_sql_run(r->db, r->statements[STMT_NOTE], "rebuilding", err);
    }
    if (st == STATUS_OK) {
        st = index_sql_number(
            r->db, r->statements[STMT_LAST], "last row", &r->last, err);
    }
    if (st == STATUS_OK) {
        st = index_db_commit(index, err);
    }
    if (st == STATUS_OK) {
        *out = r;
        r = NULL;
    } else {
        index_db_rollback(index);
    }
    index_rebuild_close(&r);
    return st;
}

void
index_rebuild_close(struct index_rebuild **r)
{
    if (*r != NULL) {
        index_sql_finalize((*r)->statements, STMT_COUNT);
        free(*r);
        *r = NULL;
    }
}

/* One step's rows: what is dropped, and where the step ends. */
struct sweep {
    int64_t drops[INDEX_SWEEP_MAX];
    unsigned drop_count;
    unsigned count;
    int64_t at;
};

static enum status
look_at_row(sqlite3_stmt *stmt, struct sweep *sweep, index_old_row_fn *fn,
    void *ctx, struct error *err)
{
    const char *id = (const char *)sqlite3_column_text(stmt, 1);
    const char *status = (const char *)sqlite3_column_text(stmt, 2);
    const char *file = (const char *)sqlite3_column_text(stmt, 3);
    struct index_old_row row = {
        .file = file == NULL ? "" : file,
        .was_removed = sqlite3_column_int(stmt, 4) != 0,
    };
    bool drop = false;
    if (id == NULL || status == NULL || !uuid_parse(span_str(id), &row.id) ||
        !meta_status_parse(status, &row.status)) {
        return error_set(err, STATUS_CORRUPT, "the index has a wrong row");
    }
    const enum status st = fn(ctx, &row, &drop, err);
    sweep->at = sqlite3_column_int64(stmt, 0);
    sweep->count++;
    if (drop) {
        sweep->drops[sweep->drop_count++] = sweep->at;
    }
    return st;
}

static enum status
look_at_rows(struct index_rebuild *r, unsigned most, struct sweep *sweep,
    index_old_row_fn *fn, void *ctx, struct error *err)
{
    sqlite3_stmt *stmt = r->statements[STMT_OLD];
    index_sql_bind_int(stmt, ":after", r->after);
    index_sql_bind_int(stmt, ":last", r->last);
    index_sql_bind_int(stmt, ":most", most);
    enum status st = STATUS_OK;
    int code = index_sql_step(stmt);
    while (st == STATUS_OK && code == SQLITE_ROW) {
        st = look_at_row(stmt, sweep, fn, ctx, err);
        if (st == STATUS_OK) {
            code = index_sql_step(stmt);
        }
    }
    if (st == STATUS_OK && code != SQLITE_DONE) {
        st = index_sql_failed(r->db, "sweep", err);
    }
    index_sql_release(stmt);
    return st;
}

enum status
index_rebuild_sweep(struct index_rebuild *r, unsigned most,
    index_old_row_fn *fn, void *ctx, unsigned *count_out, struct error *err)
{
    struct sweep sweep = {.at = r->after};
    assert(most <= INDEX_SWEEP_MAX);
    enum status st = look_at_rows(r, most, &sweep, fn, ctx, err);
    if (st == STATUS_OK && sweep.drop_count > 0) {
        st = index_db_begin(r->index, err);
    }
    for (unsigned i = 0; st == STATUS_OK && i < sweep.drop_count; i++) {
        sqlite3_stmt *drop = r->statements[STMT_DROP];
        index_sql_bind_int(drop, ":row", sweep.drops[i]);
        st = index_sql_run(r->db, drop, "drop", err);
    }
    if (st == STATUS_OK) {
        st = index_db_commit(r->index, err);
    }
    if (st != STATUS_OK) {
        index_db_rollback(r->index);
        return st;
    }
    r->after = sweep.at;
    *count_out = sweep.count;
    return STATUS_OK;
}

enum status
index_rebuild_end(struct index_rebuild *r, struct error *err)
{
    const enum status st = index_db_begin(r->index, err);
    return st == STATUS_OK ? index_sql_run(r->db, r->statements[STMT_END],
                                 "rebuilding", err)
                           : st;
}
