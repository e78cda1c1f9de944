/* See kubeconfig_exec.h. Follows client-go's tools/clientcmd/validation.go and
 * rest/exec.go. */
#include "proxy/kubeconfig_exec.h"

#include "base/base64.h"
#include "proxy/yaml_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Room for `count` texts and the NULL behind them. */
static enum status
new_texts(size_t count, char ***out, struct error *err)
{
    char **texts = calloc(count + 1, sizeof *texts);
    if (texts == NULL) {
        return source_no_memory(err);
    }
    *out = texts;
    return STATUS_OK;
}

static enum status
read_args(const struct source *s, const struct yaml_node *exec,
    struct kubeconfig_exec *x)
{
    const struct yaml_node *list = NULL;
    enum status st = source_node(s, exec, "args", YAML_LIST, &list);
    const size_t count = list == NULL ? 0 : list->count;
    if (st == STATUS_OK) {
        st = new_texts(count + 1, &x->args, s->err);
    }
    if (st == STATUS_OK) {
        st = source_copy_text(x->command, &x->args[0], s->err);
    }
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        const struct yaml_node *item = list->items[i];
        st = item->kind == YAML_SCALAR
                 ? source_copy_text(item->scalar, &x->args[i + 1], s->err)
                 : source_expected(s, item, "args", "a list of texts");
    }
    return st;
}

static enum status
read_env_entry(
    const struct source *s, const struct yaml_node *entry, char **out)
{
    const char *name = NULL;
    const char *value = NULL;
    struct buf pair;
    enum status st = source_text(s, entry, "name", &name);
    if (st == STATUS_OK) {
        st = source_text(s, entry, "value", &value);
    }
    if (st != STATUS_OK) {
        return st;
    }
    if (name == NULL || strchr(name, '=') != NULL) {
        return source_expected(
            s, entry, "env", "entries with a name and a value");
    }
    buf_init(&pair, KUBECONFIG_FILE_MAX);
    st = buf_printf(&pair, "%s=%s", name, value == NULL ? "" : value);
    st = st == STATUS_OK ? source_copy(buf_view(&pair), out, s->err)
                         : source_no_memory(s->err);
    buf_wipe(&pair);
    return st;
}

static enum status
read_env(const struct source *s, const struct yaml_node *exec,
    struct kubeconfig_exec *x)
{
    const struct yaml_node *list = NULL;
    enum status st = source_node(s, exec, "env", YAML_LIST, &list);
    const size_t count = list == NULL ? 0 : list->count;
    if (st == STATUS_OK) {
        st = new_texts(count, &x->env, s->err);
    }
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        st = read_env_entry(s, list->items[i], &x->env[i]);
    }
    return st;
}

static enum status
read_command(const struct source *s, const struct yaml_node *exec,
    struct kubeconfig_exec *x)
{
    const char *command = NULL;
    char path[PATH_MAX];
    enum status st = source_text(s, exec, "command", &command);
    if (st != STATUS_OK) {
        return st;
    }
    if (command == NULL) {
        return source_expected(s, exec, "exec.command", "the plugin's command");
    }
    /* A bare name is looked for in PATH. */
    if (strchr(command, '/') == NULL) {
        return source_copy_text(command, &x->command, s->err);
    }
    st = source_resolve(s, command, path, sizeof path);
    return st == STATUS_OK ? source_copy_text(path, &x->command, s->err) : st;
}

static enum status
read_api_version(const struct source *s, const struct yaml_node *exec,
    struct kubeconfig_exec *x)
{
    const char *version = NULL;
    const char *mode = NULL;
    enum status st = source_text(s, exec, "apiVersion", &version);
    if (st == STATUS_OK) {
        st = source_text(s, exec, "interactiveMode", &mode);
    }
    if (st != STATUS_OK) {
        return st;
    }
    const bool is_v1 = version != NULL &&
                       strcmp(version, "client.authentication.k8s.io/v1") == 0;
    if (!is_v1 &&
        (version == NULL ||
            strcmp(version, "client.authentication.k8s.io/v1beta1") != 0)) {
        return source_expected(s, exec, "exec.apiVersion",
            "client.authentication.k8s.io/v1 or v1beta1");
    }
    if (mode != NULL && strcmp(mode, "Always") == 0) {
        return error_set(s->err, STATUS_UNSUPPORTED,
            "%s:%u: interactiveMode: a plugin that always asks a person "
            "cannot serve a proxy",
            s->path, yaml_get(exec, "interactiveMode")->line);
    }
    /* v1 made it required; v1beta1 reads none as IfAvailable. */
    if (mode == NULL
            ? is_v1
            : strcmp(mode, "Never") != 0 && strcmp(mode, "IfAvailable") != 0) {
        return source_expected(
            s, exec, "exec.interactiveMode", "Never or IfAvailable");
    }
    return source_copy_text(version, &x->api_version, s->err);
}

/* The cluster's extension that is meant for plugins; NULL when there is
 * none. */
static const struct yaml_node *
plugin_config(const struct yaml_node *cluster)
{
    const struct yaml_node *list = yaml_get(cluster, "extensions");
    if (list == NULL || list->kind != YAML_LIST) {
        return NULL;
    }
    for (size_t i = 0; i < list->count; i++) {
        const char *name = yaml_get_text(list->items[i], "name");
        if (name != NULL &&
            strcmp(name, "client.authentication.k8s.io/exec") == 0) {
            return yaml_get(list->items[i], "extension");
        }
    }
    return NULL;
}

static enum status
add_text(json_t *map, const char *key, const char *text)
{
    return text == NULL || json_object_set_new(map, key, json_string(text)) == 0
               ? STATUS_OK
               : STATUS_INVALID;
}

static enum status
add_ca(json_t *map, const struct buf *ca_pem)
{
    struct buf text;
    const char *base64 = NULL;
    buf_init(&text, 2 * KUBECONFIG_PEM_MAX);
    enum status st = base64_encode(buf_view(ca_pem), &text);
    if (st == STATUS_OK) {
        st = buf_cstr(&text, &base64);
    }
    if (st == STATUS_OK && ca_pem->len > 0) {
        st = add_text(map, "certificate-authority-data", base64);
    }
    buf_fini(&text);
    return st;
}

/* client-go's ConfigToExecCluster: the CA is always inline. */
static enum status
make_cluster_info(const struct source *s, const struct yaml_node *cluster,
    const struct buf *ca_pem, char **out)
{
    const struct yaml_node *config = plugin_config(cluster);
    json_t *map = json_object();
    enum status st = map == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    if (st == STATUS_OK) {
        st = add_text(map, "server", yaml_get_text(cluster, "server"));
    }
    if (st == STATUS_OK) {
        st = add_text(
            map, "tls-server-name", yaml_get_text(cluster, "tls-server-name"));
    }
    if (st == STATUS_OK) {
        st = add_ca(map, ca_pem);
    }
    if (st == STATUS_OK && config != NULL &&
        json_object_set_new(map, "config", yaml_json(config)) != 0) {
        st = STATUS_NO_MEMORY;
    }
    if (st == STATUS_OK) {
        *out = json_dumps(map, JSON_COMPACT);
        st = *out == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    json_decref(map);
    return st == STATUS_OK
               ? st
               : error_set(s->err, st, "%s: no memory for the cluster's facts",
                     s->path);
}

static enum status
read_fields(const struct source *s, const struct yaml_node *exec,
    const struct yaml_node *cluster, const struct buf *ca_pem,
    struct kubeconfig_exec *x)
{
    bool gives_cluster = false;
    const char *hint = NULL;
    enum status st = read_api_version(s, exec, x);
    if (st == STATUS_OK) {
        st = read_command(s, exec, x);
    }
    if (st == STATUS_OK) {
        st = read_args(s, exec, x);
    }
    if (st == STATUS_OK) {
        st = read_env(s, exec, x);
    }
    if (st == STATUS_OK) {
        st = source_text(s, exec, "installHint", &hint);
    }
    if (st == STATUS_OK) {
        st = source_copy_text(hint, &x->install_hint, s->err);
    }
    if (st == STATUS_OK) {
        st = source_bool(s, exec, "provideClusterInfo", &gives_cluster);
    }
    if (st == STATUS_OK && gives_cluster) {
        st = make_cluster_info(s, cluster, ca_pem, &x->cluster_info);
    }
    return st;
}

enum status
kubeconfig_exec_read(const struct source *s, const struct yaml_node *exec,
    const struct yaml_node *cluster, const struct buf *ca_pem,
    struct kubeconfig_exec **out)
{
    struct kubeconfig_exec *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return source_no_memory(s->err);
    }
    const enum status st = read_fields(s, exec, cluster, ca_pem, x);
    if (st == STATUS_OK) {
        *out = x;
        x = NULL;
    }
    kubeconfig_exec_free(&x);
    return st;
}

static void
texts_free(char ***texts)
{
    for (size_t i = 0; *texts != NULL && (*texts)[i] != NULL; i++) {
        source_wipe(&(*texts)[i]);
    }
    free(*texts);
    *texts = NULL;
}

void
kubeconfig_exec_free(struct kubeconfig_exec **xp)
{
    struct kubeconfig_exec *x = *xp;
    *xp = NULL;
    if (x != NULL) {
        free(x->api_version);
        free(x->command);
        texts_free(&x->args);
        texts_free(&x->env); /* plugins take secrets there */
        free(x->cluster_info);
        free(x->install_hint);
        free(x);
    }
}
