/* Kubeconfigs of many shapes, and each refusal with its words. */
#include "base/file.h"
#include "proxy/kubeconfig.h"
#include "proxy/server_url.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[TEMP_DIR_MAX];
static char path[PATH_MAX];

static int
group_setup(void **state)
{
    (void)state;
    temp_dir_make(folder);
    snprintf(path, sizeof path, "%s/config", folder);
    return 0;
}

static void
put(const char *name, const char *text)
{
    temp_dir_put(folder, name, text, 0600);
}

static int
group_teardown(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

/* A kubeconfig of one context around a cluster and a user, flow style. */
static void
put_config(const char *cluster, const char *user)
{
    char text[8192];
    const int len = snprintf(text, sizeof text,
        "apiVersion: v1\n"
        "kind: Config\n"
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters:\n"
        "- name: k\n"
        "  cluster: %s\n"
        "users:\n"
        "- name: u\n"
        "  user: %s\n",
        cluster, user);
    assert_in_range(len, 1, sizeof text - 1);
    put("config", text);
}

static struct kubeconfig *
load(const char *cluster, const char *user)
{
    struct kubeconfig *k = NULL;
    struct error err = {0};
    put_config(cluster, user);
    if (kubeconfig_load(path, NULL, &k, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    return k;
}

static void
expect_refused(const char *cluster, const char *user, const char *tail)
{
    struct kubeconfig *k = NULL;
    struct error err = {0};
    char want[PATH_MAX + 512];
    put_config(cluster, user);
    assert_int_not_equal(kubeconfig_load(path, NULL, &k, &err), STATUS_OK);
    assert_null(k);
    snprintf(want, sizeof want, "%s%s", path, tail);
    assert_string_equal(err.text, want);
}

/* ---- servers ---- */

static void
expect_server(
    const char *server, const char *host, const char *port, const char *prefix)
{
    char cluster[512];
    snprintf(cluster, sizeof cluster, "{server: \"%s\"}", server);
    struct kubeconfig *k = load(cluster, "{}");
    assert_string_equal(k->host, host);
    assert_string_equal(k->port, port);
    assert_string_equal(k->path_prefix, prefix);
    assert_string_equal(k->tls_server_name, host);
    kubeconfig_free(&k);
    assert_null(k);
}

static void
test_servers(void **state)
{
    (void)state;
    expect_server("https://api.example:6443", "api.example", "6443", "");
    expect_server("https://api.example", "api.example", "443", "");
    expect_server("https://api.example/", "api.example", "443", "");
    expect_server("HTTPS://10.0.0.1:1/", "10.0.0.1", "1", "");
    expect_server("https://[fd00::1]:6443", "fd00::1", "6443", "");
    expect_server("https://[::1]", "::1", "443", "");
    expect_server("https://rancher.example/k8s/clusters/c-1/",
        "rancher.example", "443", "/k8s/clusters/c-1");
    expect_server("https://h:65535//", "h", "65535", "");
    expect_server("https://h:/a", "h", "443", "/a");
}

static void
test_bad_servers(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://h", "h:6443", "https://", "",
        "https:///x", "https://u:p@h/", "https://u@h/", "https://h:0",
        "https://h:65536", "https://h:x", "https://h:-1", "https://h:6 443",
        "https://[::1", "https://[::1]x", "https://[h]", "https://h/a?b",
        "https://h/#", "https://h?x", "https://h h", "https://h\r\nx",
        "https://h/a b", "https://h/a\x7f", "https://::1"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct server_url out;
        assert_non_null(server_url_parse(span_str(urls[i]), &out));
    }
    expect_refused("{server: \"http://h\"}", "{}",
        ":7: server: expected an https:// URL: the way to the API server is "
        "always encrypted and verified");
    expect_refused("{}", "{}", ":7: server: expected the API server's URL");
    expect_refused("{server: [x]}", "{}", ":7: server: expected a text");
    expect_refused("{server: \"https://h:0\"}", "{}",
        ":7: server: expected a port from 1 to 65535");
}

/* ---- clusters ---- */

static void
test_cluster_fields(void **state)
{
    (void)state;
    put("ca.crt", "FILE");
    struct kubeconfig *k = load("{server: \"https://h\", tls-server-name: n, "
                                "certificate-authority: ca.crt, "
                                "insecure-skip-tls-verify: false}",
        "{}");
    assert_string_equal(k->cluster_name, "k");
    assert_string_equal(k->user_name, "u");
    assert_string_equal(k->tls_server_name, "n");
    assert_true(span_eq_str(buf_view(&k->ca_pem), "FILE"));
    assert_int_equal(k->cert_pem.len, 0);
    assert_null(k->token);
    assert_null(k->token_file);
    assert_null(k->exec);
    kubeconfig_free(&k);
    /* Data wins over a file, and line ends within it are Go's habit. */
    k = load("{server: \"https://h\", certificate-authority: /nowhere, "
             "certificate-authority-data: \"REFU\\nQQ==\\n\"}",
        "{}");
    assert_true(span_eq_str(buf_view(&k->ca_pem), "DATA"));
    kubeconfig_free(&k);
}

static void
test_bad_clusters(void **state)
{
    (void)state;
    char tail[PATH_MAX + 128];
    expect_refused("{server: \"https://h\", insecure-skip-tls-verify: true}",
        "{}",
        ":7: insecure-skip-tls-verify: the API server is always verified; "
        "give its certificate-authority instead");
    expect_refused("{server: \"https://h\", insecure-skip-tls-verify: 1}", "{}",
        ":7: insecure-skip-tls-verify: expected true or false");
    expect_refused("{server: \"https://h\", proxy-url: \"http://p\"}", "{}",
        ":7: proxy-url: a proxy on the way to the API server is not "
        "supported");
    expect_refused("{server: \"https://h\", certificate-authority-data: \"*\"}",
        "{}",
        ":7: certificate-authority-data: expected base64 of at most 1 MiB");
    snprintf(tail, sizeof tail,
        ":7: certificate-authority: cannot open %s/gone: No such file or "
        "directory",
        folder);
    expect_refused(
        "{server: \"https://h\", certificate-authority: gone}", "{}", tail);
    put("empty.crt", "");
    snprintf(tail, sizeof tail,
        ":7: certificate-authority: %s/empty.crt is empty", folder);
    expect_refused("{server: \"https://h\", certificate-authority: empty.crt}",
        "{}", tail);
    expect_refused("[]", "{}", ":7: cluster: expected a map");
}

/* ---- users ---- */

#define SERVER "{server: \"https://h\"}"

static void
test_user_fields(void **state)
{
    (void)state;
    char file[PATH_MAX];
    struct kubeconfig *k = load(SERVER,
        "{client-certificate-data: Q0VSVA==, client-key-data: S0VZ, "
        "token: \"t\"}");
    assert_true(span_eq_str(buf_view(&k->cert_pem), "CERT"));
    assert_true(span_eq_str(buf_view(&k->key_pem), "KEY"));
    assert_string_equal(k->token, "t");
    kubeconfig_free(&k);
    k = load(SERVER, "{token: a, tokenFile: sub/token}");
    snprintf(file, sizeof file, "%s/sub/token", folder);
    assert_string_equal(k->token, "a");
    assert_string_equal(k->token_file, file);
    kubeconfig_free(&k);
    k = load(SERVER, "{tokenFile: /abs/token, username: \"\", as: }");
    assert_null(k->token);
    assert_string_equal(k->token_file, "/abs/token");
    kubeconfig_free(&k);
}

static void
test_bad_users(void **state)
{
    (void)state;
    static const char *const impersonating[] = {
        "as: a", "as-uid: 1", "as-groups: [a]", "as-user-extra: {a: [b]}"};
    for (size_t i = 0; i < 4; i++) {
        char user[64];
        char tail[256];
        const int len = (int)strcspn(impersonating[i], ":");
        snprintf(user, sizeof user, "{%s}", impersonating[i]);
        snprintf(tail, sizeof tail,
            ":10: %.*s: impersonation by kubeconfig is not supported: "
            "recordings name the user whose credentials these are",
            len, impersonating[i]);
        expect_refused(SERVER, user, tail);
    }
    expect_refused(SERVER, "{username: a}",
        ":10: username: basic authentication is not supported");
    expect_refused(SERVER, "{password: a}",
        ":10: password: basic authentication is not supported");
    expect_refused(SERVER, "{auth-provider: {name: gcp}}",
        ":10: auth-provider: auth-provider plugins are gone since Kubernetes "
        "1.26; use exec");
    expect_refused(SERVER, "{client-certificate-data: Q0VSVA==}",
        ":10: client-certificate and client-key belong together, and only "
        "one is here");
    expect_refused(SERVER, "{token: \"a\\nb\"}",
        ":10: token: expected a token of one line");
    expect_refused(SERVER, "{token: [a]}", ":10: token: expected a text");
}

/* ---- exec ---- */

static void
test_exec(void **state)
{
    (void)state;
    char command[PATH_MAX];
    struct kubeconfig *k = load(SERVER,
        "{exec: {apiVersion: client.authentication.k8s.io/v1, "
        "command: ./bin/plugin, args: [get, \"\", 7], "
        "env: [{name: A, value: b}, {name: E}], installHint: get it, "
        "interactiveMode: IfAvailable}}");
    snprintf(command, sizeof command, "%s/./bin/plugin", folder);
    assert_string_equal(k->exec->command, command);
    assert_string_equal(k->exec->args[0], command);
    assert_string_equal(k->exec->args[1], "get");
    assert_string_equal(k->exec->args[2], "");
    assert_string_equal(k->exec->args[3], "7");
    assert_null(k->exec->args[4]);
    assert_string_equal(k->exec->env[0], "A=b");
    assert_string_equal(k->exec->env[1], "E=");
    assert_null(k->exec->env[2]);
    assert_string_equal(k->exec->install_hint, "get it");
    assert_null(k->exec->cluster_info);
    kubeconfig_free(&k);
    k = load(SERVER, "{exec: {apiVersion: client.authentication.k8s.io/v1beta1,"
                     " command: aws}}");
    assert_string_equal(k->exec->command, "aws");
    assert_null(k->exec->env[0]);
    kubeconfig_free(&k);
    k = load(SERVER, "{exec: {command: unread}, token: a}");
    assert_null(k->exec); /* a fixed token wins */
    kubeconfig_free(&k);
}

static void
test_cluster_info(void **state)
{
    (void)state;
    struct kubeconfig *k =
        load("{server: \"https://h:1/p\", tls-server-name: n, "
             "certificate-authority-data: REFUQQ==, extensions: "
             "[{name: other, extension: 1}, "
             "{name: client.authentication.k8s.io/exec, extension: "
             "{a: [1, 1.5, true, null, ~, yes, \"2\", 012], b: {}}}]}",
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: p, "
            "interactiveMode: Never, provideClusterInfo: true}}");
    assert_string_equal(k->exec->cluster_info,
        "{\"server\":\"https://h:1/p\",\"tls-server-name\":\"n\","
        "\"certificate-authority-data\":\"REFUQQ==\",\"config\":"
        "{\"a\":[1,1.5,true,null,null,\"yes\",\"2\",\"012\"],\"b\":{}}}");
    kubeconfig_free(&k);
}

#define V1 "apiVersion: client.authentication.k8s.io/v1"

static void
test_bad_exec(void **state)
{
    (void)state;
    expect_refused(SERVER, "{exec: {command: p}}",
        ":10: exec.apiVersion: expected client.authentication.k8s.io/v1 or "
        "v1beta1");
    expect_refused(SERVER,
        "{exec: {command: p, apiVersion: "
        "client.authentication.k8s.io/v1alpha1}}",
        ":10: exec.apiVersion: expected client.authentication.k8s.io/v1 or "
        "v1beta1");
    expect_refused(SERVER, "{exec: {" V1 ", interactiveMode: Never}}",
        ":10: exec.command: expected the plugin's command");
    expect_refused(SERVER, "{exec: {" V1 ", command: p}}",
        ":10: exec.interactiveMode: expected Never or IfAvailable");
    expect_refused(SERVER,
        "{exec: {" V1 ", command: p, interactiveMode: Sometimes}}",
        ":10: exec.interactiveMode: expected Never or IfAvailable");
    expect_refused(SERVER,
        "{exec: {" V1 ", command: p, interactiveMode: Always}}",
        ":10: interactiveMode: a plugin that always asks a person cannot "
        "serve a proxy");
    expect_refused(SERVER,
        "{exec: {" V1 ", command: p, interactiveMode: Never, env: [{value: "
        "a}]}}",
        ":10: env: expected entries with a name and a value");
    expect_refused(SERVER,
        "{exec: {" V1 ", command: p, interactiveMode: Never, args: [[a]]}}",
        ":10: args: expected a list of texts");
}

/* ---- contexts ---- */

static void
expect_whole_refused(const char *text, const char *context, const char *tail)
{
    struct kubeconfig *k = NULL;
    struct error err = {0};
    char want[PATH_MAX + 256];
    put("config", text);
    assert_int_not_equal(kubeconfig_load(path, context, &k, &err), STATUS_OK);
    snprintf(want, sizeof want, "%s%s", path, tail);
    assert_string_equal(err.text, want);
}

static void
test_contexts(void **state)
{
    (void)state;
    /* JSON is YAML. */
    put("config",
        "{\"current-context\":\"a\",\"contexts\":["
        "{\"name\":\"a\",\"context\":{\"cluster\":\"k1\",\"user\":\"u\"}},"
        "{\"name\":\"b\",\"context\":{\"cluster\":\"k2\",\"user\":\"u\"}}],"
        "\"clusters\":["
        "{\"name\":\"k1\",\"cluster\":{\"server\":\"https:\\/\\/one\"}},"
        "{\"name\":\"k2\",\"cluster\":{\"server\":\"https://two\"}}],"
        "\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"t\"}}]}");
    struct kubeconfig *k = NULL;
    assert_int_equal(kubeconfig_load(path, NULL, &k, NULL), STATUS_OK);
    assert_string_equal(k->host, "one");
    kubeconfig_free(&k);
    assert_int_equal(kubeconfig_load(path, "", &k, NULL), STATUS_OK);
    assert_string_equal(k->host, "one");
    kubeconfig_free(&k);
    assert_int_equal(kubeconfig_load(path, "b", &k, NULL), STATUS_OK);
    assert_string_equal(k->host, "two");
    assert_string_equal(k->cluster_name, "k2");
    kubeconfig_free(&k);
}

static void
test_bad_contexts(void **state)
{
    (void)state;
    struct kubeconfig *k = NULL;
    struct error err;
    expect_whole_refused("", NULL,
        ": there is no current-context, and no context was asked for");
    expect_whole_refused("[]", NULL, ":1: kubeconfig: expected a map");
    expect_whole_refused(
        "current-context: a\n", NULL, ": contexts: no context called \"a\"");
    expect_whole_refused("contexts: 7\n", "a", ":1: contexts: expected a list");
    expect_whole_refused("contexts: [{name: a, context: {cluster: k}}]\n", "a",
        ":1: context: expected a cluster and a user, each by its name");
    expect_whole_refused(
        "contexts: [{name: a, context: {cluster: k, user: u}}]\n", "a",
        ": clusters: no cluster called \"k\"");
    expect_whole_refused(
        "contexts: [{name: a, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: x}}]\n",
        "a", ": users: no user called \"u\"");
    expect_whole_refused(
        "contexts:\n- {name: a, context: {cluster: k, user: u}}\n"
        "- {name: a, context: {cluster: k, user: v}}\n",
        "a", ":3: contexts: there are two called \"a\"");
    assert_int_equal(
        kubeconfig_load("/nowhere/config", NULL, &k, &err), STATUS_NOT_FOUND);
}

/* ---- in a pod ---- */

static void
test_pod(void **state)
{
    (void)state;
    char file[PATH_MAX];
    struct kubeconfig *k = NULL;
    put("ca.crt", "CA");
    put("token", "t");
    put("namespace", "tape\n");
    assert_int_equal(
        kubeconfig_for_pod("fd00::1", "443", folder, &k, NULL), STATUS_OK);
    snprintf(file, sizeof file, "%s/token", folder);
    assert_string_equal(k->host, "fd00::1");
    assert_string_equal(k->port, "443");
    assert_string_equal(k->path_prefix, "");
    assert_string_equal(k->tls_server_name, "fd00::1");
    assert_string_equal(k->cluster_name, "in-cluster");
    assert_string_equal(k->user_name, "serviceaccount:tape");
    assert_string_equal(k->token_file, file);
    assert_true(span_eq_str(buf_view(&k->ca_pem), "CA"));
    kubeconfig_free(&k);
}

static void
test_no_pod(void **state)
{
    (void)state;
    struct kubeconfig *k = NULL;
    struct error err;
    (void)unsetenv("KUBERNETES_SERVICE_HOST");
    assert_int_equal(kubeconfig_in_cluster(&k, &err), STATUS_NOT_FOUND);
    assert_string_equal(err.text,
        "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
        "must be set");
    assert_int_equal(
        kubeconfig_for_pod("h/x", "443", folder, &k, &err), STATUS_INVALID);
    assert_int_equal(
        kubeconfig_for_pod("h", "70000", folder, &k, &err), STATUS_INVALID);
    assert_int_equal(
        kubeconfig_for_pod("h", "443", "/nowhere", &k, &err), STATUS_NOT_FOUND);
    assert_null(k);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_cluster_fields),
        cmocka_unit_test(test_bad_clusters),
        cmocka_unit_test(test_user_fields),
        cmocka_unit_test(test_bad_users),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_cluster_info),
        cmocka_unit_test(test_bad_exec),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_bad_contexts),
        cmocka_unit_test(test_pod),
        cmocka_unit_test(test_no_pod),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
