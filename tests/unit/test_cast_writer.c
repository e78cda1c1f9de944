#include "recorder/cast_writer.h"

#include "recorder/limits.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

struct desk {
    struct cast_writer writer;
    struct cast_scratch scratch;
    struct buf text;
    uint64_t mono_ns;
};

static const struct uuid worker = {{1}};

static void
begin(struct desk *d, bool is_tty)
{
    const struct journal_record open = {.lsn = 128,
        .session = 128,
        .mono_ns = 1000,
        .kind = JOURNAL_OPEN,
        .payload = SPAN_LIT("{}")};
    cast_writer_init(&d->writer, &worker, &open, is_tty);
    cast_scratch_init(&d->scratch);
    buf_init(&d->text, RECORDER_TEXT_MAX);
    d->mono_ns = 1000;
}

static void
finish(struct desk *d, const char *want)
{
    const struct span have = buf_view(&d->text);
    if (!span_eq_str(have, want)) {
        fail_msg("events are:\n%.*sand should be:\n%s", (int)have.len,
            (const char *)have.ptr, want);
    }
    cast_scratch_fini(&d->scratch);
    buf_fini(&d->text);
}

static enum status
data(struct desk *d, enum journal_stream stream, struct span bytes)
{
    const struct journal_record r = {.mono_ns = d->mono_ns,
        .kind = JOURNAL_DATA,
        .stream = stream,
        .payload = bytes};
    return cast_writer_data(&d->writer, &r, &d->scratch, &d->text);
}

static void
put(struct desk *d, enum journal_stream stream, const char *text)
{
    assert_int_equal(data(d, stream, span_str(text)), STATUS_OK);
}

static void
test_streams(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, false);
    put(&d, STREAM_STDOUT, "a");
    put(&d, STREAM_STDIN, "typed"); /* leaves the stream of `o` as it is */
    put(&d, STREAM_STDOUT, "b");
    put(&d, STREAM_STDERR, "c");
    put(&d, STREAM_STDERR, "");
    put(&d, STREAM_STDOUT, "d");
    finish(&d, "[0.000000, \"o\", \"a\"]\n"
               "[0.000000, \"i\", \"typed\"]\n"
               "[0.000000, \"o\", \"b\"]\n"
               "[0.000000, \"s\", \"stderr\"]\n"
               "[0.000000, \"o\", \"c\"]\n"
               "[0.000000, \"s\", \"stdout\"]\n"
               "[0.000000, \"o\", \"d\"]\n");
    assert_int_equal(d.writer.at.bytes[STREAM_STDOUT], 3);
    assert_int_equal(d.writer.at.bytes[STREAM_STDIN], 5);
}

/* Times never decrease, whatever the records say. */
static void
test_time(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, false);
    d.mono_ns = 1000 + 2500000;
    put(&d, STREAM_STDOUT, "a");
    d.mono_ns = 1000 + 1000000;
    put(&d, STREAM_STDOUT, "b");
    d.mono_ns = 0;
    put(&d, STREAM_STDOUT, "c");
    d.mono_ns = 1000 + 3600000001000u;
    put(&d, STREAM_STDOUT, "d");
    finish(&d, "[0.002500, \"o\", \"a\"]\n"
               "[0.002500, \"o\", \"b\"]\n"
               "[0.002500, \"o\", \"c\"]\n"
               "[3600.000001, \"o\", \"d\"]\n");
}

/* However a text is cut into chunks, the joined events are the text. */
static void
test_every_split(void **state)
{
    (void)state;
    static const char text[] = "x\xC3\xA4y\xE2\x82\xACz\xF0\x9F\x99\x82w";
    const size_t len = sizeof text - 1;
    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b++) {
            struct desk d;
            begin(&d, false);
            const uint8_t *p = (const uint8_t *)text;
            assert_int_equal(data(&d, STREAM_STDOUT, span_of(p, a)), STATUS_OK);
            assert_int_equal(
                data(&d, STREAM_STDOUT, span_of(p + a, b - a)), STATUS_OK);
            assert_int_equal(
                data(&d, STREAM_STDOUT, span_of(p + b, len - b)), STATUS_OK);
            char joined[64] = "";
            struct span events = buf_view(&d.text);
            struct span line;
            while (span_take_until(&events, '\n', &line)) {
                strncat(joined, (const char *)line.ptr + 17, line.len - 19);
            }
            assert_string_equal(joined, text);
            assert_int_equal(d.writer.at.carry_len[STREAM_STDOUT], 0);
            cast_scratch_fini(&d.scratch);
            buf_fini(&d.text);
        }
    }
}

static void
test_invalid(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, true);
    put(&d, STREAM_STDOUT, "ok\xE2\x82");
    put(&d, STREAM_STDOUT, "no"); /* the begun character never comes */
    put(&d, STREAM_STDERR, "\xF0\x9F");
    assert_int_equal(
        cast_writer_flush(&d.writer, d.mono_ns, &d.scratch, &d.text),
        STATUS_OK);
    assert_int_equal(
        cast_writer_flush(&d.writer, d.mono_ns, &d.scratch, &d.text),
        STATUS_OK);
    finish(&d, "[0.000000, \"o\", \"ok\"]\n"
               "[0.000000, \"o\", \"\xEF\xBF\xBDno\"]\n"
               "[0.000000, \"b\", \"4oJubw==\"]\n"
               "[0.000000, \"s\", \"stderr\"]\n"
               "[0.000000, \"o\", \"\xEF\xBF\xBD\"]\n"
               "[0.000000, \"b\", \"8J8=\"]\n");
}

static bool
becomes_binary(bool is_tty, enum journal_stream stream, struct span bytes)
{
    struct desk d;
    begin(&d, is_tty);
    assert_int_equal(data(&d, stream, bytes), STATUS_OK);
    const bool is_binary = d.writer.at.is_binary[stream];
    assert_int_equal(
        memmem(d.text.data, d.text.len, "\"B\"", 3) != NULL, is_binary);
    cast_scratch_fini(&d.scratch);
    buf_fini(&d.text);
    return is_binary;
}

static void
test_what_is_binary(void **state)
{
    (void)state;
    uint8_t chunk[1000];
    memset(chunk, 'a', sizeof chunk);
    assert_false(becomes_binary(false, STREAM_STDOUT, span_of(chunk, 1000)));
    memset(chunk, 0xFF, 100);
    assert_false(becomes_binary(false, STREAM_STDOUT, span_of(chunk, 1000)));
    chunk[500] = 0xFF; /* 101 of 1000: more than a tenth */
    assert_true(becomes_binary(false, STREAM_STDOUT, span_of(chunk, 1000)));
    assert_true(becomes_binary(false, STREAM_STDIN, span_of(chunk, 1000)));
    assert_false(becomes_binary(true, STREAM_STDOUT, span_of(chunk, 1000)));
    assert_false(becomes_binary(false, STREAM_STDOUT, span_of(chunk, 255)));
    assert_true(becomes_binary(false, STREAM_STDOUT, span_of(chunk, 256)));
    assert_true(becomes_binary(false, STREAM_STDERR, SPAN_LIT("a\0b")));
    assert_false(becomes_binary(true, STREAM_STDERR, SPAN_LIT("a\0b")));
}

/* A stream that is binary stays so; the others are not touched by it. */
static void
test_binary_for_good(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, false);
    assert_int_equal(data(&d, STREAM_STDOUT, SPAN_LIT("\0")), STATUS_OK);
    put(&d, STREAM_STDOUT, "\xC3");
    put(&d, STREAM_STDERR, "e");
    finish(&d,
        "[0.000000, \"B\", "
        "\"{\\\"stream\\\":\\\"stdout\\\",\\\"base64\\\":\\\"AA==\\\"}\"]\n"
        "[0.000000, \"B\", "
        "\"{\\\"stream\\\":\\\"stdout\\\",\\\"base64\\\":\\\"ww==\\\"}\"]\n"
        "[0.000000, \"s\", \"stderr\"]\n"
        "[0.000000, \"o\", \"e\"]\n");
}

static void
test_sizes(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, true);
    static const uint8_t sizes[][4] = {{0, 80, 0, 24}, {0, 80, 0, 24},
        {0, 0, 0, 0}, {0, 0, 0, 9}, {0xff, 0xff, 1, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct journal_record r = {
            .mono_ns = 1000, .payload = span_of(sizes[i], 4)};
        assert_int_equal(cast_writer_resize(&d.writer, &r, &d.text), STATUS_OK);
    }
    const struct journal_record cut = {
        .mono_ns = 1000, .payload = span_of(sizes[4], 3)};
    assert_int_equal(cast_writer_resize(&d.writer, &cut, &d.text), STATUS_OK);
    finish(&d, "[0.000000, \"r\", \"80x24\"]\n"
               "[0.000000, \"r\", \"65535x256\"]\n");
}

static void
test_error_stream(void **state)
{
    (void)state;
    struct desk d;
    struct buf bytes;
    begin(&d, true);
    buf_init(&bytes, 64);
    const struct journal_record r = {
        .mono_ns = 1000, .payload = SPAN_LIT("{\"a\":\"\xFF")};
    assert_int_equal(
        cast_writer_status(&d.writer, &r, &d.scratch, &d.text), STATUS_OK);
    assert_int_equal(
        cast_writer_status_of(
            SPAN_LIT("{\"error_stream\":\"eyJhIjoi/w==\"}"), &bytes),
        STATUS_OK);
    assert_true(span_eq(buf_view(&bytes), r.payload));
    assert_int_equal(
        cast_writer_status_of(SPAN_LIT("{\"reason\":\"x\"}"), &bytes),
        STATUS_OK);
    assert_int_equal(bytes.len, r.payload.len);
    buf_fini(&bytes);
    finish(&d, "[0.000000, \"k\", "
               "\"{\\\"error_stream\\\":\\\"eyJhIjoi/w==\\\"}\"]\n");
}

/* The worst payloads fit where limits.h says they do. */
static void
test_largest(void **state)
{
    (void)state;
    static const uint8_t worst[] = {0x1b, 0xff, 0x00};
    uint8_t *payload = malloc(JOURNAL_PAYLOAD_MAX);
    assert_non_null(payload);
    for (size_t i = 0; i < sizeof worst; i++) {
        struct desk d;
        begin(&d, i != 2);
        memset(payload, worst[i], JOURNAL_PAYLOAD_MAX);
        assert_int_equal(
            data(&d, STREAM_STDERR, span_of(payload, JOURNAL_PAYLOAD_MAX)),
            STATUS_OK);
        assert_true(d.text.len <= RECORDER_RECORD_TEXT_MAX);
        cast_scratch_fini(&d.scratch);
        buf_fini(&d.text);
    }
    free(payload);
}

/* Without room a call changes nothing, and may come again. */
static void
test_no_room(void **state)
{
    (void)state;
    struct desk d;
    begin(&d, false);
    put(&d, STREAM_STDOUT, "\xE2");
    buf_fini(&d.text);
    for (size_t room = 0; room < 60; room++) {
        buf_init(&d.text, room);
        const struct cast_writer before = d.writer;
        assert_int_equal(
            data(&d, STREAM_STDERR, SPAN_LIT("\xFFlong text")), STATUS_LIMIT);
        assert_int_equal(d.text.len, 0);
        assert_memory_equal(&before, &d.writer, sizeof before);
        buf_fini(&d.text);
    }
    cast_scratch_fini(&d.scratch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_what_is_binary),
        cmocka_unit_test(test_binary_for_good),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_error_stream),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
