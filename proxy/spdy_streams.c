/* See spdy_streams.h. Five streams at most, so looking one up is a walk. */
#include "proxy/spdy_streams.h"

static const char *const type_name[CHANNEL_COUNT] = {
    [CHANNEL_STDIN] = "stdin",
    [CHANNEL_STDOUT] = "stdout",
    [CHANNEL_STDERR] = "stderr",
    [CHANNEL_ERROR] = "error",
    [CHANNEL_RESIZE] = "resize",
};

static const struct {
    const char *name;
    struct spdy_subprotocol how;
} subprotocols[] = {
    {"", {.has_resize = false}},
    {"channel.k8s.io", {.has_resize = false}},
    {"v2.channel.k8s.io", {.has_resize = false}},
    {"v3.channel.k8s.io", {.has_resize = true}},
    {"v4.channel.k8s.io", {.has_resize = true, .has_status = true}},
    {"v5.channel.k8s.io", {.has_resize = true, .has_status = true}},
};

bool
spdy_subprotocol_find(struct span name, struct spdy_subprotocol *out)
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
spdy_streams_init(
    struct spdy_streams *s, const struct spdy_allowance *allowance)
{
    *s = (struct spdy_streams){.allowance = *allowance};
}

static bool
refuse(struct spdy_streams *s, const char *why)
{
    s->why = why;
    return false;
}

static bool
find_type(struct span type, enum channel *out)
{
    for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
        if (span_eq_str(type, type_name[c])) {
            *out = (enum channel)c;
            return true;
        }
    }
    return false;
}

bool
spdy_streams_open(
    struct spdy_streams *s, uint32_t id, struct span type, enum channel *out)
{
    enum channel c;
    if (id % 2 == 0) {
        return refuse(s, "spdy: client stream with an even id");
    }
    if (id <= s->last_id) {
        return refuse(s, "spdy: stream id used before");
    }
    if (!find_type(type, &c)) {
        return refuse(s, "spdy: unknown stream type");
    }
    if (!s->allowance.may_open[c]) {
        return refuse(s, "spdy: stream that the request did not ask for");
    }
    if (s->by_channel[c].id != 0) {
        return refuse(s, "spdy: second stream of one type");
    }
    s->by_channel[c] = (struct spdy_stream){.id = id};
    s->last_id = id;
    *out = c;
    return true;
}

bool
spdy_streams_find(struct spdy_streams *s, uint32_t id, enum channel *out)
{
    for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
        if (id != 0 && s->by_channel[c].id == id) {
            *out = (enum channel)c;
            return true;
        }
    }
    return refuse(s, "spdy: frame of a stream that was never opened");
}

bool
spdy_streams_reply(struct spdy_streams *s, enum channel c)
{
    if (s->by_channel[c].has_reply) {
        return refuse(s, "spdy: second reply on a stream");
    }
    s->by_channel[c].has_reply = true;
    return true;
}

bool
spdy_streams_may_send(
    struct spdy_streams *s, enum channel c, enum channel_from from)
{
    const struct spdy_stream *stream = &s->by_channel[c];
    if (stream->is_finished[from]) {
        return refuse(s, "spdy: frame behind the end of its stream");
    }
    if (from == FROM_SERVER && !stream->has_reply) {
        return refuse(s, "spdy: data before the reply");
    }
    return true;
}

void
spdy_streams_finish(
    struct spdy_streams *s, enum channel c, enum channel_from from)
{
    s->by_channel[c].is_finished[from] = true;
}

void
spdy_streams_reset(struct spdy_streams *s, enum channel c)
{
    s->by_channel[c].is_reset = true;
}

bool
spdy_streams_is_heard(const struct spdy_streams *s, enum channel c)
{
    const struct spdy_stream *stream = &s->by_channel[c];
    return stream->id != 0 && stream->has_reply && !stream->is_reset &&
           !stream->is_finished[FROM_SERVER];
}

bool
spdy_streams_are_over(const struct spdy_streams *s, enum channel_from from)
{
    for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
        const struct spdy_stream *stream = &s->by_channel[c];
        if (stream->id != 0 && !stream->is_reset &&
            !stream->is_finished[from]) {
            return false;
        }
    }
    return s->last_id != 0;
}
