/* See removal.h. */
#include "recorder/removal.h"

#include "base/file.h"
#include "recorder/compact.h"
#include "recorder/store_walk.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DATE_LEVELS 3 /* day, month, year */

void
removal_init(struct removal *r, const struct upkeep_env *env, const char *who,
    int64_t wall_us)
{
    r->env = *env;
    r->wall_us = wall_us;
    r->kept = 0;
    memset(r->who, 0, sizeof r->who);
    snprintf(r->who, sizeof r->who, "%s", who);
    removal_clear(r);
}

void
removal_clear(struct removal *r)
{
    r->count = 0;
    r->at = 0;
    r->state = REMOVAL_TELLING;
}

struct removal_item *
removal_add(struct removal *r)
{
    if (r->count == RECORDER_PRUNE_BATCH) {
        return NULL;
    }
    struct removal_item *item = &r->items[r->count++];
    memset(item, 0, sizeof *item);
    return item;
}

bool
removal_has(const struct removal *r, const struct uuid *id)
{
    for (size_t i = 0; r->state != REMOVAL_TELLING && i < r->count; i++) {
        if (r->items[i].has_attempts ||
            memcmp(&r->items[i].id, id, sizeof *id) == 0) {
            return true;
        }
    }
    return false;
}

/* --- what is said of them ------------------------------------------------ */

static struct ledger_leaf
tombstone(const struct removal *r, const struct removal_item *item)
{
    struct ledger_leaf leaf = {
        .kind = LEDGER_TOMBSTONE, .wall_us = r->wall_us, .id = item->id};
    memcpy(leaf.who, r->who, sizeof leaf.who);
    memcpy(leaf.why, item->why, sizeof leaf.why);
    return leaf;
}

/* Somebody may have held it since it was chosen. */
static enum status
is_held(const struct removal *r, const struct removal_item *item, bool *out,
    struct error *err)
{
    if (item->has_attempts) {
        return index_keep_is_attempt_held(r->env.keep, item->start_us,
            item->start_us + STORE_US_PER_DAY, out, err);
    }
    return index_keep_is_held(r->env.keep, &item->id, out, err);
}

static enum status
drop_held(struct removal *r, struct error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        bool held = false;
        const enum status st = is_held(r, &r->items[i], &held, err);
        if (st != STATUS_OK) {
            return st;
        }
        if (held && !r->items[i].is_told) {
            r->kept++;
        } else {
            r->items[kept++] = r->items[i];
        }
    }
    r->count = kept;
    return STATUS_OK;
}

/* What finds no room in the ledger's batch waits for another removal. */
static enum status
tell(struct removal *r, struct error *err)
{
    enum status st = drop_held(r, err);
    for (size_t i = 0; st == STATUS_OK && i < r->count; i++) {
        if (r->items[i].is_told) {
            continue;
        }
        const struct ledger_leaf leaf = tombstone(r, &r->items[i]);
        st = ledger_add(r->env.ledger, &leaf, err);
        if (st != STATUS_OK && i > 0) {
            r->count = i;
            st = STATUS_OK;
        }
    }
    r->state = r->count == 0 ? REMOVAL_DONE : REMOVAL_COMMITTING;
    return st;
}

static enum status
again_later(enum status st, struct error *err)
{
    return st == STATUS_OK ? st : error_in(err, STATUS_TIMEOUT, "remove");
}

static enum status
commit(struct removal *r, struct error *err)
{
    const enum status st = ledger_commit(r->env.ledger, err);
    if (st == STATUS_OK) {
        r->state = REMOVAL_NOTING;
    }
    return st;
}

static enum status
note(struct removal *r, struct error *err)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < r->count; i++) {
        if (!r->items[i].is_told) {
            const struct ledger_leaf leaf = tombstone(r, &r->items[i]);
            st = index_keep_note(r->env.keep, &leaf, err);
        }
    }
    if (st == STATUS_OK) {
        st = index_db_commit(r->env.index, err);
    }
    if (st != STATUS_OK) {
        index_db_rollback(r->env.index);
        return st;
    }
    r->state = REMOVAL_UNLINKING;
    r->at = 0;
    return STATUS_OK;
}

/* --- files --------------------------------------------------------------- */

enum status
removal_unlink_file(const char *state_dir, const char *file, struct error *err)
{
    char path[PATH_MAX];
    const enum status st = file_join(path, sizeof path, state_dir, file, err);
    if (st != STATUS_OK) {
        return st;
    }
    compact_forget(path);
    if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR) {
        return error_sys(err, errno, "remove %s", path);
    }
    return STATUS_OK;
}

/* Cuts the last name off. */
static void
cut(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
}

enum status
removal_settle_folder(
    const char *state_dir, const char *file, struct error *err)
{
    char path[PATH_MAX];
    enum status st = file_join(path, sizeof path, state_dir, file, err);
    for (int level = 0; st == STATUS_OK && level <= DATE_LEVELS; level++) {
        cut(path);
        const bool is_gone =
            level < DATE_LEVELS &&
            (rmdir(path) == 0 || errno == ENOENT || errno == ENOTDIR);
        if (!is_gone) { /* something is in it, the names of others too */
            return file_fsync_dir(path, err);
        }
    }
    return st;
}

static enum status
unlink_some(struct removal *r, struct error *err)
{
    enum status st = STATUS_OK;
    for (unsigned i = 0;
         st == STATUS_OK && i < RECORDER_PRUNE_UNLINKS && r->at < r->count;
         i++) {
        const struct removal_item *item = &r->items[r->at];
        if (item->file[0] != '\0') {
            st = removal_unlink_file(r->env.state_dir, item->file, err);
        }
        r->at += st == STATUS_OK;
    }
    if (st == STATUS_OK && r->at == r->count) {
        r->state = REMOVAL_SETTLING;
        r->at = 0;
    }
    return st;
}

static bool
is_same_folder(const struct removal_item *a, const struct removal_item *b)
{
    const char *a_end = strrchr(a->file, '/');
    const char *b_end = strrchr(b->file, '/');
    return a_end != NULL && b_end != NULL &&
           a_end - a->file == b_end - b->file &&
           strncmp(a->file, b->file, (size_t)(a_end - a->file)) == 0;
}

/* One folder a step: neighbours share theirs, since they go by their start. */
static enum status
settle_one(struct removal *r, struct error *err)
{
    const struct removal_item *item = &r->items[r->at];
    enum status st = STATUS_OK;
    const bool has_next = r->at + 1 < r->count;
    if (item->file[0] != '\0' &&
        !(has_next && is_same_folder(item, item + 1))) {
        st = removal_settle_folder(r->env.state_dir, item->file, err);
    }
    if (st == STATUS_OK) {
        r->at++;
        r->state = r->at == r->count ? REMOVAL_FORGETTING : REMOVAL_SETTLING;
    }
    return st;
}

/* --- rows ---------------------------------------------------------------- */

static enum status
forget_rows(struct removal *r, bool *more_out, struct error *err)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < r->count; i++) {
        const struct removal_item *item = &r->items[i];
        unsigned count = 0;
        if (item->has_attempts) {
            st = index_keep_delete_attempts(r->env.keep, item->start_us,
                item->start_us + STORE_US_PER_DAY, RECORDER_PRUNE_ROWS, &count,
                err);
            *more_out = *more_out || count == RECORDER_PRUNE_ROWS;
        } else {
            st = index_keep_delete(r->env.keep, &item->id, err);
        }
    }
    return st == STATUS_OK ? index_db_commit(r->env.index, err) : st;
}

static enum status
forget(struct removal *r, struct error *err)
{
    bool has_more = false;
    const enum status st = forget_rows(r, &has_more, err);
    if (st != STATUS_OK) {
        index_db_rollback(r->env.index);
        return st;
    }
    r->state = has_more ? REMOVAL_FORGETTING : REMOVAL_DONE;
    return STATUS_OK;
}

enum status
removal_step(struct removal *r, struct error *err)
{
    switch (r->state) {
    case REMOVAL_TELLING:
        return tell(r, err);
    case REMOVAL_COMMITTING:
        return again_later(commit(r, err), err);
    case REMOVAL_NOTING:
        return again_later(note(r, err), err);
    case REMOVAL_UNLINKING:
        return unlink_some(r, err);
    case REMOVAL_SETTLING:
        return settle_one(r, err);
    case REMOVAL_FORGETTING:
        return forget(r, err);
    case REMOVAL_DONE:
        break;
    }
    return error_set(err, STATUS_CLOSED, "all are removed");
}
