/* Plan, splice, prove.
 *
 * The plan finds places in the parsed tree and collects edits; splicing copies
 * the text around them; the proof parses the result and compares. So a form
 * that the plan misjudges (anchors, odd indentation, two entries of our name)
 * ends in a refusal, never in a damaged file. */
#include "player/kubeconfig_merge.h"

#include "base/yaml.h"
#include "player/limits.h"
#include "schema/json_text.h"
#include <string.h>

/* Two a list, one for current-context, one for all new keys. */
#define EDITS_MAX 8

struct edit {
    size_t start; /* of the text that goes */
    size_t end;
    size_t with_start; /* of the new text, in merge.texts */
    size_t with_len;
};

struct merge {
    struct span text;
    const struct kubeconfig_access *access;
    const struct yaml_node *root;
    struct edit edits[EDITS_MAX];
    size_t edit_count;
    struct buf texts;
    struct buf new_keys; /* keys that the root lacks */
};

/* ---- Places ---- */

/* Behind the last byte of a node; a block collection's own mark lies at the
 * next token, beyond comments. */
static size_t
node_end(const struct yaml_node *n)
{
    while (n->kind != YAML_SCALAR && !n->is_flow && n->count > 0) {
        n = n->items[(n->kind == YAML_MAP ? 2 : 1) * n->count - 1];
    }
    return n->end;
}

static size_t
column_of(struct span text, size_t at)
{
    size_t column = 0;
    while (column < at && text.ptr[at - column - 1] != '\n') {
        column++;
    }
    return column;
}

/* The start of the line behind `at`; at the end of the text when none is. */
static size_t
next_line_start(struct span text, size_t at)
{
    if (at > 0 && text.ptr[at - 1] == '\n') {
        return at; /* a block scalar ends with its newline */
    }
    while (at < text.len && text.ptr[at] != '\n') {
        at++;
    }
    return at < text.len ? at + 1 : at;
}

static bool
is_nothing(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR ? yaml_text(n) == NULL : n->count == 0;
}

/* An absent value that stands right behind its key's colon. */
static bool
is_tight(const struct merge *m, const struct yaml_node *n)
{
    return n->start == n->end && n->start > 0 &&
           m->text.ptr[n->start - 1] == ':';
}

/* ---- Edits ---- */

/* Replaces [start, end) by what was appended to m->texts since with_start.
 * Edits are kept in the order of their places; equal places stay in the order
 * in which they were added. */
static void
add_edit(struct merge *m, size_t start, size_t end, size_t with_start)
{
    size_t i = m->edit_count++;
    while (i > 0 && m->edits[i - 1].start > start) {
        m->edits[i] = m->edits[i - 1];
        i--;
    }
    m->edits[i] = (struct edit){
        .start = start,
        .end = end,
        .with_start = with_start,
        .with_len = m->texts.len - with_start,
    };
}

static enum status
apply_edits(const struct merge *m, struct buf *out)
{
    size_t at = 0;
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < m->edit_count; i++) {
        const struct edit *e = &m->edits[i];
        if (e->start < at) {
            return STATUS_UNSUPPORTED; /* one inside another */
        }
        st = buf_append(out, span_of(m->text.ptr + at, e->start - at));
        if (st == STATUS_OK) {
            st = buf_append(out,
                span_of(buf_view(&m->texts).ptr + e->with_start, e->with_len));
        }
        at = e->end;
    }
    return st == STATUS_OK
               ? buf_append(out, span_of(m->text.ptr + at, m->text.len - at))
               : st;
}

/* A line of its own begins at `at`: when the text ends without a newline, one
 * comes first. */
static enum status
begin_line(struct merge *m, size_t at)
{
    const bool is_open =
        at == m->text.len && at > 0 && m->text.ptr[at - 1] != '\n';
    return is_open ? buf_append_u8(&m->texts, '\n') : STATUS_OK;
}

/* "- name: …" as a line at `at`. */
static enum status
insert_block_item(
    struct merge *m, const struct kubeconfig_entry *e, size_t at, size_t indent)
{
    const size_t with = m->texts.len;
    enum status st = begin_line(m, at);
    if (st == STATUS_OK) {
        st = buf_printf(&m->texts, "%*s- ", (int)indent, "");
    }
    if (st == STATUS_OK) {
        st = kubeconfig_entry_block(e, indent + 2, &m->texts);
    }
    if (st == STATUS_OK) {
        st = buf_append_u8(&m->texts, '\n');
    }
    add_edit(m, at, at, with);
    return st;
}

/* "{…}" between `before` and `after`, in place of [start, end). */
static enum status
splice_flow(struct merge *m, const struct kubeconfig_entry *e, size_t start,
    size_t end, const char *before, const char *after)
{
    const size_t with = m->texts.len;
    enum status st = buf_append_str(&m->texts, before);
    if (st == STATUS_OK) {
        st = kubeconfig_entry_flow(e, &m->texts);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(&m->texts, after);
    }
    add_edit(m, start, end, with);
    return st;
}

static enum status
replace_item(struct merge *m, const struct kubeconfig_entry *e,
    const struct yaml_node *item, bool in_flow)
{
    size_t end = node_end(item);
    while (end > item->start && m->text.ptr[end - 1] == '\n') {
        end--; /* a block scalar's newline ends the line, not the item */
    }
    if (in_flow) {
        return splice_flow(m, e, item->start, end, "", "");
    }
    const size_t with = m->texts.len;
    const enum status st =
        kubeconfig_entry_block(e, column_of(m->text, item->start), &m->texts);
    add_edit(m, item->start, end, with);
    return st;
}

/* `clusters: []`, `clusters: null` or `clusters:` in block style: the value
 * goes, an item comes on the next line. */
static enum status
fill_block_list(struct merge *m, const struct kubeconfig_entry *e,
    const struct yaml_node *list)
{
    size_t start = list->start;
    while (start > 0 && m->text.ptr[start - 1] == ' ') {
        start--;
    }
    add_edit(m, start, list->end, m->texts.len);
    return insert_block_item(m, e, next_line_start(m->text, list->end),
        column_of(m->text, m->root->items[0]->start));
}

static enum status
fill_list(struct merge *m, const struct kubeconfig_entry *e,
    const struct yaml_node *list)
{
    if (!m->root->is_flow) {
        return fill_block_list(m, e, list);
    }
    const char *before = is_tight(m, list) ? " [" : "[";
    return splice_flow(m, e, list->start, list->end, before, "]");
}

static enum status
extend_list(struct merge *m, const struct kubeconfig_entry *e,
    const struct yaml_node *list)
{
    const size_t end = node_end(list->items[list->count - 1]);
    if (list->is_flow) {
        return splice_flow(m, e, end, end, ", ", "");
    }
    return insert_block_item(
        m, e, next_line_start(m->text, end), column_of(m->text, list->start));
}

/* ---- Keys that the root lacks ---- */

static enum status
begin_new_key(struct merge *m, const char *key)
{
    if (m->root->is_flow) {
        return buf_printf(&m->new_keys, ", \"%s\": ", key);
    }
    const size_t indent = column_of(m->text, m->root->items[0]->start);
    return buf_printf(&m->new_keys, "%*s%s:", (int)indent, "", key);
}

static enum status
add_new_list(struct merge *m, const struct kubeconfig_entry *e)
{
    enum status st = begin_new_key(m, e->list);
    if (st != STATUS_OK) {
        return st;
    }
    struct buf *out = &m->new_keys;
    if (m->root->is_flow) {
        st = buf_append_u8(out, '[');
        if (st == STATUS_OK) {
            st = kubeconfig_entry_flow(e, out);
        }
        return st == STATUS_OK ? buf_append_u8(out, ']') : st;
    }
    const size_t indent = column_of(m->text, m->root->items[0]->start);
    st = buf_printf(out, "\n%*s- ", (int)indent, "");
    if (st == STATUS_OK) {
        st = kubeconfig_entry_block(e, indent + 2, out);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}

static enum status
add_new_current(struct merge *m)
{
    enum status st = begin_new_key(m, "current-context");
    if (st == STATUS_OK && !m->root->is_flow) {
        st = buf_append_u8(&m->new_keys, ' ');
    }
    if (st == STATUS_OK) {
        st = json_text_encode(span_str(m->access->name), &m->new_keys);
    }
    if (st == STATUS_OK && !m->root->is_flow) {
        st = buf_append_u8(&m->new_keys, '\n');
    }
    return st;
}

static enum status
place_new_keys(struct merge *m)
{
    if (m->new_keys.len == 0) {
        return STATUS_OK;
    }
    const size_t with = m->texts.len;
    const struct yaml_node *last = m->root->items[2 * m->root->count - 1];
    size_t at = node_end(last);
    enum status st = STATUS_OK;
    if (!m->root->is_flow) {
        at = next_line_start(m->text, at);
        /* An item inserted here already has begun the line. */
        const bool is_begun = m->edit_count > 0 &&
                              m->edits[m->edit_count - 1].start == at &&
                              m->edits[m->edit_count - 1].with_len > 0;
        st = is_begun ? STATUS_OK : begin_line(m, at);
    }
    if (st == STATUS_OK) {
        st = buf_append(&m->texts, buf_view(&m->new_keys));
    }
    add_edit(m, at, at, with);
    return st;
}

/* ---- The three lists and the current context ---- */

static const struct yaml_node *
find_item(const struct yaml_node *list, const char *name)
{
    for (size_t i = 0; list->kind == YAML_LIST && i < list->count; i++) {
        const char *other = yaml_get_text(list->items[i], "name");
        if (other != NULL && strcmp(other, name) == 0) {
            return list->items[i];
        }
    }
    return NULL;
}

/* A context of our name keeps the namespace that its owner gave it. */
static void
keep_namespace(struct kubeconfig_entry *e, const struct yaml_node *item)
{
    const struct yaml_node *inner = yaml_get(item, e->kind);
    if (strcmp(e->kind, "context") == 0 && inner != NULL) {
        e->fields[KUBECONFIG_FIELDS - 1] = (struct kubeconfig_field){
            "namespace", yaml_get_text(inner, "namespace")};
    }
}

/* Whether `item` says what `e` says, and nothing else that would count. */
static bool
item_is(const struct yaml_node *item, const struct kubeconfig_entry *e)
{
    const struct yaml_node *inner = yaml_get(item, e->kind);
    size_t wanted = 0;
    for (size_t i = 0; inner != NULL && i < KUBECONFIG_FIELDS; i++) {
        const struct kubeconfig_field *f = &e->fields[i];
        if (f->value == NULL) {
            continue;
        }
        const char *value = yaml_get_text(inner, f->key);
        if (value == NULL || strcmp(value, f->value) != 0) {
            return false;
        }
        wanted++;
    }
    return inner != NULL && inner->kind == YAML_MAP && inner->count == wanted;
}

static enum status
merge_entry(struct merge *m, struct kubeconfig_entry *e)
{
    const struct yaml_node *list = yaml_get(m->root, e->list);
    if (list == NULL) {
        return add_new_list(m, e);
    }
    if (is_nothing(list)) {
        return fill_list(m, e, list);
    }
    const struct yaml_node *item = find_item(list, e->name);
    if (item == NULL) {
        return list->kind == YAML_LIST ? extend_list(m, e, list)
                                       : STATUS_UNSUPPORTED;
    }
    keep_namespace(e, item);
    return item_is(item, e) ? STATUS_OK
                            : replace_item(m, e, item, list->is_flow);
}

static enum status
merge_current(struct merge *m)
{
    const struct yaml_node *current = yaml_get(m->root, "current-context");
    if (current == NULL) {
        return add_new_current(m);
    }
    if (current->kind != YAML_SCALAR) {
        return STATUS_UNSUPPORTED;
    }
    if (strcmp(current->scalar, m->access->name) == 0) {
        return STATUS_OK;
    }
    const size_t with = m->texts.len;
    enum status st = STATUS_OK;
    if (is_tight(m, current)) {
        st = buf_append_u8(&m->texts, ' ');
    }
    if (st == STATUS_OK) {
        st = json_text_encode(span_str(m->access->name), &m->texts);
    }
    add_edit(m, current->start, current->end, with);
    return st;
}

/* A file that says nothing yet: comments, or `{}`. */
static enum status
fill_file(struct merge *m)
{
    const struct yaml_node *root = m->root;
    const bool is_written = root->end > root->start && root->is_flow;
    const size_t with = m->texts.len;
    const size_t start = is_written ? root->start : m->text.len;
    enum status st = begin_line(m, start);
    if (st == STATUS_OK && column_of(m->text, start) > 0 && is_written) {
        st = buf_append_u8(&m->texts, '\n'); /* `--- {}` */
    }
    if (st == STATUS_OK) {
        st = kubeconfig_render(m->access, &m->texts);
    }
    add_edit(m, start, is_written ? root->end : m->text.len, with);
    return st;
}

static enum status
plan(struct merge *m, struct kubeconfig_entry entries[KUBECONFIG_ENTRIES])
{
    if (is_nothing(m->root)) {
        return fill_file(m);
    }
    if (m->root->kind != YAML_MAP) {
        return STATUS_UNSUPPORTED;
    }
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < KUBECONFIG_ENTRIES; i++) {
        st = merge_entry(m, &entries[i]);
    }
    if (st == STATUS_OK) {
        st = merge_current(m);
    }
    return st == STATUS_OK ? place_new_keys(m) : st;
}

/* ---- The proof ---- */

static bool
nodes_equal(const struct yaml_node *a, const struct yaml_node *b)
{
    if (a->kind != b->kind || a->count != b->count) {
        return false;
    }
    if (a->kind == YAML_SCALAR) {
        return a->is_plain == b->is_plain && strcmp(a->scalar, b->scalar) == 0;
    }
    const size_t children = a->kind == YAML_MAP ? 2 * a->count : a->count;
    for (size_t i = 0; i < children; i++) { /* depth: YAML_DEPTH_MAX */
        if (!nodes_equal(a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

static bool
is_ours(const struct yaml_node *item, const char *name)
{
    const char *other = yaml_get_text(item, "name");
    return other != NULL && strcmp(other, name) == 0;
}

/* Everybody else's items are as they were, in their order, and ours is there
 * once and right. */
static bool
list_is_merged(const struct yaml_node *before, const struct yaml_node *after,
    const struct kubeconfig_entry *e)
{
    const size_t before_count =
        before != NULL && before->kind == YAML_LIST ? before->count : 0;
    size_t at = 0;
    size_t ours = 0;
    if (after == NULL || after->kind != YAML_LIST) {
        return false;
    }
    for (size_t i = 0; i < after->count; i++) {
        const struct yaml_node *item = after->items[i];
        if (is_ours(item, e->name)) {
            ours += item_is(item, e) ? 1 : 2;
            continue;
        }
        while (at < before_count && is_ours(before->items[at], e->name)) {
            at++;
        }
        if (at == before_count || !nodes_equal(before->items[at], item)) {
            return false;
        }
        at++;
    }
    while (at < before_count && is_ours(before->items[at], e->name)) {
        at++;
    }
    return ours == 1 && at == before_count;
}

static bool
is_key_of_ours(
    const char *key, const struct kubeconfig_entry entries[KUBECONFIG_ENTRIES])
{
    for (size_t i = 0; i < KUBECONFIG_ENTRIES; i++) {
        if (strcmp(key, entries[i].list) == 0) {
            return true;
        }
    }
    return strcmp(key, "current-context") == 0;
}

static bool
is_merged(const struct merge *m, const struct yaml_node *after,
    const struct kubeconfig_entry entries[KUBECONFIG_ENTRIES])
{
    const struct yaml_node *before = m->root;
    const size_t keys = before->kind == YAML_MAP ? before->count : 0;
    if (after->kind != YAML_MAP || after->count < keys) {
        return false;
    }
    for (size_t i = 0; i < keys; i++) {
        const struct yaml_node *key = before->items[2 * i];
        if (!nodes_equal(key, after->items[2 * i])) {
            return false;
        }
        const bool is_other =
            key->scalar == NULL || !is_key_of_ours(key->scalar, entries);
        if (is_other &&
            !nodes_equal(before->items[2 * i + 1], after->items[2 * i + 1])) {
            return false;
        }
    }
    for (size_t i = 0; i < KUBECONFIG_ENTRIES; i++) {
        if (!list_is_merged(yaml_get(before, entries[i].list),
                yaml_get(after, entries[i].list), &entries[i])) {
            return false;
        }
    }
    const char *current = yaml_get_text(after, "current-context");
    return current != NULL && strcmp(current, m->access->name) == 0;
}

static enum status
prove(const struct merge *m, struct span merged, const char *file,
    const struct kubeconfig_entry entries[KUBECONFIG_ENTRIES])
{
    struct yaml *y = NULL;
    if (yaml_parse(merged, file, &y, NULL) != STATUS_OK) {
        return STATUS_UNSUPPORTED;
    }
    const bool good = is_merged(m, yaml_root(y), entries);
    yaml_close(&y);
    return good ? STATUS_OK : STATUS_UNSUPPORTED;
}

enum status
kubeconfig_merge(struct span text, const char *file,
    const struct kubeconfig_access *a, struct buf *out, struct error *err)
{
    struct yaml *y = NULL;
    enum status st = yaml_parse(text, file, &y, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct kubeconfig_entry entries[KUBECONFIG_ENTRIES];
    kubeconfig_entries(a, entries);
    struct merge m = {.text = text, .access = a, .root = yaml_root(y)};
    struct buf merged;
    buf_init(&m.texts, PLAYER_SMALL_FILE_MAX);
    buf_init(&m.new_keys, PLAYER_SMALL_FILE_MAX);
    buf_init(&merged, 2 * PLAYER_SMALL_FILE_MAX);
    st = plan(&m, entries);
    if (st == STATUS_OK) {
        st = apply_edits(&m, &merged);
    }
    if (st == STATUS_OK) {
        st = prove(&m, buf_view(&merged), file, entries);
    }
    if (st == STATUS_OK) {
        st = buf_append(out, buf_view(&merged));
    }
    if (st == STATUS_UNSUPPORTED) {
        error_set(err, st,
            "%s is written in a way that cannot be merged into without "
            "changing more: use `kubetape kubeconfig` without --merge and a "
            "KUBECONFIG of its own",
            file);
    } else if (st != STATUS_OK) {
        error_set(err, st, "%s is too large to merge into", file);
    }
    buf_wipe(&merged); /* tokens */
    buf_wipe(&m.texts);
    buf_wipe(&m.new_keys);
    yaml_close(&y);
    return st;
}
