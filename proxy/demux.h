/* One session's bytes, both ways, told apart into channels.
 *
 * The face that SPDY (spdy_frame, spdy_headers, spdy_streams) and WebSocket
 * (ws_frame, ws_channel) show to the session. It reads along; it never holds
 * bytes back or changes them. A fact is given as soon as its bytes are
 * there: a half-received data frame gives what it has. What cannot be parsed
 * with certainty is FEED_BAD, sticky, and the session ends there: bytes up
 * to the last fact may have been forwarded, none after it.
 */
#ifndef PROXY_DEMUX_H
#define PROXY_DEMUX_H

#include "base/buf.h"
#include "proxy/channel.h"
#include "schema/meta.h"

struct demux;

/* What the request asked for, so that frames can be held against it. */
struct demux_wish {
    bool tty;
    bool has_stdin;
    bool has_stdout;
    bool has_stderr;
};

/* `subprotocol`: of the 101 response (Sec-WebSocket-Protocol, or
 * X-Stream-Protocol-Version); empty when it had none. STATUS_UNSUPPORTED for
 * one that is not known. All memory a session needs is reserved here. */
enum status demux_new(enum meta_protocol protocol, struct span subprotocol,
    const struct demux_wish *wish, struct demux **out,
    struct error *err) MUST_CHECK;
void demux_free(struct demux **d);

/* Consumes from the front of `in`. FEED_MORE: `in` is empty, and nothing is
 * owed: call until then, because a frame may hold two facts (data and its
 * end), the second of which needs no bytes. Sizes on the
 * resize channel (JSON {"Width":…,"Height":…}, collected with a cap) come as
 * CHANNEL_SIZE. Unmasking and base64 decoding go through a scratch of
 * LIMIT_WS_PIECE_BYTES, so a piece is never longer than that there; all
 * other bytes are views of `in`. */
enum feed demux_next(struct demux *d, enum channel_from from, struct span *in,
    struct channel_fact *out);
const char *demux_why(const struct demux *d); /* after FEED_BAD */

/* Whether both ends have said that they are done, properly (GOAWAY, Close,
 * or every SPDY stream finished or reset): for telling a clean end from a
 * cut. */
bool demux_is_over(const struct demux *d);

/* Whether that end has said goodbye by the protocol's own word (GOAWAY,
 * Close), be its connection still open. */
bool demux_has_left(const struct demux *d, enum channel_from from);

/* Whether the subprotocol ends with a Status. The older WebSocket ones have no
 * word for the end at all: there the server's end of the connection is it. */
bool demux_has_status(const struct demux *d);

/* Where what the server has said so far ends: between two frames or within
 * one, and on which channels more could be said. Its bits are demux's own. */
uint32_t demux_server_mark(const struct demux *d);
bool demux_mark_is_between(uint32_t mark);

/* A message of our own to the client: `text` on stderr (or stdout with a
 * TTY), `status_json` on the error channel, then the close of the protocol.
 * `mark` is of the last that reaches the client. Only at a frame boundary:
 * STATUS_INVALID otherwise. Once, and not after the server's own close:
 * STATUS_CLOSED. What `out` got is only to be sent on STATUS_OK. */
enum status demux_say_goodbye(struct demux *d, uint32_t mark, struct span text,
    struct span status_json, struct buf *out) MUST_CHECK;

#endif
