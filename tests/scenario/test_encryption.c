/* Recordings that are encrypted when their sessions end: nothing in the clear
 * in recordings/ at any moment, nothing lost and nothing left behind by a
 * crash at any other. Over a journal written by the schema alone, and a clock
 * that the test moves; what came of it is read with the recipient's identity.
 */
#include "recorder/frame_file.h"
#include "recorder/recorder.h"
#include "recorder/upkeep.h"

#include "base/age_reader.h"
#include "base/file.h"
#include "tests/support/age_keys.h"
#include "tests/support/journal_maker.h"
#include "tests/support/leaves.h"
#include "tests/support/recording.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_US 1764028800000000 /* 2025-11-25T00:00:00Z */
#define DAY_US   86400000000
#define DAY      "recordings/2025/11/25/"
#define RUNNING  "journal/running/2025-11-25-"
#define CLOSED   "{\"status\":\"complete\"}"
#define SECRET   "a word that is secret"
#define FILE_MAX (64u << 20)
#define PATH_LEN 1024

struct world {
    char state[TEMP_DIR_MAX];
    uint64_t mono_ns;
    int64_t wall_us;
    struct clock clock;
    struct signer *signer;
    struct ed25519_public key;
    struct recipients to;
    struct recorder *recorder;
    struct journal_maker journal;
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

static void
start_recorder(struct world *w)
{
    struct error err;
    const struct recorder_options options = {
        .state_dir = w->state,
        .signer = w->signer,
        .clock = &w->clock,
        .seal_interval_ms = 1000,
        .recipients = w->to,
    };
    if (recorder_new(&options, &w->recorder, &err) != STATUS_OK ||
        recorder_look_for_workers(w->recorder, NULL, NULL, &err) != STATUS_OK) {
        fail_msg("recorder: %s", err.text);
    }
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
    assert_int_equal(signer_new(&w->signer, NULL), STATUS_OK);
    w->key = signer_public(w->signer);
    w->to.count = 2;
    assert_int_equal(
        age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_A), &w->to.list[0]),
        STATUS_OK);
    assert_int_equal(
        age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_B), &w->to.list[1]),
        STATUS_OK);
    journal_maker_open(&w->journal, w->state);
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
    journal_maker_close(&w->journal);
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
pass(struct world *w, int64_t us)
{
    w->mono_ns += (uint64_t)us * 1000;
    w->wall_us += us;
    recorder_tick(w->recorder);
}

/* Whatever ended is finished afterwards, in as many steps as that takes. */
static void
finish(struct world *w)
{
    read_all(w);
    for (int i = 0; i < 20; i++) {
        pass(w, 10000);
    }
}

/* --- what is on the disk ------------------------------------------------- */

static char *
at(const struct world *w, const char *name, char out[PATH_LEN])
{
    snprintf(out, PATH_LEN, "%s/%s", w->state, name);
    return out;
}

static char *
name_of(const char *before, const struct uuid *id, const char *behind,
    char out[PATH_LEN])
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    snprintf(out, PATH_LEN, "%s%s.cast.zst%s", before, text, behind);
    return out;
}

static bool
exists(const struct world *w, const char *name)
{
    char path[PATH_LEN];
    return access(at(w, name, path), F_OK) == 0;
}

static struct buf
bytes_of(const struct world *w, const char *name)
{
    char path[PATH_LEN];
    struct buf b;
    buf_init(&b, FILE_MAX);
    assert_int_equal(file_read(at(w, name, path), &b, NULL), STATUS_OK);
    return b;
}

static size_t files_seen;
static size_t files_in_the_clear;

static int
count_file(const char *path, const struct stat *info, int kind, struct FTW *f)
{
    (void)info;
    (void)f;
    const size_t len = strlen(path);
    if (kind == FTW_F) {
        files_seen++;
        files_in_the_clear += len < 4 || strcmp(path + len - 4, ".age") != 0;
    }
    return 0;
}

/* How many files a folder holds, and that those in recordings/ are all
 * encrypted and under their final names. */
static size_t
count_files(const struct world *w, const char *name)
{
    char path[PATH_LEN];
    files_seen = 0;
    files_in_the_clear = 0;
    (void)nftw(at(w, name, path), count_file, 16, FTW_PHYS);
    if (strncmp(name, "recordings", 10) == 0) {
        assert_int_equal(files_in_the_clear, 0);
    }
    return files_seen;
}

static void
put(const struct world *w, const char *name, struct span bytes)
{
    char path[PATH_LEN];
    at(w, name, path);
    assert_int_equal(file_make_parent(path, 0700, NULL), STATUS_OK);
    assert_int_equal(file_write_atomic(path, bytes, 0600, NULL), STATUS_OK);
}

/* What an encrypted file is of. */
static struct buf
decrypted(const struct world *w, const char *name, const char *identity)
{
    char path[PATH_LEN];
    struct age_identities *ids = NULL;
    struct age_reader *r = NULL;
    struct error err = {.text = ""};
    struct buf plain;
    uint8_t *dst = NULL;
    size_t got = 0;
    buf_init(&plain, FILE_MAX);
    assert_int_equal(
        age_identities_parse(span_str(identity), &ids, &err), STATUS_OK);
    const int fd = open(at(w, name, path), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (age_reader_open(fd, ids, &r, &err) != STATUS_OK) {
        fail_msg("%s: %s", name, err.text);
    }
    const size_t len = (size_t)age_reader_len(r);
    assert_int_equal(buf_reserve(&plain, len + 1, &dst), STATUS_OK);
    assert_int_equal(age_reader_pread(r, dst, len, 0, &got, &err), STATUS_OK);
    assert_int_equal(got, len);
    buf_commit(&plain, got);
    age_reader_close(&r);
    close(fd);
    age_identities_free(&ids);
    return plain;
}

/* The finished recording of an encrypted file. */
static struct recording
read_recording(const struct world *w, const char *name)
{
    char path[PATH_LEN];
    struct recording r;
    struct buf plain = decrypted(w, name, AGE_IDENTITY_B);
    put(w, "decrypted", buf_view(&plain));
    assert_true(recording_read(at(w, "decrypted", path), &w->key, &r));
    assert_true(r.is_final);
    assert_true(r.has_table);
    assert_int_equal(unlink(path), 0);
    buf_fini(&plain);
    return r;
}

/* --- the index ----------------------------------------------------------- */

static void
assert_index(const struct world *w, const struct uuid *id, const char *column,
    const char *want)
{
    char path[PATH_LEN];
    char sql[256];
    char text[UUID_TEXT_LEN + 1];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    uuid_format(id, text);
    snprintf(sql, sizeof sql, "SELECT %s FROM sessions WHERE id = '%s'", column,
        text);
    assert_int_equal(sqlite3_open_v2(at(w, "index.db", path), &db,
                         SQLITE_OPEN_READONLY, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), want);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

/* As if a crash had come before what this undoes. */
static void
forge(const struct world *w, const char *sql)
{
    char path[PATH_LEN];
    sqlite3 *db;
    assert_int_equal(sqlite3_open(at(w, "index.db", path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* --- sessions ------------------------------------------------------------ */

static uint64_t
begin(struct world *w, const struct uuid *id)
{
    const uint64_t s =
        journal_maker_open_session(&w->journal, id, START_US, "");
    journal_maker_data(&w->journal, s, STREAM_STDOUT, SECRET);
    read_all(w);
    pass(w, 2000000); /* sealed */
    return s;
}

static void
end(struct world *w, uint64_t session)
{
    journal_maker_data(&w->journal, session, STREAM_STDOUT, "the end");
    journal_maker_note(&w->journal, JOURNAL_CLOSE, session, CLOSED);
    finish(w);
}

static void
assert_encrypted(const struct world *w, const struct uuid *id)
{
    char name[PATH_LEN];
    char size[32];
    struct stat info;
    char path[PATH_LEN];
    name_of(DAY, id, ".age", name);
    struct recording r = read_recording(w, name);
    assert_non_null(strstr(r.text, SECRET));
    assert_non_null(strstr(r.text, "the end"));
    recording_free(&r);
    assert_index(w, id, "status", "complete");
    assert_index(w, id, "sealed", "1");
    assert_index(w, id, "file", name);
    assert_int_equal(stat(at(w, name, path), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    snprintf(size, sizeof size, "%lld", (long long)info.st_size);
    assert_index(w, id, "size", size);
}

static void
test_session(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char name[PATH_LEN];
    const uint64_t s = begin(w, &id);
    assert_true(exists(w, name_of(RUNNING, &id, "", name)));
    assert_int_equal(count_files(w, "recordings"), 0);
    assert_index(w, &id, "status", "active");
    assert_index(w, &id, "file", name_of(DAY, &id, ".age", name));
    assert_index(w, &id, "size", "0");
    end(w, s);
    assert_encrypted(w, &id);
    assert_int_equal(count_files(w, "recordings"), 1);
    assert_int_equal(count_files(w, "journal/running"), 0);
    struct buf a = decrypted(w, name, AGE_IDENTITY_A);
    struct buf b = decrypted(w, name, AGE_IDENTITY_B);
    assert_true(span_eq(buf_view(&a), buf_view(&b)));
    buf_fini(&a);
    buf_fini(&b);
}

/* The configuration changes while sessions run: what counts is how it is when
 * they end. */
static void
test_recipients_change(void **state)
{
    struct world *w = *state;
    const struct uuid late = uuid_v7(START_US);
    const struct uuid plain = uuid_v7(START_US);
    char name[PATH_LEN];
    const struct recipients nobody = {.count = 0};
    recorder_set_recipients(w->recorder, nobody);
    const uint64_t s = begin(w, &late);
    assert_true(exists(w, name_of(DAY, &late, "", name)));
    assert_index(w, &late, "file", name);
    recorder_set_recipients(w->recorder, w->to);
    const uint64_t t = begin(w, &plain);
    end(w, s);
    recorder_set_recipients(w->recorder, nobody);
    end(w, t);
    assert_encrypted(w, &late);
    assert_false(exists(w, name_of(DAY, &late, "", name)));
    assert_true(exists(w, name_of(DAY, &plain, "", name)));
    assert_index(w, &plain, "file", name);
    assert_false(exists(w, name_of(DAY, &plain, ".age", name)));
    assert_int_equal(count_files(w, "journal/running"), 0);
}

/* --- crashes ------------------------------------------------------------- */

static void
kill_recorder(struct world *w)
{
    recorder_free(&w->recorder);
    start_recorder(w);
    read_all(w);
    pass(w, 1000);
}

static void
test_crash_while_it_runs(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    const uint64_t s = begin(w, &id);
    kill_recorder(w);
    assert_index(w, &id, "status", "active");
    end(w, s);
    assert_encrypted(w, &id);
    assert_int_equal(count_files(w, "journal/running"), 0);
}

/* A session that ended, put back to before its row said so. */
static struct buf
undo_row(struct world *w, const struct uuid *id)
{
    char name[PATH_LEN];
    const uint64_t s = begin(w, id);
    end(w, s);
    recorder_free(&w->recorder);
    struct buf plain =
        decrypted(w, name_of(DAY, id, ".age", name), AGE_IDENTITY_A);
    put(w, name_of(RUNNING, id, "", name), buf_view(&plain));
    buf_fini(&plain);
    forge(w, "UPDATE sessions SET status = 'active', end_us = NULL, size = 0,"
             " sealed = 0");
    return bytes_of(w, name_of(DAY, id, ".age", name));
}

/* The encrypted file stood already: it is the one that the ledger may know. */
static void
test_crash_before_the_row(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char name[PATH_LEN];
    struct buf before = undo_row(w, &id);
    start_recorder(w);
    finish(w);
    struct buf after = bytes_of(w, name_of(DAY, &id, ".age", name));
    assert_true(span_eq(buf_view(&before), buf_view(&after)));
    assert_encrypted(w, &id);
    assert_int_equal(count_files(w, "journal/running"), 0);
    buf_fini(&before);
    buf_fini(&after);
}

/* Somebody else's, put there while nobody looked: what was recorded is not given
 * away for it. */
static void
test_crash_before_the_leaf(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char name[PATH_LEN];
    char path[PATH_LEN];
    struct buf file = undo_row(w, &id);
    put(w, name_of(DAY, &id, ".age", name),
        span_of(buf_view(&file).ptr, file.len - 1));
    assert_int_equal(unlink(at(w, "ledger/leaves", path)), 0);
    assert_int_equal(unlink(at(w, "ledger/checkpoint", path)), 0);
    start_recorder(w);
    finish(w);
    assert_encrypted(w, &id);
    assert_int_equal(count_files(w, "recordings"), 1);
    assert_int_equal(count_files(w, "journal/running"), 0);
    buf_fini(&file);
}

/* It was being written. */
static void
test_crash_while_encrypting(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char name[PATH_LEN];
    char path[PATH_LEN];
    struct buf file = undo_row(w, &id);
    assert_int_equal(unlink(at(w, name_of(DAY, &id, ".age", name), path)), 0);
    put(w, name_of(DAY, &id, ".age.tmp", name),
        span_of(buf_view(&file).ptr, file.len / 2));
    start_recorder(w);
    finish(w);
    assert_encrypted(w, &id);
    assert_int_equal(count_files(w, "recordings"), 1);
    assert_int_equal(count_files(w, "journal/running"), 0);
    buf_fini(&file);
}

static void
test_crash_before_the_clear_text_is_removed(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char name[PATH_LEN];
    struct buf before = undo_row(w, &id);
    forge(w, "UPDATE sessions SET status = 'complete'");
    start_recorder(w);
    assert_int_equal(count_files(w, "journal/running"), 0);
    struct buf after = bytes_of(w, name_of(DAY, &id, ".age", name));
    assert_true(span_eq(buf_view(&before), buf_view(&after)));
    buf_fini(&before);
    buf_fini(&after);
}

/* Before its first row, and its journal is gone, too. */
static void
test_crash_before_any_row(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char name[PATH_LEN];
    (void)begin(w, &id);
    recorder_free(&w->recorder);
    forge(w, "DELETE FROM sessions");
    journal_maker_close(&w->journal);
    temp_dir_remove(w->journal.dir);
    journal_maker_open(&w->journal, w->state);
    start_recorder(w);
    finish(w);
    assert_index(w, &id, "status", "failed");
    struct recording r = read_recording(w, name_of(DAY, &id, ".age", name));
    assert_non_null(strstr(r.text, SECRET));
    recording_free(&r);
    assert_int_equal(count_files(w, "journal/running"), 0);
}

/* --- crashes between a leaf and its row ---------------------------------- */

/* There is exactly one, of `name`, and of the bytes that lie there. */
static void
assert_leaf(const struct world *w, const struct uuid *id, const char *name)
{
    struct ledger_leaf leaf;
    assert_int_equal(leaves_of(w->state, id, &leaf), 1);
    assert_string_equal(leaf.file, name);
    assert_true(leaf_fits(w->state, &leaf));
}

/* A crash comes when its leaf is committed, and before its row is. */
static void
end_without_row(struct world *w, const struct uuid *id, uint64_t session)
{
    forge(w, "CREATE TRIGGER no_insert BEFORE INSERT ON sessions BEGIN"
             " SELECT RAISE(FAIL, 'a crash'); END;"
             "CREATE TRIGGER no_update BEFORE UPDATE ON sessions BEGIN"
             " SELECT RAISE(FAIL, 'a crash'); END");
    end(w, session);
    struct ledger_leaf leaf;
    assert_int_equal(leaves_of(w->state, id, &leaf), 1);
    assert_index(w, id, "status", "active");
    recorder_free(&w->recorder);
    forge(w, "DROP TRIGGER no_insert; DROP TRIGGER no_update");
}

/* Recipients when it began, when it ended, and after the crash: the leaf tells
 * what was done at the end, so that is how it stays. */
static void
assert_end_counts(struct world *w, const struct recipients *began,
    const struct recipients *ended, const struct recipients *later)
{
    const struct uuid id = uuid_v7(START_US);
    const bool is_encrypted = ended->count > 0;
    char name[PATH_LEN];
    char other[PATH_LEN];
    name_of(DAY, &id, is_encrypted ? ".age" : "", name);
    name_of(DAY, &id, is_encrypted ? "" : ".age", other);
    recorder_set_recipients(w->recorder, *began);
    const uint64_t s = begin(w, &id);
    recorder_set_recipients(w->recorder, *ended);
    end_without_row(w, &id, s);
    assert_false(exists(w, other)); /* where no start would look for it */
    struct buf before = bytes_of(w, name);
    w->to = *later;
    start_recorder(w);
    finish(w);
    struct buf after = bytes_of(w, name);
    assert_true(span_eq(buf_view(&before), buf_view(&after)));
    assert_index(w, &id, "status", "complete");
    assert_index(w, &id, "file", name);
    assert_leaf(w, &id, name);
    assert_false(exists(w, other));
    assert_int_equal(count_files(w, "journal/running"), 0);
    buf_fini(&before);
    buf_fini(&after);
}

static void
test_crash_between_leaf_and_row(void **state)
{
    struct world *w = *state;
    const struct recipients both = w->to;
    const struct recipients nobody = {.count = 0};
    struct recipients one = w->to;
    one.count = 1;
    const struct recipients *const choices[] = {&both, &nobody, &one};
    for (size_t began = 0; began < 2; began++) {
        for (size_t ended = 0; ended < 2; ended++) {
            for (size_t later = 0; later < 3; later++) {
                assert_end_counts(
                    w, choices[began], choices[ended], choices[later]);
            }
        }
    }
}

/* It began in the clear, and its end was as far as that: nothing says yet that
 * it stays there. */
static void
test_crash_before_encrypting(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    const struct recipients nobody = {.count = 0};
    char name[PATH_LEN];
    char path[PATH_LEN];
    recorder_set_recipients(w->recorder, nobody);
    const uint64_t s = begin(w, &id);
    recorder_set_recipients(w->recorder, w->to);
    at(w, name_of(DAY, &id, ".age", name), path);
    assert_int_equal(mkdir(path, 0700), 0); /* so that it cannot be there */
    end(w, s);
    assert_index(w, &id, "status", "active");
    recorder_free(&w->recorder);
    assert_int_equal(rmdir(path), 0);
    start_recorder(w);
    finish(w);
    assert_encrypted(w, &id);
    assert_leaf(w, &id, name);
    assert_int_equal(count_files(w, "recordings"), 1);
}

/* --- what cannot be gone on with ----------------------------------------- */

/* Damage to what the journal does not have any more is evidence: it is kept as
 * it is, and encrypted as the rest. */
static void
test_damaged(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char name[PATH_LEN];
    char aside[PATH_LEN];
    (void)begin(w, &id);
    recorder_free(&w->recorder);
    struct buf file = bytes_of(w, name_of(RUNNING, &id, "", name));
    file.data[file.off + 30] ^= 0x40;
    put(w, name, buf_view(&file));
    assert_int_equal(rename(w->journal.dir, at(w, "aside", aside)), 0);
    start_recorder(w);
    read_all(w);
    assert_index(w, &id, "status", "failed");
    assert_index(w, &id, "file", name_of(DAY, &id, ".age", name));
    struct buf kept = decrypted(w, name, AGE_IDENTITY_A);
    assert_true(span_eq(buf_view(&kept), buf_view(&file)));
    assert_int_equal(count_files(w, "journal/running"), 0);
    buf_fini(&file);
    buf_fini(&kept);
}

/* Somebody removed it while it ran: that is said, and the others go on. */
static void
test_removed(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    char name[PATH_LEN];
    char path[PATH_LEN];
    const uint64_t s = begin(w, &id);
    assert_int_equal(unlink(at(w, name_of(RUNNING, &id, "", name), path)), 0);
    end(w, s);
    assert_index(w, &id, "status", "failed");
    assert_int_equal(count_files(w, "recordings"), 0);
}

/* --- the day's file ------------------------------------------------------ */

static void
refuse(struct world *w, const struct uuid *id)
{
    const uint64_t s =
        journal_maker_open_session(&w->journal, id, w->wall_us, "");
    journal_maker_note(&w->journal, JOURNAL_CLOSE, s,
        "{\"status\":\"refused\",\"reason\":\"" SECRET "\"}");
    read_all(w);
    assert_index(w, id, "status", "refused");
}

static bool
tells_of(const struct recording *r, const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    return strstr(r->text, text) != NULL;
}

static void
test_attempts(void **state)
{
    struct world *w = *state;
    struct uuid ids[4];
    for (int i = 0; i < 4; i++) {
        ids[i] = uuid_v7(START_US + i);
    }
    refuse(w, &ids[0]);
    assert_true(exists(w, RUNNING "attempts.cast.zst"));
    assert_int_equal(count_files(w, "recordings"), 0);
    kill_recorder(w);
    refuse(w, &ids[1]);
    w->wall_us += DAY_US; /* the next day begins with one of its own */
    refuse(w, &ids[2]);
    assert_false(exists(w, RUNNING "attempts.cast.zst"));
    struct recording r = read_recording(w, DAY "attempts.cast.zst.age");
    assert_true(tells_of(&r, &ids[0]));
    assert_true(tells_of(&r, &ids[1]));
    assert_false(tells_of(&r, &ids[2]));
    recording_free(&r);

    /* A late one of a day that is closed: with the next. */
    recorder_free(&w->recorder);
    struct buf before = bytes_of(w, DAY "attempts.cast.zst.age");
    w->wall_us -= DAY_US;
    start_recorder(w);
    refuse(w, &ids[3]);
    struct buf after = bytes_of(w, DAY "attempts.cast.zst.age");
    assert_true(span_eq(buf_view(&before), buf_view(&after)));
    assert_true(exists(w, "journal/running/2025-11-26-attempts.cast.zst"));
    buf_fini(&before);
    buf_fini(&after);

    /* A stop over the end of a day. */
    recorder_free(&w->recorder);
    w->wall_us += 3 * DAY_US;
    start_recorder(w);
    pass(w, 1000);
    assert_int_equal(count_files(w, "journal/running"), 0);
    r = read_recording(w, "recordings/2025/11/26/attempts.cast.zst.age");
    assert_true(tells_of(&r, &ids[2]));
    assert_true(tells_of(&r, &ids[3]));
    recording_free(&r);
}

static struct uuid
id_of_attempts(const struct world *w, const char *name)
{
    char path[PATH_LEN];
    struct uuid id;
    assert_true(frame_file_read_id(at(w, name, path), &id));
    return id;
}

/* The day's file began in the clear, and its day ends with recipients. */
static void
test_attempts_begun_in_the_clear(void **state)
{
    struct world *w = *state;
    const struct uuid ids[] = {uuid_v7(START_US), uuid_v7(START_US + 1)};
    const struct recipients nobody = {.count = 0};
    recorder_set_recipients(w->recorder, nobody);
    refuse(w, &ids[0]);
    const struct uuid day = id_of_attempts(w, DAY "attempts.cast.zst");
    recorder_set_recipients(w->recorder, w->to);
    w->wall_us += DAY_US;
    refuse(w, &ids[1]);
    assert_leaf(w, &day, DAY "attempts.cast.zst.age");
    assert_int_equal(count_files(w, "recordings"), 1);
    assert_int_equal(count_files(w, "journal/running"), 1); /* today's */
}

/* A crash came when the day's file was finished, and before it was encrypted:
 * nothing says yet that it stays in the clear. */
static void
test_crash_before_encrypting_attempts(void **state)
{
    struct world *w = *state;
    const struct uuid id = uuid_v7(START_US);
    const struct recipients nobody = {.count = 0};
    char path[PATH_LEN];
    recorder_set_recipients(w->recorder, nobody);
    refuse(w, &id);
    const struct uuid day = id_of_attempts(w, DAY "attempts.cast.zst");
    recorder_set_recipients(w->recorder, w->to);
    at(w, DAY "attempts.cast.zst.age", path);
    assert_int_equal(mkdir(path, 0700), 0); /* so that it cannot be there */
    pass(w, DAY_US + DAY_US / 12);
    recorder_free(&w->recorder);
    assert_int_equal(rmdir(path), 0);
    start_recorder(w);
    pass(w, 1000);
    assert_leaf(w, &day, DAY "attempts.cast.zst.age");
    assert_int_equal(count_files(w, "recordings"), 1);
    assert_int_equal(count_files(w, "journal/running"), 0);
}

/* Whoever rebuilds the index reads today's where it lies; those of a day that
 * was encrypted are kept as they are. */
static void
test_index_keeps_attempts(void **state)
{
    struct world *w = *state;
    const struct uuid ids[] = {uuid_v7(START_US), uuid_v7(START_US + 1)};
    const struct control_request request = {.verb = CONTROL_REINDEX};
    const struct upkeep_asker nobody = {.ctx = w};
    refuse(w, &ids[0]);
    w->wall_us += DAY_US;
    refuse(w, &ids[1]);
    upkeep_ask(recorder_upkeep(w->recorder), &request, "auditor", &nobody);
    while (upkeep_step(recorder_upkeep(w->recorder))) {
        pass(w, 1000);
    }
    assert_index(w, &ids[0], "status", "refused");
    assert_index(w, &ids[1], "status", "refused");

    recorder_free(&w->recorder);
    forge(w, "DELETE FROM sessions; INSERT INTO rebuilding VALUES (1)");
    start_recorder(w);
    while (upkeep_step(recorder_upkeep(w->recorder))) {
        pass(w, 1000);
    }
    assert_index(w, &ids[1], "status", "refused");
}

static void
test_damaged_attempts(void **state)
{
    struct world *w = *state;
    const struct uuid ids[] = {uuid_v7(START_US), uuid_v7(START_US + 1)};
    refuse(w, &ids[0]);
    recorder_free(&w->recorder);
    struct buf file = bytes_of(w, RUNNING "attempts.cast.zst");
    file.data[file.off + 30] ^= 0x40;
    put(w, RUNNING "attempts.cast.zst", buf_view(&file));
    buf_fini(&file);
    start_recorder(w);
    refuse(w, &ids[1]);
    assert_int_equal(count_files(w, "recordings"), 1); /* put aside */
    assert_int_equal(count_files(w, "journal/running"), 1);
}

/* --- kill -9, in earnest ------------------------------------------------- */

#define KILL_SESSIONS 8
#define KILL_RECORDS  1500

static void
record_until_killed(struct world *w)
{
    struct error err;
    const struct recorder_options options = {
        .state_dir = w->state,
        .signer = w->signer,
        .clock = &clock_system,
        .seal_interval_ms = 1,
        .recipients = w->to,
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
        if (!more && recorder_sessions(w->recorder) == 0) {
            _exit(0);
        }
    }
}

static void
put_kill_journal(struct world *w, const struct uuid ids[KILL_SESSIONS])
{
    for (int i = 0; i < KILL_SESSIONS; i++) {
        const uint64_t s =
            journal_maker_open_session(&w->journal, &ids[i], START_US, "");
        for (int n = 0; n < KILL_RECORDS; n++) {
            char text[256];
            snprintf(
                text, sizeof text, "session %d record %d %0150d;", i, n, n * i);
            journal_maker_data(&w->journal, s, STREAM_STDOUT, text);
        }
        journal_maker_note(&w->journal, JOURNAL_CLOSE, s, CLOSED);
    }
}

/* Kills recorders after random times, each a little later, until one is
 * done; how many. */
static unsigned
run_and_kill(struct world *w)
{
    for (unsigned kills = 0;; kills++) {
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            record_until_killed(w);
        }
        const unsigned wait_us = (unsigned)rand() % (10000 + 5000 * kills);
        int status = 0;
        for (unsigned slept = 0; slept < wait_us; slept += 500) {
            if (waitpid(pid, &status, WNOHANG) == pid) {
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
                return kills;
            }
            usleep(500);
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status)) { /* it was faster */
            assert_int_equal(WEXITSTATUS(status), 0);
            return kills;
        }
    }
}

static void
assert_whole(const struct world *w, const struct uuid *id, int session)
{
    char name[PATH_LEN];
    struct recording r = read_recording(w, name_of(DAY, id, ".age", name));
    const char *at_text = r.text;
    for (int n = 0; n < KILL_RECORDS; n++) {
        char want[64];
        snprintf(want, sizeof want, "\"session %d record %d ", session, n);
        at_text = strstr(at_text, want);
        assert_non_null(at_text);
    }
    assert_index(w, id, "status", "complete");
    assert_index(w, id, "file", name);
    recording_free(&r);
}

static void
test_kill_at_any_moment(void **state)
{
    struct world *w = *state;
    struct uuid ids[KILL_SESSIONS];
    unsigned kills = 0;
    recorder_free(&w->recorder);
    srand(20261125);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < KILL_SESSIONS; i++) {
            ids[i] = uuid_v7(START_US);
        }
        put_kill_journal(w, ids);
        kills += run_and_kill(w);
        for (int i = 0; i < KILL_SESSIONS; i++) {
            assert_whole(w, &ids[i], i);
        }
        assert_int_equal(count_files(w, "journal/running"), 0);
        assert_int_equal(
            count_files(w, "recordings"), (size_t)(round + 1) * KILL_SESSIONS);
    }
    assert_true(kills > 3); /* else nothing was tested */
    start_recorder(w);
}

#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENARIO(test_session),
        SCENARIO(test_recipients_change),
        SCENARIO(test_crash_while_it_runs),
        SCENARIO(test_crash_before_the_row),
        SCENARIO(test_crash_before_the_leaf),
        SCENARIO(test_crash_while_encrypting),
        SCENARIO(test_crash_before_the_clear_text_is_removed),
        SCENARIO(test_crash_before_any_row),
        SCENARIO(test_crash_between_leaf_and_row),
        SCENARIO(test_crash_before_encrypting),
        SCENARIO(test_damaged),
        SCENARIO(test_removed),
        SCENARIO(test_attempts),
        SCENARIO(test_attempts_begun_in_the_clear),
        SCENARIO(test_crash_before_encrypting_attempts),
        SCENARIO(test_index_keeps_attempts),
        SCENARIO(test_damaged_attempts),
        SCENARIO(test_kill_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
