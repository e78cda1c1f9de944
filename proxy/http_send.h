/* A chunked body on its way out, alike to clients and to the API server. */
#ifndef PROXY_HTTP_SEND_H
#define PROXY_HTTP_SEND_H

#include "proxy/conn.h"
#include "proxy/http_message.h"

/* Answers as conn_send does. */
enum status http_send_chunk(struct conn *c, struct span bytes) MUST_CHECK;
enum status http_send_last_chunk(struct conn *c,
    const struct http_field *trailers, size_t trailer_count) MUST_CHECK;

#endif
