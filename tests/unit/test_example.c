/* The worked examples of RECORDING.md and JOURNAL.md, held to the code.
 *
 * Reads the golden recording the way the page tells a stranger to, with zstd
 * and the public key alone. A change of any byte of the formats fails here:
 * then page, example and version go together. */
#include "base/file.h"
#include "schema/cast.h"
#include "schema/journal.h"
#include "schema/seal.h"
#include "schema/seek.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>
#include <zstd.h>

#define FRAMES 3

/* RFC 8032 7.1, test 1. */
static const struct ed25519_public key = {
    {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3,
        0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
        0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a}};

static struct buf file;
static struct buf text;
static struct seal seals[FRAMES];
static struct span seal_frames[FRAMES];
static struct seek_entry walked[FRAMES];
static struct span table;

static struct span
take(struct span *rest, size_t n)
{
    struct span head = SPAN_EMPTY;
    assert_true(span_take(rest, n, &head));
    return head;
}

/* Walks the file once: text, seals, lengths, and what is left for the table. */
static int
read_golden(void **state)
{
    (void)state;
    buf_init(&file, 1 << 16);
    buf_init(&text, 1 << 16);
    if (file_read(GOLDEN_DIR "/example.cast.zst", &file, NULL) != STATUS_OK) {
        return -1;
    }
    struct span rest = buf_view(&file);
    for (size_t i = 0; i < FRAMES; i++) {
        uint8_t *tail = NULL;
        const size_t len = ZSTD_findFrameCompressedSize(rest.ptr, rest.len);
        const struct span frame = take(&rest, len);
        assert_int_equal(buf_reserve(&text, 4096, &tail), STATUS_OK);
        const size_t got = ZSTD_decompress(tail, 4096, frame.ptr, frame.len);
        assert_false(ZSTD_isError(got));
        buf_commit(&text, got);
        seal_frames[i] = take(&rest, SEAL_FRAME_LEN);
        assert_int_equal(
            seal_decode(seal_frames[i], &seals[i], NULL), STATUS_OK);
        assert_int_equal(seals[i].text_len, buf_view(&text).len);
        walked[i] = (struct seek_entry){
            (uint32_t)(len + SEAL_FRAME_LEN), (uint32_t)got};
    }
    table = rest;
    return 0;
}

static int
drop_golden(void **state)
{
    (void)state;
    buf_fini(&file);
    buf_fini(&text);
    return 0;
}

static void
every_seal_vouches_for_the_text(void **state)
{
    (void)state;
    struct sha256 previous = {{0}};
    for (size_t i = 0; i < FRAMES; i++) {
        const struct seal *s = &seals[i];
        assert_true(seal_verify(seal_frames[i], &key));
        assert_int_equal(s->sequence, i);
        assert_int_equal(s->is_final, i == FRAMES - 1);
        const struct sha256 hash =
            sha256_of(span_of(buf_view(&text).ptr, s->text_len));
        assert_memory_equal(s->text_hash.bytes, hash.bytes, SHA256_LEN);
        assert_memory_equal(s->previous.bytes, previous.bytes, SHA256_LEN);
        previous = seal_hash(seal_frames[i]);
    }
    assert_int_equal(seals[1].writer.carry_len[STREAM_STDOUT], 2);
    assert_int_equal(seals[1].writer.bytes[STREAM_STDOUT], 15);
}

static void
seek_table_says_what_the_walk_found(void **state)
{
    (void)state;
    size_t len = 0;
    size_t count = 0;
    struct seek_entry entries[FRAMES];
    assert_int_equal(
        seek_footer_decode(span_of(table.ptr + table.len - 9, 9), &len, &count),
        STATUS_OK);
    assert_int_equal(len, table.len);
    assert_int_equal(count, FRAMES);
    assert_int_equal(seek_decode(table, entries, count, NULL), STATUS_OK);
    assert_memory_equal(entries, walked, sizeof walked);
}

static void
text_is_that_of_the_page(void **state)
{
    (void)state;
    static const struct {
        uint64_t time_us;
        char code;
        const char *data; /* NULL: facts */
    } want[] = {
        {120034, 'o', "price: 5 \xE2\x82\xAC\n"},
        {130500, 's', "stderr"},
        {130500, 'o', "bad byte \xEF\xBF\xBD\n"},
        {130500, 'b', "YmFkIGJ5dGUg/wo="},
        {5200000, 's', "stdout"},
        {5200000, 'o', "\xE2\x82\xAC!\n"},
        {5300000, 'k', "{\"error_stream\":\"eyJzdGF0dXMiOiJTdWNjZXNzIn0=\"}"},
        {5310000, 'x', "0"},
        {5310000, 'k', NULL},
    };
    struct span rest = buf_view(&text);
    struct span line = SPAN_EMPTY;
    struct cast_header header;
    struct buf again;
    struct buf scratch;
    buf_init(&again, 1 << 16);
    buf_init(&scratch, 1 << 16);
    assert_true(span_take_until(&rest, '\n', &line));
    assert_int_equal(cast_header_decode(line, &header, NULL), STATUS_OK);
    assert_int_equal(cast_header_encode(&header, &again), STATUS_OK);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct cast_event e;
        assert_true(span_take_until(&rest, '\n', &line));
        assert_int_equal(
            cast_event_decode(line, &scratch, &e, NULL), STATUS_OK);
        assert_int_equal(e.time_us, want[i].time_us);
        assert_int_equal(e.code, want[i].code);
        struct span data = e.data;
        struct buf facts;
        buf_init(&facts, 1 << 16);
        if (want[i].data != NULL) {
            data = span_str(want[i].data);
        } else {
            assert_int_equal(
                meta_decode(e.data, &header.meta, NULL), STATUS_OK);
            assert_int_equal(
                meta_encode(&header.meta, META_PART_ALL, &facts), STATUS_OK);
            data = buf_view(&facts);
        }
        assert_true(span_eq(e.data, data));
        assert_int_equal(
            cast_event_encode(e.time_us, (enum cast_code)e.code, data, &again),
            STATUS_OK);
        buf_fini(&facts);
    }
    assert_int_equal(rest.len, 0);
    assert_int_equal(header.meta.bytes[STREAM_STDOUT], 18);
    /* Written again, it is the same text to the last byte. */
    assert_true(span_eq(buf_view(&again), buf_view(&text)));
    meta_fini(&header.meta);
    buf_fini(&again);
    buf_fini(&scratch);
}

static void
journal_bytes_are_those_of_the_page(void **state)
{
    (void)state;
    static const uint8_t record[] = {0, 0, 0, 0x0f, 0x16, 0xfa, 0x12, 0xac, 0,
        0, 0, 0, 0, 0, 3, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0x74, 0x71,
        0x7a, 0x1d, 0x07, 2, 1, 0, 0, 0, 0, 0, 0, 'p', 'r', 'i', 'c', 'e', ':',
        ' ', '5', ' ', 0xe2, 0x82, 0xac, '\n', 0xe2, 0x82, 0};
    const uint32_t salt = 0x9E3779B9;
    struct journal_record r;
    size_t used = 0;
    assert_int_equal(journal_record_decode(
                         span_of(record, sizeof record), 800, salt, &r, &used),
        JOURNAL_READ_RECORD);
    assert_int_equal(used, sizeof record);
    assert_int_equal(r.mono_ns, UINT64_C(500120034567));
    struct journal_segment s = {
        .worker = seals[0].writer.worker,
        .wall_us = INT64_C(1764024235000000),
        .mono_ns = UINT64_C(499000000000),
        .salt = salt,
    };
    uint8_t head[JOURNAL_SEGMENT_HEAD_LEN];
    journal_segment_encode(&s, head);
    assert_memory_equal(head + 124, "\x77\xf0\xc4\xcd", 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seal_vouches_for_the_text),
        cmocka_unit_test(seek_table_says_what_the_walk_found),
        cmocka_unit_test(text_is_that_of_the_page),
        cmocka_unit_test(journal_bytes_are_those_of_the_page),
    };
    return cmocka_run_group_tests(tests, read_golden, drop_golden);
}
