/* See yaml_json.h. The trap: `012`, `0x1f`, `yes` and `.inf` are numbers or
 * booleans to some readers of YAML and texts to others; only what JSON itself
 * would read is taken for more than a text. The depth is bounded by
 * YAML_DEPTH_MAX. */
#include "proxy/yaml_json.h"

#include <string.h>

static json_t *
scalar_json(const struct yaml_node *node)
{
    if (node->is_plain) {
        if (yaml_text(node) == NULL) {
            return json_null();
        }
        json_t *word = json_loads(node->scalar, JSON_DECODE_ANY, NULL);
        if (word != NULL) {
            return word;
        }
    }
    return json_string(node->scalar);
}

static json_t *
list_json(const struct yaml_node *node)
{
    json_t *list = json_array();
    for (size_t i = 0; i < node->count && list != NULL; i++) {
        if (json_array_append_new(list, yaml_json(node->items[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *
map_json(const struct yaml_node *node)
{
    json_t *map = json_object();
    for (size_t i = 0; i < node->count && map != NULL; i++) {
        if (json_object_set_new(map, node->items[2 * i]->scalar,
                yaml_json(node->items[2 * i + 1])) != 0) {
            json_decref(map);
            map = NULL;
        }
    }
    return map;
}

json_t *
yaml_json(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_SCALAR:
        return scalar_json(node);
    case YAML_LIST:
        return list_json(node);
    case YAML_MAP:
        return map_json(node);
    }
    return NULL;
}
