/* Holds and removals over a real index, a real ledger and files, a step at a
 * time: killed behind every step, and gone on with. */
#include "recorder/upkeep.h"

#include "base/file.h"
#include "recorder/daily_file.h"
#include "recorder/frame_file.h"
#include "recorder/limits.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define S       1000000ll
#define DAY     (86400 * S)
#define NOW     (1764028800 * S) /* 2025-11-25T00:00:00Z */
#define KIB     1024u
#define IDS_MAX 600

struct world {
    char state[TEMP_DIR_MAX];
    struct clock clock;
    uint64_t mono_ns;
    int64_t wall_us;
    struct signer *signer;
    struct index_db *index;
    struct index_keep *keep;
    struct ledger *ledger;
    struct upkeep *upkeep;
    struct config_retention rules;
    /* what the asker heard */
    size_t items;
    size_t finals;
    struct control_answer last;
    bool has_room;
    bool is_bulk; /* rows wait for their commit */
};

static uint64_t
mono_ns(void *self)
{
    return ((struct world *)self)->mono_ns;
}

static int64_t
wall_us(void *self)
{
    return ((struct world *)self)->wall_us;
}

static bool
is_live(void *ctx, const struct uuid *id)
{
    (void)ctx;
    (void)id;
    return false;
}

/* --- the world ----------------------------------------------------------- */

static void
open_all(struct world *w)
{
    char path[PATH_MAX];
    bool is_partial;
    struct error err = {.code = STATUS_OK};
    snprintf(path, sizeof path, "%s/index.db", w->state);
    assert_int_equal(
        index_db_open(path, &w->index, &is_partial, NULL), STATUS_OK);
    assert_int_equal(index_keep_open(w->index, &w->keep, NULL), STATUS_OK);
    const struct ledger_options options = {
        .state_dir = w->state, .signer = w->signer, .clock = &w->clock};
    assert_int_equal(index_keep_forget_holds(w->keep, NULL), STATUS_OK);
    if (ledger_open(&options, index_keep_on_leaf, w->keep, &w->ledger, &err) !=
        STATUS_OK) {
        fail_msg("ledger: %s", err.text);
    }
    assert_int_equal(index_db_commit(w->index, NULL), STATUS_OK);
    const struct upkeep_env env = {
        .state_dir = w->state,
        .index = w->index,
        .keep = w->keep,
        .ledger = w->ledger,
        .clock = &w->clock,
        .is_live = is_live,
    };
    assert_int_equal(upkeep_new(&env, false, &w->upkeep, NULL), STATUS_OK);
    upkeep_set_rules(w->upkeep, &w->rules);
}

/* As a kill would: nothing is finished. */
static void
close_all(struct world *w)
{
    upkeep_free(&w->upkeep);
    ledger_close(&w->ledger);
    index_keep_close(&w->keep);
    index_db_close(&w->index);
}

static int
set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    temp_dir_make(w->state);
    w->clock = (struct clock){mono_ns, wall_us, w};
    w->mono_ns = 5000000000;
    w->wall_us = NOW;
    w->has_room = true;
    assert_int_equal(signer_new(&w->signer, NULL), STATUS_OK);
    open_all(w);
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;
    close_all(w);
    signer_free(&w->signer);
    temp_dir_remove(w->state);
    free(w);
    return 0;
}

static void
say(void *ctx, const struct control_answer *answer)
{
    struct world *w = ctx;
    w->items += answer->kind == CONTROL_ITEM;
    w->finals += answer->kind == CONTROL_DONE || answer->kind == CONTROL_ERROR;
    w->last = *answer;
}

static bool
has_room(void *ctx)
{
    return ((struct world *)ctx)->has_room;
}

static void
ask(struct world *w, enum control_verb verb, const struct uuid *id,
    const char *reason)
{
    struct control_request request = {.verb = verb};
    const struct upkeep_asker asker = {say, has_room, w};
    if (id != NULL) {
        request.id = *id;
    }
    snprintf(request.reason, sizeof request.reason, "%s", reason);
    w->items = 0;
    w->finals = 0;
    upkeep_ask(w->upkeep, &request, "alice", &asker);
}

static void
run(struct world *w)
{
    for (unsigned i = 0; upkeep_step(w->upkeep); i++) {
        assert_true(i < 100000);
    }
}

static void
add_rule(struct world *w, const char *namespace, const char *age)
{
    struct config_retention_rule *rule = &w->rules.rules[w->rules.rule_count++];
    snprintf(rule->namespace, sizeof rule->namespace, "%s", namespace);
    snprintf(rule->user, sizeof rule->user, "*");
    snprintf(rule->type, sizeof rule->type, "*");
    snprintf(rule->age_text, sizeof rule->age_text, "%s", age);
    assert_true(config_age_parse(age, &rule->max_age_s));
    upkeep_set_rules(w->upkeep, &w->rules);
}

/* --- recordings ---------------------------------------------------------- */

static void
put_row(struct world *w, struct meta *m, const char *namespace)
{
    assert_int_equal(meta_set(&m->namespace, span_str(namespace)), STATUS_OK);
    assert_int_equal(meta_set(&m->user, SPAN_LIT("bob")), STATUS_OK);
    assert_int_equal(index_db_begin(w->index, NULL), STATUS_OK);
    assert_int_equal(index_db_put(w->index, m, NULL), STATUS_OK);
    if (!w->is_bulk) {
        assert_int_equal(index_db_commit(w->index, NULL), STATUS_OK);
    }
}

static void
path_of(const struct world *w, const struct uuid *id, int64_t start_us,
    char out[PATH_MAX])
{
    char name[META_FILE_MAX];
    meta_file_name(id, start_us, name);
    snprintf(out, PATH_MAX, "%s/%s", w->state, name);
}

/* A recording that ended `days` ago: its row, and a file. */
static struct uuid
put_recording(
    struct world *w, const char *namespace, int days, enum meta_status status)
{
    char path[PATH_MAX];
    char name[META_FILE_MAX];
    struct meta m;
    meta_init(&m);
    m.start_us = NOW - days * DAY;
    m.end_us = status == META_ACTIVE ? 0 : m.start_us;
    m.id = uuid_v7(m.start_us);
    m.status = status;
    m.size = 100 * KIB;
    const struct uuid id = m.id;
    meta_file_name(&id, m.start_us, name);
    assert_int_equal(meta_set(&m.file, span_str(name)), STATUS_OK);
    snprintf(path, sizeof path, "%s/%s", w->state, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(file_make_dirs(path, 0700, NULL), STATUS_OK);
    temp_dir_put(path, strrchr(name, '/') + 1, "text", 0600);
    put_row(w, &m, namespace);
    meta_fini(&m);
    return id;
}

static bool
has_file(const struct world *w, const struct uuid *id, int days)
{
    char path[PATH_MAX];
    path_of(w, id, NOW - days * DAY, path);
    return access(path, F_OK) == 0;
}

static bool
has_row(struct world *w, const struct uuid *id)
{
    enum meta_status ignored;
    return index_db_status(w->index, id, &ignored, NULL) == STATUS_OK;
}

/* --- what the ledger says ------------------------------------------------ */

struct search {
    const struct uuid *id;
    enum ledger_kind kind;
    unsigned count;
    struct ledger_leaf last;
};

static enum status
on_leaf(void *ctx, uint64_t index, const struct ledger_leaf *leaf,
    struct error *err)
{
    struct search *s = ctx;
    (void)index;
    (void)err;
    if (leaf->kind == s->kind &&
        (s->id == NULL || memcmp(&leaf->id, s->id, sizeof leaf->id) == 0)) {
        s->count++;
        s->last = *leaf;
    }
    return STATUS_OK;
}

static struct search
leaves(struct world *w, enum ledger_kind kind, const struct uuid *id)
{
    struct search s = {.id = id, .kind = kind};
    assert_int_equal(ledger_each(w->ledger, on_leaf, &s, NULL), STATUS_OK);
    return s;
}

static void
assert_kept(struct world *w, const struct uuid *id, int days)
{
    assert_true(has_file(w, id, days));
    assert_true(has_row(w, id));
    assert_int_equal(leaves(w, LEDGER_TOMBSTONE, id).count, 0);
}

static void
assert_gone(struct world *w, const struct uuid *id, int days)
{
    bool was_removed = false;
    assert_false(has_file(w, id, days));
    assert_false(has_row(w, id));
    assert_int_equal(leaves(w, LEDGER_TOMBSTONE, id).count, 1);
    assert_int_equal(
        index_db_was_removed(w->index, id, &was_removed, NULL), STATUS_OK);
    assert_true(was_removed);
}

/* --- rules --------------------------------------------------------------- */

static void
what_is_due_goes_and_says_why(void **state)
{
    struct world *w = *state;
    const struct uuid old = put_recording(w, "test", 100, META_COMPLETE);
    const struct uuid failed = put_recording(w, "test", 91, META_FAILED);
    const struct uuid young = put_recording(w, "test", 89, META_COMPLETE);
    const struct uuid other = put_recording(w, "prod-1", 100, META_COMPLETE);
    const struct uuid active = put_recording(w, "test", 100, META_ACTIVE);
    add_rule(w, "prod-*", "365d");
    add_rule(w, "*", "90d");
    run(w); /* by the hour */
    assert_gone(w, &old, 100);
    assert_gone(w, &failed, 91);
    assert_kept(w, &young, 89);
    assert_kept(w, &other, 100);
    assert_kept(w, &active, 100);
    const struct search s = leaves(w, LEDGER_TOMBSTONE, &old);
    assert_string_equal(s.last.who, "retention");
    assert_string_equal(s.last.why, "older than 90d (rule 2)");
    char path[PATH_MAX];
    path_of(w, &failed, NOW - 91 * DAY, path);
    *strrchr(path, '/') = '\0';
    assert_int_not_equal(access(path, F_OK), 0); /* an empty day */
    path_of(w, &young, NOW - 89 * DAY, path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(access(path, F_OK), 0);
}

static void
the_hour_comes_again(void **state)
{
    struct world *w = *state;
    const struct uuid id = put_recording(w, "test", 89, META_COMPLETE);
    add_rule(w, "*", "90d");
    run(w);
    assert_kept(w, &id, 89);
    w->wall_us += DAY;
    run(w);
    assert_kept(w, &id, 89);
    w->mono_ns += RECORDER_PRUNE_INTERVAL_MS * UINT64_C(1000000);
    run(w);
    assert_gone(w, &id, 89);
}

static void
a_hold_beats_every_rule(void **state)
{
    struct world *w = *state;
    const struct uuid held = put_recording(w, "test", 100, META_COMPLETE);
    const struct uuid old = put_recording(w, "test", 99, META_COMPLETE);
    ask(w, CONTROL_HOLD, &held, "case 7");
    assert_int_equal(w->last.kind, CONTROL_DONE);
    add_rule(w, "*", "1d");
    w->rules.max_bytes = 1;
    upkeep_set_rules(w->upkeep, &w->rules);
    ask(w, CONTROL_PRUNE, NULL, "");
    run(w);
    assert_int_equal(w->finals, 1);
    assert_gone(w, &old, 99);
    assert_kept(w, &held, 100);
    const struct search s = leaves(w, LEDGER_HOLD, &held);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.last.who, "alice");
    assert_string_equal(s.last.why, "case 7");
    ask(w, CONTROL_RELEASE, &held, "");
    assert_int_equal(w->last.kind, CONTROL_DONE);
    assert_int_equal(leaves(w, LEDGER_RELEASE, &held).count, 1);
    ask(w, CONTROL_PRUNE, NULL, "");
    run(w);
    assert_gone(w, &held, 100);
    assert_string_equal(leaves(w, LEDGER_TOMBSTONE, &held).last.who, "alice");
}

/* Between any two steps of a removal: either the hold wins, or it is refused
 * and the recording goes. */
static void
a_hold_may_come_in_the_middle(void **state)
{
    struct world *w = *state;
    add_rule(w, "*", "90d");
    run(w);
    unsigned won = 0;
    for (unsigned before = 0;; before++) {
        const struct uuid id = put_recording(w, "test", 100, META_COMPLETE);
        ask(w, CONTROL_PRUNE, NULL, "");
        for (unsigned i = 0; i < before; i++) {
            (void)upkeep_step(w->upkeep);
        }
        const bool is_over = !has_row(w, &id);
        ask(w, CONTROL_HOLD, &id, "wait");
        const bool has_won = w->last.kind == CONTROL_DONE;
        won += has_won;
        run(w);
        if (has_won) {
            assert_kept(w, &id, 100);
        } else {
            assert_gone(w, &id, 100);
        }
        if (is_over) {
            assert_false(has_won);
            assert_true(won > 1 && before - won > 3);
            return;
        }
    }
}

static void
the_oldest_go_until_the_rest_fits(void **state)
{
    struct world *w = *state;
    struct uuid ids[6];
    for (int i = 0; i < 6; i++) {
        ids[i] = put_recording(w, "test", 10 - i, META_COMPLETE);
    }
    ask(w, CONTROL_HOLD, &ids[0], "case 7");
    w->rules.max_bytes = 300 * KIB;
    upkeep_set_rules(w->upkeep, &w->rules);
    ask(w, CONTROL_PRUNE, NULL, "");
    run(w);
    assert_kept(w, &ids[0], 10); /* held */
    assert_gone(w, &ids[1], 9);
    assert_gone(w, &ids[2], 8);
    assert_gone(w, &ids[3], 7);
    assert_kept(w, &ids[4], 6);
    assert_kept(w, &ids[5], 5);
    assert_string_equal(leaves(w, LEDGER_TOMBSTONE, &ids[1]).last.why,
        "all recordings together are larger than 307200 bytes (max_bytes)");
}

static void
a_dry_run_names_the_same_and_changes_nothing(void **state)
{
    struct world *w = *state;
    struct uuid ids[6];
    for (int i = 0; i < 6; i++) {
        ids[i] = put_recording(w, "test", 10 - i, META_COMPLETE);
    }
    run(w); /* no rules: nothing */
    add_rule(w, "*", "9d");
    w->rules.max_bytes = 250 * KIB;
    upkeep_set_rules(w->upkeep, &w->rules);
    const uint64_t size = ledger_size(w->ledger);
    struct control_request request = {
        .verb = CONTROL_PRUNE, .is_dry_run = true};
    const struct upkeep_asker asker = {say, has_room, w};
    upkeep_ask(w->upkeep, &request, "alice", &asker);
    run(w);
    assert_int_equal(w->items, 4);
    assert_int_equal(w->last.kind, CONTROL_DONE);
    assert_int_equal(w->last.count, 4);
    assert_int_equal(w->last.bytes, 400 * KIB);
    for (int i = 0; i < 6; i++) {
        assert_kept(w, &ids[i], 10 - i);
    }
    assert_int_equal(ledger_size(w->ledger), size);
    ask(w, CONTROL_PRUNE, NULL, "");
    run(w);
    assert_int_equal(w->items, 4);
    assert_int_equal(w->last.count, 4);
    assert_int_equal(w->last.bytes, 400 * KIB);
    assert_gone(w, &ids[3], 7);
    assert_kept(w, &ids[4], 6);
}

/* More than a batch, and more than a walk looks at in one step. */
static void
many_go_in_batches(void **state)
{
    struct world *w = *state;
    static struct uuid ids[IDS_MAX];
    w->is_bulk = true;
    for (int i = 0; i < IDS_MAX; i++) {
        ids[i] = put_recording(w, "test", 100, META_COMPLETE);
    }
    w->is_bulk = false;
    const struct uuid young = put_recording(w, "test", 1, META_COMPLETE);
    add_rule(w, "*", "90d");
    ask(w, CONTROL_PRUNE, NULL, "");
    run(w);
    for (int i = 0; i < IDS_MAX; i += 50) {
        assert_gone(w, &ids[i], 100);
    }
    assert_int_equal(leaves(w, LEDGER_TOMBSTONE, NULL).count, IDS_MAX);
    assert_kept(w, &young, 1);
}

/* --- attempts ------------------------------------------------------------ */

static void
attempts_path(const struct world *w, int days, char out[PATH_MAX])
{
    static const struct uuid nil;
    path_of(w, &nil, NOW - days * DAY, out);
    char *base = strrchr(out, '/') + 1;
    snprintf(base, (size_t)(out + PATH_MAX - base), "%s", DAILY_FILE_NAME);
}

static bool
has_attempts(const struct world *w, int days)
{
    char path[PATH_MAX];
    attempts_path(w, days, path);
    return access(path, F_OK) == 0;
}

/* The day's file, as far as it is looked at: its header. */
static struct uuid
put_attempts_file(struct world *w, int days)
{
    char path[PATH_MAX];
    struct press *press = NULL;
    struct frame_file *f = NULL;
    struct buf line;
    struct cast_header header = {.width = 80, .height = 24};
    const struct seal_writer writer = {.width = 80, .height = 24};
    attempts_path(w, days, path);
    meta_init(&header.meta);
    header.meta.id = uuid_v7(NOW - days * DAY);
    const struct uuid id = header.meta.id;
    buf_init(&line, CAST_LINE_MAX);
    assert_int_equal(cast_header_encode(&header, &line), STATUS_OK);
    assert_int_equal(
        press_new(w->signer, &w->clock, 1, &press, NULL), STATUS_OK);
    assert_int_equal(frame_file_create(press, path, &id, &f, NULL), STATUS_OK);
    assert_int_equal(
        frame_file_cut(f, buf_view(&line), &writer, true, NULL), STATUS_OK);
    assert_int_equal(frame_file_finish(f, NULL), STATUS_OK);
    frame_file_free(&f);
    press_free(&press);
    buf_fini(&line);
    meta_fini(&header.meta);
    return id;
}

static struct uuid
put_attempt(struct world *w, const char *namespace, int days)
{
    struct meta m;
    meta_init(&m);
    m.start_us = NOW - days * DAY + 3600 * S;
    m.end_us = m.start_us;
    m.id = uuid_v7(m.start_us);
    m.status = META_REFUSED;
    const struct uuid id = m.id;
    put_row(w, &m, namespace);
    meta_fini(&m);
    return id;
}

static void
attempts_go_a_day_at_a_time(void **state)
{
    struct world *w = *state;
    const int days[] = {200, 150, 120, 80, 60};
    struct uuid files[5];
    struct uuid rows[5];
    for (int i = 0; i < 5; i++) {
        files[i] = put_attempts_file(w, days[i]);
        rows[i] = put_attempt(w, "test", days[i]);
    }
    const struct uuid generous = put_attempt(w, "prod", 150);
    ask(w, CONTROL_HOLD, &rows[2], "case 7");
    add_rule(w, "prod", "365d");
    add_rule(w, "*", "70d");
    run(w);
    assert_false(has_attempts(w, 200));
    assert_false(has_row(w, &rows[0]));
    const struct search s = leaves(w, LEDGER_TOMBSTONE, &files[0]);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.last.why, "older than 70d (rule 2)");
    assert_true(has_attempts(w, 150)); /* the most generous rule decides */
    assert_true(has_row(w, &rows[1]) && has_row(w, &generous));
    assert_true(has_attempts(w, 120)); /* one of them is held */
    assert_true(has_row(w, &rows[2]));
    assert_false(has_attempts(w, 80));
    assert_true(has_attempts(w, 60));
    assert_int_equal(leaves(w, LEDGER_TOMBSTONE, NULL).count, 2);
}

/* What no attempt is in holds request events: the last rule that would let
 * them go decides, and without one for all they stay. */
static void
days_without_attempts_go_last(void **state)
{
    struct world *w = *state;
    const struct uuid old = put_attempts_file(w, 400);
    (void)put_attempts_file(w, 100);
    add_rule(w, "prod", "365d");
    run(w);
    assert_true(has_attempts(w, 400));
    add_rule(w, "*", "70d");
    ask(w, CONTROL_PRUNE, NULL, "");
    run(w);
    assert_false(has_attempts(w, 400));
    assert_true(has_attempts(w, 100));
    assert_string_equal(leaves(w, LEDGER_TOMBSTONE, &old).last.why,
        "older than 365d (rule 1: namespace prod)");
}

static enum status
count_attempt(void *ctx, const struct index_candidate *c, struct error *err)
{
    (void)ctx;
    (void)c;
    (void)err;
    return STATUS_OK;
}

static void
many_attempts_go_with_their_day(void **state)
{
    struct world *w = *state;
    const struct uuid file = put_attempts_file(w, 100);
    w->is_bulk = true;
    for (unsigned i = 0; i < 2 * RECORDER_PRUNE_LOOK + 7; i++) {
        (void)put_attempt(w, "test", 100);
    }
    w->is_bulk = false;
    const struct uuid young = put_attempt(w, "test", 1);
    add_rule(w, "*", "90d");
    for (unsigned steps = 0; upkeep_step(w->upkeep); steps++) {
        if (!has_attempts(w, 100)) {
            close_all(w); /* the file is gone, the rows are not */
            open_all(w);
            break;
        }
    }
    run(w);
    struct index_walk all = {
        .from_us = INT64_MIN, .until_us = INT64_MAX, .wants_attempts = true};
    unsigned count = 0;
    assert_int_equal(
        index_keep_walk(w->keep, &all, 10, count_attempt, NULL, &count, NULL),
        STATUS_OK);
    assert_int_equal(count, 1);
    assert_true(has_row(w, &young));
    assert_int_equal(leaves(w, LEDGER_TOMBSTONE, &file).count, 1);
}

/* Nobody but the auditors can read which file it is. */
static void
encrypted_attempts_stay(void **state)
{
    struct world *w = *state;
    char path[PATH_MAX];
    char encrypted[PATH_MAX + 8];
    (void)put_attempts_file(w, 100);
    const struct uuid row = put_attempt(w, "test", 100);
    attempts_path(w, 100, path);
    snprintf(encrypted, sizeof encrypted, "%s.age", path);
    assert_int_equal(rename(path, encrypted), 0);
    add_rule(w, "*", "90d");
    run(w);
    assert_int_equal(access(encrypted, F_OK), 0);
    assert_true(has_row(w, &row));
}

/* --- a crash behind every step ------------------------------------------- */

/* Either the recording, whole, or its tombstone. */
static void
assert_either(struct world *w, const struct uuid *id, int days)
{
    const unsigned told = leaves(w, LEDGER_TOMBSTONE, id).count;
    if (told == 0) {
        assert_true(has_file(w, id, days));
        assert_true(has_row(w, id));
    }
    assert_true(told <= 1);
}

static void
a_crash_behind_any_step_is_finished(void **state)
{
    struct world *w = *state;
    add_rule(w, "*", "90d");
    for (unsigned steps = 1;; steps++) {
        struct uuid ids[3];
        bool is_over = false;
        run(w);
        for (int i = 0; i < 3; i++) {
            ids[i] = put_recording(w, "test", 100 + i, META_COMPLETE);
        }
        ask(w, CONTROL_PRUNE, NULL, "");
        for (unsigned i = 0; i < steps && !is_over; i++) {
            is_over = !upkeep_step(w->upkeep);
        }
        close_all(w);
        w->rules.rule_count = 0; /* what began is finished without any rule */
        open_all(w);
        bool is_told[3];
        for (int i = 0; i < 3; i++) {
            assert_either(w, &ids[i], 100 + i);
            is_told[i] = leaves(w, LEDGER_TOMBSTONE, &ids[i]).count == 1;
        }
        run(w);
        for (int i = 0; i < 3; i++) {
            if (is_told[i]) {
                assert_gone(w, &ids[i], 100 + i);
            } else {
                assert_kept(w, &ids[i], 100 + i);
            }
        }
        w->rules.rule_count = 1;
        upkeep_set_rules(w->upkeep, &w->rules);
        ask(w, CONTROL_PRUNE, NULL, "");
        run(w);
        for (int i = 0; i < 3; i++) {
            assert_gone(w, &ids[i], 100 + i);
        }
        if (is_over) {
            assert_true(steps > 6);
            return;
        }
    }
}

static void
holds_are_taken_from_the_ledger(void **state)
{
    struct world *w = *state;
    const struct uuid a = put_recording(w, "test", 100, META_COMPLETE);
    const struct uuid b = put_recording(w, "test", 100, META_COMPLETE);
    bool is_held = true;
    ask(w, CONTROL_HOLD, &a, "case 7");
    ask(w, CONTROL_HOLD, &b, "case 8");
    ask(w, CONTROL_RELEASE, &a, "");
    /* somebody who can write the index turns them round */
    const struct ledger_leaf forged[] = {
        {.kind = LEDGER_HOLD, .id = a, .why = "forged"},
        {.kind = LEDGER_RELEASE, .id = b},
    };
    assert_int_equal(index_keep_note(w->keep, &forged[0], NULL), STATUS_OK);
    assert_int_equal(index_keep_note(w->keep, &forged[1], NULL), STATUS_OK);
    assert_int_equal(index_db_commit(w->index, NULL), STATUS_OK);
    close_all(w);
    open_all(w);
    assert_int_equal(
        index_keep_is_held(w->keep, &a, &is_held, NULL), STATUS_OK);
    assert_false(is_held);
    assert_int_equal(
        index_keep_is_held(w->keep, &b, &is_held, NULL), STATUS_OK);
    assert_true(is_held);
}

/* --- requests ------------------------------------------------------------ */

static void
assert_refused(struct world *w, const char *why)
{
    assert_int_equal(w->finals, 1);
    assert_int_equal(w->last.kind, CONTROL_ERROR);
    if (strstr(w->last.error, why) == NULL) {
        fail_msg("%s, and not: %s", w->last.error, why);
    }
}

static void
what_cannot_be_done_is_said(void **state)
{
    struct world *w = *state;
    const struct uuid id = put_recording(w, "test", 100, META_COMPLETE);
    const struct uuid active = put_recording(w, "test", 0, META_ACTIVE);
    const struct uuid unknown = uuid_v7(NOW);
    const uint64_t size = ledger_size(w->ledger);
    ask(w, CONTROL_HOLD, &unknown, "r");
    assert_refused(w, "is not known");
    ask(w, CONTROL_HOLD, &active, "r");
    assert_refused(w, "still running");
    ask(w, CONTROL_RELEASE, &id, "");
    assert_refused(w, "is not held");
    ask(w, CONTROL_PRUNE, NULL, "");
    assert_refused(w, "neither retention.rules nor retention.max_bytes");
    assert_int_equal(ledger_size(w->ledger), size);
    ask(w, CONTROL_HOLD, &id, "r");
    assert_int_equal(w->last.kind, CONTROL_DONE);
    ask(w, CONTROL_HOLD, &id, "r");
    assert_refused(w, "is held already");
    assert_int_equal(ledger_size(w->ledger), size + 1);
}

/* One who does not read holds his own removal up; one who leaves does not. */
static void
who_asks_may_be_slow_or_leave(void **state)
{
    struct world *w = *state;
    const struct uuid id = put_recording(w, "test", 100, META_COMPLETE);
    run(w);
    add_rule(w, "*", "90d");
    ask(w, CONTROL_PRUNE, NULL, "");
    w->has_room = false;
    assert_false(upkeep_step(w->upkeep));
    assert_kept(w, &id, 100);
    upkeep_leave(w->upkeep, w);
    run(w);
    assert_gone(w, &id, 100);
    assert_int_equal(w->finals, 0);
}

static void
too_many_requests_are_refused(void **state)
{
    struct world *w = *state;
    add_rule(w, "*", "90d");
    unsigned waiting = 0;
    do {
        ask(w, CONTROL_PRUNE, NULL, "");
        waiting++;
    } while (w->finals == 0);
    assert_refused(w, "too much is waiting");
    assert_true(waiting > RECORDER_CONTROL_PEERS_MAX);
    w->finals = 0;
    run(w);
    assert_int_equal(w->finals, waiting - 1);
}

#define WORLD(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(what_is_due_goes_and_says_why),
        WORLD(the_hour_comes_again),
        WORLD(a_hold_beats_every_rule),
        WORLD(a_hold_may_come_in_the_middle),
        WORLD(the_oldest_go_until_the_rest_fits),
        WORLD(a_dry_run_names_the_same_and_changes_nothing),
        WORLD(many_go_in_batches),
        WORLD(attempts_go_a_day_at_a_time),
        WORLD(days_without_attempts_go_last),
        WORLD(many_attempts_go_with_their_day),
        WORLD(encrypted_attempts_stay),
        WORLD(a_crash_behind_any_step_is_finished),
        WORLD(holds_are_taken_from_the_ledger),
        WORLD(what_cannot_be_done_is_said),
        WORLD(who_asks_may_be_slow_or_leave),
        WORLD(too_many_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
