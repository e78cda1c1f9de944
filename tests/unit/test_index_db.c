#include "recorder/index_db.h"

#include "schema/index.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct shelf {
    char dir[TEMP_DIR_MAX];
    char path[300];
    struct index_db *db;
};

static int
set_up(void **state)
{
    struct shelf *s = calloc(1, sizeof *s);
    bool is_new = false;
    assert_non_null(s);
    temp_dir_make(s->dir);
    snprintf(s->path, sizeof s->path, "%s/index.db", s->dir);
    assert_int_equal(index_db_open(s->path, &s->db, &is_new, NULL), STATUS_OK);
    assert_true(is_new);
    *state = s;
    return 0;
}

static int
tear_down(void **state)
{
    struct shelf *s = *state;
    index_db_close(&s->db);
    assert_int_equal(unlink(s->path), 0); /* -wal and -shm went with close */
    assert_int_equal(rmdir(s->dir), 0);
    free(s);
    return 0;
}

static struct meta
some_meta(uint8_t n)
{
    struct meta m;
    meta_init(&m);
    memset(m.id.bytes, n, sizeof m.id.bytes);
    assert_int_equal(meta_set(&m.user, SPAN_LIT("it's \"alice\"")), STATUS_OK);
    assert_int_equal(
        meta_add(&m.groups, &m.group_count, SPAN_LIT("a,b")), STATUS_OK);
    assert_int_equal(
        meta_add(&m.command, &m.command_count, SPAN_LIT("sh")), STATUS_OK);
    assert_int_equal(
        meta_add(&m.command, &m.command_count, SPAN_LIT("-c \"x")), STATUS_OK);
    assert_int_equal(meta_set(&m.file, SPAN_LIT("recordings/x")), STATUS_OK);
    m.start_us = 1000;
    m.status = META_ACTIVE;
    return m;
}

static void
put(struct shelf *s, const struct meta *m)
{
    assert_int_equal(index_db_begin(s->db, NULL), STATUS_OK);
    assert_int_equal(index_db_put(s->db, m, NULL), STATUS_OK);
    assert_int_equal(index_db_commit(s->db, NULL), STATUS_OK);
}

/* By another connection, as a reader would. */
static void
assert_row(const struct shelf *s, const char *sql, const char *want)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(
        sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const char *have = (const char *)sqlite3_column_text(stmt, 0);
    assert_string_equal(have == NULL ? "null" : have, want);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static void
test_open(void **state)
{
    struct shelf *s = *state;
    struct stat sb;
    bool is_new = true;
    assert_int_equal(stat(s->path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    assert_row(s, "PRAGMA journal_mode", "wal");
    assert_row(s, "PRAGMA user_version", "1");
    index_db_close(&s->db);
    assert_int_equal(index_db_open(s->path, &s->db, &is_new, NULL), STATUS_OK);
    assert_false(is_new);
}

static void
test_later_version(void **state)
{
    struct shelf *s = *state;
    sqlite3 *db;
    bool is_new;
    index_db_close(&s->db);
    assert_int_equal(sqlite3_open(s->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(
        index_db_open(s->path, &s->db, &is_new, NULL), STATUS_UNSUPPORTED);
}

static void
test_row(void **state)
{
    struct shelf *s = *state;
    struct meta m = some_meta(1);
    put(s, &m);
    assert_row(s, "SELECT user FROM sessions", "it's \"alice\"");
    assert_row(s, "SELECT groups FROM sessions", "[\"a,b\"]");
    assert_row(s, "SELECT command FROM sessions", "[\"sh\",\"-c \\\"x\"]");
    assert_row(s, "SELECT status FROM sessions", "active");
    assert_row(s, "SELECT end_us FROM sessions", "null");
    assert_row(s, "SELECT exit_code FROM sessions", "null");
    m.status = META_COMPLETE;
    m.end_us = 2000;
    m.has_exit = true;
    m.exit_code = 3;
    m.bytes[STREAM_STDERR] = UINT64_MAX;
    m.sealed = true;
    put(s, &m);
    assert_row(s, "SELECT count(*) FROM sessions", "1");
    assert_row(s, "SELECT status FROM sessions", "complete");
    assert_row(s, "SELECT end_us FROM sessions", "2000");
    assert_row(s, "SELECT exit_code FROM sessions", "3");
    assert_row(s, "SELECT bytes_stderr FROM sessions", "9223372036854775807");
    meta_fini(&m);
}

static void
test_rollback(void **state)
{
    struct shelf *s = *state;
    struct meta m = some_meta(1);
    enum meta_status status;
    assert_int_equal(index_db_begin(s->db, NULL), STATUS_OK);
    assert_int_equal(index_db_begin(s->db, NULL), STATUS_OK);
    assert_int_equal(index_db_put(s->db, &m, NULL), STATUS_OK);
    assert_row(s, "SELECT count(*) FROM sessions", "0");
    index_db_rollback(s->db);
    assert_int_equal(
        index_db_status(s->db, &m.id, &status, NULL), STATUS_NOT_FOUND);
    put(s, &m);
    assert_int_equal(index_db_status(s->db, &m.id, &status, NULL), STATUS_OK);
    assert_int_equal(status, META_ACTIVE);
    meta_fini(&m);
}

static enum status
count_active(
    void *ctx, const struct uuid *id, const char *file, struct error *err)
{
    unsigned *seen = ctx;
    (void)err;
    assert_string_equal(file, "recordings/x");
    *seen |= 1u << id->bytes[0];
    return STATUS_OK;
}

static void
test_active(void **state)
{
    struct shelf *s = *state;
    unsigned seen = 0;
    for (uint8_t i = 0; i < 4; i++) {
        struct meta m = some_meta(i);
        m.status = i % 2 == 0 ? META_ACTIVE : META_FAILED;
        put(s, &m);
        meta_fini(&m);
    }
    assert_int_equal(
        index_db_each_active(s->db, count_active, &seen, NULL), STATUS_OK);
    assert_int_equal(seen, 1u << 0 | 1u << 2);
    const struct uuid active = {{0}};
    struct meta done = some_meta(1);
    assert_int_equal(index_db_fail(s->db, &active, "gone", NULL), STATUS_OK);
    assert_int_equal(
        index_db_fail(s->db, &done.id, "not active", NULL), STATUS_OK);
    meta_fini(&done);
    assert_row(s, "SELECT count(*) FROM sessions WHERE reason = 'gone'", "1");
    assert_row(
        s, "SELECT count(*) FROM sessions WHERE reason = 'not active'", "0");
}

#define INDEX(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        INDEX(test_open),
        INDEX(test_later_version),
        INDEX(test_row),
        INDEX(test_rollback),
        INDEX(test_active),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
