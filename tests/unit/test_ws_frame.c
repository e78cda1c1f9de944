#include "proxy/ws_frame.h"

#include "tests/support/test.h"
#include "tests/support/vector.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX 16

struct parser {
    struct ws_frame_reader reader;
    bool was_bad;
};

static const bool client = true;
static const bool server = false;

static void *
open_parser(const void *ctx)
{
    struct parser *p = calloc(1, sizeof *p);
    assert_non_null(p);
    ws_frame_init(&p->reader, *(const bool *)ctx);
    return p;
}

static const char *
opcode_name(enum ws_opcode opcode)
{
    switch (opcode) {
    case WS_OP_CONTINUATION:
        return "continuation";
    case WS_OP_TEXT:
        return "text";
    case WS_OP_BINARY:
        return "binary";
    case WS_OP_CLOSE:
        return "close";
    case WS_OP_PING:
        return "ping";
    case WS_OP_PONG:
        return "pong";
    }
    return "?";
}

static void
tell(const struct ws_piece *piece, struct transcript *t)
{
    if (piece->is_head) {
        assert_int_equal(piece->bytes.len, 0);
        transcript_line(
            t, "%s%s", opcode_name(piece->opcode), piece->is_fin ? " fin" : "");
    } else {
        assert_in_range(piece->bytes.len, 1, MAX);
        transcript_piece(t, "bytes", piece->bytes);
    }
    if (piece->is_last) {
        transcript_line(t, "last");
    }
}

static void
feed(void *parser, struct span in, struct transcript *t)
{
    struct parser *p = parser;
    uint8_t scratch[MAX];
    struct ws_piece piece;
    enum feed got = ws_frame_next(&p->reader, &in, MAX, scratch, &piece);
    while (got == FEED_PIECE) {
        tell(&piece, t);
        got = ws_frame_next(&p->reader, &in, MAX, scratch, &piece);
    }
    if (got == FEED_MORE) {
        assert_int_equal(in.len, 0);
        assert_false(p->was_bad);
    } else if (!p->was_bad) {
        p->was_bad = true;
        transcript_line(t, "bad %s", p->reader.why);
    }
}

static const struct vector_parser parser = {open_parser, feed, free};

static void
check(const bool *from, const char *hex, const char *expected)
{
    vector_check(&parser, from, hex, expected);
}

/* RFC 6455 5.7: the examples. */
static void
reads_the_examples_of_the_rfc(void **state)
{
    (void)state;
    check(&server, "8105 48656c6c6f", "text fin\nbytes \"Hello\"\nlast\n");
    check(&client, "8185 37fa213d 7f9f4d5158",
        "text fin\nbytes \"Hello\"\nlast\n");
    check(&server, "0103 48656c 8002 6c6f",
        "text\nbytes \"Hel\"\nlast\n"
        "continuation fin\nbytes \"lo\"\nlast\n");
    check(&server, "8905 48656c6c6f 8a05 48656c6c6f",
        "ping fin\nbytes \"Hello\"\nlast\n"
        "pong fin\nbytes \"Hello\"\nlast\n");
}

static void
reads_control_frames_between_fragments(void **state)
{
    (void)state;
    check(&server, "0201 61 8900 0001 62 8a01 21 8001 63 8200",
        "binary\nbytes \"a\"\nlast\nping fin\nlast\n"
        "continuation\nbytes \"b\"\nlast\npong fin\nbytes \"!\"\nlast\n"
        "continuation fin\nbytes \"c\"\nlast\nbinary fin\nlast\n");
}

/* More than one mask period, cut anywhere, and frames one after another. */
static void
unmasks_across_cuts(void **state)
{
    (void)state;
    check(&client,
        "829b 01020304 60606066646464626868686e6c6c6c6a7070707674747472787878"
        " 8280 ffffffff 8283 00000000 616263",
        "binary fin\nbytes \"abcbefgfijkjmnonqrsruvwvyz{\"\nlast\n"
        "binary fin\nlast\nbinary fin\nbytes \"abc\"\nlast\n");
}

static void
reads_long_lengths(void **state)
{
    static const size_t lengths[] = {125, 126, 127, 65535, 65536, 70000};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct buf frame;
        buf_init(&frame, 1u << 20);
        assert_int_equal(
            ws_frame_encode_head(WS_OP_BINARY, lengths[i], &frame), STATUS_OK);
        for (size_t n = 0; n < lengths[i]; n++) {
            assert_int_equal(buf_append_u8(&frame, (uint8_t)n), STATUS_OK);
        }
        struct ws_frame_reader r;
        struct ws_piece piece;
        struct span in = buf_view(&frame);
        ws_frame_init(&r, false);
        assert_true(ws_frame_is_between(&r));
        assert_int_equal(
            ws_frame_next(&r, &in, SIZE_MAX, NULL, &piece), FEED_PIECE);
        assert_false(ws_frame_is_between(&r));
        assert_int_equal(in.len, lengths[i]);
        const uint8_t *payload = in.ptr;
        assert_int_equal(
            ws_frame_next(&r, &in, SIZE_MAX, NULL, &piece), FEED_PIECE);
        assert_true(piece.is_last);
        assert_int_equal(piece.bytes.len, lengths[i]);
        assert_ptr_equal(piece.bytes.ptr, payload); /* a view, not a copy */
        assert_true(ws_frame_is_between(&r));
        buf_fini(&frame);
    }
}

static void
refuses_what_peers_could_read_differently(void **state)
{
    static const struct {
        const bool *from;
        const char *hex;
        const char *why;
    } cases[] = {
        {&server, "c100", "websocket: reserved bit set"},
        {&server, "a100", "websocket: reserved bit set"},
        {&server, "9100", "websocket: reserved bit set"},
        {&server, "8300", "websocket: reserved opcode"},
        {&server, "8700", "websocket: reserved opcode"},
        {&server, "8b00", "websocket: reserved opcode"},
        {&server, "8f00", "websocket: reserved opcode"},
        {&server, "0900", "websocket: fragmented control frame"},
        {&server, "897e007e", "websocket: control frame longer than 125 bytes"},
        {&server, "8000", "websocket: continuation of nothing"},
        {&server, "8280", "websocket: masked server frame"},
        {&client, "8200", "websocket: unmasked client frame"},
        {&server, "827e007d", "websocket: overlong length"},
        {&server, "827f000000000000ffff", "websocket: overlong length"},
        {&server, "827f8000000000000000", "websocket: length above 2^63"},
        {&server, "8801", "websocket: close frame of one byte"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[128];
        (void)snprintf(expected, sizeof expected, "bad %s\n", cases[i].why);
        check(cases[i].from, cases[i].hex, expected);
    }
    check(&server, "0200 8100",
        "binary\nlast\nbad websocket: message inside a fragmented message\n");
}

static void
checks_close_codes(void **state)
{
    (void)state;
    check(&server, "8800", "close fin\nlast\n");
    check(&server, "8802 03e8", "close fin\nbytes \"\\x03\\xe8\"\nlast\n");
    check(
        &server, "8804 0fa0 6f6b", "close fin\nbytes \"\\x0f\\xa0ok\"\nlast\n");
    static const char *const bad[] = {
        "0000", "03e7", "03ec", "03ed", "03ee", "03f7", "0bb7", "1388", "ffff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ws_frame_reader r;
        struct ws_piece piece;
        struct buf frame;
        buf_init(&frame, 64);
        vector_hex("8802", &frame);
        vector_hex(bad[i], &frame);
        struct span in = buf_view(&frame);
        ws_frame_init(&r, false);
        assert_int_equal(ws_frame_next(&r, &in, MAX, NULL, &piece), FEED_PIECE);
        assert_int_equal(ws_frame_next(&r, &in, MAX, NULL, &piece), FEED_BAD);
        assert_int_equal(ws_frame_next(&r, &in, MAX, NULL, &piece), FEED_BAD);
        buf_fini(&frame);
    }
}

static void
is_not_between_inside_a_fragmented_message(void **state)
{
    (void)state;
    struct ws_frame_reader r;
    struct ws_piece piece;
    struct span in = {.ptr = (const uint8_t *)"\x02\x00\x80\x00", .len = 4};
    ws_frame_init(&r, false);
    assert_int_equal(ws_frame_next(&r, &in, MAX, NULL, &piece), FEED_PIECE);
    assert_false(ws_frame_is_between(&r));
    assert_int_equal(ws_frame_next(&r, &in, MAX, NULL, &piece), FEED_PIECE);
    assert_true(ws_frame_is_between(&r));
}

static void
writes_a_close(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 16);
    assert_int_equal(ws_frame_encode_close(WS_CLOSE_NORMAL, &out), STATUS_OK);
    assert_int_equal(out.len, 4);
    assert_memory_equal(buf_view(&out).ptr, "\x88\x02\x03\xe8", 4);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_examples_of_the_rfc),
        cmocka_unit_test(reads_control_frames_between_fragments),
        cmocka_unit_test(unmasks_across_cuts),
        cmocka_unit_test(reads_long_lengths),
        cmocka_unit_test(refuses_what_peers_could_read_differently),
        cmocka_unit_test(checks_close_codes),
        cmocka_unit_test(is_not_between_inside_a_fragmented_message),
        cmocka_unit_test(writes_a_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
