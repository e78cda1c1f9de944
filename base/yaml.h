/* YAML as a tree with places: the only door to libyaml.
 *
 * Refuses duplicate keys, aliases that would grow the tree beyond
 * YAML_NODES_MAX, nesting deeper than YAML_DEPTH_MAX, keys that are lists or
 * maps, NUL in a text, bytes that are not UTF-8 and more than one document. JSON
 * is read too, since it is YAML.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/span.h"
#include "base/status.h"
#include <stdbool.h>

#define YAML_NODES_MAX 100000
#define YAML_DEPTH_MAX 32

enum yaml_kind {
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP
};

struct yaml_node {
    enum yaml_kind kind;
    const char *scalar; /* YAML_SCALAR: NUL-terminated, else NULL */
    bool is_plain;      /* unquoted, so `true`, `12`, `null` mean themselves */
    /* Where it stands: line from 1, offsets in bytes. A block list or map ends
     * where its last item ends; what an alias repeats stands at its anchor. */
    unsigned line;
    size_t start;
    size_t end;
    bool is_flow;             /* written [a, b] or {a: b} */
    size_t count;             /* items of a list, pairs of a map */
    struct yaml_node **items; /* list: count; map: 2 * count, key then value */
};

struct yaml;

/* `file` only names the text in messages: "F:12: …". The tree holds copies of
 * what it needs from `text`. An empty text is an empty map. */
enum status yaml_parse(struct span text, const char *file, struct yaml **out,
    struct error *err) MUST_CHECK;
/* Not yaml_free: libyaml exports that name and would call ours. */
void yaml_close(struct yaml **y);
const struct yaml_node *yaml_root(const struct yaml *y);

/* The value of `key` in a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* A scalar's text, NULL for `null`, an empty plain scalar, another kind or
 * no node. */
const char *yaml_text(const struct yaml_node *node);
const char *yaml_get_text(const struct yaml_node *map, const char *key);

#endif
