/* YAML: whatever is accepted has its places inside the text, in order, and no
 * more nodes and levels than the caps. */
#include "base/yaml.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static size_t
walk(const struct yaml_node *n, size_t size, size_t depth)
{
    size_t nodes = 1;
    require(n->start <= n->end && n->end <= size);
    require(n->line > 0);
    require((n->kind == YAML_SCALAR) == (n->scalar != NULL));
    require(depth <= YAML_DEPTH_MAX);
    const size_t items = n->kind == YAML_MAP ? 2 * n->count : n->count;
    for (size_t i = 0; i < items; i++) {
        nodes += walk(n->items[i], size, depth + 1);
    }
    return nodes;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml *y = NULL;
    const struct span text = size == 0 ? SPAN_EMPTY : span_of(data, size);
    if (yaml_parse(text, "fuzz", &y, NULL) == STATUS_OK) {
        require(walk(yaml_root(y), size, 0) <= YAML_NODES_MAX + 1);
    }
    yaml_close(&y);
    return 0;
}
