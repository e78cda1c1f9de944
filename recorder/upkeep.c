/* See upkeep.h. */
#include "recorder/upkeep.h"

#include "recorder/limits.h"
#include "recorder/prune.h"
#include "recorder/reindex.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u
/* One a connection, the rules' own, and a rebuilding that nobody asked for. */
#define QUEUE_MAX (RECORDER_CONTROL_PEERS_MAX + 2)

/* Of a removal that nobody asked for. */
static const char by_rule[] = "retention";

struct errand {
    enum control_verb verb; /* prune or reindex */
    bool is_dry_run;
    char who[LEDGER_WHY_MAX];
    struct upkeep_asker asker; /* say is NULL when he left */
};

struct upkeep {
    struct upkeep_env env;
    struct config_retention rules;
    struct errand queue[QUEUE_MAX]; /* the first is at work */
    size_t count;
    struct prune *prune; /* of the first, once it has begun */
    struct reindex *reindex;
    struct ledger_leaf pending; /* in the ledger's batch, not committed yet */
    bool is_pending;
    uint64_t prune_ns; /* when the rules' hour is over */
    uint64_t retry_ns; /* no step before */
};

/* --- birth and death ----------------------------------------------------- */

static void
enqueue(struct upkeep *u, enum control_verb verb, bool is_dry_run,
    const char *who, const struct upkeep_asker *asker)
{
    assert(u->count < QUEUE_MAX);
    struct errand *e = &u->queue[u->count++];
    *e = (struct errand){.verb = verb, .is_dry_run = is_dry_run};
    snprintf(e->who, sizeof e->who, "%s", who);
    if (asker != NULL) {
        e->asker = *asker;
    }
}

enum status
upkeep_new(const struct upkeep_env *env, bool is_partial, struct upkeep **out,
    struct error *err)
{
    struct upkeep *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for upkeep");
    }
    u->env = *env;
    if (is_partial) {
        enqueue(u, CONTROL_REINDEX, false, by_rule, NULL);
    }
    *out = u; /* whose first step is a removal, as the hour says */
    return STATUS_OK;
}

void
upkeep_free(struct upkeep **u)
{
    if (*u != NULL) {
        prune_free(&(*u)->prune);
        reindex_free(&(*u)->reindex);
        free(*u);
        *u = NULL;
    }
}

void
upkeep_set_rules(struct upkeep *u, const struct config_retention *rules)
{
    u->rules = *rules;
}

/* --- answers ------------------------------------------------------------- */

static void
say_error(const struct upkeep_asker *asker, const struct error *why)
{
    struct control_answer answer = {.kind = CONTROL_ERROR};
    if (asker->say != NULL) {
        memcpy(answer.error, why->text, sizeof answer.error);
        asker->say(asker->ctx, &answer);
    }
}

static void
refuse(const struct upkeep_asker *asker, const char *why)
{
    struct error err = {.code = STATUS_INVALID};
    snprintf(err.text, sizeof err.text, "%s", why);
    say_error(asker, &err);
}

static void
refuse_session(const struct upkeep_asker *asker, const struct uuid *session,
    const char *why)
{
    struct error err;
    char id[UUID_TEXT_LEN + 1];
    uuid_format(session, id);
    (void)error_set(&err, STATUS_INVALID, "session %s %s", id, why);
    say_error(asker, &err);
}

/* The first errand is over. */
static void
leave_queue(struct upkeep *u)
{
    prune_free(&u->prune);
    reindex_free(&u->reindex);
    u->count--;
    memmove(u->queue, u->queue + 1, u->count * sizeof u->queue[0]);
}

void
upkeep_leave(struct upkeep *u, const void *asker_ctx)
{
    for (size_t i = 0; i < u->count; i++) {
        if (u->queue[i].asker.ctx == asker_ctx) {
            u->queue[i].asker = (struct upkeep_asker){.say = NULL};
        }
    }
}

/* --- holds --------------------------------------------------------------- */

/* The leaf is in the ledger: the index repeats it. */
static enum status
settle_pending(struct upkeep *u, struct error *err)
{
    enum status st = ledger_commit(u->env.ledger, err);
    if (st == STATUS_OK) {
        st = index_keep_note(u->env.keep, &u->pending, err);
    }
    if (st == STATUS_OK) {
        st = index_db_commit(u->env.index, err);
    }
    if (st != STATUS_OK) {
        index_db_rollback(u->env.index);
        return st;
    }
    u->is_pending = false;
    return STATUS_OK;
}

/* NULL when the hold or release may go on, else why not. */
static const char *
objection(enum control_verb verb, enum meta_status status, bool is_held)
{
    if (verb == CONTROL_RELEASE) {
        return is_held ? NULL : "is not held";
    }
    if (status == META_ACTIVE) {
        return "is still running: no rule removes it; hold it when it has "
               "ended";
    }
    return is_held ? "is held already" : NULL;
}

static bool
may_change(struct upkeep *u, const struct control_request *request,
    const struct upkeep_asker *asker)
{
    enum meta_status status;
    bool is_held = false;
    struct error why;
    enum status st = index_db_status(u->env.index, &request->id, &status, &why);
    if (st == STATUS_NOT_FOUND) {
        refuse_session(asker, &request->id, "is not known");
        return false;
    }
    if (st == STATUS_OK) {
        st = index_keep_is_held(u->env.keep, &request->id, &is_held, &why);
    }
    if (st != STATUS_OK) {
        say_error(asker, &why);
        return false;
    }
    const char *no = objection(request->verb, status, is_held);
    if (no == NULL && u->prune != NULL &&
        prune_is_removing(u->prune, &request->id)) {
        no = "is just being removed";
    }
    if (no != NULL) {
        refuse_session(asker, &request->id, no);
    }
    return no == NULL;
}

static void
log_change(const struct upkeep *u, const struct ledger_leaf *leaf)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&leaf->id, id);
    log_event(u->env.log, LOG_INFO,
        leaf->kind == LEDGER_HOLD ? "recording.held" : "recording.released",
        LOG_S("session", id), LOG_S("who", leaf->who), LOG_S("why", leaf->why));
}

static void
change_hold(struct upkeep *u, const struct control_request *request,
    const char *who, const struct upkeep_asker *asker)
{
    const struct control_answer done = {.kind = CONTROL_DONE, .count = 1};
    struct error why;
    if (u->is_pending) {
        refuse(asker, "the ledger cannot be written: try again later");
        return;
    }
    if (!may_change(u, request, asker)) {
        return;
    }
    u->pending = (struct ledger_leaf){
        .kind = request->verb == CONTROL_HOLD ? LEDGER_HOLD : LEDGER_RELEASE,
        .wall_us = clock_wall_us(u->env.clock),
        .id = request->id,
    };
    snprintf(u->pending.who, sizeof u->pending.who, "%s", who);
    memcpy(u->pending.why, request->reason, sizeof request->reason);
    enum status st = ledger_add(u->env.ledger, &u->pending, &why);
    if (st == STATUS_OK) {
        u->is_pending = true;
        st = settle_pending(u, &why);
    }
    if (st != STATUS_OK) {
        /* What is in the ledger's batch is tried again by every step. */
        log_error(u->env.log, "upkeep.hold", &why);
        say_error(asker, &why);
        return;
    }
    log_change(u, &u->pending);
    if (asker->say != NULL) {
        asker->say(asker->ctx, &done);
    }
}

/* --- requests ------------------------------------------------------------ */

static bool
has_rules(const struct upkeep *u)
{
    return u->rules.rule_count > 0 || u->rules.max_bytes > 0;
}

void
upkeep_ask(struct upkeep *u, const struct control_request *request,
    const char *who, const struct upkeep_asker *asker)
{
    switch (request->verb) {
    case CONTROL_HOLD:
    case CONTROL_RELEASE:
        change_hold(u, request, who, asker);
        return;
    case CONTROL_PRUNE:
        if (!has_rules(u)) {
            refuse(asker, "the configuration has neither retention.rules nor "
                          "retention.max_bytes: nothing is ever removed");
            return;
        }
        break;
    case CONTROL_REINDEX:
        break;
    }
    if (u->count == QUEUE_MAX) {
        refuse(asker, "too much is waiting already");
        return;
    }
    enqueue(u, request->verb, request->is_dry_run, who, asker);
}

/* --- steps --------------------------------------------------------------- */

static void
look_at_the_hour(struct upkeep *u, uint64_t now_ns)
{
    if (now_ns >= u->prune_ns && u->count < QUEUE_MAX) {
        u->prune_ns = now_ns + (uint64_t)RECORDER_PRUNE_INTERVAL_MS * NS_PER_MS;
        enqueue(u, CONTROL_PRUNE, false, by_rule, NULL);
    }
}

static enum status
begin_errand(struct upkeep *u, const struct errand *e, struct error *err)
{
    if (e->verb == CONTROL_REINDEX) {
        return u->reindex != NULL
                   ? STATUS_OK
                   : reindex_new(&u->env, &e->asker, &u->reindex, err);
    }
    const struct prune_options options = {
        .rules = &u->rules, .who = e->who, .is_dry_run = e->is_dry_run};
    return u->prune != NULL
               ? STATUS_OK
               : prune_new(&u->env, &options, &e->asker, &u->prune, err);
}

static enum status
step_errand(struct upkeep *u, const struct errand *e, struct error *err)
{
    const enum status st = begin_errand(u, e, err);
    if (st != STATUS_OK) {
        return st;
    }
    return e->verb == CONTROL_REINDEX ? reindex_step(u->reindex, err)
                                      : prune_step(u->prune, err);
}

static void
end_errand(struct upkeep *u, const struct errand *e)
{
    struct control_answer answer;
    if (e->verb == CONTROL_REINDEX) {
        reindex_result(u->reindex, &answer);
    } else {
        prune_result(u->prune, &answer);
    }
    if (e->asker.say != NULL) {
        e->asker.say(e->asker.ctx, &answer);
    }
    leave_queue(u);
}

static void
wait_a_little(struct upkeep *u, uint64_t now_ns, const struct error *why)
{
    log_error(u->env.log, "upkeep.wait", why);
    u->retry_ns = now_ns + (uint64_t)RECORDER_UPKEEP_RETRY_MS * NS_PER_MS;
}

/* What a step came to; true: there is more to do. */
static bool
after_step(struct upkeep *u, const struct errand *e, enum status st,
    uint64_t now_ns, const struct error *why)
{
    if (st == STATUS_OK) {
        return true;
    }
    if (st == STATUS_TIMEOUT) {
        wait_a_little(u, now_ns, why);
        return false;
    }
    if (st == STATUS_CLOSED) {
        end_errand(u, e);
    } else {
        log_error(u->env.log, "upkeep.failed", why);
        say_error(&e->asker, why);
        leave_queue(u);
    }
    return u->count > 0;
}

bool
upkeep_step(struct upkeep *u)
{
    const uint64_t now_ns = clock_mono_ns(u->env.clock);
    struct error why = {.code = STATUS_OK};
    look_at_the_hour(u, now_ns);
    if (now_ns < u->retry_ns) {
        return false;
    }
    if (u->is_pending && settle_pending(u, &why) != STATUS_OK) {
        wait_a_little(u, now_ns, &why);
        return false;
    }
    if (u->count == 0) {
        return false;
    }
    const struct errand *e = &u->queue[0];
    if (e->asker.say != NULL && !e->asker.has_room(e->asker.ctx)) {
        return false; /* his reading wakes the loop */
    }
    return after_step(u, e, step_errand(u, e, &why), now_ns, &why);
}
