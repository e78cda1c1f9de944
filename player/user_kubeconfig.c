/* Reads other people's files: never writes, wipes what it read. Our own context
 * is known by its token, whatever it was named. */
#include "player/user_kubeconfig.h"

#include "base/file.h"
#include "base/yaml.h"
#include "player/limits.h"
#include "player/store.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Files ---- */

static enum status
home_file(char out[PATH_MAX], struct error *err)
{
    const char *home = store_home_folder();
    if (home == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "no home folder");
    }
    return file_join(out, PATH_MAX, home, ".kube/config", err);
}

/* Takes the next name of a colon list; empty ones are skipped, as kubectl
 * does. */
static bool
next_name(struct span *list, char out[PATH_MAX])
{
    while (list->len > 0) {
        struct span name = SPAN_EMPTY;
        if (!span_take_until(list, ':', &name)) {
            (void)span_take(list, list->len, &name);
        }
        if (name.len > 0 && name.len < PATH_MAX) {
            memcpy(out, name.ptr, name.len);
            out[name.len] = '\0';
            return true;
        }
    }
    return false;
}

static struct span
listed_files(void)
{
    const char *list = getenv("KUBECONFIG");
    return list == NULL ? SPAN_EMPTY : span_str(list);
}

enum status
user_kubeconfig_to_write(char out[PATH_MAX], struct error *err)
{
    struct span list = listed_files();
    char name[PATH_MAX];
    if (!next_name(&list, name)) {
        const enum status st = home_file(name, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    /* A rename onto a symbolic link would replace the link. */
    if (realpath(name, out) == NULL) {
        memcpy(out, name, sizeof name);
    }
    return STATUS_OK;
}

static bool
is_own_file(const char *path, const char *state)
{
    char own[PATH_MAX];
    char real[PATH_MAX];
    char real_own[PATH_MAX];
    return file_join(own, sizeof own, state, "kubeconfig", NULL) == STATUS_OK &&
           realpath(own, real_own) != NULL && realpath(path, real) != NULL &&
           strcmp(real, real_own) == 0;
}

/* ---- What the last start remembered ---- */

static enum status
parse_file(const char *path, struct yaml **out, struct error *err)
{
    struct buf text;
    buf_init(&text, PLAYER_SMALL_FILE_MAX);
    enum status st = file_read(path, &text, err);
    if (st == STATUS_OK) {
        st = yaml_parse(buf_view(&text), path, out, err);
    }
    buf_wipe(&text); /* credentials */
    return st;
}

/* `upstream.<key>` of <state>/config.yaml, copied; false when unknown. */
static bool
remembered(const char *state, const char *key, char out[PATH_MAX])
{
    char path[PATH_MAX];
    struct yaml *y = NULL;
    bool found = false;
    if (file_join(path, sizeof path, state, "config.yaml", NULL) == STATUS_OK &&
        parse_file(path, &y, NULL) == STATUS_OK) {
        const struct yaml_node *upstream = yaml_get(yaml_root(y), "upstream");
        const char *value =
            upstream == NULL ? NULL : yaml_get_text(upstream, key);
        found = value != NULL && strlen(value) < PATH_MAX;
        if (found) {
            memcpy(out, value, strlen(value) + 1);
        }
    }
    yaml_close(&y);
    return found;
}

/* ---- Choosing the file ---- */

static bool
is_usable(const char *path, const char *state)
{
    return access(path, F_OK) == 0 && !is_own_file(path, state);
}

static enum status
choose_file(const struct user_kubeconfig_wish *wish, char out[PATH_MAX],
    struct error *err)
{
    struct span list = listed_files();
    while (next_name(&list, out)) {
        if (is_usable(out, wish->state)) {
            return STATUS_OK;
        }
    }
    if (remembered(wish->state, "kubeconfig", out) &&
        is_usable(out, wish->state) && listed_files().len > 0) {
        return STATUS_OK; /* KUBECONFIG is set to nothing but our own */
    }
    const enum status st = home_file(out, err);
    if (st == STATUS_OK && !is_usable(out, wish->state)) {
        return error_set(err, STATUS_NOT_FOUND,
            "no kubeconfig: neither KUBECONFIG nor %s leads to one; name it "
            "with --kubeconfig",
            out);
    }
    return st;
}

static enum status
find_file(const struct user_kubeconfig_wish *wish, char out[PATH_MAX],
    struct error *err)
{
    char path[PATH_MAX];
    if (wish->file == NULL) {
        const enum status st = choose_file(wish, path, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    const char *named = wish->file == NULL ? path : wish->file;
    if (realpath(named, out) == NULL) {
        return error_sys(err, errno, "cannot find the kubeconfig %s", named);
    }
    return STATUS_OK;
}

/* ---- Choosing the context ---- */

static const struct yaml_node *
find_named(const struct yaml_node *root, const char *list_key, const char *kind,
    const char *name)
{
    const struct yaml_node *list = yaml_get(root, list_key);
    for (size_t i = 0;
         list != NULL && list->kind == YAML_LIST && i < list->count; i++) {
        const char *other = yaml_get_text(list->items[i], "name");
        if (other != NULL && strcmp(other, name) == 0) {
            return yaml_get(list->items[i], kind);
        }
    }
    return NULL;
}

static bool
is_own_context(
    const struct yaml_node *root, const char *name, struct span token)
{
    const struct yaml_node *context =
        find_named(root, "contexts", "context", name);
    const char *user = context == NULL ? NULL : yaml_get_text(context, "user");
    const struct yaml_node *entry =
        user == NULL ? NULL : find_named(root, "users", "user", user);
    const char *theirs = entry == NULL ? NULL : yaml_get_text(entry, "token");
    return theirs != NULL && token.len > 0 && span_eq_str(token, theirs);
}

static enum status
check_context(const struct yaml_node *root, const char *file, const char *name,
    struct span token, struct error *err)
{
    if (find_named(root, "contexts", "context", name) == NULL) {
        return error_set(
            err, STATUS_NOT_FOUND, "%s has no context \"%.128s\"", file, name);
    }
    if (is_own_context(root, name, token)) {
        return error_set(err, STATUS_INVALID,
            "the context \"%.128s\" of %s leads to this proxy itself: name "
            "the cluster's with --context",
            name, file);
    }
    return STATUS_OK;
}

static enum status
choose_context(const struct user_kubeconfig_wish *wish,
    const struct yaml_node *root, const char *file, struct buf *out,
    struct error *err)
{
    char last[PATH_MAX];
    const char *name = wish->context;
    if (name == NULL) {
        name = yaml_get_text(root, "current-context");
    }
    if (name == NULL) {
        return error_set(err, STATUS_NOT_FOUND,
            "%s has no current-context: name one with --context", file);
    }
    enum status st = check_context(root, file, name, wish->token, err);
    if (st == STATUS_INVALID && wish->context == NULL &&
        remembered(wish->state, "context", last)) {
        name = last;
        st = check_context(root, file, name, wish->token, err);
    }
    return st == STATUS_OK ? buf_append_str(out, name) : st;
}

enum status
user_kubeconfig_find(const struct user_kubeconfig_wish *wish,
    char file_out[PATH_MAX], struct buf *context_out, struct error *err)
{
    struct yaml *y = NULL;
    enum status st = find_file(wish, file_out, err);
    if (st == STATUS_OK) {
        st = parse_file(file_out, &y, err);
    }
    if (st == STATUS_OK) {
        st = choose_context(wish, yaml_root(y), file_out, context_out, err);
    }
    yaml_close(&y);
    return st;
}
