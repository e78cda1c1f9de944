/* See daily_file.h. */
#include "recorder/daily_file.h"

#include "base/file.h"
#include "recorder/frame_file.h"
#include "recorder/limits.h"
#include "recorder/recording_leaf.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define US_PER_DAY (86400ll * 1000000)
#define NS_PER_US  1000u
/* A day's file is finished so long after midnight: the journal may still
 * bring attempts of its last minutes. */
#define LATE_US (3600ll * 1000000)

struct id_list {
    struct uuid *ids;
    size_t count;
    size_t room;
};

struct daily_file {
    const struct session_env *env;
    struct frame_file *file; /* NULL: no day is open */
    int64_t day_us;          /* its midnight */
    char plain[META_FILE_MAX];
    char working[META_FILE_MAX]; /* what is written, see put_away */
    bool was_final;              /* when it was opened */
    bool leaves_clear;           /* encrypted days, whose leaves come first */
    struct cast_writer writer;
    struct buf text;
    struct id_list known;     /* attempts in the file when it was opened */
    struct id_list in_ledger; /* files: one a day */
};

static enum status
id_list_add(struct id_list *l, const struct uuid *id)
{
    if (l->count == l->room) {
        const size_t room = l->room == 0 ? 64 : l->room * 2;
        struct uuid *ids = realloc(l->ids, room * sizeof *ids);
        if (ids == NULL) {
            return STATUS_NO_MEMORY;
        }
        l->ids = ids;
        l->room = room;
    }
    l->ids[l->count++] = *id;
    return STATUS_OK;
}

static bool
id_list_has(const struct id_list *l, const struct uuid *id)
{
    for (size_t i = 0; i < l->count; i++) {
        if (memcmp(&l->ids[i], id, sizeof *id) == 0) {
            return true;
        }
    }
    return false;
}

static void
id_list_fini(struct id_list *l)
{
    free(l->ids);
    *l = (struct id_list){NULL, 0, 0};
}

enum status
daily_file_new(
    const struct session_env *env, struct daily_file **out, struct error *err)
{
    struct daily_file *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a daily file");
    }
    d->env = env;
    buf_init(&d->text, RECORDER_TEXT_MAX);
    *out = d;
    return STATUS_OK;
}

static void
close_day(struct daily_file *d)
{
    frame_file_free(&d->file);
    id_list_fini(&d->known);
}

void
daily_file_free(struct daily_file **d)
{
    if (*d != NULL) {
        close_day(*d);
        id_list_fini(&(*d)->in_ledger);
        buf_fini(&(*d)->text);
        free(*d);
        *d = NULL;
    }
}

static int64_t
day_of(int64_t wall_us)
{
    return wall_us - wall_us % US_PER_DAY;
}

/* Beside the recordings of that day. */
static void
name_of(int64_t day_us, char out[META_FILE_MAX])
{
    static const struct uuid nil;
    static_assert(sizeof DAILY_FILE_NAME <= UUID_TEXT_LEN,
        "it takes the place of an id in a name");
    meta_file_name(&nil, day_us, out);
    memcpy(strrchr(out, '/') + 1, DAILY_FILE_NAME, sizeof DAILY_FILE_NAME);
}

static enum status
path_of(const struct daily_file *d, char out[PATH_MAX], struct error *err)
{
    return file_join(out, PATH_MAX, d->env->state_dir, d->working, err);
}

/* Where a day's file is, or will be; *there_out, whether it is. */
static enum status
find_day(
    struct daily_file *d, int64_t day_us, bool *there_out, struct error *err)
{
    d->day_us = day_us;
    name_of(day_us, d->plain);
    const enum status st =
        put_away_find(d->env->state_dir, d->plain, d->working, there_out, err);
    if (st == STATUS_OK && !*there_out) {
        put_away_working_name(d->plain, &d->env->recipients, d->working);
    }
    return st;
}

/* --- opening a day ------------------------------------------------------- */

static enum status
replay_line(struct daily_file *d, struct span line, struct error *err)
{
    struct buf scratch;
    buf_init(&scratch, CAST_LINE_MAX);
    struct meta m;
    meta_init(&m);
    struct cast_event event;
    enum status st = cast_event_decode(line, &scratch, &event, err);
    if (st == STATUS_OK && event.code == CAST_FACTS) {
        st = meta_decode(event.data, &m, err);
    }
    if (st == STATUS_OK && !uuid_is_nil(&m.id)) {
        st = id_list_add(&d->known, &m.id);
    }
    meta_fini(&m);
    buf_fini(&scratch);
    return st;
}

static enum status
replay_text(void *ctx, struct span text, struct error *err)
{
    struct span line;
    while (span_take_until(&text, '\n', &line)) {
        if (line.len > 0 && line.ptr[0] != '[') {
            continue; /* the header */
        }
        const enum status st = replay_line(ctx, line, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    return STATUS_OK;
}

static enum status
begin_day(struct daily_file *d, const char *path, struct error *err)
{
    struct cast_header header = {
        .width = RECORDER_DEFAULT_COLUMNS, .height = RECORDER_DEFAULT_ROWS};
    meta_init(&header.meta);
    header.meta.id = uuid_v7(clock_wall_us(d->env->clock));
    header.meta.start_us = d->day_us;
    header.meta.status = META_REFUSED;
    d->writer = (struct cast_writer){.at = {.stream = STREAM_STDOUT,
                                         .width = header.width,
                                         .height = header.height}};
    struct buf line;
    buf_init(&line, CAST_LINE_MAX);
    enum status st = cast_header_encode(&header, &line);
    if (st == STATUS_OK) {
        st = frame_file_create(
            d->env->press, path, &header.meta.id, &d->file, err);
    }
    if (st == STATUS_OK) {
        st =
            frame_file_cut(d->file, buf_view(&line), &d->writer.at, false, err);
    }
    buf_fini(&line);
    meta_fini(&header.meta);
    if (st != STATUS_OK) {
        close_day(d);
        (void)unlink(path); /* nothing sealed is in it */
    }
    return st;
}

static enum status
open_day(struct daily_file *d, int64_t day_us, struct error *err)
{
    char path[PATH_MAX];
    bool ignored = false;
    enum status st = find_day(d, day_us, &ignored, err);
    if (st == STATUS_OK) {
        st = path_of(d, path, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    struct seal last;
    st = frame_file_resume(
        d->env->press, path, replay_text, NULL, d, &d->file, &last, err);
    d->was_final = st == STATUS_OK && frame_file_is_final(d->file);
    if (st == STATUS_OK) {
        d->writer = (struct cast_writer){.at = last.writer};
        return STATUS_OK;
    }
    close_day(d);
    if (st != STATUS_NOT_FOUND) {
        return st;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return error_sys(err, errno, "remove %s", path);
    }
    return begin_day(d, path, err);
}

/* A damaged file stays for the auditor, under another name, and does not
 * stop the day. */
static enum status
put_aside(struct daily_file *d, struct error *err)
{
    char aside[META_FILE_MAX + 32];
    snprintf(aside, sizeof aside, "%s.damaged-%lld", d->plain,
        (long long)clock_wall_us(d->env->clock));
    const enum status st = put_away_whole(
        d->env->state_dir, d->working, aside, &d->env->recipients, false, err);
    return st == STATUS_OK ? open_day(d, d->day_us, err) : st;
}

static enum status
open_usable(struct daily_file *d, int64_t day_us, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    enum status st = open_day(d, day_us, &why);
    if (st == STATUS_CORRUPT) {
        log_error(d->env->log, "daily.damaged", &why);
        return put_aside(d, err);
    }
    if (st != STATUS_OK && err != NULL) {
        *err = why;
    }
    return st;
}

/* --- finishing a day ----------------------------------------------------- */

static enum status
cut(struct daily_file *d, bool is_final, struct error *err)
{
    const enum status st = frame_file_cut(
        d->file, buf_view(&d->text), &d->writer.at, is_final, err);
    if (st == STATUS_OK) {
        buf_clear(&d->text);
        buf_shrink(&d->text);
    }
    return st;
}

enum status
daily_file_on_leaf(
    struct daily_file *d, const struct ledger_leaf *leaf, struct error *err)
{
    const char *base = strrchr(leaf->file, '/');
    if (leaf->kind != LEDGER_RECORDING || base == NULL ||
        strncmp(base + 1, DAILY_FILE_NAME, sizeof DAILY_FILE_NAME - 1) != 0) {
        return STATUS_OK;
    }
    const enum status st = id_list_add(&d->in_ledger, &leaf->id);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for a leaf");
}

static enum status
make_leaf(struct daily_file *d, const char *file, uint64_t len,
    struct recording_leaf **leaf, struct error *err)
{
    bool is_done = false;
    enum status st =
        recording_leaf_new(d->env->state_dir, file, len, d->file, leaf, err);
    while (st == STATUS_OK && !is_done) {
        st = recording_leaf_step(*leaf, &is_done, err);
    }
    return st == STATUS_OK ? recording_leaf_add(*leaf, d->env->ledger, err)
                           : st;
}

/* Once: a day that was finished may be opened again by a late attempt. */
static enum status
add_leaf(
    struct daily_file *d, const char *file, uint64_t len, struct error *err)
{
    const struct uuid *id = frame_file_id(d->file);
    struct recording_leaf *leaf = NULL;
    if (id_list_has(&d->in_ledger, id)) {
        return STATUS_OK;
    }
    enum status st = make_leaf(d, file, len, &leaf, err);
    recording_leaf_free(&leaf);
    if (st == STATUS_OK) {
        st = id_list_add(&d->in_ledger, id);
        st = st == STATUS_OK ? st : error_set(err, st, "no memory for a leaf");
    }
    return st;
}

/* To where it stays, and its leaf. What the ledger knows in its plain place
 * stays there. */
static enum status
put_away(struct daily_file *d, struct error *err)
{
    struct put_away *p = NULL;
    bool is_done = false;
    if (!put_away_is_needed(d->working, d->plain, &d->env->recipients) ||
        (strcmp(d->working, d->plain) == 0 &&
            id_list_has(&d->in_ledger, frame_file_id(d->file)))) {
        return add_leaf(d, d->plain, frame_file_len(d->file), err);
    }
    enum status st = put_away_hide(
        d->env->state_dir, d->file, &d->env->recipients, d->working, err);
    if (st == STATUS_OK) {
        st = put_away_begin(d->env->state_dir, d->working, d->plain,
            &d->env->recipients, d->was_final, &p, err);
    }
    while (st == STATUS_OK && !is_done) {
        st = put_away_step(p, &is_done, err);
    }
    if (st == STATUS_OK) {
        d->leaves_clear = true;
        st = add_leaf(d, put_away_file(p), put_away_size(p), err);
    }
    put_away_free(&p);
    return st;
}

static enum status
finish_day(struct daily_file *d, struct error *err)
{
    enum status st = STATUS_OK;
    if (!frame_file_is_final(d->file)) {
        st = cut(d, true, err);
    }
    if (st == STATUS_OK) {
        st = frame_file_finish(d->file, err);
    }
    if (st == STATUS_OK) {
        st = frame_file_sync(d->file, err);
    }
    if (st == STATUS_OK) {
        st = put_away(d, err);
    }
    if (st == STATUS_OK) {
        close_day(d);
    }
    return st;
}

static enum status
clear_one(void *ctx, const char *running, struct error *err)
{
    const struct daily_file *d = ctx;
    char plain[META_FILE_MAX];
    const char *base = strrchr(running, '-');
    if (base == NULL || strcmp(base + 1, DAILY_FILE_NAME) != 0 ||
        (d->file != NULL && strcmp(running, d->working) == 0)) {
        return STATUS_OK;
    }
    put_away_plain_name(running, plain);
    return put_away_remove_copy(d->env->state_dir, running, plain, err);
}

void
daily_file_clear_away(struct daily_file *d)
{
    struct error why;
    if (!d->leaves_clear) {
        return;
    }
    if (put_away_each_running(d->env->state_dir, clear_one, d, &why) ==
        STATUS_OK) {
        d->leaves_clear = false;
    } else {
        log_error(d->env->log, "daily.clear", &why);
    }
}

/* Encrypted, and so of no more use to us. */
static enum status
is_closed(struct daily_file *d, int64_t day_us, bool *out, struct error *err)
{
    bool is_there = false;
    enum status st = find_day(d, day_us, &is_there, err);
    *out = false;
    if (st == STATUS_OK && !is_there) {
        st = put_away_is_encrypted(d->env->state_dir, d->plain, out, err);
    }
    return st;
}

/* The page for something of `wall_us`: that day's, or a later one if it is
 * the open one or that day's is finished. */
static enum status
turn_to(struct daily_file *d, int64_t wall_us, struct error *err)
{
    int64_t day_us = day_of(wall_us);
    if (d->file != NULL && day_us <= d->day_us) {
        return STATUS_OK;
    }
    if (d->file != NULL) {
        const enum status st = finish_day(d, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    for (;; day_us += US_PER_DAY) {
        bool is_over = false;
        enum status st = is_closed(d, day_us, &is_over, err);
        if (st == STATUS_OK && is_over) {
            continue;
        }
        if (st == STATUS_OK) {
            st = open_usable(d, day_us, err);
        }
        if (st != STATUS_OK || !frame_file_is_final(d->file)) {
            return st;
        }
        st = finish_day(d, err); /* opening cut its seek table off */
        if (st != STATUS_OK) {
            return st;
        }
    }
}

/* How far back: a recorder that was away for longer leaves them to the
 * auditor, who can verify them as they are. */
#define OLD_DAYS 62

/* Whether there is something to finish, or to bring to where it stays. What
 * cannot be read has no leaf to come, and is the auditor's to look at. */
static bool
is_unfinished(const struct daily_file *d)
{
    char path[PATH_MAX];
    struct uuid id;
    if (strcmp(d->working, d->plain) != 0) {
        return true;
    }
    return path_of(d, path, NULL) == STATUS_OK &&
           (!frame_file_has_table(path) ||
               (frame_file_read_id(path, &id) &&
                   !id_list_has(&d->in_ledger, &id)));
}

enum status
daily_file_finish_old(struct daily_file *d, struct error *err)
{
    const int64_t now_us = clock_wall_us(d->env->clock);
    for (int64_t n = 1; n <= OLD_DAYS; n++) {
        bool is_there = false;
        const int64_t day_us = day_of(now_us - LATE_US) - n * US_PER_DAY;
        enum status st = find_day(d, day_us, &is_there, err);
        if (st == STATUS_OK && is_there && is_unfinished(d)) {
            st = open_usable(d, day_us, err);
            if (st == STATUS_OK) {
                st = finish_day(d, err);
            }
        }
        if (st != STATUS_OK) {
            return st;
        }
    }
    return STATUS_OK;
}

/* --- adding -------------------------------------------------------------- */

static enum status
add(struct daily_file *d, int64_t wall_us, struct span json, struct error *err)
{
    if (d->text.len >= RECORDER_FRAME_TEXT) {
        const enum status st = cut(d, false, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    const int64_t us = wall_us - d->day_us;
    const uint64_t ns = us < 0 ? 0 : (uint64_t)us * NS_PER_US;
    const enum status st = cast_writer_facts(&d->writer, ns, json, &d->text);
    return st == STATUS_OK ? st : error_set(err, st, "no room for an attempt");
}

enum status
daily_file_add_refused(
    struct daily_file *d, const struct meta *m, struct error *err)
{
    enum status st = turn_to(d, m->start_us, err);
    if (st != STATUS_OK || id_list_has(&d->known, &m->id)) {
        return st;
    }
    struct buf json;
    buf_init(&json, RECORDER_CLOSING_TEXT_MAX);
    st = meta_encode(m, META_PART_ALL, &json);
    if (st == STATUS_OK) {
        st = add(d, m->start_us, buf_view(&json), err);
    } else {
        st = error_set(err, st, "no memory for an attempt");
    }
    buf_fini(&json);
    return st;
}

enum status
daily_file_add_event(struct daily_file *d, struct span json, struct error *err)
{
    const int64_t now_us = clock_wall_us(d->env->clock);
    const enum status st = turn_to(d, now_us, err);
    return st == STATUS_OK ? add(d, now_us, json, err) : st;
}

/* Somebody removed or cut the file under us: what waits goes into another. */
static enum status
cut_elsewhere(struct daily_file *d, const struct error *why, struct error *err)
{
    log_error(d->env->log, "daily.lost", why);
    close_day(d);
    const enum status st = open_usable(d, d->day_us, err);
    return st == STATUS_OK ? cut(d, false, err) : st;
}

enum status
daily_file_flush(struct daily_file *d, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    enum status st = STATUS_OK;
    if (d->text.len > 0 && d->file == NULL) {
        st = open_usable(d, d->day_us, err); /* a former try closed it */
    }
    if (st != STATUS_OK || d->file == NULL) {
        return st;
    }
    if (d->text.len > 0) {
        st = cut(d, false, &why);
    }
    if (st == STATUS_CORRUPT) {
        st = cut_elsewhere(d, &why, err);
    } else if (st != STATUS_OK) {
        return error_set(err, st, "%s", why.text);
    }
    if (st == STATUS_OK) {
        st = frame_file_sync(d->file, err);
    }
    const int64_t now_us = clock_wall_us(d->env->clock);
    if (st == STATUS_OK && now_us - d->day_us > US_PER_DAY + LATE_US) {
        st = finish_day(d, err);
    }
    return st;
}
