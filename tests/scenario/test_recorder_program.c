/* kubetape-recorder as its users run it: flags, lock, signals, and a journal
 * that grows while it runs. argv[1] is the program. */
#include "base/file.h"
#include "tests/support/age_keys.h"
#include "tests/support/journal_maker.h"
#include "tests/support/recording.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_US   1764028800000000 /* 2025-11-25T00:00:00Z */
#define PATIENCE_S 20

static const char *program;

struct world {
    char state[TEMP_DIR_MAX];
    char config[300];
    struct journal_maker journal;
};

/* Runs it with `arguments`; its standard error goes to *err_fd_out, and
 * descriptor 3 to *ready_fd_out, when they are asked for. */
static pid_t
run(char *const arguments[], int *err_fd_out, int *ready_fd_out)
{
    int err_pipe[2];
    int ready_pipe[2];
    assert_int_equal(pipe2(err_pipe, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready_pipe, O_CLOEXEC), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const int ready = fcntl(ready_pipe[1], F_DUPFD_CLOEXEC, 50);
        (void)dup2(err_pipe[1], STDERR_FILENO);
        (void)dup2(ready, 3);
        execv(program, arguments);
        _exit(127);
    }
    close(err_pipe[1]);
    close(ready_pipe[1]);
    *err_fd_out = err_pipe[0];
    *ready_fd_out = ready_pipe[0];
    return pid;
}

static int
wait_for(pid_t pid)
{
    int status;
    for (int i = 0; i < PATIENCE_S * 100; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        usleep(10000);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    fail_msg("it did not end");
    return -1;
}

static void
write_config(const struct world *w, const char *more)
{
    char yaml[600];
    const int n = snprintf(yaml, sizeof yaml,
        "state: %s\nupstream: {kubeconfig: /nowhere}\n%s", w->state, more);
    assert_int_equal(
        file_write_atomic(w->config, span_of(yaml, (size_t)n), 0600, NULL),
        STATUS_OK);
}

static int
set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    temp_dir_make(w->state);
    snprintf(w->config, sizeof w->config, "%s/config.yaml", w->state);
    write_config(w, "recorder: {seal_interval_ms: 60000}\n");
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;
    temp_dir_remove(w->state);
    free(w);
    return 0;
}

/* Waits for the byte on the ready descriptor, and for its end. */
static void
wait_until_ready(int fd)
{
    char byte = 0;
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, '\n');
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
}

static pid_t
start(struct world *w, int *err_fd_out)
{
    char name[] = "kubetape-recorder";
    char config[] = "--config";
    char ready[] = "--ready-fd=3";
    char *const arguments[] = {name, config, w->config, ready, NULL};
    int ready_fd;
    const pid_t pid = run(arguments, err_fd_out, &ready_fd);
    wait_until_ready(ready_fd);
    return pid;
}

static void
assert_says(int err_fd, const char *want)
{
    char text[8192];
    size_t len = 0;
    for (;;) {
        const ssize_t n = read(err_fd, text + len, sizeof text - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    text[len] = '\0';
    close(err_fd);
    if (strstr(text, want) == NULL) {
        fail_msg("it said:\n%sand not: %s", text, want);
    }
}

static struct ed25519_public
public_key(const struct world *w)
{
    char path[400];
    struct buf pem;
    struct ed25519_public key;
    buf_init(&pem, 4096);
    snprintf(path, sizeof path, "%s/keys/seal.pub.pem", w->state);
    assert_int_equal(file_read(path, &pem, NULL), STATUS_OK);
    assert_int_equal(
        ed25519_public_from_pem(buf_view(&pem), &key, NULL), STATUS_OK);
    buf_fini(&pem);
    return key;
}

static void
recording_path(const struct world *w, const struct uuid *id, char out[512])
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    snprintf(out, 512, "%s/recordings/2025/11/25/%s.cast.zst", w->state, text);
}

/* Until the recorder has read all there is; fails after a while. */
static void
wait_until_read(const struct world *w)
{
    for (int i = 0; i < PATIENCE_S * 1000; i++) {
        if (journal_maker_position(&w->journal).read_lsn == w->journal.lsn) {
            return;
        }
        usleep(1000);
    }
    fail_msg("the journal was not read");
}

static void
test_records_while_it_grows(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char path[512];
    int err_fd;
    struct recording r;
    const pid_t pid = start(w, &err_fd);
    journal_maker_open(&w->journal, w->state);
    const uint64_t s =
        journal_maker_open_session(&w->journal, &id, START_US, "");
    for (int i = 0; i < 20; i++) {
        journal_maker_data(&w->journal, s, STREAM_STDOUT, "chunk ");
        wait_until_read(w);
    }
    journal_maker_note(
        &w->journal, JOURNAL_CLOSE, s, "{\"status\":\"complete\"}");
    wait_until_read(w);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(wait_for(pid), 0);
    close(err_fd);
    const struct ed25519_public key = public_key(w);
    recording_path(w, &id, path);
    assert_true(recording_read(path, &key, &r));
    assert_true(r.is_final);
    size_t chunks = 0;
    for (const char *at = r.text; at != NULL; chunks++) {
        at = strstr(at + 1, "\"chunk \"");
    }
    assert_int_equal(chunks - 1, 20);
    recording_free(&r);
    journal_maker_close(&w->journal);
}

/* SIGTERM seals what is open; the next start goes on there. */
static void
test_stop_and_start(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char path[512];
    int err_fd;
    struct recording r;
    journal_maker_open(&w->journal, w->state);
    const uint64_t s =
        journal_maker_open_session(&w->journal, &id, START_US, "");
    journal_maker_data(&w->journal, s, STREAM_STDOUT, "before");
    pid_t pid = start(w, &err_fd);
    wait_until_read(w);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(wait_for(pid), 0);
    close(err_fd);
    const struct ed25519_public key = public_key(w);
    recording_path(w, &id, path);
    assert_true(recording_read(path, &key, &r));
    assert_false(r.is_final);
    assert_non_null(strstr(r.text, "before"));
    assert_int_equal(
        journal_maker_position(&w->journal).released_lsn, w->journal.lsn);
    recording_free(&r);
    pid = start(w, &err_fd);
    journal_maker_data(&w->journal, s, STREAM_STDOUT, "after");
    journal_maker_close(&w->journal); /* the proxy dies */
    for (int i = 0; i < PATIENCE_S * 100; i++) {
        if (access(w->journal.dir, F_OK) != 0) {
            break;
        }
        usleep(10000);
    }
    assert_int_not_equal(access(w->journal.dir, F_OK), 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(wait_for(pid), 0);
    close(err_fd);
    assert_true(recording_read(path, &key, &r));
    assert_true(r.is_final);
    assert_non_null(strstr(r.text, "after"));
    assert_non_null(strstr(r.text, "proxy died"));
    recording_free(&r);
}

static void
test_one_a_state_folder(void **state)
{
    struct world *w = *state;
    char name[] = "kubetape-recorder";
    char config[] = "--config";
    char *const arguments[] = {name, config, w->config, NULL};
    int err_fd;
    int second_err_fd;
    int ready_fd;
    const pid_t first = start(w, &err_fd);
    const pid_t second = run(arguments, &second_err_fd, &ready_fd);
    assert_int_equal(wait_for(second), 3);
    assert_says(second_err_fd, "another recorder writes");
    close(ready_fd);
    assert_int_equal(kill(first, SIGTERM), 0);
    assert_int_equal(wait_for(first), 0);
    close(err_fd);
}

static void
test_reload(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char path[512];
    int err_fd;
    struct recording r = {.text = NULL};
    journal_maker_open(&w->journal, w->state);
    const uint64_t s =
        journal_maker_open_session(&w->journal, &id, START_US, "");
    journal_maker_data(&w->journal, s, STREAM_STDOUT, "words");
    const pid_t pid = start(w, &err_fd);
    const struct ed25519_public key = public_key(w);
    wait_until_read(w);
    write_config(w, "nonsense: true\n"); /* refused, and the old one kept */
    assert_int_equal(kill(pid, SIGHUP), 0);
    usleep(300000);
    write_config(w, "recorder: {seal_interval_ms: 100}\n");
    assert_int_equal(kill(pid, SIGHUP), 0);
    recording_path(w, &id, path);
    for (int i = 0; i < PATIENCE_S * 10 && r.seals < 2; i++) {
        recording_free(&r);
        usleep(100000);
        assert_true(recording_read(path, &key, &r));
    }
    assert_int_equal(r.seals, 2); /* in a minute by the first, at once now */
    recording_free(&r);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(wait_for(pid), 0);
    assert_says(err_fd, "config.kept");
    journal_maker_close(&w->journal);
}

/* Until a file is there, or is gone. */
static void
await_file(const char *path, bool is_there)
{
    for (int i = 0; i < PATIENCE_S * 100; i++) {
        if ((access(path, F_OK) == 0) == is_there) {
            return;
        }
        usleep(10000);
    }
    fail_msg("%s is %sthere", path, is_there ? "not " : "");
}

/* A session that began in the clear is encrypted, if it ends after a reload
 * that says so. */
static void
test_reload_encrypts(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char path[512];
    char encrypted[520];
    char said[8192];
    int err_fd;
    journal_maker_open(&w->journal, w->state);
    const uint64_t s =
        journal_maker_open_session(&w->journal, &id, START_US, "");
    journal_maker_data(&w->journal, s, STREAM_STDOUT, "words");
    const pid_t pid = start(w, &err_fd);
    wait_until_read(w);
    recording_path(w, &id, path);
    await_file(path, true);
    write_config(w, "recorder: {encrypt_to: [" AGE_RECIPIENT_A "]}\n");
    assert_int_equal(kill(pid, SIGHUP), 0);
    size_t len = 0;
    do { /* until it says that it did */
        const ssize_t n = read(err_fd, said + len, sizeof said - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
        said[len] = '\0';
    } while (strstr(said, "config.reloaded") == NULL);
    journal_maker_note(
        &w->journal, JOURNAL_CLOSE, s, "{\"status\":\"complete\"}");
    snprintf(encrypted, sizeof encrypted, "%s.age", path);
    await_file(encrypted, true);
    await_file(path, false);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(wait_for(pid), 0);
    close(err_fd);
    journal_maker_close(&w->journal);
}

static int
run_flags(const char *first, const char *second, const char *third, int *err)
{
    char name[] = "kubetape-recorder";
    char copies[3][400];
    char *arguments[5] = {name};
    const char *const given[3] = {first, second, third};
    int ready_fd;
    for (size_t i = 0; i < 3 && given[i] != NULL; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", given[i]);
        arguments[i + 1] = copies[i];
    }
    const pid_t pid = run(arguments, err, &ready_fd);
    close(ready_fd);
    return wait_for(pid);
}

static void
test_flags(void **state)
{
    struct world *w = *state;
    int err;
    assert_int_equal(run_flags("--config", w->config, "--check", &err), 0);
    close(err);
    assert_int_equal(run_flags("--help", NULL, NULL, &err), 0);
    close(err);
    assert_int_equal(run_flags("--version", NULL, NULL, &err), 0);
    close(err);
    assert_int_equal(run_flags(NULL, NULL, NULL, &err), 2);
    assert_says(err, "--config");
    assert_int_equal(run_flags("--conf", "x", NULL, &err), 2);
    assert_says(err, "--conf");
    assert_int_equal(run_flags("--config", w->config, "more", &err), 2);
    assert_says(err, "more");
    write_config(w, "recorder: {seal_interval_ms: soon}\n");
    assert_int_equal(run_flags("--config", w->config, "--check", &err), 2);
    assert_says(err, "soon");
}

#define PROGRAM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PROGRAM(test_records_while_it_grows),
        PROGRAM(test_stop_and_start),
        PROGRAM(test_one_a_state_folder),
        PROGRAM(test_reload),
        PROGRAM(test_reload_encrypts),
        PROGRAM(test_flags),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s PROGRAM\n", argv[0]);
        return 2;
    }
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
