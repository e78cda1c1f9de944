/* See tail.h.
 *
 * The trap that shaped it: the end of the journal is only what was there at
 * the moment of the read. A record that is torn there may be whole a
 * microsecond later, so nothing is concluded from it before the worker's lock
 * was seen free and the journal read once more.
 */
#include "recorder/tail.h"

#include "base/file.h"
#include "recorder/limits.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_MS 1000000u

struct tail {
    const struct tail_owner *owner;
    char *name;
    char *dir;
    struct uuid worker;
    uint64_t lsn; /* of the next record; always where one may stand */
    uint64_t released_lsn;
    int segment_fd; /* of the segment that holds `lsn`, or -1 */
    uint32_t salt;  /* its salt */
    int position_fd;
    size_t window; /* how much the next read looks at */
    struct session_table sessions;
    bool has_changed;
    bool is_gap_told;
    uint64_t unlocked_since_ns; /* 0: locked when last seen */
};

static uint64_t
segment_of(uint64_t lsn)
{
    return lsn / JOURNAL_SEGMENT_BYTES;
}

static uint64_t
first_lsn(uint64_t segment)
{
    return segment * JOURNAL_SEGMENT_BYTES + JOURNAL_SEGMENT_HEAD_LEN;
}

/* `lsn`, or the next place where a record may stand. */
static uint64_t
normalized(uint64_t lsn)
{
    const uint64_t offset = lsn % JOURNAL_SEGMENT_BYTES;
    if (offset < JOURNAL_SEGMENT_HEAD_LEN) {
        return first_lsn(segment_of(lsn));
    }
    if (JOURNAL_SEGMENT_BYTES - offset < JOURNAL_RECORD_HEAD_LEN) {
        return first_lsn(segment_of(lsn) + 1);
    }
    return lsn;
}

static void
go_to(struct tail *t, uint64_t lsn)
{
    const uint64_t to = normalized(lsn);
    if (t->segment_fd >= 0 && segment_of(to) != segment_of(t->lsn)) {
        (void)close(t->segment_fd); /* was only read */
        t->segment_fd = -1;
    }
    t->lsn = to;
}

/* --- opening ------------------------------------------------------------- */

/* The smallest segment there is that is not below `from`. */
static enum status
find_segment(
    const struct tail *t, uint64_t from, uint64_t *out, struct error *err)
{
    DIR *dir = opendir(t->dir);
    if (dir == NULL) {
        return error_sys(err, errno, "open %s", t->dir);
    }
    uint64_t best = UINT64_MAX;
    for (;;) {
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            break;
        }
        uint64_t number;
        if (journal_segment_name_parse(entry->d_name, &number) &&
            number >= from && number < best) {
            best = number;
        }
    }
    (void)closedir(dir);
    if (best == UINT64_MAX) {
        return error_set(err, STATUS_NOT_FOUND, "%s has no segment", t->dir);
    }
    *out = best;
    return STATUS_OK;
}

static enum status
open_position(struct tail *t, struct error *err)
{
    char path[PATH_MAX];
    enum status st =
        file_join(path, sizeof path, t->dir, JOURNAL_POSITION_NAME, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = file_open_regular(path, O_RDWR | O_CREAT, &t->position_fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    uint8_t bytes[JOURNAL_POSITION_LEN];
    size_t got;
    st = file_pread(t->position_fd, bytes, sizeof bytes, 0, &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct journal_position p;
    if (journal_position_decode(span_of(bytes, got), &p, NULL) == STATUS_OK) {
        t->lsn = p.released_lsn;
        t->released_lsn = p.released_lsn;
    }
    return STATUS_OK;
}

/* A power cut may leave a position that is older than what was recycled on
 * its word: then the first segment there is comes next. */
static enum status
find_start(struct tail *t, struct error *err)
{
    uint64_t first;
    const uint64_t from = segment_of(normalized(t->lsn));
    const enum status st = find_segment(t, from, &first, err);
    if (st == STATUS_NOT_FOUND) {
        t->lsn = normalized(t->lsn); /* the worker has just begun */
        return STATUS_OK;
    }
    if (st == STATUS_OK) {
        t->lsn = first == from ? normalized(t->lsn) : first_lsn(first);
    }
    return st;
}

static bool
parse_name(const char *name, struct uuid *worker_out)
{
    const char *dash = strchr(name, '-');
    return name[0] == 'w' && dash != NULL &&
           uuid_parse(span_str(dash + 1), worker_out);
}

static enum status
set_up(struct tail *t, const char *journal_dir, const char *name,
    struct error *err)
{
    char path[PATH_MAX];
    if (!parse_name(name, &t->worker)) {
        return error_set(err, STATUS_INVALID, "no worker's folder: %s", name);
    }
    enum status st = file_join(path, sizeof path, journal_dir, name, err);
    if (st != STATUS_OK) {
        return st;
    }
    t->name = strdup(name);
    t->dir = strdup(path);
    if (t->name == NULL || t->dir == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for %s", name);
    }
    st = open_position(t, err);
    return st == STATUS_OK ? find_start(t, err) : st;
}

enum status
tail_open(const struct tail_owner *owner, const char *journal_dir,
    const char *name, struct tail **out, struct error *err)
{
    struct tail *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for %s", name);
    }
    t->owner = owner;
    t->segment_fd = -1;
    t->position_fd = -1;
    t->window = RECORDER_READ_MIN;
    session_table_init(&t->sessions);
    const enum status st = set_up(t, journal_dir, name, err);
    if (st == STATUS_OK) {
        *out = t;
        t = NULL;
    }
    tail_close(&t);
    return st;
}

void
tail_close(struct tail **t)
{
    if (*t == NULL) {
        return;
    }
    if ((*t)->segment_fd >= 0) {
        (void)close((*t)->segment_fd);
    }
    if ((*t)->position_fd >= 0) {
        (void)close((*t)->position_fd); /* written in whole or not at all */
    }
    session_table_fini(&(*t)->sessions);
    free((*t)->name);
    free((*t)->dir);
    free(*t);
    *t = NULL;
}

enum status
tail_adopt(struct tail *t, struct session_file **s, struct error *err)
{
    t->has_changed = true;
    return session_table_add(&t->sessions, s, err);
}

/* --- reading ------------------------------------------------------------- */

/* Tells once that a segment is missing: the worker will see its backlog
 * grow, and refuse. */
static void
look_for_gap(struct tail *t)
{
    uint64_t next;
    if (!t->is_gap_told &&
        find_segment(t, segment_of(t->lsn), &next, NULL) == STATUS_OK &&
        next > segment_of(t->lsn)) {
        t->is_gap_told = true;
        log_event(t->owner->env->log, LOG_ERROR, "journal.gap",
            LOG_S("worker", t->name), LOG_I("segment", segment_of(t->lsn)),
            LOG_I("next", next));
    }
}

/* Opens the segment that holds `lsn`. STATUS_NOT_FOUND: it is not begun. */
static enum status
open_segment(struct tail *t, struct error *err)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char path[PATH_MAX];
    journal_segment_name(segment_of(t->lsn), name);
    enum status st = file_join(path, sizeof path, t->dir, name, err);
    if (st != STATUS_OK) {
        return st;
    }
    int fd;
    st = file_open_regular(path, O_RDONLY, &fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    uint8_t head[JOURNAL_SEGMENT_HEAD_LEN];
    size_t got = 0;
    struct journal_segment segment;
    st = file_pread(fd, head, sizeof head, 0, &got, err);
    if (st == STATUS_OK) {
        /* A head that is not there, or still the former one of a recycled
         * file, is not written yet. */
        st = journal_segment_decode(span_of(head, got), &segment, err);
        if (st == STATUS_INVALID || st == STATUS_CORRUPT ||
            (st == STATUS_OK && segment.number != segment_of(t->lsn))) {
            st = STATUS_NOT_FOUND;
        }
    }
    if (st == STATUS_OK &&
        memcmp(&segment.worker, &t->worker, sizeof t->worker) != 0) {
        st = error_set(err, STATUS_UNSUPPORTED,
            "%s is the segment of another worker", path);
    }
    if (st != STATUS_OK) {
        (void)close(fd);
        return st;
    }
    t->segment_fd = fd;
    t->salt = segment.salt;
    return STATUS_OK;
}

static enum status
take_open(struct tail *t, const struct journal_record *r, struct error *err)
{
    if (session_table_find(&t->sessions, r->session) != NULL) {
        return STATUS_OK; /* restored from its file, or read before */
    }
    struct session_file *s = NULL;
    enum status st = t->owner->on_open(t->owner->ctx, &t->worker, r, &s, err);
    if (st == STATUS_OK && s != NULL) {
        st = session_table_add(&t->sessions, &s, err);
    }
    session_file_free(&s);
    return st;
}

static enum status
take(struct tail *t, const struct journal_record *r, struct error *err)
{
    struct session_file *s;
    switch (r->kind) {
    case JOURNAL_OPEN:
        t->has_changed = true;
        return take_open(t, r, err);
    case JOURNAL_NOTE:
    case JOURNAL_CLOSE:
        t->has_changed = true;
        break;
    case JOURNAL_EVENT:
        t->has_changed = true;
        return t->owner->on_event(t->owner->ctx, r, err);
    case JOURNAL_DATA:
    case JOURNAL_RESIZE:
    case JOURNAL_STATUS:
    case JOURNAL_PAD:
        break;
    }
    /* None: it was finished before this process began. */
    s = session_table_find(&t->sessions, r->session);
    return s == NULL ? STATUS_OK : session_file_take(s, r, err);
}

enum window_end {
    WINDOW_USED,   /* all of it was records: look further */
    WINDOW_AT_END, /* the journal ends in it, for now */
    WINDOW_SMALL,  /* the next record does not fit in it */
};

/* Takes the records in `bytes`, which starts at t->lsn; `is_cut`: the
 * segment goes on behind it. */
static enum status
take_window(struct tail *t, struct span bytes, bool is_cut,
    enum window_end *end_out, struct error *err)
{
    const size_t len = bytes.len;
    const uint64_t segment = segment_of(t->lsn);
    while (segment_of(t->lsn) == segment) {
        struct journal_record r;
        size_t size;
        const bool may_be_short = is_cut && bytes.len < JOURNAL_RECORD_HEAD_LEN;
        const enum journal_read read =
            journal_record_decode(bytes, t->lsn, t->salt, &r, &size);
        if (read != JOURNAL_READ_RECORD) {
            const bool is_short =
                may_be_short || (is_cut && read == JOURNAL_READ_TORN);
            *end_out = !is_short          ? WINDOW_AT_END
                       : bytes.len == len ? WINDOW_SMALL
                                          : WINDOW_USED;
            return STATUS_OK;
        }
        const enum status st = take(t, &r, err);
        if (st != STATUS_OK) {
            return st;
        }
        (void)span_skip(&bytes, size);
        go_to(
            t, r.kind == JOURNAL_PAD ? first_lsn(segment + 1) : t->lsn + size);
    }
    *end_out = WINDOW_USED;
    return STATUS_OK;
}

static enum status
read_window(struct tail *t, enum window_end *end_out, struct error *err)
{
    const uint64_t offset = t->lsn % JOURNAL_SEGMENT_BYTES;
    const uint64_t left = JOURNAL_SEGMENT_BYTES - offset;
    const size_t want = t->window < left ? t->window : (size_t)left;
    size_t got;
    const enum status st = file_pread(
        t->segment_fd, t->owner->reading, want, (off_t)offset, &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    const bool is_cut = got == want && want < left;
    return take_window(
        t, span_of(t->owner->reading, got), is_cut, end_out, err);
}

enum status
tail_read(struct tail *t, bool *more_out, struct error *err)
{
    const uint64_t start = t->lsn;
    *more_out = false;
    while (t->lsn - start < RECORDER_TURN_BYTES) {
        if (t->segment_fd < 0) {
            const enum status st = open_segment(t, err);
            if (st == STATUS_NOT_FOUND) {
                look_for_gap(t);
                return STATUS_OK;
            }
            if (st != STATUS_OK) {
                return st;
            }
        }
        enum window_end end;
        const enum status st = read_window(t, &end, err);
        if (st != STATUS_OK) {
            return st;
        }
        if (end == WINDOW_AT_END ||
            (end == WINDOW_SMALL && t->window == RECORDER_READ_MAX)) {
            t->window = RECORDER_READ_MIN;
            return STATUS_OK;
        }
        t->window = t->window * 4 < RECORDER_READ_MAX ? t->window * 4
                                                      : RECORDER_READ_MAX;
    }
    *more_out = true;
    return STATUS_OK;
}

/* --- telling the worker -------------------------------------------------- */

static uint64_t
needed_lsn(const struct tail *t)
{
    uint64_t needed = t->lsn;
    size_t at = 0;
    for (;;) {
        const struct session_file *s = session_table_next(&t->sessions, &at);
        if (s == NULL) {
            return needed;
        }
        const uint64_t needs = session_file_needs(s);
        needed = needs < needed ? needs : needed;
    }
}

enum status
tail_publish(struct tail *t, bool may_release, struct error *err)
{
    const uint64_t needed = needed_lsn(t);
    if (may_release && needed > t->released_lsn) {
        t->released_lsn = needed;
    }
    const struct journal_position p = {
        .read_lsn = t->lsn,
        .released_lsn = t->released_lsn,
        .wall_us = clock_wall_us(t->owner->env->clock),
    };
    uint8_t bytes[JOURNAL_POSITION_LEN];
    journal_position_encode(&p, bytes);
    return file_pwrite_all(
        t->position_fd, span_of(bytes, sizeof bytes), 0, err);
}

enum status
tail_sync_laggards(struct tail *t, unsigned most, struct error *err)
{
    size_t at = 0;
    while (most > 0) {
        struct session_file *s = session_table_next(&t->sessions, &at);
        if (s == NULL) {
            break;
        }
        if (session_file_needs(s) == UINT64_MAX ||
            segment_of(session_file_needs(s)) >= segment_of(t->lsn)) {
            continue;
        }
        enum status st = session_file_seal_now(s, err);
        if (st == STATUS_OK) {
            st = session_file_sync(s, err);
        }
        if (st != STATUS_OK) {
            return st;
        }
        most--;
    }
    return STATUS_OK;
}

/* --- the worker's end ---------------------------------------------------- */

enum status
tail_look(struct tail *t, bool *is_dead_out, struct error *err)
{
    char path[PATH_MAX];
    bool is_locked;
    enum status st =
        file_join(path, sizeof path, t->dir, JOURNAL_LOCK_NAME, err);
    if (st == STATUS_OK) {
        st = file_is_locked(path, &is_locked, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    const uint64_t now_ns = clock_mono_ns(t->owner->env->clock);
    if (is_locked) {
        t->unlocked_since_ns = 0;
    } else if (t->unlocked_since_ns == 0) {
        t->unlocked_since_ns = now_ns;
    }
    const uint64_t patience_ms =
        access(path, F_OK) == 0 ? RECORDER_DEAD_MS : RECORDER_DEAD_NO_LOCK_MS;
    *is_dead_out =
        !is_locked && now_ns - t->unlocked_since_ns >= patience_ms * NS_PER_MS;
    return STATUS_OK;
}

enum status
tail_remove(struct tail *t, struct error *err)
{
    assert(t->sessions.count == 0);
    DIR *dir = opendir(t->dir);
    if (dir == NULL) {
        return error_sys(err, errno, "open %s", t->dir);
    }
    enum status st = STATUS_OK;
    for (;;) {
        const struct dirent *entry = readdir(dir);
        if (entry == NULL || st != STATUS_OK) {
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 ||
            strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(dirfd(dir), entry->d_name, 0) != 0) {
            st = error_sys(err, errno, "remove %s/%s", t->dir, entry->d_name);
        }
    }
    (void)closedir(dir);
    if (st == STATUS_OK && rmdir(t->dir) != 0) {
        st = error_sys(err, errno, "remove %s", t->dir);
    }
    return st;
}

/* --- facts --------------------------------------------------------------- */

const char *
tail_name(const struct tail *t)
{
    return t->name;
}

const char *
tail_dir(const struct tail *t)
{
    return t->dir;
}

const struct uuid *
tail_worker(const struct tail *t)
{
    return &t->worker;
}

struct session_table *
tail_sessions(struct tail *t)
{
    return &t->sessions;
}

bool
tail_take_changed(struct tail *t)
{
    const bool has_changed = t->has_changed;
    t->has_changed = false;
    return has_changed;
}
