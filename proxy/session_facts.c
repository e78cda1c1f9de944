#include "proxy/session_facts.h"

#include <string.h>

static enum status
meta_add_all(char ***list, size_t *count, char **from, size_t n)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < n && st == STATUS_OK; i++) {
        st = meta_add(list, count, span_str(from[i]));
    }
    return st;
}

static enum status
meta_set_field(char **field, const struct http_head *request, const char *name)
{
    const struct http_field *f = http_find(request, name);
    return f != NULL ? meta_set(field, f->value) : STATUS_OK;
}

static enum status
meta_fill_caller(const struct session_facts *f, struct meta *m)
{
    char source[ADDRESS_TEXT_MAX];
    address_format(f->peer, source);
    enum status st = meta_set(&m->user, span_str(f->caller->user));
    if (st == STATUS_OK) {
        st = meta_set(&m->uid, span_str(f->caller->uid));
    }
    if (st == STATUS_OK) {
        st = meta_add_all(&m->groups, &m->group_count, f->caller->groups,
            f->caller->group_count);
    }
    if (st == STATUS_OK) {
        st = meta_set(&m->source, span_str(source));
    }
    if (st == STATUS_OK) {
        st = meta_set_field(&m->user_agent, f->request, "User-Agent");
    }
    if (st == STATUS_OK) {
        st = meta_set_field(&m->kubectl_session, f->request, "Kubectl-Session");
    }
    if (st == STATUS_OK) {
        st = meta_set_field(&m->kubectl_command, f->request, "Kubectl-Command");
    }
    return st;
}

/* Attaching to an ephemeral container is debugging, whatever the client says
 * of itself; and what it says can only add a name to what is seen. */
static enum meta_type
type_of(const struct session_facts *f)
{
    const struct route *r = f->route;
    const struct http_field *claim = http_find(f->request, "Kubectl-Command");
    const struct span says = claim != NULL ? claim->value : SPAN_EMPTY;
    if (r->type == META_ATTACH && f->pod->is_ephemeral) {
        return META_DEBUG;
    }
    if (r->type == META_ATTACH && span_eq_str(says, "kubectl run")) {
        return META_RUN;
    }
    if (r->type == META_EXEC && span_eq_str(says, "kubectl cp") &&
        r->command_count > 0 && strcmp(r->command[0], "tar") == 0) {
        return META_CP;
    }
    return r->type;
}

/* A terminal echoes its input into what is recorded anyway. An exec gets the
 * one it asks for; an attach finds what the container has, and to ask for one
 * that is not there must not keep the input out. */
static bool
is_echoed(const struct session_facts *f)
{
    return f->route->tty && (f->route->type != META_ATTACH || f->pod->has_tty);
}

static enum status
meta_fill_target(const struct session_facts *f, struct meta *m)
{
    const struct route *r = f->route;
    const char *container =
        r->container[0] != '\0' ? r->container : f->pod->container;
    m->type = type_of(f);
    m->tty = r->tty;
    m->stdin_recorded = is_echoed(f) ? f->config->record.stdin_tty
                                     : f->config->record.stdin_non_tty;
    m->record = f->config->record.mode == CONFIG_RECORD_BEST_EFFORT
                    ? META_BEST_EFFORT
                    : META_REQUIRED;
    m->protocol = r->upgrade == ROUTE_UPGRADE_SPDY ? META_SPDY : META_WEBSOCKET;
    enum status st = meta_set(&m->cluster, span_str(f->cluster));
    if (st == STATUS_OK) {
        st = meta_set(&m->namespace, span_str(r->namespace));
    }
    if (st == STATUS_OK) {
        st = meta_set(&m->pod, span_str(r->pod));
    }
    if (st == STATUS_OK) {
        st = meta_set(&m->container, span_str(container));
    }
    if (st == STATUS_OK) {
        st = meta_add_all(
            &m->command, &m->command_count, r->command, r->command_count);
    }
    return st;
}

enum status
session_facts_fill(const struct session_facts *f, struct meta *out)
{
    const enum status st = meta_fill_caller(f, out);
    return st == STATUS_OK ? meta_fill_target(f, out) : st;
}
