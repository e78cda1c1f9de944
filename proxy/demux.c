/* See demux.h. Two carriers, one shape: a carrier's reader gives a piece, the
 * piece is held against what may come, and a fact is made of it. The rules
 * that both carriers share (who may send what, nothing behind an end, sizes)
 * are the middle part. */
#include "proxy/demux.h"

#include "proxy/limits.h"
#include "proxy/resize.h"
#include "proxy/spdy_frame.h"
#include "proxy/spdy_headers.h"
#include "proxy/spdy_streams.h"
#include "proxy/ws_channel.h"
#include "proxy/ws_frame.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#define DIRECTIONS 2

struct spdy_side {
    struct spdy_frame_reader frames;
    struct spdy_headers *headers;
    struct spdy_piece frame; /* the head of the frame being read */
    enum channel channel;    /* its stream's, when it has one */
    bool owes_end;           /* its FIN was read, its END not yet given */
};

struct ws_side {
    struct ws_frame_reader frames;
    struct ws_channel_reader channels;
};

struct demux {
    enum meta_protocol protocol;
    struct demux_wish wish;
    bool has_status; /* the error channel is Status JSON */
    const char *why; /* not NULL: sticky */
    bool has_ended[DIRECTIONS][CHANNEL_COUNT];
    bool has_closed[DIRECTIONS]; /* GOAWAY, Close */
    bool server_is_between;      /* frames, after the last answer */
    bool has_said_goodbye;
    struct resize_reader resize;
    struct spdy_streams streams;
    struct spdy_side spdy[DIRECTIONS];
    struct ws_subprotocol ws_subprotocol;
    struct ws_side ws[DIRECTIONS];
    uint8_t *scratch; /* LIMIT_WS_PIECE_BYTES; WebSocket only */
};

/* What a step of a carrier came to. */
enum step {
    STEP_FACT,  /* *out was written */
    STEP_AGAIN, /* something was read that is no fact by itself */
    STEP_MORE,
    STEP_BAD, /* d->why says it */
};

static enum step
refuse(struct demux *d, const char *why)
{
    d->why = why;
    return STEP_BAD;
}

static enum step
fact(struct channel_fact *out, enum channel_fact_kind kind, enum channel c)
{
    *out = (struct channel_fact){.kind = kind, .channel = c};
    out->bytes = SPAN_EMPTY;
    return STEP_FACT;
}

static enum step
nothing(struct channel_fact *out)
{
    return fact(out, CHANNEL_NOTHING, CHANNEL_STDIN);
}

/* ---- what both carriers share ---- */

static bool
is_sent_by(enum channel c, enum channel_from from)
{
    const bool is_clients = c == CHANNEL_STDIN || c == CHANNEL_RESIZE;
    return is_clients == (from == FROM_CLIENT);
}

static enum step
on_size(struct demux *d, uint8_t byte, struct channel_fact *out)
{
    uint16_t width = 0;
    uint16_t height = 0;
    if (!resize_take(&d->resize, byte, &width, &height)) {
        return STEP_AGAIN;
    }
    fact(out, CHANNEL_SIZE, CHANNEL_RESIZE);
    out->width = width;
    out->height = height;
    return STEP_FACT;
}

/* `bytes` is not empty; of the resize channel it is one byte. */
static enum step
on_data(struct demux *d, enum channel_from from, enum channel c,
    struct span bytes, struct channel_fact *out)
{
    if (!is_sent_by(c, from)) {
        return refuse(d, "channels: data in the wrong direction");
    }
    if (d->has_ended[from][c]) {
        return refuse(d, "channels: data behind the end of its channel");
    }
    if (c == CHANNEL_RESIZE) {
        assert(bytes.len == 1);
        return on_size(d, bytes.ptr[0], out);
    }
    fact(out, CHANNEL_DATA, c);
    out->bytes = bytes;
    return STEP_FACT;
}

/* An end means something once, and from the end that sends the channel; the
 * other end may say it too (it will not write what it never writes). */
static enum step
on_end(struct demux *d, enum channel_from from, enum channel c,
    struct channel_fact *out)
{
    if (!is_sent_by(c, from) || d->has_ended[from][c]) {
        return nothing(out);
    }
    d->has_ended[from][c] = true;
    return fact(out, CHANNEL_END, c);
}

static enum step
on_close(struct demux *d, enum channel_from from, struct channel_fact *out)
{
    if (d->has_closed[from]) {
        return nothing(out);
    }
    d->has_closed[from] = true;
    return fact(out, CHANNEL_CLOSE, CHANNEL_ERROR);
}

/* ---- WebSocket ---- */

static bool
is_control(enum ws_opcode opcode)
{
    return opcode >= WS_OP_CLOSE;
}

static enum step
ws_on_control(struct demux *d, enum channel_from from,
    const struct ws_piece *piece, struct channel_fact *out)
{
    if (!piece->is_last) {
        return STEP_AGAIN;
    }
    return piece->opcode == WS_OP_CLOSE ? on_close(d, from, out) : nothing(out);
}

static enum step
ws_on_message(struct demux *d, enum channel_from from,
    const struct ws_piece *piece, struct channel_fact *out)
{
    struct ws_channel_reader *channels = &d->ws[from].channels;
    struct ws_channel_fact said;
    if (!ws_channel_take(channels, piece, d->scratch, &said)) {
        return refuse(d, channels->why);
    }
    enum step step = STEP_AGAIN;
    switch (said.kind) {
    case WS_CHANNEL_NOTHING:
        break;
    case WS_CHANNEL_DATA:
        step = on_data(d, from, said.channel, said.bytes, out);
        break;
    case WS_CHANNEL_END:
        step = on_end(d, from, said.channel, out);
        break;
    }
    return step == STEP_AGAIN && piece->is_last ? nothing(out) : step;
}

/* A server's binary messages leave as views, all else through the scratch. */
static size_t
ws_bulk(const struct demux *d, enum channel_from from)
{
    return from == FROM_SERVER && !d->ws_subprotocol.is_base64
               ? SIZE_MAX
               : LIMIT_WS_PIECE_BYTES;
}

static enum step
ws_step(struct demux *d, enum channel_from from, struct span *in,
    struct channel_fact *out)
{
    struct ws_side *side = &d->ws[from];
    struct ws_piece piece;
    const size_t max = ws_channel_appetite(&side->channels, ws_bulk(d, from));
    switch (ws_frame_next(&side->frames, in, max, d->scratch, &piece)) {
    case FEED_MORE:
        return STEP_MORE;
    case FEED_BAD:
        return refuse(d, side->frames.why);
    case FEED_PIECE:
        break;
    }
    return is_control(piece.opcode) ? ws_on_control(d, from, &piece, out)
                                    : ws_on_message(d, from, &piece, out);
}

/* ---- SPDY ---- */

static enum step
spdy_finish(struct demux *d, enum channel_from from, enum channel c,
    struct channel_fact *out)
{
    spdy_streams_finish(&d->streams, c, from);
    return on_end(d, from, c, out);
}

/* The stream of a frame that is not SYN_STREAM, checked at its head. */
static bool
spdy_find(struct demux *d, struct spdy_side *side)
{
    return spdy_streams_find(
        &d->streams, side->frame.stream_id, &side->channel);
}

static enum step
spdy_on_data(struct demux *d, enum channel_from from,
    const struct spdy_piece *piece, struct channel_fact *out)
{
    struct spdy_side *side = &d->spdy[from];
    const bool is_empty = piece->is_head && piece->is_last;
    if (piece->is_head && !spdy_find(d, side)) {
        return refuse(d, d->streams.why);
    }
    if (piece->is_head && !is_empty &&
        !spdy_streams_may_send(&d->streams, side->channel, from)) {
        return refuse(d, d->streams.why);
    }
    if (is_empty) {
        return piece->is_fin ? spdy_finish(d, from, side->channel, out)
                             : nothing(out);
    }
    if (piece->is_head) {
        return STEP_AGAIN;
    }
    const enum step step = on_data(d, from, side->channel, piece->bytes, out);
    if (step == STEP_BAD || !piece->is_last) {
        return step;
    }
    if (piece->is_fin && step == STEP_FACT) {
        side->owes_end = true;
        return step;
    }
    if (piece->is_fin) {
        return spdy_finish(d, from, side->channel, out);
    }
    return step == STEP_AGAIN ? nothing(out) : step;
}

static enum step
spdy_on_opened(struct demux *d, struct spdy_side *side, bool is_fin,
    const struct spdy_stream_type *type, struct channel_fact *out)
{
    const struct span name = {.ptr = type->text, .len = type->len};
    if (!spdy_streams_open(
            &d->streams, side->frame.stream_id, name, &side->channel)) {
        return refuse(d, d->streams.why);
    }
    return is_fin ? spdy_finish(d, FROM_CLIENT, side->channel, out)
                  : nothing(out);
}

/* What a frame with a header block must be before its block is looked at. */
static bool
spdy_check_block_head(struct demux *d, enum channel_from from)
{
    struct spdy_side *side = &d->spdy[from];
    if (side->frame.type == SPDY_SYN_STREAM) {
        if (from == FROM_SERVER) {
            d->why = "spdy: stream opened by the server";
            return false;
        }
        return true;
    }
    bool is_ok = spdy_find(d, side);
    if (is_ok && side->frame.type == SPDY_SYN_REPLY) {
        if (from == FROM_CLIENT) {
            d->why = "spdy: reply from the client";
            return false;
        }
        is_ok = spdy_streams_reply(&d->streams, side->channel);
    }
    d->why = is_ok ? NULL : d->streams.why;
    return is_ok;
}

static enum step
spdy_on_block(struct demux *d, enum channel_from from,
    const struct spdy_piece *piece, struct channel_fact *out)
{
    struct spdy_side *side = &d->spdy[from];
    struct spdy_stream_type type;
    if (piece->is_head && !spdy_check_block_head(d, from)) {
        return STEP_BAD;
    }
    switch (
        spdy_headers_take(side->headers, piece->bytes, piece->is_last, &type)) {
    case FEED_MORE:
        return STEP_AGAIN;
    case FEED_BAD:
        return refuse(d, spdy_headers_why(side->headers));
    case FEED_PIECE:
        break;
    }
    if (piece->type == SPDY_SYN_STREAM) {
        return spdy_on_opened(d, side, piece->is_fin, &type, out);
    }
    return piece->is_fin ? spdy_finish(d, from, side->channel, out)
                         : nothing(out);
}

static enum step
spdy_on_reset(struct demux *d, struct spdy_side *side, struct channel_fact *out)
{
    if (!spdy_find(d, side)) {
        return refuse(d, d->streams.why);
    }
    spdy_streams_reset(&d->streams, side->channel);
    return nothing(out);
}

static enum step
spdy_on_piece(struct demux *d, enum channel_from from,
    const struct spdy_piece *piece, struct channel_fact *out)
{
    switch (piece->type) {
    case SPDY_DATA:
        return spdy_on_data(d, from, piece, out);
    case SPDY_SYN_STREAM:
    case SPDY_SYN_REPLY:
    case SPDY_HEADERS:
        return spdy_on_block(d, from, piece, out);
    case SPDY_RST_STREAM:
        return spdy_on_reset(d, &d->spdy[from], out);
    case SPDY_GOAWAY:
        return on_close(d, from, out);
    case SPDY_SETTINGS:
    case SPDY_PING:
    case SPDY_WINDOW_UPDATE:
        return piece->is_last ? nothing(out) : STEP_AGAIN;
    }
    return refuse(d, "spdy: unknown frame");
}

/* One byte at a time of the resize stream, so that a piece holds no more
 * than one size. */
static size_t
spdy_appetite(const struct spdy_side *side)
{
    const bool is_resize =
        side->frame.type == SPDY_DATA && side->channel == CHANNEL_RESIZE;
    return is_resize ? 1 : SIZE_MAX;
}

static enum step
spdy_step(struct demux *d, enum channel_from from, struct span *in,
    struct channel_fact *out)
{
    struct spdy_side *side = &d->spdy[from];
    struct spdy_piece piece;
    if (side->owes_end) {
        side->owes_end = false;
        return spdy_finish(d, from, side->channel, out);
    }
    switch (spdy_frame_next(&side->frames, in, spdy_appetite(side), &piece)) {
    case FEED_MORE:
        return STEP_MORE;
    case FEED_BAD:
        return refuse(d, side->frames.why);
    case FEED_PIECE:
        break;
    }
    if (piece.is_head) {
        side->frame = piece;
    }
    return spdy_on_piece(d, from, &piece, out);
}

/* ---- the face ---- */

static enum step
step_once(struct demux *d, enum channel_from from, struct span *in,
    struct channel_fact *out)
{
    switch (d->protocol) {
    case META_SPDY:
        return spdy_step(d, from, in, out);
    case META_WEBSOCKET:
        return ws_step(d, from, in, out);
    }
    return refuse(d, "unknown protocol");
}

static bool
server_is_between(const struct demux *d)
{
    return d->protocol == META_SPDY
               ? spdy_frame_is_between(&d->spdy[FROM_SERVER].frames)
               : ws_frame_is_between(&d->ws[FROM_SERVER].frames);
}

enum feed
demux_next(struct demux *d, enum channel_from from, struct span *in,
    struct channel_fact *out)
{
    if (d->why != NULL) {
        return FEED_BAD;
    }
    enum step step;
    do {
        step = step_once(d, from, in, out);
    } while (step == STEP_AGAIN);
    if (step == STEP_BAD) {
        return FEED_BAD;
    }
    if (from == FROM_SERVER) {
        d->server_is_between = server_is_between(d);
    }
    return step == STEP_FACT ? FEED_PIECE : FEED_MORE;
}

const char *
demux_why(const struct demux *d)
{
    return d->why != NULL ? d->why : "";
}

static bool
side_is_over(const struct demux *d, enum channel_from from)
{
    return d->has_closed[from] || (d->protocol == META_SPDY &&
                                      spdy_streams_are_over(&d->streams, from));
}

bool
demux_is_over(const struct demux *d)
{
    return d->why == NULL && side_is_over(d, FROM_CLIENT) &&
           side_is_over(d, FROM_SERVER);
}

bool
demux_has_left(const struct demux *d, enum channel_from from)
{
    return d->has_closed[from];
}

bool
demux_has_status(const struct demux *d)
{
    return d->has_status;
}

static enum status
init_spdy(struct demux *d, struct span subprotocol, struct error *err)
{
    struct spdy_subprotocol how;
    if (!spdy_subprotocol_find(subprotocol, &how)) {
        return error_set(err, STATUS_UNSUPPORTED,
            "unknown X-Stream-Protocol-Version in the server's answer");
    }
    d->has_status = how.has_status;
    const struct spdy_allowance allowance = {
        .may_open =
            {
                [CHANNEL_STDIN] = d->wish.has_stdin,
                [CHANNEL_STDOUT] = d->wish.has_stdout,
                [CHANNEL_STDERR] = d->wish.has_stderr,
                [CHANNEL_ERROR] = true,
                [CHANNEL_RESIZE] = d->wish.tty && how.has_resize,
            },
    };
    spdy_streams_init(&d->streams, &allowance);
    for (unsigned from = 0; from < DIRECTIONS; from++) {
        spdy_frame_init(&d->spdy[from].frames);
        if (spdy_headers_new(&d->spdy[from].headers) != STATUS_OK) {
            return error_set(err, STATUS_NO_MEMORY, "no memory for a session");
        }
    }
    return STATUS_OK;
}

static enum status
init_ws(struct demux *d, struct span subprotocol, struct error *err)
{
    if (!ws_subprotocol_find(subprotocol, &d->ws_subprotocol)) {
        return error_set(err, STATUS_UNSUPPORTED,
            "unknown Sec-WebSocket-Protocol in the server's answer");
    }
    d->has_status = d->ws_subprotocol.has_status;
    d->scratch = malloc(LIMIT_WS_PIECE_BYTES);
    if (d->scratch == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a session");
    }
    for (unsigned from = 0; from < DIRECTIONS; from++) {
        ws_frame_init(&d->ws[from].frames, from == FROM_CLIENT);
        ws_channel_init(
            &d->ws[from].channels, &d->ws_subprotocol, (enum channel_from)from);
    }
    return STATUS_OK;
}

enum status
demux_new(enum meta_protocol protocol, struct span subprotocol,
    const struct demux_wish *wish, struct demux **out, struct error *err)
{
    struct demux *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a session");
    }
    d->protocol = protocol;
    d->wish = *wish;
    d->server_is_between = true;
    resize_init(&d->resize);
    const enum status st = protocol == META_SPDY
                               ? init_spdy(d, subprotocol, err)
                               : init_ws(d, subprotocol, err);
    if (st == STATUS_OK) {
        *out = d;
        d = NULL; /* the caller's now */
    }
    demux_free(&d);
    return st;
}

void
demux_free(struct demux **d)
{
    if (*d == NULL) {
        return;
    }
    for (unsigned from = 0; from < DIRECTIONS; from++) {
        spdy_headers_free(&(*d)->spdy[from].headers);
    }
    free((*d)->scratch);
    free(*d);
    *d = NULL;
}

/* ---- a message of our own ---- */

#define MARK_BETWEEN 1u        /* the server's frames */
#define MARK_CLOSED  2u        /* it has said the protocol's own close */
#define MARK_HEARD   (1u << 2) /* and a bit each channel: more would be read */
#define MARK_REPLIED (1u << 8) /* and a bit each channel */

static bool
is_heard(const struct demux *d, enum channel c)
{
    return d->protocol == META_SPDY ? spdy_streams_is_heard(&d->streams, c)
                                    : !d->has_ended[FROM_SERVER][c];
}

uint32_t
demux_server_mark(const struct demux *d)
{
    uint32_t mark = d->server_is_between ? MARK_BETWEEN : 0;
    mark |= d->has_closed[FROM_SERVER] ? MARK_CLOSED : 0;
    for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
        mark |= is_heard(d, (enum channel)c) ? MARK_HEARD << c : 0u;
        mark |= d->streams.by_channel[c].has_reply ? MARK_REPLIED << c : 0u;
    }
    return mark;
}

bool
demux_mark_is_between(uint32_t mark)
{
    return (mark & MARK_BETWEEN) != 0;
}

/* Where a person will see it. */
static enum channel
message_channel(const struct demux *d)
{
    return d->wish.has_stderr && !d->wish.tty ? CHANNEL_STDERR : CHANNEL_STDOUT;
}

static bool
is_wished(const struct demux *d, enum channel c)
{
    return c == CHANNEL_STDERR ? d->wish.has_stderr : d->wish.has_stdout;
}

static enum status
ws_say_goodbye(struct demux *d, uint32_t mark, struct span text,
    struct span error, struct buf *out)
{
    const enum channel c = message_channel(d);
    enum status st = STATUS_OK;
    if (text.len > 0 && is_wished(d, c) && (mark & MARK_HEARD << c) != 0) {
        st = ws_channel_encode(&d->ws_subprotocol, c, text, out);
    }
    if (st == STATUS_OK && error.len > 0) {
        st = ws_channel_encode(&d->ws_subprotocol, CHANNEL_ERROR, error, out);
    }
    return st == STATUS_OK ? ws_frame_encode_close(WS_CLOSE_NORMAL, out) : st;
}

/* One stream's last frame: what we have to say on it and FIN, or a reset
 * when the client still waits for a reply to it. */
static enum status
spdy_say_goodbye_on(const struct demux *d, uint32_t mark, enum channel c,
    struct span bytes, struct buf *out)
{
    const struct spdy_stream *stream = &d->streams.by_channel[c];
    if ((mark & MARK_HEARD << c) != 0) {
        return spdy_frame_encode_data(stream->id, true, bytes, out);
    }
    if (stream->id != 0 && (mark & MARK_REPLIED << c) == 0 &&
        !stream->is_reset) {
        return spdy_frame_encode_rst(stream->id, SPDY_RST_REFUSED_STREAM, out);
    }
    return STATUS_OK;
}

static enum status
spdy_say_goodbye(struct demux *d, uint32_t mark, struct span text,
    struct span error, struct buf *out)
{
    const enum channel told = message_channel(d);
    enum status st = STATUS_OK;
    for (unsigned c = 0; c < CHANNEL_COUNT && st == STATUS_OK; c++) {
        struct span bytes = SPAN_EMPTY;
        if (c == CHANNEL_ERROR) {
            bytes = error;
        } else if (c == told) {
            bytes = text;
        }
        st = spdy_say_goodbye_on(d, mark, (enum channel)c, bytes, out);
    }
    return st == STATUS_OK ? spdy_frame_encode_goaway(
                                 d->streams.last_id, SPDY_GOAWAY_OK, out)
                           : st;
}

enum status
demux_say_goodbye(struct demux *d, uint32_t mark, struct span text,
    struct span status_json, struct buf *out)
{
    if ((mark & MARK_CLOSED) != 0 || d->has_said_goodbye) {
        return STATUS_CLOSED;
    }
    if ((mark & MARK_BETWEEN) == 0) {
        return STATUS_INVALID;
    }
    d->has_said_goodbye = true;
    const struct span error = d->has_status ? status_json : text;
    return d->protocol == META_SPDY
               ? spdy_say_goodbye(d, mark, text, error, out)
               : ws_say_goodbye(d, mark, text, error, out);
}
