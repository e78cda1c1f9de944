/* Troubles: what each need hangs on, when they end, and what the log hears. */
#include "proxy/journal_health.h"

#include "tests/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIB UINT64_C(1048576)

static uint64_t now_ns;

static uint64_t
fake_mono_ns(void *self)
{
    (void)self;
    return now_ns;
}

static int64_t
fake_wall_us(void *self)
{
    (void)self;
    return 0;
}

static const struct clock clock_fake = {fake_mono_ns, fake_wall_us, NULL};

struct stage {
    struct journal_health health;
    struct log log;
    int said; /* the log's reading end */
};

static void
stage_open(struct stage *s)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    s->said = ends[0];
    s->log = (struct log){.fd = ends[1],
        .level = LOG_INFO,
        .clock = &clock_fake,
        .program = "test"};
    now_ns = UINT64_C(1000000000);
    journal_health_init(&s->health, &clock_fake, &s->log,
        &(struct journal_health_limits){
            .max_bytes = 128 * MIB,
            .min_free_bytes = 64 * MIB,
            .recorder_timeout_ms = 5000,
        });
}

/* How many lines with `word` were said since the start. */
static size_t
stage_close(struct stage *s, const char *word)
{
    char text[16384];
    size_t count = 0;
    close(s->log.fd);
    const ssize_t n = read(s->said, text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(s->said);
    for (const char *at = strstr(text, word); at != NULL;
         at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

static void
expect(struct stage *s, enum journal_need need, const char *why)
{
    const char *got = journal_health_why_not(&s->health, need);
    assert_string_equal(got == NULL ? "" : got, why);
}

static void
each_error_has_its_words(void **state)
{
    (void)state;
    static const struct {
        int error;
        const char *why;
    } cases[] = {
        {ENOSPC, "the disk with the session journal is full"},
        {EDQUOT, "the disk quota of the session journal is used up"},
        {EROFS, "the file system of the session journal is read-only"},
        {EIO, "the disk with the session journal has input/output errors"},
        {EFBIG, "the session journal cannot be written"},
    };
    struct stage s;
    stage_open(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        journal_health_see_error(
            &s.health, JOURNAL_TROUBLE_WRITE, cases[i].error);
        expect(&s, JOURNAL_NEED_WRITE, cases[i].why);
        expect(&s, JOURNAL_NEED_RECORD, cases[i].why);
        expect(&s, JOURNAL_NEED_OPEN, cases[i].why);
    }
    journal_health_see_error(&s.health, JOURNAL_TROUBLE_WRITE, 0);
    assert_true(journal_health_is_well(&s.health));
    (void)stage_close(&s, "journal.");
}

static void
needs_hang_on_their_troubles(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    journal_health_see_error(&s.health, JOURNAL_TROUBLE_SPARE, ENOSPC);
    expect(&s, JOURNAL_NEED_RECORD, ""); /* there is room in this segment */
    expect(&s, JOURNAL_NEED_OPEN, "the disk with the session journal is full");
    journal_health_see_error(&s.health, JOURNAL_TROUBLE_SPARE, 0);
    journal_health_see_silence(&s.health, 5001);
    expect(&s, JOURNAL_NEED_WRITE, ""); /* it can be read later */
    expect(&s, JOURNAL_NEED_RECORD, "the recorder is not running");
    journal_health_see_silence(&s.health, 5000);
    journal_health_see_stall(&s.health, true);
    expect(&s, JOURNAL_NEED_WRITE,
        "the disk with the session journal gives no answer");
    (void)stage_close(&s, "journal.");
}

static void
limits_have_slack(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    journal_health_see_backlog(&s.health, 128 * MIB);
    expect(&s, JOURNAL_NEED_WRITE, "");
    journal_health_see_backlog(&s.health, 128 * MIB + 1);
    expect(&s, JOURNAL_NEED_WRITE, "the recorder is too far behind");
    journal_health_see_backlog(&s.health, 120 * MIB + 1);
    expect(&s, JOURNAL_NEED_WRITE, "the recorder is too far behind");
    journal_health_see_backlog(&s.health, 120 * MIB);
    expect(&s, JOURNAL_NEED_WRITE, "");
    journal_health_see_free(&s.health, 64 * MIB);
    expect(&s, JOURNAL_NEED_OPEN, "");
    journal_health_see_free(&s.health, 64 * MIB - 1);
    expect(&s, JOURNAL_NEED_OPEN,
        "less than 64 MiB free where the session journal is");
    expect(&s, JOURNAL_NEED_RECORD, "");
    journal_health_see_free(&s.health, 68 * MIB - 1);
    assert_false(journal_health_is_well(&s.health));
    journal_health_see_free(&s.health, 68 * MIB);
    expect(&s, JOURNAL_NEED_OPEN, "");
    (void)stage_close(&s, "journal.");
}

static void
a_trouble_is_said_once(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    for (int i = 0; i < 100; i++) {
        journal_health_see_backlog(&s.health, 200 * MIB);
        journal_health_tell(&s.health);
        journal_health_see_backlog(&s.health, 0); /* comes right back */
        journal_health_tell(&s.health);
        now_ns += UINT64_C(1000000000);
    }
    assert_int_equal(stage_close(&s, "journal.trouble"), 1);
}

static void
and_its_end_is_said_once(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    journal_health_see_error(&s.health, JOURNAL_TROUBLE_WRITE, EIO);
    now_ns += UINT64_C(1500000000);
    journal_health_see_error(&s.health, JOURNAL_TROUBLE_WRITE, 0);
    for (int i = 0; i < 100; i++) {
        now_ns += UINT64_C(1000000000);
        journal_health_see_error(&s.health, JOURNAL_TROUBLE_WRITE, 0);
        journal_health_tell(&s.health);
    }
    assert_int_equal(stage_close(&s, "trouble_over what=write ms=1500"), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_words),
        cmocka_unit_test(needs_hang_on_their_troubles),
        cmocka_unit_test(limits_have_slack),
        cmocka_unit_test(a_trouble_is_said_once),
        cmocka_unit_test(and_its_end_is_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
