/* See journal_segments.h. Two threads: the loop's, which calls in here, and
 * the helper. What they share is behind one mutex, and small. */
#include "proxy/journal_segments.h"

#include "base/file.h"
#include "proxy/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPARE_NAME "spare"

/* The helper's work, and what it has done. Guarded by `mutex`. Only the
 * helper closes segments, so a descriptor it syncs is always open. */
struct helper {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    bool is_running;
    bool is_stopping;
    bool wants_spare;
    bool wants_look;
    bool has_spare;
    bool has_new_name;    /* the folder is owed a sync */
    uint64_t sync_target; /* sync everything below this LSN: */
    int current_fd;       /* this segment, and the full ones before it */
    int full_fds[LIMIT_UNSYNCED_SEGMENTS];
    size_t full_count;
    uint64_t current; /* number of the current segment */
    uint64_t oldest;  /* first segment that still exists */
    uint64_t released_lsn;
    struct journal_disk disk;
};

struct journal_segments {
    const struct clock *clock;
    struct loop_wake *wake;
    struct uuid id;
    char dir[PATH_MAX];
    int lock_fd;
    int fd;          /* the current segment */
    uint64_t number; /* its */
    struct helper helper;
};

/* ---- files ---- */

static enum status
dir_path(const struct journal_segments *s, const char *name, char *out,
    struct error *err)
{
    return file_join(out, PATH_MAX, s->dir, name, err);
}

static enum status
segment_path(const struct journal_segments *s, uint64_t number, char *out,
    struct error *err)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    journal_segment_name(number, name);
    return dir_path(s, name, out, err);
}

/* A file of the full size, whose blocks exist: a later write cannot find the
 * disk full. */
static enum status
spare_create(const struct journal_segments *s, struct error *err)
{
    char path[PATH_MAX];
    enum status st = dir_path(s, SPARE_NAME, path, err);
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
    if (st != STATUS_OK) {
        /* The part of it that a full disk gave is not kept from others. */
        (void)unlink(path);
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
surplus_remove(const struct journal_segments *s, uint64_t oldest,
    uint64_t current, uint64_t released_lsn)
{
    while (segment_is_released(oldest + 1, current, released_lsn)) {
        char path[PATH_MAX];
        if (segment_path(s, oldest, path, NULL) != STATUS_OK ||
            unlink(path) != 0) {
            break;
        }
        oldest++;
    }
    return oldest;
}

/* The oldest segment becomes the spare when the recorder has released all of
 * it; otherwise a new file is made. */
static enum status
spare_prepare(struct journal_segments *s, uint64_t oldest, uint64_t current,
    uint64_t released_lsn, bool *recycled_out, struct error *err)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    *recycled_out = segment_is_released(oldest, current, released_lsn);
    if (!*recycled_out) {
        return spare_create(s, err);
    }
    enum status st = segment_path(s, oldest, from, err);
    if (st == STATUS_OK) {
        st = dir_path(s, SPARE_NAME, to, err);
    }
    if (st == STATUS_OK && rename(from, to) != 0) {
        st = error_sys(err, errno, "%s: recycling", from);
    }
    return st;
}

/* The spare becomes segment `number`: head first, then the name, so that a
 * named segment always has its head. */
static enum status
segment_begin(struct journal_segments *s, uint64_t number, uint32_t salt,
    int *fd_out, struct error *err)
{
    char spare[PATH_MAX];
    char path[PATH_MAX];
    enum status st = dir_path(s, SPARE_NAME, spare, err);
    if (st == STATUS_OK) {
        st = segment_path(s, number, path, err);
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
            .worker = s->id,
            .number = number,
            .wall_us = clock_wall_us(s->clock),
            .mono_ns = clock_mono_ns(s->clock),
            .salt = salt,
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

/* All of them, whatever becomes of one; the errno of the first that failed. */
static int
sync_all(const struct journal_segments *s, bool has_new_name, const int *fds,
    size_t count)
{
    struct error err = {.sys_errno = 0};
    int failed = 0;
    if (has_new_name && file_fsync_dir(s->dir, &err) != STATUS_OK) {
        failed = err.sys_errno != 0 ? err.sys_errno : EIO;
    }
    for (size_t i = 0; i < count; i++) {
        if (fdatasync(fds[i]) != 0 && failed == 0) {
            failed = errno;
        }
    }
    return failed;
}

/* Syncs what was full and what is current at this moment, without the lock:
 * the bytes, and the names by which they are found. */
static void
helper_sync(struct journal_segments *s)
{
    struct helper *h = &s->helper;
    const uint64_t target = h->sync_target;
    const bool has_new_name = h->has_new_name;
    h->has_new_name = false;
    const size_t full_count = h->full_count;
    int fds[LIMIT_UNSYNCED_SEGMENTS + 1];
    memcpy(fds, h->full_fds, sizeof h->full_fds);
    fds[full_count] = h->current_fd;
    pthread_mutex_unlock(&h->mutex);

    const int failed = sync_all(s, has_new_name, fds, full_count + 1);
    for (size_t i = 0; i < full_count; i++) {
        close(fds[i]);
    }

    pthread_mutex_lock(&h->mutex);
    h->full_count -= full_count;
    memmove(h->full_fds, h->full_fds + full_count,
        h->full_count * sizeof h->full_fds[0]);
    if (failed != 0) {
        h->has_new_name = h->has_new_name || has_new_name; /* owed still */
        h->disk.sync_failures++;
        h->disk.sync_errno = failed;
    }
    h->disk.synced_lsn = target;
    loop_wake_send(s->wake);
}

static uint64_t
free_bytes(const char *dir)
{
    struct statvfs v;
    return statvfs(dir, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize
                                 : UINT64_MAX;
}

static void
helper_look(struct journal_segments *s)
{
    struct helper *h = &s->helper;
    pthread_mutex_unlock(&h->mutex);
    const uint64_t bytes = free_bytes(s->dir);
    pthread_mutex_lock(&h->mutex);
    h->wants_look = false;
    if (h->disk.free_bytes != bytes) {
        h->disk.free_bytes = bytes;
        loop_wake_send(s->wake);
    }
}

static void
helper_make_spare(struct journal_segments *s)
{
    struct helper *h = &s->helper;
    uint64_t oldest = h->oldest;
    const uint64_t current = h->current;
    const uint64_t released = h->released_lsn;
    pthread_mutex_unlock(&h->mutex);

    struct error err = {.sys_errno = 0};
    bool is_recycled = false;
    oldest = surplus_remove(s, oldest, current, released);
    const enum status st =
        spare_prepare(s, oldest, current, released, &is_recycled, &err);
    const int failed = err.sys_errno != 0 ? err.sys_errno : EIO;

    pthread_mutex_lock(&h->mutex);
    h->wants_spare = false;
    h->wants_look = true;
    h->has_spare = st == STATUS_OK;
    h->disk.spare_errno = st == STATUS_OK ? 0 : failed;
    h->oldest = oldest + (is_recycled && st == STATUS_OK ? 1 : 0);
    loop_wake_send(s->wake);
}

static void *
helper_main(void *arg)
{
    struct journal_segments *s = arg;
    struct helper *h = &s->helper;
    pthread_mutex_lock(&h->mutex);
    for (;;) {
        if (h->disk.synced_lsn < h->sync_target) {
            helper_sync(s);
        } else if (h->wants_spare) {
            helper_make_spare(s);
        } else if (h->is_stopping) {
            break;
        } else if (h->wants_look) {
            helper_look(s);
        } else {
            pthread_cond_wait(&h->wanted, &h->mutex);
        }
    }
    pthread_mutex_unlock(&h->mutex);
    return NULL;
}

static void
helper_stop(struct journal_segments *s)
{
    struct helper *h = &s->helper;
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

/* ---- what the loop's thread asks for ---- */

void
journal_segments_want_sync(struct journal_segments *s, uint64_t lsn)
{
    struct helper *h = &s->helper;
    pthread_mutex_lock(&h->mutex);
    if (h->sync_target < lsn) {
        h->sync_target = lsn;
        pthread_cond_signal(&h->wanted);
    }
    pthread_mutex_unlock(&h->mutex);
}

void
journal_segments_note_released(struct journal_segments *s, uint64_t lsn)
{
    struct helper *h = &s->helper;
    pthread_mutex_lock(&h->mutex);
    h->released_lsn = lsn;
    pthread_mutex_unlock(&h->mutex);
}

void
journal_segments_look(struct journal_segments *s)
{
    struct helper *h = &s->helper;
    pthread_mutex_lock(&h->mutex);
    h->wants_look = true;
    h->wants_spare |= h->disk.spare_errno != 0;
    pthread_cond_signal(&h->wanted);
    pthread_mutex_unlock(&h->mutex);
}

struct journal_disk
journal_segments_disk(struct journal_segments *s)
{
    struct helper *h = &s->helper;
    pthread_mutex_lock(&h->mutex);
    const struct journal_disk disk = h->disk;
    pthread_mutex_unlock(&h->mutex);
    return disk;
}

/* Whether a spare is there and the old segment can be handed to the helper;
 * if not, the helper's next wake tries again. */
static bool
may_roll(struct journal_segments *s, uint64_t written_lsn)
{
    struct helper *h = &s->helper;
    pthread_mutex_lock(&h->mutex);
    const bool may = h->has_spare && h->full_count < LIMIT_UNSYNCED_SEGMENTS;
    if (!h->has_spare && h->disk.spare_errno == 0) {
        h->wants_spare = true; /* else the next look asks again */
    }
    if (!may && h->sync_target < written_lsn) {
        h->sync_target = written_lsn;
    }
    if (!may) {
        pthread_cond_signal(&h->wanted);
    }
    pthread_mutex_unlock(&h->mutex);
    return may;
}

enum status
journal_segments_roll(struct journal_segments *s, uint32_t salt,
    uint64_t written_lsn, struct error *err)
{
    struct helper *h = &s->helper;
    int fd = -1;
    if (!may_roll(s, written_lsn)) {
        return error_set(err, STATUS_TIMEOUT, "no segment to go on in yet");
    }
    const enum status st = segment_begin(s, s->number + 1, salt, &fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    pthread_mutex_lock(&h->mutex);
    h->full_fds[h->full_count] = s->fd;
    h->full_count++;
    h->current_fd = fd;
    h->current = s->number + 1;
    h->has_new_name = true;
    h->has_spare = false;
    h->wants_spare = true;
    pthread_cond_signal(&h->wanted);
    pthread_mutex_unlock(&h->mutex);
    s->fd = fd;
    s->number++;
    return STATUS_OK;
}

/* ---- life ---- */

static enum status
helper_start(struct journal_segments *s, struct error *err)
{
    struct helper *h = &s->helper;
    h->current_fd = s->fd;
    h->disk.synced_lsn = JOURNAL_SEGMENT_HEAD_LEN;
    /* Here, where the first session can wait for it. */
    h->disk.free_bytes = free_bytes(s->dir);
    h->sync_target = JOURNAL_SEGMENT_HEAD_LEN;
    h->wants_spare = true;
    h->has_new_name = true;
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->wanted, NULL);
    const int failed = pthread_create(&h->thread, NULL, helper_main, s);
    if (failed != 0) {
        return error_sys(err, failed, "starting the journal's thread");
    }
    h->is_running = true;
    return STATUS_OK;
}

static enum status
folder_make(struct journal_segments *s, const char *journal_dir,
    unsigned worker_index, struct error *err)
{
    char id[UUID_TEXT_LEN + 1];
    char name[64];
    char path[PATH_MAX];
    uuid_format(&s->id, id);
    snprintf(name, sizeof name, "w%u-%s", worker_index, id);
    enum status st = file_join(s->dir, sizeof s->dir, journal_dir, name, err);
    if (st == STATUS_OK) {
        st = file_make_dirs(s->dir, 0700, err);
    }
    if (st == STATUS_OK) {
        st = dir_path(s, JOURNAL_LOCK_NAME, path, err);
    }
    if (st == STATUS_OK) {
        st = file_lock(path, &s->lock_fd, err);
    }
    return st;
}

enum status
journal_segments_open(struct loop *loop, const struct clock *clock,
    const char *journal_dir, unsigned worker_index, uint32_t salt,
    loop_fn *on_wake, void *ctx, struct journal_segments **out,
    struct error *err)
{
    struct journal_segments *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the journal");
    }
    s->clock = clock;
    s->lock_fd = -1;
    s->fd = -1;
    s->id = uuid_v7(clock_wall_us(clock));
    enum status st = folder_make(s, journal_dir, worker_index, err);
    if (st == STATUS_OK) {
        st = spare_create(s, err);
    }
    if (st == STATUS_OK) {
        st = segment_begin(s, 0, salt, &s->fd, err);
    }
    if (st == STATUS_OK) {
        st = loop_wake_open(loop, on_wake, ctx, &s->wake, err);
    }
    if (st == STATUS_OK) {
        st = helper_start(s, err);
    }
    if (st != STATUS_OK) {
        journal_segments_close(&s);
        return st;
    }
    *out = s;
    return STATUS_OK;
}

void
journal_segments_close(struct journal_segments **sp)
{
    struct journal_segments *s = *sp;
    *sp = NULL;
    if (s == NULL) {
        return;
    }
    helper_stop(s);
    loop_wake_close(&s->wake);
    for (size_t i = 0; i < s->helper.full_count; i++) {
        close(s->helper.full_fds[i]);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    free(s);
}

struct uuid
journal_segments_id(const struct journal_segments *s)
{
    return s->id;
}

const char *
journal_segments_dir(const struct journal_segments *s)
{
    return s->dir;
}

int
journal_segments_fd(const struct journal_segments *s)
{
    return s->fd;
}

uint64_t
journal_segments_number(const struct journal_segments *s)
{
    return s->number;
}
