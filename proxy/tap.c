#include "proxy/tap.h"

#include "schema/gap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u

#define META_JSON_MAX (512u << 10)

struct tap {
    struct journal_writer *journal;
    const struct clock *clock;
    struct metrics *metrics;
    struct meta meta;
    char id[UUID_TEXT_LEN + 1];
    uint64_t session; /* key in the journal; 0: OPEN is owed */
    bool has_status;
    bool is_in_gap;
    struct gap gap; /* the one that is open */
    uint64_t gap_began_ns;
    uint8_t size[4]; /* the last, where it fell into the gap */
    bool owes_size;
};

static enum status
tap_append_meta(struct tap *t, enum journal_kind kind, enum meta_part part,
    uint64_t *lsn_out)
{
    struct buf json;
    buf_init(&json, META_JSON_MAX);
    enum status st = meta_encode(&t->meta, part, &json);
    if (st == STATUS_OK) {
        st = journal_writer_append(t->journal, kind, STREAM_STDIN, t->session,
            buf_view(&json), lsn_out);
    }
    buf_fini(&json);
    return st;
}

enum status
tap_open(struct journal_writer *journal, const struct clock *clock,
    struct metrics *metrics, struct meta *meta, struct tap **out,
    struct error *err)
{
    struct tap *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a session");
    }
    t->journal = journal;
    t->clock = clock;
    t->metrics = metrics;
    t->meta = *meta;
    meta_init(meta);
    t->meta.status = META_ACTIVE;
    t->meta.start_us = clock_wall_us(clock);
    t->meta.id = uuid_v7(t->meta.start_us);
    uuid_format(&t->meta.id, t->id);
    enum status st =
        tap_append_meta(t, JOURNAL_OPEN, META_PART_OPEN, &t->session);
    if (st == STATUS_LIMIT && !tap_is_required(t)) {
        tap_gap_begin(t, "the session journal has no room");
        st = STATUS_OK;
    }
    if (st != STATUS_OK) {
        meta_fini(&t->meta);
        free(t);
        return error_set(
            err, st, "the session journal has no room for another session");
    }
    metrics_add(metrics, METRIC_SESSIONS, 1);
    metrics_add(metrics, METRIC_SESSIONS_ACTIVE, 1);
    *out = t;
    return STATUS_OK;
}

const char *
tap_id(const struct tap *t)
{
    return t->id;
}

const struct meta *
tap_meta(const struct tap *t)
{
    return &t->meta;
}

enum status
tap_upgraded(struct tap *t, struct span subprotocol)
{
    return meta_set(&t->meta.subprotocol, subprotocol);
}

void
tap_count(struct tap *t, enum journal_stream stream, size_t len)
{
    static const enum metric metric_of[STREAM_COUNT] = {
        [STREAM_STDIN] = METRIC_BYTES_STDIN,
        [STREAM_STDOUT] = METRIC_BYTES_STDOUT,
        [STREAM_STDERR] = METRIC_BYTES_STDERR,
    };
    t->meta.bytes[stream] += len;
    metrics_add(t->metrics, metric_of[stream], (int64_t)len);
}

/* ---- gaps ---- */

bool
tap_is_required(const struct tap *t)
{
    return t->meta.record == META_REQUIRED;
}

bool
tap_is_in_gap(const struct tap *t)
{
    return t->is_in_gap;
}

void
tap_gap_begin(struct tap *t, const char *why)
{
    if (t->is_in_gap) {
        return;
    }
    t->is_in_gap = true;
    t->gap = (struct gap){.ms = 0};
    t->gap_began_ns = clock_mono_ns(t->clock);
    snprintf(t->gap.reason, sizeof t->gap.reason, "%s", why);
}

static enum status
tap_append_gap(struct tap *t)
{
    struct buf json;
    buf_init(&json, GAP_JSON_MAX);
    t->gap.ms = (clock_mono_ns(t->clock) - t->gap_began_ns) / NS_PER_MS;
    enum status st = gap_encode(&t->gap, &json);
    if (st == STATUS_OK) {
        st = journal_writer_append(t->journal, JOURNAL_NOTE, STREAM_STDIN,
            t->session, buf_view(&json), NULL);
    }
    buf_fini(&json);
    if (st == STATUS_OK) {
        t->meta.gap_count++;
        t->meta.gap_bytes += gap_total(&t->gap);
        metrics_add(t->metrics, METRIC_GAPS, 1);
    }
    return st;
}

enum status
tap_gap_end(struct tap *t)
{
    enum status st = STATUS_OK;
    if (!t->is_in_gap) {
        return STATUS_OK;
    }
    if (t->session == 0) {
        st = tap_append_meta(t, JOURNAL_OPEN, META_PART_OPEN, &t->session);
    }
    if (st == STATUS_OK && gap_total(&t->gap) > 0) {
        st = tap_append_gap(t);
    }
    if (st != STATUS_OK) {
        return st;
    }
    t->is_in_gap = false;
    if (t->owes_size) {
        t->owes_size = false;
        /* A size that is missing is no evidence lost. */
        (void)!journal_writer_append(t->journal, JOURNAL_RESIZE, STREAM_STDIN,
            t->session, span_of(t->size, sizeof t->size), NULL);
    }
    return STATUS_OK;
}

/* The bytes are not recorded; true if they would be, but for the gap. */
static bool
tap_falls_into_gap(struct tap *t, enum journal_stream stream, size_t len)
{
    if (!t->is_in_gap) {
        return false;
    }
    t->gap.bytes[stream] += len;
    metrics_add(t->metrics, METRIC_GAP_BYTES, (int64_t)len);
    return true;
}

/* How the command ended is a few bytes: they wait with what else does. */
static void
tap_status_in_gap(struct tap *t, struct span bytes)
{
    if (t->session != 0) {
        (void)!journal_writer_append(
            t->journal, JOURNAL_STATUS, STREAM_STDIN, t->session, bytes, NULL);
    }
}

/* ---- facts ---- */

static enum status
tap_record(struct tap *t, enum journal_kind kind, enum journal_stream stream,
    struct span bytes, bool *recorded_out)
{
    if (kind == JOURNAL_DATA && tap_falls_into_gap(t, stream, bytes.len)) {
        return STATUS_OK;
    }
    *recorded_out = true;
    metrics_add(t->metrics, METRIC_JOURNAL_BYTES, (int64_t)bytes.len);
    return journal_writer_append(
        t->journal, kind, stream, t->session, bytes, NULL);
}

static enum status
tap_data(struct tap *t, const struct channel_fact *fact, bool *recorded_out)
{
    enum journal_stream stream = STREAM_STDIN;
    switch (fact->channel) {
    case CHANNEL_STDIN:
        tap_count(t, STREAM_STDIN, fact->bytes.len);
        return t->meta.stdin_recorded
                   ? tap_record(t, JOURNAL_DATA, STREAM_STDIN, fact->bytes,
                         recorded_out)
                   : STATUS_OK;
    case CHANNEL_STDOUT:
        stream = STREAM_STDOUT;
        break;
    case CHANNEL_STDERR:
        stream = STREAM_STDERR;
        break;
    case CHANNEL_ERROR:
        t->has_status = true;
        if (t->is_in_gap) {
            tap_status_in_gap(t, fact->bytes);
            return STATUS_OK;
        }
        return tap_record(
            t, JOURNAL_STATUS, STREAM_STDIN, fact->bytes, recorded_out);
    case CHANNEL_RESIZE:
        return STATUS_OK; /* sizes come as CHANNEL_SIZE */
    }
    tap_count(t, stream, fact->bytes.len);
    return tap_record(t, JOURNAL_DATA, stream, fact->bytes, recorded_out);
}

static enum status
tap_size(struct tap *t, const struct channel_fact *fact, bool *recorded_out)
{
    const uint8_t bytes[4] = {
        (uint8_t)(fact->width >> 8),
        (uint8_t)fact->width,
        (uint8_t)(fact->height >> 8),
        (uint8_t)fact->height,
    };
    if (t->is_in_gap) {
        memcpy(t->size, bytes, sizeof bytes);
        t->owes_size = true;
        return STATUS_OK;
    }
    return tap_record(t, JOURNAL_RESIZE, STREAM_STDIN,
        span_of(bytes, sizeof bytes), recorded_out);
}

enum status
tap_fact(struct tap *t, enum channel_from from, const struct channel_fact *fact,
    bool *recorded_out)
{
    switch (fact->kind) {
    case CHANNEL_DATA:
        return fact->bytes.len > 0 ? tap_data(t, fact, recorded_out)
                                   : STATUS_OK;
    case CHANNEL_SIZE:
        return tap_size(t, fact, recorded_out);
    case CHANNEL_END:
        /* An empty error stream that ends is success (v4.go). */
        t->has_status |= from == FROM_SERVER && fact->channel == CHANNEL_ERROR;
        return STATUS_OK;
    case CHANNEL_CLOSE:
    case CHANNEL_NOTHING:
        return STATUS_OK;
    }
    return STATUS_OK;
}

bool
tap_has_status(const struct tap *t)
{
    return t->has_status;
}

static void
tap_count_end(struct tap *t, enum meta_status status)
{
    metrics_add(t->metrics, METRIC_SESSIONS_ACTIVE, -1);
    if (status == META_REFUSED) {
        metrics_add(t->metrics, METRIC_SESSIONS_REFUSED, 1);
    } else if (status == META_FAILED) {
        metrics_add(t->metrics, METRIC_SESSIONS_FAILED, 1);
    }
}

bool
tap_close(struct tap **tp, enum meta_status status, const char *reason)
{
    struct tap *t = *tp;
    *tp = NULL;
    if (t == NULL) {
        return true;
    }
    t->meta.status = status;
    t->meta.end_us = clock_wall_us(t->clock);
    /* Without the gap there is no CLOSE either: nobody is to take for whole
     * what is not. Out of memory ends the same way, see the header. */
    if (tap_gap_end(t) == STATUS_OK &&
        meta_set(&t->meta.reason, span_str(reason)) == STATUS_OK) {
        (void)!tap_append_meta(t, JOURNAL_CLOSE, META_PART_CLOSE, NULL);
    }
    const bool is_known = t->session != 0;
    tap_count_end(t, status);
    meta_fini(&t->meta);
    free(t);
    return is_known;
}
