#include "recorder/index_db.h"
#include "recorder/index_rebuild.h"

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
    bool is_partial = false;
    assert_non_null(s);
    temp_dir_make(s->dir);
    snprintf(s->path, sizeof s->path, "%s/index.db", s->dir);
    assert_int_equal(
        index_db_open(s->path, &s->db, &is_partial, NULL), STATUS_OK);
    assert_true(is_partial);
    *state = s;
    return 0;
}

static int
tear_down(void **state)
{
    struct shelf *s = *state;
    index_db_close(&s->db);
    temp_dir_remove(s->dir);
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
    bool is_partial = true;
    assert_int_equal(stat(s->path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    assert_row(s, "PRAGMA journal_mode", "wal");
    assert_row(s, "PRAGMA user_version", "3");
    index_db_close(&s->db);
    assert_int_equal(
        index_db_open(s->path, &s->db, &is_partial, NULL), STATUS_OK);
    assert_true(is_partial);
    struct index_rebuild *r = NULL;
    assert_int_equal(index_rebuild_begin(s->db, 1, &r, NULL), STATUS_OK);
    assert_int_equal(index_rebuild_end(r, NULL), STATUS_OK);
    index_rebuild_close(&r);
    assert_int_equal(index_db_commit(s->db, NULL), STATUS_OK);
    index_db_close(&s->db);
    assert_int_equal(
        index_db_open(s->path, &s->db, &is_partial, NULL), STATUS_OK);
    assert_false(is_partial);
}

static void
test_later_version(void **state)
{
    struct shelf *s = *state;
    sqlite3 *db;
    bool is_partial;
    index_db_close(&s->db);
    assert_int_equal(sqlite3_open(s->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(
        index_db_open(s->path, &s->db, &is_partial, NULL), STATUS_UNSUPPORTED);
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

/* An index that an earlier version made is brought up, and is whole: but for
 * one without any session, which may have been broken off at its making. */
static void
test_migrated(void **state)
{
    struct shelf *s = *state;
    for (int has_row = 0; has_row < 2; has_row++) {
        sqlite3 *db;
        bool is_partial = false;
        index_db_close(&s->db);
        assert_int_equal(unlink(s->path), 0);
        assert_int_equal(sqlite3_open(s->path, &db), SQLITE_OK);
        assert_int_equal(
            sqlite3_exec(db, index_migration(0), NULL, NULL, NULL), SQLITE_OK);
        if (has_row) {
            assert_int_equal(
                sqlite3_exec(db,
                    "INSERT INTO sessions VALUES ("
                    "'019abc03-0405-7007-8809-0a0b0c0d0e0f', 'complete',"
                    " 'exec', 'a', '[]', '', '', '', 'n', 'p', '', '[]', 1,"
                    " 'spdy', '', 1, 2, NULL, '', 0, 0, 0, '', 0, 0, '', '',"
                    " '', 0)",
                    NULL, NULL, NULL),
                SQLITE_OK);
        }
        sqlite3_close(db);
        assert_int_equal(
            index_db_open(s->path, &s->db, &is_partial, NULL), STATUS_OK);
        assert_int_equal(is_partial, !has_row);
        assert_row(s, "PRAGMA user_version", "3");
    }
}

static void
damage(const char *path, long offset)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, offset, SEEK_SET), 0);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(fputc('x', f), 'x');
    }
    assert_int_equal(fclose(f), 0);
}

/* Whether the head is damaged, or a page that opening does not read. */
static void
test_damaged(void **state)
{
    struct shelf *s = *state;
    const long offsets[] = {0, 4096 * 3};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        char aside[400];
        bool is_partial;
        index_db_close(&s->db);
        damage(s->path, offsets[i]);
        assert_int_equal(
            index_db_open(s->path, &s->db, &is_partial, NULL), STATUS_CORRUPT);
        assert_int_equal(index_db_put_aside(s->path, 77, NULL), STATUS_OK);
        snprintf(aside, sizeof aside, "%s.damaged-77", s->path);
        assert_int_equal(unlink(aside), 0);
        assert_int_not_equal(access(s->path, F_OK), 0);
        assert_int_equal(
            index_db_open(s->path, &s->db, &is_partial, NULL), STATUS_OK);
        assert_true(is_partial);
    }
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
        INDEX(test_migrated),
        INDEX(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
