#include "proxy/pod_lookup.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* etcd takes objects up to 1.5 MiB; managed fields are among them. */
#define POD_MAX (4u << 20)

/* kubectl's annotation for the container that is meant when none is named. */
#define DEFAULT_CONTAINER "kubectl.kubernetes.io/default-container"

struct pod_lookup {
    struct call *call;
    pod_lookup_fn *fn;
    void *ctx;
    char *container;
    bool is_found;
    struct buf body;
};

/* ---- the pure part ---- */

static const json_t *
find_container(const json_t *containers, const char *name)
{
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(containers, i, one)
    {
        const char *has = json_string_value(json_object_get(one, "name"));
        if (has != NULL && strcmp(has, name) == 0) {
            return one;
        }
    }
    return NULL;
}

/* As the API server picks one (registry/core/pod/strategy.go): the only one,
 * or the annotated one. */
static const char *
default_container(const json_t *root, const json_t *containers)
{
    const json_t *annotations =
        json_object_get(json_object_get(root, "metadata"), "annotations");
    const char *annotated =
        json_string_value(json_object_get(annotations, DEFAULT_CONTAINER));
    if (json_array_size(containers) == 1) {
        return json_string_value(
            json_object_get(json_array_get(containers, 0), "name"));
    }
    return annotated != NULL && find_container(containers, annotated) != NULL
               ? annotated
               : NULL;
}

void
pod_text_read(struct span json, const char *asked, struct pod_text *out)
{
    *out = (struct pod_text){.container = ""};
    json_t *root = json_loadb((const char *)json.ptr, json.len, 0, NULL);
    const json_t *spec = json_object_get(root, "spec");
    const char *name =
        asked[0] != '\0'
            ? asked
            : default_container(root, json_object_get(spec, "containers"));
    if (name != NULL) {
        const json_t *ephemeral =
            find_container(json_object_get(spec, "ephemeralContainers"), name);
        const json_t *container =
            ephemeral != NULL
                ? ephemeral
                : find_container(json_object_get(spec, "containers"), name);
        snprintf(out->container, sizeof out->container, "%s", name);
        out->is_ephemeral = ephemeral != NULL;
        out->has_tty = json_is_true(json_object_get(container, "tty"));
    }
    json_decref(root);
}

/* ---- the call ---- */

static void
lookup_free(struct pod_lookup *l)
{
    buf_fini(&l->body);
    free(l->container);
    free(l);
}

static void
lookup_finish(struct pod_lookup *l)
{
    struct pod_text text = {.container = ""};
    if (l->is_found) {
        pod_text_read(buf_view(&l->body), l->container, &text);
    }
    const struct pod_facts facts = {
        .container = text.container,
        .is_ephemeral = text.is_ephemeral,
        .has_tty = text.has_tty,
    };
    pod_lookup_fn *fn = l->fn;
    void *ctx = l->ctx;
    lookup_free(l);
    fn(ctx, &facts);
}

static void
lookup_on_response(void *owner, const struct http_head *head)
{
    struct pod_lookup *l = owner;
    l->is_found = head->status == 200;
}

static void
lookup_on_body(void *owner, struct span bytes)
{
    struct pod_lookup *l = owner;
    if (l->is_found && buf_append(&l->body, bytes) != STATUS_OK) {
        l->is_found = false;
    }
}

static void
lookup_on_body_end(
    void *owner, const struct http_field *trailers, size_t trailer_count)
{
    (void)trailers;
    (void)trailer_count;
    lookup_finish(owner);
}

static void
lookup_on_failed(void *owner, const char *why)
{
    struct pod_lookup *l = owner;
    (void)why;
    l->is_found = false;
    lookup_finish(l);
}

static void
lookup_on_room(void *owner)
{
    (void)owner; /* a GET has no body */
}

static const struct call_events lookup_events = {
    .on_response = lookup_on_response,
    .on_body = lookup_on_body,
    .on_body_end = lookup_on_body_end,
    .on_room = lookup_on_room,
    .on_failed = lookup_on_failed,
};

static enum status
append_segment(struct buf *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    enum status st = STATUS_OK;
    for (; *text != '\0' && st == STATUS_OK; text++) {
        const unsigned char c = (unsigned char)*text;
        st = strchr(plain, c) != NULL
                 ? buf_append_u8(out, c)
                 : buf_printf(out, "%%%c%c", hex[c >> 4], hex[c & 15]);
    }
    return st;
}

static enum status
target_write(
    const struct pod_lookup_options *o, struct span prefix, struct buf *out)
{
    enum status st = buf_append(out, prefix);
    if (st == STATUS_OK) {
        st = buf_append_str(out, "/api/v1/namespaces/");
    }
    if (st == STATUS_OK) {
        st = append_segment(out, o->namespace);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(out, "/pods/");
    }
    return st == STATUS_OK ? append_segment(out, o->pod) : st;
}

static enum status
lookup_call(struct pod_lookup *l, struct gateway *g,
    const struct pod_lookup_options *o, struct span target, struct error *err)
{
    struct http_message m;
    http_message_request(&m, SPAN_LIT("GET"), target);
    enum status st =
        http_message_add(&m, SPAN_LIT("Host"), upstream_host(g->upstream));
    if (st == STATUS_OK) {
        st = http_message_add(
            &m, SPAN_LIT("Accept"), SPAN_LIT("application/json"));
    }
    if (st == STATUS_OK && o->authorization.len > 0) {
        st = http_message_add(&m, SPAN_LIT("Authorization"), o->authorization);
    }
    if (st != STATUS_OK) {
        return error_set(err, st, "no room to look the pod up");
    }
    return call_start(g->upstream,
        &(struct call_options){
            .head = &m,
            .with_certificate = o->with_certificate,
        },
        &lookup_events, l, &l->call, err);
}

enum status
pod_lookup_start(struct gateway *g, const struct pod_lookup_options *o,
    pod_lookup_fn *fn, void *ctx, struct pod_lookup **out, struct error *err)
{
    struct buf target;
    struct pod_lookup *l = calloc(1, sizeof *l);
    char *container = strdup(o->container);
    if (l == NULL || container == NULL) {
        free(l);
        free(container);
        return error_set(err, STATUS_NO_MEMORY, "no memory for a lookup");
    }
    l->fn = fn;
    l->ctx = ctx;
    l->container = container;
    buf_init(&l->body, POD_MAX);
    buf_init(&target, LIMIT_TARGET_BYTES);
    enum status st =
        target_write(o, upstream_path_prefix(g->upstream), &target);
    st = st == STATUS_OK
             ? lookup_call(l, g, o, buf_view(&target), err)
             : error_set(err, st, "the pod's name is too long to look up");
    buf_fini(&target);
    if (st != STATUS_OK) {
        lookup_free(l);
        return st;
    }
    *out = l;
    return STATUS_OK;
}

void
pod_lookup_cancel(struct pod_lookup **lp)
{
    struct pod_lookup *l = *lp;
    *lp = NULL;
    if (l != NULL) {
        call_cancel(&l->call);
        lookup_free(l);
    }
}
