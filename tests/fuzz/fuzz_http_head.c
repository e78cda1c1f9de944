/* Any bytes as heads. Properties: how the bytes were split never shows; BAD
 * stays BAD; what is lent lies in order and is what a writer may write. */
#include "proxy/http_head.h"

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

/* FNV-1a over everything a reader said. */
static void
mix(uint64_t *digest, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        *digest = (*digest ^ p[i]) * 0x100000001b3u;
    }
}

static void
mix_number(uint64_t *digest, uint64_t n)
{
    mix(digest, &n, sizeof n);
}

static void
mix_span(uint64_t *digest, struct span s)
{
    mix_number(digest, s.len);
    mix(digest, s.ptr, s.len);
}

static void
check_head(const struct http_head *h, uint64_t *digest)
{
    mix_span(digest, h->method);
    mix_span(digest, h->target);
    mix_span(digest, h->reason);
    mix_number(digest, h->status);
    mix_number(digest, h->minor);
    mix_number(digest, (uint64_t)h->framing);
    mix_number(digest, h->length);
    mix_number(digest, h->keep_alive);
    mix_number(digest, h->is_upgrade);
    mix_number(digest, h->expects_continue);
    require(h->field_count <= LIMIT_FIELDS);
    for (size_t i = 0; i < h->field_count; i++) {
        require(http_name_is_valid(h->fields[i].name));
        require(http_value_is_valid(h->fields[i].value));
        mix_span(digest, h->fields[i].name);
        mix_span(digest, h->fields[i].value);
    }
    if (http_find(h, "Upgrade") != NULL ||
        http_has_token(h, "connection", "upgrade")) {
        require(h->is_upgrade);
    }
    if (h->framing == HTTP_BODY_CHUNKED) {
        require(http_count(h, "Content-Length") == 0);
    }
}

static uint64_t
read_all(enum http_kind kind, struct span bytes, size_t step)
{
    static struct http_head head;
    uint64_t digest = 0xcbf29ce484222325u;
    struct http_head_reader r;
    http_head_init(&r, kind);
    enum feed got = FEED_MORE;
    while (got != FEED_BAD && bytes.len > 0) {
        struct span piece = SPAN_EMPTY;
        require(span_take(&bytes, step < bytes.len ? step : bytes.len, &piece));
        got = http_head_next(&r, &piece, &head);
        while (got == FEED_PIECE) {
            check_head(&head, &digest);
            mix_number(&digest, bytes.len + piece.len);
            http_head_reset(&r);
            got = http_head_next(&r, &piece, &head);
        }
        require(got == FEED_BAD || piece.len == 0);
    }
    if (got == FEED_BAD) {
        struct span more = SPAN_LIT("GET / HTTP/1.1\r\n\r\n");
        require(http_head_next(&r, &more, &head) == FEED_BAD);
        require(r.why[0] != '\0' && r.bad_status >= 400);
        mix(&digest, r.why, strlen(r.why));
    }
    mix_number(&digest, http_head_is_partial(&r));
    http_head_fini(&r);
    return digest;
}

/* The first byte chooses the kind, the second a step. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const enum http_kind kind = data[0] & 1 ? HTTP_RESPONSE : HTTP_REQUEST;
    const struct span bytes = span_of(data + 2, size - 2);
    const uint64_t whole = read_all(kind, bytes, bytes.len);
    require(read_all(kind, bytes, 1) == whole);
    require(read_all(kind, bytes, (size_t)data[1] + 1) == whole);
    return 0;
}
