/* Real children on a real loop: output, ends, limits, and nothing left. */
#include "base/child.h"

#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct child *child;
    bool cancels_inside;
    int calls;
    int status;
    size_t len;
    char out[100000];
};

static void
on_end(void *ctx, int status, struct span out)
{
    struct fixture *f = ctx;
    f->calls++;
    f->status = status;
    f->len = out.len;
    assert_true(out.len < sizeof(f->out));
    if (f->cancels_inside) {
        child_cancel(&f->child);
    }
    memcpy(f->out, out.ptr, out.len); /* lives until this returns */
    f->out[out.len] = '\0';
    loop_stop(f->loop);
}

static struct fixture *
open_fixture(void)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    struct error err;
    assert_int_equal(loop_new(&f->loop, &err), STATUS_OK);
    return f;
}

static void
close_fixture(struct fixture *f)
{
    child_cancel(&f->child);
    assert_null(f->child);
    loop_free(&f->loop);
    free(f);
    /* no zombie, and none still running */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static enum status
begin(struct fixture *f, const char *script, char *const env[], size_t max_out,
    uint64_t timeout_ms, struct error *err)
{
    char *text = strdup(script);
    char sh[] = "sh";
    char c[] = "-c";
    char *argv[] = {sh, c, text, NULL};
    enum status st = child_run(
        f->loop, argv, env, max_out, timeout_ms, on_end, f, &f->child, err);
    free(text);
    return st;
}

static struct fixture *
run(const char *script, char *const env[], size_t max_out, uint64_t timeout_ms)
{
    struct fixture *f = open_fixture();
    struct error err;
    assert_int_equal(
        begin(f, script, env, max_out, timeout_ms, &err), STATUS_OK);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
    return f;
}

static void
output_and_exit_code(void **state)
{
    (void)state;
    struct fixture *f = run("printf 'a\\nb'; exit 7", NULL, 100, 10000);
    assert_string_equal(f->out, "a\nb");
    assert_true(WIFEXITED(f->status));
    assert_int_equal(WEXITSTATUS(f->status), 7);
    close_fixture(f);
}

static void
more_output_than_a_pipe_holds(void **state)
{
    (void)state;
    struct fixture *f = run("head -c 99999 /dev/zero", NULL, 99999, 10000);
    assert_int_equal(f->len, 99999); /* exactly max_out is allowed */
    assert_true(WIFEXITED(f->status));
    close_fixture(f);
}

static void
too_much_output_is_killed(void **state)
{
    (void)state;
    struct fixture *f = run("yes; sleep 30", NULL, 50, 60000);
    assert_true(WIFSIGNALED(f->status));
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
    assert_int_equal(f->len, 50);
    close_fixture(f);
}

static void
env_is_added_and_replaces(void **state)
{
    (void)state;
    assert_int_equal(setenv("TEST_CHILD_OLD", "old", 1), 0);
    assert_int_equal(setenv("TEST_CHILD_KEPT", "kept", 1), 0);
    char added[] = "TEST_CHILD_NEW=new=x";
    char replaced[] = "TEST_CHILD_OLD=other";
    char *env[] = {added, replaced, NULL};
    struct fixture *f =
        run("echo $TEST_CHILD_NEW $TEST_CHILD_OLD $TEST_CHILD_KEPT;"
            "env | grep -c ^TEST_CHILD_OLD=",
            env, 100, 10000);
    assert_string_equal(f->out, "new=x other kept\n1\n");
    close_fixture(f);
}

/* Without 32 and 33, which are the C library's own: it lets nobody set them,
 * and its posix_spawn leaves them ignored (make starts its recipes so). */
static unsigned long long
ignored_signals(const char *out)
{
    const char *at = strstr(out, "SigIgn:");
    assert_non_null(at);
    return strtoull(at + strlen("SigIgn:"), NULL, 16) & ~0x180000000ull;
}

/* Nothing is inherited but 0, 1, 2; stdin is empty; signals are as new. */
static void
a_child_starts_clean(void **state)
{
    (void)state;
    int leaked[2];
    assert_int_equal(pipe(leaked), 0); /* without close-on-exec */
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    struct fixture *f = run("cat; readlink /proc/self/fd/0; ls /proc/self/fd;"
                            "grep -E '^Sig(Blk|Ign)' /proc/self/status",
        NULL, 1000, 10000);
    signal(SIGPIPE, before);
    /* 3 is the folder that ls reads */
    assert_non_null(strstr(f->out, "/dev/null\n0\n1\n2\n3\nSigBlk"));
    assert_non_null(strstr(f->out, "SigBlk:\t0000000000000000"));
    assert_int_equal(ignored_signals(f->out), 0);
    close_fixture(f);
    close(leaked[0]);
    close(leaked[1]);
}

static void
a_missing_program_is_refused_at_once(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    struct error err;
    char name[] = "no-such-program-here";
    char *argv[] = {name, NULL};
    assert_int_equal(
        child_run(f->loop, argv, NULL, 10, 1000, on_end, f, &f->child, &err),
        STATUS_NOT_FOUND);
    assert_string_equal(
        err.text, "cannot run no-such-program-here: No such file or directory");
    char folder[] = "/";
    argv[0] = folder;
    assert_int_equal(
        child_run(f->loop, argv, NULL, 10, 1000, on_end, f, &f->child, &err),
        STATUS_DENIED);
    assert_null(f->child);
    assert_int_equal(f->calls, 0);
    close_fixture(f);
}

/* Whether a process with this number runs; zombies do not. */
static bool
is_running(pid_t pid)
{
    char path[64];
    char line[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "r");
    if (in == NULL) {
        return false;
    }
    bool has_line = fgets(line, sizeof(line), in) != NULL;
    fclose(in);
    const char *name_end = has_line ? strrchr(line, ')') : NULL;
    return name_end != NULL && name_end[2] != 'Z' && name_end[2] != 'X';
}

static bool
ends_within_5_s(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    for (int i = 0; i < 500 && is_running(pid); i++) {
        nanosleep(&pause, NULL);
    }
    return !is_running(pid);
}

static void
a_timeout_kills_the_whole_group(void **state)
{
    (void)state;
    struct fixture *f =
        run("sleep 30 & echo $!; trap '' TERM; wait", NULL, 100, 300);
    assert_true(WIFSIGNALED(f->status));
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
    pid_t grandchild = (pid_t)strtol(f->out, NULL, 10);
    assert_true(grandchild > 1);
    assert_true(ends_within_5_s(grandchild));
    close_fixture(f);
}

/* A grandchild holds the pipe open: the end of the child is the end. */
static void
a_grandchild_is_not_waited_for(void **state)
{
    (void)state;
    struct fixture *f = run("sleep 30 & echo $!", NULL, 100, 20000);
    assert_true(WIFEXITED(f->status));
    pid_t grandchild = (pid_t)strtol(f->out, NULL, 10);
    assert_true(is_running(grandchild));
    assert_int_equal(kill(grandchild, SIGKILL), 0);
    close_fixture(f);
}

static void
it_may_be_freed_inside_its_end(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    struct error err;
    f->cancels_inside = true;
    assert_int_equal(
        begin(f, "echo still here", NULL, 100, 10000, &err), STATUS_OK);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
    assert_null(f->child);
    assert_string_equal(f->out, "still here\n");
    close_fixture(f);
}

static void
cancel_kills_and_says_nothing(void **state)
{
    (void)state;
    struct fixture *f = open_fixture();
    struct error err;
    assert_int_equal(begin(f, "sleep 30", NULL, 100, 10000, &err), STATUS_OK);
    child_cancel(&f->child);
    assert_null(f->child);
    loop_run_once(f->loop);
    assert_int_equal(f->calls, 0);
    close_fixture(f);
}

static size_t
count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    size_t n = 0;
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static void
no_descriptor_is_left(void **state)
{
    (void)state;
    size_t before = count_descriptors();
    output_and_exit_code(state);
    a_missing_program_is_refused_at_once(state);
    cancel_kills_and_says_nothing(state);
    assert_int_equal(count_descriptors(), before);
}

/* kill -9 of whoever runs a child takes the child with it. */
static void
a_child_dies_with_its_parent(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct fixture *f = open_fixture();
        char script[64];
        (void)snprintf(script, sizeof(script),
            "echo $$ >/proc/%d/fd/%d; exec sleep 30", (int)getpid(), ends[1]);
        if (begin(f, script, NULL, 100, 100000, NULL) == STATUS_OK) {
            pause();
        }
        _exit(1);
    }
    char text[32] = "";
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    pid_t child = (pid_t)strtol(text, NULL, 10);
    assert_true(is_running(child));
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_true(ends_within_5_s(child));
    close(ends[0]);
    close(ends[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_exit_code),
        cmocka_unit_test(more_output_than_a_pipe_holds),
        cmocka_unit_test(too_much_output_is_killed),
        cmocka_unit_test(env_is_added_and_replaces),
        cmocka_unit_test(a_child_starts_clean),
        cmocka_unit_test(a_missing_program_is_refused_at_once),
        cmocka_unit_test(a_timeout_kills_the_whole_group),
        cmocka_unit_test(a_grandchild_is_not_waited_for),
        cmocka_unit_test(it_may_be_freed_inside_its_end),
        cmocka_unit_test(cancel_kills_and_says_nothing),
        cmocka_unit_test(no_descriptor_is_left),
        cmocka_unit_test(a_child_dies_with_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
