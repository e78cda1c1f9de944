/* Journals in, recordings out: the whole recorder but its loop, over a
 * journal written by the schema alone and a clock that the test moves.
 *
 * The promises under test are "nothing lost" and "nothing twice": the text of
 * a recording does not depend on when the recorder was killed.
 */
#include "recorder/recorder.h"

#include "base/file.h"
#include "recorder/frame_file.h"
#include "recorder/limits.h"
#include "schema/cast.h"
#include "tests/support/journal_maker.h"
#include "tests/support/leaves.h"
#include "tests/support/recording.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_US 1764028800000000 /* 2025-11-25T00:00:00Z */
#define DAY_DIR  "recordings/2025/11/25"
#define MS       1000000u

struct world {
    char state[TEMP_DIR_MAX];
    uint64_t mono_ns;
    uint64_t step_ns; /* how much each look at the clock takes */
    int64_t wall_us;
    struct clock clock;
    struct signer *signer;
    struct ed25519_public key;
    struct log log;
    struct recorder *recorder;
    struct journal_maker journal;
    bool is_alive; /* the worker */
};

static uint64_t
mono_ns(void *self)
{
    struct world *w = self;
    w->mono_ns += w->step_ns;
    return w->mono_ns;
}

static int64_t
wall_us(void *self)
{
    return ((struct world *)self)->wall_us;
}

/* --- the world ----------------------------------------------------------- */

static void
start_recorder(struct world *w)
{
    struct error err;
    const struct recorder_options options = {
        .state_dir = w->state,
        .signer = w->signer,
        .clock = &w->clock,
        .log = getenv("TEST_LOG") == NULL ? NULL : &w->log,
        .seal_interval_ms = 5000,
    };
    const enum status st = recorder_new(&options, &w->recorder, &err);
    if (st != STATUS_OK) {
        fail_msg("recorder_new: %s", err.text);
    }
    assert_int_equal(
        recorder_look_for_workers(w->recorder, NULL, NULL, &err), STATUS_OK);
}

static int
set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    temp_dir_make(w->state);
    w->clock = (struct clock){mono_ns, wall_us, w};
    w->mono_ns = 5000000000;
    w->wall_us = START_US;
    w->log = (struct log){.fd = 2, .clock = &w->clock, .program = "test"};
    assert_int_equal(signer_new(&w->signer, NULL), STATUS_OK);
    w->key = signer_public(w->signer);
    journal_maker_open(&w->journal, w->state);
    w->is_alive = true;
    start_recorder(w);
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;
    recorder_free(&w->recorder);
    signer_free(&w->signer);
    if (w->is_alive) {
        journal_maker_close(&w->journal);
    }
    temp_dir_remove(w->state);
    free(w);
    return 0;
}

static void
read_all(struct world *w)
{
    bool more = true;
    while (more) {
        recorder_read(w->recorder, &more);
    }
}

static void
pass(struct world *w, unsigned ms)
{
    w->mono_ns += (uint64_t)ms * MS;
    w->wall_us += (int64_t)ms * 1000;
    recorder_tick(w->recorder);
}

/* As kill -9 would: nothing is sealed or told that was not already. */
static void
kill_recorder(struct world *w)
{
    recorder_free(&w->recorder);
    start_recorder(w);
}

static void
kill_worker(struct world *w)
{
    journal_maker_close(&w->journal);
    w->is_alive = false;
}

/* --- what came of it ----------------------------------------------------- */

static void
recording_path(const struct world *w, const struct uuid *id, char out[1024])
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    snprintf(out, 1024, "%s/%s/%s.cast.zst", w->state, DAY_DIR, text);
}

static struct recording
read_recording(const struct world *w, const struct uuid *id)
{
    char path[1024];
    struct recording r;
    struct stat sb;
    recording_path(w, id, path);
    assert_true(recording_read(path, &w->key, &r));
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    return r;
}

static bool
has_recording(const struct world *w, const struct uuid *id)
{
    char path[1024];
    recording_path(w, id, path);
    return access(path, F_OK) == 0;
}

/* The events of a recording, without the header and the last `k`. */
static void
assert_events(const struct recording *r, const char *want)
{
    const char *events = strchr(r->text, '\n') + 1;
    const char *last = r->text + r->text_len - 1;
    while (last > events && last[-1] != '\n') {
        last--;
    }
    assert_non_null(strstr(last, ", \"k\", "));
    const size_t len = (size_t)(last - events);
    if (strlen(want) != len || memcmp(events, want, len) != 0) {
        fail_msg("events are:\n%.*sand should be:\n%s", (int)len, events, want);
    }
}

static void
index_value(const struct world *w, const struct uuid *id, const char *column,
    char *out, size_t cap)
{
    char path[512];
    char sql[256];
    char text[UUID_TEXT_LEN + 1];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    uuid_format(id, text);
    snprintf(path, sizeof path, "%s/index.db", w->state);
    snprintf(sql, sizeof sql,
        "SELECT coalesce(%s, 'null') FROM sessions WHERE id = '%s'", column,
        text);
    assert_int_equal(
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    snprintf(out, cap, "none");
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        snprintf(out, cap, "%s", (const char *)sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static void
assert_index(const struct world *w, const struct uuid *id, const char *column,
    const char *want)
{
    char have[256];
    index_value(w, id, column, have, sizeof have);
    assert_string_equal(have, want);
}

static struct uuid
new_id(void)
{
    return uuid_v7(START_US);
}

#define CLOSED "{\"status\":\"complete\"}"

/* --- sessions ------------------------------------------------------------ */

static void
test_terminal(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s =
        journal_maker_open_session(j, &id, START_US, "\"tty\":true");
    read_all(w);
    assert_index(w, &id, "status", "active");
    assert_index(w, &id, "user", "alice");
    assert_index(w, &id, "command", "[\"sh\",\"-c\",\"id\"]");
    j->mono_ns += 10 * MS;
    journal_maker_size(j, s, 120, 40);
    j->mono_ns += 10 * MS;
    journal_maker_data(j, s, STREAM_STDOUT, "$ \x1b[1mhi\r\n");
    journal_maker_size(j, s, 120, 40); /* the same: no event */
    j->mono_ns += 500 * MS;
    journal_maker_size(j, s, 0, 0); /* no size */
    journal_maker_size(j, s, 100, 30);
    journal_maker_data(j, s, STREAM_STDERR, "bad\n");
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    struct recording r = read_recording(w, &id);
    assert_true(r.is_final);
    assert_true(r.has_table);
    assert_non_null(strstr(r.text, "\"width\":120"));
    assert_non_null(strstr(r.text, "\"height\":40"));
    assert_events(&r, "[0.020000, \"o\", \"$ \\u001b[1mhi\\r\\n\"]\n"
                      "[0.520000, \"r\", \"100x30\"]\n"
                      "[0.520000, \"s\", \"stderr\"]\n"
                      "[0.520000, \"o\", \"bad\\n\"]\n");
    assert_index(w, &id, "status", "complete");
    assert_index(w, &id, "sealed", "1");
    assert_index(w, &id, "bytes_stdout", "10");
    assert_index(w, &id, "bytes_stderr", "4");
    assert_index(w, &id, "end_us - start_us", "520000");
    assert_int_equal(recorder_sessions(w->recorder), 0);
    assert_int_equal(journal_maker_position(j).released_lsn, j->lsn);
    recording_free(&r);
}

static void
test_exit_status(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    journal_maker_data(j, s, STREAM_STDOUT, "x");
    journal_maker_note(j, JOURNAL_STATUS, s,
        "{\"metadata\":{},\"status\":\"Failure\",\"reason\":"
        "\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":");
    read_all(w);
    journal_maker_note(
        j, JOURNAL_STATUS, s, "\"ExitCode\",\"message\":\"42\"}]}}");
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    struct recording r = read_recording(w, &id);
    assert_non_null(strstr(r.text, "[0.000000, \"x\", \"42\"]\n"));
    assert_non_null(strstr(r.text, "\"width\":80"));
    assert_index(w, &id, "exit_code", "42");
    recording_free(&r);
}

static void
test_split_and_invalid(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    journal_maker_data(j, s, STREAM_STDOUT, "a\xE2\x82");
    journal_maker_data(j, s, STREAM_STDERR, "e");
    journal_maker_data(j, s, STREAM_STDOUT,
        "\xAC"
        "b");
    journal_maker_data(j, s, STREAM_STDOUT, "c\xFF");
    journal_maker_data(j, s, STREAM_STDIN, "in");
    journal_maker_data(j, s, STREAM_STDERR, "\xF0\x9F");
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    struct recording r = read_recording(w, &id);
    assert_events(&r, "[0.000000, \"o\", \"a\"]\n"
                      "[0.000000, \"s\", \"stderr\"]\n"
                      "[0.000000, \"o\", \"e\"]\n"
                      "[0.000000, \"s\", \"stdout\"]\n"
                      "[0.000000, \"o\", \"\xE2\x82\xAC"
                      "b\"]\n"
                      "[0.000000, \"o\", \"c\xEF\xBF\xBD\"]\n"
                      "[0.000000, \"b\", \"Y/8=\"]\n"
                      "[0.000000, \"i\", \"in\"]\n"
                      "[0.000000, \"s\", \"stderr\"]\n"
                      "[0.000000, \"o\", \"\xEF\xBF\xBD\"]\n"
                      "[0.000000, \"b\", \"8J8=\"]\n");
    assert_index(w, &id, "bytes_stdout", "7");
    assert_index(w, &id, "bytes_stdin", "2");
    recording_free(&r);
}

static void
test_binary(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    journal_maker_data(j, s, STREAM_STDOUT, "head\xE2");
    journal_maker_put(j, JOURNAL_DATA, s, STREAM_STDOUT, SPAN_LIT("\x82\0x"));
    journal_maker_data(j, s, STREAM_STDOUT, "text");
    journal_maker_data(j, s, STREAM_STDERR, "still text");
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    struct recording r = read_recording(w, &id);
    assert_events(&r,
        "[0.000000, \"o\", \"head\"]\n"
        "[0.000000, \"B\", "
        "\"{\\\"stream\\\":\\\"stdout\\\",\\\"base64\\\":\\\"4oIAeA==\\\"}\"]\n"
        "[0.000000, \"B\", "
        "\"{\\\"stream\\\":\\\"stdout\\\",\\\"base64\\\":\\\"dGV4dA==\\\"}\"]\n"
        "[0.000000, \"s\", \"stderr\"]\n"
        "[0.000000, \"o\", \"still text\"]\n");
    recording_free(&r);
}

static void
test_terminal_without_size(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s =
        journal_maker_open_session(j, &id, START_US, "\"tty\":true");
    journal_maker_size(j, s, 0, 0);
    journal_maker_data(j, s, STREAM_STDOUT, "1");
    j->mono_ns += 249 * MS;
    journal_maker_data(j, s, STREAM_STDOUT, "2");
    read_all(w);
    assert_false(has_recording(w, &id));
    j->mono_ns += 1 * MS;
    journal_maker_size(j, s, 90, 30); /* too late for the header */
    read_all(w);
    assert_true(has_recording(w, &id));
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    struct recording r = read_recording(w, &id);
    assert_non_null(strstr(r.text, "\"width\":80"));
    assert_events(&r, "[0.000000, \"o\", \"1\"]\n"
                      "[0.249000, \"o\", \"2\"]\n"
                      "[0.250000, \"r\", \"90x30\"]\n");
    recording_free(&r);
}

/* The same, when nothing more comes: the clock decides. */
static void
test_size_by_the_clock(void **state)
{
    struct world *w = *state;
    const struct uuid id = new_id();
    const uint64_t s =
        journal_maker_open_session(&w->journal, &id, START_US, "\"tty\":true");
    journal_maker_data(&w->journal, s, STREAM_STDOUT, "1");
    read_all(w);
    pass(w, 100);
    assert_false(has_recording(w, &id));
    pass(w, 150);
    assert_true(has_recording(w, &id));
}

/* An attach in which nothing happens must not keep the journal. */
static void
test_silent_session(void **state)
{
    struct world *w = *state;
    const struct uuid id = new_id();
    (void)journal_maker_open_session(
        &w->journal, &id, START_US, "\"tty\":true");
    read_all(w);
    assert_int_equal(journal_maker_position(&w->journal).released_lsn,
        JOURNAL_SEGMENT_HEAD_LEN);
    pass(w, 1000);
    struct recording r = read_recording(w, &id);
    assert_int_equal(r.seals, 1);
    assert_false(r.is_final);
    recording_free(&r);
}

static void
test_refused(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    journal_maker_note(j, JOURNAL_CLOSE, s,
        "{\"status\":\"refused\",\"reason\":\"no such pod\"}");
    read_all(w);
    assert_false(has_recording(w, &id));
    assert_index(w, &id, "status", "refused");
    assert_index(w, &id, "reason", "no such pod");
    assert_index(w, &id, "file", "");
    char path[512];
    char text[UUID_TEXT_LEN + 1];
    struct recording r;
    snprintf(path, sizeof path, "%s/%s/attempts.cast.zst", w->state, DAY_DIR);
    assert_true(recording_read(path, &w->key, &r));
    uuid_format(&id, text);
    assert_non_null(strstr(r.text, text));
    assert_non_null(strstr(r.text, "no such pod"));
    assert_int_equal(r.seals, 2);
    recording_free(&r);
}

/* Nothing can be written, as on a full disk, until it is called again. */
static void
limit_files(rlim_t bytes)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Events that cannot be written are in memory, and in the journal of a worker
 * that is gone: its folder has to wait. */
static void
test_events_outlive_their_worker(void **state)
{
    struct world *w = *state;
    char attempts[512];
    char journal[512];
    struct recording r;
    snprintf(attempts, sizeof attempts, "%s/%s/attempts.cast.zst", w->state,
        DAY_DIR);
    snprintf(journal, sizeof journal, "%s", w->journal.dir);
    journal_maker_note(&w->journal, JOURNAL_EVENT, 0, "{\"path\":\"/first\"}");
    read_all(w);
    journal_maker_note(&w->journal, JOURNAL_EVENT, 0, "{\"path\":\"/second\"}");
    kill_worker(w);
    limit_files(1);
    for (int i = 0; i < 5; i++) {
        pass(w, RECORDER_HEARTBEAT_MS);
    }
    const bool is_there = access(journal, F_OK) == 0;
    limit_files(RLIM_INFINITY);
    assert_true(is_there);
    kill_recorder(w);
    read_all(w);
    assert_true(recording_read(attempts, &w->key, &r));
    assert_non_null(strstr(r.text, "/second"));
    recording_free(&r);
    for (int i = 0; i < 5; i++) {
        pass(w, RECORDER_HEARTBEAT_MS);
    }
    assert_int_equal(access(journal, F_OK), -1);
}

/* Read again after a crash that came before the row, it is not written
 * again. */
static void
test_refused_once(void **state)
{
    struct world *w = *state;
    const struct uuid id = new_id();
    const uint64_t s =
        journal_maker_open_session(&w->journal, &id, START_US, "");
    journal_maker_note(&w->journal, JOURNAL_CLOSE, s,
        "{\"status\":\"refused\",\"reason\":\"no\"}");
    read_all(w);
    char index[512];
    snprintf(index, sizeof index, "%s/index.db", w->state);
    recorder_free(&w->recorder);
    assert_int_equal(unlink(index), 0);
    char position[1024];
    assert_int_equal(file_join(position, sizeof position, w->journal.dir,
                         JOURNAL_POSITION_NAME, NULL),
        STATUS_OK);
    assert_int_equal(unlink(position), 0);
    start_recorder(w);
    read_all(w);
    assert_index(w, &id, "status", "refused");
    char path[512];
    struct recording r;
    snprintf(path, sizeof path, "%s/%s/attempts.cast.zst", w->state, DAY_DIR);
    assert_true(recording_read(path, &w->key, &r));
    assert_int_equal(r.seals, 2);
    recording_free(&r);
}

/* --- a day's end --------------------------------------------------------- */

#define HOUR_MS  3600000u
#define HOUR_US  3600000000
#define ATTEMPTS "/attempts.cast.zst"
#define NEXT_DIR "recordings/2025/11/26"

static struct uuid
attempt(struct world *w, int64_t start_us)
{
    const struct uuid id = uuid_v7(start_us);
    const uint64_t s =
        journal_maker_open_session(&w->journal, &id, start_us, "");
    journal_maker_note(
        &w->journal, JOURNAL_CLOSE, s, "{\"status\":\"refused\"}");
    read_all(w);
    assert_index(w, &id, "status", "refused");
    return id;
}

static void
assert_tells_of(const struct world *w, const char *file, const struct uuid *id)
{
    char path[512];
    char text[UUID_TEXT_LEN + 1];
    struct recording r;
    snprintf(path, sizeof path, "%s/%s", w->state, file);
    assert_true(recording_read(path, &w->key, &r));
    uuid_format(id, text);
    assert_non_null(strstr(r.text, text));
    recording_free(&r);
}

/* Of a day's file; where there is one, it is of its bytes as they are. */
static size_t
day_leaves(const struct world *w, const char *file)
{
    char path[512];
    struct uuid id;
    struct ledger_leaf leaf;
    snprintf(path, sizeof path, "%s/%s", w->state, file);
    assert_true(frame_file_read_id(path, &id));
    const size_t count = leaves_of(w->state, &id, &leaf);
    if (count > 0) {
        assert_string_equal(leaf.file, file);
        assert_true(leaf_fits(w->state, &leaf));
    }
    return count;
}

/* Late attempts open a day again that is finished: it stays as its leaf says,
 * and they are with the next day's. */
static void
test_day_has_one_leaf(void **state)
{
    struct world *w = *state;
    w->wall_us += 23 * HOUR_US;
    (void)attempt(w, w->wall_us);
    pass(w, HOUR_MS + HOUR_MS / 2);
    assert_int_equal(day_leaves(w, DAY_DIR ATTEMPTS), 0);
    const struct uuid in_time = attempt(w, START_US + 24 * HOUR_US - 1);
    assert_tells_of(w, DAY_DIR ATTEMPTS, &in_time);
    pass(w, HOUR_MS);
    assert_int_equal(day_leaves(w, DAY_DIR ATTEMPTS), 1);
    for (int i = 0; i < 2; i++) {
        const struct uuid late = attempt(w, START_US + 23 * HOUR_US);
        assert_tells_of(w, NEXT_DIR ATTEMPTS, &late);
        assert_int_equal(day_leaves(w, DAY_DIR ATTEMPTS), 1);
        kill_recorder(w);
    }
    assert_int_equal(day_leaves(w, NEXT_DIR ATTEMPTS), 0);
    for (int i = 0; i < 2; i++) {
        pass(w, 24 * HOUR_MS);
        read_all(w);
        kill_recorder(w);
        pass(w, 1000);
        assert_int_equal(day_leaves(w, DAY_DIR ATTEMPTS), 1);
        assert_int_equal(day_leaves(w, NEXT_DIR ATTEMPTS), 1);
    }
}

/* The day's leaf is written, and the checkpoint over it is not. */
static void
test_crash_before_the_leaf_of_a_day_counts(void **state)
{
    struct world *w = *state;
    char checkpoint[512];
    char aside[512];
    char file[512];
    snprintf(checkpoint, sizeof checkpoint, "%s/ledger/checkpoint", w->state);
    snprintf(aside, sizeof aside, "%s/aside", w->state);
    snprintf(file, sizeof file, "%s/" DAY_DIR ATTEMPTS, w->state);
    (void)attempt(w, START_US);
    for (int crash = 0; crash < 2; crash++) {
        assert_int_equal(rename(checkpoint, aside), 0);
        assert_int_equal(mkdir(checkpoint, 0700), 0); /* not to be replaced */
        pass(w, 26 * HOUR_MS);
        assert_true(frame_file_has_table(file));
        assert_int_equal(day_leaves(w, DAY_DIR ATTEMPTS), 1);
        recorder_free(&w->recorder);
        assert_int_equal(rmdir(checkpoint), 0);
        assert_int_equal(rename(aside, checkpoint), 0);
        start_recorder(w);
        assert_int_equal(day_leaves(w, DAY_DIR ATTEMPTS), 0);
    }
    pass(w, 1000);
    assert_int_equal(day_leaves(w, DAY_DIR ATTEMPTS), 1);
    kill_recorder(w);
    (void)attempt(w, START_US + 1);
    assert_int_equal(day_leaves(w, DAY_DIR ATTEMPTS), 1);
}

static void
test_worker_dies(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    journal_maker_data(j, s, STREAM_STDOUT, "last words");
    j->mono_ns += 7 * MS;
    journal_maker_torn(j, s, 24);
    read_all(w);
    kill_worker(w);
    pass(w, 1000);
    assert_index(w, &id, "status", "active"); /* it may only be starting */
    pass(w, 1000);
    pass(w, 1000);
    pass(w, 1000);
    struct recording r = read_recording(w, &id);
    assert_true(r.is_final);
    assert_events(&r, "[0.000000, \"o\", \"last words\"]\n");
    assert_index(w, &id, "status", "failed");
    assert_index(w, &id, "reason", "proxy died");
    assert_int_equal(access(j->dir, F_OK), -1);
    assert_int_equal(recorder_workers(w->recorder), 0);
    recording_free(&r);
}

static void
test_seal_interval(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    journal_maker_data(j, s, STREAM_STDOUT, "one");
    read_all(w);
    struct recording r = read_recording(w, &id);
    assert_int_equal(r.seals, 1);
    recording_free(&r);
    pass(w, 4999);
    pass(w, 1);
    r = read_recording(w, &id);
    assert_int_equal(r.seals, 2);
    assert_non_null(strstr(r.text, "one"));
    recording_free(&r);
    pass(w, 60000); /* nothing new: no more seals */
    r = read_recording(w, &id);
    assert_int_equal(r.seals, 2);
    recording_free(&r);
    /* only a begun character: it must leave the journal, too */
    journal_maker_data(j, s, STREAM_STDOUT, "\xE2\x82");
    read_all(w);
    pass(w, 5000);
    r = read_recording(w, &id);
    assert_int_equal(r.seals, 3);
    assert_int_equal(r.last.writer.carry_len[STREAM_STDOUT], 2);
    recording_free(&r);
    kill_recorder(w);
    journal_maker_data(j, s, STREAM_STDOUT, "\xAC");
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    r = read_recording(w, &id);
    assert_non_null(strstr(r.text, "\"\xE2\x82\xAC\""));
    recording_free(&r);
}

static void
test_compaction(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    for (int i = 0; i < 50; i++) {
        char line[32];
        snprintf(line, sizeof line, "line %d\n", i);
        journal_maker_data(j, s, STREAM_STDOUT, line);
        read_all(w);
        pass(w, 5000);
    }
    struct recording before = read_recording(w, &id);
    assert_in_range(before.seals, 50, 52);
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    struct recording after = read_recording(w, &id);
    assert_int_equal(after.seals, 1);
    assert_true(after.is_final);
    assert_true(after.has_table);
    assert_memory_equal(after.text, before.text, before.text_len);
    char size[32];
    char path[1024];
    struct stat sb;
    recording_path(w, &id, path);
    assert_int_equal(stat(path, &sb), 0);
    snprintf(size, sizeof size, "%lld", (long long)sb.st_size);
    assert_index(w, &id, "size", size);
    recording_free(&before);
    recording_free(&after);
}

/* Many sessions end at once: a batch takes its share, and the rest stays
 * active until later ones. */
static void
test_many_ends(void **state)
{
    enum {
        COUNT = 12
    };
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    struct uuid ids[COUNT];
    uint64_t keys[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ids[i] = new_id();
        keys[i] = journal_maker_open_session(j, &ids[i], START_US, "");
        journal_maker_data(j, keys[i], STREAM_STDOUT, "one\n");
    }
    read_all(w);
    pass(w, 5000);
    for (int i = 0; i < COUNT; i++) {
        journal_maker_note(j, JOURNAL_CLOSE, keys[i], CLOSED);
    }
    w->step_ns = 20 * MS;
    size_t left = COUNT;
    unsigned turns = 0;
    for (bool more = true; more; turns++) {
        recorder_read(w->recorder, &more);
        assert_true(recorder_sessions(w->recorder) < left);
        left = recorder_sessions(w->recorder);
        assert_int_equal(more, left > 0);
    }
    assert_true(turns > 2);
    for (int i = 0; i < COUNT; i++) {
        struct recording r = read_recording(w, &ids[i]);
        assert_true(r.is_final);
        assert_index(w, &ids[i], "status", "complete");
        recording_free(&r);
    }
}

static void
put_short_sessions(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct uuid id = new_id();
        const uint64_t s =
            journal_maker_open_session(&w->journal, &id, START_US, "");
        journal_maker_data(&w->journal, s, STREAM_STDOUT, "one\n");
        journal_maker_note(&w->journal, JOURNAL_CLOSE, s, CLOSED);
    }
}

/* Ends that come faster than they can be finished wait in the journal, not in
 * memory. */
static void
test_ends_wait_in_the_journal(void **state)
{
    struct world *w = *state;
    bool more = false;
    w->step_ns = 20 * MS;
    put_short_sessions(w, RECORDER_ENDINGS_MAX + 100);
    recorder_read(w->recorder, &more);
    size_t left = recorder_sessions(w->recorder);
    assert_in_range(left, RECORDER_ENDINGS_MAX + 1, RECORDER_ENDINGS_MAX + 99);
    put_short_sessions(w, 200);
    while (left > RECORDER_ENDINGS_MAX) {
        recorder_read(w->recorder, &more);
        assert_true(more);
        assert_true(recorder_sessions(w->recorder) < left);
        left = recorder_sessions(w->recorder);
    }
    recorder_read(w->recorder, &more);
    assert_true(recorder_sessions(w->recorder) > left);
    w->step_ns = 0;
    read_all(w);
    assert_int_equal(recorder_sessions(w->recorder), 0);
}

/* Large output: several frames, and a journal of more than one segment whose
 * first is released while the session still runs. */
static void
test_large(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const struct uuid idle_id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    const uint64_t idle = journal_maker_open_session(j, &idle_id, START_US, "");
    const size_t len = 1u << 20;
    char *block = malloc(len);
    assert_non_null(block);
    for (size_t i = 0; i < len; i++) {
        block[i] = (char)('a' + (i * 2654435761u >> 16) % 26);
    }
    journal_maker_data(j, idle, STREAM_STDOUT, "quiet");
    for (int i = 0; i < 70; i++) {
        journal_maker_put(
            j, JOURNAL_DATA, s, STREAM_STDOUT, span_of(block, len));
    }
    read_all(w);
    pass(w, 250);
    const struct journal_position p = journal_maker_position(j);
    assert_int_equal(p.read_lsn, j->lsn);
    assert_true(p.released_lsn >= JOURNAL_SEGMENT_BYTES);
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    struct recording r = read_recording(w, &id);
    assert_true(r.frames > 10);
    assert_true(r.text_len > 70 * len);
    assert_index(w, &id, "bytes_stdout", "73400320");
    recording_free(&r);
    free(block);
}

/* --- crashes ------------------------------------------------------------- */

struct step {
    enum journal_kind kind;
    enum journal_stream stream;
    const char *text;
};

#define GAP                                             \
    "{\"gap\":{\"stdin\":0,\"stdout\":40,\"stderr\":2," \
    "\"seconds\":1.500,\"reason\":\"the disk is full\"}}"

/* Every kind of state that a crash could lose. */
static const struct step steps[] = {
    {JOURNAL_DATA, STREAM_STDOUT, "one\n"},
    {JOURNAL_DATA, STREAM_STDOUT, "\xF0\x9F"},
    {JOURNAL_NOTE, STREAM_STDIN, "{\"subprotocol\":\"v5.channel.k8s.io\"}"},
    {JOURNAL_DATA, STREAM_STDERR, "two\n"},
    {JOURNAL_DATA, STREAM_STDOUT, "\x99\x82"},
    {JOURNAL_DATA, STREAM_STDOUT, "bad \xC3( here"},
    {JOURNAL_RESIZE, STREAM_STDIN, "\x00\x64\x00\x28"},
    {JOURNAL_DATA, STREAM_STDIN, "typed"},
    {JOURNAL_RESIZE, STREAM_STDIN, "\x00\x64\x00\x28"},
    {JOURNAL_DATA, STREAM_STDERR, "three\xF0\x9F"},
    {JOURNAL_NOTE, STREAM_STDIN, GAP},
    {JOURNAL_STATUS, STREAM_STDIN, "{\"metadata\":{},\"sta"},
    {JOURNAL_STATUS, STREAM_STDIN, "tus\":\"Success\"}"},
    {JOURNAL_CLOSE, STREAM_STDIN, CLOSED},
};
#define STEPS (sizeof steps / sizeof steps[0])

static void
put_step(struct world *w, uint64_t session, const struct step *step)
{
    const struct span payload = step->kind == JOURNAL_RESIZE
                                    ? span_of(step->text, 4)
                                    : span_str(step->text);
    w->journal.mono_ns += 10 * MS;
    journal_maker_put(&w->journal, step->kind, session, step->stream, payload);
}

/* One session, with a crash after step `crash`, and a seal after every step
 * of `seals` (a set of bits). The journal is read after every step, too. */
static struct recording
run_steps(struct world *w, const char *facts, size_t crash, unsigned seals)
{
    const struct uuid id = new_id();
    const uint64_t s =
        journal_maker_open_session(&w->journal, &id, START_US, facts);
    for (size_t i = 0; i < STEPS; i++) {
        put_step(w, s, &steps[i]);
        read_all(w);
        if ((seals >> i & 1u) != 0) {
            pass(w, 5000);
        }
        if (i == crash) {
            kill_recorder(w);
        }
    }
    read_all(w);
    assert_index(w, &id, "status", "complete");
    assert_index(w, &id, "exit_code", "0");
    assert_index(w, &id, "subprotocol", "v5.channel.k8s.io");
    assert_index(w, &id, "gap_count", "1");
    assert_index(w, &id, "gap_bytes", "42");
    return read_recording(w, &id);
}

/* A begun character does not go on behind a gap; and one that nothing follows
 * is told as well. */
static void
test_gap(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const uint64_t s = journal_maker_open_session(
        j, &id, START_US, "\"record\":\"best-effort\"");
    journal_maker_data(j, s, STREAM_STDOUT, "a\xE2\x82");
    journal_maker_note(j, JOURNAL_NOTE, s, GAP);
    journal_maker_data(j, s, STREAM_STDOUT, "\xACz");
    journal_maker_note(j, JOURNAL_NOTE, s, GAP);
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    struct recording r = read_recording(w, &id);
    static const char marker[] =
        "[0.000000, \"m\", \"gap: 42 bytes of output were not recorded in "
        "1.5 s: the disk is full\"]\n";
    const char *first = strstr(r.text, marker);
    assert_non_null(strstr(r.text, "[0.000000, \"b\", \"4oI=\"]\n"));
    assert_non_null(first);
    const char *behind = strstr(first, "[0.000000, \"b\", \"rHo=\"]\n");
    assert_non_null(behind);
    assert_non_null(strstr(behind, marker));
    assert_non_null(
        strstr(behind, "\\\"gaps\\\":{\\\"count\\\":2,\\\"bytes\\\":84}"));
    assert_index(w, &id, "record", "best-effort");
    assert_index(w, &id, "gap_count", "2");
    assert_index(w, &id, "gap_bytes", "84");
    recording_free(&r);
}

/* The id differs, and so does the file's name. */
static void
assert_same_but_id(const struct recording *a, const struct recording *b)
{
    const char *at_a = strchr(a->text, '\n');
    const char *at_b = strchr(b->text, '\n');
    const char *end_a = strstr(at_a, "\\\"id\\\":");
    const char *end_b = strstr(at_b, "\\\"id\\\":");
    assert_non_null(end_a);
    assert_non_null(end_b);
    assert_int_equal(end_a - at_a, end_b - at_b);
    assert_memory_equal(at_a, at_b, (size_t)(end_a - at_a));
    assert_int_equal(a->text_len, b->text_len);
}

static void
test_crash_after_every_step(void **state)
{
    struct world *w = *state;
    struct recording whole = run_steps(w, "", STEPS, 0);
    for (size_t crash = 0; crash < STEPS; crash++) {
        for (unsigned seal = 0; seal < STEPS; seal++) {
            struct recording r = run_steps(w, "", crash, 1u << seal);
            assert_same_but_id(&whole, &r);
            recording_free(&r);
        }
        struct recording r = run_steps(w, "", crash, ~0u);
        assert_same_but_id(&whole, &r);
        recording_free(&r);
    }
    recording_free(&whole);
}

/* A crash in the middle of a write leaves any part of it: cut there, the
 * recording is completed from the journal to the same text. */
static void
test_torn_file(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    for (unsigned cut = 0; cut < 40; cut++) {
        const struct uuid id = new_id();
        char path[1024];
        struct stat sb;
        const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
        journal_maker_data(j, s, STREAM_STDOUT, "first");
        read_all(w);
        recording_path(w, &id, path);
        assert_int_equal(stat(path, &sb), 0);
        const off_t header_len = sb.st_size;
        pass(w, 5000);
        assert_int_equal(stat(path, &sb), 0);
        /* as if the write of the second frame and its seal were cut; the
         * journal was not released, for nothing was synced */
        recorder_free(&w->recorder);
        const off_t len =
            header_len + (sb.st_size - header_len) * (off_t)cut / 40;
        assert_int_equal(truncate(path, len), 0);
        start_recorder(w);
        journal_maker_data(j, s, STREAM_STDOUT, "second");
        journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
        read_all(w);
        struct recording r = read_recording(w, &id);
        assert_events(&r, "[0.000000, \"o\", \"first\"]\n"
                          "[0.000000, \"o\", \"second\"]\n");
        recording_free(&r);
    }
}

static void
flip(const char *path, off_t at)
{
    uint8_t byte;
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* A session with two events, and its file damaged while no recorder runs. */
static uint64_t
make_damaged(struct world *w, const struct uuid *id, bool is_header)
{
    struct journal_maker *j = &w->journal;
    char path[1024];
    const uint64_t s = journal_maker_open_session(j, id, START_US, "");
    journal_maker_data(j, s, STREAM_STDOUT, "first");
    read_all(w);
    pass(w, 5000);
    recording_path(w, id, path);
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    const off_t at = is_header ? 30 : sb.st_size - SEAL_FRAME_LEN - 8;
    journal_maker_data(j, s, STREAM_STDOUT, "second");
    read_all(w);
    pass(w, 5000);
    recorder_free(&w->recorder);
    flip(path, at);
    return s;
}

/* A power cut may lose a page below later seals. What was not synced is in the
 * journal still, and is recorded again: from the last good seal, or from the
 * beginning if there is none. */
static void
test_damaged_file(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    for (int is_header = 0; is_header < 2; is_header++) {
        const struct uuid id = new_id();
        struct recording r;
        char path[1024];
        const uint64_t s = make_damaged(w, &id, is_header);
        start_recorder(w);
        journal_maker_data(j, s, STREAM_STDOUT, "third");
        journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
        read_all(w);
        assert_index(w, &id, "status", "complete");
        recording_path(w, &id, path);
        assert_true(recording_read(path, &w->key, &r));
        assert_non_null(strstr(r.text, "first"));
        assert_non_null(strstr(r.text, "second"));
        assert_non_null(strstr(r.text, "third"));
        recording_free(&r);
    }
}

/* What the journal has let go was durable once: no crash damages that. The file
 * stays as evidence, and the index says what happened. */
static void
test_damaged_without_journal(void **state)
{
    struct world *w = *state;
    for (int is_header = 0; is_header < 2; is_header++) {
        const struct uuid id = new_id();
        char path[1024];
        char journal[1024];
        char aside[1024];
        struct stat before;
        struct stat after;
        (void)make_damaged(w, &id, is_header);
        recording_path(w, &id, path);
        snprintf(journal, sizeof journal, "%s/journal", w->state);
        snprintf(aside, sizeof aside, "%s/aside", w->state);
        assert_int_equal(stat(path, &before), 0);
        assert_int_equal(rename(journal, aside), 0);
        start_recorder(w);
        read_all(w);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(before.st_size, after.st_size);
        assert_index(w, &id, "status", "failed");
        recorder_free(&w->recorder);
        assert_int_equal(rmdir(journal), 0);
        assert_int_equal(rename(aside, journal), 0);
        start_recorder(w);
    }
}

/* What is named like a worker's folder and is none keeps nobody from work. */
static void
test_no_folder(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    char path[1024];
    snprintf(path, sizeof path,
        "%s/journal/w0-019ab809-b7e0-7000-8000-0000000000ab", w->state);
    recorder_free(&w->recorder);
    assert_int_equal(mkfifo(path, 0600), 0);
    start_recorder(w);
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    journal_maker_note(j, JOURNAL_CLOSE, s, CLOSED);
    read_all(w);
    assert_index(w, &id, "status", "complete");
    assert_int_equal(unlink(path), 0);
}

/* The recording of a running session is removed: it is said, and the others
 * go on. */
static void
test_file_removed(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    char path[1024];
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    journal_maker_data(j, s, STREAM_STDOUT, "first");
    read_all(w);
    recording_path(w, &id, path);
    assert_int_equal(unlink(path), 0);
    pass(w, 5000);
    assert_index(w, &id, "status", "failed");
    assert_index(w, &id, "sealed", "0");
    assert_int_equal(recorder_sessions(w->recorder), 0);
}

/* The worker's folder is gone, and the recorder was down meanwhile. */
static void
test_journal_gone(void **state)
{
    struct world *w = *state;
    struct journal_maker *j = &w->journal;
    const struct uuid id = new_id();
    const struct uuid bare_id = new_id();
    const uint64_t s = journal_maker_open_session(j, &id, START_US, "");
    (void)journal_maker_open_session(j, &bare_id, START_US, "");
    journal_maker_data(j, s, STREAM_STDOUT, "first");
    read_all(w);
    recorder_free(&w->recorder);
    kill_worker(w);
    temp_dir_remove(j->dir);
    start_recorder(w);
    read_all(w);
    pass(w, 250);
    struct recording r = read_recording(w, &id);
    assert_true(r.is_final);
    assert_index(w, &id, "status", "failed");
    assert_index(w, &bare_id, "status", "failed");
    recording_free(&r);
}

/* --- kill -9, in earnest ------------------------------------------------- */

#define KILL_SESSIONS 12
#define KILL_RECORDS  10000

/* A recorder of its own process, sealing as fast as it can. */
static void
record_until_killed(struct world *w)
{
    struct error err;
    const struct recorder_options options = {
        .state_dir = w->state,
        .signer = w->signer,
        .clock = &clock_system,
        .seal_interval_ms = 1,
    };
    if (recorder_new(&options, &w->recorder, &err) != STATUS_OK ||
        recorder_look_for_workers(w->recorder, NULL, NULL, &err) != STATUS_OK) {
        fprintf(stderr, "child: %s\n", err.text);
        _exit(1);
    }
    for (;;) {
        bool more;
        recorder_read(w->recorder, &more);
        recorder_tick(w->recorder);
        if (recorder_sessions(w->recorder) == 0) {
            _exit(0);
        }
    }
}

static void
put_kill_journal(struct world *w, const struct uuid ids[KILL_SESSIONS])
{
    uint64_t keys[KILL_SESSIONS];
    for (int i = 0; i < KILL_SESSIONS; i++) {
        keys[i] =
            journal_maker_open_session(&w->journal, &ids[i], START_US, "");
    }
    for (int n = 0; n < KILL_RECORDS; n++) {
        for (int i = 0; i < KILL_SESSIONS; i++) {
            char text[256];
            snprintf(text, sizeof text, "session %d record %d %0150d \xE2\x82",
                i, n, n * i);
            w->journal.mono_ns += 1000;
            journal_maker_data(&w->journal, keys[i],
                n % 7 == 0 ? STREAM_STDERR : STREAM_STDOUT, text);
        }
    }
    for (int i = 0; i < KILL_SESSIONS; i++) {
        journal_maker_note(&w->journal, JOURNAL_CLOSE, keys[i], CLOSED);
    }
}

/* What the recorder released is as good as gone: the worker may have written
 * other sessions there by now. */
static void
scrub_released(struct world *w)
{
    static const uint8_t other[4096] = {0x5a};
    uint64_t at = JOURNAL_SEGMENT_HEAD_LEN;
    const uint64_t end = journal_maker_position(&w->journal).released_lsn;
    while (at < end) {
        const size_t len =
            end - at < sizeof other ? (size_t)(end - at) : sizeof other;
        assert_int_equal(file_pwrite_all(w->journal.segment_fd,
                             span_of(other, len), (off_t)at, NULL),
            STATUS_OK);
        at += len;
    }
}

/* The bytes of the only segment, to begin each round with. */
static struct buf
copy_journal(struct world *w)
{
    char path[1024];
    char name[JOURNAL_SEGMENT_NAME_MAX];
    struct buf bytes;
    buf_init(&bytes, JOURNAL_SEGMENT_BYTES);
    journal_segment_name(0, name);
    assert_int_equal(
        file_join(path, sizeof path, w->journal.dir, name, NULL), STATUS_OK);
    assert_int_equal(file_read(path, &bytes, NULL), STATUS_OK);
    return bytes;
}

/* Runs recorders and kills them after random times until one is done. Each
 * may live a little longer, or none would ever get through its recovery. */
static unsigned
run_and_kill(struct world *w)
{
    unsigned kills = 0;
    for (;;) {
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            record_until_killed(w);
        }
        const unsigned wait_us = (unsigned)rand() % (20000 + 10000 * kills);
        int status = 0;
        for (unsigned slept = 0; slept < wait_us; slept += 1000) {
            if (waitpid(pid, &status, WNOHANG) == pid) {
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
                return kills;
            }
            usleep(1000);
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status)) { /* it was faster */
            assert_int_equal(WEXITSTATUS(status), 0);
            return kills;
        }
        kills++;
        scrub_released(w);
    }
}

static void
test_kill_at_any_moment(void **state)
{
    struct world *w = *state;
    struct uuid ids[KILL_SESSIONS];
    struct recording whole[KILL_SESSIONS];
    for (int i = 0; i < KILL_SESSIONS; i++) {
        ids[i] = new_id();
    }
    put_kill_journal(w, ids);
    struct buf segment = copy_journal(w);
    read_all(w);
    for (int i = 0; i < KILL_SESSIONS; i++) {
        whole[i] = read_recording(w, &ids[i]);
    }
    recorder_free(&w->recorder);
    srand(20261124);
    unsigned kills = 0;
    for (int round = 0; round < 3; round++) {
        static const char *const made[] = {
            "recordings", "index.db", "index.db-wal", "index.db-shm"};
        char path[1024];
        for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
            snprintf(path, sizeof path, "%s/%s", w->state, made[i]);
            temp_dir_remove(path);
        }
        snprintf(
            path, sizeof path, "%s/%s", w->journal.dir, JOURNAL_POSITION_NAME);
        temp_dir_remove(path);
        assert_int_equal(
            file_pwrite_all(w->journal.segment_fd, buf_view(&segment), 0, NULL),
            STATUS_OK);
        kills += run_and_kill(w);
        for (int i = 0; i < KILL_SESSIONS; i++) {
            struct recording r = read_recording(w, &ids[i]);
            assert_true(r.is_final);
            assert_int_equal(r.text_len, whole[i].text_len);
            assert_memory_equal(r.text, whole[i].text, r.text_len);
            assert_index(w, &ids[i], "status", "complete");
            recording_free(&r);
        }
    }
    buf_fini(&segment);
    assert_true(kills > 3); /* else nothing was tested */
    for (int i = 0; i < KILL_SESSIONS; i++) {
        recording_free(&whole[i]);
    }
    start_recorder(w);
}

#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENARIO(test_terminal),
        SCENARIO(test_exit_status),
        SCENARIO(test_split_and_invalid),
        SCENARIO(test_binary),
        SCENARIO(test_terminal_without_size),
        SCENARIO(test_size_by_the_clock),
        SCENARIO(test_silent_session),
        SCENARIO(test_refused),
        SCENARIO(test_refused_once),
        SCENARIO(test_events_outlive_their_worker),
        SCENARIO(test_day_has_one_leaf),
        SCENARIO(test_crash_before_the_leaf_of_a_day_counts),
        SCENARIO(test_worker_dies),
        SCENARIO(test_seal_interval),
        SCENARIO(test_compaction),
        SCENARIO(test_many_ends),
        SCENARIO(test_ends_wait_in_the_journal),
        SCENARIO(test_large),
        SCENARIO(test_gap),
        SCENARIO(test_crash_after_every_step),
        SCENARIO(test_torn_file),
        SCENARIO(test_damaged_file),
        SCENARIO(test_damaged_without_journal),
        SCENARIO(test_no_folder),
        SCENARIO(test_file_removed),
        SCENARIO(test_journal_gone),
        SCENARIO(test_kill_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
