/* WebSocket frames (RFC 6455 section 5), read along one direction.
 *
 * Owns framing, masks and fragments; refuses to know what a message means
 * and what a Kubernetes channel is. Strict where peers could disagree: Go's
 * x/net/websocket, which the API server uses, ignores RSV bits, takes
 * reserved opcodes for data and does not limit control frames; each of these
 * is refused here. Payload of the server leaves as views of the input; the
 * client's is unmasked into the caller's scratch.
 */
#ifndef PROXY_WS_FRAME_H
#define PROXY_WS_FRAME_H

#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"

enum ws_opcode { /* RFC 6455 11.8 */
    WS_OP_CONTINUATION = 0x0,
    WS_OP_TEXT = 0x1,
    WS_OP_BINARY = 0x2,
    WS_OP_CLOSE = 0x8,
    WS_OP_PING = 0x9,
    WS_OP_PONG = 0xA,
};

#define WS_CLOSE_NORMAL 1000 /* RFC 6455 7.4.1 */

/* One fact: a frame's head (is_head, no bytes), or some of its payload. A
 * frame without payload is one fact, head and last at once. */
struct ws_piece {
    enum ws_opcode opcode; /* of this frame */
    bool is_head;
    bool is_last;      /* the frame ends here */
    bool is_fin;       /* and its message ends with it */
    struct span bytes; /* unmasked */
};

#define WS_HEAD_MAX 14 /* 2, 8 of length, 4 of mask */

struct ws_frame_reader {
    bool is_masked;  /* frames must be: they are a client's */
    bool in_payload; /* of the frame below, with `left` still owed */
    bool in_message; /* its last frame is still owed */
    enum ws_opcode opcode;
    bool is_fin;
    uint8_t head[WS_HEAD_MAX];
    size_t head_len;
    uint64_t left;
    uint8_t mask[4]; /* turned, so that mask[0] is the next byte's */
    uint8_t close_code[2];
    size_t close_len; /* payload bytes of a Close so far, at most 2 */
    const char *why;  /* not NULL after FEED_BAD, which is sticky */
};

void ws_frame_init(struct ws_frame_reader *r, bool is_client);

/* Consumes from the front of `in`. A piece has at most `max` (> 0) bytes of
 * payload. `scratch` has room for `max`; it is used, and may be NULL
 * otherwise, only for a client's frames. */
enum feed ws_frame_next(struct ws_frame_reader *r, struct span *in, size_t max,
    uint8_t *scratch, struct ws_piece *out);

/* Whether a data frame of somebody else could be put here: between frames,
 * and not inside a fragmented message. */
bool ws_frame_is_between(const struct ws_frame_reader *r);

/* Appends a server's frame head (unmasked, FIN) for `len` payload bytes. */
enum status ws_frame_encode_head(
    enum ws_opcode opcode, size_t len, struct buf *out) MUST_CHECK;
/* Appends a server's whole Close frame. */
enum status ws_frame_encode_close(uint16_t code, struct buf *out) MUST_CHECK;

#endif
