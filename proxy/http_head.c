/* HTTP/1.1 message heads: collecting, strict parsing, derived facts.
 *
 * Two steps. Bytes are collected line by line until the empty line, so that
 * nothing behind the head is ever copied and no byte is searched twice; then
 * the whole head is parsed in one pass. Refuses to know what any field means
 * beyond framing, persistence and upgrades.
 *
 * RFC 9112 sections 2 to 6, RFC 9110 sections 5, 7.6.1, 7.8 and 10.1.1. The
 * trap that shaped it: a front and a back that read one head differently are
 * a smuggled request, so every leniency the RFC allows a recipient is
 * refused here. A refusal never quotes a field's value or the target: either
 * may be a credential.
 */
#include "proxy/http_head.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Room taken with the first bytes: most heads are smaller, and growing a
 * buffer leaves copies of credentials behind. */
#define FIRST_ROOM_BYTES 8192u

/* Fields that decide framing, persistence or upgrades. */
enum known_field {
    FIELD_OTHER,
    FIELD_CONNECTION,
    FIELD_CONTENT_LENGTH,
    FIELD_EXPECT,
    FIELD_HOST,
    FIELD_TRANSFER_ENCODING,
    FIELD_UPGRADE_WISH,
};

/* What the fields said, before it is weighed. */
struct field_facts {
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
    bool is_chunked;
    bool closes;
    bool keeps_alive;
};

static uint8_t
lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* tchar of RFC 9110 5.6.2, the common ones first. */
static bool
is_token_char(uint8_t c)
{
    if ((lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || is_digit(c)) {
        return true;
    }
    return c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL;
}

bool
http_name_is_valid(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_char(name.ptr[i])) {
            return false;
        }
    }
    return name.len > 0;
}

/* field-content of RFC 9110 5.5: VCHAR, obs-text, SP, HTAB. */
static bool
is_value_char(uint8_t c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

bool
http_value_is_valid(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (!is_value_char(value.ptr[i])) {
            return false;
        }
    }
    return true;
}

void
http_head_init(struct http_head_reader *r, enum http_kind kind)
{
    *r = (struct http_head_reader){.kind = kind};
    buf_init(&r->bytes, LIMIT_HEAD_BYTES);
}

void
http_head_fini(struct http_head_reader *r)
{
    buf_wipe(&r->bytes); /* Authorization is in there */
}

void
http_head_reset(struct http_head_reader *r)
{
    buf_wipe(&r->bytes);
    r->is_whole = false;
    r->has_skipped_line = false;
}

bool
http_head_is_partial(const struct http_head_reader *r)
{
    return r->bytes.len > 0 && !r->is_whole;
}

/* Writes `name` behind what `why` holds, quoted; control bytes as \xNN. */
static void
quote_into(char *why, size_t cap, struct span name)
{
    size_t at = strlen(why);
    at += (size_t)snprintf(why + at, cap - at, " \"");
    /* Room is kept for one escape, the quote and the NUL. */
    for (size_t i = 0; i < name.len && at + 6 < cap; i++) {
        const uint8_t c = name.ptr[i];
        const bool is_plain = c > 0x20 && c < 0x7f && c != '"' && c != '\\';
        at += (size_t)snprintf(
            why + at, cap - at, is_plain ? "%c" : "\\x%02x", c);
    }
    snprintf(why + at, cap - at, "\"");
}

static enum feed
refuse(struct http_head_reader *r, unsigned status, const char *sentence,
    struct span name)
{
    r->is_bad = true;
    r->bad_status = status;
    snprintf(r->why, sizeof r->why, "%s", sentence);
    if (name.len > 0) {
        quote_into(r->why, sizeof r->why, name);
    }
    return FEED_BAD;
}

static enum feed
refuse_growth(struct http_head_reader *r, enum status st)
{
    if (st != STATUS_LIMIT) {
        return refuse(r, 503, "out of memory for a head", SPAN_EMPTY);
    }
    const struct span head = buf_view(&r->bytes);
    const bool in_first_line = memchr(head.ptr, '\n', head.len) == NULL;
    return r->kind == HTTP_REQUEST && in_first_line
               ? refuse(r, 414, "request line is too long", SPAN_EMPTY)
               : refuse(r, 431, "head is too large", SPAN_EMPTY);
}

/* r->bytes ends with LF. FEED_PIECE when that ends the head, FEED_MORE when
 * it is one line of it. */
static enum feed
end_line(struct http_head_reader *r)
{
    const struct span head = buf_view(&r->bytes);
    if (head.len < 2 || head.ptr[head.len - 2] != '\r') {
        return refuse(r, 400, "line ends without CR", SPAN_EMPTY);
    }
    if (head.len == 2) {
        if (r->kind == HTTP_RESPONSE || r->has_skipped_line) {
            return refuse(r, 400, "head begins with an empty line", SPAN_EMPTY);
        }
        r->has_skipped_line = true;
        buf_clear(&r->bytes);
        return FEED_MORE;
    }
    return head.ptr[head.len - 3] == '\n' ? FEED_PIECE : FEED_MORE;
}

static enum feed
collect(struct http_head_reader *r, struct span *in)
{
    uint8_t *unused;
    enum status st = STATUS_OK;
    if (r->bytes.data == NULL) {
        const size_t room =
            in->len < FIRST_ROOM_BYTES ? in->len : FIRST_ROOM_BYTES;
        st = buf_reserve(&r->bytes, room, &unused);
    }
    enum feed got = FEED_MORE;
    while (got == FEED_MORE && in->len > 0) {
        const uint8_t *lf = memchr(in->ptr, '\n', in->len);
        const size_t n = lf == NULL ? in->len : (size_t)(lf - in->ptr) + 1;
        if (st == STATUS_OK) {
            st = buf_append(&r->bytes, (struct span){in->ptr, n});
        }
        if (st != STATUS_OK) {
            return refuse_growth(r, st);
        }
        span_skip(in, n);
        got = lf == NULL ? FEED_MORE : end_line(r);
    }
    return got;
}

static enum feed
parse_version(
    struct http_head_reader *r, struct span text, struct http_head *out)
{
    if (text.len != 8 || !span_starts_with(text, "HTTP/") ||
        !is_digit(text.ptr[5]) || text.ptr[6] != '.' ||
        !is_digit(text.ptr[7])) {
        return refuse(r, 400, "no HTTP version", text);
    }
    if (text.ptr[5] != '1' || text.ptr[7] > '1') {
        return refuse(r, 505, "HTTP version is not 1.0 or 1.1:", text);
    }
    out->minor = (unsigned)(text.ptr[7] - '0');
    return FEED_PIECE;
}

/* Origin form, or "*" of OPTIONS (RFC 9112 3.2.1 and 3.2.4). */
static enum feed
check_target(struct http_head_reader *r, const struct http_head *h)
{
    if (h->target.len > LIMIT_TARGET_BYTES) {
        return refuse(r, 414, "request target is too long", SPAN_EMPTY);
    }
    for (size_t i = 0; i < h->target.len; i++) {
        const uint8_t c = h->target.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#') {
            return refuse(r, 400, "forbidden byte in request target",
                (struct span){h->target.ptr + i, 1});
        }
    }
    const bool is_star =
        span_eq_str(h->target, "*") && span_eq_str(h->method, "OPTIONS");
    if (!is_star && (h->target.len == 0 || h->target.ptr[0] != '/')) {
        return refuse(r, 400, "request target is not a path", SPAN_EMPTY);
    }
    return FEED_PIECE;
}

static enum feed
parse_request_line(
    struct http_head_reader *r, struct span line, struct http_head *out)
{
    if (!span_take_until(&line, ' ', &out->method) ||
        !http_name_is_valid(out->method)) {
        return refuse(r, 400, "request line has no method", SPAN_EMPTY);
    }
    /* Go takes `CONNECT /path` for a path like any other; nobody needs it. */
    if (span_eq_str(out->method, "CONNECT")) {
        return refuse(r, 400, "method is not served:", out->method);
    }
    if (!span_take_until(&line, ' ', &out->target)) {
        return refuse(r, 400, "request line has no version", SPAN_EMPTY);
    }
    if (parse_version(r, line, out) == FEED_BAD) {
        return FEED_BAD;
    }
    return check_target(r, out);
}

/* The SP before an empty reason may be missing: servers forget it, and no
 * two readers disagree about what it means. */
static enum feed
parse_status_line(
    struct http_head_reader *r, struct span line, struct http_head *out)
{
    struct span version;
    struct span code;
    uint64_t status;
    if (!span_take_until(&line, ' ', &version) || !span_take(&line, 3, &code)) {
        return refuse(r, 400, "status line is incomplete", SPAN_EMPTY);
    }
    if (parse_version(r, version, out) == FEED_BAD) {
        return FEED_BAD;
    }
    if (!span_to_u64(code, 599, &status) || status < 100) {
        return refuse(r, 400, "no status code:", code);
    }
    if (line.len > 0 && line.ptr[0] != ' ') {
        return refuse(r, 400, "status code is too long", SPAN_EMPTY);
    }
    span_skip(&line, line.len > 0 ? 1 : 0);
    if (!http_value_is_valid(line)) {
        return refuse(r, 400, "forbidden byte in reason", SPAN_EMPTY);
    }
    out->status = (unsigned)status;
    out->reason = line;
    return FEED_PIECE;
}

static bool
eq_nocase(struct span a, struct span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool
contains_nocase(struct span s, struct span word)
{
    for (; s.len >= word.len; span_skip(&s, 1)) {
        if (eq_nocase((struct span){s.ptr, word.len}, word)) {
            return true;
        }
    }
    return false;
}

/* One member of a comma-separated list, trimmed; false at its end. */
static bool
take_member(struct span *list, struct span *member_out)
{
    if (list->len == 0) {
        return false;
    }
    struct span member;
    if (!span_take_until(list, ',', &member)) {
        member = *list;
        *list = SPAN_EMPTY;
    }
    *member_out = span_trim(member);
    return true;
}

static bool
list_has(struct span list, struct span token)
{
    struct span member;
    while (take_member(&list, &member)) {
        if (eq_nocase(member, token)) {
            return true;
        }
    }
    return false;
}

static enum known_field
known_field_of(struct span name)
{
    static const struct {
        const char *name;
        enum known_field field;
    } table[] = {
        {"Host", FIELD_HOST},
        {"Expect", FIELD_EXPECT},
        {"Upgrade", FIELD_UPGRADE_WISH},
        {"Connection", FIELD_CONNECTION},
        {"Content-Length", FIELD_CONTENT_LENGTH},
        {"Transfer-Encoding", FIELD_TRANSFER_ENCODING},
        {"X-Stream-Protocol-Version", FIELD_UPGRADE_WISH},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (span_eq_nocase(name, table[i].name)) {
            return table[i].field;
        }
    }
    const struct span prefix = SPAN_LIT("Sec-WebSocket-");
    const bool is_websocket =
        name.len > prefix.len &&
        eq_nocase((struct span){name.ptr, prefix.len}, prefix);
    return is_websocket ? FIELD_UPGRADE_WISH : FIELD_OTHER;
}

/* uri-host [ ":" port ], by its bytes (RFC 9110 7.2). */
static bool
host_is_valid(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t c = value.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr("/?#@\\\"<>^`{|}", c) != NULL) {
            return false;
        }
    }
    return true;
}

/* k8s.io/apimachinery's httpstream.IsUpgradeRequest looks for "upgrade"
 * anywhere in any Connection line, in any case. */
static void
note_connection(struct span value, struct http_head *h, struct field_facts *f)
{
    f->closes |= list_has(value, SPAN_LIT("close"));
    f->keeps_alive |= list_has(value, SPAN_LIT("keep-alive"));
    h->is_upgrade |= contains_nocase(value, SPAN_LIT("upgrade"));
}

static enum feed
note_field(struct http_head_reader *r, const struct http_field *field,
    struct http_head *h, struct field_facts *f)
{
    switch (known_field_of(field->name)) {
    case FIELD_CONNECTION:
        note_connection(field->value, h, f);
        break;
    case FIELD_CONTENT_LENGTH:
        f->lengths++;
        if (!span_to_u64(field->value, INT64_MAX, &h->length)) {
            return refuse(r, 400, "Content-Length is not a number", SPAN_EMPTY);
        }
        break;
    case FIELD_EXPECT:
        h->expects_continue |= list_has(field->value, SPAN_LIT("100-continue"));
        break;
    case FIELD_HOST:
        f->hosts++;
        if (!host_is_valid(field->value)) {
            return refuse(r, 400, "Host is not a host", SPAN_EMPTY);
        }
        break;
    case FIELD_TRANSFER_ENCODING:
        f->encodings++;
        f->is_chunked = eq_nocase(field->value, SPAN_LIT("chunked"));
        break;
    case FIELD_UPGRADE_WISH:
        h->is_upgrade = true;
        break;
    case FIELD_OTHER:
        break;
    }
    return FEED_PIECE;
}

const char *
http_field_parse(struct span line, struct http_field *out)
{
    if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
        return "folded header line";
    }
    struct span name;
    if (!span_take_until(&line, ':', &name)) {
        return "header line without colon";
    }
    *out = (struct http_field){.name = name, .value = SPAN_EMPTY};
    if (!http_name_is_valid(name)) {
        return "bad header name";
    }
    if (!http_value_is_valid(line)) {
        return "forbidden byte in header";
    }
    out->value = span_trim(line);
    return NULL;
}

/* Every line still ends with CRLF: end_line saw to it. */
static struct span
take_line(struct span *rest)
{
    struct span line = SPAN_EMPTY;
    const bool taken = span_take_until(rest, '\n', &line);
    assert(taken && line.len > 0);
    line.len--;
    return line;
}

static enum feed
parse_fields(struct http_head_reader *r, struct span rest,
    struct http_head *out, struct field_facts *facts)
{
    for (struct span line = take_line(&rest); line.len > 0;
         line = take_line(&rest)) {
        if (out->field_count == LIMIT_FIELDS) {
            return refuse(r, 431, "too many header lines", SPAN_EMPTY);
        }
        struct http_field *field = &out->fields[out->field_count];
        field->name = SPAN_EMPTY;
        const char *why = http_field_parse(line, field);
        if (why != NULL) {
            return refuse(r, 400, why, field->name);
        }
        if (note_field(r, field, out, facts) == FEED_BAD) {
            return FEED_BAD;
        }
        out->field_count++;
    }
    return FEED_PIECE;
}

/* RFC 9112 6.1 to 6.3: what two readers could take differently. */
static enum feed
check_framing(struct http_head_reader *r, const struct http_head *h,
    const struct field_facts *f)
{
    if (f->lengths > 1) {
        return refuse(r, 400, "Content-Length is repeated", SPAN_EMPTY);
    }
    if (f->encodings > 0 && f->lengths > 0) {
        return refuse(
            r, 400, "both Content-Length and Transfer-Encoding", SPAN_EMPTY);
    }
    if (f->encodings > 0 && h->minor == 0) {
        return refuse(r, 400, "Transfer-Encoding in HTTP/1.0", SPAN_EMPTY);
    }
    if (f->encodings > 1 || (f->encodings == 1 && !f->is_chunked)) {
        return refuse(
            r, 501, "Transfer-Encoding is not chunked alone", SPAN_EMPTY);
    }
    return FEED_PIECE;
}

static enum http_framing
framing_of(const struct http_head *h, const struct field_facts *f)
{
    const bool is_response = h->kind == HTTP_RESPONSE;
    if (is_response &&
        (h->status < 200 || h->status == 204 || h->status == 304)) {
        return HTTP_BODY_NONE;
    }
    if (f->encodings > 0) {
        return HTTP_BODY_CHUNKED;
    }
    if (f->lengths > 0) {
        return HTTP_BODY_LENGTH;
    }
    return is_response ? HTTP_BODY_UNTIL_CLOSE : HTTP_BODY_NONE;
}

static enum feed
derive(struct http_head_reader *r, const struct field_facts *f,
    struct http_head *out)
{
    if (check_framing(r, out, f) == FEED_BAD) {
        return FEED_BAD;
    }
    /* RFC 9112 3.2: exactly one Host; HTTP/1.0 may do without. */
    const bool needs_host = out->kind == HTTP_REQUEST && out->minor == 1;
    if (f->hosts > 1 || (needs_host && f->hosts == 0)) {
        return refuse(r, 400, "Host is missing or repeated", SPAN_EMPTY);
    }
    out->framing = framing_of(out, f);
    out->length = out->framing == HTTP_BODY_LENGTH ? out->length : 0;
    out->keep_alive = !f->closes && (out->minor == 1 || f->keeps_alive) &&
                      out->framing != HTTP_BODY_UNTIL_CLOSE;
    /* RFC 9110 10.1.1: ignored in HTTP/1.0. */
    out->expects_continue &= out->kind == HTTP_REQUEST && out->minor == 1;
    return FEED_PIECE;
}

static enum feed
parse(struct http_head_reader *r, struct http_head *out)
{
    struct span rest = buf_view(&r->bytes);
    const struct span line = take_line(&rest);
    out->kind = r->kind;
    const enum feed got = r->kind == HTTP_REQUEST
                              ? parse_request_line(r, line, out)
                              : parse_status_line(r, line, out);
    struct field_facts facts = {0};
    if (got == FEED_BAD || parse_fields(r, rest, out, &facts) == FEED_BAD) {
        return FEED_BAD;
    }
    return derive(r, &facts, out);
}

enum feed
http_head_next(
    struct http_head_reader *r, struct span *in, struct http_head *out)
{
    assert(!r->is_whole); /* reset comes first */
    if (r->is_bad) {
        return FEED_BAD;
    }
    enum feed got = collect(r, in);
    if (got == FEED_PIECE) {
        r->is_whole = true;
        *out = (struct http_head){
            .target = SPAN_EMPTY, .method = SPAN_EMPTY, .reason = SPAN_EMPTY};
        got = parse(r, out);
    }
    if (got == FEED_BAD) {
        r->is_whole = false;
        buf_wipe(&r->bytes);
    }
    return got;
}

const struct http_field *
http_find(const struct http_head *h, const char *name)
{
    const struct span wanted = span_str(name);
    for (size_t i = 0; i < h->field_count; i++) {
        if (eq_nocase(h->fields[i].name, wanted)) {
            return &h->fields[i];
        }
    }
    return NULL;
}

size_t
http_count(const struct http_head *h, const char *name)
{
    const struct span wanted = span_str(name);
    size_t count = 0;
    for (size_t i = 0; i < h->field_count; i++) {
        count += eq_nocase(h->fields[i].name, wanted) ? 1 : 0;
    }
    return count;
}

static bool
any_line_has(const struct http_head *h, struct span name, struct span token)
{
    for (size_t i = 0; i < h->field_count; i++) {
        if (eq_nocase(h->fields[i].name, name) &&
            list_has(h->fields[i].value, token)) {
            return true;
        }
    }
    return false;
}

bool
http_has_token(const struct http_head *h, const char *name, const char *token)
{
    return any_line_has(h, span_str(name), span_str(token));
}

static bool
is_one_of(struct span name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (span_eq_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

bool
http_has_body(const struct http_head *h)
{
    return h->framing != HTTP_BODY_NONE &&
           !(h->framing == HTTP_BODY_LENGTH && h->length == 0);
}

bool
http_is_hop_by_hop(const struct http_head *h, struct span name)
{
    static const char *const always[] = {
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    };
    /* A peer that names these in Connection wants the next hop to frame or
     * route the message differently. */
    static const char *const never[] = {
        "Content-Length",
        "Host",
    };
    if (is_one_of(name, always, sizeof always / sizeof always[0])) {
        return true;
    }
    if (is_one_of(name, never, sizeof never / sizeof never[0])) {
        return false;
    }
    return any_line_has(h, SPAN_LIT("Connection"), name);
}
