/* A tree with places, built from libyaml's events.
 *
 * Owns the bounds: an alias weighs as much as what it repeats, so a small text
 * cannot name a large tree, and it may not stand inside what it repeats.
 * Everything lives in one arena that yaml_close frees.
 *
 * The trap: libyaml's marks count characters, while our readers cut and paste
 * bytes; a cursor over the text translates.
 */
#include "base/yaml.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define ARENA_CHUNK 16384
/* Looking up an alias walks the anchors. */
#define ANCHORS_MAX 1000

struct chunk {
    struct chunk *next;
    size_t used;
    size_t cap;
    _Alignas(max_align_t) uint8_t bytes[];
};

struct node {
    struct yaml_node pub; /* first: a yaml_node is also a node */
    size_t weight;        /* nodes in it, with what aliases repeat */
    size_t height;        /* levels of lists and maps in it, its own too */
    bool is_open;         /* its end was not read yet */
    struct link *first;
    struct link *last;
    size_t link_count;
};

struct link {
    struct node *node;
    struct link *next;
};

struct anchor {
    const char *name;
    struct node *node;
    struct anchor *next;
};

struct yaml {
    struct chunk *chunks;
    struct node *root;
};

struct builder {
    struct yaml *tree;
    struct span text;
    const char *file;
    struct error *err;
    size_t cursor_char; /* the same place, in characters and in bytes */
    size_t cursor_byte;
    struct node *open[YAML_DEPTH_MAX];
    size_t depth;
    struct anchor *anchors;
    size_t anchor_count;
    size_t weight;   /* of the whole tree so far */
    size_t last_end; /* where the last item ended */
    size_t document_count;
    bool is_done;
};

/* Memory */

static void *
arena_take(struct yaml *tree, size_t len)
{
    const size_t align = _Alignof(max_align_t);
    const size_t need = (len + align - 1) / align * align;
    struct chunk *c = tree->chunks;
    if (c == NULL || c->cap - c->used < need) {
        const size_t cap = need > ARENA_CHUNK ? need : ARENA_CHUNK;
        c = malloc(sizeof(*c) + cap);
        if (c == NULL) {
            return NULL;
        }
        *c = (struct chunk){.next = tree->chunks, .cap = cap};
        tree->chunks = c;
    }
    void *const out = c->bytes + c->used;
    c->used += need;
    memset(out, 0, need);
    return out;
}

static enum status
no_memory(const struct builder *b)
{
    return error_set(b->err, STATUS_NO_MEMORY, "%s: no memory", b->file);
}

static enum status
refuse(const struct builder *b, enum status code, const yaml_mark_t *at,
    const char *why)
{
    return error_set(b->err, code, "%s:%zu: %s", b->file, at->line + 1, why);
}

/* Places */

static bool
is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* libyaml has checked that the text is UTF-8 up to what it has read. */
static size_t
byte_offset(struct builder *b, size_t chars)
{
    const uint8_t *p = b->text.ptr;
    while (b->cursor_char < chars && b->cursor_byte < b->text.len) {
        b->cursor_char++;
        b->cursor_byte++;
        while (b->cursor_byte < b->text.len &&
               is_continuation(p[b->cursor_byte])) {
            b->cursor_byte++;
        }
    }
    while (b->cursor_char > chars && b->cursor_byte > 0) {
        b->cursor_char--;
        b->cursor_byte--;
        while (b->cursor_byte > 0 && is_continuation(p[b->cursor_byte])) {
            b->cursor_byte--;
        }
    }
    return b->cursor_byte;
}

/* The tree */

static struct node *
node_new(struct builder *b, enum yaml_kind kind, const yaml_event_t *event)
{
    struct node *n = arena_take(b->tree, sizeof(*n));
    if (n != NULL) {
        n->pub.kind = kind;
        n->pub.line = (unsigned)event->start_mark.line + 1;
        n->pub.start = byte_offset(b, event->start_mark.index);
        n->pub.end = byte_offset(b, event->end_mark.index);
        n->weight = 1;
    }
    return n;
}

/* Counts a finished or repeated node into the collection around it. */
static void
weigh_in(struct node *parent, const struct node *child)
{
    parent->weight += child->weight;
    if (parent->height < child->height + 1) {
        parent->height = child->height + 1;
    }
}

static enum status
add_weight(struct builder *b, size_t weight, const yaml_mark_t *at)
{
    if (weight > YAML_NODES_MAX - b->weight) {
        return refuse(b, STATUS_LIMIT, at, "too many nodes");
    }
    b->weight += weight;
    return STATUS_OK;
}

/* Hangs a node under the open collection, or makes it the root. */
static enum status
attach(struct builder *b, struct node *n, const yaml_mark_t *at)
{
    if (b->depth == 0) {
        b->tree->root = n;
        return STATUS_OK;
    }
    struct node *parent = b->open[b->depth - 1];
    const bool is_key =
        parent->pub.kind == YAML_MAP && parent->link_count % 2 == 0;
    if (is_key && n->pub.kind != YAML_SCALAR) {
        return refuse(b, STATUS_INVALID, at, "a key must be a plain word");
    }
    struct link *l = arena_take(b->tree, sizeof(*l));
    if (l == NULL) {
        return no_memory(b);
    }
    l->node = n;
    if (parent->last == NULL) {
        parent->first = l;
    } else {
        parent->last->next = l;
    }
    parent->last = l;
    parent->link_count++;
    return STATUS_OK;
}

static const char *
copy_text(struct builder *b, const yaml_char_t *text, size_t len)
{
    char *out = arena_take(b->tree, len + 1);
    if (out != NULL) {
        memcpy(out, text, len);
    }
    return out;
}

static enum status
remember_anchor(struct builder *b, const yaml_char_t *name, struct node *n,
    const yaml_mark_t *at)
{
    if (name == NULL) {
        return STATUS_OK;
    }
    if (b->anchor_count == ANCHORS_MAX) {
        return refuse(b, STATUS_LIMIT, at, "too many anchors");
    }
    struct anchor *a = arena_take(b->tree, sizeof(*a));
    const char *copy = copy_text(b, name, strlen((const char *)name));
    if (a == NULL || copy == NULL) {
        return no_memory(b);
    }
    *a = (struct anchor){.name = copy, .node = n, .next = b->anchors};
    b->anchors = a;
    b->anchor_count++;
    return STATUS_OK;
}

static enum status
add_node(struct builder *b, struct node *n, const yaml_char_t *anchor,
    const yaml_mark_t *at)
{
    if (n == NULL) {
        return no_memory(b);
    }
    enum status st = add_weight(b, 1, at);
    if (st == STATUS_OK) {
        st = attach(b, n, at);
    }
    if (st == STATUS_OK) {
        st = remember_anchor(b, anchor, n, at);
    }
    return st;
}

/* Events */

static enum status
on_scalar(struct builder *b, const yaml_event_t *event)
{
    const yaml_mark_t *at = &event->start_mark;
    const yaml_char_t *text = event->data.scalar.value;
    const size_t len = event->data.scalar.length;
    if (memchr(text, '\0', len) != NULL) {
        return refuse(b, STATUS_INVALID, at, "NUL in a text");
    }
    struct node *n = node_new(b, YAML_SCALAR, event);
    const enum status st = add_node(b, n, event->data.scalar.anchor, at);
    if (st != STATUS_OK) {
        return st;
    }
    n->pub.scalar = copy_text(b, text, len);
    if (n->pub.scalar == NULL) {
        return no_memory(b);
    }
    n->pub.is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                      event->data.scalar.plain_implicit;
    if (b->depth > 0) {
        weigh_in(b->open[b->depth - 1], n);
    }
    b->last_end = n->pub.end;
    return STATUS_OK;
}

static enum status
on_alias(struct builder *b, const yaml_event_t *event)
{
    const yaml_mark_t *at = &event->start_mark;
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *a = b->anchors;
    while (a != NULL && strcmp(a->name, name) != 0) {
        a = a->next;
    }
    if (a == NULL) {
        return refuse(b, STATUS_INVALID, at, "alias of an unknown anchor");
    }
    if (a->node->is_open) {
        return refuse(b, STATUS_INVALID, at, "alias inside its own anchor");
    }
    if (b->depth + a->node->height > YAML_DEPTH_MAX) {
        return refuse(b, STATUS_LIMIT, at, "nested too deeply");
    }
    enum status st = add_weight(b, a->node->weight, at);
    if (st == STATUS_OK) {
        st = attach(b, a->node, at);
    }
    if (st == STATUS_OK) {
        weigh_in(b->open[b->depth - 1], a->node);
        b->last_end = byte_offset(b, event->end_mark.index);
    }
    return st;
}

static enum status
on_start(struct builder *b, const yaml_event_t *event, enum yaml_kind kind,
    bool is_flow, const yaml_char_t *anchor)
{
    const yaml_mark_t *at = &event->start_mark;
    if (b->depth == YAML_DEPTH_MAX) {
        return refuse(b, STATUS_LIMIT, at, "nested too deeply");
    }
    struct node *n = node_new(b, kind, event);
    const enum status st = add_node(b, n, anchor, at);
    if (st != STATUS_OK) {
        return st;
    }
    n->pub.is_flow = is_flow;
    n->height = 1;
    n->is_open = true;
    b->open[b->depth] = n;
    b->depth++;
    return STATUS_OK;
}

static int
compare_keys(const void *a, const void *b)
{
    const struct yaml_node *const *x = a;
    const struct yaml_node *const *y = b;
    return strcmp((*x)->scalar, (*y)->scalar);
}

/* The second of two equal keys of a map, or NULL. `keys` is scratch. */
static const struct yaml_node *
find_duplicate(const struct yaml_node *map, const struct yaml_node **keys)
{
    for (size_t i = 0; i < map->count; i++) {
        keys[i] = map->items[2 * i];
    }
    qsort(keys, map->count, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < map->count; i++) {
        if (compare_keys(&keys[i - 1], &keys[i]) == 0) {
            return keys[i - 1]->start > keys[i]->start ? keys[i - 1] : keys[i];
        }
    }
    return NULL;
}

static enum status
check_keys(const struct builder *b, const struct yaml_node *map)
{
    const struct yaml_node **keys = calloc(map->count + 1, sizeof(*keys));
    if (keys == NULL) {
        return no_memory(b);
    }
    const struct yaml_node *twice = find_duplicate(map, keys);
    free(keys);
    if (twice == NULL) {
        return STATUS_OK;
    }
    return error_set(b->err, STATUS_INVALID, "%s:%u: %s: key given twice",
        b->file, twice->line, twice->scalar);
}

static enum status
gather_items(struct builder *b, struct node *n)
{
    if (n->link_count == 0) {
        return STATUS_OK;
    }
    n->pub.items =
        arena_take(b->tree, n->link_count * sizeof(struct yaml_node *));
    if (n->pub.items == NULL) {
        return no_memory(b);
    }
    size_t i = 0;
    for (const struct link *l = n->first; l != NULL; l = l->next) {
        n->pub.items[i] = &l->node->pub;
        i++;
    }
    n->pub.count = n->pub.kind == YAML_MAP ? i / 2 : i;
    return STATUS_OK;
}

static enum status
on_end(struct builder *b, const yaml_event_t *event)
{
    b->depth--;
    struct node *n = b->open[b->depth];
    n->is_open = false;
    /* A block ends, to libyaml, where the next token begins. */
    n->pub.end = n->pub.is_flow || n->link_count == 0
                     ? byte_offset(b, event->end_mark.index)
                     : b->last_end;
    b->last_end = n->pub.end;
    enum status st = gather_items(b, n);
    if (st == STATUS_OK && n->pub.kind == YAML_MAP) {
        st = check_keys(b, &n->pub);
    }
    if (st == STATUS_OK && b->depth > 0) {
        weigh_in(b->open[b->depth - 1], n);
    }
    return st;
}

static enum status
on_document(struct builder *b, const yaml_event_t *event)
{
    b->document_count++;
    return b->document_count == 1
               ? STATUS_OK
               : refuse(b, STATUS_INVALID, &event->start_mark,
                     "more than one document");
}

static enum status
on_yaml_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(b, event, YAML_LIST,
            event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE,
            event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return on_start(b, event, YAML_MAP,
            event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
            event->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(b, event);
    case YAML_DOCUMENT_START_EVENT:
        return on_document(b, event);
    case YAML_STREAM_END_EVENT:
        b->is_done = true;
        return STATUS_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* What libyaml itself refuses. A byte that is not UTF-8 has an offset, not a
 * mark. */
static enum status
syntax_error(const struct builder *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        return no_memory(b);
    }
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < b->text.len; i++) {
            line += b->text.ptr[i] == '\n';
        }
    }
    return error_set(b->err, STATUS_INVALID, "%s:%zu: %s", b->file, line,
        parser->problem != NULL ? parser->problem : "not YAML");
}

static enum status
build(struct builder *b, yaml_parser_t *parser)
{
    enum status st = STATUS_OK;
    while (st == STATUS_OK && !b->is_done) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            return syntax_error(b, parser);
        }
        st = on_yaml_event(b, &event);
        yaml_event_delete(&event);
    }
    return st;
}

/* No document, or one with nothing in it, is an empty map. */
static enum status
default_root(struct builder *b)
{
    struct node *root = b->tree->root;
    if (root == NULL) {
        root = arena_take(b->tree, sizeof(*root));
        if (root == NULL) {
            return no_memory(b);
        }
        root->pub.line = 1;
        root->pub.kind = YAML_MAP;
        b->tree->root = root;
    } else if (root->pub.kind == YAML_SCALAR && root->pub.is_plain &&
               root->pub.scalar[0] == '\0') {
        root->pub.kind = YAML_MAP;
        root->pub.scalar = NULL;
    }
    return STATUS_OK;
}

enum status
yaml_parse(
    struct span text, const char *file, struct yaml **out, struct error *err)
{
    yaml_parser_t parser;
    struct yaml *tree = calloc(1, sizeof(*tree));
    struct builder b = {.tree = tree, .text = text, .file = file, .err = err};
    if (tree == NULL || yaml_parser_initialize(&parser) == 0) {
        free(tree);
        return no_memory(&b);
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.ptr, text.len);
    enum status st = build(&b, &parser);
    yaml_parser_delete(&parser);
    if (st == STATUS_OK) {
        st = default_root(&b);
    }
    if (st == STATUS_OK) {
        *out = tree;
        tree = NULL;
    }
    yaml_close(&tree);
    return st;
}

void
yaml_close(struct yaml **y)
{
    if (*y == NULL) {
        return;
    }
    struct chunk *c = (*y)->chunks;
    while (c != NULL) {
        struct chunk *next = c->next;
        /* A kubeconfig holds keys and tokens. */
        explicit_bzero(c->bytes, c->used);
        free(c);
        c = next;
    }
    free(*y);
    *y = NULL;
}

const struct yaml_node *
yaml_root(const struct yaml *y)
{
    return &y->root->pub;
}

/* Reading */

const struct yaml_node *
yaml_get(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP) {
        return NULL;
    }
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->items[2 * i]->scalar, key) == 0) {
            return map->items[2 * i + 1];
        }
    }
    return NULL;
}

/* YAML 1.2, core schema 10.3.2. */
static bool
is_null(const struct yaml_node *scalar)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(scalar->scalar, words[i]) == 0) {
            return scalar->is_plain;
        }
    }
    return false;
}

const char *
yaml_text(const struct yaml_node *node)
{
    if (node == NULL || node->kind != YAML_SCALAR || is_null(node)) {
        return NULL;
    }
    return node->scalar;
}

const char *
yaml_get_text(const struct yaml_node *map, const char *key)
{
    return yaml_text(yaml_get(map, key));
}
