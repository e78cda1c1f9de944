/* Bodies, as transcripts: pieces joined, then how it ended and what is left.
 * Every vector is read whole, byte by byte, at every split and ending at a
 * guard page. */
#include "tests/support/test.h"

#include "proxy/http_body.h"
#include "tests/support/guard_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct body {
    enum http_framing framing;
    uint64_t length;
    struct span bytes;
};

static void
print_end(FILE *to, const struct http_body_piece *p, size_t left)
{
    fprintf(to, " end");
    for (size_t i = 0; i < p->trailer_count; i++) {
        fprintf(to, " %.*s=[%.*s]", (int)p->trailers[i].name.len,
            (const char *)p->trailers[i].name.ptr,
            (int)p->trailers[i].value.len,
            (const char *)p->trailers[i].value.ptr);
    }
    fprintf(to, " left %zu", left);
}

/* What is behind the body: `rest` counts bytes that were not fed yet. */
static bool
feed(struct http_body_reader *r, struct span piece, size_t rest, FILE *to)
{
    struct http_body_piece out;
    for (;;) {
        switch (http_body_next(r, &piece, &out)) {
        case FEED_PIECE:
            if (out.fact == HTTP_BODY_END) {
                print_end(to, &out, piece.len + rest);
                assert_int_equal(http_body_next(r, &piece, &out), FEED_MORE);
                return false;
            }
            assert_true(out.bytes.len > 0);
            fwrite(out.bytes.ptr, 1, out.bytes.len, to);
            break;
        case FEED_MORE:
            assert_int_equal(piece.len, 0);
            return true;
        case FEED_BAD:
            fprintf(to, " bad: %s", r->why);
            assert_int_equal(http_body_next(r, &piece, &out), FEED_BAD);
            assert_false(http_body_closed(r));
            return false;
        }
    }
}

static char *
transcript(const struct body *b, size_t first, size_t step)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    struct http_body_reader r;
    http_body_init(&r, b->framing, b->length);
    struct span bytes = b->bytes;
    bool goes_on = feed(&r, SPAN_EMPTY, bytes.len, to);
    size_t n = first;
    while (goes_on && bytes.len > 0) {
        struct span piece;
        n = n < bytes.len ? n : bytes.len;
        assert_true(span_take(&bytes, n, &piece));
        goes_on = feed(&r, piece, bytes.len, to);
        n = step;
    }
    if (goes_on) {
        fputs(http_body_closed(&r) ? " closed" : " cut", to);
    }
    http_body_fini(&r);
    fclose(to);
    return text;
}

static void
expect_split(
    const struct body *b, size_t first, size_t step, const char *expected)
{
    char *text = transcript(b, first, step);
    assert_string_equal(text, expected);
    free(text);
}

static void
expect(enum http_framing framing, uint64_t length, struct span bytes,
    const char *expected)
{
    struct body b = {framing, length, bytes};
    expect_split(&b, bytes.len, 1, expected);
    expect_split(&b, 1, 1, expected);
    for (size_t at = 1; at < bytes.len; at++) {
        expect_split(&b, at, bytes.len, expected);
    }
    struct guard_page g = guard_page_copy(bytes);
    b.bytes = g.bytes;
    expect_split(&b, bytes.len, 1, expected);
    guard_page_free(&g);
}

#define EXPECT_CHUNKED(bytes, expected) \
    expect(HTTP_BODY_CHUNKED, 0, SPAN_LIT(bytes), expected)

static void
reads_by_length(void **state)
{
    (void)state;
    expect(HTTP_BODY_LENGTH, 5, SPAN_LIT("helloGET"), "hello end left 3");
    expect(HTTP_BODY_LENGTH, 5, SPAN_LIT("hell"), "hell cut");
    expect(HTTP_BODY_LENGTH, 0, SPAN_LIT("GET"), " end left 3");
    expect(HTTP_BODY_NONE, 7, SPAN_LIT("GET"), " end left 3");
    expect(HTTP_BODY_NONE, 0, SPAN_EMPTY, " end left 0");
}

static void
reads_until_close(void **state)
{
    (void)state;
    expect(HTTP_BODY_UNTIL_CLOSE, 0, SPAN_LIT("any\r\n0"), "any\r\n0 closed");
    expect(HTTP_BODY_UNTIL_CLOSE, 0, SPAN_EMPTY, " closed");
}

static void
reads_chunks(void **state)
{
    (void)state;
    EXPECT_CHUNKED("5\r\nhello\r\n0\r\n\r\nGET", "hello end left 3");
    EXPECT_CHUNKED(
        "1\r\na\r\n00A\r\n0123456789\r\n0\r\n\r\n", "a0123456789 end left 0");
    EXPECT_CHUNKED("2\r\n\r\n\r\n0\r\n\r\n", "\r\n end left 0");
    EXPECT_CHUNKED("0\r\n\r\n", " end left 0");
    EXPECT_CHUNKED("1;a=\"b\";c\r\nx\r\n0;z\r\n\r\n", "x end left 0");
    EXPECT_CHUNKED("a\r\n0123456789\r\n", "0123456789 cut");
    EXPECT_CHUNKED("7fffffffffffffff\r\nx", "x cut");
    EXPECT_CHUNKED("0\r\n", " cut");
    EXPECT_CHUNKED("", " cut");
}

static void
refuses_chunks(void **state)
{
    (void)state;
    EXPECT_CHUNKED("\r\n", " bad: chunk has no size");
    EXPECT_CHUNKED("g\r\n", " bad: chunk has no size");
    EXPECT_CHUNKED("-1\r\n", " bad: chunk has no size");
    EXPECT_CHUNKED(" 1\r\n", " bad: chunk has no size");
    EXPECT_CHUNKED("0x1\r\n", " bad: forbidden byte behind a chunk's size");
    EXPECT_CHUNKED("1 \r\n", " bad: forbidden byte behind a chunk's size");
    EXPECT_CHUNKED("1 ;a\r\n", " bad: forbidden byte behind a chunk's size");
    EXPECT_CHUNKED("1;a\rb\r\n", " bad: forbidden byte behind a chunk's size");
    EXPECT_CHUNKED("1;\0\r\n", " bad: forbidden byte behind a chunk's size");
    EXPECT_CHUNKED("8000000000000000\r\n", " bad: chunk has no size");
    EXPECT_CHUNKED("10000000000000000\r\n", " bad: chunk has no size");
    EXPECT_CHUNKED("00000000000000001\r\n", " bad: chunk has no size");
    EXPECT_CHUNKED("1\nx", " bad: line ends without CR");
    EXPECT_CHUNKED("1;a\nx", " bad: line ends without CR");
    EXPECT_CHUNKED("1\r\nxy", "x bad: chunk is longer than its size");
    EXPECT_CHUNKED("1\r\nx\n", "x bad: chunk is longer than its size");
    EXPECT_CHUNKED("1\r\nx\r0", "x bad: chunk is longer than its size");
}

static void
reads_trailers(void **state)
{
    (void)state;
    EXPECT_CHUNKED("1\r\na\r\n0\r\nX-A: b \r\nx-c:\r\n\r\nGET",
        "a end X-A=[b] x-c=[] left 3");
    EXPECT_CHUNKED("0\r\nX-A\r\n\r\n", " bad: header line without colon");
    EXPECT_CHUNKED("0\r\nX-A: b\r\n c\r\n\r\n", " bad: folded header line");
    EXPECT_CHUNKED("0\r\nX A: b\r\n\r\n", " bad: bad header name");
    EXPECT_CHUNKED("0\r\nX: b\rc\r\n\r\n", " bad: forbidden byte in header");
    EXPECT_CHUNKED("0\r\nX-A: b\n\r\n", " bad: line ends without CR");
    EXPECT_CHUNKED("0\r\nX-A: b\r\n\n", " bad: line ends without CR");
    EXPECT_CHUNKED("0\r\n\n", " bad: line ends without CR");
}

/* RFC 9110 6.5.1 */
static void
refuses_trailers_that_steer(void **state)
{
    (void)state;
    static const char *const why = " bad: trailer that may only be a header";
    EXPECT_CHUNKED("0\r\nContent-Length: 1\r\n\r\n", why);
    EXPECT_CHUNKED("0\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\n", why);
    EXPECT_CHUNKED("0\r\nHost: a\r\n\r\n", why);
    EXPECT_CHUNKED("0\r\nAUTHORIZATION: Bearer a\r\n\r\n", why);
    EXPECT_CHUNKED("0\r\nConnection: close\r\n\r\n", why);
    EXPECT_CHUNKED("0\r\nImpersonate-User: admin\r\n\r\n", why);
    EXPECT_CHUNKED("0\r\nX-Remote-User: admin\r\n\r\n", why);
    EXPECT_CHUNKED("0\r\nUpgrade: websocket\r\n\r\n", why);
}

static char *
repeat(const char *head, const char *unit, size_t len, const char *tail)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    fputs(head, to);
    for (size_t n = 0; n < len; n += strlen(unit)) {
        fputs(unit, to);
    }
    fputs(tail, to);
    fclose(to);
    return text;
}

static void
expect_limit(char *bytes, const char *expected)
{
    struct body b = {HTTP_BODY_CHUNKED, 0, span_str(bytes)};
    expect_split(&b, b.bytes.len, 1, expected);
    expect_split(&b, 1, 1, expected);
    expect_split(&b, 100, 1000, expected);
    free(bytes);
}

static void
keeps_its_caps(void **state)
{
    (void)state;
    static const char *const why = " bad: chunk line or trailers are too long";
    /* "1;" and CRLF are four bytes. */
    expect_limit(
        repeat("1;", "a", LIMIT_CHUNK_LINE_BYTES - 4, "\r\nx\r\n0\r\n\r\n"),
        "x end left 0");
    expect_limit(
        repeat("1;", "a", LIMIT_CHUNK_LINE_BYTES - 3, "\r\nx\r\n0\r\n\r\n"),
        why);
    expect_limit(repeat("1;", "a", 2 * LIMIT_TRAILER_BYTES, ""), why);
    expect_limit(repeat("0\r\nA: ", "a", LIMIT_TRAILER_BYTES, "\r\n\r\n"), why);
    expect_limit(
        repeat("0\r\n", "A: b\r\n", 6 * 17, "\r\n"), " bad: too many trailers");
    expect_limit(repeat("0\r\n", "A:\r\n", 4 * 16, "\r\n"),
        " end A=[] A=[] A=[] A=[] A=[] A=[] A=[] A=[] A=[] A=[] A=[] A=[] "
        "A=[] A=[] A=[] A=[] left 0");
}

static void
lends_without_copying(void **state)
{
    (void)state;
    struct http_body_reader r;
    struct http_body_piece out;
    http_body_init(&r, HTTP_BODY_CHUNKED, 0);
    const struct span all = SPAN_LIT("3\r\nabc\r\n");
    struct span in = all;
    assert_int_equal(http_body_next(&r, &in, &out), FEED_PIECE);
    assert_ptr_equal(out.bytes.ptr, all.ptr + 3);
    assert_int_equal(out.bytes.len, 3);
    http_body_fini(&r);
}

static void
ends_by_close_only_where_it_may(void **state)
{
    (void)state;
    struct http_body_reader r;
    struct http_body_piece out;
    struct span in = SPAN_LIT("ab");
    http_body_init(&r, HTTP_BODY_LENGTH, 2);
    assert_int_equal(http_body_next(&r, &in, &out), FEED_PIECE);
    assert_true(http_body_closed(&r)); /* all of it came */
    assert_true(http_body_closed(&r));
    http_body_fini(&r);
    in = SPAN_LIT("ab");
    http_body_init(&r, HTTP_BODY_LENGTH, 3);
    assert_int_equal(http_body_next(&r, &in, &out), FEED_PIECE);
    assert_false(http_body_closed(&r));
    assert_string_equal(r.why, "body is cut short");
    http_body_fini(&r);
}

static void
writes_chunk_heads(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(http_chunk_encode(1, &out), STATUS_OK);
    assert_int_equal(http_chunk_encode(0x1a2b, &out), STATUS_OK);
    assert_true(span_eq_str(buf_view(&out), "1\r\n1a2b\r\n"));
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_by_length),
        cmocka_unit_test(reads_until_close),
        cmocka_unit_test(reads_chunks),
        cmocka_unit_test(refuses_chunks),
        cmocka_unit_test(reads_trailers),
        cmocka_unit_test(refuses_trailers_that_steer),
        cmocka_unit_test(keeps_its_caps),
        cmocka_unit_test(lends_without_copying),
        cmocka_unit_test(ends_by_close_only_where_it_may),
        cmocka_unit_test(writes_chunk_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
