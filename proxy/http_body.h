/* HTTP/1.1 bodies (RFC 9112 sections 6 and 7): content, chunk framing,
 * trailers.
 *
 * Content leaves as borrowed pieces of the input. Chunk extensions are
 * dropped. Strict: CRLF only, hexadecimal sizes up to 2^63, no space around
 * them.
 */
#ifndef PROXY_HTTP_BODY_H
#define PROXY_HTTP_BODY_H

#include "base/buf.h"
#include "proxy/http_head.h"

enum http_body_fact {
    HTTP_BODY_PIECE, /* `bytes`, never empty */
    HTTP_BODY_END,   /* the body is over; trailers, if any, in `trailers` */
};

struct http_body_reader {
    enum http_framing framing;
    uint64_t left; /* of this length or chunk */
    int state;     /* enum body_state, http_body.c */
    bool is_bad;
    bool is_over;
    char why[96];
    struct buf line; /* chunk line or trailer section being collected */
    struct http_field trailers[16];
    size_t trailer_count;
};

struct http_body_piece {
    enum http_body_fact fact;
    struct span bytes;
    const struct http_field *trailers; /* until _fini */
    size_t trailer_count;
};

void http_body_init(
    struct http_body_reader *r, enum http_framing framing, uint64_t length);
void http_body_fini(struct http_body_reader *r);
/* HTTP_BODY_NONE and a length of 0 give END at once, without input. After END
 * the answer is FEED_MORE, and nothing is consumed. */
enum feed http_body_next(
    struct http_body_reader *r, struct span *in, struct http_body_piece *out);
/* The peer closed: true when that ends the body properly (UNTIL_CLOSE, or it
 * was over already). */
bool http_body_closed(struct http_body_reader *r);

/* Writes one chunk's head, "1a2b\r\n"; the chunk ends with CRLF. */
enum status http_chunk_encode(size_t len, struct buf *out) MUST_CHECK;

#endif
