#include "proxy/http_send.h"

#include "proxy/http_body.h"

enum status
http_send_chunk(struct conn *c, struct span bytes)
{
    struct buf line;
    buf_init(&line, 32);
    enum status st = http_chunk_encode(bytes.len, &line);
    if (st == STATUS_OK) {
        st = conn_send(c, buf_view(&line), 0);
    }
    buf_fini(&line);
    if (st == STATUS_OK) {
        st = conn_send(c, bytes, 0);
    }
    return st == STATUS_OK ? conn_send(c, SPAN_LIT("\r\n"), 0) : st;
}

enum status
http_send_last_chunk(
    struct conn *c, const struct http_field *trailers, size_t trailer_count)
{
    struct buf end;
    buf_init(&end, LIMIT_TRAILER_BYTES + 16);
    enum status st = http_trailers_encode(trailers, trailer_count, &end);
    if (st == STATUS_OK) {
        st = conn_send(c, buf_view(&end), 0);
    }
    buf_fini(&end);
    return st;
}
