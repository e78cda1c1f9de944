/* First byte: carrier, subprotocol and wish. Then turns: a byte with the
 * direction in its top bit and a length below it, and so many bytes. A demux
 * that gets every turn whole and one that gets it byte by byte must say the
 * same; and where goodbye may be said, a demux must be able to read it. */
#include "proxy/demux.h"

#include "proxy/limits.h"
#include "tests/fuzz/joined.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    enum meta_protocol protocol;
    const char *subprotocol;
} carriers[] = {
    {META_SPDY, "v4.channel.k8s.io"},
    {META_SPDY, ""},
    {META_WEBSOCKET, "v5.channel.k8s.io"},
    {META_WEBSOCKET, "v4.channel.k8s.io"},
    {META_WEBSOCKET, "v4.base64.channel.k8s.io"},
    {META_WEBSOCKET, ""},
};
#define CARRIER_COUNT (sizeof carriers / sizeof *carriers)

static struct demux *
open_demux(uint8_t how)
{
    const struct demux_wish wish = {
        .tty = (how & 0x08) != 0,
        .has_stdin = (how & 0x10) != 0,
        .has_stdout = (how & 0x20) != 0,
        .has_stderr = (how & 0x40) != 0,
    };
    const size_t i = (how & 0x07) % CARRIER_COUNT;
    struct demux *d = NULL;
    const enum status st = demux_new(carriers[i].protocol,
        span_str(carriers[i].subprotocol), &wish, &d, NULL);
    assert(st == STATUS_OK);
    return d;
}

static void
say(struct joined *j, const struct channel_fact *fact)
{
    switch (fact->kind) {
    case CHANNEL_DATA:
        assert(fact->bytes.len > 0);
        joined_piece(j, 1 + (unsigned)fact->channel, fact->bytes);
        break;
    case CHANNEL_SIZE:
        joined_event(j, (uint32_t)fact->width << 16 | fact->height);
        break;
    case CHANNEL_END:
    case CHANNEL_CLOSE:
        joined_event(j, (uint32_t)fact->kind << 8 | fact->channel);
        break;
    case CHANNEL_NOTHING:
        break;
    }
}

static void
feed(struct demux *d, enum channel_from from, struct span in, struct joined *j)
{
    struct channel_fact fact;
    enum feed got = demux_next(d, from, &in, &fact);
    while (got == FEED_PIECE) {
        assert(!j->is_bad);
        say(j, &fact);
        got = demux_next(d, from, &in, &fact);
    }
    assert(got == FEED_BAD || in.len == 0);
    assert(got == FEED_BAD || !j->is_bad);
    j->is_bad = got == FEED_BAD;
}

static void
check_goodbye(struct demux *d, struct demux *reader)
{
    struct joined j = {.label = 0};
    struct buf out;
    buf_init(&out, 4096);
    const bool was_over = demux_is_over(d);
    if (demux_say_goodbye(d, demux_server_mark(d), SPAN_LIT("no"),
            SPAN_LIT("{}"), &out) == STATUS_OK) {
        assert(!was_over || out.len > 0);
        feed(reader, FROM_SERVER, buf_view(&out), &j);
        assert(!j.is_bad);
    }
    buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size};
    struct joined whole = {.label = 0};
    struct joined split = {.label = 0};
    struct span turn;
    uint8_t head = 0;
    if (!span_take_u8(&in, &head)) {
        return 0;
    }
    struct demux *a = open_demux(head);
    struct demux *b = open_demux(head);
    while (span_take_u8(&in, &head) && span_take(&in, head & 0x7F, &turn)) {
        const enum channel_from from =
            (head & 0x80) != 0 ? FROM_SERVER : FROM_CLIENT;
        feed(a, from, turn, &whole);
        for (size_t i = 0; i < turn.len; i++) {
            feed(b, from, (struct span){turn.ptr + i, 1}, &split);
        }
        joined_event(&whole, from);
        joined_event(&split, from);
        if (whole.is_bad || split.is_bad) {
            break;
        }
    }
    assert(joined_agree(&whole, &split));
    if (!whole.is_bad) {
        check_goodbye(a, b);
    }
    demux_free(&a);
    demux_free(&b);
    return 0;
}
