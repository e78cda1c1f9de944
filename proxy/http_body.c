/* HTTP/1.1 bodies: content by length, by chunks, or until the peer closes.
 *
 * Owns chunk framing and the trailer section, RFC 9112 sections 6.3 and 7.1.
 * Content is lent straight out of the input; only a chunk's size line and the
 * trailers are collected, each under its cap. Refuses to know whose body it
 * is. Chunk extensions are hop-by-hop and dropped; but their bytes are still
 * checked, since a bare LF inside one is how two readers come to disagree
 * about where a chunk begins.
 */
#include "proxy/http_body.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum body_state {
    STATE_CONTENT,    /* `left` bytes, or all until close */
    STATE_CHUNK_LINE, /* size, extensions, CRLF */
    STATE_CHUNK,      /* `left` bytes of a chunk */
    STATE_CHUNK_END,  /* `left` bytes of the CRLF behind a chunk */
    STATE_TRAILERS,   /* lines, up to and with the empty one */
};

#define TRAILERS_MAX                                    \
    (sizeof(((struct http_body_reader *)0)->trailers) / \
        sizeof(struct http_field))

static_assert(LIMIT_CHUNK_LINE_BYTES <= LIMIT_TRAILER_BYTES,
    "both are collected in one buffer");

static enum body_state
first_state(enum http_framing framing)
{
    return framing == HTTP_BODY_CHUNKED ? STATE_CHUNK_LINE : STATE_CONTENT;
}

void
http_body_init(
    struct http_body_reader *r, enum http_framing framing, uint64_t length)
{
    *r = (struct http_body_reader){
        .framing = framing,
        .left = framing == HTTP_BODY_LENGTH ? length : 0,
        .state = (int)first_state(framing),
    };
    buf_init(&r->line, LIMIT_TRAILER_BYTES);
}

void
http_body_fini(struct http_body_reader *r)
{
    buf_fini(&r->line);
}

static enum feed
refuse(struct http_body_reader *r, const char *why)
{
    r->is_bad = true;
    snprintf(r->why, sizeof r->why, "%s", why);
    return FEED_BAD;
}

static enum feed
end(struct http_body_reader *r, struct http_body_piece *out)
{
    r->is_over = true;
    *out = (struct http_body_piece){
        .fact = HTTP_BODY_END,
        .bytes = SPAN_EMPTY,
        .trailers = r->trailers,
        .trailer_count = r->trailer_count,
    };
    return FEED_PIECE;
}

/* Lends what there is of the `left` bytes. */
static enum feed
lend(struct http_body_reader *r, struct span *in, struct http_body_piece *out)
{
    if (in->len == 0) {
        return FEED_MORE;
    }
    const size_t n = r->left < in->len ? (size_t)r->left : in->len;
    *out = (struct http_body_piece){.fact = HTTP_BODY_PIECE};
    span_take(in, n, &out->bytes);
    r->left -= n;
    return FEED_PIECE;
}

static enum feed
next_content(
    struct http_body_reader *r, struct span *in, struct http_body_piece *out)
{
    if (r->framing == HTTP_BODY_UNTIL_CLOSE) {
        r->left = UINT64_MAX;
        return lend(r, in, out);
    }
    return r->left == 0 ? end(r, out) : lend(r, in, out);
}

/* Collects up to and with the next LF, which must follow a CR. FEED_PIECE:
 * r->line ends with CRLF. */
static enum feed
collect_line(struct http_body_reader *r, struct span *in, size_t max)
{
    if (in->len == 0) {
        return FEED_MORE;
    }
    const uint8_t *lf = memchr(in->ptr, '\n', in->len);
    const size_t n = lf == NULL ? in->len : (size_t)(lf - in->ptr) + 1;
    if (n > max - r->line.len) {
        return refuse(r, "chunk line or trailers are too long");
    }
    if (buf_append(&r->line, (struct span){in->ptr, n}) != STATUS_OK) {
        return refuse(r, "out of memory for a chunk line");
    }
    span_skip(in, n);
    if (lf == NULL) {
        return FEED_MORE;
    }
    const struct span line = buf_view(&r->line);
    if (line.len < 2 || line.ptr[line.len - 2] != '\r') {
        return refuse(r, "line ends without CR");
    }
    return FEED_PIECE;
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

/* Digits, at most 16, at most 2^63 - 1; leaves what follows in `line`. */
static bool
take_size(struct span *line, uint64_t *out)
{
    uint64_t size = 0;
    size_t digits = 0;
    while (digits < line->len && hex_value(line->ptr[digits]) >= 0) {
        if (digits == 16) {
            return false;
        }
        size = size << 4 | (uint64_t)hex_value(line->ptr[digits]);
        digits++;
    }
    span_skip(line, digits);
    if (digits == 0 || size > INT64_MAX) {
        return false;
    }
    *out = size;
    return true;
}

static enum feed
next_chunk_line(struct http_body_reader *r, struct span *in)
{
    const enum feed got = collect_line(r, in, LIMIT_CHUNK_LINE_BYTES);
    if (got != FEED_PIECE) {
        return got;
    }
    struct span line = buf_view(&r->line);
    line.len -= 2; /* CRLF */
    if (!take_size(&line, &r->left)) {
        return refuse(r, "chunk has no size");
    }
    if ((line.len > 0 && line.ptr[0] != ';') || !http_value_is_valid(line)) {
        return refuse(r, "forbidden byte behind a chunk's size");
    }
    buf_clear(&r->line);
    r->state = r->left == 0 ? STATE_TRAILERS : STATE_CHUNK;
    return FEED_PIECE;
}

static enum feed
next_chunk_end(struct http_body_reader *r, struct span *in)
{
    uint8_t c;
    while (r->left > 0) {
        if (!span_take_u8(in, &c)) {
            return FEED_MORE;
        }
        if (c != (r->left == 2 ? '\r' : '\n')) {
            return refuse(r, "chunk is longer than its size");
        }
        r->left--;
    }
    r->state = STATE_CHUNK_LINE;
    return FEED_PIECE;
}

/* RFC 9110 6.5.1: no field in a trailer may frame, route, authenticate or
 * modify the message. Nobody sends one by mistake, so it is refused rather
 * than dropped. */
static bool
may_trail(struct span name)
{
    static const char *const forbidden[] = {
        "Authorization",
        "Cache-Control",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Range",
        "Content-Type",
        "Cookie",
        "Expect",
        "Host",
        "Keep-Alive",
        "Max-Forwards",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Range",
        "Set-Cookie",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "WWW-Authenticate",
    };
    static const char *const prefixes[] = {
        "Impersonate-",
        "Sec-WebSocket-",
        "X-Forwarded-",
        "X-Remote-",
    };
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        if (span_eq_nocase(name, forbidden[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        struct span rest = name;
        struct span head;
        if (span_take(&rest, strlen(prefixes[i]), &head) &&
            span_eq_nocase(head, prefixes[i])) {
            return false;
        }
    }
    return true;
}

/* All lines of r->line, the last one empty. */
static enum feed
parse_trailers(struct http_body_reader *r)
{
    struct span rest = buf_view(&r->line);
    struct span line;
    while (span_take_until(&rest, '\n', &line) && line.len > 1) {
        line.len--; /* CR */
        if (r->trailer_count == TRAILERS_MAX) {
            return refuse(r, "too many trailers");
        }
        struct http_field *field = &r->trailers[r->trailer_count];
        const char *why = http_field_parse(line, field);
        if (why != NULL) {
            return refuse(r, why);
        }
        if (!may_trail(field->name)) {
            return refuse(r, "trailer that may only be a header");
        }
        r->trailer_count++;
    }
    return FEED_PIECE;
}

static bool
ends_trailers(struct span lines)
{
    return lines.len == 2 || lines.ptr[lines.len - 3] == '\n';
}

static enum feed
next_trailers(
    struct http_body_reader *r, struct span *in, struct http_body_piece *out)
{
    enum feed got = collect_line(r, in, LIMIT_TRAILER_BYTES);
    while (got == FEED_PIECE && !ends_trailers(buf_view(&r->line))) {
        got = collect_line(r, in, LIMIT_TRAILER_BYTES);
    }
    if (got != FEED_PIECE) {
        return got;
    }
    return parse_trailers(r) == FEED_BAD ? FEED_BAD : end(r, out);
}

/* FEED_PIECE with *out untouched never leaves here: the steps between two
 * facts (a size line, the CRLF of a chunk) answer it to say "go on". */
static enum feed
next_fact(
    struct http_body_reader *r, struct span *in, struct http_body_piece *out)
{
    enum feed got = FEED_PIECE;
    while (got == FEED_PIECE) {
        switch ((enum body_state)r->state) {
        case STATE_CONTENT:
            return next_content(r, in, out);
        case STATE_CHUNK_LINE:
            got = next_chunk_line(r, in);
            break;
        case STATE_CHUNK:
            if (r->left > 0) {
                return lend(r, in, out);
            }
            r->left = 2;
            r->state = STATE_CHUNK_END;
            break;
        case STATE_CHUNK_END:
            got = next_chunk_end(r, in);
            break;
        case STATE_TRAILERS:
            return next_trailers(r, in, out);
        }
    }
    return got;
}

enum feed
http_body_next(
    struct http_body_reader *r, struct span *in, struct http_body_piece *out)
{
    if (r->is_bad) {
        return FEED_BAD;
    }
    return r->is_over ? FEED_MORE : next_fact(r, in, out);
}

bool
http_body_closed(struct http_body_reader *r)
{
    if (r->is_bad) {
        return false;
    }
    if (r->framing == HTTP_BODY_UNTIL_CLOSE ||
        (r->state == STATE_CONTENT && r->left == 0)) {
        r->is_over = true;
    }
    if (!r->is_over) {
        refuse(r, "body is cut short");
    }
    return r->is_over;
}

enum status
http_chunk_encode(size_t len, struct buf *out)
{
    assert(len > 0); /* 0 would end the body */
    return buf_printf(out, "%zx\r\n", len);
}
