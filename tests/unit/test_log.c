/* Lines are well formed and cannot be forged, whatever their values are. */
#include "base/log.h"

#include "tests/support/test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static uint64_t
no_mono(void *self)
{
    (void)self;
    return 0;
}

static int64_t
fixed_wall(void *self)
{
    (void)self;
    return INT64_C(1795560236000001);
}

static const struct clock fixed_clock = {no_mono, fixed_wall, NULL};

struct fixture {
    int ends[2];
    struct log log;
    char text[16384];
};

static int
open_fixture(void **state)
{
    static struct fixture f;
    if (pipe(f.ends) != 0) {
        return -1;
    }
    f.log = (struct log){
        .fd = f.ends[1],
        .level = LOG_DEBUG,
        .format = LOG_LOGFMT,
        .clock = &fixed_clock,
        .program = "test",
    };
    *state = &f;
    return 0;
}

static int
close_fixture(void **state)
{
    struct fixture *f = *state;
    close(f->ends[0]);
    close(f->ends[1]);
    return 0;
}

/* What one call wrote; a line is one write, so one read gets it whole. */
static const char *
written(struct fixture *f)
{
    ssize_t n = read(f->ends[0], f->text, sizeof(f->text) - 1);
    assert_true(n > 0);
    f->text[n] = '\0';
    return f->text;
}

#define TIME "2026-11-24T22:43:56.000001Z"

static void
logfmt_is_one_line(void **state)
{
    struct fixture *f = *state;
    log_event(&f->log, LOG_INFO, "session.open", LOG_S("user", "alice"),
        LOG_B("pod", SPAN_LIT("web-1")), LOG_I("n", -3));
    assert_string_equal(
        written(f), TIME " info  session.open user=alice pod=web-1 n=-3\n");
    log_event(&f->log, LOG_ERROR, "x", LOG_I("max", INT64_MIN));
    assert_string_equal(written(f), TIME " error x max=-9223372036854775808\n");
}

static void
values_are_escaped(void **state)
{
    struct fixture *f = *state;
    log_event(&f->log, LOG_WARN, "e", LOG_S("empty", ""), LOG_S("null", NULL),
        LOG_S("space", "a b"), LOG_S("eq", "a=b"), LOG_S("quote", "a\"b"),
        LOG_S("back", "a\\b"));
    assert_string_equal(written(f),
        TIME " warn  e empty=\"\" null=\"\" space=\"a b\" eq=\"a=b\""
             " quote=\"a\\\"b\" back=\"a\\\\b\"\n");
    log_event(&f->log, LOG_WARN, "e",
        LOG_B("v", SPAN_LIT("\n2026 info\x1b[2J\0\x7f\xc3\xab")));
    assert_string_equal(written(f),
        TIME " warn  e v=\"\\x0a2026 info\\x1b[2J\\x00\\x7f\\xc3\\xab\"\n");
}

static void
json_is_one_object(void **state)
{
    struct fixture *f = *state;
    f->log.format = LOG_JSON;
    log_event(&f->log, LOG_INFO, "session.open", LOG_S("user", "a\"\\b"),
        LOG_B("v", SPAN_LIT("\n\x1b\xff")), LOG_I("n", 7));
    assert_string_equal(written(f),
        "{\"time\":\"" TIME "\",\"level\":\"info\","
        "\"event\":\"session.open\",\"program\":\"test\","
        "\"user\":\"a\\\"\\\\b\",\"v\":\"\\u000a\\u001b\\\\xff\",\"n\":7}\n");
}

/* Every byte as a value: nothing but printable ASCII and one newline leaves. */
static void
no_byte_reaches_the_terminal(void **state)
{
    struct fixture *f = *state;
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        f->log.format = (enum log_format)format;
        for (int c = 0; c < 256; c++) {
            uint8_t byte = (uint8_t)c;
            log_event(&f->log, LOG_INFO, "e", LOG_B("v", span_of(&byte, 1)));
            const char *line = written(f);
            size_t len = strlen(line);
            assert_int_equal(line[len - 1], '\n');
            for (size_t i = 0; i + 1 < len; i++) {
                assert_true(line[i] >= ' ' && line[i] <= '~');
            }
        }
    }
}

static void
long_values_are_cut_and_marked(void **state)
{
    struct fixture *f = *state;
    char big[600];
    memset(big, 'x', sizeof(big));
    log_event(&f->log, LOG_INFO, "e", LOG_B("v", span_of(big, 512)));
    assert_null(strstr(written(f), "more"));
    log_event(&f->log, LOG_INFO, "e", LOG_B("v", span_of(big, 600)));
    const char *line = written(f);
    assert_non_null(strstr(line, "xxx...[88 more]\"\n"));
    assert_int_equal(strcspn(strchr(line, '"') + 1, "."), 512);
}

/* More than a line holds: whole fields are left out, and it says so. */
static void
full_lines_stay_well_formed(void **state)
{
    struct fixture *f = *state;
    char big[512];
    memset(big, '\n', sizeof(big));
    struct span v = span_of(big, sizeof(big));
    log_event(&f->log, LOG_INFO, "e", LOG_B("a", v), LOG_B("b", v),
        LOG_B("c", v), LOG_B("d", v), LOG_B("e", v), LOG_I("f", 1));
    const char *line = written(f);
    assert_non_null(strstr(line, " c=\""));
    assert_null(strstr(line, " d=\""));
    assert_non_null(strstr(line, "\\x0a\" cut=true\n"));
    f->log.format = LOG_JSON;
    log_event(&f->log, LOG_INFO, "e", LOG_B("a", v), LOG_B("b", v),
        LOG_B("c", v), LOG_B("d", v), LOG_B("e", v), LOG_I("f", 1));
    line = written(f);
    assert_non_null(strstr(line, "\\u000a\",\"cut\":true}\n"));
}

static void
levels_below_are_silent(void **state)
{
    struct fixture *f = *state;
    errno = 42;
    log_event(NULL, LOG_ERROR, "e", LOG_I("n", 1));
    log_event(&f->log, LOG_TRACE, "trace", LOG_I("n", 1));
    log_event(&f->log, LOG_DEBUG, "debug", LOG_I("n", 1));
    assert_int_equal(errno, 42);
    assert_string_equal(written(f), TIME " debug debug n=1\n");

    f->log.fd = -1; /* a log that fails changes nothing */
    log_event(&f->log, LOG_ERROR, "e", LOG_I("n", 1));
    assert_int_equal(errno, 42);
}

static void
errors_carry_code_and_text(void **state)
{
    struct fixture *f = *state;
    struct error err;
    (void)error_sys(&err, ENOENT, "open /x");
    log_error(&f->log, "config.load", &err);
    assert_string_equal(written(f),
        TIME " error config.load code=not-found "
             "error=\"open /x: No such file or directory\"\n");
}

static void
levels_parse(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    assert_true(log_level_parse("trace", &level));
    assert_int_equal(level, LOG_TRACE);
    assert_true(log_level_parse("warn", &level));
    assert_int_equal(level, LOG_WARN);
    assert_false(log_level_parse("warning", &level));
    assert_false(log_level_parse("", &level));
    assert_false(log_level_parse("INFO", &level));
    assert_int_equal(level, LOG_WARN);
}

#define LOG_TEST(fn) \
    cmocka_unit_test_setup_teardown(fn, open_fixture, close_fixture)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(logfmt_is_one_line),
        LOG_TEST(values_are_escaped),
        LOG_TEST(json_is_one_object),
        LOG_TEST(no_byte_reaches_the_terminal),
        LOG_TEST(long_values_are_cut_and_marked),
        LOG_TEST(full_lines_stay_well_formed),
        LOG_TEST(levels_below_are_silent),
        LOG_TEST(errors_carry_code_and_text),
        cmocka_unit_test(levels_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
