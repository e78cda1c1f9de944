#include "base/file.h"
#include "player/supervise.h"
#include "tests/support/recording_maker.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[TEMP_DIR_MAX];
static char script_path[PATH_MAX];
static char log_path[PATH_MAX];

/* Called as: script NAME BEHAVIOUR --ready-fd N */
static const char script[] =
    "name=$1\n"
    "trap 'sleep 0.1; echo \"$name ended\" >> \"$TEST_LOG\"; exit 0' TERM\n"
    "echo \"$name started $$\" >> \"$TEST_LOG\"\n"
    "[ \"$3\" = --ready-fd ] || exit 9\n"
    "case $2 in\n"
    "fails) exit 3;;\n"
    "dies) printf x > /proc/self/fd/$4\n"
    "  [ -e \"$TEST_LOG.died\" ] || { : > \"$TEST_LOG.died\"; exit 7; };;\n"
    "deaf) trap '' TERM; printf x > /proc/self/fd/$4;;\n"
    "*) printf x > /proc/self/fd/$4;;\n"
    "esac\n"
    "while :; do sleep 0.02; done\n";

static enum status
announce(void *ctx, struct error *err)
{
    (void)err;
    FILE *f = fopen(ctx, "a");
    fprintf(f, "announced\n");
    fclose(f);
    return STATUS_OK;
}

/* Runs a supervisor of two such programs in a process of its own; it exits
 * with 0 for STATUS_OK, 1 otherwise, and logs the error. */
static pid_t
start(const char *first, const char *second)
{
    (void)unlink(log_path);
    char died[PATH_MAX + 8];
    snprintf(died, sizeof died, "%s.died", log_path);
    (void)unlink(died);
    const pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    char sh[] = "/bin/sh";
    char one[] = "one";
    char two[] = "two";
    char how_one[16];
    char how_two[16];
    snprintf(how_one, sizeof how_one, "%s", first);
    snprintf(how_two, sizeof how_two, "%s", second);
    char *const argv_one[] = {sh, script_path, one, how_one, NULL};
    char *const argv_two[] = {sh, script_path, two, how_two, NULL};
    const struct supervise_program programs[] = {
        {"one", argv_one}, {"two", argv_two}};
    const struct supervise_plan plan = {
        .programs = programs,
        .count = 2,
        .on_ready = announce,
        .ctx = log_path,
    };
    struct error err = {.code = STATUS_OK};
    if (freopen("/dev/null", "w", stderr) == NULL) {
        _exit(2);
    }
    const enum status st = supervise_run(&plan, &err);
    FILE *f = fopen(log_path, "a");
    fprintf(f, "result %s: %s\n", status_name(st), err.text);
    fclose(f);
    _exit(st == STATUS_OK ? 0 : 1);
}

static const char *
read_log(void)
{
    static char text[65536];
    FILE *f = fopen(log_path, "r");
    size_t n = 0;
    if (f != NULL) {
        n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
    }
    text[n] = '\0';
    return text;
}

static int
count(const char *words)
{
    int n = 0;
    const char *at = strstr(read_log(), words);
    while (at != NULL) {
        n++;
        at = strstr(at + 1, words);
    }
    return n;
}

static void
nap(void)
{
    const struct timespec t = {.tv_nsec = 10 * 1000 * 1000};
    nanosleep(&t, NULL);
}

/* Waits until the log has the words so often; fails after ten seconds. */
static void
await(const char *words, int times)
{
    for (int i = 0; i < 1000 && count(words) < times; i++) {
        nap();
    }
    if (count(words) < times) {
        print_message("waited for \"%s\" in:\n%s", words, read_log());
    }
    assert_true(count(words) >= times);
}

static int
await_end(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void
test_ends_in_order(void **state)
{
    (void)state;
    const pid_t pid = start("runs", "runs");
    await("announced", 1);
    kill(pid, SIGTERM);
    assert_int_equal(await_end(pid), 0);
    const char *text = read_log();
    const char *one = strstr(text, "one ended");
    const char *two = strstr(text, "two ended");
    assert_non_null(one);
    assert_non_null(two);
    assert_true(one < two);
    assert_int_equal(count("announced"), 1);
    assert_int_equal(count("started"), 2);
}

static void
test_fails_before_ready(void **state)
{
    (void)state;
    const pid_t pid = start("fails", "runs");
    assert_int_equal(await_end(pid), 1 << 8);
    assert_int_equal(count("one started"), 1); /* not again */
    assert_int_equal(count("announced"), 0);
    assert_non_null(
        strstr(read_log(), "one ended with exit code 3 before it was ready"));
}

static void
test_starts_again(void **state)
{
    (void)state;
    const pid_t pid = start("runs", "dies");
    await("two started", 2);
    await("announced", 1);
    assert_int_equal(count("one started"), 1);
    kill(pid, SIGINT);
    assert_int_equal(await_end(pid), 0);
    assert_int_equal(count("one ended"), 1);
}

static void
test_second_signal_does_not_wait(void **state)
{
    (void)state;
    const pid_t pid = start("deaf", "runs");
    await("announced", 1);
    kill(pid, SIGTERM);
    nap();
    nap();
    kill(pid, SIGTERM);
    assert_int_equal(await_end(pid), 0); /* long before the ten seconds */
    assert_int_equal(count("two ended"), 1);
}

static pid_t
pid_in_log(const char *words)
{
    const char *at = strstr(read_log(), words);
    assert_non_null(at);
    return (pid_t)strtol(at + strlen(words), NULL, 10);
}

static void
await_gone(pid_t pid)
{
    for (int i = 0; i < 500 && kill(pid, 0) == 0; i++) {
        nap();
    }
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void
test_none_outlives_us(void **state)
{
    (void)state;
    const pid_t pid = start("runs", "runs");
    await("announced", 1);
    const pid_t one = pid_in_log("one started ");
    const pid_t two = pid_in_log("two started ");
    kill(pid, SIGKILL);
    (void)await_end(pid);
    await_gone(one);
    await_gone(two);
}

static void
test_backoff(void **state)
{
    (void)state;
    static const uint64_t wanted[] = {
        100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(supervise_backoff_ms(i), wanted[i]);
    }
    assert_int_equal(supervise_backoff_ms(UINT_MAX), 5000);
}

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(folder);
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(script_path, sizeof script_path, "%s",
        maker_write(folder, "program.sh", span_str(script)));
    setenv("TEST_LOG", log_path, 1);
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
        cmocka_unit_test(test_ends_in_order),
        cmocka_unit_test(test_fails_before_ready),
        cmocka_unit_test(test_starts_again),
        cmocka_unit_test(test_second_signal_does_not_wait),
        cmocka_unit_test(test_none_outlives_us),
        cmocka_unit_test(test_backoff),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
