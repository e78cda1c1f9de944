/* A YAML tree as JSON, for what a kubeconfig hands on as JSON: plain scalars
 * that are JSON words or numbers mean themselves, all others are strings. */
#ifndef PROXY_YAML_JSON_H
#define PROXY_YAML_JSON_H

#include "base/yaml.h"

#include <jansson.h>

/* A new reference; NULL without memory. */
json_t *yaml_json(const struct yaml_node *node);

#endif
