#include "recorder/put_away.h"

#include "base/age_header.h"
#include "base/file.h"
#include "tests/support/age_keys.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLAIN   "recordings/2026/11/24/x.cast.zst"
#define FINAL   PLAIN ".age"
#define RUNNING "journal/running/2026-11-24-x.cast.zst"

static char folder[TEMP_DIR_MAX];
static const struct recipients nobody;
static struct recipients somebody;

static bool
exists(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void
put(const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_make_parent(path, 0700, NULL), STATUS_OK);
    temp_dir_put(folder, name, text, 0600);
}

static bool
holds(const char *name, const char *text)
{
    char path[PATH_MAX];
    struct buf bytes;
    buf_init(&bytes, 4096);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_read(path, &bytes, NULL), STATUS_OK);
    const bool does = span_eq_str(buf_view(&bytes), text);
    buf_fini(&bytes);
    return does;
}

static bool
is_encrypted(const char *name)
{
    char path[PATH_MAX];
    struct buf bytes;
    buf_init(&bytes, 4096);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_read(path, &bytes, NULL), STATUS_OK);
    const bool is = age_header_is_age(buf_view(&bytes));
    buf_fini(&bytes);
    return is;
}

static void
test_names(void **state)
{
    (void)state;
    static const char *const names[] = {PLAIN, FINAL, RUNNING};
    char name[META_FILE_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        put_away_plain_name(names[i], name);
        assert_string_equal(name, PLAIN);
    }
    put_away_working_name(PLAIN, &nobody, name);
    assert_string_equal(name, PLAIN);
    put_away_working_name(PLAIN, &somebody, name);
    assert_string_equal(name, RUNNING);
    put_away_expected_name(PLAIN, name);
    assert_string_equal(name, PLAIN);
    put_away_expected_name(RUNNING, name);
    assert_string_equal(name, FINAL);
}

static void
test_finds(void **state)
{
    (void)state;
    struct error err;
    char name[META_FILE_MAX];
    bool is_there = true;
    assert_int_equal(
        put_away_find(folder, PLAIN, name, &is_there, &err), STATUS_OK);
    assert_false(is_there);
    put(PLAIN, "x");
    assert_int_equal(
        put_away_find(folder, PLAIN, name, &is_there, &err), STATUS_OK);
    assert_true(is_there);
    assert_string_equal(name, PLAIN);
    put(RUNNING, "x");
    assert_int_equal(
        put_away_find(folder, PLAIN, name, &is_there, &err), STATUS_OK);
    assert_true(is_there);
    assert_string_equal(name, RUNNING);
    assert_int_equal(
        put_away_is_encrypted(folder, PLAIN, &is_there, &err), STATUS_OK);
    assert_false(is_there);
    put(FINAL, "x");
    assert_int_equal(
        put_away_is_encrypted(folder, PLAIN, &is_there, &err), STATUS_OK);
    assert_true(is_there);
}

/* The whole way; its result is called `final`. */
static void
go(const char *working, const struct recipients *to, bool may_trust,
    const char *final)
{
    struct put_away *p = NULL;
    struct error err;
    bool is_done = false;
    assert_int_equal(
        put_away_begin(folder, working, PLAIN, to, may_trust, &p, &err),
        STATUS_OK);
    while (!is_done) {
        assert_int_equal(put_away_step(p, &is_done, &err), STATUS_OK);
    }
    assert_string_equal(put_away_file(p), final);
    assert_true(put_away_size(p) > 0);
    put_away_free(&p);
    assert_true(exists(working) || to->count == 0);
    assert_int_equal(put_away_rest(folder, working, to, &err), STATUS_OK);
    assert_int_equal(exists(working), strcmp(working, final) == 0);
    assert_true(exists(final));
    assert_int_equal(
        put_away_is_needed(working, PLAIN, to), strcmp(working, final) != 0);
}

static void
test_stays(void **state)
{
    (void)state;
    put(PLAIN, "text");
    go(PLAIN, &nobody, false, PLAIN);
    assert_true(holds(PLAIN, "text"));
}

static void
test_is_encrypted(void **state)
{
    (void)state;
    put(RUNNING, "text");
    go(RUNNING, &somebody, false, FINAL);
    assert_true(is_encrypted(FINAL));
}

/* The configuration changed while the session ran. */
static void
test_is_encrypted_from_its_plain_place(void **state)
{
    (void)state;
    put(PLAIN, "text");
    go(PLAIN, &somebody, false, FINAL);
    assert_true(is_encrypted(FINAL));
}

static void
test_is_not_encrypted_any_more(void **state)
{
    (void)state;
    put(RUNNING, "text");
    go(RUNNING, &nobody, false, PLAIN);
    assert_true(holds(PLAIN, "text"));
}

static void
test_trust(void **state)
{
    (void)state;
    put(RUNNING, "text");
    put(FINAL, "from before the crash");
    go(RUNNING, &somebody, true, FINAL);
    assert_true(holds(FINAL, "from before the crash"));
    put(RUNNING, "text");
    go(RUNNING, &somebody, false, FINAL);
    assert_true(is_encrypted(FINAL));
}

/* What a crash, or a damage, left behind of a session that is over. */
static void
test_rest(void **state)
{
    (void)state;
    struct error err;
    put(RUNNING, "damaged");
    assert_int_equal(
        put_away_rest(folder, RUNNING, &somebody, &err), STATUS_OK);
    assert_true(is_encrypted(FINAL));
    assert_false(exists(RUNNING));

    put(RUNNING, "text");
    put(FINAL, "stands");
    assert_int_equal(put_away_rest(folder, RUNNING, &nobody, &err), STATUS_OK);
    assert_true(holds(FINAL, "stands"));
    assert_false(exists(RUNNING));
    assert_false(exists(PLAIN));

    put(RUNNING, "text");
    assert_int_equal(
        put_away_remove_copy(folder, RUNNING, PLAIN, &err), STATUS_OK);
    assert_false(exists(RUNNING));
    temp_dir_remove(folder);
    put(RUNNING, "nowhere else");
    assert_int_equal(
        put_away_remove_copy(folder, RUNNING, PLAIN, &err), STATUS_OK);
    assert_true(exists(RUNNING));
}

static enum status
note_name(void *ctx, const char *running, struct error *err)
{
    (void)err;
    snprintf(ctx, META_FILE_MAX, "%s", running);
    return STATUS_OK;
}

static void
test_each_running(void **state)
{
    (void)state;
    struct error err;
    char name[META_FILE_MAX] = "none";
    assert_int_equal(
        put_away_each_running(folder, note_name, name, &err), STATUS_OK);
    assert_string_equal(name, "none");
    put(RUNNING, "x");
    assert_int_equal(
        put_away_each_running(folder, note_name, name, &err), STATUS_OK);
    assert_string_equal(name, RUNNING);
}

static void
test_failures(void **state)
{
    (void)state;
    struct put_away *p = NULL;
    struct error err;
    bool is_done = true;
    assert_int_equal(
        put_away_begin(folder, RUNNING, PLAIN, &somebody, false, &p, &err),
        STATUS_NOT_FOUND);
    assert_null(p);
    assert_int_equal(
        put_away_begin(folder, RUNNING, PLAIN, &nobody, false, &p, &err),
        STATUS_OK);
    assert_int_equal(put_away_step(p, &is_done, &err), STATUS_NOT_FOUND);
    assert_false(is_done);
    put_away_free(&p);
}

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(folder);
    somebody.count = 1;
    return age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_A), &somebody.list[0]) ==
                   STATUS_OK
               ? 0
               : -1;
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
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_encrypted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_is_encrypted_from_its_plain_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_is_not_encrypted_any_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trust, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_running, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
