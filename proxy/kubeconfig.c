/* See kubeconfig.h. Follows client-go's tools/clientcmd (client_config.go,
 * loader.go, validation.go); what that library would ignore or do insecurely
 * is refused, with the line where it stands.
 *
 * The trap: a kubeconfig holds keys and tokens, so the file's bytes, its tree
 * and everything decoded from it are wiped when they are let go.
 */
#include "proxy/kubeconfig.h"

#include "base/file.h"
#include "proxy/http_head.h"
#include "proxy/kubeconfig_exec.h"
#include "proxy/kubeconfig_source.h"
#include "proxy/server_url.h"

#include <stdlib.h>
#include <string.h>

#define NAMESPACE_MAX 256u

#define SERVICE_ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

/* ---- clusters ---- */

static enum status
read_server(const struct source *s, const struct yaml_node *cluster,
    struct kubeconfig *k)
{
    const char *url = NULL;
    struct server_url parts;
    enum status st = source_text(s, cluster, "server", &url);
    if (st != STATUS_OK) {
        return st;
    }
    const struct yaml_node *at = yaml_get(cluster, "server");
    if (url == NULL) {
        return source_expected(
            s, at != NULL ? at : cluster, "server", "the API server's URL");
    }
    const char *wanted = server_url_parse(span_str(url), &parts);
    if (wanted != NULL) {
        return source_expected(s, at, "server", wanted);
    }
    st = source_copy(parts.host, &k->host, s->err);
    if (st == STATUS_OK) {
        st = source_copy(parts.port, &k->port, s->err);
    }
    if (st == STATUS_OK) {
        st = source_copy(parts.path, &k->path_prefix, s->err);
    }
    return st;
}

static enum status
read_cluster(const struct source *s, const struct yaml_node *cluster,
    struct kubeconfig *k)
{
    static const struct refused_key refused[] = {
        {"proxy-url", "a proxy on the way to the API server is not supported"},
        {NULL, NULL},
    };
    bool is_insecure = false;
    const char *name = NULL;
    enum status st = source_refuse(s, cluster, refused);
    if (st == STATUS_OK) {
        st = source_bool(s, cluster, "insecure-skip-tls-verify", &is_insecure);
    }
    if (st == STATUS_OK && is_insecure) {
        return error_set(s->err, STATUS_UNSUPPORTED,
            "%s:%u: insecure-skip-tls-verify: the API server is always "
            "verified; give its certificate-authority instead",
            s->path, yaml_get(cluster, "insecure-skip-tls-verify")->line);
    }
    if (st == STATUS_OK) {
        st = read_server(s, cluster, k);
    }
    if (st == STATUS_OK) {
        st = source_text(s, cluster, "tls-server-name", &name);
    }
    if (st == STATUS_OK) {
        st = source_copy_text(
            name != NULL ? name : k->host, &k->tls_server_name, s->err);
    }
    if (st == STATUS_OK) {
        st = source_pem(s, cluster, "certificate-authority",
            "certificate-authority-data", &k->ca_pem);
    }
    return st;
}

/* ---- users ---- */

static enum status
read_certificate(
    const struct source *s, const struct yaml_node *user, struct kubeconfig *k)
{
    enum status st = source_pem(
        s, user, "client-certificate", "client-certificate-data", &k->cert_pem);
    if (st == STATUS_OK) {
        st = source_pem(s, user, "client-key", "client-key-data", &k->key_pem);
    }
    if (st == STATUS_OK && (k->cert_pem.len == 0) != (k->key_pem.len == 0)) {
        st = error_set(s->err, STATUS_INVALID,
            "%s:%u: client-certificate and client-key belong together, and "
            "only one is here",
            s->path, user->line);
    }
    return st;
}

static enum status
read_token(
    const struct source *s, const struct yaml_node *user, struct kubeconfig *k)
{
    const char *token = NULL;
    const char *file = NULL;
    char path[PATH_MAX];
    enum status st = source_text(s, user, "token", &token);
    if (st == STATUS_OK && token != NULL &&
        !http_value_is_valid(span_str(token))) {
        return source_expected(
            s, yaml_get(user, "token"), "token", "a token of one line");
    }
    if (st == STATUS_OK) {
        st = source_copy_text(token, &k->token, s->err);
    }
    if (st == STATUS_OK) {
        st = source_text(s, user, "tokenFile", &file);
    }
    if (st != STATUS_OK || file == NULL) {
        return st;
    }
    st = source_resolve(s, file, path, sizeof path);
    return st == STATUS_OK ? source_copy_text(path, &k->token_file, s->err)
                           : st;
}

static enum status
read_exec(const struct source *s, const struct yaml_node *user,
    const struct yaml_node *cluster, struct kubeconfig *k)
{
    const struct yaml_node *exec = NULL;
    const enum status st = source_node(s, user, "exec", YAML_MAP, &exec);
    return st == STATUS_OK && exec != NULL
               ? kubeconfig_exec_read(s, exec, cluster, &k->ca_pem, &k->exec)
               : st;
}

static enum status
read_user(const struct source *s, const struct yaml_node *user,
    const struct yaml_node *cluster, struct kubeconfig *k)
{
    static const char impersonating[] =
        "impersonation by kubeconfig is not supported: recordings name the "
        "user whose credentials these are";
    static const struct refused_key refused[] = {
        {"username", "basic authentication is not supported"},
        {"password", "basic authentication is not supported"},
        {"auth-provider", "auth-provider plugins are gone since Kubernetes "
                          "1.26; use exec"},
        {"as", impersonating},
        {"as-uid", impersonating},
        {"as-groups", impersonating},
        {"as-user-extra", impersonating},
        {NULL, NULL},
    };
    enum status st = source_refuse(s, user, refused);
    if (st == STATUS_OK) {
        st = read_certificate(s, user, k);
    }
    if (st == STATUS_OK) {
        st = read_token(s, user, k);
    }
    /* A fixed token wins over a plugin in client-go, which then runs for
     * nothing. */
    if (st == STATUS_OK && k->token == NULL && k->token_file == NULL) {
        st = read_exec(s, user, cluster, k);
    }
    return st;
}

/* ---- the file ---- */

static enum status
get_context_name(const struct source *s, const struct yaml_node *root,
    const char *wanted, const char **out)
{
    *out = wanted;
    if (wanted != NULL && wanted[0] != '\0') {
        return STATUS_OK;
    }
    const enum status st = source_text(s, root, "current-context", out);
    if (st == STATUS_OK && *out == NULL) {
        return error_set(s->err, STATUS_NOT_FOUND,
            "%s: there is no current-context, and no context was asked for",
            s->path);
    }
    return st;
}

static enum status
read_context(const struct source *s, const struct yaml_node *root,
    const char *wanted, struct kubeconfig *k)
{
    const char *name = NULL;
    const struct yaml_node *context = NULL;
    enum status st = get_context_name(s, root, wanted, &name);
    if (st == STATUS_OK) {
        st = source_named(s, root, "contexts", "context", name, &context);
    }
    if (st != STATUS_OK) {
        return st;
    }
    const char *cluster = yaml_get_text(context, "cluster");
    const char *user = yaml_get_text(context, "user");
    if (cluster == NULL || user == NULL) {
        return source_expected(
            s, context, "context", "a cluster and a user, each by its name");
    }
    st = source_copy_text(cluster, &k->cluster_name, s->err);
    return st == STATUS_OK ? source_copy_text(user, &k->user_name, s->err) : st;
}

static enum status
read_tree(const struct source *s, const struct yaml_node *root,
    const char *context, struct kubeconfig *k)
{
    const struct yaml_node *cluster = NULL;
    const struct yaml_node *user = NULL;
    if (root->kind != YAML_MAP) {
        return source_expected(s, root, "kubeconfig", "a map");
    }
    enum status st = read_context(s, root, context, k);
    if (st == STATUS_OK) {
        st = source_named(
            s, root, "clusters", "cluster", k->cluster_name, &cluster);
    }
    if (st == STATUS_OK) {
        st = source_named(s, root, "users", "user", k->user_name, &user);
    }
    if (st == STATUS_OK) {
        st = read_cluster(s, cluster, k);
    }
    if (st == STATUS_OK) {
        st = read_user(s, user, cluster, k);
    }
    return st;
}

static struct kubeconfig *
kubeconfig_new(void)
{
    struct kubeconfig *k = calloc(1, sizeof *k);
    if (k != NULL) {
        buf_init(&k->ca_pem, KUBECONFIG_PEM_MAX);
        buf_init(&k->cert_pem, KUBECONFIG_PEM_MAX);
        buf_init(&k->key_pem, KUBECONFIG_PEM_MAX);
    }
    return k;
}

static enum status
parse_file(struct source *s, const char *context, struct kubeconfig *k)
{
    struct buf text;
    struct yaml *tree = NULL;
    buf_init(&text, KUBECONFIG_FILE_MAX);
    enum status st = file_read(s->path, &text, s->err);
    if (st == STATUS_OK) {
        st = source_find_folder(s);
    }
    if (st == STATUS_OK) {
        st = yaml_parse(buf_view(&text), s->path, &tree, s->err);
    }
    if (st == STATUS_OK) {
        st = read_tree(s, yaml_root(tree), context, k);
    }
    yaml_close(&tree);
    buf_wipe(&text);
    return st;
}

enum status
kubeconfig_load(const char *path, const char *context, struct kubeconfig **out,
    struct error *err)
{
    struct source s = {.path = path, .err = err};
    struct kubeconfig *k = kubeconfig_new();
    const enum status st =
        k == NULL ? source_no_memory(err) : parse_file(&s, context, k);
    if (st == STATUS_OK) {
        *out = k;
        k = NULL;
    }
    kubeconfig_free(&k);
    return st;
}

/* ---- in a pod ---- */

/* "serviceaccount:<namespace>": the account's own name is in the token, which
 * is not ours to read. */
static enum status
name_service_account(
    const char *folder, struct kubeconfig *k, struct error *err)
{
    char path[PATH_MAX];
    struct buf name;
    buf_init(&name, NAMESPACE_MAX);
    enum status st = file_join(path, sizeof path, folder, "namespace", err);
    if (st == STATUS_OK) {
        st = buf_append_str(&name, "serviceaccount:");
    }
    if (st == STATUS_OK) {
        st = file_read(path, &name, err);
    }
    if (st == STATUS_OK) {
        struct span line = buf_view(&name);
        (void)span_take_until(&(struct span){line.ptr, line.len}, '\n', &line);
        st = source_copy(line, &k->user_name, err);
    }
    buf_fini(&name);
    return st;
}

static enum status
fill_from_service_account(const char *host, const char *port,
    const char *folder, struct kubeconfig *k, struct error *err)
{
    char path[PATH_MAX];
    enum status st = source_copy_text(host, &k->host, err);
    if (st == STATUS_OK) {
        st = source_copy_text(host, &k->tls_server_name, err);
    }
    if (st == STATUS_OK) {
        st = source_copy_text(port, &k->port, err);
    }
    if (st == STATUS_OK) {
        st = source_copy_text("", &k->path_prefix, err);
    }
    if (st == STATUS_OK) {
        st = source_copy_text("in-cluster", &k->cluster_name, err);
    }
    if (st == STATUS_OK) {
        st = name_service_account(folder, k, err);
    }
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, folder, "ca.crt", err);
    }
    if (st == STATUS_OK) {
        st = file_read(path, &k->ca_pem, err);
    }
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, folder, "token", err);
    }
    return st == STATUS_OK ? source_copy_text(path, &k->token_file, err) : st;
}

enum status
kubeconfig_for_pod(const char *host, const char *port, const char *folder,
    struct kubeconfig **out, struct error *err)
{
    if (host == NULL || port == NULL || host[0] == '\0' || port[0] == '\0') {
        return error_set(err, STATUS_NOT_FOUND,
            "not in a pod: KUBERNETES_SERVICE_HOST and "
            "KUBERNETES_SERVICE_PORT must be set");
    }
    if (!server_host_is_valid(span_str(host)) ||
        !server_port_is_valid(span_str(port))) {
        return error_set(err, STATUS_INVALID,
            "KUBERNETES_SERVICE_HOST or _PORT: no address: %s:%s", host, port);
    }
    struct kubeconfig *k = kubeconfig_new();
    const enum status st =
        k == NULL ? source_no_memory(err)
                  : fill_from_service_account(host, port, folder, k, err);
    if (st == STATUS_OK) {
        *out = k;
        k = NULL;
    }
    kubeconfig_free(&k);
    return st;
}

enum status
kubeconfig_in_cluster(struct kubeconfig **out, struct error *err)
{
    return kubeconfig_for_pod(getenv("KUBERNETES_SERVICE_HOST"),
        getenv("KUBERNETES_SERVICE_PORT"), SERVICE_ACCOUNT_FOLDER, out, err);
}

/* ---- the end ---- */

void
kubeconfig_free(struct kubeconfig **kp)
{
    struct kubeconfig *k = *kp;
    *kp = NULL;
    if (k == NULL) {
        return;
    }
    free(k->cluster_name);
    free(k->user_name);
    free(k->host);
    free(k->port);
    free(k->path_prefix);
    free(k->tls_server_name);
    buf_fini(&k->ca_pem);
    buf_fini(&k->cert_pem);
    buf_wipe(&k->key_pem);
    source_wipe(&k->token);
    free(k->token_file);
    kubeconfig_exec_free(&k->exec);
    free(k);
}
