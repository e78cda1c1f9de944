/* See kubeconfig_source.h. */
#include "proxy/kubeconfig_source.h"

#include "base/base64.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

void
source_wipe(char **text)
{
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

enum status
source_no_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "no memory for a kubeconfig");
}

enum status
source_copy(struct span text, char **out, struct error *err)
{
    char *copy = strndup((const char *)text.ptr, text.len);
    if (copy == NULL) {
        return source_no_memory(err);
    }
    *out = copy;
    return STATUS_OK;
}

enum status
source_copy_text(const char *text, char **out, struct error *err)
{
    return text == NULL ? STATUS_OK : source_copy(span_str(text), out, err);
}

/* ---- the tree ---- */

enum status
source_expected(const struct source *s, const struct yaml_node *at,
    const char *key, const char *what)
{
    return error_set(s->err, STATUS_INVALID, "%s:%u: %s: expected %s", s->path,
        at->line, key, what);
}

/* The text of `key`, NULL when it is missing, null or empty. */
enum status
source_text(const struct source *s, const struct yaml_node *map,
    const char *key, const char **out)
{
    const struct yaml_node *node = yaml_get(map, key);
    *out = NULL;
    if (node == NULL) {
        return STATUS_OK;
    }
    if (node->kind != YAML_SCALAR) {
        return source_expected(s, node, key, "a text");
    }
    if (node->scalar[0] != '\0') {
        *out = yaml_text(node);
    }
    return STATUS_OK;
}

enum status
source_bool(const struct source *s, const struct yaml_node *map,
    const char *key, bool *out)
{
    const char *word = NULL;
    *out = false;
    const enum status st = source_text(s, map, key, &word);
    if (st != STATUS_OK || word == NULL || strcmp(word, "false") == 0) {
        return st;
    }
    if (strcmp(word, "true") != 0) {
        return source_expected(s, yaml_get(map, key), key, "true or false");
    }
    *out = true;
    return STATUS_OK;
}

/* A list or map; NULL when it is missing or null. */
enum status
source_node(const struct source *s, const struct yaml_node *map,
    const char *key, enum yaml_kind kind, const struct yaml_node **out)
{
    const struct yaml_node *node = yaml_get(map, key);
    *out = NULL;
    if (node == NULL ||
        (node->kind == YAML_SCALAR && yaml_text(node) == NULL)) {
        return STATUS_OK;
    }
    if (node->kind != kind) {
        return source_expected(
            s, node, key, kind == YAML_LIST ? "a list" : "a map");
    }
    *out = node;
    return STATUS_OK;
}

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
enum status
source_refuse(const struct source *s, const struct yaml_node *map,
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
enum status
source_named(const struct source *s, const struct yaml_node *root,
    const char *list, const char *inner, const char *name,
    const struct yaml_node **out)
{
    const struct yaml_node *entries = NULL;
    const struct yaml_node *found = NULL;
    enum status st = source_node(s, root, list, YAML_LIST, &entries);
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
    st = source_node(s, found, inner, YAML_MAP, out);
    if (st == STATUS_OK && *out == NULL) {
        return source_expected(s, found, inner, "a map");
    }
    return st;
}

/* ---- files and data ---- */

/* The absolute folder of the file as it was named, links unresolved, which is
 * where client-go starts too. */
enum status
source_find_folder(struct source *s)
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

enum status
source_resolve(const struct source *s, const char *path, char *out, size_t cap)
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
enum status
source_pem(const struct source *s, const struct yaml_node *map, const char *key,
    const char *data_key, struct buf *out)
{
    const char *data = NULL;
    const char *file = NULL;
    char path[PATH_MAX];
    enum status st = source_text(s, map, data_key, &data);
    if (st == STATUS_OK && data != NULL) {
        return decode_data(data, out) == STATUS_OK
                   ? STATUS_OK
                   : source_expected(s, yaml_get(map, data_key), data_key,
                         "base64 of at most 1 MiB");
    }
    if (st == STATUS_OK) {
        st = source_text(s, map, key, &file);
    }
    if (st != STATUS_OK || file == NULL) {
        return st;
    }
    st = source_resolve(s, file, path, sizeof path);
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
