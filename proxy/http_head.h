/* HTTP/1.1 message heads (RFC 9112 sections 2-6), strict.
 *
 * Owns the bytes of one head while it is being collected and until the next
 * begins; refuses to know bodies, sockets and routing. Whatever two parsers
 * could read differently is refused: obs-fold, bare CR or LF, NUL, space
 * before the colon, absolute and authority forms, Content-Length together
 * with Transfer-Encoding, repeated or non-digit Content-Length, any
 * Transfer-Encoding but one "chunked", HTTP/1.0 with Transfer-Encoding.
 */
#ifndef PROXY_HTTP_HEAD_H
#define PROXY_HTTP_HEAD_H

#include "base/buf.h"
#include "proxy/limits.h"

enum http_kind {
    HTTP_REQUEST,
    HTTP_RESPONSE
};

enum http_framing {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
    HTTP_BODY_UNTIL_CLOSE, /* responses only */
};

struct http_field {
    struct span name;  /* as sent; compare with span_eq_nocase */
    struct span value; /* OWS removed */
};

struct http_head {
    enum http_kind kind;
    unsigned minor;     /* HTTP/1.minor: 0 or 1 */
    struct span method; /* requests */
    struct span target; /* origin form, begins with '/'; or "*" of OPTIONS */
    unsigned status;    /* responses: 100-599 */
    struct span reason;
    struct http_field fields[LIMIT_FIELDS];
    size_t field_count;
    /* Derived, RFC 9112 6.3. For responses: as if the request were a GET;
     * HEAD and CONNECT are the caller's knowledge. 1xx, 204 and 304 are
     * HTTP_BODY_NONE. */
    enum http_framing framing;
    uint64_t length; /* HTTP_BODY_LENGTH */
    bool keep_alive; /* RFC 9112 9.3 */
    bool is_upgrade; /* Upgrade named by Connection, or Upgrade present, or
                      * SPDY/WebSocket headers without it: whatever could be
                      * taken as a wish to upgrade */
    bool expects_continue; /* RFC 9110 10.1.1 */
};

struct http_head_reader {
    enum http_kind kind;
    bool is_bad;
    unsigned bad_status; /* what to answer: 400, 414, 431, 501, 503, 505 */
    char why[128]; /* one sentence, with the offending name, never a value or
                    * a target; remote bytes in it are escaped */
    bool is_whole; /* http_head_reset is owed */
    bool has_skipped_line; /* the one empty line before this head */
    struct buf bytes;      /* the head so far; wiped when released */
};

void http_head_init(struct http_head_reader *r, enum http_kind kind);
void http_head_fini(struct http_head_reader *r);
/* FEED_PIECE: *out is whole and views r->bytes until the next http_head_next
 * or _fini; `in` then begins with the first byte after the head. Call
 * http_head_reset before the next head: it frees the bytes. One empty line
 * before a request line is skipped (RFC 9112 2.2). */
enum feed http_head_next(
    struct http_head_reader *r, struct span *in, struct http_head *out);
void http_head_reset(struct http_head_reader *r);
/* Whether a head has been begun and not finished. */
bool http_head_is_partial(const struct http_head_reader *r);

/* The first field of that name, or NULL; how many there are. */
const struct http_field *http_find(const struct http_head *h, const char *name);
size_t http_count(const struct http_head *h, const char *name);
/* Whether a comma-separated list field (all its lines) has `token`, without
 * regard to case. */
bool http_has_token(
    const struct http_head *h, const char *name, const char *token);

/* Whether a body follows; one of length 0 is none. */
bool http_has_body(const struct http_head *h);

/* Hop-by-hop: the fixed set of RFC 9110 7.6.1 and 9112 (Connection,
 * Proxy-Connection, Keep-Alive, TE, Trailer, Transfer-Encoding, Upgrade,
 * Proxy-Authenticate, Proxy-Authorization), and what Connection names. */
bool http_is_hop_by_hop(const struct http_head *h, struct span name);

/* One header or trailer line without its CRLF. NULL and *out views `line`, or
 * a sentence that says what is wrong; out->name is then the offending name
 * when there is one, else untouched. */
const char *http_field_parse(
    struct span line, struct http_field *out) MUST_CHECK;

/* Field names and values that may be written: token characters; no CR, LF,
 * NUL. */
bool http_name_is_valid(struct span name);
bool http_value_is_valid(struct span value);

#endif
