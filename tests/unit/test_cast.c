/* asciicast text: exact lines out, other writers' lines in, no half lines. */
#include "schema/cast.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static void
assert_line(
    uint64_t time_us, enum cast_code code, struct span data, const char *want)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(cast_event_encode(time_us, code, data, &out), STATUS_OK);
    assert_true(span_eq_str(buf_view(&out), want));
    buf_fini(&out);
}

static enum status
decode(struct span line, struct buf *scratch, struct cast_event *out)
{
    struct guard_page g = guard_page_copy(line);
    struct error err;
    const enum status st = cast_event_decode(g.bytes, scratch, out, &err);
    guard_page_free(&g);
    return st;
}

static void
event_lines_are_exact(void **state)
{
    (void)state;
    assert_line(0, CAST_OUTPUT, SPAN_LIT(""), "[0.000000, \"o\", \"\"]\n");
    assert_line(
        1, CAST_RESIZE, SPAN_LIT("80x24"), "[0.000001, \"r\", \"80x24\"]\n");
    assert_line(12345678, CAST_OUTPUT, SPAN_LIT("$ ls\r\n\33[1m\"\\\177"),
        "[12.345678, \"o\", \"$ ls\\r\\n\\u001b[1m\\\"\\\\\\u007f\"]\n");
    assert_line(3600999999, CAST_FACTS, SPAN_LIT("{\"a\":1}"),
        "[3600.999999, \"k\", \"{\\\"a\\\":1}\"]\n");
    assert_line(UINT64_MAX, CAST_EXIT, SPAN_LIT("0"),
        "[18446744073709.551615, \"x\", \"0\"]\n");
}

static void
line_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    struct buf out;
    const size_t whole = strlen("[0.000001, \"o\", \"a\\u001bb\"]\n");
    for (size_t room = 0; room < whole; room++) {
        buf_init(&out, 5 + room);
        assert_int_equal(buf_append(&out, SPAN_LIT("line\n")), STATUS_OK);
        assert_int_equal(
            cast_event_encode(1, CAST_OUTPUT, SPAN_LIT("a\33b"), &out),
            STATUS_LIMIT);
        assert_true(span_eq_str(buf_view(&out), "line\n"));
        buf_fini(&out);
    }
    buf_init(&out, 5 + whole);
    assert_int_equal(buf_append(&out, SPAN_LIT("line\n")), STATUS_OK);
    assert_int_equal(
        cast_event_encode(1, CAST_OUTPUT, SPAN_LIT("a\33b"), &out), STATUS_OK);
    buf_fini(&out);
}

static void
event_survives_the_round_trip(void **state)
{
    (void)state;
    static const char codes[] = "oirmxsbBk";
    struct buf line;
    struct buf scratch;
    buf_init(&line, 4096);
    buf_init(&scratch, 4096);
    srand(3);
    for (int round = 0; round < 2000; round++) {
        const uint64_t time_us =
            ((uint64_t)rand() << 20) % UINT64_C(4000000000000);
        const char code = codes[(size_t)rand() % (sizeof codes - 1)];
        char data[100];
        const size_t len = (size_t)rand() % sizeof data;
        for (size_t i = 0; i < len; i++) {
            data[i] = (char)(rand() % 128);
        }
        buf_clear(&line);
        assert_int_equal(cast_event_encode(time_us, (enum cast_code)code,
                             span_of(data, len), &line),
            STATUS_OK);
        const struct span with_newline = buf_view(&line);
        struct cast_event e;
        assert_int_equal(decode(span_of(with_newline.ptr, with_newline.len - 1),
                             &scratch, &e),
            STATUS_OK);
        assert_int_equal(e.time_us, time_us);
        assert_int_equal(e.code, code);
        assert_true(span_eq(e.data, span_of(data, len)));
    }
    buf_fini(&line);
    buf_fini(&scratch);
}

static bool
peek(struct span line, struct cast_event *out)
{
    struct guard_page g = guard_page_copy(line);
    const bool is_ours = cast_event_peek(g.bytes, out);
    guard_page_free(&g);
    return is_ours;
}

/* Whatever is glanced at is what decoding says, and no prefix of a line is. */
static void
a_glance_agrees_with_decoding(void **state)
{
    (void)state;
    const struct span lines[] = {
        SPAN_LIT("[0.000000, \"o\", \"\"]"),
        SPAN_LIT("[12.345678, \"o\", \"$ ls\\r\\n\\u001b[1m\\\"]\"]"),
        SPAN_LIT("[18446744073708.551615, \"x\", \"0\"]"),
    };
    struct buf scratch;
    buf_init(&scratch, 4096);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cast_event e;
        struct cast_event whole;
        assert_true(peek(lines[i], &e));
        assert_int_equal(decode(lines[i], &scratch, &whole), STATUS_OK);
        assert_int_equal(e.time_us, whole.time_us);
        assert_int_equal(e.code, whole.code);
        for (size_t len = 0; len < lines[i].len; len++) {
            const struct span part = span_of(lines[i].ptr, len);
            const bool looks_whole = peek(part, &e);
            assert_true(!looks_whole ||
                        span_eq_str(part, "[12.345678, \"o\", \"$ ls\\r\\n"
                                          "\\u001b[1m\\\"]"));
        }
    }
    buf_fini(&scratch);
}

static void
a_glance_leaves_other_lines_alone(void **state)
{
    (void)state;
    const struct span lines[] = {
        SPAN_LIT("[0.00000, \"o\", \"five decimals\"]"),
        SPAN_LIT("[00.000000, \"o\", \"x\"]"),
        SPAN_LIT("[0.000000,\"o\",\"x\"]"),
        SPAN_LIT("[0.000000, \"\\u006f\", \"x\"]"),
        SPAN_LIT("[0.000000, \"o\", \"x\"] "),
        SPAN_LIT("[-1.000000, \"o\", \"x\"]"),
        SPAN_LIT("[99999999999999999999.000000, \"o\", \"x\"]"),
        SPAN_LIT("{\"version\":2}"),
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cast_event e;
        assert_false(peek(lines[i], &e));
    }
}

static void
other_writers_lines_are_read(void **state)
{
    (void)state;
    const struct {
        const char *line;
        uint64_t time_us;
        char code;
        const char *data;
    } cases[] = {
        {"[0,\"o\",\"a\"]", 0, 'o', "a"},
        {"[ 1.5 ,\t\"i\" , \"b\" ] \r", 1500000, 'i', "b"},
        {"[10.1234567891, \"o\", \"\"]", 10123456, 'o', ""},
        {"[0.000001,\"marker\",\"x\"]", 1, 'm', "x"},
        {"[3, \"\\u006f\", \"\\u20ac\"]", 3000000, 'o', "\xE2\x82\xAC"},
        {"[3, \"z\", \"later\"]", 3000000, 'z', "later"},
    };
    struct buf scratch;
    buf_init(&scratch, 256);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cast_event e;
        assert_int_equal(
            decode(span_str(cases[i].line), &scratch, &e), STATUS_OK);
        assert_int_equal(e.time_us, cases[i].time_us);
        assert_int_equal(e.code, cases[i].code);
        assert_true(span_eq_str(e.data, cases[i].data));
    }
    buf_fini(&scratch);
}

static void
what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{}", "[]", "[1]", "[1,\"o\"]",
        "[1,\"o\",\"a\",1]", "[1,\"o\",\"a\"]]", "[1,\"o\",\"a\"] x",
        "[-1,\"o\",\"a\"]", "[1e3,\"o\",\"a\"]", "[1.,\"o\",\"a\"]",
        "[.5,\"o\",\"a\"]", "[01,\"o\",\"a\"]", "[\"1\",\"o\",\"a\"]",
        "[1,o,\"a\"]", "[1,\"\",\"a\"]", "[1,\"\\n\",\"a\"]",
        "[1,\"\xC3\xA9\",\"a\"]", "[1,\"o\",null]", "[1,\"o\",\"a\nb\"]",
        "[1,\"o\",\"\xFF\"]", "[1,\"o\" \"a\"]", "[1 \"o\",\"a\"]",
        "[18446744073709551616,\"o\",\"a\"]", "[18446744073710,\"o\",\"a\"]",
        "[+1,\"o\",\"a\"]", "[1.2.3,\"o\",\"a\"]"};
    struct buf scratch;
    buf_init(&scratch, 256);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cast_event e;
        assert_int_equal(
            decode(span_str(bad[i]), &scratch, &e), STATUS_INVALID);
    }
    const struct span good = SPAN_LIT("[1.5, \"o\", \"a\\u001b\"]");
    for (size_t cut = 0; cut < good.len; cut++) {
        struct cast_event e;
        assert_int_equal(
            decode(span_of(good.ptr, cut), &scratch, &e), STATUS_INVALID);
    }
    buf_fini(&scratch);
}

static void
caps_of_line_and_scratch_hold(void **state)
{
    (void)state;
    struct buf scratch;
    struct cast_event e;
    buf_init(&scratch, 4);
    assert_int_equal(
        decode(SPAN_LIT("[1,\"o\",\"12345\"]"), &scratch, &e), STATUS_LIMIT);
    assert_int_equal(
        decode(SPAN_LIT("[1,\"o\",\"1234\"]"), &scratch, &e), STATUS_OK);
    buf_fini(&scratch);
    const size_t len = CAST_LINE_MAX + 1;
    char *line = malloc(len);
    assert_non_null(line);
    memset(line, ' ', len);
    buf_init(&scratch, 4);
    assert_int_equal(decode(span_of(line, len), &scratch, &e), STATUS_LIMIT);
    buf_fini(&scratch);
    free(line);
}

static void
fill_header(struct cast_header *h)
{
    *h = (struct cast_header){.width = 132, .height = 43};
    meta_init(&h->meta);
    struct meta *m = &h->meta;
    m->start_us = 1764024236000001;
    m->id.bytes[0] = 1;
    assert_int_equal(meta_set(&m->user, SPAN_LIT("alice")), STATUS_OK);
    assert_int_equal(meta_set(&m->namespace, SPAN_LIT("shop")), STATUS_OK);
    assert_int_equal(meta_set(&m->pod, SPAN_LIT("web-0")), STATUS_OK);
    assert_int_equal(meta_set(&m->container, SPAN_LIT("app")), STATUS_OK);
    const char *const words[] = {"sh", "-c", "echo 'hi there'", "", "a=b"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_int_equal(
            meta_add(&m->command, &m->command_count, span_str(words[i])),
            STATUS_OK);
    }
}

static void
header_is_exact_and_survives_the_round_trip(void **state)
{
    (void)state;
    struct cast_header h;
    fill_header(&h);
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(cast_header_encode(&h, &out), STATUS_OK);
    assert_true(span_starts_with(buf_view(&out),
        "{\"version\":2,\"width\":132,\"height\":43,\"timestamp\":1764024236,"
        "\"command\":\"sh -c 'echo '\\\\''hi there'\\\\''' '' a=b\","
        "\"title\":\"alice: shop/web-0 "
        "(app)\",\"kubetape\":{\"id\":\"01000000-"));
    struct span line = buf_view(&out);
    assert_int_equal(line.ptr[line.len - 1], '\n');
    line.len--;
    assert_null(memchr(line.ptr, '\n', line.len));

    struct cast_header got;
    struct error err;
    struct guard_page g = guard_page_copy(line);
    assert_int_equal(cast_header_decode(g.bytes, &got, &err), STATUS_OK);
    guard_page_free(&g);
    assert_int_equal(got.width, 132);
    assert_int_equal(got.height, 43);
    assert_int_equal(got.meta.start_us, h.meta.start_us);
    assert_string_equal(got.meta.user, "alice");
    assert_int_equal(got.meta.command_count, 5);
    assert_string_equal(got.meta.command[2], "echo 'hi there'");
    meta_fini(&got.meta);
    meta_fini(&h.meta);
    buf_fini(&out);
}

static void
unknown_facts_leave_no_members(void **state)
{
    (void)state;
    struct cast_header h = {.width = 80, .height = 24};
    meta_init(&h.meta);
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(cast_header_encode(&h, &out), STATUS_OK);
    assert_true(span_starts_with(buf_view(&out),
        "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":0,"
        "\"kubetape\":{"));
    meta_fini(&h.meta);
    buf_fini(&out);
}

static void
headers_of_other_programs_are_read(void **state)
{
    (void)state;
    struct cast_header h;
    struct error err;
    assert_int_equal(
        cast_header_decode(
            SPAN_LIT("{\"version\": 2, \"width\": 80, \"height\": 24, "
                     "\"timestamp\": 1504467315, \"title\": \"Demo\", "
                     "\"env\": {\"TERM\": \"xterm-256color\"}}"),
            &h, &err),
        STATUS_OK);
    assert_int_equal(h.width, 80);
    assert_true(uuid_is_nil(&h.meta.id));
    assert_int_equal(h.meta.start_us, INT64_C(1504467315000000));
    assert_string_equal(h.meta.user, "");
    meta_fini(&h.meta);
}

static void
what_is_no_header_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *line;
        enum status want;
    } cases[] = {
        {"", STATUS_INVALID},
        {"[]", STATUS_INVALID},
        {"{", STATUS_INVALID},
        {"{\"width\":80,\"height\":24}", STATUS_INVALID},
        {"{\"version\":\"2\",\"width\":80,\"height\":24}", STATUS_INVALID},
        {"{\"version\":1,\"width\":80,\"height\":24}", STATUS_UNSUPPORTED},
        {"{\"version\":3,\"term\":{\"cols\":80}}", STATUS_UNSUPPORTED},
        {"{\"version\":2,\"width\":80}", STATUS_INVALID},
        {"{\"version\":2,\"width\":65536,\"height\":24}", STATUS_INVALID},
        {"{\"version\":2,\"width\":-1,\"height\":24}", STATUS_INVALID},
        {"{\"version\":2,\"width\":80.5,\"height\":24}", STATUS_INVALID},
        {"{\"version\":2,\"width\":8,\"width\":80,\"height\":24}",
            STATUS_INVALID},
        {"{\"version\":2,\"width\":80,\"height\":24,\"kubetape\":3}",
            STATUS_INVALID},
        {"{\"version\":2,\"width\":80,\"height\":24,\"kubetape\":{\"id\":1}}",
            STATUS_INVALID},
        {"{\"version\":2,\"width\":80,\"height\":24} x", STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cast_header h;
        struct error err;
        struct guard_page g = guard_page_copy(span_str(cases[i].line));
        assert_int_equal(cast_header_decode(g.bytes, &h, &err), cases[i].want);
        guard_page_free(&g);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_lines_are_exact),
        cmocka_unit_test(line_that_does_not_fit_leaves_nothing),
        cmocka_unit_test(event_survives_the_round_trip),
        cmocka_unit_test(a_glance_agrees_with_decoding),
        cmocka_unit_test(a_glance_leaves_other_lines_alone),
        cmocka_unit_test(other_writers_lines_are_read),
        cmocka_unit_test(what_is_no_event_is_refused),
        cmocka_unit_test(caps_of_line_and_scratch_hold),
        cmocka_unit_test(header_is_exact_and_survives_the_round_trip),
        cmocka_unit_test(unknown_facts_leave_no_members),
        cmocka_unit_test(headers_of_other_programs_are_read),
        cmocka_unit_test(what_is_no_header_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
