#include "proxy/demux.h"

#include "proxy/limits.h"
#include "tests/support/test.h"
#include "tests/support/vector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- frames as spdystream writes them, one connection, in order ---- */

#define SYN_ERROR                              \
    "80030001 00000029 00000001 00000000 0000" \
    "78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff"
#define SYN_STDIN \
    "80030001 00000017 00000003 00000000 0000 c22e555c92929907000000ffff"
#define SYN_STDOUT \
    "80030001 00000019 00000005 00000000 0000 c22ac5565c92925f5a02000000ffff"
#define SYN_STDERR \
    "80030001 00000015 00000007 00000000 0000 c229975a5404000000ffff"
#define SYN_RESIZE \
    "80030001 00000018 00000009 00000000 0000 c22e57945a9c59950a000000ffff"
#define SYN_ALL SYN_ERROR SYN_STDIN SYN_STDOUT SYN_STDERR SYN_RESIZE

#define REPLY_1   "80030002 00000014 00000001 78f9e3c6a7c26260606000000000ffff"
#define REPLY_3   "80030002 0000000c 00000003 026100000000ffff"
#define REPLY_5   "80030002 0000000c 00000005 026100000000ffff"
#define REPLY_7   "80030002 0000000c 00000007 026100000000ffff"
#define REPLY_9   "80030002 0000000c 00000009 026100000000ffff"
#define REPLY_ALL REPLY_1 REPLY_3 REPLY_5 REPLY_7 REPLY_9

#define GOAWAY "80030007 00000008 00000000 00000000"
#define PING   "80030006 00000004 00000001"

static const struct demux_wish everything = {true, true, true, true};
static const struct demux_wish no_tty = {false, true, true, true};
static const struct demux_wish output_only = {false, false, true, false};

/* A session of which something has been said before the vector begins. */
struct scene {
    enum meta_protocol protocol;
    const char *subprotocol;
    const struct demux_wish *wish;
    const char *client_said;
    const char *server_said;
    enum channel_from from; /* of the vector */
};

struct parser {
    struct demux *demux;
    enum channel_from from;
    bool was_bad;
};

static const char *const name[CHANNEL_COUNT] = {
    "stdin", "stdout", "stderr", "error", "resize"};

static void
tell(const struct channel_fact *fact, struct transcript *t)
{
    switch (fact->kind) {
    case CHANNEL_DATA:
        assert_true(fact->bytes.len > 0);
        transcript_piece(t, name[fact->channel], fact->bytes);
        break;
    case CHANNEL_SIZE:
        transcript_line(t, "size %ux%u", fact->width, fact->height);
        break;
    case CHANNEL_END:
        transcript_line(t, "end %s", name[fact->channel]);
        break;
    case CHANNEL_CLOSE:
        transcript_line(t, "close");
        break;
    case CHANNEL_NOTHING:
        break;
    }
}

static void
feed_from(struct parser *p, enum channel_from from, struct span in,
    struct transcript *t)
{
    struct channel_fact fact;
    enum feed got = demux_next(p->demux, from, &in, &fact);
    while (got == FEED_PIECE) {
        tell(&fact, t);
        got = demux_next(p->demux, from, &in, &fact);
    }
    if (got == FEED_MORE) {
        assert_int_equal(in.len, 0);
        assert_false(p->was_bad);
    } else if (!p->was_bad) {
        p->was_bad = true;
        transcript_line(t, "bad %s", demux_why(p->demux));
    }
}

static void
say(struct parser *p, enum channel_from from, const char *hex)
{
    struct transcript t = {.joining = NULL};
    struct buf bytes;
    buf_init(&t.text, 1u << 16);
    buf_init(&bytes, 1u << 16);
    vector_hex(hex, &bytes);
    feed_from(p, from, buf_view(&bytes), &t);
    assert_false(p->was_bad);
    buf_fini(&bytes);
    buf_fini(&t.text);
}

static void *
open_scene(const void *ctx)
{
    const struct scene *scene = ctx;
    struct parser *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->from = scene->from;
    assert_int_equal(demux_new(scene->protocol, span_str(scene->subprotocol),
                         scene->wish, &p->demux, NULL),
        STATUS_OK);
    say(p, FROM_CLIENT, scene->client_said);
    say(p, FROM_SERVER, scene->server_said);
    return p;
}

static void
feed(void *parser, struct span in, struct transcript *t)
{
    struct parser *p = parser;
    feed_from(p, p->from, in, t);
}

static void
close_scene(void *parser)
{
    struct parser *p = parser;
    demux_free(&p->demux);
    assert_null(p->demux);
    free(p);
}

static const struct vector_parser parser = {open_scene, feed, close_scene};

static void
spdy_client(const char *before, const char *hex, const char *expected)
{
    const struct scene scene = {
        META_SPDY, "v4.channel.k8s.io", &everything, before, "", FROM_CLIENT};
    vector_check(&parser, &scene, hex, expected);
}

static void
spdy_server(const char *before, const char *hex, const char *expected)
{
    const struct scene scene = {META_SPDY, "v4.channel.k8s.io", &everything,
        SYN_ALL, before, FROM_SERVER};
    vector_check(&parser, &scene, hex, expected);
}

static void
ws(enum channel_from from, const char *subprotocol, const char *hex,
    const char *expected)
{
    const struct scene scene = {
        META_WEBSOCKET, subprotocol, &everything, "", "", from};
    vector_check(&parser, &scene, hex, expected);
}

/* ---- SPDY ---- */

static void
reads_a_spdy_session(void **state)
{
    (void)state;
    spdy_client("",
        SYN_ALL "00000009 00000019"
                "7b225769647468223a38302c22486569676874223a32347d0a"
                "00000003 00000003 6c730a" PING "00000003 00000002 6464"
                "00000003 01000000 80030003 00000008 00000001 00000005" GOAWAY,
        "size 80x24\nstdin \"ls\\x0add\"\nend stdin\nclose\n");
    spdy_server("",
        REPLY_ALL "00000005 00000006 68656c6c6f0a 00000007 00000001 21"
                  "80030004 0000000c 00000001 00000004 00000064"
                  "80030009 00000008 00000001 00010000"
                  "00000005 01000000 00000001 01000002 7b7d" GOAWAY,
        "stdout \"hello\\x0a\"\nstderr \"!\"\nend stdout\n"
        "error \"{}\"\nend error\nclose\n");
}

static void
tells_the_end_behind_the_data(void **state)
{
    (void)state;
    spdy_client(SYN_ALL, "00000003 01000002 6869 00000009 01000002 7b7d",
        "stdin \"hi\"\nend stdin\nsize 0x0\nend resize\n");
}

static void
reads_sizes_cut_over_frames_and_many_in_one(void **state)
{
    (void)state;
    spdy_client(SYN_ALL,
        "00000009 00000003 7b2257"
        "00000009 00000016 69647468223a39302c22486569676874223a337d"
        "2020 00000009 00000004 7b7d7b7d 00000009 00000001 78"
        "00000009 00000002 7b7d 00000003 00000001 61",
        "size 90x3\nsize 0x0\nsize 0x0\nstdin \"a\"\n");
}

/* Every frame of a write counts, also a SYN_STREAM behind another. */
static void
refuses_streams_that_hide_a_session(void **state)
{
    (void)state;
    spdy_client(SYN_ERROR SYN_STDIN SYN_STDOUT,
        /* streamtype stdout again, by a stored block */
        "80030001 0000002b 00000007 00000000 0000"
        "001c00e3ff 00000001 0000000a 73747265616d74797065"
        "00000006 7374646f7574",
        "bad spdy: second stream of one type\n");
    spdy_client(SYN_ERROR,
        "80030001 00000028 00000001 00000000 0000"
        "001900e6ff 00000001 0000000a 73747265616d74797065 00000003 666f6f",
        "bad spdy: stream id used before\n");
    spdy_client(SYN_ERROR,
        "80030001 00000028 00000003 00000000 0000"
        "001900e6ff 00000001 0000000a 73747265616d74797065 00000003 666f6f",
        "bad spdy: unknown stream type\n");
    spdy_client(SYN_ERROR, "00000003 00000001 61",
        "bad spdy: frame of a stream that was never opened\n");
    spdy_client(
        "", REPLY_1, "bad spdy: frame of a stream that was never opened\n");
    spdy_client(SYN_ALL, REPLY_1, "bad spdy: reply from the client\n");
    spdy_server("", SYN_ERROR, "bad spdy: stream opened by the server\n");
}

static void
holds_streams_against_the_request(void **state)
{
    (void)state;
    const struct scene no_stdin = {META_SPDY, "v4.channel.k8s.io", &output_only,
        SYN_ERROR, "", FROM_CLIENT};
    vector_check(&parser, &no_stdin, SYN_STDIN,
        "bad spdy: stream that the request did not ask for\n");
    static const struct demux_wish *const wishes[] = {&everything, &no_tty};
    static const char *const versions[] = {
        "v2.channel.k8s.io", "v3.channel.k8s.io"};
    for (size_t i = 0; i < 4; i++) {
        const bool may_resize = wishes[i / 2]->tty && i % 2 == 1;
        const struct scene scene = {META_SPDY, versions[i % 2], wishes[i / 2],
            SYN_ERROR SYN_STDIN SYN_STDOUT SYN_STDERR, "", FROM_CLIENT};
        vector_check(&parser, &scene, SYN_RESIZE,
            may_resize ? ""
                       : "bad spdy: stream that the request did not ask for\n");
    }
}

static void
refuses_data_where_none_may_be(void **state)
{
    (void)state;
    spdy_client(SYN_ALL, "00000005 00000001 61",
        "bad channels: data in the wrong direction\n");
    spdy_server(REPLY_ALL, "00000003 00000001 61",
        "bad channels: data in the wrong direction\n");
    spdy_server(REPLY_ALL, "00000009 00000001 61",
        "bad channels: data in the wrong direction\n");
    spdy_server(
        REPLY_1, "00000005 00000001 61", "bad spdy: data before the reply\n");
    spdy_server("", REPLY_1 "80030002 0000000c 00000001 026100000000ffff",
        "bad spdy: second reply on a stream\n");
    spdy_client(SYN_ALL "00000003 01000000", "00000003 00000001 61",
        "bad spdy: frame behind the end of its stream\n");
}

/* What real peers send and means nothing: ends in the other direction (the
 * kubelet's v1 closes stdin), empty frames, data behind a reset. */
static void
passes_what_means_nothing(void **state)
{
    (void)state;
    spdy_server(REPLY_ALL,
        "00000003 01000000 00000005 00000000 00000005 01000000"
        "00000005 00000000 00000005 01000000",
        "end stdout\n");
    spdy_server(REPLY_ALL,
        "80030003 00000008 00000005 00000005 00000005 00000001 61" GOAWAY
        "00000005 00000001 62" GOAWAY,
        "stdout \"a\"\nclose\nstdout \"b\"\n");
    spdy_server(REPLY_ALL, "80030008 0100000c 00000005 026100000000ffff",
        "end stdout\n");
}

static void
inflates_every_block_in_order(void **state)
{
    (void)state;
    /* A HEADERS frame between two SYN_STREAMs moves the context on. */
    spdy_client(SYN_ERROR SYN_STDIN,
        "80030008 0000001c 00000003 c22ac5565c92925f5a02000000ffff"
        "000400fbff 00000000",
        "bad spdy: bytes behind the last header\n");
    spdy_client(SYN_ERROR SYN_STDIN,
        "80030008 00000013 00000003 c22ac5565c92925f5a02000000ffff"
        "80030001 00000015 00000007 00000000 0000 c229975a5404000000ffff"
        "00000003 00000001 61",
        "stdin \"a\"\n");
}

/* ---- WebSocket; a mask of zeros leaves the payload readable here ---- */

#define MASK "00000000"

static void
reads_a_websocket_session(void **state)
{
    (void)state;
    ws(FROM_SERVER, "v5.channel.k8s.io",
        "8201 01 8206 01 68656c6c6f 8902 6869 8203 02 6f6f"
        "8203 03 7b7d 8802 03e8",
        "stdout \"hello\"\nstderr \"oo\"\nerror \"{}\"\nclose\n");
    ws(FROM_CLIENT, "v5.channel.k8s.io",
        "829a" MASK "04 7b225769647468223a38302c22486569676874223a32347d0a"
        "8284 01020304 016e7004 8a80" MASK "8282" MASK "ff00"
        "8880" MASK,
        "size 80x24\nstdin \"ls\\x00\"\nend stdin\nclose\n");
    ws(FROM_CLIENT, "base64.channel.k8s.io",
        "8185" MASK "30 6148 6b3d 8181" MASK "30"
        "8185" MASK "34 65333 03d",
        "stdin \"hy\"\nsize 0x0\n");
}

static void
refuses_websocket_data_where_none_may_be(void **state)
{
    (void)state;
    ws(FROM_CLIENT, "v4.channel.k8s.io", "8281" MASK "01 8282" MASK "0161",
        "bad channels: data in the wrong direction\n");
    ws(FROM_CLIENT, "v4.channel.k8s.io", "8282" MASK "0361",
        "bad channels: data in the wrong direction\n");
    ws(FROM_SERVER, "", "8202 0061",
        "bad channels: data in the wrong direction\n");
    ws(FROM_SERVER, "", "8202 0461",
        "bad channels: data in the wrong direction\n");
    ws(FROM_SERVER, "", "8202 0561", "bad channels: unknown channel\n");
    ws(FROM_CLIENT, "v5.channel.k8s.io",
        "8282" MASK "ff00 8282" MASK "ff00 8282" MASK "ff01"
        "8282" MASK "0061",
        "end stdin\nbad channels: data behind the end of its channel\n");
}

static void
reads_fragments_with_control_frames_between(void **state)
{
    (void)state;
    ws(FROM_SERVER, "v4.channel.k8s.io",
        "0202 0161 8901 21 0001 62 8a00 8001 63 8202 0264",
        "stdout \"abc\"\nstderr \"d\"\n");
    ws(FROM_CLIENT, "v4.channel.k8s.io",
        "0283" MASK "006563 8980" MASK "8083" MASK "686f0a",
        "stdin \"echo\\x0a\"\n");
    ws(FROM_CLIENT, "v4.channel.k8s.io", "0282" MASK "047b 8083" MASK "00726d",
        "bad channels: ambiguous fragment\n");
}

/* ---- both ---- */

static void
is_bad_for_ever_both_ways(void **state)
{
    (void)state;
    const struct scene scene = {
        META_WEBSOCKET, "v4.channel.k8s.io", &everything, "", "", FROM_CLIENT};
    struct parser *p = open_scene(&scene);
    struct channel_fact fact;
    struct span bad = SPAN_LIT("\x82\x00");
    struct span good = SPAN_LIT("\x82\x02\x01x");
    assert_int_equal(demux_next(p->demux, FROM_CLIENT, &bad, &fact), FEED_BAD);
    assert_int_equal(demux_next(p->demux, FROM_SERVER, &good, &fact), FEED_BAD);
    assert_int_equal(good.len, 4);
    assert_false(demux_is_over(p->demux));
    close_scene(p);
}

static void
knows_when_both_ends_are_done(void **state)
{
    (void)state;
    const struct scene ws_scene = {META_WEBSOCKET, "v5.channel.k8s.io",
        &everything, "", "8802 03e8", FROM_CLIENT};
    struct parser *p = open_scene(&ws_scene);
    assert_false(demux_is_over(p->demux));
    assert_false(demux_has_left(p->demux, FROM_CLIENT));
    assert_true(demux_has_left(p->demux, FROM_SERVER));
    say(p, FROM_CLIENT, "8880" MASK);
    assert_true(demux_is_over(p->demux));
    assert_true(demux_has_left(p->demux, FROM_CLIENT));
    close_scene(p);

    const struct scene spdy_scene = {META_SPDY, "v4.channel.k8s.io",
        &everything, SYN_ERROR SYN_STDIN, REPLY_1 REPLY_3, FROM_CLIENT};
    p = open_scene(&spdy_scene);
    assert_false(demux_is_over(p->demux));
    say(p, FROM_SERVER, "00000001 01000000 00000003 01000000");
    assert_false(demux_is_over(p->demux));
    assert_false(demux_has_left(p->demux, FROM_SERVER)); /* said all it had */
    say(p, FROM_CLIENT, GOAWAY);
    assert_true(demux_is_over(p->demux));
    assert_true(demux_has_left(p->demux, FROM_CLIENT));
    close_scene(p);
}

static void
refuses_protocols_that_it_does_not_know(void **state)
{
    (void)state;
    struct demux *d = NULL;
    struct error err;
    assert_int_equal(demux_new(META_WEBSOCKET, SPAN_LIT("v2.channel.k8s.io"),
                         &everything, &d, &err),
        STATUS_UNSUPPORTED);
    assert_int_equal(demux_new(META_SPDY, SPAN_LIT("portforward.k8s.io"),
                         &everything, &d, &err),
        STATUS_UNSUPPORTED);
    assert_null(d);
}

/* Bulk data is lent, not copied; the client's is unmasked in pieces. */
static void
lends_bulk_data(void **state)
{
    (void)state;
    enum {
        LEN = 60000
    };
    uint8_t frame[8 + LEN];
    struct channel_fact fact;
    memset(frame, 'x', sizeof frame);
    memcpy(frame, "\x82\x7e\xea\x60\x01", 5); /* 60000, channel 1 */
    const struct scene scene = {
        META_WEBSOCKET, "v4.channel.k8s.io", &everything, "", "", FROM_SERVER};
    struct parser *p = open_scene(&scene);
    struct span in = {.ptr = frame, .len = 4 + LEN};
    assert_int_equal(demux_next(p->demux, FROM_SERVER, &in, &fact), FEED_PIECE);
    assert_ptr_equal(fact.bytes.ptr, frame + 5);
    assert_int_equal(fact.bytes.len, LEN - 1);

    memcpy(frame, "\x82\xfe\xea\x60\0\0\0\0\0", 9);
    in = (struct span){.ptr = frame, .len = sizeof frame};
    size_t total = 0;
    while (demux_next(p->demux, FROM_CLIENT, &in, &fact) == FEED_PIECE) {
        assert_in_range(fact.bytes.len, 1, LIMIT_WS_PIECE_BYTES);
        total += fact.bytes.len;
    }
    assert_int_equal(total, LEN - 1);
    close_scene(p);
}

/* Says goodbye in `scene` and lets a second demux, which saw the same, read
 * it. */
static void
check_goodbye(const struct scene *scene, const char *expected)
{
    struct parser *p = open_scene(scene);
    struct parser *reader = open_scene(scene);
    struct buf out;
    struct transcript t = {.joining = NULL};
    const char *text = NULL;
    buf_init(&out, 4096);
    buf_init(&t.text, 4096);
    assert_int_equal(demux_say_goodbye(p->demux, demux_server_mark(p->demux),
                         SPAN_LIT("no"), SPAN_LIT("{}"), &out),
        STATUS_OK);
    feed_from(reader, FROM_SERVER, buf_view(&out), &t);
    assert_int_equal(buf_cstr(&t.text, &text), STATUS_OK);
    assert_string_equal(text, expected);
    assert_int_equal(demux_say_goodbye(p->demux, demux_server_mark(p->demux),
                         SPAN_LIT("no"), SPAN_LIT("{}"), &out),
        STATUS_CLOSED);
    buf_fini(&out);
    buf_fini(&t.text);
    close_scene(p);
    close_scene(reader);
}

static void
says_goodbye_over_websocket(void **state)
{
    (void)state;
    struct scene scene = {META_WEBSOCKET, "v5.channel.k8s.io", &no_tty, "",
        "8202 0161", FROM_SERVER};
    check_goodbye(&scene, "stderr \"no\"\nerror \"{}\"\nclose\n");
    scene.wish = &everything;
    check_goodbye(&scene, "stdout \"no\"\nerror \"{}\"\nclose\n");
    scene.wish = &output_only;
    check_goodbye(&scene, "stdout \"no\"\nerror \"{}\"\nclose\n");
    scene.subprotocol = "channel.k8s.io";
    check_goodbye(&scene, "stdout \"no\"\nerror \"no\"\nclose\n");
    scene.subprotocol = "v4.base64.channel.k8s.io";
    scene.server_said = "";
    check_goodbye(&scene, "stdout \"no\"\nerror \"{}\"\nclose\n");
}

static void
says_goodbye_over_spdy(void **state)
{
    (void)state;
    struct scene scene = {META_SPDY, "v4.channel.k8s.io", &no_tty,
        SYN_ERROR SYN_STDIN SYN_STDOUT SYN_STDERR,
        REPLY_1 REPLY_3 REPLY_5 REPLY_7, FROM_SERVER};
    check_goodbye(&scene, "end stdout\nstderr \"no\"\nend stderr\n"
                          "error \"{}\"\nend error\nclose\n");
    scene.subprotocol = "";
    check_goodbye(&scene, "end stdout\nstderr \"no\"\nend stderr\n"
                          "error \"no\"\nend error\nclose\n");
    /* Only one stream was answered: the others are reset. */
    scene.subprotocol = "v4.channel.k8s.io";
    scene.server_said = REPLY_1;
    check_goodbye(&scene, "error \"{}\"\nend error\nclose\n");
    scene.client_said = "";
    scene.server_said = "";
    check_goodbye(&scene, "close\n");
}

/* What was read and never delivered is nothing the client knows: it is told as
 * if the server had stopped at the mark. */
static void
says_goodbye_at_an_earlier_mark(void **state)
{
    (void)state;
    static const char *const said_later[] = {
        REPLY_1 REPLY_3 REPLY_5 REPLY_7 GOAWAY, "00000005 00000002 61"};
    for (size_t i = 0; i < sizeof said_later / sizeof *said_later; i++) {
        const struct scene scene = {META_SPDY, "v4.channel.k8s.io", &no_tty,
            SYN_ERROR SYN_STDIN SYN_STDOUT SYN_STDERR, "", FROM_SERVER};
        const struct scene known = {META_SPDY, "v4.channel.k8s.io", &no_tty,
            SYN_ERROR SYN_STDIN SYN_STDOUT SYN_STDERR,
            REPLY_1 REPLY_3 REPLY_5 REPLY_7, FROM_SERVER};
        struct parser *p = open_scene(i == 0 ? &scene : &known);
        struct parser *reader = open_scene(i == 0 ? &scene : &known);
        const uint32_t mark = demux_server_mark(p->demux);
        struct transcript t = {.joining = NULL};
        struct buf out;
        const char *text = NULL;
        buf_init(&out, 4096);
        buf_init(&t.text, 4096);
        assert_true(demux_mark_is_between(mark));
        say(p, FROM_SERVER, said_later[i]);
        assert_int_equal(demux_say_goodbye(p->demux, mark, SPAN_LIT("no"),
                             SPAN_LIT("{}"), &out),
            STATUS_OK);
        feed_from(reader, FROM_SERVER, buf_view(&out), &t);
        assert_int_equal(buf_cstr(&t.text, &text), STATUS_OK);
        assert_string_equal(
            text, i == 0 ? "close\n"
                         : "end stdout\nstderr \"no\"\nend stderr\n"
                           "error \"{}\"\nend error\nclose\n");
        buf_fini(&out);
        buf_fini(&t.text);
        close_scene(p);
        close_scene(reader);
    }
}

static void
does_not_say_goodbye_inside_a_frame(void **state)
{
    (void)state;
    static const struct {
        enum meta_protocol protocol;
        const char *said;
        enum status expected;
    } cases[] = {
        {META_WEBSOCKET, "82", STATUS_INVALID},
        {META_WEBSOCKET, "8203 0161", STATUS_INVALID},
        {META_WEBSOCKET, "0202 0161", STATUS_INVALID},
        {META_WEBSOCKET, "8802 03e8", STATUS_CLOSED},
        {META_SPDY, "80", STATUS_INVALID},
        {META_SPDY, "00000005 00000002 61", STATUS_INVALID},
        {META_SPDY, GOAWAY, STATUS_CLOSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool is_spdy = cases[i].protocol == META_SPDY;
        const struct scene scene = {cases[i].protocol, "v5.channel.k8s.io",
            &everything, is_spdy ? SYN_ALL : "", is_spdy ? REPLY_ALL : "",
            FROM_SERVER};
        struct parser *p = open_scene(&scene);
        struct buf out;
        buf_init(&out, 4096);
        say(p, FROM_SERVER, cases[i].said);
        assert_int_equal(
            demux_say_goodbye(p->demux, demux_server_mark(p->demux),
                SPAN_LIT("no"), SPAN_LIT("{}"), &out),
            cases[i].expected);
        assert_int_equal(out.len, 0);
        buf_fini(&out);
        close_scene(p);
    }
}

/* A refused server frame was not forwarded, so the client is still between
 * frames and can be told. */
static void
says_goodbye_after_a_refusal(void **state)
{
    (void)state;
    const struct scene scene = {META_WEBSOCKET, "v4.channel.k8s.io", &no_tty,
        "", "8202 0161", FROM_SERVER};
    struct parser *p = open_scene(&scene);
    struct channel_fact fact;
    struct buf out;
    struct span bad = SPAN_LIT("\x82\x02\x09x");
    buf_init(&out, 4096);
    assert_int_equal(demux_next(p->demux, FROM_SERVER, &bad, &fact), FEED_BAD);
    assert_int_equal(demux_say_goodbye(p->demux, demux_server_mark(p->demux),
                         SPAN_LIT("no"), SPAN_LIT("{}"), &out),
        STATUS_OK);
    buf_fini(&out);
    close_scene(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_spdy_session),
        cmocka_unit_test(tells_the_end_behind_the_data),
        cmocka_unit_test(reads_sizes_cut_over_frames_and_many_in_one),
        cmocka_unit_test(refuses_streams_that_hide_a_session),
        cmocka_unit_test(holds_streams_against_the_request),
        cmocka_unit_test(refuses_data_where_none_may_be),
        cmocka_unit_test(passes_what_means_nothing),
        cmocka_unit_test(inflates_every_block_in_order),
        cmocka_unit_test(reads_a_websocket_session),
        cmocka_unit_test(refuses_websocket_data_where_none_may_be),
        cmocka_unit_test(reads_fragments_with_control_frames_between),
        cmocka_unit_test(is_bad_for_ever_both_ways),
        cmocka_unit_test(knows_when_both_ends_are_done),
        cmocka_unit_test(refuses_protocols_that_it_does_not_know),
        cmocka_unit_test(lends_bulk_data),
        cmocka_unit_test(says_goodbye_over_websocket),
        cmocka_unit_test(says_goodbye_over_spdy),
        cmocka_unit_test(says_goodbye_at_an_earlier_mark),
        cmocka_unit_test(does_not_say_goodbye_inside_a_frame),
        cmocka_unit_test(says_goodbye_after_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
