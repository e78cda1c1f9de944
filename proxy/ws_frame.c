/* See ws_frame.h. The reader is a head that fills byte by byte and a payload
 * that is counted down; everything that a head can get wrong is refused by
 * head_check before the first payload byte is looked at. */
#include "proxy/ws_frame.h"

#include <assert.h>
#include <string.h>

#define HEAD_FIN    0x80u
#define HEAD_RSV    0x70u
#define HEAD_OPCODE 0x0Fu
#define HEAD_MASK   0x80u
#define HEAD_LENGTH 0x7Fu

#define LENGTH_16      126u /* RFC 6455 5.2: then 2 bytes follow */
#define LENGTH_64      127u /* then 8 bytes follow */
#define CONTROL_LENGTH 125u /* RFC 6455 5.5 */

void
ws_frame_init(struct ws_frame_reader *r, bool is_client)
{
    *r = (struct ws_frame_reader){.is_masked = is_client};
}

bool
ws_frame_is_between(const struct ws_frame_reader *r)
{
    return !r->in_payload && r->head_len == 0 && !r->in_message;
}

static bool
refuse(struct ws_frame_reader *r, const char *why)
{
    r->why = why;
    return false;
}

/* How long the head is, as far as its first `head_len` bytes tell. */
static size_t
head_need(const struct ws_frame_reader *r)
{
    if (r->head_len < 2) {
        return 2;
    }
    const unsigned length = r->head[1] & HEAD_LENGTH;
    size_t need = 2;
    if (length == LENGTH_16) {
        need += 2;
    } else if (length == LENGTH_64) {
        need += 8;
    }
    return need + ((r->head[1] & HEAD_MASK) != 0 ? 4 : 0);
}

static bool
opcode_is_known(unsigned opcode)
{
    return opcode <= WS_OP_BINARY ||
           (opcode >= WS_OP_CLOSE && opcode <= WS_OP_PONG);
}

/* The first byte: RSV, opcode, and where it may stand (RFC 6455 5.2, 5.4). */
static bool
head_check_first(struct ws_frame_reader *r)
{
    const unsigned opcode = r->head[0] & HEAD_OPCODE;
    const bool is_fin = (r->head[0] & HEAD_FIN) != 0;
    if ((r->head[0] & HEAD_RSV) != 0) {
        return refuse(r, "websocket: reserved bit set");
    }
    if (!opcode_is_known(opcode)) {
        return refuse(r, "websocket: reserved opcode");
    }
    if (opcode >= WS_OP_CLOSE) {
        return is_fin || refuse(r, "websocket: fragmented control frame");
    }
    if (opcode == WS_OP_CONTINUATION && !r->in_message) {
        return refuse(r, "websocket: continuation of nothing");
    }
    if (opcode != WS_OP_CONTINUATION && r->in_message) {
        return refuse(r, "websocket: message inside a fragmented message");
    }
    return true;
}

/* The second byte: mask, and what a control frame may hold. */
static bool
head_check_second(struct ws_frame_reader *r)
{
    const unsigned opcode = r->head[0] & HEAD_OPCODE;
    const unsigned length = r->head[1] & HEAD_LENGTH;
    const bool is_masked = (r->head[1] & HEAD_MASK) != 0;
    if (is_masked != r->is_masked) {
        return refuse(r, r->is_masked ? "websocket: unmasked client frame"
                                      : "websocket: masked server frame");
    }
    if (opcode >= WS_OP_CLOSE && length > CONTROL_LENGTH) {
        return refuse(r, "websocket: control frame longer than 125 bytes");
    }
    if (opcode == WS_OP_CLOSE && length == 1) {
        return refuse(r, "websocket: close frame of one byte");
    }
    return true;
}

/* The length, which must be the shortest form (RFC 6455 5.2). */
static bool
head_take_length(struct ws_frame_reader *r, struct span *rest)
{
    const unsigned length = r->head[1] & HEAD_LENGTH;
    uint16_t length_16 = 0;
    r->left = length;
    if (length == LENGTH_16) {
        (void)span_take_u16(rest, &length_16);
        r->left = length_16;
        if (r->left < LENGTH_16) {
            return refuse(r, "websocket: overlong length");
        }
    } else if (length == LENGTH_64) {
        (void)span_take_u64(rest, &r->left);
        if (r->left > INT64_MAX) {
            return refuse(r, "websocket: length above 2^63");
        }
        if (r->left <= UINT16_MAX) {
            return refuse(r, "websocket: overlong length");
        }
    }
    return true;
}

static bool
head_parse(struct ws_frame_reader *r)
{
    struct span rest = {.ptr = r->head + 2, .len = r->head_len - 2};
    if (!head_take_length(r, &rest)) {
        return false;
    }
    if (r->is_masked) {
        memcpy(r->mask, rest.ptr, sizeof r->mask);
    }
    r->opcode = (enum ws_opcode)(r->head[0] & HEAD_OPCODE);
    r->is_fin = (r->head[0] & HEAD_FIN) != 0;
    if (r->opcode < WS_OP_CLOSE) {
        r->in_message = !r->is_fin;
    }
    r->head_len = 0;
    r->close_len = 0;
    r->in_payload = r->left > 0;
    return true;
}

/* True when the head is whole. False: `in` is empty, or r->why is set. */
static bool
head_collect(struct ws_frame_reader *r, struct span *in)
{
    while (r->head_len < head_need(r)) {
        if (!span_take_u8(in, &r->head[r->head_len])) {
            return false;
        }
        r->head_len++;
        if (r->head_len == 1 && !head_check_first(r)) {
            return false;
        }
        if (r->head_len == 2 && !head_check_second(r)) {
            return false;
        }
    }
    return head_parse(r);
}

/* XORs eight bytes a step, and leaves the mask turned for the next call. */
static void
unmask(uint8_t mask[4], struct span from, uint8_t *to)
{
    uint64_t wide;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t i = 0;
    for (; from.len - i >= sizeof wide; i += sizeof wide) {
        uint64_t word;
        memcpy(&word, from.ptr + i, sizeof word);
        word ^= wide;
        memcpy(to + i, &word, sizeof word);
    }
    for (; i < from.len; i++) {
        to[i] = from.ptr[i] ^ mask[i & 3];
    }
    uint8_t turned[4];
    for (size_t k = 0; k < sizeof turned; k++) {
        turned[k] = mask[(k + from.len) & 3];
    }
    memcpy(mask, turned, sizeof turned);
}

/* RFC 6455 7.4: codes that may be on the wire. */
static bool
close_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static bool
close_check(struct ws_frame_reader *r, struct span bytes)
{
    for (size_t i = 0; i < bytes.len && r->close_len < 2; i++) {
        r->close_code[r->close_len] = bytes.ptr[i];
        r->close_len++;
        if (r->close_len == 2 &&
            !close_code_is_valid(
                (unsigned)r->close_code[0] << 8 | r->close_code[1])) {
            return refuse(r, "websocket: close code that may not be sent");
        }
    }
    return true;
}

static bool
take_payload(struct ws_frame_reader *r, struct span *in, size_t max,
    uint8_t *scratch, struct span *out)
{
    size_t n = in->len < max ? in->len : max;
    n = n < r->left ? n : (size_t)r->left;
    (void)span_take(in, n, out);
    if (r->is_masked) {
        unmask(r->mask, *out, scratch);
        out->ptr = scratch;
    }
    r->left -= n;
    r->in_payload = r->left > 0;
    return r->opcode != WS_OP_CLOSE || close_check(r, *out);
}

enum feed
ws_frame_next(struct ws_frame_reader *r, struct span *in, size_t max,
    uint8_t *scratch, struct ws_piece *out)
{
    assert(max > 0);
    if (r->why != NULL) {
        return FEED_BAD;
    }
    if (in->len == 0) {
        return FEED_MORE;
    }
    const bool is_head = !r->in_payload;
    struct span bytes = SPAN_EMPTY;
    const bool has_fact = is_head ? head_collect(r, in)
                                  : take_payload(r, in, max, scratch, &bytes);
    if (!has_fact) {
        return r->why != NULL ? FEED_BAD : FEED_MORE;
    }
    *out = (struct ws_piece){
        .opcode = r->opcode,
        .is_head = is_head,
        .is_last = !r->in_payload,
        .is_fin = r->is_fin,
        .bytes = bytes,
    };
    return FEED_PIECE;
}

enum status
ws_frame_encode_head(enum ws_opcode opcode, size_t len, struct buf *out)
{
    enum status st = buf_append_u8(out, (uint8_t)(HEAD_FIN | opcode));
    if (st != STATUS_OK) {
        return st;
    }
    if (len < LENGTH_16) {
        return buf_append_u8(out, (uint8_t)len);
    }
    const bool is_16 = len <= UINT16_MAX;
    st = buf_append_u8(out, is_16 ? LENGTH_16 : LENGTH_64);
    if (st != STATUS_OK) {
        return st;
    }
    return is_16 ? buf_append_u16(out, (uint16_t)len)
                 : buf_append_u64(out, len);
}

enum status
ws_frame_encode_close(uint16_t code, struct buf *out)
{
    enum status st = ws_frame_encode_head(WS_OP_CLOSE, sizeof code, out);
    return st == STATUS_OK ? buf_append_u16(out, code) : st;
}
