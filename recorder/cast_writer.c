/* See cast_writer.h. The fast path is text that is whole: one look at whether
 * it is UTF-8, one event, no copy but the encoder's. */
#include "recorder/cast_writer.h"

#include "base/base64.h"
#include "recorder/limits.h"
#include "schema/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_US 1000u

static const char *const stream_names[STREAM_COUNT] = {
    [STREAM_STDIN] = "stdin",
    [STREAM_STDOUT] = "stdout",
    [STREAM_STDERR] = "stderr",
};

static const char status_prefix[] = "{\"error_stream\":\"";
static const char status_suffix[] = "\"}";

void
cast_scratch_init(struct cast_scratch *s)
{
    buf_init(&s->joined, JOURNAL_PAYLOAD_MAX + 4);
    buf_init(&s->repaired, 3 * (JOURNAL_PAYLOAD_MAX + 4));
    buf_init(&s->coded, 2 * JOURNAL_PAYLOAD_MAX);
}

void
cast_scratch_fini(struct cast_scratch *s)
{
    buf_fini(&s->joined);
    buf_fini(&s->repaired);
    buf_fini(&s->coded);
}

void
cast_scratch_shrink(struct cast_scratch *s)
{
    buf_clear(&s->joined);
    buf_shrink(&s->joined);
    buf_clear(&s->repaired);
    buf_shrink(&s->repaired);
    buf_clear(&s->coded);
    buf_shrink(&s->coded);
}

void
cast_writer_init(struct cast_writer *w, const struct uuid *worker,
    const struct journal_record *open, bool is_tty)
{
    *w = (struct cast_writer){
        .at =
            {
                .worker = *worker,
                .next_lsn = open->lsn + journal_record_size(open->payload.len),
                .session = open->session,
                .open_mono_ns = open->mono_ns,
                .stream = STREAM_STDOUT,
            },
        .is_tty = is_tty,
    };
}

uint64_t
cast_writer_time_us(const struct cast_writer *w, uint64_t mono_ns)
{
    if (mono_ns <= w->at.open_mono_ns) {
        return w->at.last_time_us;
    }
    const uint64_t us = (mono_ns - w->at.open_mono_ns) / NS_PER_US;
    return us > w->at.last_time_us ? us : w->at.last_time_us;
}

/* --- one change: all of it, or nothing ----------------------------------- */

struct change {
    struct cast_writer *writer;
    struct cast_writer before;
    struct buf *text;
    size_t text_len;
};

static struct change
change_begin(struct cast_writer *w, struct buf *text)
{
    return (struct change){w, *w, text, text->len};
}

static enum status
change_end(const struct change *c, enum status st)
{
    if (st != STATUS_OK) {
        *c->writer = c->before;
        c->text->len = c->text_len;
    }
    return st;
}

/* --- events -------------------------------------------------------------- */

static enum status
put(struct cast_writer *w, uint64_t time_us, enum cast_code code,
    struct span data, struct buf *text)
{
    w->at.last_time_us = time_us;
    return cast_event_encode(time_us, code, data, text);
}

static enum status
put_stream(struct cast_writer *w, uint64_t time_us, enum journal_stream stream,
    struct buf *text)
{
    if (stream == STREAM_STDIN || w->at.stream == stream) {
        return STATUS_OK;
    }
    w->at.stream = (uint8_t)stream;
    return put(w, time_us, CAST_STREAM, span_str(stream_names[stream]), text);
}

/* Text that needed U+FFFD, and behind it the bytes that it stands for. */
static enum status
put_repaired(struct cast_writer *w, uint64_t time_us, enum cast_code code,
    struct span bytes, struct cast_scratch *scratch, struct buf *text)
{
    buf_clear(&scratch->repaired);
    enum status st = utf8_repair(bytes, &scratch->repaired);
    if (st == STATUS_OK) {
        st = put(w, time_us, code, buf_view(&scratch->repaired), text);
    }
    if (st != STATUS_OK) {
        return st;
    }
    buf_clear(&scratch->coded);
    st = base64_encode(bytes, &scratch->coded);
    if (st != STATUS_OK) {
        return st;
    }
    return put(w, time_us, CAST_EXACT, buf_view(&scratch->coded), text);
}

static enum status
put_text(struct cast_writer *w, uint64_t time_us, enum journal_stream stream,
    struct span bytes, bool is_valid, struct cast_scratch *scratch,
    struct buf *text)
{
    if (bytes.len == 0) {
        return STATUS_OK;
    }
    const enum cast_code code =
        stream == STREAM_STDIN ? CAST_INPUT : CAST_OUTPUT;
    const enum status st = put_stream(w, time_us, stream, text);
    if (st != STATUS_OK) {
        return st;
    }
    return is_valid ? put(w, time_us, code, bytes, text)
                    : put_repaired(w, time_us, code, bytes, scratch, text);
}

static enum status
put_binary(struct cast_writer *w, uint64_t time_us, enum journal_stream stream,
    struct span bytes, struct cast_scratch *scratch, struct buf *text)
{
    struct buf *coded = &scratch->coded;
    buf_clear(coded);
    enum status st = buf_printf(
        coded, "{\"stream\":\"%s\",\"base64\":\"", stream_names[stream]);
    if (st == STATUS_OK) {
        st = base64_encode(bytes, coded);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(coded, "\"}");
    }
    if (st == STATUS_OK) {
        st = put(w, time_us, CAST_BINARY, buf_view(coded), text);
    }
    return st;
}

/* --- data ---------------------------------------------------------------- */

/* `valid`: of its beginning is known to be UTF-8. */
static bool
is_mostly_invalid(struct span bytes, size_t valid)
{
    const size_t limit = bytes.len / RECORDER_BINARY_PART;
    size_t invalid = 0;
    struct span rest = bytes;
    (void)span_skip(&rest, valid);
    while (rest.len > 0 && invalid <= limit) {
        (void)span_skip(&rest, 1);
        invalid++;
        (void)span_skip(&rest, utf8_valid_prefix(rest));
    }
    return invalid > limit;
}

static bool
is_binary(const struct cast_writer *w, struct span bytes, size_t valid)
{
    if (w->is_tty) {
        return false;
    }
    if (bytes.len > 0 && memchr(bytes.ptr, 0, bytes.len) != NULL) {
        return true;
    }
    return bytes.len >= RECORDER_BINARY_CHUNK_MIN &&
           is_mostly_invalid(bytes, valid);
}

/* What was carried of the stream, then the chunk. */
static enum status
join(struct cast_writer *w, const struct journal_record *r,
    struct cast_scratch *scratch, struct span *out)
{
    const size_t carried = w->at.carry_len[r->stream];
    if (carried == 0) {
        *out = r->payload;
        return STATUS_OK;
    }
    struct buf *joined = &scratch->joined;
    buf_clear(joined);
    enum status st =
        buf_append(joined, span_of(w->at.carry[r->stream], carried));
    if (st == STATUS_OK) {
        st = buf_append(joined, r->payload);
    }
    if (st == STATUS_OK) {
        w->at.carry_len[r->stream] = 0;
        *out = buf_view(joined);
    }
    return st;
}

/* Takes the begun character off the end of `bytes`, for the next chunk. */
static void
carry(struct cast_writer *w, enum journal_stream stream, struct span *bytes)
{
    const size_t tail = utf8_split_tail(*bytes);
    assert(tail <= sizeof w->at.carry[stream]);
    bytes->len -= tail;
    memcpy(w->at.carry[stream], bytes->ptr + bytes->len, tail);
    w->at.carry_len[stream] = (uint8_t)tail;
}

static enum status
put_data(struct cast_writer *w, const struct journal_record *r,
    struct cast_scratch *scratch, struct buf *text)
{
    const enum journal_stream stream = r->stream;
    const uint64_t time_us = cast_writer_time_us(w, r->mono_ns);
    struct span bytes;
    const enum status st = join(w, r, scratch, &bytes);
    if (st != STATUS_OK) {
        return st;
    }
    w->at.bytes[stream] += r->payload.len;
    if (w->at.is_binary[stream]) {
        return put_binary(w, time_us, stream, bytes, scratch, text);
    }
    const size_t valid = utf8_valid_prefix(bytes);
    if (is_binary(w, bytes, valid)) {
        w->at.is_binary[stream] = true;
        return put_binary(w, time_us, stream, bytes, scratch, text);
    }
    if (valid < bytes.len) {
        carry(w, stream, &bytes);
    }
    return put_text(
        w, time_us, stream, bytes, valid == bytes.len, scratch, text);
}

enum status
cast_writer_data(struct cast_writer *w, const struct journal_record *r,
    struct cast_scratch *scratch, struct buf *text)
{
    if (r->payload.len == 0) {
        return STATUS_OK;
    }
    const struct change c = change_begin(w, text);
    return change_end(&c, put_data(w, r, scratch, text));
}

static enum status
flush_stream(struct cast_writer *w, enum journal_stream stream,
    uint64_t mono_ns, struct cast_scratch *scratch, struct buf *text)
{
    const size_t len = w->at.carry_len[stream];
    w->at.carry_len[stream] = 0;
    return put_text(w, cast_writer_time_us(w, mono_ns), stream,
        span_of(w->at.carry[stream], len), false, scratch, text);
}

enum status
cast_writer_flush(struct cast_writer *w, uint64_t mono_ns,
    struct cast_scratch *scratch, struct buf *text)
{
    const struct change c = change_begin(w, text);
    enum status st = STATUS_OK;
    for (int i = 0; i < STREAM_COUNT && st == STATUS_OK; i++) {
        st = flush_stream(w, (enum journal_stream)i, mono_ns, scratch, text);
    }
    return change_end(&c, st);
}

/* --- sizes, facts, exit -------------------------------------------------- */

bool
cast_writer_size_of(
    const struct journal_record *r, uint16_t *columns_out, uint16_t *rows_out)
{
    struct span payload = r->payload;
    uint16_t columns;
    uint16_t rows;
    if (!span_take_u16(&payload, &columns) || !span_take_u16(&payload, &rows) ||
        columns == 0 || rows == 0) {
        return false;
    }
    *columns_out = columns;
    *rows_out = rows;
    return true;
}

enum status
cast_writer_resize(
    struct cast_writer *w, const struct journal_record *r, struct buf *text)
{
    uint16_t columns;
    uint16_t rows;
    if (!cast_writer_size_of(r, &columns, &rows) ||
        (columns == w->at.width && rows == w->at.height)) {
        return STATUS_OK;
    }
    char size[16];
    snprintf(size, sizeof size, "%ux%u", columns, rows);
    const struct change c = change_begin(w, text);
    w->at.width = columns;
    w->at.height = rows;
    return change_end(&c, put(w, cast_writer_time_us(w, r->mono_ns),
                              CAST_RESIZE, span_str(size), text));
}

enum status
cast_writer_facts(
    struct cast_writer *w, uint64_t mono_ns, struct span json, struct buf *text)
{
    const struct change c = change_begin(w, text);
    return change_end(
        &c, put(w, cast_writer_time_us(w, mono_ns), CAST_FACTS, json, text));
}

enum status
cast_writer_gap(struct cast_writer *w, uint64_t mono_ns, const struct gap *gap,
    struct span json, struct cast_scratch *scratch, struct buf *text)
{
    const struct change c = change_begin(w, text);
    char words[GAP_TEXT_MAX];
    gap_text(gap, words);
    enum status st = cast_writer_flush(w, mono_ns, scratch, text);
    if (st == STATUS_OK) {
        st = put(w, cast_writer_time_us(w, mono_ns), CAST_MARKER,
            span_str(words), text);
    }
    if (st == STATUS_OK) {
        st = cast_writer_facts(w, mono_ns, json, text);
    }
    return change_end(&c, st);
}

enum status
cast_writer_status(struct cast_writer *w, const struct journal_record *r,
    struct cast_scratch *scratch, struct buf *text)
{
    struct buf *coded = &scratch->coded;
    buf_clear(coded);
    enum status st = buf_append_str(coded, status_prefix);
    if (st == STATUS_OK) {
        st = base64_encode(r->payload, coded);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(coded, status_suffix);
    }
    if (st != STATUS_OK) {
        return st;
    }
    return cast_writer_facts(w, r->mono_ns, buf_view(coded), text);
}

enum status
cast_writer_status_of(struct span json, struct buf *out)
{
    const size_t around = sizeof status_prefix - 1 + sizeof status_suffix - 1;
    if (json.len < around || !span_starts_with(json, status_prefix)) {
        return STATUS_OK;
    }
    return base64_decode(
        span_of(json.ptr + sizeof status_prefix - 1, json.len - around), out);
}

enum status
cast_writer_exit(
    struct cast_writer *w, uint64_t mono_ns, int exit_code, struct buf *text)
{
    char code[16];
    snprintf(code, sizeof code, "%d", exit_code);
    const struct change c = change_begin(w, text);
    return change_end(&c, put(w, cast_writer_time_us(w, mono_ns), CAST_EXIT,
                              span_str(code), text));
}
