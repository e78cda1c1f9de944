/* See reindex.h. */
#include "recorder/reindex.h"

#include "base/file.h"
#include "recorder/daily_file.h"
#include "recorder/frame_walk.h"
#include "recorder/index_rebuild.h"
#include "recorder/limits.h"
#include "recorder/recording_facts.h"
#include "recorder/removal.h"
#include "recorder/store_walk.h"
#include "schema/cast.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_MS     1000000u
#define PROGRESS_EACH 1000u

enum phase {
    PHASE_FILES,
    PHASE_RUNNING, /* attempts of days that are encrypted when they are over */
    PHASE_SWEEP,
    PHASE_END,
    PHASE_OVER,
};

struct reindex {
    struct upkeep_env env;
    const struct upkeep_asker *asker;
    enum phase phase;
    struct index_rebuild *rebuild;
    struct store_walk *files;
    struct frame_walk *attempts; /* an attempts' file being read */
    char attempts_file[META_FILE_MAX];
    bool is_an_attempt_lost;     /* a file of them could not be read whole */
    char running[META_FILE_MAX]; /* the last one of journal/running/ */
    uint64_t told;
    struct control_answer result;
};

enum status
reindex_new(const struct upkeep_env *env, const struct upkeep_asker *asker,
    struct reindex **out, struct error *err)
{
    struct reindex *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to reindex");
    }
    r->env = *env;
    r->asker = asker;
    r->result.kind = CONTROL_DONE;
    enum status st = index_rebuild_begin(
        env->index, clock_wall_us(env->clock), &r->rebuild, err);
    if (st == STATUS_OK) {
        st = store_walk_open(env->state_dir, false, &r->files, err);
    }
    if (st == STATUS_OK) {
        *out = r;
        r = NULL;
    }
    reindex_free(&r);
    return st;
}

void
reindex_free(struct reindex **r)
{
    if (*r != NULL) {
        index_rebuild_close(&(*r)->rebuild);
        store_walk_close(&(*r)->files);
        frame_walk_close(&(*r)->attempts);
        free(*r);
        *r = NULL;
    }
}

void
reindex_result(const struct reindex *r, struct control_answer *out)
{
    *out = r->result;
}

/* A file that cannot be read is left to a verifier, and its row as it is. */
static void
note_unreadable(const struct reindex *r, const struct error *why)
{
    log_error(r->env.log, "reindex.unreadable", why);
}

static enum status
put(struct reindex *r, const struct meta *m, struct error *err)
{
    enum status st = index_db_begin(r->env.index, err);
    if (st == STATUS_OK) {
        st = index_db_replace(r->env.index, m, err);
    }
    if (st == STATUS_OK) {
        r->result.count++;
        r->result.bytes += m->size;
    }
    return st;
}

/* --- recordings ---------------------------------------------------------- */

static enum status
has_row(const struct reindex *r, const struct uuid *id, bool *out,
    struct error *err)
{
    enum meta_status ignored;
    struct error why = {.code = STATUS_OK};
    const enum status st = index_db_status(r->env.index, id, &ignored, &why);
    *out = st == STATUS_OK;
    return st == STATUS_OK || st == STATUS_NOT_FOUND
               ? STATUS_OK
               : error_set(err, st, "%s", why.text);
}

/* Of a file that nobody goes on with: it was damaged, and stays as evidence. */
static enum status
put_unfinished(struct reindex *r, struct meta *m, struct error *err)
{
    bool has = false;
    const enum status st = has_row(r, &m->id, &has, err);
    if (st != STATUS_OK || has) {
        return st; /* it says more than the file's header does */
    }
    m->status = META_FAILED;
    m->end_us = m->start_us;
    if (meta_set(&m->reason, SPAN_LIT("its recording is not finished")) !=
        STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a reason");
    }
    return put(r, m, err);
}

static enum status
put_recording(struct reindex *r, const struct store_item *item, struct meta *m,
    bool is_finished, struct error *err)
{
    if (memcmp(&m->id, &item->id, sizeof m->id) != 0) {
        struct error why;
        (void)error_set(&why, STATUS_CORRUPT,
            "%s is the recording of another session", item->file);
        note_unreadable(r, &why);
        return STATUS_OK;
    }
    if (meta_set(&m->file, span_str(item->file)) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a name");
    }
    return is_finished ? put(r, m, err) : put_unfinished(r, m, err);
}

static enum status
read_recording(
    struct reindex *r, const struct store_item *item, struct error *err)
{
    char path[PATH_MAX];
    bool is_finished = false;
    struct error why = {.code = STATUS_OK};
    struct meta m;
    meta_init(&m);
    enum status st =
        file_join(path, sizeof path, r->env.state_dir, item->file, err);
    if (st == STATUS_OK) {
        st = recording_facts_read(path, &m, &is_finished, &why);
        if (st == STATUS_NO_MEMORY) {
            st = error_set(err, st, "%s", why.text);
        } else if (st != STATUS_OK) {
            note_unreadable(r, &why);
            st = STATUS_OK;
        } else if (is_finished || !r->env.is_live(r->env.ctx, &item->id)) {
            st = put_recording(r, item, &m, is_finished, err);
        }
    }
    meta_fini(&m);
    return st;
}

struct tombstone_search {
    const struct uuid *id;
    bool is_found;
};

static enum status
look_for_tombstone(void *ctx, uint64_t index, const struct ledger_leaf *leaf,
    struct error *err)
{
    struct tombstone_search *s = ctx;
    (void)index;
    (void)err;
    if (leaf->kind == LEDGER_TOMBSTONE &&
        memcmp(&leaf->id, s->id, sizeof leaf->id) == 0) {
        s->is_found = true;
    }
    return STATUS_OK;
}

/* The ledger decides: a row of `removed` alone may be anybody's. Only what a
 * crash kept from being unlinked is looked up so, so it is rarely read. */
static enum status
was_removed(const struct reindex *r, const struct uuid *id, bool *out,
    struct error *err)
{
    struct tombstone_search search = {.id = id};
    enum status st = index_db_was_removed(r->env.index, id, out, err);
    if (st == STATUS_OK && *out) {
        st = ledger_each(r->env.ledger, look_for_tombstone, &search, err);
        *out = search.is_found;
    }
    return st;
}

/* A crash kept it. */
static enum status
finish_removal(
    struct reindex *r, const struct store_item *item, struct error *err)
{
    log_event(r->env.log, LOG_WARN, "recording.removed.late",
        LOG_S("file", item->file));
    const enum status st =
        removal_unlink_file(r->env.state_dir, item->file, err);
    return st == STATUS_OK
               ? removal_settle_folder(r->env.state_dir, item->file, err)
               : st;
}

static enum status
take_recording(
    struct reindex *r, const struct store_item *item, struct error *err)
{
    bool is_removed = false;
    enum status st = was_removed(r, &item->id, &is_removed, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (is_removed) {
        return finish_removal(r, item, err);
    }
    if (item->is_encrypted) { /* for others' keys: its row has to do */
        bool has = false;
        st = has_row(r, &item->id, &has, err);
        if (st == STATUS_OK && !has) {
            struct error why;
            (void)error_set(&why, STATUS_UNSUPPORTED,
                "%s is encrypted: its row cannot be made again", item->file);
            note_unreadable(r, &why);
        }
        return st;
    }
    return read_recording(r, item, err);
}

/* --- attempts ------------------------------------------------------------ */

static enum status
open_attempts(
    struct reindex *r, const char file[META_FILE_MAX], struct error *err)
{
    char path[PATH_MAX];
    struct error why;
    enum status st = file_join(path, sizeof path, r->env.state_dir, file, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = frame_walk_open(path, &r->attempts, &why);
    if (st == STATUS_OK) {
        memcpy(r->attempts_file, file, sizeof r->attempts_file);
    } else if (st != STATUS_NOT_FOUND) {
        r->is_an_attempt_lost = true;
        note_unreadable(r, &why);
    }
    return STATUS_OK;
}

static enum status
take_attempt(
    struct reindex *r, struct span line, struct buf *scratch, struct error *err)
{
    struct cast_event event;
    struct meta m;
    struct error why;
    meta_init(&m);
    enum status st = cast_event_decode(line, scratch, &event, &why);
    if (st == STATUS_OK && event.code == CAST_FACTS) {
        st = meta_decode(event.data, &m, &why);
    }
    if (st == STATUS_INVALID) {
        r->is_an_attempt_lost = true;
        note_unreadable(r, &why);
        st = STATUS_OK;
    } else if (st != STATUS_OK) {
        st = error_set(err, st, "%s", why.text);
    } else if (!uuid_is_nil(&m.id)) {
        st = put(r, &m, err);
    }
    meta_fini(&m);
    return st;
}

static enum status
take_attempts(struct reindex *r, struct span text, struct error *err)
{
    struct buf scratch;
    struct span line;
    enum status st = STATUS_OK;
    buf_init(&scratch, CAST_LINE_MAX);
    while (st == STATUS_OK && span_take_until(&text, '\n', &line)) {
        if (line.len > 0 && line.ptr[0] == '[') { /* else the header */
            st = take_attempt(r, line, &scratch, err);
        }
    }
    buf_fini(&scratch);
    return st;
}

/* One frame. */
static enum status
read_attempts(struct reindex *r, struct error *err)
{
    struct frame_piece piece;
    struct error why;
    enum status st = frame_walk_next(r->attempts, &piece, &why);
    if (st != STATUS_OK) {
        (void)error_in(&why, st, "%s", r->attempts_file);
        note_unreadable(r, &why);
        r->is_an_attempt_lost = true;
    }
    if (st != STATUS_OK || piece.kind == FRAME_END) {
        frame_walk_close(&r->attempts);
        return STATUS_OK;
    }
    return piece.kind == FRAME_TEXT ? take_attempts(r, piece.text, err)
                                    : STATUS_OK;
}

/* --- all files ----------------------------------------------------------- */

static enum status
take_file(struct reindex *r, struct error *err)
{
    struct store_item item;
    struct error why = {.code = STATUS_OK};
    const enum status st = store_walk_next(r->files, &item, &why);
    if (st == STATUS_CLOSED) {
        r->phase = PHASE_RUNNING;
        return STATUS_OK;
    }
    if (st != STATUS_OK) {
        return error_set(err, st, "%s", why.text);
    }
    switch (item.kind) {
    case STORE_RECORDING:
        return take_recording(r, &item, err);
    case STORE_ATTEMPTS:
        return open_attempts(r, item.file, err);
    case STORE_DAY:
        break;
    }
    return STATUS_OK;
}

struct pick {
    const char *after;
    char next[META_FILE_MAX]; /* "" when there is none */
};

static enum status
pick_attempts(void *ctx, const char *running, struct error *err)
{
    struct pick *p = ctx;
    const char *base = strrchr(running, '-');
    (void)err;
    if (base != NULL && strcmp(base + 1, DAILY_FILE_NAME) == 0 &&
        strcmp(running, p->after) > 0 &&
        (p->next[0] == '\0' || strcmp(running, p->next) < 0)) {
        snprintf(p->next, sizeof p->next, "%s", running);
    }
    return STATUS_OK;
}

static enum status
take_running(struct reindex *r, struct error *err)
{
    struct pick p = {.after = r->running};
    const enum status st =
        put_away_each_running(r->env.state_dir, pick_attempts, &p, err);
    if (st != STATUS_OK || p.next[0] == '\0') {
        r->phase = st == STATUS_OK ? PHASE_SWEEP : r->phase;
        return st;
    }
    memcpy(r->running, p.next, sizeof r->running);
    return open_attempts(r, p.next, err);
}

/* One file, or one frame of it. */
static enum status
take_one(struct reindex *r, struct error *err)
{
    if (r->attempts != NULL) {
        return read_attempts(r, err);
    }
    return r->phase == PHASE_FILES ? take_file(r, err) : take_running(r, err);
}

static void
tell_progress(struct reindex *r)
{
    const struct control_answer answer = {
        .kind = CONTROL_PROGRESS, .done = r->result.count};
    if (r->asker->say != NULL && r->result.count >= r->told + PROGRESS_EACH) {
        r->told = r->result.count;
        r->asker->say(r->asker->ctx, &answer);
    }
}

static enum status
take_files(struct reindex *r, struct error *err)
{
    const uint64_t from_ns = clock_mono_ns(r->env.clock);
    const uint64_t most_ns = (uint64_t)RECORDER_REINDEX_STEP_MS * NS_PER_MS;
    enum status st = STATUS_OK;
    for (unsigned i = 0; st == STATUS_OK && i < RECORDER_REINDEX_FILES &&
                         r->phase != PHASE_SWEEP &&
                         clock_mono_ns(r->env.clock) - from_ns < most_ns;
         i++) {
        st = take_one(r, err);
    }
    if (st == STATUS_OK) {
        st = index_db_commit(r->env.index, err);
    }
    if (st != STATUS_OK) {
        index_db_rollback(r->env.index);
    }
    tell_progress(r);
    return st;
}

/* --- rows without files -------------------------------------------------- */

static enum status
look_at_row(void *ctx, const struct index_old_row *row, bool *drop_out,
    struct error *err)
{
    struct reindex *r = ctx;
    char path[PATH_MAX];
    if (row->status == META_ACTIVE) {
        return STATUS_OK;
    }
    if (row->file[0] == '\0') {
        *drop_out = row->was_removed ||
                    (row->status == META_REFUSED && !r->is_an_attempt_lost);
        return STATUS_OK;
    }
    const enum status st =
        file_join(path, sizeof path, r->env.state_dir, row->file, err);
    if (st != STATUS_OK || access(path, F_OK) == 0) {
        return st;
    }
    *drop_out = row->was_removed;
    r->result.kept += !row->was_removed;
    return STATUS_OK;
}

static enum status
sweep(struct reindex *r, struct error *err)
{
    unsigned count = 0;
    const enum status st = index_rebuild_sweep(
        r->rebuild, INDEX_SWEEP_MAX, look_at_row, r, &count, err);
    if (st == STATUS_OK && count < INDEX_SWEEP_MAX) {
        r->phase = PHASE_END;
    }
    return st;
}

static enum status
end(struct reindex *r, struct error *err)
{
    enum status st = index_rebuild_end(r->rebuild, err);
    if (st == STATUS_OK) {
        st = index_db_commit(r->env.index, err);
    }
    if (st != STATUS_OK) {
        index_db_rollback(r->env.index);
        return st;
    }
    log_event(r->env.log, LOG_INFO, "index.rebuilt",
        LOG_I("rows", r->result.count), LOG_I("missing", r->result.kept));
    r->phase = PHASE_OVER;
    return STATUS_OK;
}

enum status
reindex_step(struct reindex *r, struct error *err)
{
    switch (r->phase) {
    case PHASE_FILES:
    case PHASE_RUNNING:
        return take_files(r, err);
    case PHASE_SWEEP:
        return sweep(r, err);
    case PHASE_END:
        return end(r, err);
    case PHASE_OVER:
        break;
    }
    return error_set(err, STATUS_CLOSED, "the index is whole");
}
