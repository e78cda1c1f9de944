/* One event of delay: an `o` or `i` may be corrected by the `b` behind it, so
 * its text counts only once something else has come. */
#include "player/exact_stream.h"

#include "base/base64.h"
#include <jansson.h>

void
exact_stream_init(struct exact_stream *x, enum journal_stream wanted)
{
    *x = (struct exact_stream){.wanted = wanted, .output = STREAM_STDOUT};
    buf_init(&x->held, CAST_LINE_MAX);
}

void
exact_stream_fini(struct exact_stream *x)
{
    buf_fini(&x->held);
}

bool
exact_stream_parse(struct span name, enum journal_stream *out)
{
    static const char *const names[STREAM_COUNT] = {
        [STREAM_STDIN] = "stdin",
        [STREAM_STDOUT] = "stdout",
        [STREAM_STDERR] = "stderr",
    };
    for (int i = 0; i < STREAM_COUNT; i++) {
        if (span_eq_str(name, names[i])) {
            *out = (enum journal_stream)i;
            return true;
        }
    }
    return false;
}

static enum status
hold(struct exact_stream *x, enum journal_stream of, struct span text)
{
    if (of != x->wanted) {
        return STATUS_OK;
    }
    x->is_held = true;
    buf_clear(&x->held);
    return buf_append(&x->held, text);
}

enum status
exact_stream_end(struct exact_stream *x, struct buf *out)
{
    if (!x->is_held) {
        return STATUS_OK;
    }
    x->is_held = false;
    return buf_append(out, buf_view(&x->held));
}

static enum status
decode_into(struct span base64, struct buf *out, struct error *err)
{
    const enum status st = base64_decode(base64, out);
    if (st == STATUS_OK) {
        return st;
    }
    return error_set(err, st, "an event's base64 is broken");
}

/* `b`: these bytes instead of the text that is held. */
static enum status
take_exact(struct exact_stream *x, struct span base64, struct buf *out,
    struct error *err)
{
    if (!x->is_held) {
        return STATUS_OK; /* of another stream */
    }
    x->is_held = false;
    return decode_into(base64, out, err);
}

/* `B`: {"stream": "stdout", "base64": "…"}. */
static enum status
take_binary(struct exact_stream *x, struct span json, struct buf *out,
    struct error *err)
{
    json_t *object = json_loadb(
        (const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(object, "stream"));
    const json_t *data = json_object_get(object, "base64");
    enum journal_stream of = STREAM_STDOUT;
    enum status st = STATUS_OK;
    if (name == NULL || !json_is_string(data) ||
        !exact_stream_parse(span_str(name), &of)) {
        st = error_set(err, STATUS_INVALID, "a B event has no stream or bytes");
    } else if (of == x->wanted) {
        st = decode_into(
            span_of(json_string_value(data), json_string_length(data)), out,
            err);
    }
    json_decref(object);
    return st;
}

static enum status
switch_output(struct exact_stream *x, struct span name, struct error *err)
{
    if (exact_stream_parse(name, &x->output) && x->output != STREAM_STDIN) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, "an s event names no stream");
}

enum status
exact_stream_feed(struct exact_stream *x, const struct cast_event *event,
    struct buf *out, struct error *err)
{
    if (event->code == CAST_EXACT) {
        return take_exact(x, event->data, out, err);
    }
    const enum status st = exact_stream_end(x, out);
    if (st != STATUS_OK) {
        return st;
    }
    switch (event->code) {
    case CAST_OUTPUT:
        return hold(x, x->output, event->data);
    case CAST_INPUT:
        return hold(x, STREAM_STDIN, event->data);
    case CAST_STREAM:
        return switch_output(x, event->data, err);
    case CAST_BINARY:
        return take_binary(x, event->data, out, err);
    default: /* a char, not an enum: codes of later versions are skipped */
        return STATUS_OK;
    }
}
