/* A head to be sent, before any codec: a method and target or a status, and
 * fields. Views only; whoever fills it keeps the bytes alive until it is
 * encoded. */
#ifndef PROXY_HTTP_MESSAGE_H
#define PROXY_HTTP_MESSAGE_H

#include "proxy/http_head.h"

#define HTTP_MESSAGE_FIELDS (LIMIT_FIELDS + 16u)

struct http_message {
    struct span method; /* requests; empty in a response */
    struct span target;
    unsigned status; /* responses */
    struct span reason;
    struct http_field fields[HTTP_MESSAGE_FIELDS];
    size_t field_count;
    /* The codec writes what frames the body (Transfer-Encoding: chunked, or
     * Content-Length) and what concerns the connection; `fields` has none of
     * these. */
    enum http_framing framing;
    uint64_t length;
    struct span upgrade; /* "SPDY/3.1": asks for or grants it; else empty */
    bool must_close;     /* Connection: close */
    bool has_no_length;  /* a response whose length nobody states: HEAD, 1xx,
                          * 204, 304 as they came */
};

void http_message_request(
    struct http_message *m, struct span method, struct span target);
void http_message_response(
    struct http_message *m, unsigned status, struct span reason);
/* STATUS_LIMIT when there are too many; STATUS_INVALID for what could end the
 * field early: a token may come from anywhere. */
enum status http_message_add(
    struct http_message *m, struct span name, struct span value) MUST_CHECK;

/* HTTP/1.1 (RFC 9112), appended to `out`. */
enum status http_message_encode(
    const struct http_message *m, struct buf *out) MUST_CHECK;

/* The words for a status (RFC 9110 15), "" for one that has none here. */
const char *http_reason(unsigned status);

/* The end of a chunked body: the last chunk, trailers, an empty line. */
enum status http_trailers_encode(const struct http_field *trailers,
    size_t count, struct buf *out) MUST_CHECK;

#endif
