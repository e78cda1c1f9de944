#include "base/file.h"
#include "base/local_token.h"
#include "player/client_access.h"
#include "player/user_kubeconfig.h"
#include "tests/support/recording_maker.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[TEMP_DIR_MAX];

static char *
at(const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return out;
}

#define MINE                                                                \
    "current-context: a\ncontexts:\n- {name: a, context: {user: u}}\n"      \
    "- {name: b, context: {user: u}}\n- {name: own, context: {user: k}}\n"  \
    "users:\n- {name: u, user: {token: other}}\n- {name: k, user: {token: " \
    "T}}\n"

static void
write_text(const char *name, const char *text)
{
    (void)maker_write(folder, name, span_str(text));
}

static enum status
find(const char *file, const char *context, char path[PATH_MAX],
    struct buf *name, struct error *err)
{
    char named[PATH_MAX];
    const struct user_kubeconfig_wish wish = {
        .file = file == NULL ? NULL : at(file, named),
        .context = context,
        .state = folder,
        .token = SPAN_LIT("T"),
    };
    buf_clear(name);
    return user_kubeconfig_find(&wish, path, name, err);
}

static void
test_chooses_file_and_context(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char wanted[PATH_MAX];
    char list[4 * PATH_MAX];
    struct buf name;
    struct error err;
    buf_init(&name, 256);
    write_text("config", MINE);
    setenv("HOME", folder, 1);
    unsetenv("KUBECONFIG");
    assert_int_equal(find(NULL, NULL, path, &name, &err), STATUS_NOT_FOUND);

    snprintf(list, sizeof list, ":/nonexistent::%s/config:/also/not", folder);
    setenv("KUBECONFIG", list, 1);
    assert_int_equal(find(NULL, NULL, path, &name, &err), STATUS_OK);
    assert_string_equal(path, at("config", wanted));
    assert_true(span_eq_str(buf_view(&name), "a"));
    assert_int_equal(find(NULL, "b", path, &name, &err), STATUS_OK);
    assert_true(span_eq_str(buf_view(&name), "b"));
    assert_int_equal(find("config", NULL, path, &name, &err), STATUS_OK);
    assert_int_equal(
        find("config", "none", path, &name, &err), STATUS_NOT_FOUND);
    assert_int_equal(find("nofile", NULL, path, &name, &err), STATUS_NOT_FOUND);
    write_text("bare", "kind: Config\n");
    assert_int_equal(find("bare", NULL, path, &name, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "--context"));
    buf_fini(&name);
}

/* A proxy that took its own context for the cluster would call itself. */
static void
test_never_itself(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char wanted[PATH_MAX];
    char list[4 * PATH_MAX];
    struct buf name;
    struct error err;
    buf_init(&name, 256);
    write_text("merged", "current-context: own\n"
                         "contexts:\n- {name: own, context: {user: k}}\n"
                         "- {name: b, context: {user: u}}\n"
                         "users:\n- {name: k, user: {token: T}}\n");
    assert_int_equal(find("config", "own", path, &name, &err), STATUS_INVALID);
    assert_int_equal(find("merged", NULL, path, &name, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "--context"));

    char config[2 * PATH_MAX];
    snprintf(config, sizeof config,
        "upstream:\n  kubeconfig: %s/config\n  context: b\n", folder);
    write_text("config.yaml", config);
    assert_int_equal(find("merged", NULL, path, &name, &err), STATUS_OK);
    assert_true(span_eq_str(buf_view(&name), "b"));

    /* KUBECONFIG still points at what the last run printed */
    write_text("kubeconfig", MINE);
    snprintf(list, sizeof list, "%s/kubeconfig", folder);
    setenv("KUBECONFIG", list, 1);
    assert_int_equal(find(NULL, NULL, path, &name, &err), STATUS_OK);
    assert_string_equal(path, at("config", wanted));
    buf_fini(&name);
}

static void
test_file_to_write(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char wanted[PATH_MAX];
    char link_path[PATH_MAX];
    struct error err;
    setenv("HOME", folder, 1);
    unsetenv("KUBECONFIG");
    assert_int_equal(user_kubeconfig_to_write(path, &err), STATUS_OK);
    assert_string_equal(path, at(".kube/config", wanted));
    setenv("KUBECONFIG", "/nonexistent/x:/y", 1);
    assert_int_equal(user_kubeconfig_to_write(path, &err), STATUS_OK);
    assert_string_equal(path, "/nonexistent/x");
    assert_int_equal(symlink("config", at("link", link_path)), 0);
    setenv("KUBECONFIG", link_path, 1);
    assert_int_equal(user_kubeconfig_to_write(path, &err), STATUS_OK);
    assert_string_equal(path, at("config", wanted));
}

static void
test_token(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct stat info;
    struct buf first;
    struct buf second;
    struct error err;
    buf_init(&first, 128);
    buf_init(&second, 128);
    assert_int_equal(local_token_load(folder, &first, &err), STATUS_OK);
    assert_int_equal(first.len, LOCAL_TOKEN_LEN);
    assert_int_equal(local_token_load(folder, &second, &err), STATUS_OK);
    assert_true(span_eq(buf_view(&first), buf_view(&second)));
    assert_int_equal(stat(at("keys/local.token", path), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(info.st_size, LOCAL_TOKEN_LEN + 1);
    assert_int_equal(info.st_nlink, 1);
    assert_int_equal(stat(at("keys", path), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);

    write_text("keys/local.token", "too short\n");
    assert_int_equal(local_token_load(folder, &second, &err), STATUS_INVALID);
    buf_fini(&first);
    buf_fini(&second);
}

static void
expect_server(const char *flag, const char *wanted)
{
    struct client_access c;
    struct error err = {.code = STATUS_OK};
    const struct client_access_wish wish = {.server = flag};
    assert_int_equal(client_access_load(folder, &wish, &c, &err), STATUS_OK);
    assert_true(span_eq_str(buf_view(&c.server), wanted));
    client_access_fini(&c);
}

static void
test_client_access(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct client_access c;
    struct error err;
    const struct client_access_wish none = {.server = NULL};
    (void)unlink(at("keys/local.token", path));
    (void)unlink(at("config.yaml", path));
    assert_int_equal(
        client_access_load(folder, &none, &c, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "--ca"));
    client_access_fini(&c);

    assert_int_equal(mkdir(at("tls", path), 0700), 0);
    assert_int_equal(mkdir(at("run", path), 0700), 0);
    write_text("tls/ca.crt", "PEM");
    expect_server(NULL, "https://127.0.0.1:8443");
    write_text("run/proxy.address", "127.0.0.1:41234\n");
    expect_server(NULL, "https://127.0.0.1:41234");
    write_text("run/proxy.address", "0.0.0.0:9\n");
    expect_server(NULL, "https://127.0.0.1:9");
    write_text("run/proxy.address", "[::]:9\n");
    expect_server(NULL, "https://[::1]:9");
    expect_server("https://proxy.example:443", "https://proxy.example:443");

    const struct client_access_wish plain = {.server = "http://x"};
    assert_int_equal(
        client_access_load(folder, &plain, &c, &err), STATUS_INVALID);
    client_access_fini(&c);
    const struct client_access_wish other = {.ca = at("config", path)};
    assert_int_equal(client_access_load(folder, &other, &c, &err), STATUS_OK);
    assert_true(c.ca_data.len > 8);
    client_access_fini(&c);
}

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(folder);
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
        cmocka_unit_test(test_chooses_file_and_context),
        cmocka_unit_test(test_never_itself),
        cmocka_unit_test(test_file_to_write),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_client_access),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
