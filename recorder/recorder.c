/* See recorder.h. */
#include "recorder/recorder.h"

#include "base/file.h"
#include "recorder/complaints.h"
#include "recorder/daily_file.h"
#include "recorder/index_db.h"
#include "recorder/leaf_search.h"
#include "recorder/limits.h"
#include "recorder/recover.h"
#include "recorder/seal_key.h"
#include "recorder/tail.h"
#include "recorder/upkeep.h"
#include "schema/index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NS_PER_MS 1000000u

struct worker {
    struct tail *tail;
    bool is_dead;
    bool is_buried; /* and read to the end, with every session broken off */
};

struct recorder {
    struct session_env env;
    struct cast_scratch scratch;
    struct tail_owner owner;
    char *journal_dir;
    struct press *press;
    struct press *archive;
    struct index_db *index;
    struct index_keep *keep;
    struct ledger *ledger;
    struct upkeep *upkeep;
    struct leaf_search unsure; /* sessions that may have their leaf already */
    struct daily_file *daily;
    struct worker *workers;
    size_t worker_count;
    size_t worker_room;
    /* Restored from their files, without a tail: its folder was not seen yet,
     * or is gone. A list, because keys repeat between workers. */
    struct session_file **loose;
    size_t loose_count;
    struct recover_list found; /* what the index and the files say is open */
    bool has_looked;           /* for workers, once */
    size_t ending_count;       /* that the last batch had no time for */
    bool has_caught_up;        /* all journals were read to their end once */
    bool is_batch_over; /* the last one: nothing taken waits in memory only */
    uint64_t looked_ns; /* when workers were last looked after */
    struct complaints complaints;
};

static void
complain(struct recorder *r, const char *event, const struct error *err)
{
    if (complaints_are_new(
            &r->complaints, event, err->code, clock_mono_ns(r->env.clock))) {
        log_error(r->env.log, event, err);
    }
}

/* --- birth --------------------------------------------------------------- */

static enum status
on_open(void *ctx, const struct uuid *worker, const struct journal_record *open,
    struct session_file **out, struct error *err)
{
    struct recorder *r = ctx;
    return recover_open(&r->env, r->index, worker, open, out, err);
}

static enum status
on_event(void *ctx, const struct journal_record *record, struct error *err)
{
    struct recorder *r = ctx;
    return daily_file_add_event(r->daily, record->payload, err);
}

/* A damaged index is kept for whoever wants to know why, and made anew. */
static enum status
open_usable_index(struct recorder *r, const char *path, bool *is_partial_out,
    struct error *err)
{
    struct error why = {.code = STATUS_OK};
    enum status st = index_db_open(path, &r->index, is_partial_out, &why);
    if (st != STATUS_CORRUPT) {
        return st == STATUS_OK ? st : error_set(err, st, "%s", why.text);
    }
    log_error(r->env.log, "index.damaged", &why);
    st = index_db_put_aside(path, clock_wall_us(r->env.clock), err);
    return st == STATUS_OK ? index_db_open(path, &r->index, is_partial_out, err)
                           : st;
}

static enum status
open_index(struct recorder *r, bool *is_partial_out, struct error *err)
{
    char path[PATH_MAX];
    enum status st =
        file_join(path, sizeof path, r->env.state_dir, INDEX_FILE, err);
    if (st == STATUS_OK) {
        st = open_usable_index(r, path, is_partial_out, err);
    }
    return st == STATUS_OK ? index_keep_open(r->index, &r->keep, err) : st;
}

static enum status
make_journal_dir(struct recorder *r, struct error *err)
{
    char path[PATH_MAX];
    enum status st =
        file_join(path, sizeof path, r->env.state_dir, "journal", err);
    if (st == STATUS_OK) {
        st = file_make_dirs(path, 0700, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    r->journal_dir = strdup(path);
    return r->journal_dir != NULL
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory for a path");
}

/* A file that cannot be gone on with does not keep the others waiting. */
static enum status
restore(struct recorder *r, struct recover_item *item, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    struct session_file *s = NULL;
    const enum status st = session_file_resume(&r->env, item->file, &s, &why);
    if (st == STATUS_OK) {
        r->loose[r->loose_count++] = s;
        return STATUS_OK;
    }
    if (st == STATUS_CORRUPT) {
        log_error(r->env.log, "session.damaged", &why);
        const enum status begun = index_db_begin(r->index, err);
        return begun == STATUS_OK
                   ? index_db_fail(r->index, &item->id, why.text, err)
                   : begun;
    }
    if (st == STATUS_NOT_FOUND) {
        item->why = strdup(why.text); /* unless its OPEN is in the journal */
        return item->why != NULL
                   ? STATUS_OK
                   : error_set(err, STATUS_NO_MEMORY, "no memory to recover");
    }
    return error_set(err, st, "%s", why.text);
}

static enum status
restore_all(struct recorder *r, bool is_partial, struct error *err)
{
    enum status st =
        recover_find(r->index, r->env.state_dir, is_partial, &r->found, err);
    if (st != STATUS_OK || r->found.count == 0) {
        return st;
    }
    r->loose = calloc(r->found.count, sizeof(struct session_file *));
    if (r->loose == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to recover");
    }
    for (size_t i = 0; i < r->found.count && st == STATUS_OK; i++) {
        st = restore(r, &r->found.items[i], err);
    }
    return st == STATUS_OK ? index_db_commit(r->index, err) : st;
}

/* Whoever wants to know of the ledger's past hears it here. */
static enum status
on_leaf(void *ctx, uint64_t index, const struct ledger_leaf *leaf,
    struct error *err)
{
    struct recorder *r = ctx;
    (void)index;
    const enum status st = index_keep_note(r->keep, leaf, err);
    return st == STATUS_OK ? daily_file_on_leaf(r->daily, leaf, err) : st;
}

/* Not what the ledger names: anybody can write a key into it. */
static enum status
publish_keys(const struct recorder_options *o, struct error *err)
{
    struct ed25519_public keys[ED25519_PUBLICS_MAX] = {
        signer_public(o->signer)};
    size_t count = 1;
    for (size_t i = 0; i < o->former_count && count < ED25519_PUBLICS_MAX;
         i++) {
        keys[count++] = signer_public(o->former[i]);
    }
    return seal_key_publish(o->state_dir, keys, count, err);
}

static enum status
open_ledger(struct recorder *r, const struct recorder_options *options,
    struct error *err)
{
    const struct ledger_options o = {
        .state_dir = options->state_dir,
        .signer = options->signer,
        .former = options->former,
        .former_count = options->former_count,
        .clock = options->clock,
        .log = options->log,
    };
    enum status st = index_keep_forget_holds(r->keep, err);
    if (st == STATUS_OK) {
        st = ledger_open(&o, on_leaf, r, &r->ledger, err);
    }
    r->env.ledger = r->ledger;
    if (st == STATUS_OK) {
        st = index_db_commit(r->index, err);
    }
    return st == STATUS_OK ? publish_keys(options, err) : st;
}

static bool is_live(void *ctx, const struct uuid *id);

static enum status
open_upkeep(struct recorder *r, bool is_partial, struct error *err)
{
    const struct upkeep_env env = {
        .state_dir = r->env.state_dir,
        .index = r->index,
        .keep = r->keep,
        .ledger = r->ledger,
        .clock = r->env.clock,
        .log = r->env.log,
        .is_live = is_live,
        .ctx = r,
    };
    return upkeep_new(&env, is_partial, &r->upkeep, err);
}

static enum status
open_press(const struct recorder_options *options, struct press **out,
    struct error *err)
{
    enum status st = press_new(
        options->signer, options->clock, RECORDER_ZSTD_LEVEL, out, err);
    for (size_t i = 0; i < options->former_count && st == STATUS_OK; i++) {
        const struct ed25519_public key = signer_public(options->former[i]);
        st = press_trust(*out, &key);
        st = st == STATUS_OK ? st : error_set(err, st, "too many former keys");
    }
    return st;
}

static enum status
set_up(struct recorder *r, const struct recorder_options *options,
    struct error *err)
{
    r->owner = (struct tail_owner){
        .env = &r->env,
        .reading = malloc(RECORDER_READ_MAX),
        .on_open = on_open,
        .on_event = on_event,
        .ctx = r,
    };
    if (r->owner.reading == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to read journals");
    }
    enum status st = open_press(options, &r->press, err);
    if (st == STATUS_OK) {
        st = open_press(options, &r->archive, err);
    }
    r->env.press = r->press;
    r->env.archive = r->archive;
    bool is_partial = false;
    if (st == STATUS_OK) {
        st = make_journal_dir(r, err);
    }
    if (st == STATUS_OK) {
        st = open_index(r, &is_partial, err);
    }
    if (st == STATUS_OK) {
        st = daily_file_new(&r->env, &r->daily, err);
    }
    if (st == STATUS_OK) {
        st = open_ledger(r, options, err);
    }
    if (st == STATUS_OK) {
        st = daily_file_finish_old(r->daily, err);
    }
    if (st == STATUS_OK) {
        st = open_upkeep(r, is_partial, err);
    }
    if (st == STATUS_OK) {
        st = restore_all(r, is_partial, err);
    }
    return st == STATUS_OK ? recover_clear_away(&r->env, r->index, err) : st;
}

enum status
recorder_new(const struct recorder_options *options, struct recorder **out,
    struct error *err)
{
    struct recorder *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a recorder");
    }
    cast_scratch_init(&r->scratch);
    r->env = (struct session_env){
        .state_dir = options->state_dir,
        .scratch = &r->scratch,
        .clock = options->clock,
        .log = options->log,
        .frame_text = RECORDER_FRAME_TEXT,
    };
    recorder_set_recipients(r, options->recipients);
    recorder_set_seal_interval(r, options->seal_interval_ms);
    const enum status st = set_up(r, options, err);
    if (st == STATUS_OK) {
        *out = r;
        r = NULL;
    }
    recorder_free(&r);
    return st;
}

void
recorder_free(struct recorder **r)
{
    if (*r == NULL) {
        return;
    }
    for (size_t i = 0; i < (*r)->worker_count; i++) {
        tail_close(&(*r)->workers[i].tail);
    }
    for (size_t i = 0; i < (*r)->loose_count; i++) {
        session_file_free(&(*r)->loose[i]);
    }
    free((*r)->workers);
    free((*r)->loose);
    recover_list_free(&(*r)->found);
    daily_file_free(&(*r)->daily);
    leaf_search_fini(&(*r)->unsure);
    upkeep_free(&(*r)->upkeep);
    ledger_close(&(*r)->ledger);
    index_keep_close(&(*r)->keep);
    index_db_close(&(*r)->index);
    press_free(&(*r)->press);
    press_free(&(*r)->archive);
    cast_scratch_fini(&(*r)->scratch);
    free((*r)->owner.reading);
    free((*r)->journal_dir);
    free(*r);
    *r = NULL;
}

void
recorder_set_seal_interval(struct recorder *r, uint32_t ms)
{
    r->env.seal_interval_ns = (uint64_t)ms * NS_PER_MS;
}

void
recorder_set_recipients(struct recorder *r, struct recipients to)
{
    r->env.recipients = to;
}

/* --- workers ------------------------------------------------------------- */

static bool
is_followed(const struct recorder *r, const char *name)
{
    for (size_t i = 0; i < r->worker_count; i++) {
        if (strcmp(tail_name(r->workers[i].tail), name) == 0) {
            return true;
        }
    }
    return false;
}

static enum status
reserve_worker(struct recorder *r, struct error *err)
{
    if (r->worker_count < r->worker_room) {
        return STATUS_OK;
    }
    if (r->worker_count >= RECORDER_WORKERS_MAX) {
        return error_set(err, STATUS_LIMIT, "%zu workers' folders in %s",
            r->worker_count, r->journal_dir);
    }
    const size_t room = r->worker_room == 0 ? 8 : r->worker_room * 2;
    struct worker *workers = realloc(r->workers, room * sizeof *workers);
    if (workers == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a worker");
    }
    r->workers = workers;
    r->worker_room = room;
    return STATUS_OK;
}

static enum status
adopt_loose(struct recorder *r, struct tail *t, struct error *err)
{
    size_t i = 0;
    while (i < r->loose_count) {
        const struct uuid worker = session_file_worker(r->loose[i]);
        if (memcmp(&worker, tail_worker(t), sizeof worker) != 0) {
            i++;
            continue;
        }
        const enum status st = tail_adopt(t, &r->loose[i], err);
        if (st != STATUS_OK) {
            return st;
        }
        r->loose[i] = r->loose[--r->loose_count];
    }
    return STATUS_OK;
}

static enum status
follow(struct recorder *r, const char *name, recorder_folder_fn *fn, void *ctx,
    struct error *err)
{
    enum status st = reserve_worker(r, err);
    struct tail *t = NULL;
    if (st == STATUS_OK) {
        st = tail_open(&r->owner, r->journal_dir, name, &t, err);
    }
    if (st == STATUS_INVALID) {
        return STATUS_OK; /* not a worker's folder: none of our business */
    }
    if (st == STATUS_OK) {
        st = adopt_loose(r, t, err);
    }
    if (st != STATUS_OK) {
        tail_close(&t);
        return st;
    }
    r->workers[r->worker_count++] = (struct worker){.tail = t};
    if (fn != NULL) {
        fn(ctx, tail_dir(t));
    }
    log_event(r->env.log, LOG_INFO, "worker.found", LOG_S("worker", name));
    return STATUS_OK;
}

/* Those of whose worker nothing is left have no more records to come. */
static void
break_off_loose(struct recorder *r)
{
    for (size_t i = 0; i < r->loose_count; i++) {
        struct error why;
        if (session_file_break_off(r->loose[i], "its worker's journal is gone",
                &why) != STATUS_OK) {
            complain(r, "session.break_off", &why);
        }
    }
}

/* A worker's folder, by its name and by being one: what is not is none of our
 * business, and keeps no recorder from starting. */
static bool
may_be_worker(DIR *journals, const char *name)
{
    struct stat sb;
    return name[0] == 'w' &&
           fstatat(dirfd(journals), name, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(sb.st_mode);
}

enum status
recorder_look_for_workers(
    struct recorder *r, recorder_folder_fn *fn, void *ctx, struct error *err)
{
    DIR *dir = opendir(r->journal_dir);
    if (dir == NULL) {
        return error_sys(err, errno, "open %s", r->journal_dir);
    }
    enum status st = STATUS_OK;
    for (;;) {
        const struct dirent *entry = readdir(dir);
        if (entry == NULL || st != STATUS_OK) {
            break;
        }
        if (may_be_worker(dir, entry->d_name) &&
            !is_followed(r, entry->d_name)) {
            st = follow(r, entry->d_name, fn, ctx, err);
        }
    }
    (void)closedir(dir);
    if (st == STATUS_OK && !r->has_looked) {
        r->has_looked = true;
        break_off_loose(r);
    }
    return st;
}

/* --- every session ------------------------------------------------------- */

struct visit {
    size_t worker;
    size_t at;
};

static struct session_file *
next_session(struct recorder *r, struct visit *v)
{
    while (v->worker < r->worker_count) {
        struct session_file *s = session_table_next(
            tail_sessions(r->workers[v->worker].tail), &v->at);
        if (s != NULL) {
            return s;
        }
        v->worker++;
        v->at = 0;
    }
    return v->at < r->loose_count ? r->loose[v->at++] : NULL;
}

static bool
is_live(void *ctx, const struct uuid *id)
{
    struct recorder *r = ctx;
    struct visit v = {0, 0};
    const struct session_file *s = next_session(r, &v);
    while (
        s != NULL && memcmp(&session_file_meta(s)->id, id, sizeof *id) != 0) {
        s = next_session(r, &v);
    }
    return s != NULL;
}

static void
work_sessions(struct recorder *r)
{
    struct visit v = {0, 0};
    r->ending_count = 0;
    for (;;) {
        struct session_file *s = next_session(r, &v);
        struct error why;
        if (s == NULL) {
            return;
        }
        if (session_file_work(s, &why) != STATUS_OK) {
            complain(r, "session.work", &why);
        } else if (session_file_state(s) == SESSION_ENDING ||
                   session_file_state(s) == SESSION_SEALED) {
            r->ending_count++;
        }
    }
}

/* Attempts go to the day's file; then they want a row like the others. */
static enum status
note_refused(struct recorder *r, struct error *err)
{
    struct visit v = {0, 0};
    for (;;) {
        struct session_file *s = next_session(r, &v);
        if (s == NULL) {
            return daily_file_flush(r->daily, err);
        }
        if (session_file_state(s) != SESSION_REFUSED) {
            continue;
        }
        const enum status st =
            daily_file_add_refused(r->daily, session_file_meta(s), err);
        if (st != STATUS_OK) {
            return st;
        }
        session_file_set_noted(s);
    }
}

static enum status
put_rows(struct recorder *r, struct error *err)
{
    struct visit v = {0, 0};
    for (;;) {
        struct session_file *s = next_session(r, &v);
        if (s == NULL) {
            return STATUS_OK;
        }
        if (!session_file_is_unindexed(s)) {
            continue;
        }
        enum status st = index_db_begin(r->index, err);
        if (st == STATUS_OK) {
            st = index_db_put(r->index, session_file_meta(s), err);
        }
        if (st != STATUS_OK) {
            return st;
        }
    }
}

static void
log_end(const struct recorder *r, const struct meta *m)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&m->id, id);
    log_event(r->env.log, LOG_INFO, "session.recorded", LOG_S("session", id),
        LOG_S("status", meta_status_name(m->status)), LOG_S("file", m->file),
        LOG_I("size", m->size), LOG_S("reason", m->reason));
}

static void
settle_table(struct recorder *r, struct session_table *t)
{
    size_t at = 0;
    for (;;) {
        struct session_file *s = session_table_next(t, &at);
        if (s == NULL) {
            return;
        }
        if (!session_file_is_unindexed(s)) {
            continue;
        }
        session_file_set_indexed(s);
        if (session_file_state(s) == SESSION_FINISHED) {
            session_file_clear_away(s);
            log_end(r, session_file_meta(s));
            session_table_remove(t, session_file_key(s));
            at--; /* another may have moved into its place */
        }
    }
}

static void
settle_loose(struct recorder *r)
{
    size_t i = 0;
    while (i < r->loose_count) {
        if (!session_file_is_unindexed(r->loose[i]) ||
            session_file_state(r->loose[i]) != SESSION_FINISHED) {
            i++;
            continue;
        }
        session_file_clear_away(r->loose[i]);
        log_end(r, session_file_meta(r->loose[i]));
        session_file_free(&r->loose[i]);
        r->loose[i] = r->loose[--r->loose_count];
    }
}

/* Rows are committed: what is finished may be forgotten. */
static void
settle(struct recorder *r)
{
    for (size_t i = 0; i < r->worker_count; i++) {
        settle_table(r, tail_sessions(r->workers[i].tail));
    }
    settle_loose(r);
    daily_file_clear_away(r->daily);
}

/* Without `may_release` it is a heartbeat only. */
static void
publish(struct recorder *r, bool may_release)
{
    for (size_t i = 0; i < r->worker_count; i++) {
        struct error why;
        if (tail_publish(r->workers[i].tail, may_release, &why) != STATUS_OK) {
            complain(r, "journal.publish", &why);
        }
    }
}

/* The more sessions there are, the less text each may keep. */
static void
share_memory(struct recorder *r)
{
    const size_t share = RECORDER_TEXT_BUDGET / (recorder_sessions(r) + 1);
    r->env.frame_text = share < RECORDER_FRAME_TEXT_MIN
                            ? RECORDER_FRAME_TEXT_MIN
                        : share > RECORDER_FRAME_TEXT ? RECORDER_FRAME_TEXT
                                                      : share;
}

static void
allow_endings(struct recorder *r, uint64_t ms)
{
    r->env.ending_until_ns = clock_mono_ns(r->env.clock) + ms * NS_PER_MS;
}

/* Before anything becomes of files that a crash left finished. */
static enum status
search_leaves(struct recorder *r, struct error *err)
{
    struct visit v = {0, 0};
    enum status st = STATUS_OK;
    r->unsure.count = 0;
    while (st == STATUS_OK) {
        struct session_file *s = next_session(r, &v);
        if (s == NULL) {
            return leaf_search_run(&r->unsure, r->ledger, err);
        }
        if (session_file_wants_leaf_search(s)) {
            st = leaf_search_add(&r->unsure, s, err);
        }
    }
    return st;
}

/* What ended is finished, then in the ledger, then in the index, then
 * forgotten, in this order: a row that says complete has its leaf. A failure
 * leaves the rest to the next batch. */
static bool
end_batch(struct recorder *r)
{
    struct error why;
    share_memory(r);
    enum status st = search_leaves(r, &why);
    if (st == STATUS_OK) {
        work_sessions(r);
        st = note_refused(r, &why);
    }
    if (st == STATUS_OK) {
        st = ledger_commit(r->ledger, &why);
    }
    if (st == STATUS_OK) {
        st = put_rows(r, &why);
    }
    if (st == STATUS_OK) {
        st = index_db_commit(r->index, &why);
    }
    if (st != STATUS_OK) {
        index_db_rollback(r->index);
        complain(r, "batch", &why);
        return false;
    }
    settle(r);
    return true;
}

/* --- reading ------------------------------------------------------------- */

static enum status
fail_unseen_one(
    struct recorder *r, const struct recover_item *item, struct error *err)
{
    struct error reason;
    (void)error_set(&reason, STATUS_NOT_FOUND, "its journal is gone%s%s",
        item->why == NULL ? "" : ", and ", item->why == NULL ? "" : item->why);
    return index_db_fail(r->index, &item->id, reason.text, err);
}

/* Rows that nothing stands behind, once all journals were read. */
static enum status
fail_unseen(struct recorder *r, struct error *err)
{
    enum status st = index_db_begin(r->index, err);
    for (size_t i = 0; i < r->found.count && st == STATUS_OK; i++) {
        if (!is_live(r, &r->found.items[i].id)) {
            st = fail_unseen_one(r, &r->found.items[i], err);
        }
    }
    return st == STATUS_OK ? index_db_commit(r->index, err) : st;
}

static void
catch_up(struct recorder *r)
{
    struct error why;
    if (fail_unseen(r, &why) != STATUS_OK) {
        index_db_rollback(r->index);
        complain(r, "recover", &why);
        return;
    }
    if (recover_clear_away(&r->env, r->index, &why) != STATUS_OK) {
        complain(r, "session.clear", &why);
    }
    recover_list_free(&r->found);
    r->has_caught_up = true;
}

static void
read_journals(
    struct recorder *r, bool *more_out, bool *changed_out, bool *failed_out)
{
    for (size_t i = 0; i < r->worker_count; i++) {
        struct tail *t = r->workers[i].tail;
        struct error why;
        bool more = false;
        if (tail_read(t, &more, &why) != STATUS_OK) {
            complain(r, "journal.read", &why);
            *failed_out = true;
        }
        *more_out = *more_out || more;
        *changed_out = tail_take_changed(t) || *changed_out;
    }
}

void
recorder_read(struct recorder *r, bool *more_out)
{
    bool has_more = false;
    bool has_changed = false;
    bool has_failed = false;
    if (r->ending_count > RECORDER_ENDINGS_MAX) {
        has_more = true; /* and it waits, in the journal */
    } else {
        read_journals(r, &has_more, &has_changed, &has_failed);
    }
    r->env.is_behind = has_more || r->ending_count > RECORDER_ENDINGS_UNHURRIED;
    if (has_changed || r->ending_count > 0) {
        allow_endings(r, RECORDER_ENDING_MS);
        r->is_batch_over = end_batch(r);
    }
    if (!has_more && !has_failed && r->has_looked && !r->has_caught_up) {
        catch_up(r);
    }
    publish(r, r->is_batch_over);
    *more_out = has_more || r->ending_count > 0;
}

/* --- time ---------------------------------------------------------------- */

/* A worker that was seen dead before its journal was read to the end will
 * write no more: what has no end yet was broken off. */
static enum status
bury(struct worker *w, struct error *err)
{
    struct tail *t = w->tail;
    bool more = true;
    enum status st = tail_read(t, &more, err);
    if (st != STATUS_OK || more) {
        return st;
    }
    size_t at = 0;
    for (;;) {
        struct session_file *s = session_table_next(tail_sessions(t), &at);
        if (s == NULL) {
            w->is_buried = true;
            return STATUS_OK;
        }
        st = session_file_break_off(s, "proxy died", err);
        if (st != STATUS_OK) {
            return st;
        }
    }
}

static enum status
look_after(struct worker *w, struct error *err)
{
    enum status st = STATUS_OK;
    if (!w->is_dead) {
        st = tail_look(w->tail, &w->is_dead, err);
    }
    return st == STATUS_OK && w->is_dead && !w->is_buried ? bury(w, err) : st;
}

static void
look_after_workers(struct recorder *r)
{
    for (size_t i = 0; i < r->worker_count; i++) {
        struct error why;
        if (look_after(&r->workers[i], &why) != STATUS_OK) {
            complain(r, "worker.look", &why);
        }
    }
}

/* Folders of dead workers whose sessions are all finished and indexed. */
static void
remove_buried(struct recorder *r)
{
    size_t i = 0;
    while (i < r->worker_count) {
        struct worker *w = &r->workers[i];
        struct error why;
        if (!w->is_buried || tail_sessions(w->tail)->count > 0) {
            i++;
            continue;
        }
        if (tail_remove(w->tail, &why) != STATUS_OK) {
            complain(r, "worker.remove", &why);
            i++;
            continue;
        }
        log_event(r->env.log, LOG_INFO, "worker.gone",
            LOG_S("worker", tail_name(w->tail)));
        tail_close(&w->tail);
        r->workers[i] = r->workers[--r->worker_count];
    }
}

static void
sync_laggards(struct recorder *r)
{
    for (size_t i = 0; i < r->worker_count; i++) {
        struct error why;
        if (tail_sync_laggards(
                r->workers[i].tail, RECORDER_SYNCS_A_TICK, &why) != STATUS_OK) {
            complain(r, "session.sync", &why);
        }
    }
}

void
recorder_tick(struct recorder *r)
{
    const uint64_t now_ns = clock_mono_ns(r->env.clock);
    const bool is_time_to_look =
        now_ns - r->looked_ns >= (uint64_t)RECORDER_HEARTBEAT_MS * NS_PER_MS;
    if (is_time_to_look) {
        r->looked_ns = now_ns;
        look_after_workers(r);
    }
    allow_endings(r, RECORDER_ENDING_MS);
    r->is_batch_over = end_batch(r);
    if (is_time_to_look && r->is_batch_over) { /* events are on the disk, too */
        remove_buried(r);
    }
    sync_laggards(r);
    publish(r, r->is_batch_over);
    cast_scratch_shrink(&r->scratch);
}

struct upkeep *
recorder_upkeep(struct recorder *r)
{
    return r->upkeep;
}

/* Not before it is known which sessions go on. */
bool
recorder_step(struct recorder *r)
{
    struct error why;
    if (!r->has_caught_up) {
        return false;
    }
    /* Rows of ours that wait for a batch's end are not upkeep's to roll
     * back. */
    if (index_db_commit(r->index, &why) != STATUS_OK) {
        index_db_rollback(r->index);
        complain(r, "index.commit", &why);
        return false;
    }
    return upkeep_step(r->upkeep);
}

void
recorder_stop(struct recorder *r)
{
    struct visit v = {0, 0};
    allow_endings(r, RECORDER_STOP_MS);
    r->is_batch_over = end_batch(r);
    for (;;) {
        struct session_file *s = next_session(r, &v);
        struct error why;
        if (s == NULL) {
            break;
        }
        if (session_file_seal_now(s, &why) != STATUS_OK ||
            session_file_sync(s, &why) != STATUS_OK) {
            complain(r, "session.seal", &why);
        }
    }
    publish(r, r->is_batch_over);
}

size_t
recorder_workers(const struct recorder *r)
{
    return r->worker_count;
}

size_t
recorder_sessions(const struct recorder *r)
{
    size_t count = r->loose_count;
    for (size_t i = 0; i < r->worker_count; i++) {
        count += tail_sessions(r->workers[i].tail)->count;
    }
    return count;
}
