/* A refusal is one sentence, always terminated, with the right code. */
#include "base/status.h"

#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

static void
set_fills_code_and_text(void **state)
{
    (void)state;
    struct error err = {.sys_errno = 7};
    assert_int_equal(
        error_set(&err, STATUS_INVALID, "port %d", 70000), STATUS_INVALID);
    assert_int_equal(err.code, STATUS_INVALID);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.text, "port 70000");
}

static void
every_call_takes_a_null_error(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, STATUS_LIMIT, "x"), STATUS_LIMIT);
    assert_int_equal(error_sys(NULL, ENOENT, "x"), STATUS_NOT_FOUND);
    assert_int_equal(error_in(NULL, STATUS_CORRUPT, "x"), STATUS_CORRUPT);
}

static void
sys_picks_the_code(void **state)
{
    (void)state;
    static const struct {
        int sys_errno;
        enum status code;
    } cases[] = {
        {ENOENT, STATUS_NOT_FOUND},
        {EEXIST, STATUS_EXISTS},
        {EACCES, STATUS_DENIED},
        {EPERM, STATUS_DENIED},
        {ENOSPC, STATUS_NO_SPACE},
        {EDQUOT, STATUS_NO_SPACE},
        {ENOMEM, STATUS_NO_MEMORY},
        {EBADF, STATUS_IO},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        enum status st = error_sys(&err, cases[i].sys_errno, "open %s", "f");
        assert_int_equal(st, cases[i].code);
        assert_int_equal(err.code, st);
        assert_int_equal(err.sys_errno, cases[i].sys_errno);
    }
    struct error err;
    (void)error_sys(&err, ENOENT, "cannot open %s", "/x");
    assert_string_equal(err.text, "cannot open /x: No such file or directory");
}

static void
in_puts_context_in_front(void **state)
{
    (void)state;
    struct error err;
    (void)error_sys(&err, ENOSPC, "write");
    assert_int_equal(
        error_in(&err, STATUS_IO, "journal %d", 3), STATUS_NO_SPACE);
    assert_string_equal(err.text, "journal 3: write: No space left on device");
    assert_int_equal(err.sys_errno, ENOSPC);
}

static void
arguments_may_come_from_the_error_itself(void **state)
{
    (void)state;
    struct error err;
    (void)error_set(&err, STATUS_INVALID, "inner");
    (void)error_set(&err, STATUS_INVALID, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
}

static void
long_sentences_are_cut(void **state)
{
    (void)state;
    char big[2 * ERROR_TEXT_MAX];
    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    struct error err;
    (void)error_set(&err, STATUS_INVALID, "%s", big);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    (void)error_sys(&err, ENOENT, "%s", big);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    (void)error_in(&err, STATUS_INVALID, "front");
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    assert_memory_equal(err.text, "front: aaa", 10);
}

static void
names_are_distinct(void **state)
{
    (void)state;
    for (int a = STATUS_OK; a <= STATUS_UNSUPPORTED; a++) {
        assert_string_not_equal(status_name((enum status)a), "unknown");
        for (int b = STATUS_OK; b < a; b++) {
            assert_string_not_equal(
                status_name((enum status)a), status_name((enum status)b));
        }
    }
    assert_string_equal(status_name(STATUS_OK), "ok");
    assert_string_equal(status_name(STATUS_INVALID), "invalid");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_and_text),
        cmocka_unit_test(every_call_takes_a_null_error),
        cmocka_unit_test(sys_picks_the_code),
        cmocka_unit_test(in_puts_context_in_front),
        cmocka_unit_test(arguments_may_come_from_the_error_itself),
        cmocka_unit_test(long_sentences_are_cut),
        cmocka_unit_test(names_are_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
