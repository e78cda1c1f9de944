#include "proxy/spdy_frame.h"

#include "proxy/limits.h"
#include "tests/support/test.h"
#include "tests/support/vector.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX 16

struct parser {
    struct spdy_frame_reader reader;
    bool was_bad;
};

static void *
open_parser(const void *ctx)
{
    (void)ctx;
    struct parser *p = calloc(1, sizeof *p);
    assert_non_null(p);
    spdy_frame_init(&p->reader);
    return p;
}

static const char *
type_name(enum spdy_type type)
{
    switch (type) {
    case SPDY_DATA:
        return "data";
    case SPDY_SYN_STREAM:
        return "syn_stream";
    case SPDY_SYN_REPLY:
        return "syn_reply";
    case SPDY_RST_STREAM:
        return "rst_stream";
    case SPDY_SETTINGS:
        return "settings";
    case SPDY_PING:
        return "ping";
    case SPDY_GOAWAY:
        return "goaway";
    case SPDY_HEADERS:
        return "headers";
    case SPDY_WINDOW_UPDATE:
        return "window_update";
    }
    return "?";
}

static void
tell(const struct spdy_piece *piece, struct transcript *t)
{
    if (piece->is_head) {
        assert_int_equal(piece->bytes.len, 0);
        transcript_line(t, "%s %u%s", type_name(piece->type), piece->stream_id,
            piece->is_fin ? " fin" : "");
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
    struct spdy_piece piece;
    enum feed got = spdy_frame_next(&p->reader, &in, MAX, &piece);
    while (got == FEED_PIECE) {
        tell(&piece, t);
        got = spdy_frame_next(&p->reader, &in, MAX, &piece);
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
check(const char *hex, const char *expected)
{
    vector_check(&parser, NULL, hex, expected);
}

static void
reads_what_spdystream_writes(void **state)
{
    (void)state;
    check("80030001 00000017 00000003 00000000 0000"
          " c22e555c92929907000000ffff",
        "syn_stream 3\n"
        "bytes \"\\xc2.U\\x5c\\x92\\x92\\x99\\x07\\x00\\x00\\x00\\xff\\xff\"\n"
        "last\n");
    check("80030002 0000000c 00000003 026100000000ffff",
        "syn_reply 3\n"
        "bytes \"\\x02a\\x00\\x00\\x00\\x00\\xff\\xff\"\nlast\n");
    check("00000003 00000003 6c730a 00000003 01000000",
        "data 3\nbytes \"ls\\x0a\"\nlast\ndata 3 fin\nlast\n");
    check("80030003 00000008 00000001 00000005", "rst_stream 1\nlast\n");
    check("80030006 00000004 00000001", "ping 0\nlast\n");
    check("80030007 00000008 00000009 00000000", "goaway 9\nlast\n");
    check("80030004 0000000c 00000001 00000004 00000064",
        "settings 0\n"
        "bytes \"\\x00\\x00\\x00\\x04\\x00\\x00\\x00d\"\nlast\n");
    check("80030009 00000008 00000001 00010000", "window_update 1\nlast\n");
    check("80030008 01000006 00000001 abcd",
        "headers 1 fin\nbytes \"\\xab\\xcd\"\nlast\n");
}

/* Ids have 31 bits; another proxy lost its way from 129 on. */
static void
reads_ids_of_any_size(void **state)
{
    (void)state;
    check("7fffffff 00000001 61 00000081 00000001 62",
        "data 2147483647\nbytes \"a\"\nlast\ndata 129\nbytes \"b\"\nlast\n");
}

static void
reads_many_frames_of_one_write(void **state)
{
    (void)state;
    check("00000001 00000000 00000001 00000018"
          " 303132333435363738396162636465666768696a6b6c6d6e"
          " 80030006 00000004 00000003",
        "data 1\nlast\ndata 1\nbytes \"0123456789abcdefghijklmn\"\nlast\n"
        "ping 0\nlast\n");
}

static void
refuses_what_peers_could_read_differently(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        const char *why;
    } cases[] = {
        {"00000000 00000000", "data on stream 0"},
        {"00000001 02000000", "unknown flag of a data frame"},
        {"80020006 00000004", "control frame of another version"},
        {"80040006 00000004", "control frame of another version"},
        {"80030000 00000000", "unknown control frame"},
        {"80030005 00000000", "unknown control frame"}, /* NOOP of SPDY/2 */
        {"8003000a 00000000", "unknown control frame"}, /* CREDENTIAL */
        {"8003ffff 00000000", "unknown control frame"},
        {"80030001 0200000a", "unknown flag of a control frame"},
        {"80030002 0400000a", "unknown flag of a control frame"},
        {"80030003 01000008", "unknown flag of a control frame"},
        {"80030004 02000004", "unknown flag of a control frame"},
        {"80030006 01000004", "unknown flag of a control frame"},
        {"80030007 01000008", "unknown flag of a control frame"},
        {"80030009 01000008", "unknown flag of a control frame"},
        {"80030001 00010001", "control frame too long"},
        {"80030001 00000009", "control frame of a wrong length"},
        {"80030002 00000003", "control frame of a wrong length"},
        {"80030003 00000009", "control frame of a wrong length"},
        {"80030006 00000005", "control frame of a wrong length"},
        {"80030007 00000004", "control frame of a wrong length"},
        {"80030009 00000004", "control frame of a wrong length"},
        {"80030004 0000000c 00000002", "settings of a wrong length"},
        {"80030004 00000004 20000000", "settings of a wrong length"},
        {"80030006 00000004 00000000", "ping 0"},
        {"80030001 0000000a 00000000 00000000 0000", "stream id 0"},
        {"80030001 0000000a 80000001 00000000 0000",
            "reserved bit of a stream id"},
        {"80030001 0000000a 00000003 00000001 0000",
            "stream associated to another"},
        {"80030003 00000008 00000001 00000000", "reset without a status"},
        {"80030009 00000008 00000001 00000000", "window update out of range"},
        {"80030009 00000008 00000001 80000000", "window update out of range"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[128];
        (void)snprintf(
            expected, sizeof expected, "bad spdy: %s\n", cases[i].why);
        check(cases[i].hex, expected);
    }
}

static void
lends_views(void **state)
{
    (void)state;
    struct spdy_frame_reader r;
    struct spdy_piece piece;
    const uint8_t bytes[] = {0, 0, 0, 1, 0, 0, 0, 2, 'h', 'i'};
    struct span in = {.ptr = bytes, .len = sizeof bytes};
    spdy_frame_init(&r);
    assert_true(spdy_frame_is_between(&r));
    assert_int_equal(spdy_frame_next(&r, &in, SIZE_MAX, &piece), FEED_PIECE);
    assert_false(spdy_frame_is_between(&r));
    assert_int_equal(spdy_frame_next(&r, &in, SIZE_MAX, &piece), FEED_PIECE);
    assert_ptr_equal(piece.bytes.ptr, bytes + 8);
    assert_true(spdy_frame_is_between(&r));
    assert_int_equal(spdy_frame_next(&r, &in, SIZE_MAX, &piece), FEED_MORE);
}

static void
writes_what_it_reads(void **state)
{
    (void)state;
    struct buf out;
    struct transcript t = {.joining = NULL};
    buf_init(&out, 256);
    buf_init(&t.text, 4096);
    assert_int_equal(
        spdy_frame_encode_data(5, true, SPAN_LIT("bye"), &out), STATUS_OK);
    assert_int_equal(
        spdy_frame_encode_rst(7, SPDY_RST_REFUSED_STREAM, &out), STATUS_OK);
    assert_int_equal(
        spdy_frame_encode_goaway(9, SPDY_GOAWAY_OK, &out), STATUS_OK);
    struct parser *p = open_parser(NULL);
    feed(p, buf_view(&out), &t);
    const char *text = NULL;
    assert_int_equal(buf_cstr(&t.text, &text), STATUS_OK);
    assert_string_equal(text, "data 5 fin\nbytes \"bye\"\nlast\n"
                              "rst_stream 7\nlast\ngoaway 9\nlast\n");
    const struct span huge = {.ptr = out.data, .len = 1u << 24};
    assert_int_equal(spdy_frame_encode_data(5, true, huge, &out), STATUS_LIMIT);
    free(p);
    buf_fini(&out);
    buf_fini(&t.text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_spdystream_writes),
        cmocka_unit_test(reads_ids_of_any_size),
        cmocka_unit_test(reads_many_frames_of_one_write),
        cmocka_unit_test(refuses_what_peers_could_read_differently),
        cmocka_unit_test(lends_views),
        cmocka_unit_test(writes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
