/* See index_keep.h. */
#include "recorder/index_keep.h"

#include "recorder/index_sql.h"

#include <sqlite3.h>
#include <stdlib.h>

enum statement {
    STMT_HOLD,
    STMT_RELEASE,
    STMT_FORGET_HOLDS,
    STMT_IS_HELD,
    STMT_IS_ATTEMPT_HELD,
    STMT_NOTE_REMOVED,
    STMT_WALK,
    STMT_UNFINISHED,
    STMT_DELETE,
    STMT_DELETE_ATTEMPTS,
    STMT_COUNT,
};

#define CANDIDATE                                                           \
    "SELECT id, start_us, ifnull(end_us, start_us), size, namespace, user," \
    " type, file, EXISTS (SELECT 1 FROM holds WHERE session = id)"          \
    " FROM sessions "
#define IS_ATTEMPT "(status = 'refused' AND file = '')"

static const char *const statement_sql[STMT_COUNT] = {
    [STMT_HOLD] =
        "INSERT OR REPLACE INTO holds (session, reason, who, since_us)"
        " VALUES (:id, :reason, :who, :at)",
    [STMT_RELEASE] = "DELETE FROM holds WHERE session = :id",
    [STMT_FORGET_HOLDS] = "DELETE FROM holds",
    [STMT_IS_HELD] = "SELECT 1 FROM holds WHERE session = :id",
    [STMT_IS_ATTEMPT_HELD] =
        "SELECT 1 FROM holds JOIN sessions ON id = session"
        " WHERE start_us >= :from AND start_us < :until AND " IS_ATTEMPT,
    [STMT_NOTE_REMOVED] =
        "INSERT OR REPLACE INTO removed (session, reason, who, removed_us)"
        " VALUES (:id, :reason, :who, :at)",
    [STMT_WALK] = CANDIDATE
    "WHERE start_us >= :from AND (start_us > :from OR id > :id)"
    " AND start_us < :until AND status <> 'active'"
    " AND " IS_ATTEMPT " = :attempts ORDER BY start_us, id LIMIT :most",
    [STMT_UNFINISHED] = CANDIDATE "WHERE status <> 'active' AND id IN"
                                  " (SELECT session FROM removed) LIMIT :most",
    [STMT_DELETE] = "DELETE FROM sessions WHERE id = :id",
    [STMT_DELETE_ATTEMPTS] =
        "DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions"
        " WHERE start_us >= :from AND start_us < :until AND " IS_ATTEMPT
        " LIMIT :most)",
};

struct index_keep {
    sqlite3 *db; /* the index's */
    struct index_db *index;
    sqlite3_stmt *statements[STMT_COUNT];
};

enum status
index_keep_open(
    struct index_db *index, struct index_keep **out, struct error *err)
{
    struct index_keep *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the index");
    }
    k->index = index;
    k->db = index_db_connection(index);
    const enum status st =
        index_sql_prepare(k->db, statement_sql, STMT_COUNT, k->statements, err);
    if (st == STATUS_OK) {
        *out = k;
        k = NULL;
    }
    index_keep_close(&k);
    return st;
}

void
index_keep_close(struct index_keep **k)
{
    if (*k != NULL) {
        index_sql_finalize((*k)->statements, STMT_COUNT);
        free(*k);
        *k = NULL;
    }
}

/* --- the ledger's word --------------------------------------------------- */

static enum status
put(struct index_keep *k, enum statement which, const struct ledger_leaf *leaf,
    const char *what, struct error *err)
{
    sqlite3_stmt *stmt = k->statements[which];
    index_sql_bind_uuid(stmt, ":id", &leaf->id);
    index_sql_bind_text(stmt, ":reason", leaf->why);
    index_sql_bind_text(stmt, ":who", leaf->who);
    index_sql_bind_int(stmt, ":at", leaf->wall_us);
    return index_sql_run(k->db, stmt, what, err);
}

enum status
index_keep_note(
    struct index_keep *k, const struct ledger_leaf *leaf, struct error *err)
{
    const enum status st = index_db_begin(k->index, err);
    if (st != STATUS_OK) {
        return st;
    }
    switch (leaf->kind) {
    case LEDGER_HOLD:
        return put(k, STMT_HOLD, leaf, "hold", err);
    case LEDGER_RELEASE:
        index_sql_bind_uuid(k->statements[STMT_RELEASE], ":id", &leaf->id);
        return index_sql_run(
            k->db, k->statements[STMT_RELEASE], "release", err);
    case LEDGER_TOMBSTONE:
        return put(k, STMT_NOTE_REMOVED, leaf, "removal", err);
    case LEDGER_RECORDING:
    case LEDGER_KEY:
        break;
    }
    return STATUS_OK;
}

enum status
index_keep_on_leaf(void *ctx, uint64_t index, const struct ledger_leaf *leaf,
    struct error *err)
{
    (void)index;
    return index_keep_note(ctx, leaf, err);
}

enum status
index_keep_forget_holds(struct index_keep *k, struct error *err)
{
    const enum status st = index_db_begin(k->index, err);
    return st == STATUS_OK ? index_sql_run(k->db,
                                 k->statements[STMT_FORGET_HOLDS], "holds", err)
                           : st;
}

enum status
index_keep_is_held(
    struct index_keep *k, const struct uuid *id, bool *out, struct error *err)
{
    sqlite3_stmt *stmt = k->statements[STMT_IS_HELD];
    int64_t is_held = 0;
    index_sql_bind_uuid(stmt, ":id", id);
    const enum status st = index_sql_number(k->db, stmt, "hold", &is_held, err);
    *out = is_held != 0;
    return st;
}

enum status
index_keep_is_attempt_held(struct index_keep *k, int64_t from_us,
    int64_t until_us, bool *out, struct error *err)
{
    sqlite3_stmt *stmt = k->statements[STMT_IS_ATTEMPT_HELD];
    int64_t is_held = 0;
    index_sql_bind_int(stmt, ":from", from_us);
    index_sql_bind_int(stmt, ":until", until_us);
    const enum status st = index_sql_number(k->db, stmt, "hold", &is_held, err);
    *out = is_held != 0;
    return st;
}

/* --- walking ------------------------------------------------------------- */

static const char *
text_of(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text == NULL ? "" : text;
}

static enum status
read_candidate(
    sqlite3_stmt *stmt, struct index_candidate *out, struct error *err)
{
    const char *id = text_of(stmt, 0);
    *out = (struct index_candidate){
        .start_us = sqlite3_column_int64(stmt, 1),
        .end_us = sqlite3_column_int64(stmt, 2),
        .size = (uint64_t)sqlite3_column_int64(stmt, 3),
        .namespace = text_of(stmt, 4),
        .user = text_of(stmt, 5),
        .type = text_of(stmt, 6),
        .file = text_of(stmt, 7),
        .is_held = sqlite3_column_int(stmt, 8) != 0,
    };
    return uuid_parse(span_str(id), &out->id)
               ? STATUS_OK
               : error_set(err, STATUS_CORRUPT, "the index has a wrong id");
}

/* Steps through a bound statement; `walk` may be NULL. */
static enum status
each(struct index_keep *k, sqlite3_stmt *stmt, struct index_walk *walk,
    index_candidate_fn *fn, void *ctx, unsigned *count_out, struct error *err)
{
    enum status st = STATUS_OK;
    unsigned count = 0;
    int code = index_sql_step(stmt);
    while (st == STATUS_OK && code == SQLITE_ROW) {
        struct index_candidate c;
        st = read_candidate(stmt, &c, err);
        if (st == STATUS_OK) {
            st = fn(ctx, &c, err);
        }
        if (st == STATUS_OK) {
            count++;
            if (walk != NULL) {
                walk->from_us = c.start_us;
                walk->id = c.id;
            }
            code = index_sql_step(stmt);
        }
    }
    if (st == STATUS_OK && code != SQLITE_DONE) {
        st = index_sql_failed(k->db, "walk", err);
    }
    index_sql_release(stmt);
    if (count_out != NULL) {
        *count_out = count;
    }
    return st;
}

enum status
index_keep_walk(struct index_keep *k, struct index_walk *walk, unsigned most,
    index_candidate_fn *fn, void *ctx, unsigned *count_out, struct error *err)
{
    sqlite3_stmt *stmt = k->statements[STMT_WALK];
    index_sql_bind_int(stmt, ":from", walk->from_us);
    index_sql_bind_uuid(stmt, ":id", &walk->id);
    index_sql_bind_int(stmt, ":until", walk->until_us);
    index_sql_bind_int(stmt, ":attempts", walk->wants_attempts);
    index_sql_bind_int(stmt, ":most", most);
    return each(k, stmt, walk, fn, ctx, count_out, err);
}

enum status
index_keep_each_unfinished(struct index_keep *k, unsigned most,
    index_candidate_fn *fn, void *ctx, struct error *err)
{
    sqlite3_stmt *stmt = k->statements[STMT_UNFINISHED];
    index_sql_bind_int(stmt, ":most", most);
    return each(k, stmt, NULL, fn, ctx, NULL, err);
}

/* --- removing ------------------------------------------------------------ */

enum status
index_keep_delete(
    struct index_keep *k, const struct uuid *id, struct error *err)
{
    sqlite3_stmt *stmt = k->statements[STMT_DELETE];
    const enum status st = index_db_begin(k->index, err);
    if (st != STATUS_OK) {
        return st;
    }
    index_sql_bind_uuid(stmt, ":id", id);
    return index_sql_run(k->db, stmt, "delete", err);
}

enum status
index_keep_delete_attempts(struct index_keep *k, int64_t from_us,
    int64_t until_us, unsigned most, unsigned *count_out, struct error *err)
{
    sqlite3_stmt *stmt = k->statements[STMT_DELETE_ATTEMPTS];
    enum status st = index_db_begin(k->index, err);
    if (st != STATUS_OK) {
        return st;
    }
    index_sql_bind_int(stmt, ":from", from_us);
    index_sql_bind_int(stmt, ":until", until_us);
    index_sql_bind_int(stmt, ":most", most);
    st = index_sql_run(k->db, stmt, "delete attempts", err);
    *count_out = (unsigned)sqlite3_changes(k->db);
    return st;
}
