#include "proxy/ws_channel.h"

#include "tests/support/test.h"
#include "tests/support/vector.h"

#include <stdlib.h>

#define MAX 8

struct how {
    const char *subprotocol;
    enum channel_from from;
};

/* Server frames carry both directions here: what is masked is ws_frame's. */
struct parser {
    struct ws_frame_reader frames;
    struct ws_channel_reader channels;
    bool was_bad;
};

static void *
open_parser(const void *ctx)
{
    const struct how *how = ctx;
    struct ws_subprotocol subprotocol;
    assert_true(ws_subprotocol_find(span_str(how->subprotocol), &subprotocol));
    struct parser *p = calloc(1, sizeof *p);
    assert_non_null(p);
    ws_frame_init(&p->frames, false);
    ws_channel_init(&p->channels, &subprotocol, how->from);
    return p;
}

static const char *const label[CHANNEL_COUNT] = {"0", "1", "2", "3", "4"};

static void
feed(void *parser, struct span in, struct transcript *t)
{
    struct parser *p = parser;
    uint8_t scratch[MAX];
    struct ws_piece piece;
    while (!p->was_bad) {
        const size_t max = ws_channel_appetite(&p->channels, MAX);
        if (ws_frame_next(&p->frames, &in, max, NULL, &piece) != FEED_PIECE) {
            break;
        }
        struct ws_channel_fact fact;
        if (!ws_channel_take(&p->channels, &piece, scratch, &fact)) {
            p->was_bad = true;
            transcript_line(t, "bad %s", p->channels.why);
            assert_false(ws_channel_take(&p->channels, &piece, scratch, &fact));
        } else if (fact.kind == WS_CHANNEL_DATA) {
            transcript_piece(t, label[fact.channel], fact.bytes);
        } else if (fact.kind == WS_CHANNEL_END) {
            transcript_line(t, "end %d", (int)fact.channel);
        }
    }
}

static const struct vector_parser parser = {open_parser, feed, free};

static const struct how v5_client = {"v5.channel.k8s.io", FROM_CLIENT};
static const struct how v5_server = {"v5.channel.k8s.io", FROM_SERVER};
static const struct how v4_client = {"v4.channel.k8s.io", FROM_CLIENT};
static const struct how plain = {"", FROM_SERVER};
static const struct how base64 = {"base64.channel.k8s.io", FROM_SERVER};
static const struct how base64_client = {
    "v4.base64.channel.k8s.io", FROM_CLIENT};

static void
knows_the_subprotocols_of_upstream(void **state)
{
    (void)state;
    static const char *const known[] = {"", "channel.k8s.io",
        "base64.channel.k8s.io", "v4.channel.k8s.io",
        "v4.base64.channel.k8s.io", "v5.channel.k8s.io"};
    static const char *const unknown[] = {"v2.channel.k8s.io",
        "v3.channel.k8s.io", "v5.base64.channel.k8s.io", "V5.channel.k8s.io",
        "SPDY/3.1+portforward.k8s.io", "v6.channel.k8s.io", " "};
    struct ws_subprotocol how;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_true(ws_subprotocol_find(span_str(known[i]), &how));
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_false(ws_subprotocol_find(span_str(unknown[i]), &how));
    }
    assert_true(ws_subprotocol_find(SPAN_LIT("v5.channel.k8s.io"), &how));
    assert_true(how.has_end && how.has_status && !how.is_base64);
    assert_true(ws_subprotocol_find(SPAN_LIT("channel.k8s.io"), &how));
    assert_true(!how.has_end && !how.has_status && !how.is_base64);
}

static void
reads_binary_and_text_alike(void **state)
{
    (void)state;
    vector_check(&parser, &plain, "8203 01 6869 8103 02 6869 8201 01 8200",
        "1 \"hi\"\n2 \"hi\"\n");
    vector_check(&parser, &v5_server,
        "820c 01 3031323334353637383961 8202 03 7b",
        "1 \"0123456789a\"\n3 \"{\"\n");
}

static void
reads_the_half_close_of_v5(void **state)
{
    (void)state;
    vector_check(&parser, &v5_client, "8202 00 61 8202 ff00 8202 ff04",
        "0 \"a\"\nend 0\nend 4\n");
    vector_check(&parser, &v5_client, "8201 ff",
        "bad channels: half-close without a channel\n");
    vector_check(&parser, &v5_client, "8203 ff00 00",
        "bad channels: half-close longer than two bytes\n");
    vector_check(
        &parser, &v5_client, "8202 ff05", "bad channels: unknown channel\n");
    vector_check(
        &parser, &v5_client, "8202 ffff", "bad channels: unknown channel\n");
    vector_check(
        &parser, &v4_client, "8202 ff00", "bad channels: unknown channel\n");
}

static void
reads_base64_as_its_bits_come(void **state)
{
    (void)state;
    /* "foo\n", "\n", "hi", "" and 12 bytes. */
    vector_check(&parser, &base64,
        "8109 31 5a6d3976436 73d3d 8105 32 43673d3d 8101 31"
        " 8111 31 414141424242434343444444 2b773d3d"
        " 8101 33",
        "1 \"foo\\x0a\"\n2 \"\\x0a\"\n"
        "1 \"\\x00\\x00\\x01\\x04\\x10\\x82\\x080\\xc3\\xfb\"\n");
}

static void
refuses_malformed_base64(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "8102 31 41",          /* one character */
        "8103 31 4141",        /* no padding */
        "8104 31 414141",      /* no padding */
        "8105 31 41413d3e",    /* not the alphabet */
        "8105 31 413d3d3d",    /* padding too early */
        "8105 31 41423d3d",    /* bits below the padding */
        "8105 31 4141423d",    /* the same, of one '=' */
        "8106 31 41413d3d 41", /* data behind padding */
        "8106 31 41413d3d 3d", /* more padding */
        "8105 31 41413d41",    /* padding cut short */
        "8105 31 4141410a",    /* a newline, which Go would skip */
        "8105 31 5f2d5f2d",    /* base64url */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct parser *p = open_parser(&base64);
        struct transcript t = {.joining = NULL};
        struct buf bytes;
        buf_init(&t.text, 4096);
        buf_init(&bytes, 64);
        vector_hex(bad[i], &bytes);
        feed(p, buf_view(&bytes), &t);
        assert_true(p->was_bad);
        buf_fini(&bytes);
        buf_fini(&t.text);
        free(p);
    }
}

static void
refuses_channels_that_are_none(void **state)
{
    (void)state;
    vector_check(
        &parser, &plain, "8202 05 61", "bad channels: unknown channel\n");
    vector_check(
        &parser, &base64, "8101 35", "bad channels: unknown channel\n");
    vector_check(
        &parser, &base64, "8101 00", "bad channels: unknown channel\n");
    vector_check(&parser, &plain, "8101 31", "bad channels: unknown channel\n");
}

/* A server's fragments are read as RFC 6455 has it. A client's may not be
 * what the API server would take for a message of its own. */
static void
reads_fragments_only_when_they_mean_one_thing(void **state)
{
    (void)state;
    vector_check(&parser, &v5_server, "0202 01 61 0002 0062 8001 04 8200",
        "1 \"a\\x00b\\x04\"\n");
    vector_check(
        &parser, &v5_client, "0202 00 61 0002 6263 8000", "0 \"abc\"\n");
    vector_check(&parser, &v5_client, "0200 8002 0061", "0 \"a\"\n");
    vector_check(&parser, &v5_client, "0202 00 61 8002 0162",
        "0 \"a\"\nbad channels: ambiguous fragment\n");
    vector_check(&parser, &v5_client, "0202 04 7b 8002 ff00",
        "4 \"{\"\nbad channels: ambiguous fragment\n");
    vector_check(
        &parser, &v4_client, "0202 00 61 8002 ff00", "0 \"a\\xff\\x00\"\n");
    vector_check(&parser, &base64_client, "0105 30 61476b3d 8004 30303030",
        "0 \"hi\"\nbad channels: ambiguous fragment\n");
}

static void
writes_what_it_reads(void **state)
{
    (void)state;
    static const struct how *const hows[] = {&plain, &base64, &v5_server};
    for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
        struct ws_subprotocol how;
        struct buf out;
        struct transcript t = {.joining = NULL};
        buf_init(&out, 4096);
        buf_init(&t.text, 4096);
        assert_true(ws_subprotocol_find(span_str(hows[i]->subprotocol), &how));
        assert_int_equal(ws_channel_encode(
                             &how, CHANNEL_STDERR, SPAN_LIT("no more\n"), &out),
            STATUS_OK);
        struct parser *p = open_parser(hows[i]);
        feed(p, buf_view(&out), &t);
        transcript_line(&t, "over");
        const char *text = NULL;
        assert_int_equal(buf_cstr(&t.text, &text), STATUS_OK);
        assert_string_equal(text, "2 \"no more\\x0a\"\nover\n");
        free(p);
        buf_fini(&out);
        buf_fini(&t.text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_subprotocols_of_upstream),
        cmocka_unit_test(reads_binary_and_text_alike),
        cmocka_unit_test(reads_the_half_close_of_v5),
        cmocka_unit_test(reads_base64_as_its_bits_come),
        cmocka_unit_test(refuses_malformed_base64),
        cmocka_unit_test(refuses_channels_that_are_none),
        cmocka_unit_test(reads_fragments_only_when_they_mean_one_thing),
        cmocka_unit_test(writes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
