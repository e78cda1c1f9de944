#include "recorder/encrypt_file.h"

#include "base/age_reader.h"
#include "base/file.h"
#include "recorder/limits.h"
#include "tests/support/age_keys.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[TEMP_DIR_MAX];
static char from[PATH_MAX];
static char to[PATH_MAX];
static struct age_recipient recipient;

static char *
at(const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return out;
}

static bool
exists(const char *name)
{
    char path[PATH_MAX];
    return access(at(name, path), F_OK) == 0;
}

static void
put(const char *text)
{
    temp_dir_put(folder, "from", text, 0600);
}

static struct encrypt_file *
begin(void)
{
    struct encrypt_file *e = NULL;
    struct error err;
    assert_int_equal(
        encrypt_file_begin(from, to, &recipient, 1, &e, &err), STATUS_OK);
    return e;
}

/* All steps; how many there were. */
static size_t
run(struct encrypt_file *e)
{
    struct error err;
    bool is_done = false;
    size_t steps = 0;
    while (!is_done) {
        assert_false(exists("a/b/to"));
        assert_int_equal(encrypt_file_step(e, &is_done, &err), STATUS_OK);
        steps++;
    }
    return steps;
}

static struct age_reader *
open_result(int *fd_out)
{
    struct age_identities *ids = NULL;
    struct age_reader *r = NULL;
    struct error err;
    assert_int_equal(
        age_identities_parse(SPAN_LIT(AGE_IDENTITY_A), &ids, &err), STATUS_OK);
    *fd_out = open(to, O_RDONLY | O_CLOEXEC);
    assert_true(*fd_out >= 0);
    assert_int_equal(age_reader_open(*fd_out, ids, &r, &err), STATUS_OK);
    age_identities_free(&ids);
    return r;
}

static void
test_small(void **state)
{
    (void)state;
    struct error err;
    struct stat info;
    char text[16];
    size_t got = 0;
    int fd = -1;
    put("0123456789");
    struct encrypt_file *e = begin();
    assert_int_equal(run(e), 1);
    encrypt_file_free(&e);
    assert_false(exists("a/b/to.tmp"));
    assert_int_equal(stat(to, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    struct age_reader *r = open_result(&fd);
    assert_int_equal(
        age_reader_pread(r, text, sizeof text, 0, &got, &err), STATUS_OK);
    assert_int_equal(got, 10);
    assert_memory_equal(text, "0123456789", 10);
    age_reader_close(&r);
    close(fd);
    assert_true(exists("from")); /* its owner removes it */
}

static void
test_empty(void **state)
{
    (void)state;
    int fd = -1;
    put("");
    struct encrypt_file *e = begin();
    assert_int_equal(run(e), 1);
    encrypt_file_free(&e);
    struct age_reader *r = open_result(&fd);
    assert_int_equal(age_reader_len(r), 0);
    age_reader_close(&r);
    close(fd);
}

/* A hole is as long as anything. */
static void
test_long(void **state)
{
    (void)state;
    struct error err;
    const uint64_t len = 2 * (uint64_t)RECORDER_ENCRYPT_STEP + 12345;
    char text[4];
    size_t got = 0;
    int fd = -1;
    put("begin");
    assert_int_equal(truncate(from, (off_t)len - 3), 0);
    FILE *f = fopen(from, "a");
    assert_non_null(f);
    fputs("end", f);
    fclose(f);
    struct encrypt_file *e = begin();
    assert_int_equal(run(e), 3);
    encrypt_file_free(&e);
    struct age_reader *r = open_result(&fd);
    assert_int_equal(age_reader_len(r), len);
    assert_int_equal(
        age_reader_pread(r, text, sizeof text, len - 3, &got, &err), STATUS_OK);
    assert_int_equal(got, 3);
    assert_memory_equal(text, "end", 3);
    age_reader_close(&r);
    close(fd);
}

static void
test_given_up_and_begun_again(void **state)
{
    (void)state;
    struct error err;
    bool is_done = true;
    put("x");
    assert_int_equal(truncate(from, 2 * (off_t)RECORDER_ENCRYPT_STEP), 0);
    struct encrypt_file *e = begin();
    assert_int_equal(encrypt_file_step(e, &is_done, &err), STATUS_OK);
    assert_false(is_done);
    assert_true(exists("a/b/to.tmp"));
    encrypt_file_free(&e);
    assert_false(exists("a/b/to.tmp"));
    assert_false(exists("a/b/to"));

    /* What a crash leaves: longer than what comes. */
    temp_dir_put(
        folder, "a/b/to.tmp", "................................", 0600);
    put("short");
    e = begin();
    assert_int_equal(run(e), 1);
    encrypt_file_free(&e);
    int fd = -1;
    struct age_reader *r = open_result(&fd);
    assert_int_equal(age_reader_len(r), 5);
    age_reader_close(&r);
    close(fd);
}

static void
test_failures(void **state)
{
    (void)state;
    struct encrypt_file *e = NULL;
    struct error err;
    char path[PATH_MAX];
    assert_int_equal(
        encrypt_file_begin(at("none", path), to, &recipient, 1, &e, &err),
        STATUS_NOT_FOUND);
    put("x");
    assert_int_equal(encrypt_file_begin(
                         from, at("from/below", path), &recipient, 1, &e, &err),
        STATUS_IO);
    assert_null(e);
    assert_false(exists("a/b/to.tmp"));
}

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(folder);
    at("from", from);
    at("a/b/to", to);
    return age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_A), &recipient) ==
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
        cmocka_unit_test_setup_teardown(test_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_given_up_and_begun_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
