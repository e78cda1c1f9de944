/* SPDY/3.1 frames, read along one direction.
 *
 * Owns the frame head and the fixed fields of each control frame (SPDY
 * Protocol Draft 3.1, section 2.2 and 2.6); refuses to know header blocks
 * (spdy_headers) and what a stream is for (spdy_streams). Strict where peers
 * could disagree: github.com/moby/spdystream, which Kubernetes uses, does
 * not look at versions, most flags and reserved bits; all are checked here.
 * Payload leaves as views of the input.
 */
#ifndef PROXY_SPDY_FRAME_H
#define PROXY_SPDY_FRAME_H

#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"

enum spdy_type { /* the control frames' own numbers; DATA has none */
    SPDY_DATA = 0,
    SPDY_SYN_STREAM = 1,
    SPDY_SYN_REPLY = 2,
    SPDY_RST_STREAM = 3,
    SPDY_SETTINGS = 4,
    SPDY_PING = 6,
    SPDY_GOAWAY = 7,
    SPDY_HEADERS = 8,
    SPDY_WINDOW_UPDATE = 9,
};

#define SPDY_FLAG_FIN 0x01u /* DATA, SYN_STREAM, SYN_REPLY, HEADERS */

/* RST_STREAM status (2.6.3) and GOAWAY status (2.6.6). */
#define SPDY_RST_REFUSED_STREAM 3u
#define SPDY_GOAWAY_OK          0u

/* One fact: a frame's head with its fixed fields (is_head, no bytes), or
 * some of what follows: DATA's payload, a header block, SETTINGS' entries. A
 * frame with nothing behind is one fact, head and last at once. */
struct spdy_piece {
    enum spdy_type type;
    bool is_head;
    bool is_last;
    bool is_fin;
    uint32_t stream_id; /* GOAWAY: last good id; SETTINGS and PING: 0 */
    struct span bytes;
};

#define SPDY_HEAD_LEN  8u
#define SPDY_FIXED_MAX 10u /* SYN_STREAM: two ids, priority, slot */

struct spdy_frame_reader {
    bool in_payload; /* of the frame below, with `left` still owed */
    enum spdy_type type;
    bool is_fin;
    uint32_t stream_id;
    uint8_t head[SPDY_HEAD_LEN + SPDY_FIXED_MAX];
    size_t head_len;
    size_t fixed_len; /* known once the first eight bytes are */
    uint32_t left;
    const char *why; /* not NULL after FEED_BAD, which is sticky */
};

void spdy_frame_init(struct spdy_frame_reader *r);

/* Consumes from the front of `in`. A piece has at most `max` (> 0) bytes. */
enum feed spdy_frame_next(struct spdy_frame_reader *r, struct span *in,
    size_t max, struct spdy_piece *out);

bool spdy_frame_is_between(const struct spdy_frame_reader *r);

/* Append whole frames; DATA of more than 2^24-1 bytes is STATUS_LIMIT. */
enum status spdy_frame_encode_data(uint32_t stream_id, bool is_fin,
    struct span bytes, struct buf *out) MUST_CHECK;
enum status spdy_frame_encode_rst(
    uint32_t stream_id, uint32_t code, struct buf *out) MUST_CHECK;
enum status spdy_frame_encode_goaway(
    uint32_t last_good_id, uint32_t code, struct buf *out) MUST_CHECK;

#endif
