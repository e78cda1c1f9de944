/* The index's SQL, run for real: tables are strict, every fact has a column,
 * the queries of `kubetape ls` use an index. */
#include "schema/index.h"
#include "schema/meta.h"
#include "tests/support/test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static sqlite3 *db;

static int
open_migrated(void **state)
{
    (void)state;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) {
        return -1;
    }
    for (int v = 0; index_migration(v) != NULL; v++) {
        if (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(db, index_migration(v), NULL, NULL, NULL) !=
                SQLITE_OK ||
            sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
            print_error("%s\n", sqlite3_errmsg(db));
            return -1;
        }
    }
    return 0;
}

static int
close_db(void **state)
{
    (void)state;
    return sqlite3_close(db) == SQLITE_OK ? 0 : -1;
}

/* The first column of the first row, as text in `out`. */
static void
ask(const char *sql, char *out, size_t cap)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    out[0] = '\0';
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        const int last = sqlite3_column_count(stmt) - 1;
        snprintf(out, cap, "%s", (const char *)sqlite3_column_text(stmt, last));
    }
    sqlite3_finalize(stmt);
}

#define INSERT(status, groups, tty)                                           \
    "INSERT INTO sessions VALUES ("                                           \
    "'019abc03-0405-7007-8809-0a0b0c0d0e0f', '" status                        \
    "', 'exec', 'alice', '" groups                                            \
    "', '', '', '', 'shop', 'web-0', '', '[\"sh\"]', " tty                    \
    ", 'spdy', '', 1764024236000001, NULL, NULL, '', 0, 0, 0, '', 0, 0, '', " \
    "'', '', 0, 'required', 0, 0)"

static void
versions_are_numbered_by_the_migrations(void **state)
{
    (void)state;
    char version[32];
    ask("PRAGMA user_version", version, sizeof version);
    char want[32];
    snprintf(want, sizeof want, "%d", INDEX_VERSION);
    assert_string_equal(version, want);
    assert_non_null(index_migration(0));
    assert_null(index_migration(INDEX_VERSION));
    assert_null(index_migration(-1));
}

static void
every_table_is_strict(void **state)
{
    (void)state;
    char loose[64];
    ask("SELECT name FROM pragma_table_list WHERE type = 'table' AND "
        "name NOT LIKE 'sqlite_%' AND NOT strict",
        loose, sizeof loose);
    assert_string_equal(loose, "");
    assert_int_equal(
        sqlite3_exec(db, INSERT("active", "[]", "0"), NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_not_equal(
        sqlite3_exec(db, "UPDATE sessions SET size = 'big'", NULL, NULL, NULL),
        SQLITE_OK);
}

static void
values_out_of_range_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {INSERT("done", "[]", "0"),
        INSERT("active", "{}", "0"), INSERT("active", "[", "0"),
        INSERT("active", "[]", "2"), INSERT("active", "[]", "NULL")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(
            sqlite3_exec(db, bad[i], NULL, NULL, NULL), SQLITE_CONSTRAINT);
    }
    assert_int_equal(
        sqlite3_exec(db, INSERT("active", "[]", "0"), NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, INSERT("active", "[]", "0"), NULL, NULL, NULL),
        SQLITE_CONSTRAINT);
}

/* The names of meta's JSON, one by one, each a column: as it is, with its
 * unit, or (bytes) one a stream; duration follows from two others. */
static void
every_fact_has_a_column(void **state)
{
    (void)state;
    struct meta m;
    struct buf json;
    meta_init(&m);
    buf_init(&json, 1 << 16);
    assert_int_equal(meta_encode(&m, META_PART_ALL, &json), STATUS_OK);
    const char *text = NULL;
    assert_int_equal(buf_cstr(&json, &text), STATUS_OK);
    char sql[8192];
    snprintf(sql, sizeof sql,
        "SELECT group_concat(key) FROM json_each('%s') WHERE key <> 'duration' "
        "AND NOT EXISTS (SELECT 1 FROM pragma_table_info('sessions') WHERE "
        "name IN (key, key || '_us', key || '_stdout'))",
        text);
    char missing[256];
    ask(sql, missing, sizeof missing);
    assert_string_equal(missing, "(null)");
    meta_fini(&m);
    buf_fini(&json);
}

static void
listing_uses_an_index(void **state)
{
    (void)state;
    const struct {
        const char *where;
        const char *index;
    } cases[] = {
        {"", "sessions_by_start"},
        {"WHERE start_us >= 5", "sessions_by_start"},
        {"WHERE user = 'a'", "sessions_by_user"},
        {"WHERE namespace = 'n' AND pod = 'p'", "sessions_by_pod"},
        {"WHERE status = 'active'", "sessions_by_status"},
        {"WHERE id >= '019a' AND id < '019b'", "sqlite_autoindex_sessions_1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[256];
        char plan[256];
        const bool by_id = i + 1 == sizeof cases / sizeof cases[0];
        snprintf(sql, sizeof sql,
            "EXPLAIN QUERY PLAN SELECT * FROM sessions %s %s", cases[i].where,
            by_id ? "" : "ORDER BY start_us DESC");
        ask(sql, plan, sizeof plan);
        assert_non_null(strstr(plan, cases[i].index));
    }
}

int
main(void)
{
#define WITH_DB(test) \
    cmocka_unit_test_setup_teardown(test, open_migrated, close_db)
    const struct CMUnitTest tests[] = {
        WITH_DB(versions_are_numbered_by_the_migrations),
        WITH_DB(every_table_is_strict),
        WITH_DB(values_out_of_range_are_refused),
        WITH_DB(every_fact_has_a_column),
        WITH_DB(listing_uses_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
