/* A worker's journal in a folder of its own, read back by schema/journal
 * alone, with a helper thread that is real and a clock that is not. */
#include "proxy/journal_writer.h"

#include "base/file.h"
#include "proxy/limits.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB         (1u << 20)
#define WAIT_MS     20000
#define TIMEOUT_MS  5000u
#define SYNC_MS     20u
#define MAX_BYTES   (UINT64_C(1) << 30)
#define RECORDS_MAX 4096

static uint64_t mono_ns;
static int64_t wall_us;

static uint64_t
fake_mono_ns(void *self)
{
    (void)self;
    return mono_ns;
}

static int64_t
fake_wall_us(void *self)
{
    (void)self;
    return wall_us;
}

static const struct clock clock_fake = {fake_mono_ns, fake_wall_us, NULL};

/* ---- the stage ---- */

struct stage {
    char root[TEMP_DIR_MAX];
    char dir[PATH_MAX]; /* the worker's */
    struct loop *loop;
    struct log log;
    struct journal_writer *w;
    int synced; /* on_synced was called */
    uint8_t *payload;
};

static void
stage_on_synced(void *ctx)
{
    struct stage *s = ctx;
    s->synced++;
}

static void
find_dir(struct stage *s)
{
    DIR *d = opendir(s->root);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (e->d_name[0] == 'w') {
            assert_int_equal(
                file_join(s->dir, PATH_MAX, s->root, e->d_name, NULL),
                STATUS_OK);
        }
    }
    closedir(d);
    assert_true(s->dir[0] != '\0');
}

static void
stage_open_with_limits(struct stage *s, enum config_durability durability,
    uint32_t sync_ms, const struct journal_health_limits *limits)
{
    *s = (struct stage){0};
    temp_dir_make(s->root);
    mono_ns = 1000000000;
    wall_us = 1764028800000000;
    s->log = (struct log){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC),
        .level = LOG_ERROR,
        .clock = &clock_fake,
        .program = "test"};
    s->payload = malloc(JOURNAL_PAYLOAD_MAX);
    assert_non_null(s->payload);
    memset(s->payload, 'p', JOURNAL_PAYLOAD_MAX);
    assert_int_equal(loop_new(&s->loop, NULL), STATUS_OK);
    assert_int_equal(journal_writer_open(s->loop, &clock_fake, &s->log,
                         &(struct journal_writer_options){
                             .journal_dir = s->root,
                             .worker_index = 3,
                             .durability = durability,
                             .sync_interval_ms = sync_ms,
                             .limits = *limits,
                         },
                         stage_on_synced, s, &s->w, NULL),
        STATUS_OK);
    find_dir(s);
}

static void
stage_open_with(struct stage *s, enum config_durability durability,
    uint32_t sync_ms, uint64_t max_bytes)
{
    stage_open_with_limits(s, durability, sync_ms,
        &(struct journal_health_limits){
            .max_bytes = max_bytes,
            .recorder_timeout_ms = TIMEOUT_MS,
        });
}

static void
stage_open(struct stage *s)
{
    stage_open_with(s, CONFIG_DURABILITY_JOURNAL, SYNC_MS, MAX_BYTES);
}

static void
stage_close(struct stage *s)
{
    journal_writer_close(&s->w);
    loop_free(&s->loop);
    close(s->log.fd);
    free(s->payload);
    temp_dir_remove(s->root);
}

static void
nap(void)
{
    const struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
}

static bool
exists(const struct stage *s, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    assert_int_equal(file_join(path, PATH_MAX, s->dir, name, NULL), STATUS_OK);
    return stat(path, &st) == 0;
}

static bool
has_segment(const struct stage *s, uint64_t number)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    journal_segment_name(number, name);
    return exists(s, name);
}

/* ---- writing ---- */

static uint64_t
put(struct stage *s, enum journal_kind kind, uint64_t session, size_t len)
{
    uint64_t lsn = 0;
    const enum journal_stream stream =
        kind == JOURNAL_DATA ? STREAM_STDOUT : STREAM_STDIN;
    assert_int_equal(journal_writer_append(s->w, kind, stream, session,
                         span_of(s->payload, len), &lsn),
        STATUS_OK);
    return lsn;
}

/* Until all is deliverable, as the worker's turns would. */
static void
settle(struct stage *s)
{
    for (int i = 0; i < WAIT_MS; i++) {
        journal_writer_flush(s->w);
        if (journal_writer_deliverable(s->w) == journal_writer_end(s->w)) {
            return;
        }
        nap();
        loop_run_once(s->loop);
    }
    fail_msg("what was written never became deliverable");
}

/* Leaves exactly `left` bytes in the segment. */
static void
fill_to(struct stage *s, size_t left)
{
    const uint64_t end = journal_writer_end(s->w);
    const uint64_t segment = (end - 1) / JOURNAL_SEGMENT_BYTES;
    uint64_t room = (segment + 1) * JOURNAL_SEGMENT_BYTES - end - left;
    while (room > 2 * journal_record_size(MIB)) {
        (void)put(s, JOURNAL_DATA, JOURNAL_SEGMENT_HEAD_LEN, MIB);
        room -= journal_record_size(MIB);
        settle(s);
    }
    const size_t half =
        ((size_t)room - 2 * JOURNAL_RECORD_HEAD_LEN) / 2 / 8 * 8;
    (void)put(s, JOURNAL_DATA, JOURNAL_SEGMENT_HEAD_LEN, half);
    room -= journal_record_size(half);
    (void)put(s, JOURNAL_DATA, JOURNAL_SEGMENT_HEAD_LEN,
        (size_t)room - JOURNAL_RECORD_HEAD_LEN);
    const uint64_t now = journal_writer_end(s->w);
    assert_int_equal((segment + 1) * JOURNAL_SEGMENT_BYTES - now, left);
    settle(s);
}

/* ---- reading back ---- */

struct read_back {
    struct journal_record records[RECORDS_MAX];
    size_t count;
    size_t pads;
    uint8_t *bytes; /* of the segment read last */
};

static bool
read_segment(const struct stage *s, uint64_t number, struct read_back *r)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char path[PATH_MAX];
    size_t got = 0;
    struct journal_segment head;
    journal_segment_name(number, name);
    assert_int_equal(file_join(path, PATH_MAX, s->dir, name, NULL), STATUS_OK);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    if (r->bytes == NULL) {
        r->bytes = malloc(JOURNAL_SEGMENT_BYTES + 1);
        assert_non_null(r->bytes);
    }
    assert_int_equal(
        file_pread(fd, r->bytes, JOURNAL_SEGMENT_BYTES + 1, 0, &got, NULL),
        STATUS_OK);
    close(fd);
    assert_int_equal(got, JOURNAL_SEGMENT_BYTES); /* never grows */
    assert_int_equal(
        journal_segment_decode(
            span_of(r->bytes, JOURNAL_SEGMENT_HEAD_LEN), &head, NULL),
        STATUS_OK);
    assert_int_equal(head.number, number);
    const struct uuid id = journal_writer_id(s->w);
    assert_memory_equal(&head.worker, &id, sizeof id);
    size_t at = JOURNAL_SEGMENT_HEAD_LEN;
    for (;;) {
        struct journal_record one;
        size_t size = 0;
        const enum journal_read read = journal_record_decode(
            span_of(r->bytes + at, JOURNAL_SEGMENT_BYTES - at),
            number * JOURNAL_SEGMENT_BYTES + at, head.salt, &one, &size);
        assert_int_not_equal(read, JOURNAL_READ_TORN);
        if (read == JOURNAL_READ_END) {
            return true;
        }
        if (one.kind == JOURNAL_PAD) {
            r->pads++;
            return true;
        }
        assert_true(r->count < RECORDS_MAX);
        r->records[r->count] = one;
        r->count++;
        at += size;
    }
}

static struct read_back *
read_all(const struct stage *s, uint64_t from)
{
    struct read_back *r = calloc(1, sizeof *r);
    assert_non_null(r);
    while (read_segment(s, from, r)) {
        from++;
    }
    return r;
}

static void
read_free(struct read_back *r)
{
    free(r->bytes);
    free(r);
}

static void
publish(const struct stage *s, const struct journal_position *p)
{
    uint8_t bytes[JOURNAL_POSITION_LEN];
    char path[PATH_MAX];
    journal_position_encode(p, bytes);
    assert_int_equal(
        file_join(path, PATH_MAX, s->dir, JOURNAL_POSITION_NAME, NULL),
        STATUS_OK);
    assert_int_equal(
        file_write_atomic(path, span_of(bytes, sizeof bytes), 0600, NULL),
        STATUS_OK);
    mono_ns += 300000000; /* the file is looked at now and then */
}

static void
expect_ready(struct stage *s, const char *why_not)
{
    const char *why = journal_writer_why_not(s->w, JOURNAL_NEED_OPEN);
    assert_string_equal(why == NULL ? "" : why, why_not);
}

static void
await_ready(struct stage *s, bool is_ready)
{
    for (int i = 0; i < WAIT_MS; i++) {
        if ((journal_writer_why_not(s->w, JOURNAL_NEED_OPEN) == NULL) ==
            is_ready) {
            return;
        }
        nap();
        loop_run_once(s->loop);
    }
    fail_msg("sessions %s", is_ready ? "stay refused" : "are still opened");
}

/* ---- records ---- */

static void
records_decode_back(void **state)
{
    (void)state;
    struct stage s;
    bool is_locked = false;
    char lock[PATH_MAX];
    stage_open(&s);
    assert_int_equal(
        file_join(lock, PATH_MAX, s.dir, JOURNAL_LOCK_NAME, NULL), STATUS_OK);
    assert_int_equal(file_is_locked(lock, &is_locked, NULL), STATUS_OK);
    assert_true(is_locked);
    const uint64_t key = put(&s, JOURNAL_OPEN, 999, 5);
    assert_int_equal(key, JOURNAL_SEGMENT_HEAD_LEN);
    mono_ns += 77;
    const uint64_t second = put(&s, JOURNAL_DATA, key, 3);
    const uint64_t third = put(&s, JOURNAL_CLOSE, key, 0);
    journal_writer_flush(s.w);
    struct read_back *r = read_all(&s, 0);
    assert_int_equal(r->count, 3);
    assert_int_equal(r->records[0].kind, JOURNAL_OPEN);
    assert_int_equal(r->records[0].session, key);
    assert_int_equal(r->records[0].payload.len, 5);
    assert_int_equal(r->records[1].lsn, second);
    assert_int_equal(r->records[1].session, key);
    assert_int_equal(r->records[1].stream, STREAM_STDOUT);
    assert_int_equal(r->records[1].mono_ns, 1000000077);
    assert_memory_equal(r->records[1].payload.ptr, "ppp", 3);
    assert_int_equal(r->records[2].lsn, third);
    assert_int_equal(r->records[2].kind, JOURNAL_CLOSE);
    read_free(r);
    stage_close(&s);
}

static void
nothing_is_deliverable_before_it_is_written(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    const uint64_t start = journal_writer_end(s.w);
    assert_int_equal(journal_writer_deliverable(s.w), start);
    (void)put(&s, JOURNAL_DATA, 128, 100);
    assert_true(journal_writer_end(s.w) > start);
    assert_int_equal(journal_writer_deliverable(s.w), start);
    journal_writer_flush(s.w);
    assert_int_equal(journal_writer_deliverable(s.w), journal_writer_end(s.w));
    stage_close(&s);
}

/* A large record takes what waits before it along, in order. */
static void
large_records_are_written_at_once(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    (void)put(&s, JOURNAL_DATA, 128, 10);
    (void)put(&s, JOURNAL_DATA, 128, 64u << 10);
    assert_int_equal(journal_writer_deliverable(s.w), journal_writer_end(s.w));
    (void)put(&s, JOURNAL_DATA, 128, 11);
    assert_true(journal_writer_deliverable(s.w) < journal_writer_end(s.w));
    journal_writer_flush(s.w);
    struct read_back *r = read_all(&s, 0);
    assert_int_equal(r->count, 3);
    assert_int_equal(r->records[1].payload.len, 64u << 10);
    assert_int_equal(r->records[2].payload.len, 11);
    read_free(r);
    stage_close(&s);
}

/* ---- pages ---- */

static void
turn_page(size_t left, size_t next_len, size_t pads)
{
    struct stage s;
    stage_open(&s);
    (void)put(&s, JOURNAL_OPEN, 0, 8);
    fill_to(&s, left);
    struct read_back *before = read_all(&s, 0);
    const uint64_t lsn = put(&s, JOURNAL_DATA, 128, next_len);
    (void)put(&s, JOURNAL_CLOSE, 128, 16);
    settle(&s);
    assert_int_equal(
        lsn, (uint64_t)JOURNAL_SEGMENT_BYTES + JOURNAL_SEGMENT_HEAD_LEN);
    struct read_back *r = read_all(&s, 0);
    assert_int_equal(r->count, before->count + 2);
    assert_int_equal(r->pads, pads);
    assert_int_equal(r->records[before->count].lsn, lsn);
    assert_int_equal(r->records[before->count].payload.len, next_len);
    assert_int_equal(r->records[before->count + 1].kind, JOURNAL_CLOSE);
    read_free(before);
    read_free(r);
    stage_close(&s);
}

static void
a_page_turns_with_a_pad(void **state)
{
    (void)state;
    turn_page(JOURNAL_RECORD_HEAD_LEN, 8, 1);
    turn_page(96, 100, 1);
    turn_page(4096, 64u << 10, 1);
}

static void
a_page_turns_without_room_for_a_pad(void **state)
{
    (void)state;
    turn_page(8, 8, 0);
    turn_page(JOURNAL_RECORD_HEAD_LEN - 8, 64u << 10, 0);
}

static void
a_page_that_is_full_to_the_last_byte_turns(void **state)
{
    (void)state;
    turn_page(0, 8, 0);
    turn_page(0, 64u << 10, 0);
}

/* The records on both sides of the turn wait in one batch. */
static void
a_page_turns_within_a_batch(void **state)
{
    (void)state;
    static const size_t lefts[] = {48, 56, 96, 200};
    for (size_t i = 0; i < sizeof lefts / sizeof lefts[0]; i++) {
        struct stage s;
        stage_open(&s);
        (void)put(&s, JOURNAL_OPEN, 0, 8);
        fill_to(&s, lefts[i]);
        struct read_back *before = read_all(&s, 0);
        for (int n = 0; n < 20; n++) {
            (void)put(&s, JOURNAL_DATA, 128, 8);
        }
        assert_true(journal_writer_deliverable(s.w) < JOURNAL_SEGMENT_BYTES);
        settle(&s);
        struct read_back *r = read_all(&s, 0);
        assert_int_equal(r->count, before->count + 20);
        read_free(before);
        read_free(r);
        stage_close(&s);
    }
}

/* ---- segments ---- */

static void
a_released_segment_is_used_again(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    (void)put(&s, JOURNAL_OPEN, 0, 8);
    fill_to(&s, 0);
    (void)put(&s, JOURNAL_DATA, 128, 8);
    settle(&s);
    assert_true(has_segment(&s, 0));
    publish(&s, &(struct journal_position){
                    .read_lsn = journal_writer_end(s.w),
                    .released_lsn = JOURNAL_SEGMENT_BYTES,
                    .wall_us = wall_us,
                });
    expect_ready(&s, "");
    fill_to(&s, 0); /* the spare that was made before serves this turn */
    (void)put(&s, JOURNAL_DATA, 128, 8);
    settle(&s);
    for (int i = 0; i < WAIT_MS && has_segment(&s, 0); i++) {
        nap();
        loop_run_once(s.loop);
    }
    assert_false(has_segment(&s, 0));
    fill_to(&s, 0);
    (void)put(&s, JOURNAL_DATA, 128, 8);
    settle(&s);
    /* Its stale records are none. */
    struct read_back *r = calloc(1, sizeof *r);
    assert_non_null(r);
    assert_true(read_segment(&s, 3, r));
    assert_int_equal(r->count, 1);
    read_free(r);
    stage_close(&s);
}

/* A recorder that was away has left many: they go when it is back. */
static void
the_surplus_goes_back_to_the_disk(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    (void)put(&s, JOURNAL_OPEN, 0, 8);
    for (int i = 0; i < 4; i++) {
        fill_to(&s, 0);
        (void)put(&s, JOURNAL_DATA, 128, 8);
        settle(&s);
    }
    assert_true(has_segment(&s, 0));
    assert_true(has_segment(&s, 4));
    publish(&s, &(struct journal_position){
                    .read_lsn = journal_writer_end(s.w),
                    .released_lsn = UINT64_C(4) * JOURNAL_SEGMENT_BYTES,
                    .wall_us = wall_us,
                });
    expect_ready(&s, "");
    fill_to(&s, 0);
    (void)put(&s, JOURNAL_DATA, 128, 8);
    settle(&s);
    for (int i = 0; i < WAIT_MS && has_segment(&s, 3); i++) {
        nap();
        loop_run_once(s.loop);
    }
    for (uint64_t n = 0; n < 4; n++) {
        assert_false(has_segment(&s, n));
    }
    assert_true(has_segment(&s, 4)); /* not released */
    stage_close(&s);
}

/* ---- failing ---- */

static struct rlimit
limit_files(rlim_t bytes)
{
    struct rlimit had;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &had), 0);
    const struct rlimit now = {bytes, had.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
    return had;
}

static void
what_cannot_be_written_is_kept_and_tried_again(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    (void)put(&s, JOURNAL_OPEN, 0, 1000);
    journal_writer_flush(s.w);
    const uint64_t written = journal_writer_deliverable(s.w);
    const struct rlimit had = limit_files(2048);
    for (int i = 0; i < 5; i++) {
        (void)put(&s, JOURNAL_DATA, 128, 700);
        (void)put(&s, JOURNAL_DATA, 128, 64u << 10);
        journal_writer_flush(s.w);
        assert_int_equal(journal_writer_deliverable(s.w), written);
    }
    expect_ready(&s, "the session journal cannot be written");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
    journal_writer_flush(s.w);
    assert_int_equal(journal_writer_deliverable(s.w), journal_writer_end(s.w));
    expect_ready(&s, "");
    struct read_back *r = read_all(&s, 0);
    assert_int_equal(r->count, 11);
    for (size_t i = 1; i < 11; i++) {
        assert_int_equal(
            r->records[i].payload.len, i % 2 == 1 ? 700 : 64u << 10);
    }
    read_free(r);
    stage_close(&s);
}

static void
the_batch_has_a_cap(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    const struct rlimit had = limit_files(64);
    assert_true(journal_writer_has_room(s.w, LIMIT_READ_BYTES));
    size_t count = 0;
    while (journal_writer_has_room(s.w, 64u << 10)) {
        (void)put(&s, JOURNAL_DATA, 128, 64u << 10);
        count++;
        assert_true(count < 1000);
    }
    enum status st = STATUS_OK;
    while (st == STATUS_OK) {
        st = journal_writer_append(s.w, JOURNAL_DATA, STREAM_STDOUT, 128,
            span_of(s.payload, 64u << 10), NULL);
        count += st == STATUS_OK ? 1 : 0;
    }
    assert_int_equal(st, STATUS_LIMIT);
    assert_true(count * (64u << 10) <= LIMIT_JOURNAL_BATCH_BYTES);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
    settle(&s);
    assert_true(journal_writer_has_room(s.w, LIMIT_READ_BYTES));
    struct read_back *r = read_all(&s, 0);
    assert_int_equal(r->count, count);
    read_free(r);
    stage_close(&s);
}

/* No segment to go on in: sessions are refused while there is still room for
 * those that run, and opened again when the disk has room. */
static void
a_disk_without_room_for_a_spare_is_told_and_got_over(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    (void)put(&s, JOURNAL_OPEN, 0, 8);
    fill_to(&s, 0);
    for (int i = 0; i < WAIT_MS && !exists(&s, "spare"); i++) {
        nap();
    }
    loop_run_once(s.loop);
    const struct rlimit had = limit_files(JOURNAL_SEGMENT_BYTES - 1);
    (void)put(&s, JOURNAL_DATA, 128, 8);
    settle(&s);
    await_ready(&s, false);
    expect_ready(&s, "the session journal cannot be written");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
    await_ready(&s, true);
    expect_ready(&s, "");
    stage_close(&s);
}

/* ---- durability ---- */

static void
strict_waits_for_the_disk(void **state)
{
    (void)state;
    struct stage s;
    stage_open_with(&s, CONFIG_DURABILITY_STRICT, 60000, MAX_BYTES);
    const uint64_t start = journal_writer_deliverable(s.w);
    (void)put(&s, JOURNAL_DATA, 128, 64u << 10);
    (void)put(&s, JOURNAL_DATA, 128, 100);
    journal_writer_flush(s.w);
    assert_int_equal(journal_writer_deliverable(s.w), start);
    const int synced = s.synced;
    settle(&s);
    assert_true(s.synced > synced);
    fill_to(&s, 16); /* and across a page */
    (void)put(&s, JOURNAL_DATA, 128, 100);
    settle(&s);
    stage_close(&s);
}

static void
the_end_flushes(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    (void)put(&s, JOURNAL_OPEN, 0, 8);
    const struct uuid id = journal_writer_id(s.w);
    journal_writer_close(&s.w);
    char path[PATH_MAX];
    bool is_locked = true;
    assert_int_equal(
        file_join(path, PATH_MAX, s.dir, JOURNAL_LOCK_NAME, NULL), STATUS_OK);
    assert_int_equal(file_is_locked(path, &is_locked, NULL), STATUS_OK);
    assert_false(is_locked);
    char name[JOURNAL_SEGMENT_NAME_MAX];
    uint8_t bytes[JOURNAL_SEGMENT_HEAD_LEN + 48];
    size_t got = 0;
    size_t size = 0;
    struct journal_segment head;
    struct journal_record r;
    journal_segment_name(0, name);
    assert_int_equal(file_join(path, PATH_MAX, s.dir, name, NULL), STATUS_OK);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(
        file_pread(fd, bytes, sizeof bytes, 0, &got, NULL), STATUS_OK);
    close(fd);
    assert_int_equal(journal_segment_decode(
                         span_of(bytes, JOURNAL_SEGMENT_HEAD_LEN), &head, NULL),
        STATUS_OK);
    assert_memory_equal(&head.worker, &id, sizeof id);
    assert_int_equal(
        journal_record_decode(span_of(bytes + JOURNAL_SEGMENT_HEAD_LEN, 48),
            JOURNAL_SEGMENT_HEAD_LEN, head.salt, &r, &size),
        JOURNAL_READ_RECORD);
    stage_close(&s);
}

/* ---- readiness ---- */

static void
a_silent_recorder_is_told(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    expect_ready(&s, "");
    mono_ns += TIMEOUT_MS * UINT64_C(1000000);
    expect_ready(&s, ""); /* it had its time to start */
    mono_ns += 1000000;
    expect_ready(&s, "the recorder is not running");
    assert_non_null(journal_writer_why_not(s.w, JOURNAL_NEED_RECORD));
    assert_null(journal_writer_why_not(s.w, JOURNAL_NEED_WRITE));
    publish(&s, &(struct journal_position){.wall_us = wall_us});
    expect_ready(&s, "");
    mono_ns += TIMEOUT_MS * UINT64_C(1000000) + 1000000;
    expect_ready(&s, "the recorder is not running");
    stage_close(&s);
}

/* A wall clock that is set says nothing about the recorder. */
static void
a_clock_that_is_set_is_no_silence(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    publish(&s, &(struct journal_position){.wall_us = wall_us});
    expect_ready(&s, "");
    wall_us += INT64_C(3600) * 1000000;
    expect_ready(&s, "");
    wall_us -= INT64_C(7200) * 1000000;
    mono_ns += TIMEOUT_MS * UINT64_C(1000000) + 1000000;
    expect_ready(&s, "the recorder is not running");
    stage_close(&s);
}

static void
a_backlog_is_told(void **state)
{
    (void)state;
    struct stage s;
    stage_open_with(&s, CONFIG_DURABILITY_JOURNAL, SYNC_MS, 3 * MIB);
    for (int i = 0; i < 3; i++) {
        expect_ready(&s, "");
        (void)put(&s, JOURNAL_DATA, 128, MIB);
    }
    expect_ready(&s, "the recorder is too far behind");
    assert_non_null(journal_writer_why_not(s.w, JOURNAL_NEED_WRITE));
    /* Just below the cap the next record would be above it again. */
    publish(&s, &(struct journal_position){
                    .read_lsn = 2 * MIB,
                    .released_lsn = 4096,
                    .wall_us = wall_us,
                });
    expect_ready(&s, "the recorder is too far behind");
    publish(&s, &(struct journal_position){
                    .read_lsn = 2 * MIB,
                    .released_lsn = 2 * MIB,
                    .wall_us = wall_us + 1,
                });
    expect_ready(&s, "");
    stage_close(&s);
}

static void
a_torn_position_leaves_the_last_one(void **state)
{
    (void)state;
    struct stage s;
    char path[PATH_MAX];
    stage_open(&s);
    publish(&s, &(struct journal_position){.wall_us = wall_us + 10000000});
    expect_ready(&s, "");
    assert_int_equal(
        file_join(path, PATH_MAX, s.dir, JOURNAL_POSITION_NAME, NULL),
        STATUS_OK);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "XXXXXXXX", 8, 32), 8);
    close(fd);
    mono_ns += 300000000;
    expect_ready(&s, "");
    stage_close(&s);
}

/* New sessions are refused while the disk still has room for those that run. */
static void
little_free_space_is_told(void **state)
{
    (void)state;
    struct stage s;
    stage_open_with_limits(&s, CONFIG_DURABILITY_JOURNAL, SYNC_MS,
        &(struct journal_health_limits){
            .max_bytes = MAX_BYTES,
            .min_free_bytes = UINT64_C(1) << 60,
            .recorder_timeout_ms = TIMEOUT_MS,
        });
    expect_ready(&s, "less than 1099511627776 MiB free where the session "
                     "journal is");
    assert_null(journal_writer_why_not(s.w, JOURNAL_NEED_RECORD));
    assert_true(journal_writer_gauges(s.w).free_bytes > 0);
    stage_close(&s);
}

/* The ends of sessions have their place when there is none for data. */
static void
the_reserve_takes_ends(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    const struct rlimit had = limit_files(64);
    enum status st = STATUS_OK;
    for (size_t len = 64u << 10; len > 0; len /= 2) {
        st = STATUS_OK;
        while (st == STATUS_OK) {
            st = journal_writer_append(s.w, JOURNAL_DATA, STREAM_STDOUT, 128,
                span_of(s.payload, len), NULL);
        }
    }
    assert_int_equal(st, STATUS_LIMIT);
    for (int i = 0; i < 1000; i++) {
        (void)put(&s, JOURNAL_CLOSE, 128, 400);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
    settle(&s);
    stage_close(&s);
}

static int
group_setup(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_decode_back),
        cmocka_unit_test(nothing_is_deliverable_before_it_is_written),
        cmocka_unit_test(large_records_are_written_at_once),
        cmocka_unit_test(a_page_turns_with_a_pad),
        cmocka_unit_test(a_page_turns_without_room_for_a_pad),
        cmocka_unit_test(a_page_that_is_full_to_the_last_byte_turns),
        cmocka_unit_test(a_page_turns_within_a_batch),
        cmocka_unit_test(a_released_segment_is_used_again),
        cmocka_unit_test(the_surplus_goes_back_to_the_disk),
        cmocka_unit_test(what_cannot_be_written_is_kept_and_tried_again),
        cmocka_unit_test(the_batch_has_a_cap),
        cmocka_unit_test(a_disk_without_room_for_a_spare_is_told_and_got_over),
        cmocka_unit_test(strict_waits_for_the_disk),
        cmocka_unit_test(the_end_flushes),
        cmocka_unit_test(a_silent_recorder_is_told),
        cmocka_unit_test(a_backlog_is_told),
        cmocka_unit_test(a_torn_position_leaves_the_last_one),
        cmocka_unit_test(a_clock_that_is_set_is_no_silence),
        cmocka_unit_test(little_free_space_is_told),
        cmocka_unit_test(the_reserve_takes_ends),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
