/* See ws_channel.h. */
#include "proxy/ws_channel.h"

#include "base/base64.h"

#include <string.h>

#define BYTE_END 255u /* wsstream's streamCloseSignal */

static const struct {
    const char *name;
    struct ws_subprotocol how;
} subprotocols[] = {
    {"", {.is_base64 = false}},
    {"channel.k8s.io", {.is_base64 = false}},
    {"base64.channel.k8s.io", {.is_base64 = true}},
    {"v4.channel.k8s.io", {.has_status = true}},
    {"v4.base64.channel.k8s.io", {.is_base64 = true, .has_status = true}},
    {"v5.channel.k8s.io", {.has_end = true, .has_status = true}},
};

bool
ws_subprotocol_find(struct span name, struct ws_subprotocol *out)
{
    for (size_t i = 0; i < sizeof subprotocols / sizeof *subprotocols; i++) {
        if (span_eq_str(name, subprotocols[i].name)) {
            *out = subprotocols[i].how;
            return true;
        }
    }
    return false;
}

void
ws_channel_init(struct ws_channel_reader *r,
    const struct ws_subprotocol *subprotocol, enum channel_from from)
{
    *r = (struct ws_channel_reader){
        .subprotocol = *subprotocol,
        .from = from,
    };
}

size_t
ws_channel_appetite(const struct ws_channel_reader *r, size_t max)
{
    const bool is_bulk =
        r->has_channel && !r->is_end && r->channel != CHANNEL_RESIZE;
    return is_bulk ? max : 1;
}

static bool
refuse(struct ws_channel_reader *r, const char *why)
{
    r->why = why;
    return false;
}

/* What the API server makes of a message's first byte: a channel number, or
 * CHANNEL_COUNT when it is none. */
static unsigned
channel_number(const struct ws_channel_reader *r, uint8_t byte)
{
    const unsigned zero = r->subprotocol.is_base64 ? '0' : 0;
    const bool is_channel = byte >= zero && byte - zero < CHANNEL_COUNT;
    return is_channel ? byte - zero : CHANNEL_COUNT;
}

static bool
is_end_byte(const struct ws_channel_reader *r, uint8_t byte)
{
    return r->subprotocol.has_end && byte == BYTE_END;
}

/* The byte that names the channel, or the half-close before it. */
static bool
take_channel(struct ws_channel_reader *r, uint8_t byte)
{
    if (!r->has_channel && is_end_byte(r, byte)) {
        r->has_channel = true;
        r->is_end = true;
        return true;
    }
    if (r->has_end) {
        return refuse(r, "channels: half-close longer than two bytes");
    }
    const unsigned number = channel_number(r, byte);
    if (number == CHANNEL_COUNT) {
        return refuse(r, "channels: unknown channel");
    }
    r->channel = (enum channel)number;
    r->has_end = r->is_end;
    r->has_channel = true;
    return true;
}

/* See the trap in ws_channel.h. */
static bool
is_ambiguous(const struct ws_channel_reader *r, const struct ws_piece *piece)
{
    return r->from == FROM_CLIENT && piece->opcode == WS_OP_CONTINUATION &&
           r->has_channel &&
           (channel_number(r, piece->bytes.ptr[0]) < CHANNEL_COUNT ||
               is_end_byte(r, piece->bytes.ptr[0]));
}

static int
base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

/* '=' may only fill up the third and fourth place, over zero bits. */
static bool
take_padding(struct ws_channel_reader *r)
{
    if (r->group < 2 || (r->bits & ((1u << r->bit_count) - 1)) != 0) {
        return false;
    }
    r->padding++;
    r->group = (r->group + 1) % 4;
    return true;
}

static bool
take_base64(struct ws_channel_reader *r, struct span in, uint8_t *scratch,
    struct span *out)
{
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] == '=' && (r->padding == 0 || r->group == 3)) {
            if (!take_padding(r)) {
                return refuse(r, "channels: malformed base64 padding");
            }
            continue;
        }
        const int value = base64_value(in.ptr[i]);
        if (value < 0 || r->padding > 0) {
            return refuse(r, "channels: malformed base64");
        }
        r->bits = r->bits << 6 | (uint32_t)value;
        r->bit_count += 6;
        r->group = (r->group + 1) % 4;
        if (r->bit_count >= 8) {
            r->bit_count -= 8;
            scratch[len] = (uint8_t)(r->bits >> r->bit_count);
            len++;
        }
    }
    *out = (struct span){.ptr = scratch, .len = len};
    return true;
}

/* The message is over: nothing of it may be owed. */
static bool
end_message(struct ws_channel_reader *r)
{
    if (r->is_end && !r->has_end) {
        return refuse(r, "channels: half-close without a channel");
    }
    if (r->group != 0) {
        return refuse(r, "channels: base64 cut short");
    }
    const struct ws_subprotocol subprotocol = r->subprotocol;
    ws_channel_init(r, &subprotocol, r->from);
    return true;
}

static bool
take_bytes(struct ws_channel_reader *r, struct span bytes, uint8_t *scratch,
    struct ws_channel_fact *fact)
{
    if (!r->has_channel || r->is_end) {
        return take_channel(r, bytes.ptr[0]);
    }
    fact->bytes = bytes;
    if (r->subprotocol.is_base64 &&
        !take_base64(r, bytes, scratch, &fact->bytes)) {
        return false;
    }
    if (fact->bytes.len > 0) {
        fact->kind = WS_CHANNEL_DATA;
    }
    return true;
}

bool
ws_channel_take(struct ws_channel_reader *r, const struct ws_piece *piece,
    uint8_t *scratch, struct ws_channel_fact *out)
{
    struct ws_channel_fact fact = {.kind = WS_CHANNEL_NOTHING};
    if (r->why != NULL) {
        return false;
    }
    fact.bytes = SPAN_EMPTY;
    if (piece->is_head) {
        r->at_frame_start = true;
    }
    if (piece->bytes.len > 0) {
        if (r->at_frame_start && is_ambiguous(r, piece)) {
            return refuse(r, "channels: ambiguous fragment");
        }
        r->at_frame_start = false;
        if (!take_bytes(r, piece->bytes, scratch, &fact)) {
            return false;
        }
    }
    fact.channel = r->channel;
    if (piece->is_last && piece->is_fin) {
        fact.kind = r->has_end ? WS_CHANNEL_END : fact.kind;
        if (!end_message(r)) {
            return false;
        }
    }
    *out = fact;
    return true;
}

enum status
ws_channel_encode(const struct ws_subprotocol *subprotocol,
    enum channel channel, struct span bytes, struct buf *out)
{
    const bool is_base64 = subprotocol->is_base64;
    const size_t len = is_base64 ? (bytes.len + 2) / 3 * 4 : bytes.len;
    enum status st = ws_frame_encode_head(
        is_base64 ? WS_OP_TEXT : WS_OP_BINARY, 1 + len, out);
    if (st == STATUS_OK) {
        st = buf_append_u8(out, (uint8_t)((is_base64 ? '0' : 0) + channel));
    }
    if (st != STATUS_OK) {
        return st;
    }
    return is_base64 ? base64_encode(bytes, out) : buf_append(out, bytes);
}
