#include "player/recording_source.h"

#include "base/age_writer.h"
#include "base/file.h"
#include "tests/support/age_keys.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[TEMP_DIR_MAX];

static const char *
path_of(const char *name)
{
    static char path[TEMP_DIR_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void
test_plain(void **state)
{
    (void)state;
    struct recording_source *s = NULL;
    struct error err;
    char bytes[16];
    size_t got = 0;
    temp_dir_put(folder, "plain", "0123456789", 0600);
    assert_int_equal(
        recording_source_open(path_of("plain"), NULL, &s, &err), STATUS_OK);
    assert_true(recording_source_may_seek(s));
    assert_int_equal(recording_source_len(s), 10);
    assert_int_equal(
        recording_source_pread(s, bytes, 4, 5, &got, &err), STATUS_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "5678", 4);
    assert_int_equal(
        recording_source_pread(s, bytes, 4, 8, &got, &err), STATUS_OK);
    assert_int_equal(got, 2);
    assert_int_equal(
        recording_source_pread(s, bytes, 4, UINT64_MAX, &got, &err), STATUS_OK);
    assert_int_equal(got, 0);
    recording_source_close(&s);
    assert_null(s);
}

/* A running session's file is read beyond where it ended at first. */
static void
test_grows(void **state)
{
    (void)state;
    struct recording_source *s = NULL;
    struct error err;
    char bytes[16];
    size_t got = 0;
    temp_dir_put(folder, "grows", "0123", 0600);
    assert_int_equal(
        recording_source_open(path_of("grows"), NULL, &s, &err), STATUS_OK);
    FILE *f = fopen(path_of("grows"), "a");
    assert_non_null(f);
    fputs("4567", f);
    fclose(f);
    assert_int_equal(recording_source_len(s), 4);
    assert_int_equal(
        recording_source_pread(s, bytes, 16, 0, &got, &err), STATUS_OK);
    assert_int_equal(got, 8);
    recording_source_close(&s);
}

static void
test_pipe(void **state)
{
    (void)state;
    struct recording_source *s = NULL;
    struct error err;
    char path[32];
    char bytes[16];
    int ends[2];
    size_t got = 0;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "0123456789", 10), 10);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(recording_source_open(path, NULL, &s, &err), STATUS_OK);
    assert_false(recording_source_may_seek(s));
    assert_int_equal(
        recording_source_pread(s, bytes, 6, 0, &got, &err), STATUS_OK);
    assert_int_equal(got, 6);
    assert_int_equal(
        recording_source_pread(s, bytes, 6, 6, &got, &err), STATUS_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "6789", 4);
    assert_int_equal(
        recording_source_pread(s, bytes, 6, 10, &got, &err), STATUS_OK);
    assert_int_equal(got, 0);
    recording_source_close(&s);
    close(ends[0]);
}

static void
put_encrypted(const char *name, const char *text)
{
    struct age_recipient to[2];
    struct age_writer *w = NULL;
    struct buf file;
    struct error err;
    buf_init(&file, 1 << 20);
    assert_int_equal(
        age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_A), &to[0]), STATUS_OK);
    assert_int_equal(
        age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_B), &to[1]), STATUS_OK);
    assert_int_equal(age_writer_new(to, 2, &file, &w, &err), STATUS_OK);
    assert_int_equal(
        age_writer_feed(w, span_str(text), &file, &err), STATUS_OK);
    assert_int_equal(age_writer_finish(w, &file, &err), STATUS_OK);
    age_writer_free(&w);
    assert_int_equal(
        file_write_atomic(path_of(name), buf_view(&file), 0600, &err),
        STATUS_OK);
    buf_fini(&file);
}

static void
test_encrypted(void **state)
{
    (void)state;
    struct recording_source *s = NULL;
    struct age_identities *ids = NULL;
    struct error err;
    char bytes[16];
    size_t got = 0;
    put_encrypted("age", "0123456789");
    assert_int_equal(
        age_identities_parse(SPAN_LIT(AGE_IDENTITY_B), &ids, &err), STATUS_OK);
    assert_int_equal(
        recording_source_open(path_of("age"), ids, &s, &err), STATUS_OK);
    age_identities_free(&ids);
    assert_true(recording_source_is_encrypted(s));
    assert_true(recording_source_may_seek(s));
    assert_int_equal(recording_source_len(s), 10);
    assert_int_equal(
        recording_source_pread(s, bytes, 16, 4, &got, &err), STATUS_OK);
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "456789", 6);
    recording_source_close(&s);
}

static void
test_refused(void **state)
{
    (void)state;
    struct recording_source *s = NULL;
    struct age_identities *ids = NULL;
    struct error err;
    assert_int_equal(recording_source_open(path_of("none"), NULL, &s, &err),
        STATUS_NOT_FOUND);
    put_encrypted("age", "0123456789");
    assert_int_equal(
        recording_source_open(path_of("age"), NULL, &s, &err), STATUS_DENIED);
    assert_non_null(strstr(
        err.text, "age is encrypted to 2 recipients; give --identity FILE"));
    assert_int_equal(
        recording_source_open(path_of("age"), NULL, &s, NULL), STATUS_DENIED);
    assert_int_equal(
        age_identities_parse(SPAN_LIT(AGE_IDENTITY_C), &ids, &err), STATUS_OK);
    assert_int_equal(
        recording_source_open(path_of("age"), ids, &s, &err), STATUS_DENIED);
    assert_null(strstr(err.text, "--identity"));
    assert_non_null(strstr(err.text, "but to none of the identities given"));
    temp_dir_put(folder, "v2", "age-encryption.org/v2\n", 0600);
    assert_int_equal(recording_source_open(path_of("v2"), ids, &s, &err),
        STATUS_UNSUPPORTED);
    temp_dir_put(folder, "cut", "age-encryption.org/v1\n-> X25519", 0600);
    assert_int_equal(
        recording_source_open(path_of("cut"), ids, &s, &err), STATUS_CORRUPT);
    age_identities_free(&ids);
    assert_null(s);
}

static int
make_folder(void **state)
{
    (void)state;
    temp_dir_make(folder);
    return 0;
}

static int
drop_folder(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_encrypted),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
