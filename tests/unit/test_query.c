#include "player/query.h"
#include "player/store.h"
#include "tests/support/index_maker.h"
#include "tests/support/recording_maker.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID_A "019ab000-0000-7000-8000-00000000000a"
#define ID_B "019ab000-0000-7000-8000-00000000000b"
#define ID_C "019abfff-0000-7000-8000-00000000000c"
#define ID_D "019ac000-0000-7000-8000-00000000000d"

static const struct index_row rows[] = {
    {ID_A, "complete", "exec", "alice", "default", "web", "app",
        "[\"sh\",\"-c\",\"ls /\"]", 1000, 2000, 0, "recordings/a", 1},
    {ID_B, "active", "attach", "bob", "default", "db", "pg", "[]", 2000, 0, -1,
        "recordings/b", 0},
    {ID_C, "failed", "exec", "alice", "prod", "web", "app", "[\"bash\"]", 3000,
        4000, 137, "recordings/c", 1},
    {ID_D, "refused", "exec", "mallory", "prod", "web", "app", "[\"id\"]", 4000,
        4000, -1, "", 0},
};

static char folder[TEMP_DIR_MAX];
static char path[128];

/* The last letters of the IDs that pass, in order. */
static void
expect(const struct query_filter *f, const char *wanted)
{
    struct query *q = NULL;
    struct meta m;
    struct error err = {.code = STATUS_OK};
    char got[16] = "";
    size_t n = 0;
    meta_init(&m);
    assert_int_equal(query_open(path, &q, &err), STATUS_OK);
    assert_int_equal(query_find(q, f, &err), STATUS_OK);
    while (query_next(q, &m, &err) == STATUS_OK) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(&m.id, id);
        got[n++] = id[UUID_TEXT_LEN - 1];
    }
    assert_int_equal(err.code, STATUS_CLOSED);
    assert_string_equal(got, wanted);
    query_close(&q);
    meta_fini(&m);
}

static void
test_filters(void **state)
{
    (void)state;
    const int64_t two = 2000;
    const int64_t four = 4000;
    expect(&(struct query_filter){.limit = 0}, "dcba");
    expect(&(struct query_filter){.limit = 2}, "dc");
    expect(&(struct query_filter){.user = "alice"}, "ca");
    expect(&(struct query_filter){.user = "alice' OR 1=1 --"}, "");
    expect(&(struct query_filter){.namespace = "default"}, "ba");
    expect(&(struct query_filter){.pod = "web", .namespace = "prod"}, "dc");
    expect(&(struct query_filter){.container = "pg"}, "b");
    expect(&(struct query_filter){.type = "attach"}, "b");
    expect(&(struct query_filter){.status = "refused"}, "d");
    expect(&(struct query_filter){.since_us = &two}, "dcb");
    expect(&(struct query_filter){.since_us = &two, .until_us = &four}, "cb");
    expect(&(struct query_filter){.command = "sh -c*"}, "a");
    expect(&(struct query_filter){.command = "*ash"}, "c");
    expect(&(struct query_filter){.command = ""}, "b");
    expect(&(struct query_filter){.command = "*", .limit = 1}, "d");
}

static void
test_facts(void **state)
{
    (void)state;
    struct query *q = NULL;
    struct meta m;
    struct error err;
    const struct query_filter f = {.user = "alice", .namespace = "default"};
    meta_init(&m);
    assert_int_equal(query_open(path, &q, &err), STATUS_OK);
    assert_int_equal(query_find(q, &f, &err), STATUS_OK);
    assert_int_equal(query_next(q, &m, &err), STATUS_OK);
    assert_int_equal(m.status, META_COMPLETE);
    assert_int_equal(m.type, META_EXEC);
    assert_int_equal(m.group_count, 2);
    assert_string_equal(m.groups[1], "ops");
    assert_int_equal(m.command_count, 3);
    assert_string_equal(m.command[2], "ls /");
    assert_true(m.tty);
    assert_int_equal(m.protocol, META_WEBSOCKET);
    assert_int_equal(m.start_us, 1000);
    assert_int_equal(m.end_us, 2000);
    assert_true(m.has_exit);
    assert_int_equal(m.exit_code, 0);
    assert_int_equal(m.bytes[STREAM_STDERR], 3);
    assert_true(m.sealed);
    assert_string_equal(m.kubectl_command, "kubectl exec");
    assert_false(m.stdin_recorded);
    query_close(&q);
    meta_fini(&m);
}

static void
test_reads_while_another_writes(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE; DELETE FROM sessions",
                         NULL, NULL, NULL),
        SQLITE_OK);
    expect(&(struct query_filter){.limit = 0}, "dcba");
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* An auditor who may only read: nothing can be made beside the file. */
static void
test_reads_where_nothing_can_be_written(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        /* root writes everywhere: do it as somebody else */
        const pid_t pid = fork();
        if (pid == 0) {
            if (chmod(folder, 0555) != 0 || chmod(path, 0444) != 0 ||
                setgid(65534) != 0 || setuid(65534) != 0) {
                _exit(2);
            }
            struct query *q = NULL;
            struct meta m;
            meta_init(&m);
            const struct query_filter f = {.limit = 0};
            const bool good = query_open(path, &q, NULL) == STATUS_OK &&
                              query_find(q, &f, NULL) == STATUS_OK &&
                              query_next(q, &m, NULL) == STATUS_OK;
            _exit(good ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(chmod(folder, 0700), 0);
        assert_int_equal(status, 0);
    } else {
        assert_int_equal(chmod(folder, 0500), 0);
        expect(&(struct query_filter){.limit = 0}, "dcba");
        assert_int_equal(chmod(folder, 0700), 0);
    }
}

static void
test_no_index(void **state)
{
    (void)state;
    struct query *q = NULL;
    struct error err;
    char other[128];
    assert_int_equal(
        query_open("/nonexistent/index.db", &q, &err), STATUS_NOT_FOUND);
    snprintf(other, sizeof other, "%s/empty.db", folder);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(other, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA journal_mode = WAL; VACUUM", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(query_open(other, &q, &err), STATUS_NOT_FOUND);
    (void)maker_write(folder, "junk.db", SPAN_LIT("not a database at all, no"));
    snprintf(other, sizeof other, "%s/junk.db", folder);
    assert_int_equal(query_open(other, &q, &err), STATUS_CORRUPT);
    snprintf(other, sizeof other, "%s/later.db", folder);
    index_make(other, NULL, 0);
    assert_int_equal(sqlite3_open(other, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(query_open(other, &q, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.text, "99"));
}

/* ---- store ---- */

static void
test_finds_by_id(void **state)
{
    (void)state;
    struct store_entry e;
    struct error err;
    store_entry_init(&e);
    assert_int_equal(store_find_id(folder, ID_A, &e, &err), STATUS_OK);
    assert_string_equal(e.meta.user, "alice");
    assert_true(e.is_indexed);
    assert_int_equal(store_find_id(folder, "019abf", &e, &err), STATUS_OK);
    assert_int_equal(e.meta.exit_code, 137);
    assert_int_equal(store_find_id(folder, "019ab0", &e, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.text, ID_A ", " ID_B));
    assert_int_equal(store_find_id(folder, "02", &e, &err), STATUS_NOT_FOUND);
    assert_int_equal(store_find_id(folder, "%", &e, &err), STATUS_NOT_FOUND);
    assert_int_equal(store_find_id(folder, "", &e, &err), STATUS_NOT_FOUND);
    assert_int_equal(
        store_find_id("/nonexistent", "01", &e, &err), STATUS_NOT_FOUND);
    store_entry_fini(&e);
}

static void
test_finds_by_path(void **state)
{
    (void)state;
    struct store_entry e;
    struct error err;
    char wanted[128];
    store_entry_init(&e);
    assert_int_equal(store_find(folder, "019ac", &e, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "no recording (refused: why)"));
    assert_int_equal(store_find(folder, ID_C, &e, &err), STATUS_OK);
    snprintf(wanted, sizeof wanted, "%s/recordings/c", folder);
    assert_string_equal(e.path, wanted);
    assert_int_equal(store_find(folder, "x.cast", &e, &err), STATUS_OK);
    assert_string_equal(e.path, "x.cast");
    assert_false(e.is_indexed);
    assert_int_equal(store_find(folder, "./abc", &e, &err), STATUS_OK);
    assert_string_equal(e.path, "./abc");
    store_entry_fini(&e);
}

static void
test_folder(void **state)
{
    (void)state;
    char out[PATH_MAX];
    char wanted[PATH_MAX + 8];
    char here[PATH_MAX];
    struct error err;
    assert_non_null(getcwd(here, sizeof here));
    unsetenv("KUBETAPE_STATE");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/home/x", 1);
    assert_int_equal(store_folder(NULL, out, &err), STATUS_OK);
    assert_string_equal(out, "/home/x/.local/state/kubetape");
    setenv("XDG_STATE_HOME", "relative", 1); /* to be ignored */
    assert_int_equal(store_folder(NULL, out, &err), STATUS_OK);
    assert_string_equal(out, "/home/x/.local/state/kubetape");
    setenv("XDG_STATE_HOME", "/s", 1);
    assert_int_equal(store_folder(NULL, out, &err), STATUS_OK);
    assert_string_equal(out, "/s/kubetape");
    setenv("KUBETAPE_STATE", "/k/", 1);
    assert_int_equal(store_folder(NULL, out, &err), STATUS_OK);
    assert_string_equal(out, "/k");
    assert_int_equal(store_folder("sub", out, &err), STATUS_OK);
    snprintf(wanted, sizeof wanted, "%s/sub", here);
    assert_string_equal(out, wanted);
}

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(folder);
    snprintf(path, sizeof path, "%s/index.db", folder);
    index_make(path, rows, sizeof rows / sizeof rows[0]);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_reads_while_another_writes),
        cmocka_unit_test(test_reads_where_nothing_can_be_written),
        cmocka_unit_test(test_no_index),
        cmocka_unit_test(test_finds_by_id),
        cmocka_unit_test(test_finds_by_path),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
