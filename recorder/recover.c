/* See recover.h. */
#include "recorder/recover.h"

#include "base/file.h"
#include "recorder/frame_file.h"
#include "recorder/store_walk.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the list ------------------------------------------------------------ */

void
recover_list_free(struct recover_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].file);
        free(l->items[i].why);
    }
    free(l->items);
    *l = (struct recover_list){NULL, 0, 0};
}

static enum status
list_add(void *ctx, const struct uuid *id, const char *file, struct error *err)
{
    struct recover_list *l = ctx;
    if (l->count == l->room) {
        const size_t room = l->room == 0 ? 64 : l->room * 2;
        struct recover_item *items = realloc(l->items, room * sizeof *items);
        if (items == NULL) {
            return error_set(err, STATUS_NO_MEMORY, "no memory to recover");
        }
        l->items = items;
        l->room = room;
    }
    char *copy = strdup(file);
    if (copy == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to recover");
    }
    l->items[l->count++] = (struct recover_item){.id = *id, .file = copy};
    return STATUS_OK;
}

static enum status
remove_file(const char *state_dir, const char *file, struct error *err)
{
    char path[PATH_MAX];
    const enum status st = file_join(path, sizeof path, state_dir, file, err);
    if (st == STATUS_OK && unlink(path) != 0 && errno != ENOENT) {
        return error_sys(err, errno, "remove %s", path);
    }
    return st;
}

/* --- without a whole index ----------------------------------------------- */

/* A file that is not finished, and that no row speaks of. */
static enum status
add_unfinished(struct index_db *index, const char *state_dir,
    const struct store_item *item, struct recover_list *out, struct error *err)
{
    char path[PATH_MAX];
    enum meta_status ignored;
    enum status st = file_join(path, sizeof path, state_dir, item->file, err);
    if (st != STATUS_OK || frame_file_has_table(path)) {
        return st;
    }
    struct error why = {.code = STATUS_OK};
    st = index_db_status(index, &item->id, &ignored, &why);
    if (st == STATUS_NOT_FOUND) {
        return list_add(out, &item->id, item->file, err);
    }
    return st == STATUS_OK ? st : error_set(err, st, "%s", why.text);
}

static enum status
scan(struct index_db *index, const char *state_dir, struct recover_list *out,
    struct error *err)
{
    struct store_walk *walk = NULL;
    struct error end = {.code = STATUS_OK};
    struct store_item item;
    enum status st = store_walk_open(state_dir, false, &walk, err);
    while (st == STATUS_OK) {
        st = store_walk_next(walk, &item, &end);
        if (st == STATUS_CLOSED) {
            break;
        }
        if (st != STATUS_OK) {
            st = error_set(err, st, "%s", end.text);
        } else if (item.kind == STORE_RECORDING && !item.is_encrypted) {
            st = add_unfinished(index, state_dir, &item, out, err);
        }
    }
    store_walk_close(&walk);
    return st == STATUS_CLOSED ? STATUS_OK : st;
}

/* --- journal/running ----------------------------------------------------- */

static bool
is_of_session(const char *running, struct uuid *id_out)
{
    static const char before[] = PUT_AWAY_RUNNING "/2026-11-24-";
    static const char behind[] = ".cast.zst";
    const size_t at = sizeof before - 1;
    return strlen(running) == at + UUID_TEXT_LEN + sizeof behind - 1 &&
           strcmp(running + at + UUID_TEXT_LEN, behind) == 0 &&
           uuid_parse(span_of(running + at, UUID_TEXT_LEN), id_out);
}

/* What the index says of a session whose text is still in the clear. */
enum standing {
    STANDING_ACTIVE,
    STANDING_OVER,
    STANDING_REMOVED, /* and may not come back */
    STANDING_UNKNOWN, /* a crash came before its first row */
};

static enum status
look_up(struct index_db *index, const struct uuid *id, enum standing *out,
    struct error *err)
{
    struct error why = {.code = STATUS_OK};
    enum meta_status known = META_ACTIVE;
    bool was_removed = false;
    enum status st = index_db_status(index, id, &known, &why);
    if (st == STATUS_OK) {
        *out = known == META_ACTIVE ? STANDING_ACTIVE : STANDING_OVER;
        return STATUS_OK;
    }
    if (st == STATUS_NOT_FOUND) {
        st = index_db_was_removed(index, id, &was_removed, &why);
        *out = was_removed ? STANDING_REMOVED : STANDING_UNKNOWN;
    }
    return st == STATUS_OK ? st : error_set(err, st, "%s", why.text);
}

struct running_scan {
    struct index_db *index;
    const struct session_env *env;
    struct recover_list *list;
};

static enum status
add_running(void *ctx, const char *running, struct error *err)
{
    const struct running_scan *scan = ctx;
    enum standing standing = STANDING_ACTIVE;
    struct uuid id;
    if (!is_of_session(running, &id)) {
        return STATUS_OK;
    }
    const enum status st = look_up(scan->index, &id, &standing, err);
    return st == STATUS_OK && standing == STANDING_UNKNOWN
               ? list_add(scan->list, &id, running, err)
               : st;
}

/* A failure keeps nobody waiting: the next start tries again. */
static enum status
clear_one(void *ctx, const char *running, struct error *err)
{
    const struct running_scan *scan = ctx;
    const struct session_env *env = scan->env;
    struct error why = {.code = STATUS_OK};
    enum standing standing = STANDING_ACTIVE;
    struct uuid id;
    if (!is_of_session(running, &id)) {
        return STATUS_OK;
    }
    enum status st = look_up(scan->index, &id, &standing, err);
    if (st != STATUS_OK) {
        return st;
    }
    switch (standing) {
    case STANDING_OVER:
        st = put_away_rest(env->state_dir, running, &env->recipients, &why);
        break;
    case STANDING_REMOVED:
        st = remove_file(env->state_dir, running, &why);
        break;
    case STANDING_ACTIVE:
    case STANDING_UNKNOWN:
        break;
    }
    if (st != STATUS_OK) {
        log_error(env->log, "session.clear", &why);
    }
    return STATUS_OK;
}

enum status
recover_clear_away(
    const struct session_env *env, struct index_db *index, struct error *err)
{
    struct running_scan scan = {.index = index, .env = env};
    return put_away_each_running(env->state_dir, clear_one, &scan, err);
}

enum status
recover_find(struct index_db *index, const char *state_dir, bool is_partial,
    struct recover_list *out, struct error *err)
{
    struct recover_list list = {NULL, 0, 0};
    enum status st = index_db_each_active(index, list_add, &list, err);
    if (st == STATUS_OK && is_partial) {
        st = scan(index, state_dir, &list, err);
    }
    if (st == STATUS_OK) {
        struct running_scan running = {.index = index, .list = &list};
        st = put_away_each_running(state_dir, add_running, &running, err);
    }
    if (st != STATUS_OK) {
        recover_list_free(&list);
        return st;
    }
    *out = list;
    return STATUS_OK;
}

/* --- an OPEN record ------------------------------------------------------ */

/* A file without one good seal holds nothing that the journal does not. */
static enum status
remove_unsealed(
    const struct session_env *env, const char *plain, struct error *err)
{
    char working[META_FILE_MAX];
    bool is_there = false;
    const enum status st =
        put_away_find(env->state_dir, plain, working, &is_there, err);
    return st == STATUS_OK && is_there
               ? remove_file(env->state_dir, working, err)
               : st;
}

/* The file of another run, or of another session: none of ours to go on
 * with. */
static enum status
check_owner(struct session_file **s, const struct uuid *worker,
    const struct journal_record *open, struct error *err)
{
    const struct uuid theirs = session_file_worker(*s);
    if (memcmp(&theirs, worker, sizeof theirs) == 0 &&
        session_file_key(*s) == open->session) {
        return STATUS_OK;
    }
    const enum status st = error_set(err, STATUS_CORRUPT,
        "%s belongs to another session", session_file_meta(*s)->file);
    session_file_free(s);
    return st;
}

static enum status
open_file(const struct session_env *env, const struct uuid *worker,
    const struct journal_record *open, const char *file,
    struct session_file **out, struct error *err)
{
    enum status st = session_file_resume(env, file, out, err);
    if (st == STATUS_OK) {
        return check_owner(out, worker, open, err);
    }
    if (st == STATUS_NOT_FOUND) {
        st = remove_unsealed(env, file, err);
        return st == STATUS_OK ? session_file_open(env, worker, open, out, err)
                               : st;
    }
    return st;
}

/* Its recording cannot be gone on with: the index says so. */
static enum status
fail_row(const struct session_env *env, struct index_db *index, struct meta *m,
    const char *plain, const char *reason, struct error *err)
{
    char working[META_FILE_MAX];
    char file[META_FILE_MAX];
    bool ignored = false;
    enum status st =
        put_away_find(env->state_dir, plain, working, &ignored, err);
    if (st != STATUS_OK) {
        return st;
    }
    put_away_expected_name(working, file);
    m->status = META_FAILED;
    m->end_us = m->start_us;
    if (meta_set(&m->reason, span_str(reason)) != STATUS_OK ||
        meta_set(&m->file, span_str(file)) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a reason");
    }
    st = index_db_begin(index, err);
    return st == STATUS_OK ? index_db_put(index, m, err) : st;
}

static enum status
open_session(const struct session_env *env, struct index_db *index,
    const struct uuid *worker, const struct journal_record *open,
    struct meta *m, struct session_file **out, struct error *err)
{
    enum meta_status known;
    enum status st = index_db_status(index, &m->id, &known, err);
    if (st == STATUS_OK && known != META_ACTIVE) {
        return STATUS_OK; /* finished before its records were released */
    }
    bool was_removed = false;
    if (st == STATUS_NOT_FOUND) {
        st = index_db_was_removed(index, &m->id, &was_removed, err);
    }
    if (st != STATUS_OK || was_removed) {
        return st; /* it may not come back out of the journal */
    }
    char file[META_FILE_MAX];
    struct error why = {.code = STATUS_OK};
    meta_file_name(&m->id, m->start_us, file);
    st = open_file(env, worker, open, file, out, &why);
    if (st == STATUS_CORRUPT) {
        log_error(env->log, "session.damaged", &why);
        return fail_row(env, index, m, file, why.text, err);
    }
    if (st != STATUS_OK && err != NULL) {
        *err = why;
    }
    return st;
}

enum status
recover_open(const struct session_env *env, struct index_db *index,
    const struct uuid *worker, const struct journal_record *open,
    struct session_file **out, struct error *err)
{
    struct meta m;
    struct error why = {.code = STATUS_OK};
    enum status st = session_file_facts(open, &m, &why);
    if (st == STATUS_INVALID) {
        /* Not by our proxy: without an id there is nothing to record under. */
        log_error(env->log, "session.open.invalid", &why);
        return STATUS_OK;
    }
    if (st != STATUS_OK) {
        return error_set(err, st, "%s", why.text);
    }
    st = open_session(env, index, worker, open, &m, out, err);
    meta_fini(&m);
    return st;
}
