/* Classifying requests as a kube-apiserver does (DESIGN section 4).
 *
 * Owns path decoding and matching, Go's query rules, and which upgrade a
 * request asks for. Refuses to know policy: a session whose upgrade is
 * UNKNOWN is still called a session, so that it is never passed as plain.
 *
 * The API server decodes a path once (net/url), trims slashes, splits, and
 * compares case-sensitively; the kubelet's proxy then cleans what is left
 * with path.Join, so there `x/../exec` and `//exec` are an exec. Hence:
 *  - dot segments are refused everywhere. Clients resolve them before they
 *    send; a load balancer on the way upstream might resolve them after us.
 *  - empty segments are refused, but for plain requests below
 *    namespaces/{ns}/{pods|services}/{name}/proxy/: those paths belong to the
 *    application, and merging slashes cannot climb out of it.
 * What matches nothing here and asks for an upgrade is ROUTE_OTHER_UPGRADE,
 * so a session path that this file has never heard of is not plain either.
 */
#include "proxy/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As many as the longest session path has, a kubelet's with a uid:
 * api v1 nodes N proxy exec NS POD UID CONTAINER. */
#define SEGMENTS_KEPT 10

#define NO_SEGMENT SIZE_MAX

struct path {
    struct buf decoded; /* in use when the path has an escape */
    struct span segments[SEGMENTS_KEPT]; /* views; the first of `count` */
    size_t count;
    size_t first_empty; /* index, or NO_SEGMENT */
    bool has_dots;
};

enum query_key {
    KEY_STDIN,
    KEY_STDOUT,
    KEY_STDERR,
    KEY_TTY,
    KEY_CONTAINER,
    KEY_COMMAND,
    KEY_COUNT,
};

/* How a session's query is spelled, and what counts as true. */
struct dialect {
    const char *names[KEY_COUNT]; /* NULL: not read */
    bool (*is_true)(struct span value);
    bool splits_command; /* one value, words between single spaces */
};

struct query {
    const struct dialect *dialect;
    struct buf key;
    struct buf value;
    bool has[KEY_COUNT];
};

/* k8s.io/apimachinery/pkg/runtime/conversion.go: only "0" and "false" are
 * false, the empty value is true. */
static bool
is_true_to_api_server(struct span value)
{
    return !span_eq_str(value, "0") && !span_eq_nocase(value, "false");
}

/* k8s.io/cri-streaming/pkg/streaming/remotecommand: exactly "1". */
static bool
is_true_to_kubelet(struct span value)
{
    return span_eq_str(value, "1");
}

static const struct dialect pod_exec = {
    .names = {"stdin", "stdout", "stderr", "tty", "container", "command"},
    .is_true = is_true_to_api_server,
};
static const struct dialect pod_attach = {
    .names = {"stdin", "stdout", "stderr", "tty", "container", NULL},
    .is_true = is_true_to_api_server,
};
static const struct dialect kubelet_exec = {
    .names = {"input", "output", "error", "tty", NULL, "command"},
    .is_true = is_true_to_kubelet,
};
static const struct dialect kubelet_attach = {
    .names = {"input", "output", "error", "tty", NULL, NULL},
    .is_true = is_true_to_kubelet,
};
/* "For legacy reasons, run uses different query param than exec." */
static const struct dialect kubelet_run = {
    .names = {NULL, NULL, NULL, NULL, NULL, "cmd"},
    .is_true = is_true_to_kubelet,
    .splits_command = true,
};
static const struct dialect nothing_asked = {
    .is_true = is_true_to_api_server,
};

static void
refuse(struct route *r, const char *why)
{
    r->kind = ROUTE_REFUSED;
    snprintf(r->why, sizeof r->why, "%s", why);
}

static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte behind a '%' that was taken already. */
static bool
take_escaped(struct span *s, uint8_t *out)
{
    struct span digits;
    if (!span_take(s, 2, &digits) || hex_value(digits.ptr[0]) < 0 ||
        hex_value(digits.ptr[1]) < 0) {
        return false;
    }
    *out = (uint8_t)(hex_value(digits.ptr[0]) << 4 | hex_value(digits.ptr[1]));
    return true;
}

/* `out` is overwritten. STATUS_INVALID for a broken escape, as in net/url. */
static enum status
unescape(struct span in, bool plus_is_space, struct buf *out)
{
    uint8_t *to;
    buf_clear(out);
    enum status st = buf_reserve(out, in.len + 1, &to);
    if (st != STATUS_OK) {
        return st;
    }
    size_t n = 0;
    uint8_t c;
    while (span_take_u8(&in, &c)) {
        if (c == '%' && !take_escaped(&in, &to[n])) {
            return STATUS_INVALID;
        }
        if (c != '%') {
            to[n] = plus_is_space && c == '+' ? ' ' : c;
        }
        n++;
    }
    buf_commit(out, n);
    return STATUS_OK;
}

static bool
has_byte(struct span s, uint8_t byte)
{
    return memchr(s.ptr, byte, s.len) != NULL;
}

static void
note_segment(struct path *p, struct span segment)
{
    if (segment.len == 0 && p->first_empty == NO_SEGMENT) {
        p->first_empty = p->count;
    }
    p->has_dots |= span_eq_str(segment, ".") || span_eq_str(segment, "..");
    if (p->count < SEGMENTS_KEPT) {
        p->segments[p->count] = segment;
    }
    p->count++;
}

/* `text` begins with '/'; one more at its end does not count. */
static void
split(struct span text, struct path *p)
{
    span_skip(&text, 1);
    if (text.len == 0) {
        return;
    }
    if (text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    struct span segment;
    while (span_take_until(&text, '/', &segment)) {
        note_segment(p, segment);
    }
    note_segment(p, text);
}

static bool
segment_is(const struct path *p, size_t i, const char *word)
{
    return i < p->count && i < SEGMENTS_KEPT &&
           span_eq_str(p->segments[i], word);
}

static struct span
segment_at(const struct path *p, size_t i)
{
    return i < p->count && i < SEGMENTS_KEPT ? p->segments[i] : SPAN_EMPTY;
}

static bool
is_core_v1(const struct path *p)
{
    return segment_is(p, 0, "api") && segment_is(p, 1, "v1");
}

/* /api/v1/namespaces/{ns}/{pods|services}/{name}/proxy/… */
static bool
is_application_path(const struct path *p)
{
    return is_core_v1(p) && segment_is(p, 2, "namespaces") &&
           (segment_is(p, 4, "pods") || segment_is(p, 4, "services")) &&
           segment_is(p, 6, "proxy");
}

/* NULL when the path is one that all readers split alike. */
static const char *
path_fault(const struct path *p, const struct http_head *h)
{
    if (p->has_dots) {
        return "path has a dot segment";
    }
    if (p->first_empty == NO_SEGMENT) {
        return NULL;
    }
    const bool is_application =
        is_application_path(p) && p->first_empty > 6 && !h->is_upgrade;
    return is_application ? NULL : "path has an empty segment";
}

/* *out views `raw` or p->decoded. */
static enum status
decode_path(struct span raw, struct path *p, struct span *out)
{
    if (!has_byte(raw, '%')) {
        *out = raw;
        return STATUS_OK;
    }
    const enum status st = unescape(raw, false, &p->decoded);
    if (st == STATUS_OK) {
        *out = buf_view(&p->decoded);
    }
    return st;
}

static enum status
set_text(char **field, struct span value)
{
    char *copy = strndup((const char *)value.ptr, value.len);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    free(*field);
    *field = copy;
    return STATUS_OK;
}

/* Room doubles when the count is a power of two. */
static enum status
add_word(struct route *r, struct span word)
{
    const size_t n = r->command_count;
    if ((n & (n - 1)) == 0) {
        const size_t room = n == 0 ? 1 : 2 * n;
        char **grown = realloc(r->command, room * sizeof *grown);
        if (grown == NULL) {
            return STATUS_NO_MEMORY;
        }
        r->command = grown;
    }
    r->command[n] = NULL;
    const enum status st = set_text(&r->command[n], word);
    r->command_count += st == STATUS_OK ? 1 : 0;
    return st;
}

static enum status
add_words(struct route *r, struct span words)
{
    struct span word;
    enum status st = STATUS_OK;
    while (st == STATUS_OK && span_take_until(&words, ' ', &word)) {
        st = add_word(r, word);
    }
    return st == STATUS_OK ? add_word(r, words) : st;
}

/* Bytes above ASCII in a boolean: Go's EqualFold takes "fal\u017fe" for
 * "false" and older servers did not, so nobody can say what it means. */
static bool
is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static void
set_flag(
    struct route *r, const struct dialect *d, bool *flag, struct span value)
{
    if (!is_ascii(value)) {
        refuse(r, "query has a boolean that is not ASCII");
    }
    *flag = d->is_true(value);
}

static enum status
note_value(struct route *r, const struct dialect *d, enum query_key key,
    struct span value)
{
    switch (key) {
    case KEY_STDIN:
        set_flag(r, d, &r->wants_stdin, value);
        break;
    case KEY_STDOUT:
        set_flag(r, d, &r->wants_stdout, value);
        break;
    case KEY_STDERR:
        set_flag(r, d, &r->wants_stderr, value);
        break;
    case KEY_TTY:
        set_flag(r, d, &r->tty, value);
        break;
    case KEY_CONTAINER:
        return set_text(&r->container, value);
    case KEY_COMMAND:
        return d->splits_command ? add_words(r, value) : add_word(r, value);
    case KEY_COUNT:
        break;
    }
    return STATUS_OK;
}

/* Of a repeated scalar the first value counts; command words add up. */
static bool
is_wanted(const struct query *q, enum query_key key)
{
    const bool adds_up = key == KEY_COMMAND && !q->dialect->splits_command;
    return adds_up || !q->has[key];
}

static enum query_key
key_of(const struct query *q)
{
    const struct span name = buf_view(&q->key);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        const char *known = q->dialect->names[i];
        if (known != NULL && span_eq_str(name, known)) {
            return (enum query_key)i;
        }
    }
    return KEY_COUNT;
}

/* STATUS_INVALID: a part that net/url drops. */
static enum status
read_part(struct query *q, struct span part, struct route *r)
{
    struct span key;
    struct span value = part;
    if (!span_take_until(&value, '=', &key)) {
        key = part;
        value = SPAN_EMPTY;
    }
    enum status st = unescape(key, true, &q->key);
    if (st == STATUS_OK) {
        st = unescape(value, true, &q->value);
    }
    const enum query_key known = st == STATUS_OK ? key_of(q) : KEY_COUNT;
    if (known == KEY_COUNT || !is_wanted(q, known)) {
        return st;
    }
    if (has_byte(buf_view(&q->value), '\0')) {
        refuse(r, "query has a NUL");
        return STATUS_OK;
    }
    q->has[known] = true;
    return note_value(r, q->dialect, known, buf_view(&q->value));
}

/* net/url's ParseQuery: parts between '&'; one with ';' or a broken escape is
 * dropped, the others stand. */
static enum status
read_query(struct span text, const struct dialect *d, struct route *r)
{
    struct query q = {.dialect = d};
    buf_init(&q.key, LIMIT_TARGET_BYTES + 1);
    buf_init(&q.value, LIMIT_TARGET_BYTES + 1);
    enum status st = STATUS_OK;
    while (text.len > 0 && st == STATUS_OK) {
        struct span part;
        if (!span_take_until(&text, '&', &part)) {
            part = text;
            text = SPAN_EMPTY;
        }
        if (part.len > 0 && !has_byte(part, ';')) {
            st = read_part(&q, part, r);
            st = st == STATUS_INVALID ? STATUS_OK : st;
        }
    }
    buf_fini(&q.key);
    buf_fini(&q.value);
    return st;
}

/* A pod's session: the subresource, what it is, how its query is read. */
struct subresource {
    const char *name;
    enum route_kind kind;
    enum meta_type type;
    const struct dialect *dialect;
};

static const struct subresource *
find_subresource(
    struct span name, const struct subresource *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (span_eq_str(name, table[i].name)) {
            return &table[i];
        }
    }
    return NULL;
}

/* /api/v1/namespaces/{ns}/pods/{pod}/{subresource} */
static const struct subresource *
match_pod(const struct path *p)
{
    static const struct subresource table[] = {
        {"exec", ROUTE_SESSION, META_EXEC, &pod_exec},
        {"attach", ROUTE_SESSION, META_ATTACH, &pod_attach},
        {"portforward", ROUTE_PORT_FORWARD, META_PORT_FORWARD, &nothing_asked},
    };
    if (!is_core_v1(p) || !segment_is(p, 2, "namespaces") ||
        !segment_is(p, 4, "pods") || p->count != 7) {
        return NULL;
    }
    return find_subresource(
        segment_at(p, 6), table, sizeof table / sizeof table[0]);
}

/* The index of {node} in /api/v1/nodes/{node}/proxy/…, or in
 * /api/v1/proxy/nodes/{node}/… of servers before 1.10; 0 for neither. The
 * kubelet's path begins at index 5 in both. */
static size_t
node_index(const struct path *p)
{
    if (!is_core_v1(p)) {
        return 0;
    }
    if (segment_is(p, 2, "nodes") && segment_is(p, 4, "proxy")) {
        return 3;
    }
    return segment_is(p, 2, "proxy") && segment_is(p, 3, "nodes") ? 4 : 0;
}

#define KUBELET_PATH 5

/* k8s.io/kubernetes/pkg/kubelet/server: what runs or reaches into a
 * container. Whatever follows, also what the kubelet would answer with 404. */
static const struct subresource *
match_kubelet(const struct path *p)
{
    static const struct subresource table[] = {
        {"exec", ROUTE_NODE_SESSION, META_EXEC, &kubelet_exec},
        {"run", ROUTE_NODE_SESSION, META_EXEC, &kubelet_run},
        {"attach", ROUTE_NODE_SESSION, META_ATTACH, &kubelet_attach},
        {"portForward", ROUTE_NODE_SESSION, META_PORT_FORWARD, &nothing_asked},
        {"cri", ROUTE_NODE_SESSION, META_EXEC, &nothing_asked},
    };
    if (node_index(p) == 0) {
        return NULL;
    }
    return find_subresource(
        segment_at(p, KUBELET_PATH), table, sizeof table / sizeof table[0]);
}

static enum status
name_pod(const struct path *p, struct route *r)
{
    enum status st = set_text(&r->namespace, segment_at(p, 3));
    return st == STATUS_OK ? set_text(&r->pod, segment_at(p, 5)) : st;
}

/* …/exec/{ns}/{pod}[/{uid}]/{container}; a port forward has no container,
 * and what is below cri/ is a token that names nothing. */
static enum status
name_node(const struct path *p, struct route *r)
{
    const size_t at = KUBELET_PATH + 1;
    enum status st = set_text(&r->node, segment_at(p, node_index(p)));
    if (st != STATUS_OK || segment_is(p, KUBELET_PATH, "cri")) {
        return st;
    }
    st = set_text(&r->namespace, segment_at(p, at));
    if (st == STATUS_OK) {
        st = set_text(&r->pod, segment_at(p, at + 1));
    }
    if (st == STATUS_OK && r->type != META_PORT_FORWARD && p->count > at + 2) {
        st = set_text(&r->container, segment_at(p, p->count - 1));
    }
    return st;
}

static enum status
start_empty(struct route *r)
{
    char **const texts[] = {&r->namespace, &r->pod, &r->container, &r->node};
    enum status st = STATUS_OK;
    for (size_t i = 0; i < 4 && st == STATUS_OK; i++) {
        st = set_text(texts[i], SPAN_EMPTY);
    }
    return st;
}

static enum status
describe(const struct subresource *s, const struct path *p, struct span query,
    struct route *r)
{
    r->kind = s->kind;
    r->type = s->type;
    enum status st = start_empty(r);
    if (st == STATUS_OK) {
        st = s->kind == ROUTE_NODE_SESSION ? name_node(p, r) : name_pod(p, r);
    }
    return st == STATUS_OK ? read_query(query, s->dialect, r) : st;
}

/* Which protocol the API server would speak. Only the plain form is known:
 * one Upgrade field, named by Connection, in HTTP/1.1. What it takes beyond
 * that (a substring of Connection, the first of several Upgrade fields) is
 * UNKNOWN, to be refused. */
static enum route_upgrade
upgrade_of(const struct http_head *h)
{
    if (!h->is_upgrade) {
        return ROUTE_UPGRADE_NONE;
    }
    if (h->minor == 0 || http_count(h, "Upgrade") != 1 ||
        !http_has_token(h, "Connection", "Upgrade")) {
        return ROUTE_UPGRADE_UNKNOWN;
    }
    if (http_has_token(h, "Upgrade", "SPDY/3.1")) {
        return ROUTE_UPGRADE_SPDY;
    }
    return span_eq_nocase(http_find(h, "Upgrade")->value, "websocket")
               ? ROUTE_UPGRADE_WEBSOCKET
               : ROUTE_UPGRADE_UNKNOWN;
}

static enum status
classify_path(const struct http_head *h, const struct path *p,
    struct span query, struct route *r)
{
    const char *fault = path_fault(p, h);
    if (fault != NULL) {
        refuse(r, fault);
        return STATUS_OK;
    }
    const struct subresource *s = match_pod(p);
    s = s == NULL ? match_kubelet(p) : s;
    if (s == NULL) {
        r->kind = h->is_upgrade ? ROUTE_OTHER_UPGRADE : ROUTE_PLAIN;
        return STATUS_OK;
    }
    /* The kubelet reads a form in the body before the query: the body could
     * say that there is no TTY where the query says that there is one. */
    if (http_has_body(h)) {
        refuse(r, "session request with a body");
        return STATUS_OK;
    }
    return describe(s, p, query, r);
}

enum status
route_classify(const struct http_head *h, struct route *out)
{
    *out = (struct route){.upgrade = upgrade_of(h)};
    struct span query = h->target;
    struct span raw;
    if (!span_take_until(&query, '?', &raw)) {
        raw = h->target;
        query = SPAN_EMPTY;
    }
    struct path p = {.first_empty = NO_SEGMENT};
    buf_init(&p.decoded, LIMIT_TARGET_BYTES + 1);
    struct span text = SPAN_EMPTY;
    enum status st = decode_path(raw, &p, &text);
    if (st == STATUS_INVALID || has_byte(text, '\0')) {
        refuse(out, "path has a broken escape or a NUL");
        st = STATUS_OK;
    } else if (st == STATUS_OK) {
        split(text, &p);
        st = classify_path(h, &p, query, out);
    }
    buf_fini(&p.decoded);
    return st;
}

void
route_fini(struct route *r)
{
    for (size_t i = 0; i < r->command_count; i++) {
        free(r->command[i]);
    }
    free(r->command);
    free(r->namespace);
    free(r->pod);
    free(r->container);
    free(r->node);
    *r = (struct route){.kind = ROUTE_REFUSED};
}
