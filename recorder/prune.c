/* See prune.h. */
#include "recorder/prune.h"

#include "base/file.h"
#include "recorder/daily_file.h"
#include "recorder/limits.h"
#include "recorder/recording_facts.h"
#include "recorder/removal.h"
#include "recorder/store_walk.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum phase {
    PHASE_UNFINISHED,
    PHASE_AGE,
    PHASE_MEASURE,
    PHASE_SIZE,
    PHASE_ATTEMPTS, /* days that have some in the index */
    PHASE_DAYS,     /* files without any: request events */
    PHASE_OVER,
};

/* The attempts of one day, as far as they were walked. */
struct day {
    bool is_open;
    int64_t day_us;
    bool is_due; /* every one so far */
    size_t rule; /* the most generous of theirs */
};

struct prune {
    struct upkeep_env env;
    const struct upkeep_asker *asker;
    struct config_retention rules;
    bool is_dry_run;
    int64_t now_us; /* when it began: a prune has one time */
    enum phase phase;
    struct index_walk walk;
    struct day day;
    struct store_walk *days;
    uint64_t total;   /* bytes of all recordings; by PHASE_MEASURE */
    uint64_t going;   /* of them what a dry run has named by age */
    bool is_removing; /* what the batch holds, else it is being filled */
    struct removal batch;
    struct control_answer result;
};

enum status
prune_new(const struct upkeep_env *env, const struct prune_options *options,
    const struct upkeep_asker *asker, struct prune **out, struct error *err)
{
    struct prune *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to prune");
    }
    p->env = *env;
    p->asker = asker;
    p->rules = *options->rules;
    p->is_dry_run = options->is_dry_run;
    p->now_us = clock_wall_us(env->clock);
    removal_init(&p->batch, env, options->who, p->now_us);
    p->phase = PHASE_UNFINISHED;
    p->result.kind = CONTROL_DONE;
    *out = p;
    return STATUS_OK;
}

void
prune_free(struct prune **p)
{
    if (*p != NULL) {
        store_walk_close(&(*p)->days);
        free(*p);
        *p = NULL;
    }
}

bool
prune_is_removing(const struct prune *p, const struct uuid *id)
{
    return p->is_removing && removal_has(&p->batch, id);
}

void
prune_result(const struct prune *p, struct control_answer *out)
{
    *out = p->result;
    out->kept += p->batch.kept;
}

/* --- choosing ------------------------------------------------------------ */

static bool
is_full(const struct prune *p)
{
    return p->batch.count == RECORDER_PRUNE_BATCH;
}

static void
words(const struct prune *p, size_t rule, char out[LEDGER_WHY_MAX])
{
    if (rule == RETENTION_NO_RULE) {
        retention_size_words(&p->rules, out);
    } else {
        retention_words(&p->rules, rule, out);
    }
}

/* The walk stops before what finds no room. */
static enum status
choose(
    struct prune *p, const struct index_candidate *c, size_t rule, bool is_told)
{
    struct removal_item *item = removal_add(&p->batch);
    if (item == NULL) {
        return STATUS_CLOSED;
    }
    item->id = c->id;
    item->start_us = c->start_us;
    item->size = c->size;
    item->is_told = is_told;
    snprintf(item->file, sizeof item->file, "%s", c->file);
    words(p, rule, item->why);
    return STATUS_OK;
}

static enum status
look_unfinished(void *ctx, const struct index_candidate *c, struct error *err)
{
    (void)err;
    return choose(ctx, c, RETENTION_NO_RULE, true);
}

static size_t
rule_of(const struct prune *p, const struct index_candidate *c)
{
    return retention_rule(&p->rules, c->namespace, c->user, c->type);
}

static enum status
look_by_age(void *ctx, const struct index_candidate *c, struct error *err)
{
    struct prune *p = ctx;
    (void)err;
    const size_t rule = rule_of(p, c);
    if (!retention_is_due(&p->rules, rule, c->end_us, p->now_us)) {
        return STATUS_OK;
    }
    if (c->is_held) {
        p->result.kept++;
        return STATUS_OK;
    }
    const enum status st = choose(p, c, rule, false);
    if (st == STATUS_OK && p->is_dry_run) {
        p->going += c->size;
    }
    return st;
}

static enum status
measure(void *ctx, const struct index_candidate *c, struct error *err)
{
    struct prune *p = ctx;
    (void)err;
    p->total += c->size;
    return STATUS_OK;
}

static enum status
look_by_size(void *ctx, const struct index_candidate *c, struct error *err)
{
    struct prune *p = ctx;
    (void)err;
    if (p->total <= p->rules.max_bytes) {
        return STATUS_CLOSED;
    }
    const bool is_due =
        retention_is_due(&p->rules, rule_of(p, c), c->end_us, p->now_us);
    if (c->size == 0 || (p->is_dry_run && is_due && !c->is_held)) {
        return STATUS_OK; /* frees nothing, or was named already */
    }
    if (c->is_held) {
        p->result.kept += !is_due; /* else it was counted by its age */
        return STATUS_OK;
    }
    const enum status st = choose(p, c, RETENTION_NO_RULE, false);
    if (st == STATUS_OK) {
        p->total -= c->size < p->total ? c->size : p->total;
    }
    return st;
}

/* One step of a walk; *is_over_out when there is no more to find in it. */
static enum status
walk(struct prune *p, index_candidate_fn *look, bool *is_over_out,
    struct error *err)
{
    unsigned count = 0;
    const enum status st = index_keep_walk(
        p->env.keep, &p->walk, RECORDER_PRUNE_LOOK, look, p, &count, err);
    *is_over_out = st == STATUS_OK && count < RECORDER_PRUNE_LOOK;
    return st;
}

static void
begin_walk(struct prune *p, int64_t until_us, bool wants_attempts)
{
    p->walk = (struct index_walk){
        .from_us = INT64_MIN,
        .until_us = until_us,
        .wants_attempts = wants_attempts,
    };
}

/* --- attempts, by day ---------------------------------------------------- */

/* Days that are over for so long that their file is finished. */
static int64_t
last_midnight(const struct prune *p)
{
    const int64_t settled_us =
        p->now_us - RECORDER_PRUNE_DAY_AFTER_S * 1000000ll;
    return settled_us - settled_us % STORE_US_PER_DAY;
}

static int64_t
attempts_until(const struct prune *p)
{
    const int64_t horizon_us = retention_horizon(&p->rules, p->now_us);
    if (horizon_us == INT64_MIN) {
        return INT64_MIN;
    }
    const int64_t midnight_us = horizon_us - horizon_us % STORE_US_PER_DAY;
    return midnight_us < last_midnight(p) ? midnight_us : last_midnight(p);
}

/* Stops at the first attempt of another day. */
static enum status
look_at_attempt(void *ctx, const struct index_candidate *c, struct error *err)
{
    struct prune *p = ctx;
    struct day *day = &p->day;
    (void)err;
    const int64_t day_us = c->start_us - c->start_us % STORE_US_PER_DAY;
    if (day->is_open && day->day_us != day_us) {
        return STATUS_CLOSED;
    }
    const size_t rule = rule_of(p, c);
    const bool is_due = retention_is_due(&p->rules, rule, c->end_us, p->now_us);
    if (!day->is_open) {
        *day = (struct day){
            .is_open = true, .day_us = day_us, .is_due = true, .rule = rule};
    }
    p->result.kept += is_due && c->is_held;
    if (!is_due || c->is_held) {
        day->is_due = false;
    } else if (day->is_due && p->rules.rules[rule].max_age_s >
                                  p->rules.rules[day->rule].max_age_s) {
        day->rule = rule;
    }
    return STATUS_OK;
}

static enum status
attempts_path(const struct prune *p, struct removal_item *item,
    char out[PATH_MAX], struct error *err)
{
    static const struct uuid nil;
    meta_file_name(&nil, item->start_us, item->file);
    char *base = strrchr(item->file, '/') + 1;
    memcpy(base, DAILY_FILE_NAME, sizeof DAILY_FILE_NAME);
    return file_join(out, PATH_MAX, p->env.state_dir, item->file, err);
}

/* A file is named in the ledger by the id in its header. STATUS_CORRUPT when it
 * cannot be: it stays, and its rows with it. */
static enum status
name_attempts(const struct prune *p, struct removal_item *item,
    const char *path, struct error *err)
{
    struct meta m;
    struct stat sb;
    meta_init(&m);
    enum status st = recording_facts_read_header(path, &m, err);
    if (st == STATUS_OK && stat(path, &sb) != 0) {
        st = error_set(err, STATUS_CORRUPT, "%s is gone", path);
    }
    if (st == STATUS_OK) {
        item->id = m.id;
        item->size = (uint64_t)sb.st_size;
        st = index_db_was_removed(p->env.index, &m.id, &item->is_told, err);
    }
    meta_fini(&m);
    return st;
}

/* An encrypted file has its id inside, for others' keys. */
static bool
is_encrypted(const struct prune *p, const char *path)
{
    char encrypted[PATH_MAX + sizeof STORE_ENCRYPTED];
    snprintf(encrypted, sizeof encrypted, "%s" STORE_ENCRYPTED, path);
    if (access(encrypted, F_OK) != 0) {
        return false;
    }
    log_event(p->env.log, LOG_WARN, "prune.attempts.encrypted",
        LOG_S("file", encrypted));
    return true;
}

/* The batch of one day. Without a file there is nothing to tell of: its rows
 * are what a crash left. */
static enum status
choose_day(struct prune *p, int64_t day_us, size_t rule, struct error *err)
{
    char path[PATH_MAX];
    struct removal_item item = {
        .start_us = day_us, .is_told = true, .has_attempts = true};
    enum status st = attempts_path(p, &item, path, err);
    if (st == STATUS_OK && access(path, F_OK) == 0) {
        struct error why = {.code = STATUS_OK};
        st = name_attempts(p, &item, path, &why);
        if (st == STATUS_CORRUPT) {
            log_error(p->env.log, "prune.attempts", &why);
            return STATUS_OK;
        }
        if (st != STATUS_OK) {
            return error_set(err, st, "%s", why.text);
        }
    } else if (st == STATUS_OK && (p->is_dry_run || is_encrypted(p, path))) {
        return st; /* nothing that somebody would miss, or that can be named */
    }
    if (st == STATUS_OK) {
        words(p, rule, item.why);
        *removal_add(&p->batch) = item; /* the first of a batch */
    }
    return st;
}

static enum status
count_one(void *ctx, const struct index_candidate *c, struct error *err)
{
    (void)ctx;
    (void)c;
    (void)err;
    return STATUS_OK;
}

/* A day's file without any attempt holds request events, which no rule names:
 * it goes when every rule would let it. */
static enum status
look_at_day(struct prune *p, int64_t day_us, struct error *err)
{
    const int64_t end_us = day_us + STORE_US_PER_DAY;
    if (end_us > last_midnight(p) ||
        !retention_is_due_by_all(&p->rules, end_us, p->now_us)) {
        return STATUS_OK;
    }
    char path[PATH_MAX];
    struct removal_item item = {.start_us = day_us};
    enum status st = attempts_path(p, &item, path, err);
    if (st != STATUS_OK || access(path, F_OK) != 0) {
        return st;
    }
    unsigned count = 0;
    struct index_walk one = {
        .from_us = day_us, .until_us = end_us, .wants_attempts = true};
    st = index_keep_walk(p->env.keep, &one, 1, count_one, NULL, &count, err);
    return st == STATUS_OK && count == 0
               ? choose_day(p, day_us, retention_longest(&p->rules), err)
               : st;
}

/* --- phases -------------------------------------------------------------- */

static int64_t
behind(int64_t horizon_us)
{
    return horizon_us == INT64_MIN ? horizon_us : horizon_us + 1;
}

static void
enter(struct prune *p, enum phase phase)
{
    p->phase = phase;
    switch (phase) {
    case PHASE_AGE:
        begin_walk(p, behind(retention_horizon(&p->rules, p->now_us)), false);
        break;
    case PHASE_MEASURE:
        begin_walk(p, INT64_MAX, false);
        break;
    case PHASE_SIZE:
        begin_walk(p, INT64_MAX, false);
        p->total -= p->going < p->total ? p->going : p->total;
        break;
    case PHASE_ATTEMPTS:
        begin_walk(p, attempts_until(p), true);
        break;
    case PHASE_UNFINISHED:
    case PHASE_DAYS:
    case PHASE_OVER:
        break;
    }
}

static enum status
work_unfinished(struct prune *p, struct error *err)
{
    enum status st = STATUS_OK;
    if (!p->is_dry_run) {
        st = index_keep_each_unfinished(
            p->env.keep, RECORDER_PRUNE_BATCH, look_unfinished, p, err);
    }
    if (st == STATUS_OK && p->batch.count == 0) {
        enter(p, PHASE_AGE);
    }
    return st;
}

/* A step of a walk that fills the batch; then comes `next`. */
static enum status
work_walk(struct prune *p, index_candidate_fn *look, enum phase next,
    struct error *err)
{
    bool is_over = false;
    const enum status st = walk(p, look, &is_over, err);
    if (is_over || (st == STATUS_CLOSED && !is_full(p))) {
        enter(p, next);
    }
    return st == STATUS_CLOSED ? STATUS_OK : st;
}

static enum status
work_attempts(struct prune *p, struct error *err)
{
    bool is_over = false;
    enum status st = walk(p, look_at_attempt, &is_over, err);
    const bool is_day_whole = is_over || st == STATUS_CLOSED;
    if (st == STATUS_CLOSED) {
        st = STATUS_OK;
    }
    if (st == STATUS_OK && is_day_whole && p->day.is_open) {
        p->day.is_open = false;
        if (p->day.is_due) {
            st = choose_day(p, p->day.day_us, p->day.rule, err);
        }
    }
    if (st == STATUS_OK && is_over) {
        enter(p, PHASE_DAYS);
    }
    return st;
}

static enum status
work_days(struct prune *p, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    struct store_item item;
    enum status st = STATUS_OK;
    if (p->days == NULL) {
        st = store_walk_open(p->env.state_dir, true, &p->days, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    st = store_walk_next(p->days, &item, &why);
    if (st == STATUS_CLOSED) {
        enter(p, PHASE_OVER);
        return STATUS_OK;
    }
    return st == STATUS_OK ? look_at_day(p, item.day_us, err)
                           : error_set(err, st, "%s", why.text);
}

static enum status
work_phase(struct prune *p, struct error *err)
{
    switch (p->phase) {
    case PHASE_UNFINISHED:
        return work_unfinished(p, err);
    case PHASE_AGE:
        return work_walk(p, look_by_age,
            p->rules.max_bytes > 0 ? PHASE_MEASURE : PHASE_ATTEMPTS, err);
    case PHASE_MEASURE:
        return work_walk(p, measure, PHASE_SIZE, err);
    case PHASE_SIZE:
        return work_walk(p, look_by_size, PHASE_ATTEMPTS, err);
    case PHASE_ATTEMPTS:
        return work_attempts(p, err);
    case PHASE_DAYS:
        return work_days(p, err);
    case PHASE_OVER:
        break;
    }
    return error_set(err, STATUS_CLOSED, "nothing more is due");
}

/* --- telling ------------------------------------------------------------- */

static void
log_removed(const struct prune *p, const struct removal_item *item)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&item->id, id);
    log_event(p->env.log, LOG_INFO, "recording.removed", LOG_S("session", id),
        LOG_S("file", item->file), LOG_S("who", p->batch.who),
        LOG_S("why", item->why));
}

static void
tell_asker(struct prune *p, const struct removal_item *item)
{
    struct control_answer answer = {
        .kind = CONTROL_ITEM,
        .id = item->id,
        .start_us = item->start_us,
        .size = item->size,
    };
    memcpy(answer.file, item->file, sizeof item->file);
    memcpy(answer.why, item->why, sizeof answer.why);
    p->result.count++;
    p->result.bytes += item->size;
    if (p->asker->say != NULL) {
        p->asker->say(p->asker->ctx, &answer);
    }
}

/* Of a batch that went, or of what a dry run would take. */
static void
tell_batch(struct prune *p)
{
    for (size_t i = 0; i < p->batch.count; i++) {
        const struct removal_item *item = &p->batch.items[i];
        if (uuid_is_nil(&item->id)) {
            continue;
        }
        if (!p->is_dry_run) {
            log_removed(p, item);
        }
        tell_asker(p, item);
    }
    removal_clear(&p->batch);
}

/* --- steps --------------------------------------------------------------- */

/* Whether what was chosen is to go now: the batch is full, or what filled it
 * has ended, or never fills more than one step's. */
static bool
is_ready(const struct prune *p, enum phase before)
{
    return p->batch.count > 0 &&
           (is_full(p) || p->phase != before ||
               (before != PHASE_AGE && before != PHASE_SIZE));
}

static enum status
choose_some(struct prune *p, struct error *err)
{
    const enum phase before = p->phase;
    const enum status st = work_phase(p, err);
    if (st != STATUS_OK || !is_ready(p, before)) {
        return st;
    }
    p->is_removing = !p->is_dry_run;
    if (p->is_dry_run) {
        tell_batch(p);
    }
    return STATUS_OK;
}

enum status
prune_step(struct prune *p, struct error *err)
{
    if (!p->is_removing) {
        return choose_some(p, err);
    }
    const enum status st = removal_step(&p->batch, err);
    if (st != STATUS_CLOSED) {
        return st;
    }
    p->is_removing = false;
    tell_batch(p);
    return STATUS_OK;
}
