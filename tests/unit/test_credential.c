/* Credentials over time: real plugins as shell scripts, real token files, and
 * a clock that the test moves. */
#include "base/file.h"
#include "base/pki.h"
#include "proxy/credential.h"
#include "proxy/exec_credential.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)
#define TURNS_MAX 100000
#define START_S   INT64_C(1795560000) /* 2026-11-24T22:40:00Z */

static uint64_t now_ns;

static uint64_t
fake_mono(void *self)
{
    (void)self;
    return now_ns;
}

static int64_t
fake_wall(void *self)
{
    (void)self;
    return START_S * 1000000 + (int64_t)(now_ns / 1000);
}

static const struct clock fake_clock = {fake_mono, fake_wall, NULL};

static void
pass_seconds(uint64_t s)
{
    now_ns += s * SECOND_NS;
}

struct bed {
    char folder[TEMP_DIR_MAX];
    struct loop *loop;
    struct kubeconfig *k;
    struct credential *c;
};

static int
setup(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    temp_dir_make(b->folder);
    assert_int_equal(loop_new(&b->loop, NULL), STATUS_OK);
    now_ns = 7 * SECOND_NS;
    *state = b;
    return 0;
}

static void
path_of(const struct bed *b, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", b->folder, name);
}

static int
teardown(void **state)
{
    struct bed *b = *state;
    credential_close(&b->c);
    assert_null(b->c);
    kubeconfig_free(&b->k);
    loop_free(&b->loop);
    temp_dir_remove(b->folder);
    free(b);
    return 0;
}

static void
put(const struct bed *b, const char *name, const char *text, mode_t mode)
{
    temp_dir_put(b->folder, name, text, mode);
}

static void
load(struct bed *b, const char *user)
{
    char text[4096];
    char path[PATH_MAX];
    struct error err = {0};
    snprintf(text, sizeof text,
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: \"https://h\"}}]\n"
        "users: [{name: u, user: %s}]\n",
        user);
    put(b, "config", text, 0600);
    path_of(b, "config", path);
    if (kubeconfig_load(path, NULL, &b->k, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
}

static enum status
try_open(struct bed *b, const char *user, struct error *err)
{
    load(b, user);
    return credential_open(b->loop, &fake_clock, NULL, b->k, &b->c, err);
}

static void
open_as(struct bed *b, const char *user)
{
    struct error err = {0};
    if (try_open(b, user, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
}

/* ---- asking ---- */

struct asker {
    struct credential_wait wait;
    struct credential *c;
    int calls;
    char why[1024];
    struct asker *cancels; /* from inside its call */
    struct asker *asks;
};

static void
on_answer(void *ctx, const char *why)
{
    struct asker *a = ctx;
    a->calls++;
    snprintf(a->why, sizeof a->why, "%s", why != NULL ? why : "");
    if (a->cancels != NULL) {
        credential_cancel(&a->cancels->wait);
    }
    if (a->asks != NULL) {
        const char *again = NULL;
        (void)credential_get(a->c, &a->asks->wait, &again);
    }
}

static void
asker_init(struct asker *a, struct bed *b)
{
    *a = (struct asker){.c = b->c};
    list_init(&a->wait.hook);
    a->wait.fn = on_answer;
    a->wait.ctx = a;
}

static enum credential_answer
ask(struct asker *a, const char **why_out)
{
    return credential_get(a->c, &a->wait, why_out);
}

static void
turn_until_called(struct bed *b, const struct asker *a)
{
    for (int i = 0; i < TURNS_MAX && a->calls == 0; i++) {
        loop_run_once(b->loop);
        usleep(100);
    }
    assert_int_equal(a->calls, 1);
}

/* The token after whatever waiting it takes. */
static const char *
get_token(struct bed *b)
{
    struct asker a;
    const char *why = NULL;
    asker_init(&a, b);
    switch (ask(&a, &why)) {
    case CREDENTIAL_READY:
        break;
    case CREDENTIAL_WAIT:
        turn_until_called(b, &a);
        assert_string_equal(a.why, "");
        break;
    case CREDENTIAL_FAILED:
        fail_msg("%s", why);
        break;
    }
    return credential_token(b->c);
}

static void
expect_failure(struct bed *b, const char *want)
{
    struct asker a;
    const char *why = "";
    asker_init(&a, b);
    const enum credential_answer answer = ask(&a, &why);
    if (answer == CREDENTIAL_WAIT) {
        turn_until_called(b, &a);
        why = a.why;
    } else {
        assert_int_equal(answer, CREDENTIAL_FAILED);
    }
    assert_string_equal(why, want);
}

/* ---- what is fixed ---- */

static void
test_fixed(void **state)
{
    struct bed *b = *state;
    open_as(b, "{token: abc}");
    assert_string_equal(get_token(b), "abc");
    credential_reject(b->c);
    assert_string_equal(get_token(b), "abc");
    assert_string_equal(credential_user(b->c), "u");
    assert_int_equal(credential_generation(b->c), 0);
    assert_ptr_equal(credential_tls(b->c, true), credential_tls(b->c, false));
}

static void
test_nothing(void **state)
{
    struct bed *b = *state;
    open_as(b, "{}");
    assert_null(get_token(b));
}

static void
test_bad_certificate(void **state)
{
    struct bed *b = *state;
    struct error err = {0};
    assert_int_not_equal(
        try_open(
            b, "{client-certificate-data: QQ==, client-key-data: QQ==}", &err),
        STATUS_OK);
    assert_memory_equal(err.text, "kubeconfig user u: ", 19);
    assert_null(b->c);
}

/* ---- token files ---- */

static void
test_token_file(void **state)
{
    struct bed *b = *state;
    put(b, "token", " one\n\n", 0600);
    open_as(b, "{tokenFile: token}");
    assert_string_equal(get_token(b), "one");
    put(b, "token", "two", 0600);
    pass_seconds(59);
    assert_string_equal(get_token(b), "one");
    pass_seconds(1);
    assert_string_equal(get_token(b), "two");
    /* Refused: read at once, though it is not a minute old. */
    put(b, "token", "three", 0600);
    pass_seconds(2);
    credential_reject(b->c);
    assert_string_equal(get_token(b), "three");
    /* Refused as soon as it was read: no use in reading again. */
    put(b, "token", "four", 0600);
    credential_reject(b->c);
    assert_string_equal(get_token(b), "three");
}

static void
test_token_file_gone(void **state)
{
    struct bed *b = *state;
    put(b, "token", "one", 0600);
    open_as(b, "{tokenFile: token}");
    put(b, "token", "\n", 0600);
    pass_seconds(60);
    assert_string_equal(get_token(b), "one"); /* the last that was there */
    put(b, "token", "two", 0600);
    assert_string_equal(get_token(b), "one"); /* not more often than this */
    pass_seconds(1);
    assert_string_equal(get_token(b), "two");
}

static void
test_token_and_file(void **state)
{
    struct bed *b = *state;
    open_as(b, "{token: fixed, tokenFile: token}");
    assert_string_equal(get_token(b), "fixed");
    put(b, "token", "file", 0600);
    pass_seconds(1);
    assert_string_equal(get_token(b), "file");
}

static void
test_no_token_file(void **state)
{
    struct bed *b = *state;
    struct error err = {0};
    char want[512];
    assert_int_not_equal(try_open(b, "{tokenFile: token}", &err), STATUS_OK);
    snprintf(want, sizeof want,
        "kubeconfig user u: cannot open %s/token: No such file or directory",
        b->folder);
    assert_string_equal(err.text, want);
}

static void
test_bad_token_file(void **state)
{
    struct bed *b = *state;
    struct error err = {0};
    char want[512];
    put(b, "token", "a\nb\n", 0600);
    assert_int_not_equal(try_open(b, "{tokenFile: token}", &err), STATUS_OK);
    snprintf(want, sizeof want,
        "kubeconfig user u: %s/token holds bytes that no token may have",
        b->folder);
    assert_string_equal(err.text, want);
}

/* ---- plugins ---- */

#define EXEC                                                                   \
    "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, " \
    "args: [a b], env: [{name: ASKED, value: yes}], installHint: try harder, " \
    "provideClusterInfo: true, interactiveMode: Never}}"

#define ANSWER                                             \
    "{\"apiVersion\":\"client.authentication.k8s.io/v1\"," \
    "\"kind\":\"ExecCredential\",\"status\":{%s}}"

/* Counts its runs, keeps what it was told and prints `answer`. */
static void
put_plugin(struct bed *b, const char *status)
{
    char text[16384];
    put(b, "plugin",
        "#!/bin/sh\n"
        "cd \"$(dirname \"$0\")\" || exit 9\n"
        "echo run >>runs\n"
        "printf '%s|%s|%s' \"$1\" \"$ASKED\" \"$KUBERNETES_EXEC_INFO\" >info\n"
        "cat answer\n",
        0700);
    snprintf(text, sizeof text, ANSWER, status);
    put(b, "answer", text, 0600);
}

static size_t
runs(const struct bed *b)
{
    char path[PATH_MAX];
    struct buf text;
    buf_init(&text, 4096);
    path_of(b, "runs", path);
    (void)!file_read(path, &text, NULL);
    const size_t n = text.len / 4;
    buf_fini(&text);
    return n;
}

static void
test_plugin(void **state)
{
    struct bed *b = *state;
    char path[PATH_MAX];
    struct buf info;
    put_plugin(b, "\"token\":\"one\"");
    open_as(b, EXEC);
    assert_string_equal(get_token(b), "one");
    pass_seconds(86400);
    assert_string_equal(get_token(b), "one"); /* no expiry: for ever */
    assert_int_equal(runs(b), 1);
    buf_init(&info, 4096);
    path_of(b, "info", path);
    assert_int_equal(file_read(path, &info, NULL), STATUS_OK);
    assert_true(span_eq_str(buf_view(&info),
        "a b|yes|{\"kind\":\"ExecCredential\",\"apiVersion\":"
        "\"client.authentication.k8s.io/v1\",\"spec\":{\"cluster\":"
        "{\"server\":\"https://h\"},\"interactive\":false}}"));
    buf_fini(&info);
}

static void
test_plugin_expiry(void **state)
{
    struct bed *b = *state;
    /* 22:40:07 is now; 30 s before 22:42:07 is 90 s from now. */
    put_plugin(b, "\"token\":\"one\",\"expirationTimestamp\":"
                  "\"2026-11-24T22:42:07Z\"");
    open_as(b, EXEC);
    assert_string_equal(get_token(b), "one");
    put_plugin(b, "\"token\":\"two\"");
    pass_seconds(89);
    assert_string_equal(get_token(b), "one");
    assert_int_equal(runs(b), 1);
    pass_seconds(1);
    assert_string_equal(get_token(b), "two");
    assert_int_equal(runs(b), 2);
}

static void
test_plugin_rejected(void **state)
{
    struct bed *b = *state;
    put_plugin(b, "\"token\":\"one\"");
    open_as(b, EXEC);
    assert_string_equal(get_token(b), "one");
    put_plugin(b, "\"token\":\"two\"");
    credential_reject(b->c); /* fresh: asking again would not help */
    assert_string_equal(get_token(b), "one");
    pass_seconds(1);
    credential_reject(b->c);
    credential_reject(b->c);
    assert_string_equal(get_token(b), "two");
    assert_int_equal(runs(b), 2);
}

static void
test_plugin_waiters(void **state)
{
    struct bed *b = *state;
    struct asker a[4];
    const char *why = NULL;
    put_plugin(b, "\"token\":\"one\"");
    open_as(b, EXEC);
    for (size_t i = 0; i < 4; i++) {
        asker_init(&a[i], b);
        if (i < 3) {
            assert_int_equal(ask(&a[i], &why), CREDENTIAL_WAIT);
        }
    }
    a[0].cancels = &a[1]; /* from inside */
    a[0].asks = &a[3];
    turn_until_called(b, &a[2]);
    assert_int_equal(a[0].calls, 1);
    assert_int_equal(a[1].calls, 0);
    assert_int_equal(a[3].calls, 0); /* READY at once */
    assert_int_equal(runs(b), 1);
}

static void
test_plugin_closed(void **state)
{
    struct bed *b = *state;
    struct asker a;
    const char *why = NULL;
    put_plugin(b, "\"token\":\"one\"");
    open_as(b, EXEC);
    asker_init(&a, b);
    assert_int_equal(ask(&a, &why), CREDENTIAL_WAIT);
    credential_close(&b->c);
    credential_cancel(&a.wait); /* late, and harmless */
    assert_int_equal(a.calls, 0);
}

static void
test_plugin_fails(void **state)
{
    struct bed *b = *state;
    char want[512];
    put(b, "plugin", "#!/bin/sh\necho secret; exit 3\n", 0700);
    open_as(b, EXEC);
    snprintf(want, sizeof want,
        "credential plugin %s/./plugin: it exited with status 3; try harder",
        b->folder);
    expect_failure(b, want);
    /* For a second nobody can make it run again. */
    put_plugin(b, "\"token\":\"one\"");
    expect_failure(b, want);
    assert_int_equal(runs(b), 0);
    pass_seconds(1);
    assert_string_equal(get_token(b), "one");
}

static void
test_plugin_fails_late(void **state)
{
    struct bed *b = *state;
    struct asker a;
    const char *why = NULL;
    put_plugin(b, "\"token\":\"one\",\"expirationTimestamp\":"
                  "\"2026-11-24T22:42:07Z\"");
    open_as(b, EXEC);
    assert_string_equal(get_token(b), "one");
    put(b, "plugin", "#!/bin/sh\nexit 1\n", 0700);
    pass_seconds(100);
    asker_init(&a, b);
    assert_int_equal(ask(&a, &why), CREDENTIAL_WAIT);
    turn_until_called(b, &a);
    assert_string_equal(a.why, ""); /* the old one has 20 seconds left */
    assert_string_equal(get_token(b), "one");
    pass_seconds(20);
    asker_init(&a, b);
    assert_int_equal(ask(&a, &why), CREDENTIAL_WAIT);
    turn_until_called(b, &a);
    assert_string_not_equal(a.why, "");
}

static void
test_plugin_missing(void **state)
{
    struct bed *b = *state;
    char want[512];
    open_as(b, EXEC);
    snprintf(want, sizeof want,
        "credential plugin %s/./plugin: cannot run %s/./plugin: No such file "
        "or directory; try harder",
        b->folder, b->folder);
    expect_failure(b, want);
    put_plugin(b, "\"token\":\"one\"");
    pass_seconds(1);
    assert_string_equal(get_token(b), "one");
}

static void
test_plugin_talks_too_much(void **state)
{
    struct bed *b = *state;
    char want[512];
    put(b, "plugin", "#!/bin/sh\nhead -c 2000000 /dev/zero; sleep 30\n", 0700);
    open_as(b, EXEC);
    snprintf(want, sizeof want,
        "credential plugin %s/./plugin: it printed more than 1 MiB; try harder",
        b->folder);
    expect_failure(b, want);
}

/* Ends itself, since nobody wants to wait for the real minute. */
static void
test_plugin_is_killed(void **state)
{
    struct bed *b = *state;
    char want[512];
    struct asker a;
    const char *why = NULL;
    put(b, "plugin", "#!/bin/sh\nsleep 0.1; kill -9 $$\n", 0700);
    open_as(b, EXEC);
    snprintf(want, sizeof want,
        "credential plugin %s/./plugin: it was ended by signal 9; try harder",
        b->folder);
    expect_failure(b, want);
    pass_seconds(1);
    asker_init(&a, b);
    assert_int_equal(ask(&a, &why), CREDENTIAL_WAIT);
    pass_seconds(60);
    turn_until_called(b, &a);
    snprintf(want, sizeof want,
        "credential plugin %s/./plugin: it did not end in 60 seconds; try "
        "harder",
        b->folder);
    assert_string_equal(a.why, want);
}

static void
test_plugin_lies(void **state)
{
    struct bed *b = *state;
    char want[512];
    put_plugin(b, "\"token\":\"t\",\"clientKeyData\":\"secret\"");
    open_as(b, EXEC);
    snprintf(want, sizeof want,
        "credential plugin %s/./plugin: it answered with only one of "
        "certificate and key; try harder",
        b->folder);
    expect_failure(b, want);
}

/* ---- a plugin's certificate ---- */

/* As a JSON string's content. */
static void
escape(const struct buf *pem, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < pem->len; i++) {
        const char c = (char)pem->data[pem->off + i];
        assert_true(n + 3 < cap);
        if (c == '\n') {
            out[n++] = '\\';
        }
        out[n++] = c == '\n' ? 'n' : c;
    }
    out[n] = '\0';
}

static void
put_certificate_plugin(struct bed *b)
{
    struct buf cert;
    struct buf key;
    char status[12288];
    char cert_text[4096];
    char key_text[4096];
    buf_init(&cert, 4096);
    buf_init(&key, 4096);
    assert_int_equal(
        pki_make_authority("somebody", time(NULL), &cert, &key, NULL),
        STATUS_OK);
    escape(&cert, cert_text, sizeof cert_text);
    escape(&key, key_text, sizeof key_text);
    snprintf(status, sizeof status,
        "\"clientCertificateData\":\"%s\",\"clientKeyData\":\"%s\"", cert_text,
        key_text);
    put_plugin(b, status);
    buf_fini(&cert);
    buf_wipe(&key);
}

static void
test_plugin_certificate(void **state)
{
    struct bed *b = *state;
    put_certificate_plugin(b);
    open_as(b, EXEC);
    assert_ptr_equal(credential_tls(b->c, true), credential_tls(b->c, false));
    assert_null(get_token(b));
    assert_int_equal(credential_generation(b->c), 1);
    struct tls_context *first = credential_tls(b->c, true);
    assert_ptr_not_equal(first, credential_tls(b->c, false));
    /* The same again is no change. */
    pass_seconds(1);
    credential_reject(b->c);
    assert_null(get_token(b));
    assert_int_equal(runs(b), 2);
    assert_int_equal(credential_generation(b->c), 1);
    assert_ptr_equal(credential_tls(b->c, true), first);
    put_certificate_plugin(b);
    pass_seconds(1);
    credential_reject(b->c);
    assert_null(get_token(b));
    assert_int_equal(credential_generation(b->c), 2);
    /* And away it goes. */
    put_plugin(b, "\"token\":\"t\"");
    pass_seconds(1);
    credential_reject(b->c);
    assert_string_equal(get_token(b), "t");
    assert_int_equal(credential_generation(b->c), 3);
    assert_ptr_equal(credential_tls(b->c, true), credential_tls(b->c, false));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fixed),
        TEST(test_nothing),
        TEST(test_bad_certificate),
        TEST(test_token_file),
        TEST(test_token_file_gone),
        TEST(test_token_and_file),
        TEST(test_no_token_file),
        TEST(test_bad_token_file),
        TEST(test_plugin),
        TEST(test_plugin_expiry),
        TEST(test_plugin_rejected),
        TEST(test_plugin_waiters),
        TEST(test_plugin_closed),
        TEST(test_plugin_fails),
        TEST(test_plugin_fails_late),
        TEST(test_plugin_missing),
        TEST(test_plugin_talks_too_much),
        TEST(test_plugin_is_killed),
        TEST(test_plugin_lies),
        TEST(test_plugin_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
