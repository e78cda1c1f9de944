/* See journal_writer.h. */
#include "proxy/journal_writer.h"

#include "base/digest.h"
#include "base/file.h"
#include "proxy/journal_segments.h"
#include "proxy/limits.h"
#include "proxy/recorder_position.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#define NS_PER_MS 1000000u
/* Payloads of this size are written at once, uncopied: the copy would cost more
 * than the system call. */
#define WRITE_THROUGH_BYTES (8u << 10)
/* How often it is looked how all stands; and while something is wrong. */
#define LOOK_MS         1000u
#define LOOK_TROUBLE_MS 100u

struct journal_writer {
    struct journal_writer_options options;
    const struct clock *clock;
    loop_fn *on_synced;
    void *ctx;
    struct loop_timer *sync_timer;
    struct loop_timer *look_timer;
    struct journal_segments *segments;
    struct recorder_position position;
    struct journal_health health;
    uint32_t salt; /* of the segment that next_lsn lies in; see JOURNAL.md */
    uint64_t next_lsn;      /* of the next record */
    uint64_t written_lsn;   /* all below is in the page cache */
    uint64_t synced_lsn;    /* all below is on the disk */
    unsigned sync_failures; /* that are known of */
    uint64_t lost_lsn;      /* a sync failed: not certain below; 0: none did */
    uint64_t progress_lsn;  /* what was deliverable when that last grew, ... */
    uint64_t progress_ns;   /* ... or nothing waited; and when that was */
    uint64_t free_bytes;
    int spare_errno;    /* why there is no segment to go on in; 0: there is */
    struct buf batch;   /* records from written_lsn on */
    size_t batch_split; /* where the next segment's records begin; 0: no */
    bool must_roll;     /* the next record goes to the next segment */
};

/* ---- records ---- */

static enum status
batch_add(struct journal_writer *w, const struct journal_record *r)
{
    static const uint8_t zeros[8];
    uint8_t head[JOURNAL_RECORD_HEAD_LEN];
    uint8_t *tail = NULL;
    /* All of it or nothing: half a record would move all that follow. */
    enum status st =
        buf_reserve(&w->batch, journal_record_size(r->payload.len), &tail);
    if (st != STATUS_OK) {
        return st;
    }
    journal_record_encode(r, w->salt, head);
    st = buf_append(&w->batch, span_of(head, sizeof head));
    if (st == STATUS_OK) {
        st = buf_append(&w->batch, r->payload);
    }
    if (st == STATUS_OK) {
        st = buf_append(
            &w->batch, span_of(zeros, journal_record_padding(r->payload.len)));
    }
    return st;
}

static void
salt_draw(struct journal_writer *w)
{
    random_bytes(&w->salt, sizeof w->salt);
}

/* A record may end where its segment ends: then next_lsn is the first byte of
 * the next one, where a head is and no record can be. */
static uint64_t
segment_of_last(const struct journal_writer *w)
{
    return (w->next_lsn - 1) / JOURNAL_SEGMENT_BYTES;
}

static uint64_t
segment_left(const struct journal_writer *w)
{
    return (segment_of_last(w) + 1) * JOURNAL_SEGMENT_BYTES - w->next_lsn;
}

/* The next record does not fit into its segment: closes that with a PAD, where
 * one fits, and goes on at the head of the next. */
static enum status
batch_turn_page(struct journal_writer *w, uint64_t left)
{
    if (left >= JOURNAL_RECORD_HEAD_LEN) {
        const enum status st =
            batch_add(w, &(struct journal_record){
                             .lsn = w->next_lsn,
                             .mono_ns = clock_mono_ns(w->clock),
                             .kind = JOURNAL_PAD,
                             .payload = SPAN_EMPTY,
                         });
        if (st != STATUS_OK) {
            return st;
        }
    }
    const uint64_t number = segment_of_last(w) + 1;
    salt_draw(w);
    w->next_lsn = number * JOURNAL_SEGMENT_BYTES + JOURNAL_SEGMENT_HEAD_LEN;
    if (w->batch.len > 0) {
        w->batch_split = w->batch.len;
    } else {
        w->must_roll = true;
    }
    return STATUS_OK;
}

/* iovec has no const, and writing needs none. */
static struct iovec
span_iovec(struct span s)
{
    union {
        const uint8_t *from;
        void *to;
    } base = {.from = s.ptr};
    return (struct iovec){base.to, s.len};
}

static bool
pwritev_whole(int fd, const struct span parts[4], off_t at)
{
    struct iovec iov[4];
    size_t total = 0;
    for (size_t i = 0; i < 4; i++) {
        iov[i] = span_iovec(parts[i]);
        total += parts[i].len;
    }
    const ssize_t n = pwritev(fd, iov, 4, at);
    return n >= 0 && (size_t)n == total;
}

/* Writes the batch and one large record behind it without copying that. When
 * the file does not take all of it the record joins the batch like any other:
 * what was written is written again, to the same place. */
static bool
batch_write_through(struct journal_writer *w, const struct journal_record *r)
{
    static const uint8_t zeros[8];
    uint8_t head[JOURNAL_RECORD_HEAD_LEN];
    const struct span batch = buf_view(&w->batch);
    if (w->must_roll || w->batch_split > 0 ||
        journal_health_has(&w->health, JOURNAL_TROUBLE_WRITE)) {
        return false;
    }
    journal_record_encode(r, w->salt, head);
    const struct span parts[4] = {
        batch,
        span_of(head, sizeof head),
        r->payload,
        span_of(zeros, journal_record_padding(r->payload.len)),
    };
    const off_t at = (off_t)(w->written_lsn % JOURNAL_SEGMENT_BYTES);
    if (!pwritev_whole(journal_segments_fd(w->segments), parts, at)) {
        return false;
    }
    w->written_lsn += batch.len + journal_record_size(r->payload.len);
    buf_clear(&w->batch);
    return true;
}

/* What keeps a place for the ends of sessions when nothing can be written. */
static size_t
reserve_for(enum journal_kind kind)
{
    return kind == JOURNAL_CLOSE || kind == JOURNAL_NOTE
               ? 0
               : LIMIT_JOURNAL_RESERVE_BYTES;
}

bool
journal_writer_has_room(const struct journal_writer *w, size_t bytes)
{
    /* Twice for heads of small records, and a PAD. A second page turn in one
     * batch has no place to be noted. */
    const size_t need = 2 * bytes + 4096;
    return buf_room(&w->batch) >= need + reserve_for(JOURNAL_DATA);
}

static uint64_t
backlog_of(const struct journal_writer *w)
{
    return w->next_lsn - w->position.last.released_lsn;
}

static void
see_backlog(struct journal_writer *w)
{
    if (backlog_of(w) > w->options.limits.max_bytes) {
        /* It may have been released since the last look. */
        recorder_position_read(&w->position, journal_segments_dir(w->segments));
    }
    journal_health_see_backlog(&w->health, backlog_of(w));
}

/* Sessions stop before the last segment is full: then they can still be told,
 * and it can be recorded how they ended. */
static void
see_segment(struct journal_writer *w)
{
    const bool is_last = segment_left(w) < LIMIT_JOURNAL_LAST_BYTES;
    if (w->spare_errno == 0 || is_last) {
        journal_health_see_error(
            &w->health, JOURNAL_TROUBLE_SEGMENT, w->spare_errno);
    }
}

enum status
journal_writer_append(struct journal_writer *w, enum journal_kind kind,
    enum journal_stream stream, uint64_t session, struct span payload,
    uint64_t *lsn_out)
{
    assert(payload.len <= JOURNAL_PAYLOAD_MAX);
    const size_t size = journal_record_size(payload.len);
    if (buf_room(&w->batch) <
        size + JOURNAL_RECORD_HEAD_LEN + reserve_for(kind)) {
        return STATUS_LIMIT;
    }
    const uint64_t left = segment_left(w);
    if (size > left) {
        const enum status st = batch_turn_page(w, left);
        if (st != STATUS_OK) {
            return st;
        }
    }
    const struct journal_record r = {
        .lsn = w->next_lsn,
        .session = kind == JOURNAL_OPEN ? w->next_lsn : session,
        .mono_ns = clock_mono_ns(w->clock),
        .kind = kind,
        .stream = stream,
        .payload = payload,
    };
    enum status st = STATUS_OK;
    if (payload.len < WRITE_THROUGH_BYTES || !batch_write_through(w, &r)) {
        st = batch_add(w, &r);
    }
    if (st != STATUS_OK) {
        return st;
    }
    w->next_lsn += size;
    see_backlog(w);
    see_segment(w);
    if (lsn_out != NULL) {
        *lsn_out = r.lsn;
    }
    return STATUS_OK;
}

/* ---- writing ---- */

static void
see_error(struct journal_writer *w, enum journal_trouble which, enum status st,
    const struct error *err)
{
    const int failed = err->sys_errno != 0 ? err->sys_errno : EIO;
    journal_health_see_error(&w->health, which, st == STATUS_OK ? 0 : failed);
}

static void look_at_recorder(struct journal_writer *w);

/* Goes on in the next segment; false when that must wait. */
static bool
segment_roll(struct journal_writer *w)
{
    struct error err = {.sys_errno = 0};
    look_at_recorder(w); /* the spare after this one may be what it released */
    const enum status st =
        journal_segments_roll(w->segments, w->salt, w->written_lsn, &err);
    if (st == STATUS_TIMEOUT) {
        return false;
    }
    see_error(w, JOURNAL_TROUBLE_WRITE, st, &err);
    if (st != STATUS_OK) {
        return false;
    }
    w->written_lsn =
        journal_segments_number(w->segments) * JOURNAL_SEGMENT_BYTES +
        JOURNAL_SEGMENT_HEAD_LEN;
    w->must_roll = false;
    return true;
}

/* Writes the part of the batch that belongs to the current segment. */
static bool
batch_write(struct journal_writer *w)
{
    const size_t len = w->batch_split > 0 ? w->batch_split : w->batch.len;
    const struct span part = {buf_view(&w->batch).ptr, len};
    struct error err = {.sys_errno = 0};
    const enum status st = file_pwrite_all(journal_segments_fd(w->segments),
        part, (off_t)(w->written_lsn % JOURNAL_SEGMENT_BYTES), &err);
    see_error(w, JOURNAL_TROUBLE_WRITE, st, &err);
    if (st != STATUS_OK) {
        return false;
    }
    w->written_lsn += len;
    buf_consume(&w->batch, len);
    w->must_roll = w->batch_split > 0;
    w->batch_split = 0;
    return true;
}

void
journal_writer_flush(struct journal_writer *w)
{
    while (w->batch.len > 0) {
        if (w->must_roll && !segment_roll(w)) {
            return;
        }
        if (!batch_write(w)) {
            return;
        }
    }
    if (w->options.durability == CONFIG_DURABILITY_STRICT) {
        journal_segments_want_sync(w->segments, w->written_lsn);
    }
}

uint64_t
journal_writer_end(const struct journal_writer *w)
{
    return w->next_lsn;
}

uint64_t
journal_writer_deliverable(const struct journal_writer *w)
{
    if (w->options.durability == CONFIG_DURABILITY_JOURNAL) {
        return w->written_lsn;
    }
    return w->lost_lsn != 0 ? 0 : w->synced_lsn;
}

bool
journal_writer_is_blocked(const struct journal_writer *w)
{
    return journal_health_has(&w->health, JOURNAL_TROUBLE_WRITE) ||
           journal_health_has(&w->health, JOURNAL_TROUBLE_SYNC) ||
           journal_health_has(&w->health, JOURNAL_TROUBLE_STALL) ||
           (w->spare_errno != 0 && (w->must_roll || w->batch_split > 0));
}

/* ---- looking ---- */

/* A failed fdatasync is not to be tried again: the kernel has forgotten the
 * pages that it could not write. What was written up to here is certain only
 * when the recorder has it durable elsewhere. */
static void
see_sync(struct journal_writer *w, const struct journal_disk *disk)
{
    if (disk->sync_failures != w->sync_failures) {
        w->sync_failures = disk->sync_failures;
        w->lost_lsn = w->written_lsn;
        journal_health_see_error(
            &w->health, JOURNAL_TROUBLE_SYNC, disk->sync_errno);
    } else if (w->lost_lsn != 0 &&
               w->position.last.released_lsn >= w->lost_lsn) {
        w->lost_lsn = 0;
        journal_health_see_error(&w->health, JOURNAL_TROUBLE_SYNC, 0);
    }
}

static bool
disk_has_answered(const struct journal_writer *w)
{
    return journal_health_has(&w->health, JOURNAL_TROUBLE_WRITE) ||
           journal_health_has(&w->health, JOURNAL_TROUBLE_SYNC) ||
           journal_health_has(&w->health, JOURNAL_TROUBLE_SEGMENT);
}

/* A disk that neither takes nor refuses. */
static void
see_stall(struct journal_writer *w)
{
    const uint64_t now = clock_mono_ns(w->clock);
    const uint64_t deliverable = journal_writer_deliverable(w);
    if (deliverable == w->next_lsn || deliverable != w->progress_lsn ||
        disk_has_answered(w)) {
        w->progress_lsn = deliverable;
        w->progress_ns = now;
    }
    journal_health_see_stall(&w->health,
        now - w->progress_ns > LIMIT_JOURNAL_STALL_MS * (uint64_t)NS_PER_MS);
}

static void
look_at_recorder(struct journal_writer *w)
{
    recorder_position_read(&w->position, journal_segments_dir(w->segments));
    journal_segments_note_released(w->segments, w->position.last.released_lsn);
    journal_health_see_silence(
        &w->health, recorder_position_silent_ms(&w->position));
    see_backlog(w);
}

static void
look_at_disk(struct journal_writer *w)
{
    const struct journal_disk disk = journal_segments_disk(w->segments);
    w->synced_lsn = disk.synced_lsn;
    w->free_bytes = disk.free_bytes;
    w->spare_errno = disk.spare_errno;
    see_sync(w, &disk);
    see_stall(w);
    see_segment(w);
    journal_health_see_error(
        &w->health, JOURNAL_TROUBLE_SPARE, disk.spare_errno);
    journal_health_see_free(&w->health, disk.free_bytes);
}

/* The helper has done something. */
static void
journal_writer_on_wake(void *ctx)
{
    struct journal_writer *w = ctx;
    look_at_disk(w);
    journal_writer_flush(w);
    w->on_synced(w->ctx);
}

static void
journal_writer_on_look(void *ctx)
{
    struct journal_writer *w = ctx;
    journal_writer_flush(w); /* what a failing disk did not take */
    look_at_recorder(w);
    look_at_disk(w);
    journal_segments_look(w->segments);
    journal_health_tell(&w->health);
    loop_timer_start(w->look_timer,
        journal_health_is_well(&w->health) ? LOOK_MS : LOOK_TROUBLE_MS, 0);
}

static void
journal_writer_on_sync(void *ctx)
{
    struct journal_writer *w = ctx;
    journal_segments_want_sync(w->segments, w->written_lsn);
}

const char *
journal_writer_why_not(struct journal_writer *w, enum journal_need need)
{
    if (need == JOURNAL_NEED_OPEN) {
        look_at_recorder(w);
    }
    return journal_health_why_not(&w->health, need);
}

struct journal_gauges
journal_writer_gauges(const struct journal_writer *w)
{
    return (struct journal_gauges){
        .backlog_bytes = backlog_of(w),
        .free_bytes = w->free_bytes,
        .silent_ms = recorder_position_silent_ms(&w->position),
    };
}

/* ---- life ---- */

static enum status
journal_writer_start(
    struct journal_writer *w, struct loop *loop, struct error *err)
{
    enum status st = journal_segments_open(loop, w->clock,
        w->options.journal_dir, w->options.worker_index, w->salt,
        journal_writer_on_wake, w, &w->segments, err);
    if (st == STATUS_OK) {
        st = loop_timer_open(
            loop, journal_writer_on_sync, w, &w->sync_timer, err);
    }
    if (st == STATUS_OK) {
        st = loop_timer_open(
            loop, journal_writer_on_look, w, &w->look_timer, err);
    }
    if (st == STATUS_OK) {
        loop_timer_start(w->sync_timer, w->options.sync_interval_ms,
            w->options.sync_interval_ms);
        loop_timer_start(w->look_timer, LOOK_MS, 0);
        look_at_disk(w);
    }
    return st;
}

enum status
journal_writer_open(struct loop *loop, const struct clock *clock,
    const struct log *log, const struct journal_writer_options *o,
    loop_fn *on_synced, void *ctx, struct journal_writer **out,
    struct error *err)
{
    struct journal_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the journal");
    }
    w->options = *o;
    w->clock = clock;
    w->on_synced = on_synced;
    w->ctx = ctx;
    w->next_lsn = JOURNAL_SEGMENT_HEAD_LEN;
    w->written_lsn = w->next_lsn;
    recorder_position_init(&w->position, clock);
    journal_health_init(&w->health, clock, log, &o->limits);
    salt_draw(w);
    buf_init(&w->batch, LIMIT_JOURNAL_BATCH_BYTES);
    const enum status st = journal_writer_start(w, loop, err);
    if (st != STATUS_OK) {
        journal_writer_close(&w);
        return st;
    }
    *out = w;
    return STATUS_OK;
}

void
journal_writer_close(struct journal_writer **wp)
{
    struct journal_writer *w = *wp;
    *wp = NULL;
    if (w == NULL) {
        return;
    }
    if (w->segments != NULL) {
        journal_writer_flush(w);
        journal_segments_want_sync(w->segments, w->written_lsn);
    }
    journal_segments_close(&w->segments);
    loop_timer_close(&w->sync_timer);
    loop_timer_close(&w->look_timer);
    buf_fini(&w->batch);
    free(w);
}

struct uuid
journal_writer_id(const struct journal_writer *w)
{
    return journal_segments_id(w->segments);
}
