/* The program as a person runs it: words in, words and exit codes out. */
#include "base/file.h"
#include "player/kubeconfig.h"
#include "tests/support/index_maker.h"
#include "tests/support/recording_maker.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ID "019ab000-0000-7000-8000-00000000000a"

static char folder[TEMP_DIR_MAX]; /* the state folder */
static struct recording_maker recording;

static struct {
    char out[1 << 16];
    size_t out_len;
    char err[1 << 16];
    int code;
} ran;

static char *
at(const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return out;
}

static size_t
slurp(const char *name, char *out, size_t cap)
{
    char path[PATH_MAX];
    FILE *f = fopen(at(name, path), "rb");
    const size_t n = f == NULL ? 0 : fread(out, 1, cap - 1, f);
    out[n] = '\0';
    if (f != NULL) {
        fclose(f);
    }
    return n;
}

/* `words` is split at spaces, without quoting. */
static void
split(char *words, char *argv[32], const char *program)
{
    static char name[PATH_MAX];
    snprintf(name, sizeof name, "%s", program);
    int n = 0;
    argv[n++] = name;
    while (*words != '\0' && n < 31) {
        argv[n++] = words;
        words += strcspn(words, " ");
        if (*words != '\0') {
            *words++ = '\0';
        }
    }
    argv[n] = NULL;
}

static void
run(const char *words)
{
    char text[4096];
    char out_path[PATH_MAX];
    char err_path[PATH_MAX];
    char *argv[32];
    snprintf(text, sizeof text, "%s", words);
    split(text, argv, KUBETAPE_PROGRAM);
    at("stdout", out_path);
    at("stderr", err_path);
    const pid_t pid = fork();
    if (pid == 0) {
        const int flags = O_WRONLY | O_CREAT | O_TRUNC;
        if (dup2(open("/dev/null", O_RDONLY), 0) < 0 ||
            dup2(open(out_path, flags, 0600), 1) < 0 ||
            dup2(open(err_path, flags, 0600), 2) < 0) {
            _exit(120);
        }
        execv(argv[0], argv);
        _exit(121);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    ran.code = WEXITSTATUS(status);
    ran.out_len = slurp("stdout", ran.out, sizeof ran.out);
    (void)slurp("stderr", ran.err, sizeof ran.err);
}

static void
expect(const char *words, int code, const char *out, const char *err)
{
    run(words);
    if (ran.code != code || strstr(ran.out, out) == NULL ||
        strstr(ran.err, err) == NULL) {
        print_message("kubetape %s: %d\n--- out\n%s--- err\n%s", words,
            ran.code, ran.out, ran.err);
    }
    assert_int_equal(ran.code, code);
    assert_non_null(strstr(ran.out, out));
    assert_non_null(strstr(ran.err, err));
    if (err[0] == '\0') {
        assert_string_equal(ran.err, "");
    }
}

static void
test_usage(void **state)
{
    (void)state;
    expect("", 2, "", "usage: kubetape COMMAND");
    expect("help", 0, "verify", "");
    expect("--help", 0, "verify", "");
    expect("help play", 0, "--idle-limit", "");
    expect("version", 0, "kubetape 0.", "");
    expect("lst", 2, "", "did you mean \"ls\"?");
    expect("frobnicate", 2, "", "unknown command");
    expect("verfy", 2, "", "did you mean \"verify\"?");
    expect("show", 2, "", "usage: kubetape show ID");
    expect("show a b", 2, "", "unexpected \"b\"");
    expect("ls --nonsense", 2, "", "--nonsense");
    expect("ls --limit 0", 2, "", "--limit");
    expect("ls --since yesterday", 2, "", "yesterday");
    expect("ls --type shell", 2, "", "expected exec");
    expect("export x", 2, "", "expected --format");
    expect("export x --format gif", 2, "", "unknown format gif");
    expect("export x --format cast --stream stdout", 2, "", "raw only");
    expect("export x --format raw --stream up", 2, "", "expected stdout");
    expect("play x --speed 0", 2, "", "--speed");
    expect("up --config x --listen y", 2, "", "--config");
    static const char *const all[] = {"up", "kubeconfig", "ls", "show", "play",
        "export", "verify", "version", "help"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char words[64];
        snprintf(words, sizeof words, "%s --help", all[i]);
        expect(words, 0, "usage: kubetape ", "");
        assert_string_equal(ran.err, "");
    }
}

static void
test_ls(void **state)
{
    (void)state;
    expect("ls", 0, "ID ", "");
    expect("ls", 0, "019ab000-0000-7000  1970-01-01T00:00:01Z", "");
    assert_non_null(strstr(ran.out, "alice"));
    assert_non_null(strstr(ran.out, "ev\\x1b[31mil"));
    assert_null(strchr(ran.out, '\033'));
    expect("ls --json", 0, "{\"id\":\"" ID "\"", "");
    assert_non_null(strstr(ran.out, "\"duration\":1.000000"));
    expect("ls --user nobody", 0, "", "no session matches");
    assert_string_equal(ran.out, "");
    expect("ls --state /nonexistent", 0, "", "no recordings yet");
    assert_string_equal(ran.out, "");
}

static void
test_show(void **state)
{
    (void)state;
    expect("show 019ab000", 0, "status        complete, exit code 0\n", "");
    assert_non_null(strstr(ran.out, "command       sh -c 'ls /'\n"));
    assert_non_null(strstr(ran.out, "groups        dev, ops\n"));
    assert_non_null(strstr(ran.out, "stdin         1 bytes, not recorded\n"));
    expect("show --json " ID, 0, "{\"id\":\"" ID "\"", "");
    expect("show 0", 2, "", "several sessions begin with 0");
    expect("show ffff", 3, "", "no session has the ID");
    expect("show no/such", 3, "", "neither");
}

static void
test_play(void **state)
{
    (void)state;
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    expect("play --speed 10 " ID, 0, "", "");
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_string_equal(ran.out, "hello w\xC3\xB6rld\r\nbye\r\n");
    const double s = (double)(after.tv_sec - before.tv_sec) +
                     (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    assert_true(s >= 0.25); /* 2.5 s of recording */
    expect("play --speed 1000 --at 2 " ID, 0, "hello", "");
    expect("play --speed 1000 --idle-limit 0.01 " ID, 0, "bye", "");
    expect("play nothing.cast", 3, "", "nothing.cast");
}

/* Its text is in the clear elsewhere, where auditors do not read. */
static void
test_running_and_to_be_encrypted(void **state)
{
    (void)state;
    char path[PATH_MAX];
    const char *why = "session " ID " is encrypted when it has ended; it "
                      "cannot be read while it runs";
    index_forge(at("index.db", path),
        "UPDATE sessions SET status = 'active', file = file || '.age'"
        " WHERE id = '" ID "'");
    expect("play " ID, 3, "", why);
    expect("export --format cast " ID, 3, "", why);
    expect("show " ID, 0, "a.cast.zst.age", "");
    index_forge(path, "UPDATE sessions SET status = 'complete',"
                      " file = replace(file, '.age', '') WHERE id = '" ID "'");
    expect("play --speed 1000 " ID, 0, "hello", "");
}

static void
test_export(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char words[2 * PATH_MAX];
    struct stat info;
    expect("export --format cast " ID, 0, "", "");
    assert_int_equal(ran.out_len, recording.text.len);
    assert_memory_equal(ran.out, buf_view(&recording.text).ptr, ran.out_len);

    expect("export --format raw -o - " ID, 0, "", "");
    assert_string_equal(ran.out, "hello w\xC3\xB6rld\r\nbye\r\n");
    expect("export --format raw --stream stderr " ID, 0, "", "");
    assert_int_equal(ran.out_len, 0);

    expect("export --format cast3 " ID, 0, "{\"version\":3,\"term\":{", "");
    assert_non_null(strstr(ran.out, "[0.100000, \"o\", \"w\xC3\xB6rld"));
    assert_non_null(strstr(ran.out, "[0.100000, \"x\", \"0\"]\n"));
    assert_null(strstr(ran.out, "\"k\""));

    expect("export --format json " ID, 0, "\"width\":80,\"height\":24", "");
    assert_non_null(strstr(ran.out, "[0.100000, \"o\", \"hello \"],\n"));
    assert_int_equal(ran.out[0], '{');
    assert_string_equal(ran.out + ran.out_len - 3, "]}\n");

    snprintf(words, sizeof words, "export --format cast -o %s " ID,
        at("copy.cast", path));
    expect(words, 0, "", "");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, recording.text.len);
    assert_int_equal(info.st_mode & 07777, 0600);
    snprintf(words, sizeof words, "export --format raw %s", path);
    expect(words, 0, "hello", "");

    snprintf(
        words, sizeof words, "export --format cast -o %s/sub/x " ID, folder);
    expect(words, 3, "", "sub/x");
}

/* Nothing appears under the name when the recording turns out broken. */
static void
test_export_is_whole_or_nothing(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char copy[PATH_MAX];
    char words[3 * PATH_MAX];
    (void)maker_write(folder, "bad.cast",
        SPAN_LIT("{\"version\":2,\"width\":80,\"height\":24}\n[oops\n"));
    snprintf(words, sizeof words, "export --format json -o %s %s",
        at("none.json", copy), at("bad.cast", path));
    expect(words, 3, "", "line 2");
    assert_int_equal(access(copy, F_OK), -1);
}

static void
write_key(const struct ed25519_public *key, const char *name)
{
    struct buf pem;
    buf_init(&pem, 4096);
    assert_int_equal(ed25519_public_to_pem(key, &pem, NULL), STATUS_OK);
    (void)maker_write(folder, name, buf_view(&pem));
    buf_fini(&pem);
}

static void
test_verify(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char other[PATH_MAX];
    char words[3 * PATH_MAX];
    struct recording_maker another;
    expect("verify " ID, 3, "", "seal.pub.pem");
    assert_int_equal(mkdir(at("keys", path), 0700), 0);
    write_key(&recording.key, "keys/seal.pub.pem");
    expect("verify " ID, 1, "the index tells something else", "");
    index_forge(at("index.db", path),
        "UPDATE sessions SET type = 'exec', user = 'alice', groups = '[]',"
        " uid = '', source = '', cluster = '', namespace = '', pod = 'web',"
        " container = '', command = '[\"sh\"]', tty = 0, protocol = 'spdy',"
        " subprotocol = '', start_us = 1764025200000000, end_us = NULL,"
        " exit_code = NULL, reason = '', bytes_stdin = 0, bytes_stdout = 0,"
        " bytes_stderr = 0, user_agent = '', kubectl_session = '',"
        " kubectl_command = '', stdin_recorded = 0 WHERE id = '" ID "'");
    expect("verify " ID, 0, "as recorded, and complete\n", "");
    index_forge(
        path, "UPDATE sessions SET user = 'mallory' WHERE id = '" ID "'");
    expect("verify " ID, 1, "the index tells something else", "");
    index_forge(path, "UPDATE sessions SET user = 'alice' WHERE id = '" ID "'");

    maker_init(&another);
    write_key(&another.key, "other.pem");
    snprintf(
        words, sizeof words, "verify " ID " --key %s", at("other.pem", other));
    expect(words, 1, "NOT AS RECORDED\n", "");
    assert_non_null(strstr(ran.out, "wrong: seal 0 at byte"));
    maker_fini(&another);

    /* cut at a seal: only the index knows that there was more */
    const struct span whole = buf_view(&recording.file);
    const size_t cut =
        recording.entries[0].file_len + recording.entries[1].file_len;
    (void)maker_write(folder, "cut.cast.zst", span_of(whole.ptr, cut));
    snprintf(words, sizeof words, "verify %s", at("cut.cast.zst", path));
    expect(words, 1, "its end is missing", "");
    snprintf(words, sizeof words, "verify --state /nonexistent --key %s %s",
        at("keys/seal.pub.pem", other), path);
    expect(words, 0, "the recording is not finished", "");

    /* stripped of its seals: nothing is claimed, so nothing is proved */
    (void)maker_write(folder, "bare.cast.zst",
        span_of(whole.ptr, recording.entries[0].file_len));
    snprintf(words, sizeof words, "verify --state /nonexistent --key %s %s",
        at("keys/seal.pub.pem", other), at("bare.cast.zst", path));
    expect(words, 3, "nothing is proved", "");

    (void)maker_write(folder, "t.cast", buf_view(&recording.text));
    snprintf(words, sizeof words, "verify %s", at("t.cast", path));
    expect(words, 3, "", "carries no seals");
    expect("verify", 2, "", "or --all");
    expect("verify --all " ID, 2, "", "or --all");
    expect("verify --all --seals x", 2, "", "--seals");
    expect("verify --json " ID, 2, "", "go with --all");
    expect("verify --all", 1, "ledger: it is missing\n", "");
}

/* Text that was exported is proved by its seals, with the key alone. */
static void
test_verify_exported(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char seals[PATH_MAX];
    char words[4 * PATH_MAX];
    snprintf(words, sizeof words, "export --format cast -o %s --seals %s " ID,
        at("e.cast", path), at("e.cast.seals", seals));
    expect(words, 0, "", "");
    snprintf(words, sizeof words, "verify %s", path);
    expect(words, 0, "as recorded, and complete\n", "");
    snprintf(words, sizeof words, "verify %s --seals %s", path, path);
    expect(words, 1, "begins neither a frame nor a seal", "");
    snprintf(words, sizeof words, "verify " ID " --seals %s", seals);
    expect(words, 3, "", "needs no seals");
    expect("export --format raw --seals x " ID, 2, "", "cast only");
    snprintf(words, sizeof words, "export --format cast --seals %s %s",
        at("none.seals", seals), path);
    expect(words, 3, "", "without seals");
    assert_int_equal(access(seals, F_OK), -1);
}

static void
test_kubeconfig(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char text[1 << 14];
    char lock[PATH_MAX];
    struct stat info;
    expect("kubeconfig", 3, "", "--ca");
    assert_int_equal(mkdir(at("tls", path), 0700), 0);
    (void)maker_write(folder, "tls/ca.crt", SPAN_LIT("PEM"));
    expect("kubeconfig --server https://p:1", 0, "server: \"https://p:1\"", "");
    expect("kubeconfig", 0, "certificate-authority-data: \"UEVN\"", "");

    (void)maker_write(folder, "kc", SPAN_LIT("# mine\nkind: Config\n"));
    assert_int_equal(chmod(at("kc", path), 0640), 0);
    setenv("KUBECONFIG", path, 1);
    expect("kubeconfig --merge --name k2", 0, "", "\"k2\"");
    (void)slurp("kc", text, sizeof text);
    assert_non_null(strstr(text, "# mine\nkind: Config\nclusters:\n"));
    assert_non_null(strstr(text, "current-context: \"k2\"\n"));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(access(at("kc.lock", lock), F_OK), -1);

    (void)maker_write(folder, "kc.lock", SPAN_EMPTY);
    expect("kubeconfig --merge", 3, "", "kc.lock exists");
    assert_int_equal(unlink(lock), 0);

    setenv("KUBECONFIG", at("new/dir/config", path), 1);
    expect("kubeconfig --merge", 0, "", "it is current");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    unsetenv("KUBECONFIG");
}

/* A pipe whose reader has gone is not worth a word. */
static void
test_closed_pipe(void **state)
{
    (void)state;
    char words[PATH_MAX * 3];
    char path[PATH_MAX];
    snprintf(words, sizeof words,
        KUBETAPE_PROGRAM " export --format cast " ID
                         " 2>%s | true; " KUBETAPE_PROGRAM
                         " export --format cast " ID " >/dev/full 2>%s.full",
        at("pipe", path), path);
    assert_int_not_equal(system(words), 0);
    char text[256];
    assert_int_equal(slurp("pipe", text, sizeof text), 0);
    (void)slurp("pipe.full", text, sizeof text);
    assert_non_null(strstr(text, "No space left"));
}

/* The same in the middle of a long one, which stdio writes as it goes. */
static void
test_closed_pipe_halfway(void **state)
{
    (void)state;
    struct recording_maker m;
    char path[PATH_MAX];
    char words[3 * PATH_MAX];
    static const char *const formats[] = {"cast", "cast3", "json", "raw"};
    maker_init(&m);
    maker_header(&m);
    for (unsigned i = 0; i < 20000; i++) {
        maker_event(&m, i, CAST_OUTPUT, "a line of output\r\n");
    }
    (void)maker_write(folder, "long.cast", buf_view(&m.text));
    maker_fini(&m);
    for (size_t i = 0; i < 4; i++) {
        char text[256];
        snprintf(words, sizeof words,
            "{ " KUBETAPE_PROGRAM " export --format %s %s/long.cast 2>%s;"
            " echo $? >%s/code; } | head -c 1 >%s/head",
            formats[i], folder, at("pipe", path), folder, folder);
        assert_int_equal(system(words), 0);
        assert_int_equal(slurp("pipe", text, sizeof text), 0);
        (void)slurp("code", text, sizeof text);
        assert_string_equal(text, "3\n");
    }
}

/* ---- On a terminal ---- */

static pid_t
run_on_terminal(const char *words, int *master_out)
{
    char text[4096];
    char *argv[32];
    const struct winsize size = {.ws_col = 60, .ws_row = 20};
    snprintf(text, sizeof text, "%s", words);
    split(text, argv, KUBETAPE_PROGRAM);
    const pid_t pid = forkpty(master_out, NULL, NULL, &size);
    assert_true(pid >= 0);
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(121);
    }
    return pid;
}

/* Adds what the terminal shows to ran.out, until `words` are in it. */
static void
await_shown(int master, const char *words)
{
    for (int i = 0; i < 100 && strstr(ran.out, words) == NULL; i++) {
        struct pollfd p = {.fd = master, .events = POLLIN};
        if (poll(&p, 1, 100) <= 0) {
            continue;
        }
        const ssize_t n = read(
            master, ran.out + ran.out_len, sizeof ran.out - 1 - ran.out_len);
        if (n <= 0) {
            break;
        }
        ran.out_len += (size_t)n;
        ran.out[ran.out_len] = '\0';
    }
    if (strstr(ran.out, words) == NULL) {
        print_message("wanted %s in: %s\n", words, ran.out);
    }
    assert_non_null(strstr(ran.out, words));
}

static void
play_and(const char *keys, int signo)
{
    int master = -1;
    int status = -1;
    struct termios before;
    struct termios during;
    struct termios after;
    ran.out_len = 0;
    ran.out[0] = '\0';
    const pid_t pid = run_on_terminal("play " ID, &master);
    assert_int_equal(tcgetattr(master, &before), 0);
    await_shown(master, "60x20, the recording 80x24");
    await_shown(master, "w\xC3\xB6rld");
    assert_int_equal(tcgetattr(master, &during), 0);
    assert_int_equal(during.c_lflag & (ICANON | ECHO | ISIG), 0);
    if (signo != 0) {
        kill(pid, signo);
    }
    assert_int_equal(write(master, keys, strlen(keys)), (ssize_t)strlen(keys));
    await_shown(master, "\033[?25h"); /* the cursor is back */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(tcgetattr(master, &after), 0);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_oflag, before.c_oflag);
    assert_null(strstr(ran.out, "bye"));
    close(master);
}

static void
test_keys(void **state)
{
    (void)state;
    play_and("q", 0);
    play_and("\003", 0);
    play_and("", SIGTERM);
}

static void
test_pause(void **state)
{
    (void)state;
    int master = -1;
    int status = -1;
    ran.out_len = 0;
    ran.out[0] = '\0';
    const pid_t pid = run_on_terminal("play --speed 5 " ID, &master);
    await_shown(master, "w\xC3\xB6rld");
    assert_int_equal(write(master, " ", 1), 1);
    const struct timespec t = {.tv_sec = 1}; /* it would be over in 0.5 s */
    nanosleep(&t, NULL);
    struct pollfd p = {.fd = master, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 0);
    /* an answer of the terminal's is no key */
    assert_int_equal(write(master, "\033[?62;q", 7), 7);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    assert_int_equal(write(master, " ", 1), 1);
    await_shown(master, "bye");
    await_shown(master, "\033[?25h");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(master);
}

static void
test_refuses_raw_to_a_terminal(void **state)
{
    (void)state;
    int master = -1;
    int status = -1;
    ran.out_len = 0;
    ran.out[0] = '\0';
    const pid_t pid = run_on_terminal("export --format raw " ID, &master);
    await_shown(master, "name a file with -o");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 2);
    close(master);
}

/* ---- up ---- */

/* Beside a copy of the program, two that only say that they are ready. */
static const char proxy_script[] =
    "#!/bin/sh\n"
    "trap 'exit 0' TERM\n"
    "state=${2%/config.yaml}\n"
    "[ -e \"$state/broken\" ] && exit 3\n"
    "printf PEM > $state/tls/ca.crt\n"
    "echo 127.0.0.1:45678 > $state/run/proxy.address\n"
    "printf x > /proc/self/fd/$4\n"
    "while :; do sleep 0.02; done\n";
static const char recorder_script[] = "#!/bin/sh\n"
                                      "trap 'exit 0' TERM\n"
                                      "printf x > /proc/self/fd/$4\n"
                                      "while :; do sleep 0.02; done\n";

static void
install_fakes(char program[PATH_MAX])
{
    char path[PATH_MAX];
    char words[3 * PATH_MAX];
    assert_int_equal(mkdir(at("bin", path), 0700), 0);
    snprintf(words, sizeof words, "cp %s %s/kubetape", KUBETAPE_PROGRAM, path);
    assert_int_equal(system(words), 0);
    at("bin/kubetape", program);
    (void)maker_write(path, "kubetape-proxy", span_str(proxy_script));
    (void)maker_write(path, "kubetape-recorder", span_str(recorder_script));
    assert_int_equal(chmod(at("bin/kubetape-proxy", path), 0700), 0);
    assert_int_equal(chmod(at("bin/kubetape-recorder", path), 0700), 0);
}

static pid_t
start_up(const char *program, const char *flag, const char *value)
{
    char out_path[PATH_MAX];
    char err_path[PATH_MAX];
    char state[PATH_MAX];
    at("up.out", out_path);
    at("up.err", err_path);
    at("upstate", state);
    const pid_t pid = fork();
    if (pid == 0) {
        const int flags = O_WRONLY | O_CREAT | O_TRUNC;
        if (dup2(open(out_path, flags, 0600), 1) < 0 ||
            dup2(open(err_path, flags, 0600), 2) < 0) {
            _exit(120);
        }
        execl(program, program, "up", "--state", state, flag, value,
            (char *)NULL);
        _exit(121);
    }
    return pid;
}

static void
await_file_text(const char *name, const char *words, char *text, size_t cap)
{
    text[0] = '\0';
    for (int i = 0; i < 1000 && strstr(text, words) == NULL; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        (void)slurp(name, text, cap);
    }
    assert_non_null(strstr(text, words));
}

static void
test_up(void **state)
{
    (void)state;
    char program[PATH_MAX];
    char path[PATH_MAX];
    char text[1 << 14];
    int status = -1;
    install_fakes(program);
    (void)maker_write(folder, "cluster",
        SPAN_LIT("current-context: prod\ncontexts:\n"
                 "- {name: prod, context: {cluster: c, user: u}}\n"));
    setenv("KUBECONFIG", at("cluster", path), 1);
    const pid_t pid = start_up(program, "--listen", "127.0.0.1:0");
    await_file_text("up.out", "Ctrl-C", text, sizeof text);
    char wanted[PATH_MAX + 64];
    snprintf(wanted, sizeof wanted, "export KUBECONFIG=%s/upstate/kubeconfig\n",
        folder);
    assert_memory_equal(text, wanted, strlen(wanted));
    assert_non_null(strstr(text, "https://127.0.0.1:45678"));
    (void)slurp("upstate/kubeconfig", text, sizeof text);
    assert_non_null(strstr(text, "server: \"https://127.0.0.1:45678\""));
    (void)slurp("upstate/config.yaml", text, sizeof text);
    assert_non_null(strstr(text, "  context: \"prod\"\n"));
    struct stat info;
    assert_int_equal(stat(at("upstate/config.yaml", path), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(at("upstate/kubeconfig", path), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);

    const pid_t second = start_up(program, "--listen", "127.0.0.1:0");
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_int_equal(WEXITSTATUS(status), 3);
    (void)slurp("up.err", text, sizeof text);
    snprintf(wanted, sizeof wanted, "process %d", (int)pid);
    assert_non_null(strstr(text, "runs on this state folder already"));
    assert_non_null(strstr(text, wanted));

    kill(pid, SIGINT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void
test_up_that_cannot(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char program[PATH_MAX];
    char text[1 << 14];
    int status = -1;
    at("bin/kubetape", program);
    (void)maker_write(folder, "upstate/broken", SPAN_EMPTY);
    pid_t pid = start_up(program, "--listen", "127.0.0.1:0");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
    (void)slurp("up.err", text, sizeof text);
    assert_non_null(strstr(
        text, "kubetape-proxy ended with exit code 3 before it was ready"));
    pid = start_up(program, "--listen", "nowhere");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
    (void)slurp("up.err", text, sizeof text);
    assert_non_null(strstr(text, "nowhere"));
    pid = start_up(program, "--context", "none");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_int_equal(unlink(at("bin/kubetape-recorder", path)), 0);
    pid = start_up(program, "--listen", "127.0.0.1:0");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)slurp("up.err", text, sizeof text);
    assert_non_null(strstr(text, "bin/kubetape-recorder"));
    unsetenv("KUBECONFIG");
}

static int
set_up(void **state)
{
    (void)state;
    char path[PATH_MAX];
    static const struct index_row rows[] = {
        {ID, "complete", "exec", "alice", "default", "web", "app",
            "[\"sh\",\"-c\",\"ls /\"]", 1000000, 2000000, 0, "a.cast.zst", 1},
        {"019ac000-0000-7000-8000-00000000000b", "refused", "exec",
            "ev\033[31mil", "default", "web", "app", "[]", 900000, 900000, -1,
            "", 0},
    };
    temp_dir_make(folder);
    maker_init(&recording);
    if (!uuid_parse(span_str(ID), &recording.id)) {
        return -1;
    }
    maker_whole(&recording);
    (void)maker_write(folder, "a.cast.zst", buf_view(&recording.file));
    index_make(at("index.db", path), rows, 2);
    setenv("KUBETAPE_STATE", folder, 1);
    setenv("HOME", folder, 1);
    unsetenv("KUBECONFIG");
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    maker_fini(&recording);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_ls),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_play),
        cmocka_unit_test(test_running_and_to_be_encrypted),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_export_is_whole_or_nothing),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_verify_exported),
        cmocka_unit_test(test_kubeconfig),
        cmocka_unit_test(test_closed_pipe),
        cmocka_unit_test(test_closed_pipe_halfway),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_refuses_raw_to_a_terminal),
        cmocka_unit_test(test_up),
        cmocka_unit_test(test_up_that_cannot),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
