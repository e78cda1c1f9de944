/* Two spellings of the same entries. Everything quoted is quoted as JSON, which
 * is YAML, so no name or URL can break out of its place. */
#include "player/kubeconfig.h"

#include "schema/json_text.h"

void
kubeconfig_entries(const struct kubeconfig_access *a,
    struct kubeconfig_entry out[KUBECONFIG_ENTRIES])
{
    out[0] = (struct kubeconfig_entry){
        .list = "clusters",
        .kind = "cluster",
        .name = a->name,
        .fields = {{"server", a->server},
            {"certificate-authority-data", a->ca_data}},
    };
    out[1] = (struct kubeconfig_entry){
        .list = "users",
        .kind = "user",
        .name = a->name,
        .fields = {{"token", a->token}},
    };
    out[2] = (struct kubeconfig_entry){
        .list = "contexts",
        .kind = "context",
        .name = a->name,
        .fields = {{"cluster", a->name}, {"user", a->name}},
    };
}

static enum status
append_value(const char *value, struct buf *out)
{
    return json_text_encode(span_str(value), out);
}

enum status
kubeconfig_entry_block(
    const struct kubeconfig_entry *e, size_t indent, struct buf *out)
{
    const int pad = (int)indent;
    enum status st = buf_append_str(out, "name: ");
    if (st == STATUS_OK) {
        st = append_value(e->name, out);
    }
    if (st == STATUS_OK) {
        st = buf_printf(out, "\n%*s%s:", pad, "", e->kind);
    }
    for (size_t i = 0; st == STATUS_OK && i < KUBECONFIG_FIELDS; i++) {
        const struct kubeconfig_field *f = &e->fields[i];
        if (f->value == NULL) {
            continue;
        }
        st = buf_printf(out, "\n%*s  %s: ", pad, "", f->key);
        if (st == STATUS_OK) {
            st = append_value(f->value, out);
        }
    }
    return st;
}

enum status
kubeconfig_entry_flow(const struct kubeconfig_entry *e, struct buf *out)
{
    const char *separator = "";
    enum status st = buf_append_str(out, "{\"name\": ");
    if (st == STATUS_OK) {
        st = append_value(e->name, out);
    }
    if (st == STATUS_OK) {
        st = buf_printf(out, ", \"%s\": {", e->kind);
    }
    for (size_t i = 0; st == STATUS_OK && i < KUBECONFIG_FIELDS; i++) {
        const struct kubeconfig_field *f = &e->fields[i];
        if (f->value == NULL) {
            continue;
        }
        st = buf_printf(out, "%s\"%s\": ", separator, f->key);
        if (st == STATUS_OK) {
            st = append_value(f->value, out);
        }
        separator = ", ";
    }
    return st == STATUS_OK ? buf_append_str(out, "}}") : st;
}

enum status
kubeconfig_render(const struct kubeconfig_access *a, struct buf *out)
{
    struct kubeconfig_entry entries[KUBECONFIG_ENTRIES];
    kubeconfig_entries(a, entries);
    enum status st = buf_append_str(out, "apiVersion: v1\nkind: Config\n");
    for (size_t i = 0; st == STATUS_OK && i < KUBECONFIG_ENTRIES; i++) {
        st = buf_printf(out, "%s:\n- ", entries[i].list);
        if (st == STATUS_OK) {
            st = kubeconfig_entry_block(&entries[i], 2, out);
        }
        if (st == STATUS_OK) {
            st = buf_append_u8(out, '\n');
        }
    }
    if (st == STATUS_OK) {
        st = buf_append_str(out, "current-context: ");
    }
    if (st == STATUS_OK) {
        st = append_value(a->name, out);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}
