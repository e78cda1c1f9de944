#include "proxy/spdy_headers.h"

#include "proxy/limits.h"
#include "tests/support/test.h"
#include "tests/support/vector.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* What github.com/moby/spdystream v0.5.1 writes, one connection, in order. */
static const struct {
    const char *hex;
    const char *type;
} real_blocks[] = {
    {"78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff", "error"},
    {"c22e555c92929907000000ffff", "stdin"},
    {"c22ac5565c92925f5a02000000ffff", "stdout"},
    {"c229975a5404000000ffff", "stderr"},
    {"c22e57945a9c59950a000000ffff", "resize"},
};

static struct spdy_headers *
open_headers(void)
{
    struct spdy_headers *h = NULL;
    assert_int_equal(spdy_headers_new(&h), STATUS_OK);
    return h;
}

static void
assert_type(const struct spdy_stream_type *type, const char *expected)
{
    assert_true(type->is_set);
    assert_int_equal(type->len, strlen(expected));
    assert_memory_equal(type->text, expected, type->len);
}

static void
reads_blocks_of_one_context_cut_anywhere(void **state)
{
    (void)state;
    for (size_t step = 1; step < 40; step++) {
        struct spdy_headers *h = open_headers();
        for (size_t i = 0; i < sizeof real_blocks / sizeof *real_blocks; i++) {
            struct buf block;
            struct spdy_stream_type type;
            buf_init(&block, 256);
            vector_hex(real_blocks[i].hex, &block);
            struct span in = buf_view(&block);
            enum feed got = FEED_MORE;
            while (in.len > 0) {
                struct span piece;
                assert_int_equal(got, FEED_MORE);
                assert_true(
                    span_take(&in, step < in.len ? step : in.len, &piece));
                got = spdy_headers_take(h, piece, in.len == 0, &type);
            }
            assert_int_equal(got, FEED_PIECE);
            assert_type(&type, real_blocks[i].type);
            buf_fini(&block);
        }
        spdy_headers_free(&h);
        assert_null(h);
    }
}

static void
reads_an_empty_list(void **state)
{
    (void)state;
    struct spdy_headers *h = open_headers();
    struct buf block;
    struct spdy_stream_type type;
    buf_init(&block, 64);
    vector_hex("78f9e3c6a7c26260606000000000ffff", &block);
    assert_int_equal(
        spdy_headers_take(h, buf_view(&block), true, &type), FEED_PIECE);
    assert_false(type.is_set);
    buf_fini(&block);
    spdy_headers_free(&h);
}

/* Compresses `plain` blocks one after another, each flushed as a frame's, and
 * takes them; the last answer is returned. */
static enum feed
take_blocks(struct spdy_headers *h, const struct span *plain, size_t count,
    struct spdy_stream_type *type)
{
    static uint8_t packed[1u << 20];
    z_stream z = {.next_in = NULL};
    assert_int_equal(deflateInit(&z, 9), Z_OK);
    enum feed got = FEED_MORE;
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = NULL;
        memcpy(&bytes, &plain[i].ptr, sizeof bytes);
        z.next_in = bytes;
        z.avail_in = (uInt)plain[i].len;
        z.next_out = packed;
        z.avail_out = sizeof packed;
        assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
        const struct span block = {
            .ptr = packed, .len = sizeof packed - z.avail_out};
        got = spdy_headers_take(h, block, true, type);
    }
    (void)deflateEnd(&z);
    return got;
}

static void
refuses(struct span plain, const char *why)
{
    struct spdy_headers *h = open_headers();
    struct spdy_stream_type type;
    assert_int_equal(take_blocks(h, &plain, 1, &type), FEED_BAD);
    assert_string_equal(spdy_headers_why(h), why);
    assert_int_equal(spdy_headers_take(h, SPAN_EMPTY, true, &type), FEED_BAD);
    spdy_headers_free(&h);
}

static void
refuses_what_readers_could_take_differently(void **state)
{
    (void)state;
    static const char name[] = "spdy: header name that is not lower case";
    refuses(SPAN_LIT("\0\0\0\1\0\0\0\1A\0\0\0\1b"), name);
    refuses(SPAN_LIT("\0\0\0\1\0\0\0\1 \0\0\0\1b"), name);
    refuses(SPAN_LIT("\0\0\0\1\0\0\0\1\0\0\0\0\1b"), name);
    refuses(SPAN_LIT("\0\0\0\1\0\0\0\1\x80\0\0\0\1b"), name);
    refuses(
        SPAN_LIT("\0\0\0\1\0\0\0\0\0\0\0\1b"), "spdy: header without a name");
    refuses(SPAN_LIT("\0\0\0\2\0\0\0\12streamtype\0\0\0\5error"
                     "\0\0\0\12streamtype\0\0\0\6stdout"),
        "spdy: two stream types");
    refuses(SPAN_LIT("\0\0\0\2\0\0\0\12streamtype\0\0\0\0"
                     "\0\0\0\12streamtype\0\0\0\6stdout"),
        "spdy: two stream types");
    refuses(SPAN_LIT("\0\0\0\0\0"), "spdy: bytes behind the last header");
    refuses(SPAN_LIT("\0\0\0\1\0\0\0\1a\0\0\0\1bc"),
        "spdy: bytes behind the last header");
    refuses(
        SPAN_LIT("\0\0\0\1\0\0\0\1a\0\0\0\2b"), "spdy: header block cut short");
    refuses(SPAN_LIT("\0\0\0\1"), "spdy: header block cut short");
    refuses(SPAN_LIT("\0\0\0"), "spdy: header block cut short");
    refuses(SPAN_LIT("\0\0\0\1\0\1\0\1"), "spdy: header too long");
}

/* 34 bytes that once cost 6 GB. */
static void
refuses_a_count_of_2_to_the_26(void **state)
{
    (void)state;
    refuses(SPAN_LIT("\4\0\0\0"), "spdy: too many headers");
    refuses(SPAN_LIT("\0\0\0\101"), "spdy: too many headers");
    refuses(SPAN_LIT("\xff\xff\xff\xff"), "spdy: too many headers");
}

static void
refuses_a_block_that_inflates_without_end(void **state)
{
    (void)state;
    static uint8_t plain[LIMIT_SPDY_BLOCK_BYTES + 1] = {
        0, 0, 0, 1, 0, 0, 0, 1, 'a', 0, 1, 0, 0};
    refuses((struct span){.ptr = plain, .len = sizeof plain},
        "spdy: header block too long");
}

static void
refuses_what_does_not_inflate(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "00000000",                 /* no zlib head */
        "78f900000001",             /* another dictionary */
        "789c63606060000000040001", /* the zlib stream ends */
        "789cffffffff",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct spdy_headers *h = open_headers();
        struct buf block;
        struct spdy_stream_type type;
        buf_init(&block, 64);
        vector_hex(bad[i], &block);
        assert_int_equal(
            spdy_headers_take(h, buf_view(&block), true, &type), FEED_BAD);
        buf_fini(&block);
        spdy_headers_free(&h);
    }
}

static void
finds_the_type_among_others(void **state)
{
    (void)state;
    const struct span blocks[] = {
        SPAN_LIT("\0\0\0\3\0\0\0\12streamtypf\0\0\0\1x"
                 "\0\0\0\12streamtype\0\0\0\5stdin\0\0\0\1b\0\0\0\0"),
        SPAN_LIT("\0\0\0\1\0\0\0\12streamtype\0\0\0\6stdout"),
        SPAN_LIT("\0\0\0\1\0\0\0\12streamtype\0\0\0\24"
                 "stdoutstdoutstdoutst"),
    };
    static const char *const types[] = {"stdin", "stdout", "stdoutstdoutstdo"};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        struct spdy_headers *h = open_headers();
        struct spdy_stream_type type;
        assert_int_equal(take_blocks(h, blocks, i + 1, &type), FEED_PIECE);
        assert_type(&type, types[i]);
        spdy_headers_free(&h);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_blocks_of_one_context_cut_anywhere),
        cmocka_unit_test(reads_an_empty_list),
        cmocka_unit_test(refuses_what_readers_could_take_differently),
        cmocka_unit_test(refuses_a_count_of_2_to_the_26),
        cmocka_unit_test(refuses_a_block_that_inflates_without_end),
        cmocka_unit_test(refuses_what_does_not_inflate),
        cmocka_unit_test(finds_the_type_among_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
