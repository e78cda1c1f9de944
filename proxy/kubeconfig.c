/* See kubeconfig.h. Follows client-go's tools/clientcmd (client_config.go,
 * loader.go, validation.go); what that library would ignore or do insecurely
 * is refused, with the line where it stands.
 *
 * The trap: a kubeconfig holds keys and tokens, so the file's bytes, its tree
 * and everything decoded from it are wiped when they are let go.
 */
#include "proxy/kubeconfig.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/yaml.h"
#include "proxy/http_head.h"
#include "proxy/yaml_json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Real ones are a few KiB a cluster; a person with hundreds of clusters
 * stays far below. */
#define KUBECONFIG_FILE_MAX (8u << 20)
#define PEM_MAX             (1u << 20)
#define NAMESPACE_MAX       256u

#define SERVICE_ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

/* The file being read. */
struct source {
    const char *path;
    char folder[PATH_MAX]; /* of the file; relative paths start here */
    struct error *err;
};

/* ---- texts ---- */

static void
wipe_text(char **text)
{
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

static enum status
no_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "no memory for a kubeconfig");
}

static enum status
copy_span(struct span text, char **out, struct error *err)
{
    char *copy = strndup((const char *)text.ptr, text.len);
    if (copy == NULL) {
        return no_memory(err);
    }
    *out = copy;
    return STATUS_OK;
}

/* NULL stays NULL. */
static enum status
copy_text(const char *text, char **out, struct error *err)
{
    return text == NULL ? STATUS_OK : copy_span(span_str(text), out, err);
}

/* What a buffer holds, as a text of its own. */
static enum status
copy_buf(const struct buf *b, char **out, struct error *err)
{
    return copy_span(buf_view(b), out, err);
}

/* ---- the tree ---- */

static enum status
expected(const struct source *s, const struct yaml_node *at, const char *key,
    const char *what)
{
    return error_set(s->err, STATUS_INVALID, "%s:%u: %s: expected %s", s->path,
        at->line, key, what);
}

/* The text of `key`, NULL when it is missing, null or empty. */
static enum status
get_text(const struct source *s, const struct yaml_node *map, const char *key,
    const char **out)
{
    const struct yaml_node *node = yaml_get(map, key);
    *out = NULL;
    if (node == NULL) {
        return STATUS_OK;
    }
    if (node->kind != YAML_SCALAR) {
        return expected(s, node, key, "a text");
    }
    if (node->scalar[0] != '\0') {
        *out = yaml_text(node);
    }
    return STATUS_OK;
}

static enum status
get_bool(const struct source *s, const struct yaml_node *map, const char *key,
    bool *out)
{
    const char *word = NULL;
    *out = false;
    const enum status st = get_text(s, map, key, &word);
    if (st != STATUS_OK || word == NULL || strcmp(word, "false") == 0) {
        return st;
    }
    if (strcmp(word, "true") != 0) {
        return expected(s, yaml_get(map, key), key, "true or false");
    }
    *out = true;
    return STATUS_OK;
}

/* A list or map; NULL when it is missing or null. */
static enum status
get_node(const struct source *s, const struct yaml_node *map, const char *key,
    enum yaml_kind kind, const struct yaml_node **out)
{
    const struct yaml_node *node = yaml_get(map, key);
    *out = NULL;
    if (node == NULL ||
        (node->kind == YAML_SCALAR && yaml_text(node) == NULL)) {
        return STATUS_OK;
    }
    if (node->kind != kind) {
        return expected(s, node, key, kind == YAML_LIST ? "a list" : "a map");
    }
    *out = node;
    return STATUS_OK;
}

struct refused_key {
    const char *key;
    const char *why;
};

static bool
is_set(const struct yaml_node *node)
{
    if (node == NULL) {
        return false;
    }
    return node->kind == YAML_SCALAR
               ? yaml_text(node) != NULL && node->scalar[0] != '\0'
               : node->count > 0;
}

/* `keys` ends with a NULL key. */
static enum status
refuse_keys(const struct source *s, const struct yaml_node *map,
    const struct refused_key *keys)
{
    for (; keys->key != NULL; keys++) {
        const struct yaml_node *node = yaml_get(map, keys->key);
        if (is_set(node)) {
            return error_set(s->err, STATUS_UNSUPPORTED, "%s:%u: %s: %s",
                s->path, node->line, keys->key, keys->why);
        }
    }
    return STATUS_OK;
}

/* The map `inner` of the one entry of `list` that is called `name`. */
static enum status
find_named(const struct source *s, const struct yaml_node *root,
    const char *list, const char *inner, const char *name,
    const struct yaml_node **out)
{
    const struct yaml_node *entries = NULL;
    const struct yaml_node *found = NULL;
    enum status st = get_node(s, root, list, YAML_LIST, &entries);
    if (st != STATUS_OK) {
        return st;
    }
    for (size_t i = 0; entries != NULL && i < entries->count; i++) {
        const struct yaml_node *entry = entries->items[i];
        const char *its_name = yaml_get_text(entry, "name");
        if (its_name == NULL || strcmp(its_name, name) != 0) {
            continue;
        }
        if (found != NULL) {
            return error_set(s->err, STATUS_INVALID,
                "%s:%u: %s: there are two called \"%s\"", s->path, entry->line,
                list, name);
        }
        found = entry;
    }
    if (found == NULL) {
        return error_set(s->err, STATUS_NOT_FOUND,
            "%s: %s: no %s called \"%s\"", s->path, list, inner, name);
    }
    st = get_node(s, found, inner, YAML_MAP, out);
    if (st == STATUS_OK && *out == NULL) {
        return expected(s, found, inner, "a map");
    }
    return st;
}

/* ---- files and data ---- */

static enum status
resolve(const struct source *s, const char *path, char *out, size_t cap)
{
    if (path[0] == '/') {
        if (strlen(path) >= cap) {
            return error_set(
                s->err, STATUS_LIMIT, "%s: a path is too long", s->path);
        }
        memcpy(out, path, strlen(path) + 1);
        return STATUS_OK;
    }
    return file_join(out, cap, s->folder, path, s->err);
}

/* Base64 as Go reads it: line ends within are ignored. */
static enum status
decode_data(const char *text, struct buf *out)
{
    struct buf joined;
    enum status st = STATUS_OK;
    buf_init(&joined, KUBECONFIG_FILE_MAX);
    while (*text != '\0' && st == STATUS_OK) {
        const size_t len = strcspn(text, "\r\n");
        st = buf_append(&joined, span_of(text, len));
        text += len;
        text += strspn(text, "\r\n");
    }
    if (st == STATUS_OK) {
        st = base64_decode(buf_view(&joined), out);
    }
    buf_wipe(&joined);
    return st;
}

/* `KEY-data` inline, or else the file that `KEY` names; nothing when neither
 * is there. */
static enum status
read_pem(const struct source *s, const struct yaml_node *map, const char *key,
    const char *data_key, struct buf *out)
{
    const char *data = NULL;
    const char *file = NULL;
    char path[PATH_MAX];
    enum status st = get_text(s, map, data_key, &data);
    if (st == STATUS_OK && data != NULL) {
        return decode_data(data, out) == STATUS_OK
                   ? STATUS_OK
                   : expected(s, yaml_get(map, data_key), data_key,
                         "base64 of at most 1 MiB");
    }
    if (st == STATUS_OK) {
        st = get_text(s, map, key, &file);
    }
    if (st != STATUS_OK || file == NULL) {
        return st;
    }
    st = resolve(s, file, path, sizeof path);
    if (st == STATUS_OK) {
        st = file_read(path, out, s->err);
    }
    if (st == STATUS_OK && out->len == 0) {
        st = error_set(s->err, STATUS_INVALID, "%s is empty", path);
    }
    return st == STATUS_OK ? st
                           : error_in(s->err, st, "%s:%u: %s", s->path,
                                 yaml_get(map, key)->line, key);
}

/* ---- the server's URL ---- */

/* scheme and authority; the path is left in *rest. */
static bool
take_https(struct span *rest)
{
    static const char scheme[] = "https://";
    struct span head;
    return rest->len >= sizeof scheme - 1 &&
           span_eq_nocase(
               (struct span){rest->ptr, sizeof scheme - 1}, scheme) &&
           span_take(rest, sizeof scheme - 1, &head);
}

static bool
is_host_name(struct span host)
{
    if (host.len == 0 || host.len > 253) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        const uint8_t c = host.ptr[i];
        const uint8_t lower = c | 0x20u;
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '.' && c != '_') {
            return false;
        }
    }
    return true;
}

static bool
is_ipv6(struct span host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (host.len == 0 || host.len >= sizeof text) {
        return false;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* "host", "host:port" or "[v6]:port". */
static const char *
split_authority(struct span text, struct span *host, struct span *port)
{
    uint64_t number = 0;
    const bool is_bracketed = text.len > 0 && text.ptr[0] == '[';
    if (is_bracketed) {
        (void)span_skip(&text, 1);
        if (!span_take_until(&text, ']', host) || !is_ipv6(*host)) {
            return "an IPv6 address between [ and ]";
        }
        *port = text;
        if (text.len > 0 && !(text.ptr[0] == ':' && span_skip(port, 1))) {
            return "a port after the address";
        }
    } else if (span_take_until(&text, ':', host)) {
        *port = text;
    } else {
        *host = text;
        *port = SPAN_EMPTY;
    }
    if (!is_bracketed && !is_host_name(*host)) {
        return "a host name or address, without a user";
    }
    if (port->len == 0) {
        *port = SPAN_LIT("443");
    }
    if (port->len > 5 || !span_to_u64(*port, 65535, &number) || number == 0) {
        return "a port from 1 to 65535";
    }
    return NULL;
}

/* It becomes the front of every request target. */
static bool
is_path(struct span path)
{
    for (size_t i = 0; i < path.len; i++) {
        const uint8_t c = path.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '?' || c == '#') {
            return false;
        }
    }
    return true;
}

static struct span
take_authority(struct span *rest)
{
    size_t len = 0;
    while (len < rest->len && strchr("/?#", rest->ptr[len]) == NULL) {
        len++;
    }
    struct span authority = SPAN_EMPTY;
    (void)span_take(rest, len, &authority);
    return authority;
}

/* What was expected instead, or NULL. */
static const char *
split_url(
    struct span url, struct span *host, struct span *port, struct span *path)
{
    if (!take_https(&url)) {
        return "an https:// URL: the way to the API server is always "
               "encrypted and verified";
    }
    const char *wanted = split_authority(take_authority(&url), host, port);
    if (wanted != NULL) {
        return wanted;
    }
    while (url.len > 0 && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    *path = url;
    return is_path(url) ? NULL : "a path without query, fragment or spaces";
}

static enum status
read_server(const struct source *s, const struct yaml_node *cluster,
    struct kubeconfig *k)
{
    const char *url = NULL;
    struct span host = SPAN_EMPTY;
    struct span port = SPAN_EMPTY;
    struct span path = SPAN_EMPTY;
    enum status st = get_text(s, cluster, "server", &url);
    if (st != STATUS_OK) {
        return st;
    }
    const struct yaml_node *at = yaml_get(cluster, "server");
    if (url == NULL) {
        return expected(
            s, at != NULL ? at : cluster, "server", "the API server's URL");
    }
    const char *wanted = split_url(span_str(url), &host, &port, &path);
    if (wanted != NULL) {
        return expected(s, at, "server", wanted);
    }
    st = copy_span(host, &k->host, s->err);
    if (st == STATUS_OK) {
        st = copy_span(port, &k->port, s->err);
    }
    if (st == STATUS_OK) {
        st = copy_span(path, &k->path_prefix, s->err);
    }
    return st;
}

/* ---- clusters ---- */

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
    enum status st = refuse_keys(s, cluster, refused);
    if (st == STATUS_OK) {
        st = get_bool(s, cluster, "insecure-skip-tls-verify", &is_insecure);
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
        st = get_text(s, cluster, "tls-server-name", &name);
    }
    if (st == STATUS_OK) {
        st = copy_text(
            name != NULL ? name : k->host, &k->tls_server_name, s->err);
    }
    if (st == STATUS_OK) {
        st = read_pem(s, cluster, "certificate-authority",
            "certificate-authority-data", &k->ca_pem);
    }
    return st;
}

/* ---- exec ---- */

/* Room for `count` texts and the NULL behind them. */
static enum status
new_texts(size_t count, char ***out, struct error *err)
{
    char **texts = calloc(count + 1, sizeof *texts);
    if (texts == NULL) {
        return no_memory(err);
    }
    *out = texts;
    return STATUS_OK;
}

static enum status
read_args(const struct source *s, const struct yaml_node *exec,
    struct kubeconfig_exec *x)
{
    const struct yaml_node *list = NULL;
    enum status st = get_node(s, exec, "args", YAML_LIST, &list);
    const size_t count = list == NULL ? 0 : list->count;
    if (st == STATUS_OK) {
        st = new_texts(count + 1, &x->args, s->err);
    }
    if (st == STATUS_OK) {
        st = copy_text(x->command, &x->args[0], s->err);
    }
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        const struct yaml_node *item = list->items[i];
        st = item->kind == YAML_SCALAR
                 ? copy_text(item->scalar, &x->args[i + 1], s->err)
                 : expected(s, item, "args", "a list of texts");
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
    enum status st = get_text(s, entry, "name", &name);
    if (st == STATUS_OK) {
        st = get_text(s, entry, "value", &value);
    }
    if (st != STATUS_OK) {
        return st;
    }
    if (name == NULL || strchr(name, '=') != NULL) {
        return expected(s, entry, "env", "entries with a name and a value");
    }
    buf_init(&pair, KUBECONFIG_FILE_MAX);
    st = buf_printf(&pair, "%s=%s", name, value == NULL ? "" : value);
    st = st == STATUS_OK ? copy_buf(&pair, out, s->err) : no_memory(s->err);
    buf_wipe(&pair);
    return st;
}

static enum status
read_env(const struct source *s, const struct yaml_node *exec,
    struct kubeconfig_exec *x)
{
    const struct yaml_node *list = NULL;
    enum status st = get_node(s, exec, "env", YAML_LIST, &list);
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
    enum status st = get_text(s, exec, "command", &command);
    if (st != STATUS_OK) {
        return st;
    }
    if (command == NULL) {
        return expected(s, exec, "exec.command", "the plugin's command");
    }
    /* A bare name is looked for in PATH. */
    if (strchr(command, '/') == NULL) {
        return copy_text(command, &x->command, s->err);
    }
    st = resolve(s, command, path, sizeof path);
    return st == STATUS_OK ? copy_text(path, &x->command, s->err) : st;
}

static enum status
read_api_version(const struct source *s, const struct yaml_node *exec,
    struct kubeconfig_exec *x)
{
    const char *version = NULL;
    const char *mode = NULL;
    enum status st = get_text(s, exec, "apiVersion", &version);
    if (st == STATUS_OK) {
        st = get_text(s, exec, "interactiveMode", &mode);
    }
    if (st != STATUS_OK) {
        return st;
    }
    const bool is_v1 = version != NULL &&
                       strcmp(version, "client.authentication.k8s.io/v1") == 0;
    if (!is_v1 &&
        (version == NULL ||
            strcmp(version, "client.authentication.k8s.io/v1beta1") != 0)) {
        return expected(s, exec, "exec.apiVersion",
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
        return expected(
            s, exec, "exec.interactiveMode", "Never or IfAvailable");
    }
    return copy_text(version, &x->api_version, s->err);
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
    buf_init(&text, 2 * PEM_MAX);
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
    const struct kubeconfig *k, char **out)
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
        st = add_ca(map, &k->ca_pem);
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
read_exec_fields(const struct source *s, const struct yaml_node *exec,
    const struct yaml_node *cluster, const struct kubeconfig *k,
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
        st = get_text(s, exec, "installHint", &hint);
    }
    if (st == STATUS_OK) {
        st = copy_text(hint, &x->install_hint, s->err);
    }
    if (st == STATUS_OK) {
        st = get_bool(s, exec, "provideClusterInfo", &gives_cluster);
    }
    if (st == STATUS_OK && gives_cluster) {
        st = make_cluster_info(s, cluster, k, &x->cluster_info);
    }
    return st;
}

static enum status
read_exec(const struct source *s, const struct yaml_node *user,
    const struct yaml_node *cluster, struct kubeconfig *k)
{
    const struct yaml_node *exec = NULL;
    const enum status st = get_node(s, user, "exec", YAML_MAP, &exec);
    /* A fixed token wins over a plugin in client-go, which then runs for
     * nothing. */
    if (st != STATUS_OK || exec == NULL || k->token != NULL ||
        k->token_file != NULL) {
        return st;
    }
    k->exec = calloc(1, sizeof *k->exec);
    if (k->exec == NULL) {
        return no_memory(s->err);
    }
    return read_exec_fields(s, exec, cluster, k, k->exec);
}

/* ---- users ---- */

static enum status
read_certificate(
    const struct source *s, const struct yaml_node *user, struct kubeconfig *k)
{
    enum status st = read_pem(
        s, user, "client-certificate", "client-certificate-data", &k->cert_pem);
    if (st == STATUS_OK) {
        st = read_pem(s, user, "client-key", "client-key-data", &k->key_pem);
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
    enum status st = get_text(s, user, "token", &token);
    if (st == STATUS_OK && token != NULL &&
        !http_value_is_valid(span_str(token))) {
        return expected(
            s, yaml_get(user, "token"), "token", "a token of one line");
    }
    if (st == STATUS_OK) {
        st = copy_text(token, &k->token, s->err);
    }
    if (st == STATUS_OK) {
        st = get_text(s, user, "tokenFile", &file);
    }
    if (st != STATUS_OK || file == NULL) {
        return st;
    }
    st = resolve(s, file, path, sizeof path);
    return st == STATUS_OK ? copy_text(path, &k->token_file, s->err) : st;
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
    enum status st = refuse_keys(s, user, refused);
    if (st == STATUS_OK) {
        st = read_certificate(s, user, k);
    }
    if (st == STATUS_OK) {
        st = read_token(s, user, k);
    }
    if (st == STATUS_OK) {
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
    const enum status st = get_text(s, root, "current-context", out);
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
        st = find_named(s, root, "contexts", "context", name, &context);
    }
    if (st != STATUS_OK) {
        return st;
    }
    const char *cluster = yaml_get_text(context, "cluster");
    const char *user = yaml_get_text(context, "user");
    if (cluster == NULL || user == NULL) {
        return expected(
            s, context, "context", "a cluster and a user, each by its name");
    }
    st = copy_text(cluster, &k->cluster_name, s->err);
    return st == STATUS_OK ? copy_text(user, &k->user_name, s->err) : st;
}

static enum status
read_tree(const struct source *s, const struct yaml_node *root,
    const char *context, struct kubeconfig *k)
{
    const struct yaml_node *cluster = NULL;
    const struct yaml_node *user = NULL;
    if (root->kind != YAML_MAP) {
        return expected(s, root, "kubeconfig", "a map");
    }
    enum status st = read_context(s, root, context, k);
    if (st == STATUS_OK) {
        st = find_named(
            s, root, "clusters", "cluster", k->cluster_name, &cluster);
    }
    if (st == STATUS_OK) {
        st = find_named(s, root, "users", "user", k->user_name, &user);
    }
    if (st == STATUS_OK) {
        st = read_cluster(s, cluster, k);
    }
    if (st == STATUS_OK) {
        st = read_user(s, user, cluster, k);
    }
    return st;
}

/* The absolute folder of the file as it was named, links unresolved, which is
 * where client-go starts too. */
static enum status
find_folder(struct source *s)
{
    const char *slash = strrchr(s->path, '/');
    const size_t len = slash == NULL ? 0 : (size_t)(slash - s->path) + 1;
    char given[PATH_MAX];
    if (len >= sizeof given - 1) {
        return error_set(s->err, STATUS_LIMIT, "%s is too long", s->path);
    }
    memcpy(given, s->path, len);
    memcpy(given + len, len == 0 ? "." : "", len == 0 ? 2 : 1);
    return realpath(given, s->folder) != NULL
               ? STATUS_OK
               : error_sys(
                     s->err, errno, "cannot find the folder of %s", s->path);
}

static struct kubeconfig *
kubeconfig_new(void)
{
    struct kubeconfig *k = calloc(1, sizeof *k);
    if (k != NULL) {
        buf_init(&k->ca_pem, PEM_MAX);
        buf_init(&k->cert_pem, PEM_MAX);
        buf_init(&k->key_pem, PEM_MAX);
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
        st = find_folder(s);
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
        k == NULL ? no_memory(err) : parse_file(&s, context, k);
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
        st = copy_span(span_trim(buf_view(&name)), &k->user_name, err);
    }
    buf_fini(&name);
    return st;
}

static enum status
fill_from_service_account(const char *host, const char *port,
    const char *folder, struct kubeconfig *k, struct error *err)
{
    char path[PATH_MAX];
    enum status st = copy_text(host, &k->host, err);
    if (st == STATUS_OK) {
        st = copy_text(host, &k->tls_server_name, err);
    }
    if (st == STATUS_OK) {
        st = copy_text(port, &k->port, err);
    }
    if (st == STATUS_OK) {
        st = copy_text("", &k->path_prefix, err);
    }
    if (st == STATUS_OK) {
        st = copy_text("in-cluster", &k->cluster_name, err);
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
    return st == STATUS_OK ? copy_text(path, &k->token_file, err) : st;
}

enum status
kubeconfig_for_pod(const char *host, const char *port, const char *folder,
    struct kubeconfig **out, struct error *err)
{
    uint64_t number = 0;
    if (host == NULL || port == NULL || host[0] == '\0' || port[0] == '\0') {
        return error_set(err, STATUS_NOT_FOUND,
            "not in a pod: KUBERNETES_SERVICE_HOST and "
            "KUBERNETES_SERVICE_PORT must be set");
    }
    if ((!is_host_name(span_str(host)) && !is_ipv6(span_str(host))) ||
        !span_to_u64(span_str(port), 65535, &number) || number == 0) {
        return error_set(err, STATUS_INVALID,
            "KUBERNETES_SERVICE_HOST or _PORT: no address: %s:%s", host, port);
    }
    struct kubeconfig *k = kubeconfig_new();
    const enum status st =
        k == NULL ? no_memory(err)
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

static void
texts_free(char ***texts)
{
    for (size_t i = 0; *texts != NULL && (*texts)[i] != NULL; i++) {
        wipe_text(&(*texts)[i]);
    }
    free(*texts);
    *texts = NULL;
}

static void
exec_free(struct kubeconfig_exec **xp)
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
    wipe_text(&k->token);
    free(k->token_file);
    exec_free(&k->exec);
    free(k);
}
