/* Kubernetes channels inside WebSocket messages: the first byte of a message
 * names the channel, the rest is its data.
 *
 * Owns the subprotocols (k8s.io/streaming/pkg/httpstream/wsstream/conn.go and
 * k8s.io/cri-streaming/pkg/streaming/remotecommand/websocket.go): channel
 * number, base64 form, half-close of v5. Text and binary messages mean the
 * same there, and some clients send text for bytes.
 *
 * The trap: the API server reads every frame of a fragmented message as a
 * message of its own, against RFC 6455 5.4. A continuation from the client
 * whose first byte it would take for a channel or a half-close is refused,
 * because it would reach another channel than the one it is recorded on.
 */
#ifndef PROXY_WS_CHANNEL_H
#define PROXY_WS_CHANNEL_H

#include "proxy/channel.h"
#include "proxy/ws_frame.h"

struct ws_subprotocol {
    bool is_base64;  /* messages are '0'-'4', then base64 */
    bool has_end;    /* [255, channel] is a half-close (v5) */
    bool has_status; /* the error channel is metav1.Status JSON (v4, v5),
                       * else plain text */
};

/* False for a name that the API server does not speak over WebSocket. The
 * empty name is raw binary. */
bool ws_subprotocol_find(struct span name, struct ws_subprotocol *out);

enum ws_channel_kind {
    WS_CHANNEL_NOTHING,
    WS_CHANNEL_DATA, /* `bytes`, not empty */
    WS_CHANNEL_END,
};

struct ws_channel_fact {
    enum ws_channel_kind kind;
    enum channel channel;
    struct span bytes;
};

struct ws_channel_reader {
    struct ws_subprotocol subprotocol;
    enum channel_from from;
    bool at_frame_start; /* no payload of this frame was read yet */
    bool has_channel;    /* the first byte of this message was read */
    bool is_end;         /* it was 255: the channel follows */
    bool has_end;        /* and has followed */
    enum channel channel;
    uint32_t bits; /* base64: pending bits, of which */
    unsigned bit_count;
    unsigned group;   /* characters of the group of four so far */
    unsigned padding; /* '=' seen */
    const char *why;  /* not NULL after false, which is sticky */
};

void ws_channel_init(struct ws_channel_reader *r,
    const struct ws_subprotocol *subprotocol, enum channel_from from);

/* How many payload bytes the reader can take next so that one call gives one
 * fact: one while the channel is not known, and for the resize channel. */
size_t ws_channel_appetite(const struct ws_channel_reader *r, size_t max);

/* Takes a piece of a data frame (text, binary, continuation), of at most
 * ws_channel_appetite bytes. `scratch` has room for the piece and may be
 * where it is; base64 is decoded into it. */
bool ws_channel_take(struct ws_channel_reader *r, const struct ws_piece *piece,
    uint8_t *scratch, struct ws_channel_fact *out) MUST_CHECK;

/* Appends a whole server message of `bytes` on `channel`. */
enum status ws_channel_encode(const struct ws_subprotocol *subprotocol,
    enum channel channel, struct span bytes, struct buf *out) MUST_CHECK;

#endif
