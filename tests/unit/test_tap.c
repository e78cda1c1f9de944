/* A session's line into the journal, with a journal that only listens. */
#include "tests/support/test.h"

#include "proxy/tap.h"

#include <stdio.h>
#include <string.h>

#define START_US 1764028800000000

static uint64_t
fake_mono_ns(void *self)
{
    (void)self;
    return 0;
}

static int64_t
fake_wall_us(void *self)
{
    (void)self;
    return START_US;
}

static const struct clock clock_fake = {fake_mono_ns, fake_wall_us, NULL};

/* ---- the journal: one line a record ---- */

static struct buf heard;
static struct buf last; /* payload of the last record */
static enum status answer;

enum status
journal_writer_append(struct journal_writer *w, enum journal_kind kind,
    enum journal_stream stream, uint64_t session, struct span payload,
    uint64_t *lsn_out)
{
    static const char *const kinds[] = {
        "", "open", "data", "resize", "status", "note", "close"};
    (void)w;
    if (answer != STATUS_OK) {
        return answer;
    }
    const bool is_meta = kind == JOURNAL_OPEN || kind == JOURNAL_CLOSE;
    assert_int_equal(
        buf_printf(&heard, "%s %d %d", kinds[kind], (int)stream, (int)session),
        STATUS_OK);
    for (size_t i = 0; i < payload.len && !is_meta; i++) {
        assert_int_equal(
            buf_printf(&heard, " %02x", payload.ptr[i]), STATUS_OK);
    }
    assert_int_equal(buf_append_str(&heard, "\n"), STATUS_OK);
    buf_clear(&last);
    assert_int_equal(buf_append(&last, payload), STATUS_OK);
    if (lsn_out != NULL) {
        *lsn_out = 128;
    }
    return STATUS_OK;
}

static void
expect_heard(const char *lines)
{
    const char *got = NULL;
    assert_int_equal(buf_cstr(&heard, &got), STATUS_OK);
    assert_string_equal(got, lines);
    buf_clear(&heard);
}

static void
expect_last_has(const char *text)
{
    const char *got = NULL;
    assert_int_equal(buf_cstr(&last, &got), STATUS_OK);
    if (strstr(got, text) == NULL) {
        fail_msg("%s is not in %s", text, got);
    }
}

/* ---- the stage ---- */

static struct metrics metrics;

static int
setup(void **state)
{
    (void)state;
    buf_init(&heard, 65536);
    buf_init(&last, 65536);
    answer = STATUS_OK;
    metrics = (struct metrics){0};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    buf_fini(&heard);
    buf_fini(&last);
    return 0;
}

static struct tap *
open_tap_with(bool records_stdin, enum meta_record record)
{
    struct tap *t = NULL;
    struct meta m;
    meta_init(&m);
    m.stdin_recorded = records_stdin;
    m.record = record;
    assert_int_equal(meta_set(&m.user, SPAN_LIT("jane")), STATUS_OK);
    assert_int_equal(
        tap_open(NULL, &clock_fake, &metrics, &m, &t, NULL), STATUS_OK);
    assert_string_equal(m.user, ""); /* taken */
    expect_last_has("\"user\":\"jane\"");
    expect_last_has(tap_id(t));
    expect_heard("open 0 0\n");
    return t;
}

static struct tap *
open_tap(bool records_stdin)
{
    return open_tap_with(records_stdin, META_REQUIRED);
}

static bool
say(struct tap *t, enum channel_from from, enum channel channel,
    const char *text)
{
    bool recorded = false;
    const struct channel_fact fact = {
        .kind = CHANNEL_DATA, .channel = channel, .bytes = span_str(text)};
    assert_int_equal(tap_fact(t, from, &fact, &recorded), STATUS_OK);
    return recorded;
}

static void
every_fact_has_its_record(void **state)
{
    (void)state;
    struct tap *t = open_tap(true);
    assert_true(say(t, FROM_CLIENT, CHANNEL_STDIN, "i"));
    assert_true(say(t, FROM_SERVER, CHANNEL_STDOUT, "oo"));
    assert_true(say(t, FROM_SERVER, CHANNEL_STDERR, "eee"));
    expect_heard("data 0 128 69\ndata 1 128 6f 6f\ndata 2 128 65 65 65\n");
    bool recorded = false;
    const struct channel_fact size = {
        .kind = CHANNEL_SIZE, .width = 80, .height = 258};
    assert_int_equal(tap_fact(t, FROM_CLIENT, &size, &recorded), STATUS_OK);
    assert_true(recorded);
    expect_heard("resize 0 128 00 50 01 02\n");
    assert_false(tap_has_status(t));
    assert_true(say(t, FROM_SERVER, CHANNEL_ERROR, "{}"));
    assert_true(tap_has_status(t));
    expect_heard("status 0 128 7b 7d\n");
    (void)tap_close(&t, META_COMPLETE, "");
    assert_null(t);
    expect_heard("close 0 128\n");
    expect_last_has("\"stdin\":1");
    expect_last_has("\"stdout\":2");
    expect_last_has("\"stderr\":3");
    expect_last_has("\"complete\"");
    assert_int_equal(metrics.values[METRIC_BYTES_STDIN], 1);
    assert_int_equal(metrics.values[METRIC_BYTES_STDOUT], 2);
    assert_int_equal(metrics.values[METRIC_BYTES_STDERR], 3);
    assert_int_equal(metrics.values[METRIC_SESSIONS], 1);
    assert_int_equal(metrics.values[METRIC_SESSIONS_ACTIVE], 0);
}

static void
input_that_policy_keeps_out_is_only_counted(void **state)
{
    (void)state;
    struct tap *t = open_tap(false);
    assert_false(say(t, FROM_CLIENT, CHANNEL_STDIN, "secret"));
    expect_heard("");
    assert_int_equal(tap_meta(t)->bytes[STREAM_STDIN], 6);
    tap_count(t, STREAM_STDOUT, 10);
    assert_int_equal(tap_meta(t)->bytes[STREAM_STDOUT], 10);
    expect_heard("");
    (void)tap_close(&t, META_COMPLETE, "");
}

static void
empty_data_and_bare_ends_make_no_record(void **state)
{
    (void)state;
    struct tap *t = open_tap(true);
    bool recorded = false;
    assert_false(say(t, FROM_SERVER, CHANNEL_STDOUT, ""));
    assert_false(say(t, FROM_CLIENT, CHANNEL_RESIZE, "{"));
    const struct channel_fact end = {
        .kind = CHANNEL_END, .channel = CHANNEL_ERROR};
    assert_int_equal(tap_fact(t, FROM_CLIENT, &end, &recorded), STATUS_OK);
    assert_false(tap_has_status(t));
    /* An empty error stream that its server ends is success. */
    assert_int_equal(tap_fact(t, FROM_SERVER, &end, &recorded), STATUS_OK);
    assert_true(tap_has_status(t));
    assert_false(recorded);
    expect_heard("");
    (void)tap_close(&t, META_COMPLETE, "");
}

static void
a_full_journal_is_told(void **state)
{
    (void)state;
    struct tap *t = open_tap(true);
    bool recorded = false;
    const struct channel_fact fact = {.kind = CHANNEL_DATA,
        .channel = CHANNEL_STDOUT,
        .bytes = SPAN_LIT("x")};
    answer = STATUS_LIMIT;
    assert_int_equal(tap_fact(t, FROM_SERVER, &fact, &recorded), STATUS_LIMIT);
    (void)tap_close(&t, META_FAILED, "the session could not be recorded");
    assert_null(t);
    assert_int_equal(metrics.values[METRIC_SESSIONS_FAILED], 1);
    struct meta m;
    meta_init(&m);
    assert_int_equal(
        tap_open(NULL, &clock_fake, &metrics, &m, &t, NULL), STATUS_LIMIT);
    assert_null(t);
    assert_int_equal(metrics.values[METRIC_SESSIONS], 1);
}

static void
the_reason_is_in_the_close(void **state)
{
    (void)state;
    struct tap *t = open_tap(true);
    (void)tap_close(&t, META_REFUSED, "403: no");
    expect_heard("close 0 128\n");
    expect_last_has("\"reason\":\"403: no\"");
    assert_int_equal(metrics.values[METRIC_SESSIONS_REFUSED], 1);
    (void)tap_close(&t, META_REFUSED, ""); /* NULL is fine */
    expect_heard("");
}

static void
a_gap_is_told_before_what_comes_next(void **state)
{
    (void)state;
    struct tap *t = open_tap_with(false, META_BEST_EFFORT);
    assert_false(tap_is_required(t));
    assert_true(say(t, FROM_SERVER, CHANNEL_STDOUT, "a"));
    expect_heard("data 1 128 61\n");
    tap_gap_begin(t, "disk full");
    tap_gap_begin(t, "and more"); /* it is one */
    assert_false(say(t, FROM_SERVER, CHANNEL_STDOUT, "lost"));
    assert_false(say(t, FROM_SERVER, CHANNEL_STDERR, "too"));
    assert_false(say(t, FROM_CLIENT, CHANNEL_STDIN, "kept out anyway"));
    expect_heard("");
    assert_int_equal(tap_gap_end(t), STATUS_OK);
    assert_false(tap_is_in_gap(t));
    expect_last_has("{\"gap\":{\"stdin\":0,\"stdout\":4,\"stderr\":3,"
                    "\"seconds\":0.000,\"reason\":\"disk full\"}}");
    buf_clear(&heard);
    assert_true(say(t, FROM_SERVER, CHANNEL_STDOUT, "b"));
    expect_heard("data 1 128 62\n");
    assert_true(tap_close(&t, META_COMPLETE, ""));
    expect_last_has("\"stdout\":6"); /* all that passed */
    expect_last_has("\"gaps\":{\"count\":1,\"bytes\":7}");
    assert_int_equal(metrics.values[METRIC_GAPS], 1);
    assert_int_equal(metrics.values[METRIC_GAP_BYTES], 7);
}

static void
a_gap_without_bytes_is_none(void **state)
{
    (void)state;
    struct tap *t = open_tap_with(false, META_BEST_EFFORT);
    tap_gap_begin(t, "disk full");
    assert_true(tap_close(&t, META_COMPLETE, ""));
    expect_heard("close 0 128\n");
    assert_int_equal(metrics.values[METRIC_GAPS], 0);
}

static void
how_it_ended_is_kept_from_the_gap(void **state)
{
    (void)state;
    struct tap *t = open_tap_with(false, META_BEST_EFFORT);
    bool recorded = false;
    const struct channel_fact size = {
        .kind = CHANNEL_SIZE, .width = 80, .height = 24};
    tap_gap_begin(t, "disk full");
    assert_int_equal(tap_fact(t, FROM_CLIENT, &size, &recorded), STATUS_OK);
    assert_false(say(t, FROM_SERVER, CHANNEL_ERROR, "{}"));
    assert_false(recorded);
    expect_heard("status 0 128 7b 7d\n");
    assert_int_equal(tap_gap_end(t), STATUS_OK);
    expect_heard("resize 0 128 00 50 00 18\n");
    assert_true(tap_close(&t, META_COMPLETE, ""));
}

static void
a_session_may_begin_in_a_gap(void **state)
{
    (void)state;
    struct tap *t = NULL;
    struct meta m;
    meta_init(&m);
    m.record = META_BEST_EFFORT;
    answer = STATUS_LIMIT;
    assert_int_equal(
        tap_open(NULL, &clock_fake, &metrics, &m, &t, NULL), STATUS_OK);
    assert_true(tap_is_in_gap(t));
    assert_false(say(t, FROM_SERVER, CHANNEL_STDOUT, "x"));
    assert_int_equal(tap_gap_end(t), STATUS_LIMIT);
    assert_true(tap_is_in_gap(t));
    answer = STATUS_OK;
    assert_int_equal(tap_gap_end(t), STATUS_OK);
    expect_heard("open 0 0\nnote 0 128 7b 22 67 61 70 22 3a 7b 22 73 74 64 69 "
                 "6e 22 3a 30 2c 22 73 74 64 6f 75 74 22 3a 31 2c 22 73 74 64 "
                 "65 72 72 22 3a 30 2c 22 73 65 63 6f 6e 64 73 22 3a 30 2e 30 "
                 "30 30 2c 22 72 65 61 73 6f 6e 22 3a 22 74 68 65 20 73 65 73 "
                 "73 69 6f 6e 20 6a 6f 75 72 6e 61 6c 20 68 61 73 20 6e 6f 20 "
                 "72 6f 6f 6d 22 7d 7d\n");
    assert_true(tap_close(&t, META_COMPLETE, ""));
}

static void
nobody_hears_of_a_session_that_never_was_recorded(void **state)
{
    (void)state;
    struct tap *t = NULL;
    struct meta m;
    meta_init(&m);
    m.record = META_BEST_EFFORT;
    answer = STATUS_LIMIT;
    assert_int_equal(
        tap_open(NULL, &clock_fake, &metrics, &m, &t, NULL), STATUS_OK);
    assert_false(tap_close(&t, META_COMPLETE, "")); /* but this is told */
    expect_heard("");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_fact_has_its_record, setup, teardown),
        cmocka_unit_test_setup_teardown(
            input_that_policy_keeps_out_is_only_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(
            empty_data_and_bare_ends_make_no_record, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_full_journal_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_reason_is_in_the_close, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_gap_is_told_before_what_comes_next, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_gap_without_bytes_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(
            how_it_ended_is_kept_from_the_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_session_may_begin_in_a_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(
            nobody_hears_of_a_session_that_never_was_recorded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
