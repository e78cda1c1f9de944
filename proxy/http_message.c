#include "proxy/http_message.h"

#include <inttypes.h>

void
http_message_request(
    struct http_message *m, struct span method, struct span target)
{
    *m = (struct http_message){
        .method = method,
        .target = target,
        .reason = SPAN_EMPTY,
        .framing = HTTP_BODY_NONE,
        .upgrade = SPAN_EMPTY,
    };
}

void
http_message_response(
    struct http_message *m, unsigned status, struct span reason)
{
    *m = (struct http_message){
        .method = SPAN_EMPTY,
        .target = SPAN_EMPTY,
        .status = status,
        .reason = reason,
        .framing = HTTP_BODY_NONE,
        .upgrade = SPAN_EMPTY,
    };
}

enum status
http_message_add(struct http_message *m, struct span name, struct span value)
{
    if (!http_name_is_valid(name) || !http_value_is_valid(value)) {
        return STATUS_INVALID;
    }
    if (m->field_count == HTTP_MESSAGE_FIELDS) {
        return STATUS_LIMIT;
    }
    m->fields[m->field_count] = (struct http_field){name, value};
    m->field_count++;
    return STATUS_OK;
}

/* ---- HTTP/1.1 ---- */

static enum status
encode_start_line(const struct http_message *m, struct buf *out)
{
    if (m->method.len > 0) {
        return buf_printf(out, "%.*s %.*s HTTP/1.1\r\n", (int)m->method.len,
            (const char *)m->method.ptr, (int)m->target.len,
            (const char *)m->target.ptr);
    }
    return buf_printf(out, "HTTP/1.1 %u %.*s\r\n", m->status,
        (int)m->reason.len, (const char *)m->reason.ptr);
}

static enum status
encode_field(struct span name, struct span value, struct buf *out)
{
    enum status st = buf_append(out, name);
    if (st == STATUS_OK) {
        st = buf_append(out, SPAN_LIT(": "));
    }
    if (st == STATUS_OK) {
        st = buf_append(out, value);
    }
    if (st == STATUS_OK) {
        st = buf_append(out, SPAN_LIT("\r\n"));
    }
    return st;
}

/* An empty request body needs no words (RFC 9110 8.6), but a POST without
 * Content-Length puts servers off; an empty response must say so. */
static bool
must_state_zero(const struct http_message *m)
{
    if (m->method.len == 0) {
        return !m->has_no_length && m->status >= 200;
    }
    return !span_eq_str(m->method, "GET") && !span_eq_str(m->method, "HEAD");
}

static enum status
encode_framing(const struct http_message *m, struct buf *out)
{
    switch (m->framing) {
    case HTTP_BODY_NONE:
        return must_state_zero(m) ? buf_append_str(out, "Content-Length: 0\r\n")
                                  : STATUS_OK;
    case HTTP_BODY_LENGTH:
        return buf_printf(out, "Content-Length: %" PRIu64 "\r\n", m->length);
    case HTTP_BODY_CHUNKED:
        return buf_append_str(out, "Transfer-Encoding: chunked\r\n");
    case HTTP_BODY_UNTIL_CLOSE:
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status
encode_connection(const struct http_message *m, struct buf *out)
{
    if (m->upgrade.len > 0) {
        const enum status st = buf_append_str(out, "Connection: Upgrade\r\n");
        return st != STATUS_OK
                   ? st
                   : encode_field(SPAN_LIT("Upgrade"), m->upgrade, out);
    }
    return m->must_close ? buf_append_str(out, "Connection: close\r\n")
                         : STATUS_OK;
}

enum status
http_message_encode(const struct http_message *m, struct buf *out)
{
    enum status st = encode_start_line(m, out);
    for (size_t i = 0; i < m->field_count && st == STATUS_OK; i++) {
        st = encode_field(m->fields[i].name, m->fields[i].value, out);
    }
    if (st == STATUS_OK) {
        st = encode_framing(m, out);
    }
    if (st == STATUS_OK) {
        st = encode_connection(m, out);
    }
    if (st == STATUS_OK) {
        st = buf_append(out, SPAN_LIT("\r\n"));
    }
    return st;
}

enum status
http_trailers_encode(
    const struct http_field *trailers, size_t count, struct buf *out)
{
    enum status st = buf_append_str(out, "0\r\n");
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        st = encode_field(trailers[i].name, trailers[i].value, out);
    }
    if (st == STATUS_OK) {
        st = buf_append(out, SPAN_LIT("\r\n"));
    }
    return st;
}

const char *
http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *words;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].words;
        }
    }
    return "";
}
