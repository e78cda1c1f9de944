/* A kubeconfig while it is read: texts, lists, named entries and data taken
 * from its tree, with errors that say file, line and key. Knows the shapes,
 * not their meaning. An error never holds a value that may be a secret.
 */
#ifndef PROXY_KUBECONFIG_SOURCE_H
#define PROXY_KUBECONFIG_SOURCE_H

#include "base/buf.h"
#include "base/yaml.h"

#include <limits.h>

/* Real ones are a few KiB a cluster; a person with hundreds of clusters
 * stays far below. */
#define KUBECONFIG_FILE_MAX (8u << 20)
#define KUBECONFIG_PEM_MAX  (1u << 20)

struct source {
    const char *path;
    char folder[PATH_MAX]; /* of the file; relative paths start here */
    struct error *err;
};

/* Fills `folder`. */
enum status source_find_folder(struct source *s) MUST_CHECK;

/* ---- values ---- */

/* A refusal: "FILE:LINE: KEY: expected WHAT". */
enum status source_expected(const struct source *s, const struct yaml_node *at,
    const char *key, const char *what) MUST_CHECK;

/* The text of `key`; NULL when it is missing, null or empty. */
enum status source_text(const struct source *s, const struct yaml_node *map,
    const char *key, const char **out) MUST_CHECK;
/* False when it is missing. */
enum status source_bool(const struct source *s, const struct yaml_node *map,
    const char *key, bool *out) MUST_CHECK;
/* A list or a map; NULL when it is missing or null. */
enum status source_node(const struct source *s, const struct yaml_node *map,
    const char *key, enum yaml_kind kind,
    const struct yaml_node **out) MUST_CHECK;

/* The map `inner` of the one entry of `list` that is called `name`. */
enum status source_named(const struct source *s, const struct yaml_node *root,
    const char *list, const char *inner, const char *name,
    const struct yaml_node **out) MUST_CHECK;

/* Keys that may not be set, and why. `keys` ends with a NULL key. */
struct refused_key {
    const char *key;
    const char *why;
};
enum status source_refuse(const struct source *s, const struct yaml_node *map,
    const struct refused_key *keys) MUST_CHECK;

/* ---- files and data ---- */

/* A path that may be relative to the kubeconfig's folder. */
enum status source_resolve(
    const struct source *s, const char *path, char *out, size_t cap) MUST_CHECK;
/* `data_key` inline, or else the file that `key` names; nothing when neither
 * is there. */
enum status source_pem(const struct source *s, const struct yaml_node *map,
    const char *key, const char *data_key, struct buf *out) MUST_CHECK;

/* ---- copies, the caller's ---- */

enum status source_no_memory(struct error *err);
enum status source_copy(
    struct span text, char **out, struct error *err) MUST_CHECK;
/* NULL stays NULL. */
enum status source_copy_text(
    const char *text, char **out, struct error *err) MUST_CHECK;
void source_wipe(char **text); /* frees too; NULL is fine */

#endif
