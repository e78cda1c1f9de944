/* The certificate that clients see: made once, kept, made anew when it must. */
#include "tests/support/test.h"

#include "base/file.h"
#include "proxy/server_tls.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NOW_S INT64_C(1764028800)
#define DAY_S INT64_C(86400)

static char state_dir[64];

static int
setup(void **state)
{
    (void)state;
    snprintf(state_dir, sizeof state_dir, "/tmp/kubetape-tls-XXXXXX");
    assert_non_null(mkdtemp(state_dir));
    return 0;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int
teardown(void **state)
{
    (void)state;
    return nftw(state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct config *
configure(const char *more)
{
    char text[512];
    struct config *c = NULL;
    snprintf(text, sizeof text, "state: %s\nupstream: {kubeconfig: /k}\n%s\n",
        state_dir, more);
    assert_int_equal(config_parse(span_str(text), "test", &c, NULL), STATUS_OK);
    return c;
}

static struct buf
read_tls(const char *name)
{
    char path[PATH_MAX];
    struct buf out;
    buf_init(&out, 65536);
    snprintf(path, sizeof path, "%s/tls/%s", state_dir, name);
    assert_int_equal(file_read(path, &out, NULL), STATUS_OK);
    return out;
}

static unsigned
mode_of(const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", state_dir, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* Prepares again and says whether the server's pair, the authority changed. */
static void
expect_again(
    const char *more, int64_t now_s, bool is_new_server, bool is_new_authority)
{
    struct buf had = read_tls("server.crt");
    struct buf had_ca = read_tls("ca.crt");
    struct config *c = configure(more);
    struct tls_context *tls = NULL;
    assert_int_equal(server_tls_prepare(c, now_s, NULL), STATUS_OK);
    assert_int_equal(server_tls_open(c, &tls, NULL), STATUS_OK);
    struct buf has = read_tls("server.crt");
    struct buf has_ca = read_tls("ca.crt");
    assert_int_equal(!span_eq(buf_view(&had), buf_view(&has)), is_new_server);
    assert_int_equal(
        !span_eq(buf_view(&had_ca), buf_view(&has_ca)), is_new_authority);
    tls_context_free(&tls);
    config_free(&c);
    buf_fini(&had);
    buf_fini(&has);
    buf_fini(&had_ca);
    buf_fini(&has_ca);
}

static void
make_first(void)
{
    struct config *c = configure("");
    assert_int_equal(server_tls_prepare(c, NOW_S, NULL), STATUS_OK);
    config_free(&c);
}

static void
made_with_closed_keys(void **state)
{
    (void)state;
    make_first();
    assert_int_equal(mode_of("tls"), 0700);
    assert_int_equal(mode_of("tls/ca.key"), 0600);
    assert_int_equal(mode_of("tls/server.key"), 0600);
    struct buf names = read_tls("server.names");
    assert_true(names.len > 0);
    buf_fini(&names);
}

static void
kept_while_it_is_good(void **state)
{
    (void)state;
    make_first();
    expect_again("", NOW_S + 1, false, false);
    expect_again("", NOW_S + 300 * DAY_S, false, false);
}

static void
made_anew_for_other_names_and_before_it_ends(void **state)
{
    (void)state;
    make_first();
    expect_again("tls: {names: [tape.example]}", NOW_S, true, false);
    expect_again("tls: {names: [tape.example]}", NOW_S, false, false);
    expect_again("listen: 192.0.2.1:443", NOW_S, true, false);
    expect_again("listen: 192.0.2.1:443", NOW_S + 340 * DAY_S, true, false);
}

/* The names are written last: without them the pair is not believed. */
static void
a_crash_before_the_names_makes_the_pair_anew(void **state)
{
    (void)state;
    char path[PATH_MAX];
    make_first();
    snprintf(path, sizeof path, "%s/tls/server.names", state_dir);
    assert_int_equal(remove(path), 0);
    expect_again("", NOW_S, true, false);
}

static void
a_configured_certificate_is_the_one_used(void **state)
{
    (void)state;
    char more[400];
    char path[PATH_MAX];
    struct tls_context *tls = NULL;
    struct error err;
    make_first();
    snprintf(more, sizeof more,
        "tls: {cert: %s/tls/server.crt, key: %s/tls/server.key}", state_dir,
        state_dir);
    struct config *c = configure(more);
    assert_int_equal(server_tls_prepare(c, NOW_S, NULL), STATUS_OK);
    assert_int_equal(server_tls_open(c, &tls, NULL), STATUS_OK);
    tls_context_free(&tls);
    snprintf(path, sizeof path, "%s/tls/server.key", state_dir);
    assert_int_equal(remove(path), 0);
    assert_int_equal(server_tls_open(c, &tls, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "server.key"));
    assert_null(tls);
    config_free(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_with_closed_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(kept_while_it_is_good, setup, teardown),
        cmocka_unit_test_setup_teardown(
            made_anew_for_other_names_and_before_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_crash_before_the_names_makes_the_pair_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_configured_certificate_is_the_one_used, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
