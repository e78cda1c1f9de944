#include "proxy/rewrite.h"

#include <string.h>

/* k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go */
#define BEARER_PREFIX "base64url.bearer.authorization.k8s.io."

static bool
is_any_of(struct span name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (span_eq_nocase(name, *names)) {
            return true;
        }
    }
    return false;
}

static bool
starts_with_nocase(struct span name, const char *prefix)
{
    const size_t len = strlen(prefix);
    return name.len >= len &&
           span_eq_nocase((struct span){name.ptr, len}, prefix);
}

/* '_' and '-' are one letter to servers behind CGI habits, so a field that
 * differs only there is judged as its twin. */
static struct span
with_hyphens(struct span name, uint8_t *out, size_t cap)
{
    if (name.len > cap) {
        return name;
    }
    for (size_t i = 0; i < name.len; i++) {
        out[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    }
    return span_of(out, name.len);
}

/* Fields that say who somebody is or where he comes from, and that only the
 * proxy may say. */
static bool
is_reserved(struct span name)
{
    static const char *const names[] = {"Host", "Audit-ID", "Forwarded",
        "Content-Length", "Transfer-Encoding", "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Protocol", NULL};
    uint8_t room[64];
    const struct span plain = with_hyphens(name, room, sizeof room);
    return is_any_of(plain, names) ||
           starts_with_nocase(plain, "X-Forwarded-") ||
           starts_with_nocase(plain, "X-Remote-") ||
           starts_with_nocase(plain, "Kubetape-");
}

/* Credentials never pass as they came: what goes upstream is said by `r`. */
static bool
is_credential(struct span name)
{
    uint8_t room[64];
    const struct span plain = with_hyphens(name, room, sizeof room);
    return span_eq_nocase(plain, "Authorization") ||
           span_eq_nocase(plain, "Cookie");
}

static bool
may_pass(const struct http_head *in, struct span name)
{
    return !http_is_hop_by_hop(in, name) && !is_reserved(name) &&
           !is_credential(name);
}

static enum status
add_if(struct http_message *out, struct span name, struct span value)
{
    return value.len > 0 ? http_message_add(out, name, value) : STATUS_OK;
}

static enum status
add_own_fields(const struct rewrite *r, struct http_message *out)
{
    enum status st = add_if(out, SPAN_LIT("X-Forwarded-For"), r->client);
    if (st == STATUS_OK) {
        st = add_if(out, SPAN_LIT("Authorization"), r->authorization);
    }
    if (st == STATUS_OK) {
        st = add_if(out, SPAN_LIT("Audit-ID"), r->session_id);
    }
    if (st == STATUS_OK) {
        st = add_if(out, SPAN_LIT("Sec-WebSocket-Protocol"), r->subprotocols);
    }
    return st;
}

enum status
rewrite_request(const struct http_head *in, const struct rewrite *r,
    struct http_message *out)
{
    http_message_request(out, in->method, r->target);
    out->framing = in->framing;
    out->length = in->length;
    enum status st = http_message_add(out, SPAN_LIT("Host"), r->host);
    for (size_t i = 0; i < in->field_count && st == STATUS_OK; i++) {
        const struct http_field *f = &in->fields[i];
        if (may_pass(in, f->name)) {
            st = http_message_add(out, f->name, f->value);
        }
    }
    if (r->is_upgrade) {
        const struct http_field *upgrade = http_find(in, "Upgrade");
        out->upgrade = upgrade != NULL ? upgrade->value : SPAN_EMPTY;
    }
    return st == STATUS_OK ? add_own_fields(r, out) : st;
}

static void
frame_response(
    const struct http_head *in, bool to_head, struct http_message *out)
{
    out->framing = in->framing;
    out->length = in->length;
    out->has_no_length =
        in->status < 200 || in->status == 204 || in->status == 304 || to_head;
    if (out->has_no_length && in->framing != HTTP_BODY_LENGTH) {
        out->framing = HTTP_BODY_NONE;
    }
}

enum status
rewrite_response(const struct http_head *in, bool to_head,
    struct span session_id, struct http_message *out)
{
    http_message_response(out, in->status, in->reason);
    frame_response(in, to_head, out);
    enum status st = STATUS_OK;
    for (size_t i = 0; i < in->field_count && st == STATUS_OK; i++) {
        const struct http_field *f = &in->fields[i];
        if (!http_is_hop_by_hop(in, f->name) &&
            !span_eq_nocase(f->name, "Content-Length")) {
            st = http_message_add(out, f->name, f->value);
        }
    }
    if (in->status == 101) {
        const struct http_field *upgrade = http_find(in, "Upgrade");
        out->upgrade = upgrade != NULL ? upgrade->value : SPAN_EMPTY;
    }
    return st == STATUS_OK
               ? add_if(out, SPAN_LIT("Kubetape-Session"), session_id)
               : st;
}

static enum status
append_subprotocol(struct span token, struct buf *out)
{
    token = span_trim(token);
    if (token.len == 0 || starts_with_nocase(token, BEARER_PREFIX)) {
        return STATUS_OK;
    }
    const enum status st = out->len > 0 ? buf_append_str(out, ", ") : STATUS_OK;
    return st == STATUS_OK ? buf_append(out, token) : st;
}

enum status
rewrite_subprotocols(const struct http_head *in, struct buf *out)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < in->field_count && st == STATUS_OK; i++) {
        if (!span_eq_nocase(in->fields[i].name, "Sec-WebSocket-Protocol")) {
            continue;
        }
        struct span rest = in->fields[i].value;
        struct span token = SPAN_EMPTY;
        while (st == STATUS_OK && span_take_until(&rest, ',', &token)) {
            st = append_subprotocol(token, out);
        }
        if (st == STATUS_OK) {
            st = append_subprotocol(rest, out);
        }
    }
    return st;
}
