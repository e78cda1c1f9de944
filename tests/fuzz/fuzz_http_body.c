/* Any bytes as a body. Properties: how the bytes were split never shows in
 * the content, the trailers and where the body ends; BAD stays BAD; after the
 * end nothing is consumed. */
#include "proxy/http_body.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void
mix(uint64_t *digest, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        *digest = (*digest ^ s.ptr[i]) * 0x100000001b3u;
    }
}

static void
mix_number(uint64_t *digest, uint64_t n)
{
    mix(digest, span_of(&n, sizeof n));
}

static void
mix_trailers(uint64_t *digest, const struct http_body_piece *p)
{
    for (size_t i = 0; i < p->trailer_count; i++) {
        require(http_name_is_valid(p->trailers[i].name));
        require(http_value_is_valid(p->trailers[i].value));
        mix(digest, p->trailers[i].name);
        mix(digest, p->trailers[i].value);
    }
}

static enum feed
read_piece(struct http_body_reader *r, struct span piece, size_t rest,
    uint64_t *digest)
{
    struct http_body_piece out;
    enum feed got = http_body_next(r, &piece, &out);
    while (got == FEED_PIECE && out.fact == HTTP_BODY_PIECE) {
        require(out.bytes.len > 0);
        mix(digest, out.bytes);
        got = http_body_next(r, &piece, &out);
    }
    if (got == FEED_PIECE) {
        mix_trailers(digest, &out);
        mix_number(digest, rest + piece.len);
        const size_t left = piece.len;
        require(http_body_next(r, &piece, &out) == FEED_MORE);
        require(piece.len == left);
    }
    return got;
}

static uint64_t
read_all(
    enum http_framing framing, uint64_t length, struct span bytes, size_t step)
{
    uint64_t digest = 0xcbf29ce484222325u;
    struct http_body_reader r;
    http_body_init(&r, framing, length);
    enum feed got = read_piece(&r, SPAN_EMPTY, bytes.len, &digest);
    while (got == FEED_MORE && bytes.len > 0) {
        struct span piece = SPAN_EMPTY;
        require(span_take(&bytes, step < bytes.len ? step : bytes.len, &piece));
        got = read_piece(&r, piece, bytes.len, &digest);
    }
    if (got == FEED_BAD) {
        struct http_body_piece out;
        struct span more = SPAN_LIT("0\r\n\r\n");
        require(http_body_next(&r, &more, &out) == FEED_BAD);
        require(!http_body_closed(&r));
        mix(&digest, span_str(r.why));
    }
    mix_number(&digest, http_body_closed(&r));
    http_body_fini(&r);
    return digest;
}

/* Framing, step, length; then the bytes. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t framing;
    uint8_t step;
    uint8_t length;
    if (!span_take_u8(&in, &framing) || !span_take_u8(&in, &step) ||
        !span_take_u8(&in, &length)) {
        return 0;
    }
    const enum http_framing f = (enum http_framing)(framing & 3);
    const uint64_t whole = read_all(f, length, in, in.len);
    require(read_all(f, length, in, 1) == whole);
    require(read_all(f, length, in, (size_t)step + 1) == whole);
    return 0;
}
