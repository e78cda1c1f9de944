/* See journal_writer.h. Two threads: the loop's writes records, the helper
 * syncs segments and prepares the next one, since fdatasync and fallocate
 * may take long. What they share is behind one mutex, and small. */
#include "proxy/journal_writer.h"

#include "base/digest.h"
#include "base/file.h"
#include "proxy/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SPARE_NAME "spare"
/* Payloads of this size are written at once, uncopied: the copy would cost more
 * than the system call. */
#define WRITE_THROUGH_BYTES (8u << 10)
/* How often the recorder's position file is read. */
#define POSITION_INTERVAL_NS 200000000u

/* The helper's work, and what it has done. Guarded by `mutex`. Only the
 * helper closes segments, so a descriptor it syncs is always open. */
struct helper {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    bool is_running;
    bool is_stopping;
    bool wants_spare;
    bool has_spare;
    bool is_short;        /* the last spare could not be made */
    bool has_new_name;    /* the folder is owed a sync */
    bool has_failed;      /* a sync failed: what the disk holds is unknown */
    uint64_t sync_target; /* sync everything below this LSN: */
    int current_fd;       /* this segment, and the full ones before it */
    int full_fds[LIMIT_UNSYNCED_SEGMENTS];
    size_t full_count;
    uint64_t synced;
    uint64_t current; /* number of the current segment */
    uint64_t oldest;  /* first segment that still exists */
    uint64_t released_lsn;
};

struct journal_writer {
    struct journal_writer_options options;
    const struct clock *clock;
    const struct log *log;
    loop_fn *on_synced;
    void *ctx;
    struct loop_wake *wake;
    struct loop_timer *sync_timer;
    struct uuid id;
    char dir[PATH_MAX];
    int lock_fd;
    int fd;           /* the current segment */
    uint64_t segment; /* its number */
    uint32_t salt;    /* of the segment that next_lsn lies in; see JOURNAL.md */
    uint64_t next_lsn;    /* of the next record */
    uint64_t written_lsn; /* all below is in the page cache */
    uint64_t synced_lsn;  /* all below is on the disk */
    struct buf batch;     /* records from written_lsn on */
    size_t batch_split;   /* where the next segment's records begin; 0: no */
    bool must_roll;       /* the next record goes to the next segment */
    bool is_failing;      /* the last write did not work */
    bool is_short;        /* as the helper's: no segment to go on in */
    bool has_lost_sync;   /* sticky, see helper.has_failed */
    uint64_t position_read_ns;
    struct journal_position position;
    struct helper helper;
};

/* ---- files ---- */

static enum status
dir_path(const struct journal_writer *w, const char *name, char *out,
    struct error *err)
{
    return file_join(out, PATH_MAX, w->dir, name, err);
}

/* A file of the full size, whose blocks exist: a later write cannot find the
 * disk full. */
static enum status
spare_create(const struct journal_writer *w, struct error *err)
{
    char path[PATH_MAX];
    enum status st = dir_path(w, SPARE_NAME, path, err);
    if (st != STATUS_OK) {
        return st;
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_sys(err, errno, "%s", path);
    }
    const int failed = posix_fallocate(fd, 0, JOURNAL_SEGMENT_BYTES);
    if (failed != 0) {
        st = error_sys(err, failed, "%s: reserving a segment", path);
    }
    if (close(fd) != 0 && st == STATUS_OK) {
        st = error_sys(err, errno, "%s", path);
    }
    return st;
}

static bool
segment_is_released(uint64_t number, uint64_t current, uint64_t released_lsn)
{
    return number < current &&
           released_lsn >= (number + 1) * JOURNAL_SEGMENT_BYTES;
}

/* What a recorder that was behind has released since: one segment is enough to
 * go on with, the others go back to the disk. The oldest that is left. */
static uint64_t
surplus_remove(const struct journal_writer *w, uint64_t oldest,
    uint64_t current, uint64_t released_lsn)
{
    while (segment_is_released(oldest + 1, current, released_lsn)) {
        char name[JOURNAL_SEGMENT_NAME_MAX];
        char path[PATH_MAX];
        journal_segment_name(oldest, name);
        if (dir_path(w, name, path, NULL) != STATUS_OK || unlink(path) != 0) {
            break;
        }
        oldest++;
    }
    return oldest;
}

/* The oldest segment becomes the spare when the recorder has released all of
 * it; otherwise a new file is made. */
static enum status
spare_prepare(struct journal_writer *w, uint64_t oldest, uint64_t current,
    uint64_t released_lsn, bool *recycled_out, struct error *err)
{
    *recycled_out = segment_is_released(oldest, current, released_lsn);
    if (!*recycled_out) {
        return spare_create(w, err);
    }
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char from[PATH_MAX];
    char to[PATH_MAX];
    journal_segment_name(oldest, name);
    enum status st = dir_path(w, name, from, err);
    if (st == STATUS_OK) {
        st = dir_path(w, SPARE_NAME, to, err);
    }
    if (st == STATUS_OK && rename(from, to) != 0) {
        st = error_sys(err, errno, "%s: recycling", from);
    }
    return st;
}

/* The spare becomes segment `number`: head first, then the name, so that a
 * named segment always has its head. */
static enum status
segment_begin(
    struct journal_writer *w, uint64_t number, int *fd_out, struct error *err)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char spare[PATH_MAX];
    char path[PATH_MAX];
    journal_segment_name(number, name);
    enum status st = dir_path(w, SPARE_NAME, spare, err);
    if (st == STATUS_OK) {
        st = dir_path(w, name, path, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    const int fd = open(spare, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_sys(err, errno, "%s", spare);
    }
    uint8_t head[JOURNAL_SEGMENT_HEAD_LEN];
    journal_segment_encode(
        &(struct journal_segment){
            .worker = w->id,
            .number = number,
            .wall_us = clock_wall_us(w->clock),
            .mono_ns = clock_mono_ns(w->clock),
            .salt = w->salt,
        },
        head);
    st = file_pwrite_all(fd, span_of(head, sizeof head), 0, err);
    if (st == STATUS_OK && rename(spare, path) != 0) {
        st = error_sys(err, errno, "%s", path);
    }
    if (st != STATUS_OK) {
        close(fd);
        return st;
    }
    *fd_out = fd;
    return STATUS_OK;
}

/* ---- the helper thread ---- */

/* Syncs what was full and what is current at this moment, without the lock:
 * the bytes, and the names by which they are found. */
static void
helper_sync(struct journal_writer *w)
{
    struct helper *h = &w->helper;
    const uint64_t target = h->sync_target;
    const bool has_new_name = h->has_new_name;
    h->has_new_name = false;
    const size_t full_count = h->full_count;
    int fds[LIMIT_UNSYNCED_SEGMENTS + 1];
    memcpy(fds, h->full_fds, sizeof h->full_fds);
    fds[full_count] = h->current_fd;
    pthread_mutex_unlock(&h->mutex);

    bool is_synced = !has_new_name || file_fsync_dir(w->dir, NULL) == STATUS_OK;
    for (size_t i = 0; i <= full_count; i++) {
        is_synced = fdatasync(fds[i]) == 0 && is_synced;
    }
    for (size_t i = 0; i < full_count; i++) {
        close(fds[i]);
    }

    pthread_mutex_lock(&h->mutex);
    h->full_count -= full_count;
    memmove(h->full_fds, h->full_fds + full_count,
        h->full_count * sizeof h->full_fds[0]);
    h->has_failed |= !is_synced;
    h->synced = target;
    loop_wake_send(w->wake);
}

static void
helper_make_spare(struct journal_writer *w)
{
    struct helper *h = &w->helper;
    uint64_t oldest = h->oldest;
    const uint64_t current = h->current;
    const uint64_t released = h->released_lsn;
    const bool was_short = h->is_short;
    pthread_mutex_unlock(&h->mutex);

    struct error err;
    bool is_recycled = false;
    oldest = surplus_remove(w, oldest, current, released);
    const enum status st =
        spare_prepare(w, oldest, current, released, &is_recycled, &err);
    if (st != STATUS_OK && !was_short) {
        log_error(w->log, "journal.spare_failed", &err);
    }

    pthread_mutex_lock(&h->mutex);
    h->wants_spare = false;
    h->has_spare = st == STATUS_OK;
    h->is_short = st != STATUS_OK;
    h->oldest = oldest + (is_recycled && st == STATUS_OK ? 1 : 0);
    loop_wake_send(w->wake);
}

static void *
helper_main(void *arg)
{
    struct journal_writer *w = arg;
    struct helper *h = &w->helper;
    pthread_mutex_lock(&h->mutex);
    for (;;) {
        if (h->synced < h->sync_target) {
            helper_sync(w);
        } else if (h->wants_spare) {
            helper_make_spare(w);
        } else if (h->is_stopping) {
            break;
        } else {
            pthread_cond_wait(&h->wanted, &h->mutex);
        }
    }
    pthread_mutex_unlock(&h->mutex);
    return NULL;
}

static void
helper_want_sync(struct journal_writer *w)
{
    struct helper *h = &w->helper;
    pthread_mutex_lock(&h->mutex);
    if (h->sync_target < w->written_lsn) {
        h->sync_target = w->written_lsn;
        pthread_cond_signal(&h->wanted);
    }
    pthread_mutex_unlock(&h->mutex);
}

/* What a full disk refused it may take now. */
static void
helper_try_spare_again(struct journal_writer *w)
{
    struct helper *h = &w->helper;
    pthread_mutex_lock(&h->mutex);
    if (h->is_short) {
        h->released_lsn = w->position.released_lsn;
        h->wants_spare = true;
        pthread_cond_signal(&h->wanted);
    }
    pthread_mutex_unlock(&h->mutex);
}

static void
helper_stop(struct journal_writer *w)
{
    struct helper *h = &w->helper;
    if (!h->is_running) {
        return;
    }
    pthread_mutex_lock(&h->mutex);
    h->is_stopping = true;
    pthread_cond_signal(&h->wanted);
    pthread_mutex_unlock(&h->mutex);
    pthread_join(h->thread, NULL);
    h->is_running = false;
}

/* What the helper did since the last turn. */
static void
journal_writer_on_wake(void *ctx)
{
    struct journal_writer *w = ctx;
    pthread_mutex_lock(&w->helper.mutex);
    const bool has_failed = w->helper.has_failed;
    w->synced_lsn = w->helper.synced;
    w->is_short = w->helper.is_short;
    pthread_mutex_unlock(&w->helper.mutex);
    if (has_failed && !w->has_lost_sync) {
        w->has_lost_sync = true;
        log_event(
            w->log, LOG_ERROR, "journal.sync_failed", LOG_S("dir", w->dir));
    }
    journal_writer_flush(w);
    w->on_synced(w->ctx);
}

/* ---- segments ---- */

/* Whether a spare is there and the old segment can be handed to the helper;
 * if not, the helper's next wake tries again. */
static bool
segment_may_roll(struct journal_writer *w)
{
    struct helper *h = &w->helper;
    pthread_mutex_lock(&h->mutex);
    const bool may = h->has_spare && h->full_count < LIMIT_UNSYNCED_SEGMENTS;
    h->released_lsn = w->position.released_lsn;
    if (!h->has_spare && !h->is_short) {
        h->wants_spare = true; /* else the timer asks again */
    }
    if (!may) {
        h->sync_target = w->written_lsn;
        pthread_cond_signal(&h->wanted);
    }
    pthread_mutex_unlock(&h->mutex);
    return may;
}

/* Goes on in the next segment; false when that must wait. */
static bool
segment_roll(struct journal_writer *w)
{
    struct helper *h = &w->helper;
    struct error err;
    int fd = -1;
    if (!segment_may_roll(w)) {
        return false;
    }
    if (segment_begin(w, w->segment + 1, &fd, &err) != STATUS_OK) {
        if (!w->is_failing) {
            log_error(w->log, "journal.segment_failed", &err);
        }
        w->is_failing = true;
        return false;
    }
    pthread_mutex_lock(&h->mutex);
    h->full_fds[h->full_count] = w->fd;
    h->full_count++;
    h->current_fd = fd;
    h->current = w->segment + 1;
    h->has_new_name = true;
    h->has_spare = false;
    h->wants_spare = true;
    pthread_cond_signal(&h->wanted);
    pthread_mutex_unlock(&h->mutex);
    w->fd = fd;
    w->segment++;
    w->written_lsn =
        w->segment * JOURNAL_SEGMENT_BYTES + JOURNAL_SEGMENT_HEAD_LEN;
    w->must_roll = false;
    return true;
}

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
    if (w->must_roll || w->batch_split > 0 || w->is_failing) {
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
    if (!pwritev_whole(w->fd, parts, at)) {
        return false;
    }
    w->written_lsn += batch.len + journal_record_size(r->payload.len);
    buf_clear(&w->batch);
    return true;
}

bool
journal_writer_has_room(const struct journal_writer *w, size_t bytes)
{
    /* Twice for heads of small records, and a PAD. A second page turn in one
     * batch has no place to be noted. */
    const size_t need = 2 * bytes + 4096;
    return buf_room(&w->batch) >= need;
}

enum status
journal_writer_append(struct journal_writer *w, enum journal_kind kind,
    enum journal_stream stream, uint64_t session, struct span payload,
    uint64_t *lsn_out)
{
    assert(payload.len <= JOURNAL_PAYLOAD_MAX);
    const size_t size = journal_record_size(payload.len);
    if (buf_room(&w->batch) < size + JOURNAL_RECORD_HEAD_LEN) {
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
    if (lsn_out != NULL) {
        *lsn_out = r.lsn;
    }
    return STATUS_OK;
}

/* Writes the part of the batch that belongs to the current segment. */
static bool
batch_write(struct journal_writer *w)
{
    const size_t len = w->batch_split > 0 ? w->batch_split : w->batch.len;
    const struct span part = {buf_view(&w->batch).ptr, len};
    struct error err;
    const enum status st = file_pwrite_all(
        w->fd, part, (off_t)(w->written_lsn % JOURNAL_SEGMENT_BYTES), &err);
    if (st != STATUS_OK) {
        if (!w->is_failing) {
            log_error(w->log, "journal.write_failed", &err);
        }
        w->is_failing = true;
        return false;
    }
    w->is_failing = false;
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
        helper_want_sync(w);
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
    return w->has_lost_sync ? 0 : w->synced_lsn;
}

/* ---- the recorder's position ---- */

static void
position_read(struct journal_writer *w)
{
    char path[PATH_MAX];
    struct error err;
    const uint64_t now = clock_mono_ns(w->clock);
    if (now - w->position_read_ns < POSITION_INTERVAL_NS ||
        dir_path(w, JOURNAL_POSITION_NAME, path, &err) != STATUS_OK) {
        return;
    }
    w->position_read_ns = now;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return; /* not there yet: the time of opening stands */
    }
    uint8_t bytes[JOURNAL_POSITION_LEN];
    size_t got = 0;
    struct journal_position p;
    /* Read while it is written it may not match its check: the next look
     * finds it whole. */
    if (file_pread(fd, bytes, sizeof bytes, 0, &got, &err) == STATUS_OK &&
        got == sizeof bytes &&
        journal_position_decode(span_of(bytes, got), &p, &err) == STATUS_OK) {
        w->position = p;
    }
    close(fd);
}

bool
journal_writer_is_ready(struct journal_writer *w, const char **why_out)
{
    position_read(w);
    const int64_t silent_us = clock_wall_us(w->clock) - w->position.wall_us;
    if (w->is_failing || w->has_lost_sync) {
        *why_out = "the session journal cannot be written";
    } else if (w->is_short) {
        *why_out = "the disk has no room for the session journal";
    } else if (silent_us > (int64_t)w->options.recorder_timeout_ms * 1000) {
        *why_out = "the recorder is not running";
    } else if (w->next_lsn - w->position.released_lsn > w->options.max_bytes) {
        *why_out = "the recorder is too far behind";
    } else {
        return true;
    }
    return false;
}

/* ---- life ---- */

static void
journal_writer_on_timer(void *ctx)
{
    struct journal_writer *w = ctx;
    journal_writer_flush(w); /* what a failing disk did not take */
    helper_want_sync(w);
    position_read(w);
    helper_try_spare_again(w);
}

static enum status
helper_start(struct journal_writer *w, struct error *err)
{
    struct helper *h = &w->helper;
    h->current_fd = w->fd;
    h->synced = w->written_lsn;
    h->sync_target = w->written_lsn;
    h->wants_spare = true;
    h->has_new_name = true;
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->wanted, NULL);
    const int failed = pthread_create(&h->thread, NULL, helper_main, w);
    if (failed != 0) {
        return error_sys(err, failed, "starting the journal's thread");
    }
    h->is_running = true;
    return STATUS_OK;
}

static enum status
folder_make(struct journal_writer *w, struct error *err)
{
    char id[UUID_TEXT_LEN + 1];
    char name[64];
    char path[PATH_MAX];
    uuid_format(&w->id, id);
    snprintf(name, sizeof name, "w%u-%s", w->options.worker_index, id);
    enum status st =
        file_join(w->dir, sizeof w->dir, w->options.journal_dir, name, err);
    if (st == STATUS_OK) {
        st = file_make_dirs(w->dir, 0700, err);
    }
    if (st == STATUS_OK) {
        st = dir_path(w, JOURNAL_LOCK_NAME, path, err);
    }
    if (st == STATUS_OK) {
        st = file_lock(path, &w->lock_fd, err);
    }
    return st;
}

static enum status
journal_writer_start(
    struct journal_writer *w, struct loop *loop, struct error *err)
{
    enum status st = folder_make(w, err);
    if (st == STATUS_OK) {
        st = spare_create(w, err);
    }
    if (st == STATUS_OK) {
        st = segment_begin(w, 0, &w->fd, err);
    }
    if (st == STATUS_OK) {
        st = loop_wake_open(loop, journal_writer_on_wake, w, &w->wake, err);
    }
    if (st == STATUS_OK) {
        st = loop_timer_open(
            loop, journal_writer_on_timer, w, &w->sync_timer, err);
    }
    if (st == STATUS_OK) {
        loop_timer_start(w->sync_timer, w->options.sync_interval_ms,
            w->options.sync_interval_ms);
        st = helper_start(w, err);
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
    w->log = log;
    w->on_synced = on_synced;
    w->ctx = ctx;
    w->lock_fd = -1;
    w->fd = -1;
    w->id = uuid_v7(clock_wall_us(clock));
    w->next_lsn = JOURNAL_SEGMENT_HEAD_LEN;
    w->written_lsn = w->next_lsn;
    w->position.wall_us = clock_wall_us(clock); /* a recorder has its time */
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
    if (w->helper.is_running) {
        journal_writer_flush(w);
        helper_want_sync(w);
        helper_stop(w);
    }
    loop_timer_close(&w->sync_timer);
    loop_wake_close(&w->wake);
    for (size_t i = 0; i < w->helper.full_count; i++) {
        close(w->helper.full_fds[i]);
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    if (w->lock_fd >= 0) {
        close(w->lock_fd);
    }
    buf_fini(&w->batch);
    free(w);
}

struct uuid
journal_writer_id(const struct journal_writer *w)
{
    return w->id;
}
