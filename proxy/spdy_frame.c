/* See spdy_frame.h. What each type may look like is one table; the reader
 * collects head and fixed fields, checks them against it, and counts down
 * what is left. */
#include "proxy/spdy_frame.h"

#include "proxy/limits.h"

#include <assert.h>

#define VERSION      3u
#define CONTROL_BIT  0x80000000u
#define ID_MASK      0x7FFFFFFFu
#define FLAGS_CLEAR  0x01u /* SETTINGS: clear previously persisted ones */
#define SETTING_LEN  8u
#define MAX_DATA_LEN 0xFFFFFFu

/* UNIDIRECTIONAL (0x02) of SYN_STREAM is refused like an unknown flag: the
 * peers of Kubernetes wait for a reply that such a stream must not get. */
struct shape {
    bool is_known;
    uint8_t flags;     /* that may be set */
    uint8_t fixed_len; /* bytes of fixed fields */
    bool has_more;     /* a header block or entries follow */
    bool has_stream;   /* the first field is a stream id, not 0 */
};

static const struct shape shapes[] = {
    [SPDY_SYN_STREAM] = {true, SPDY_FLAG_FIN, 10, true, true},
    [SPDY_SYN_REPLY] = {true, SPDY_FLAG_FIN, 4, true, true},
    [SPDY_RST_STREAM] = {true, 0, 8, false, true},
    [SPDY_SETTINGS] = {true, FLAGS_CLEAR, 4, true, false},
    [SPDY_PING] = {true, 0, 4, false, false},
    [SPDY_GOAWAY] = {true, 0, 8, false, false},
    [SPDY_HEADERS] = {true, SPDY_FLAG_FIN, 4, true, true},
    [SPDY_WINDOW_UPDATE] = {true, 0, 8, false, false},
};
#define SHAPE_COUNT (sizeof shapes / sizeof *shapes)

void
spdy_frame_init(struct spdy_frame_reader *r)
{
    *r = (struct spdy_frame_reader){.left = 0};
}

bool
spdy_frame_is_between(const struct spdy_frame_reader *r)
{
    return !r->in_payload && r->head_len == 0;
}

static bool
refuse(struct spdy_frame_reader *r, const char *why)
{
    r->why = why;
    return false;
}

static bool
check_data(struct spdy_frame_reader *r, uint32_t word, unsigned flags)
{
    if (word == 0) {
        return refuse(r, "spdy: data on stream 0");
    }
    if ((flags & ~SPDY_FLAG_FIN) != 0) {
        return refuse(r, "spdy: unknown flag of a data frame");
    }
    r->type = SPDY_DATA;
    r->is_fin = (flags & SPDY_FLAG_FIN) != 0;
    r->stream_id = word;
    r->fixed_len = 0;
    return true;
}

static bool
check_control(struct spdy_frame_reader *r, uint32_t word, unsigned flags)
{
    const unsigned version = (word & ~CONTROL_BIT) >> 16;
    const unsigned type = word & 0xFFFFu;
    if (version != VERSION) {
        return refuse(r, "spdy: control frame of another version");
    }
    if (type >= SHAPE_COUNT || !shapes[type].is_known) {
        return refuse(r, "spdy: unknown control frame");
    }
    const struct shape *shape = &shapes[type];
    if ((flags & ~(unsigned)shape->flags) != 0) {
        return refuse(r, "spdy: unknown flag of a control frame");
    }
    if (r->left > LIMIT_SPDY_CONTROL_BYTES) {
        return refuse(r, "spdy: control frame too long");
    }
    if (shape->has_more ? r->left < shape->fixed_len
                        : r->left != shape->fixed_len) {
        return refuse(r, "spdy: control frame of a wrong length");
    }
    r->type = (enum spdy_type)type;
    r->is_fin = type != SPDY_SETTINGS && (flags & SPDY_FLAG_FIN) != 0;
    r->stream_id = 0;
    r->fixed_len = shape->fixed_len;
    r->left -= shape->fixed_len;
    return true;
}

/* The first eight bytes. */
static bool
check_head(struct spdy_frame_reader *r)
{
    struct span head = {.ptr = r->head, .len = SPDY_HEAD_LEN};
    uint32_t word = 0;
    uint8_t flags = 0;
    (void)span_take_u32(&head, &word);
    (void)span_take_u8(&head, &flags);
    (void)span_take_u24(&head, &r->left);
    return (word & CONTROL_BIT) != 0 ? check_control(r, word, flags)
                                     : check_data(r, word, flags);
}

static bool
check_stream_id(struct spdy_frame_reader *r, uint32_t id)
{
    if ((id & ~ID_MASK) != 0) {
        return refuse(r, "spdy: reserved bit of a stream id");
    }
    if (id == 0 && shapes[r->type].has_stream) {
        return refuse(r, "spdy: stream id 0");
    }
    r->stream_id = id;
    return true;
}

/* The second field of RST_STREAM and WINDOW_UPDATE, SYN_STREAM's associated
 * stream: none may be any number. */
static bool
check_second(struct spdy_frame_reader *r, uint32_t value)
{
    if (r->type == SPDY_SYN_STREAM && value != 0) {
        return refuse(r, "spdy: stream associated to another");
    }
    if (r->type == SPDY_RST_STREAM && value == 0) {
        return refuse(r, "spdy: reset without a status");
    }
    if (r->type == SPDY_WINDOW_UPDATE && (value == 0 || value > ID_MASK)) {
        return refuse(r, "spdy: window update out of range");
    }
    return true;
}

static bool
check_fixed(struct spdy_frame_reader *r)
{
    if (r->type == SPDY_DATA) {
        return true;
    }
    struct span fixed = {.ptr = r->head + SPDY_HEAD_LEN, .len = r->fixed_len};
    uint32_t first = 0;
    uint32_t second = 0;
    (void)span_take_u32(&fixed, &first);
    if (r->type == SPDY_SETTINGS) {
        return r->left == (uint64_t)first * SETTING_LEN ||
               refuse(r, "spdy: settings of a wrong length");
    }
    if (r->type == SPDY_PING) {
        return first != 0 || refuse(r, "spdy: ping 0");
    }
    if (!check_stream_id(r, first)) {
        return false;
    }
    return !span_take_u32(&fixed, &second) || check_second(r, second);
}

/* True when head and fixed fields are whole. False: `in` is empty, or r->why
 * is set. */
static bool
collect_head(struct spdy_frame_reader *r, struct span *in)
{
    while (r->head_len < SPDY_HEAD_LEN) {
        if (!span_take_u8(in, &r->head[r->head_len])) {
            return false;
        }
        r->head_len++;
        if (r->head_len == SPDY_HEAD_LEN && !check_head(r)) {
            return false;
        }
    }
    while (r->head_len < SPDY_HEAD_LEN + r->fixed_len) {
        if (!span_take_u8(in, &r->head[r->head_len])) {
            return false;
        }
        r->head_len++;
    }
    if (!check_fixed(r)) {
        return false;
    }
    r->head_len = 0;
    r->in_payload = r->left > 0;
    return true;
}

static struct span
take_payload(struct spdy_frame_reader *r, struct span *in, size_t max)
{
    struct span bytes = SPAN_EMPTY;
    size_t n = in->len < max ? in->len : max;
    n = n < r->left ? n : r->left;
    (void)span_take(in, n, &bytes);
    r->left -= (uint32_t)n;
    r->in_payload = r->left > 0;
    return bytes;
}

enum feed
spdy_frame_next(struct spdy_frame_reader *r, struct span *in, size_t max,
    struct spdy_piece *out)
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
    if (!is_head) {
        bytes = take_payload(r, in, max);
    } else if (!collect_head(r, in)) {
        return r->why != NULL ? FEED_BAD : FEED_MORE;
    }
    *out = (struct spdy_piece){
        .type = r->type,
        .is_head = is_head,
        .is_last = !r->in_payload,
        .is_fin = r->is_fin,
        .stream_id = r->stream_id,
        .bytes = bytes,
    };
    return FEED_PIECE;
}

enum status
spdy_frame_encode_data(
    uint32_t stream_id, bool is_fin, struct span bytes, struct buf *out)
{
    if (bytes.len > MAX_DATA_LEN) {
        return STATUS_LIMIT;
    }
    const uint32_t flags = is_fin ? SPDY_FLAG_FIN << 24 : 0;
    enum status st = buf_append_u32(out, stream_id & ID_MASK);
    if (st == STATUS_OK) {
        st = buf_append_u32(out, flags | (uint32_t)bytes.len);
    }
    return st == STATUS_OK ? buf_append(out, bytes) : st;
}

/* RST_STREAM and GOAWAY look alike: an id and a status. */
static enum status
encode_id_and_code(
    enum spdy_type type, uint32_t id, uint32_t code, struct buf *out)
{
    enum status st =
        buf_append_u32(out, CONTROL_BIT | VERSION << 16 | (uint32_t)type);
    if (st == STATUS_OK) {
        st = buf_append_u32(out, 8);
    }
    if (st == STATUS_OK) {
        st = buf_append_u32(out, id);
    }
    return st == STATUS_OK ? buf_append_u32(out, code) : st;
}

enum status
spdy_frame_encode_rst(uint32_t stream_id, uint32_t code, struct buf *out)
{
    return encode_id_and_code(SPDY_RST_STREAM, stream_id, code, out);
}

enum status
spdy_frame_encode_goaway(uint32_t last_good_id, uint32_t code, struct buf *out)
{
    return encode_id_and_code(SPDY_GOAWAY, last_good_id, code, out);
}
