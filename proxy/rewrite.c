#include "proxy/rewrite.h"

#include "proxy/identity.h"

#include <ctype.h>
#include <string.h>

/* '_' and '-' are one letter to servers behind CGI habits, so a field that
 * differs only there is judged as its twin. */
static bool
begins_like(struct span name, const char *prefix)
{
    const size_t len = strlen(prefix);
    if (name.len < len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        const char c = name.ptr[i] == '_' ? '-' : (char)name.ptr[i];
        if (tolower((unsigned char)c) != tolower((unsigned char)prefix[i])) {
            return false;
        }
    }
    return true;
}

static bool
is_like(struct span name, const char *other)
{
    return name.len == strlen(other) && begins_like(name, other);
}

/* Fields that say who somebody is or where he comes from, and that only the
 * proxy may say. */
static bool
is_reserved(struct span name)
{
    static const char *const names[] = {"Host", "Audit-ID", "Forwarded",
        "X-Real-IP", "Content-Length", "Transfer-Encoding",
        "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"};
    static const char *const prefixes[] = {
        "X-Forwarded-", "X-Remote-", "Kubetape-"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is_like(name, names[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (begins_like(name, prefixes[i])) {
            return true;
        }
    }
    return false;
}

/* Credentials never pass as they came: what goes upstream is said by `r`. */
static bool
is_credential(struct span name)
{
    return is_like(name, "Authorization") || is_like(name, "Cookie");
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
            !span_eq_nocase(f->name, "Content-Length") &&
            !begins_like(f->name, "Kubetape-")) {
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
    if (token.len == 0 || begins_like(token, IDENTITY_WS_BEARER)) {
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
