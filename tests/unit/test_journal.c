/* Journal layouts: golden bytes pin the format, decoding is tried at every
 * length against a guard page, and every flipped bit must be noticed. */
#include "base/crc32c.h"
#include "schema/be.h"
#include "schema/journal.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#define SALT  0x5A17u
#define START ((uint64_t)3 * JOURNAL_SEGMENT_BYTES + JOURNAL_SEGMENT_HEAD_LEN)

static struct journal_record
hello(void)
{
    return (struct journal_record){
        .lsn = START,
        .session = 0x80,
        .mono_ns = 0x0102030405060708,
        .kind = JOURNAL_DATA,
        .stream = STREAM_STDERR,
        .payload = SPAN_LIT("hello"),
    };
}

/* Head, payload and padding into `out`; the number of bytes. */
static size_t
write_record(const struct journal_record *r, uint32_t salt, uint8_t *out)
{
    journal_record_encode(r, salt, out);
    memcpy(out + JOURNAL_RECORD_HEAD_LEN, r->payload.ptr, r->payload.len);
    const size_t size = journal_record_size(r->payload.len);
    const size_t pad = journal_record_padding(r->payload.len);
    memset(out + size - pad, 0, pad);
    return size;
}

static enum journal_read
read_guarded(struct span bytes, uint64_t lsn, size_t *size_out)
{
    struct guard_page g = guard_page_copy(bytes);
    struct journal_record r;
    const enum journal_read got =
        journal_record_decode(g.bytes, lsn, SALT, &r, size_out);
    if (got == JOURNAL_READ_RECORD) {
        assert_int_equal(r.lsn, lsn);
        assert_true(r.payload.ptr >= g.bytes.ptr);
        assert_true(r.payload.ptr + r.payload.len <= g.bytes.ptr + g.bytes.len);
    }
    guard_page_free(&g);
    return got;
}

static void
record_has_the_bytes_of_the_page(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        0,
        0,
        0,
        5, /* length */
        0,
        0,
        0,
        0, /* CRC, checked apart */
        0,
        0,
        0,
        0,
        0x0C,
        0,
        0,
        0x80, /* LSN */
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0x80, /* session */
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8, /* nanoseconds */
        2,
        2,
        0,
        0,
        0,
        0,
        0,
        0, /* kind, stream, zeros */
        'h',
        'e',
        'l',
        'l',
        'o',
        0,
        0,
        0,
    };
    uint8_t bytes[64];
    const struct journal_record r = hello();
    assert_int_equal(write_record(&r, SALT, bytes), sizeof want);
    assert_memory_equal(bytes, want, 4);
    assert_memory_equal(bytes + 8, want + 8, sizeof want - 8);
    assert_int_equal(
        be_load_u32(bytes + 4), crc32c(SALT, span_of(want + 8, 32 + 5)));
}

static void
record_survives_the_round_trip(void **state)
{
    (void)state;
    uint8_t bytes[64];
    const struct journal_record r = hello();
    const size_t size = write_record(&r, SALT, bytes);
    struct journal_record got;
    size_t used = 0;
    assert_int_equal(journal_record_decode(span_of(bytes, sizeof bytes), START,
                         SALT, &got, &used),
        JOURNAL_READ_RECORD);
    assert_int_equal(used, size);
    assert_int_equal(got.session, r.session);
    assert_int_equal(got.mono_ns, r.mono_ns);
    assert_int_equal(got.kind, r.kind);
    assert_int_equal(got.stream, r.stream);
    assert_true(span_eq(got.payload, r.payload));
}

static void
every_kind_and_length_is_read_back(void **state)
{
    (void)state;
    static const uint8_t payload[32];
    for (int kind = JOURNAL_OPEN; kind <= JOURNAL_PAD; kind++) {
        for (size_t len = 0; len <= sizeof payload; len++) {
            const struct journal_record r = {
                .lsn = START,
                .session = kind == JOURNAL_OPEN ? START : 0,
                .kind = (enum journal_kind)kind,
                .payload = span_of(payload, len),
            };
            uint8_t bytes[80];
            const size_t size = write_record(&r, SALT, bytes);
            assert_int_equal(size % 8, 0);
            size_t used = 0;
            assert_int_equal(read_guarded(span_of(bytes, size), START, &used),
                JOURNAL_READ_RECORD);
            assert_int_equal(used, size);
        }
    }
}

static void
largest_record_is_read_and_a_larger_length_is_torn(void **state)
{
    (void)state;
    const size_t size = journal_record_size(JOURNAL_PAYLOAD_MAX);
    uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    struct journal_record r = hello();
    r.payload = span_of(bytes + JOURNAL_RECORD_HEAD_LEN, JOURNAL_PAYLOAD_MAX);
    journal_record_encode(&r, SALT, bytes);
    size_t used = 0;
    assert_int_equal(
        read_guarded(span_of(bytes, size), START, &used), JOURNAL_READ_RECORD);
    assert_int_equal(used, size);
    be_store_u32(bytes, JOURNAL_PAYLOAD_MAX + 1);
    assert_int_equal(
        read_guarded(span_of(bytes, size), START, &used), JOURNAL_READ_TORN);
    free(bytes);
}

static void
cut_record_is_torn_at_every_length(void **state)
{
    (void)state;
    uint8_t bytes[64];
    const struct journal_record r = hello();
    const size_t size = write_record(&r, SALT, bytes);
    for (size_t len = 0; len < size; len++) {
        size_t used = 0;
        /* The length's first three bytes are zeros, as if nothing was there. */
        const enum journal_read want =
            len < 4 ? JOURNAL_READ_END : JOURNAL_READ_TORN;
        assert_int_equal(read_guarded(span_of(bytes, len), START, &used), want);
    }
}

static void
every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t bytes[64];
    const struct journal_record r = hello();
    const size_t size = write_record(&r, SALT, bytes);
    const size_t checked = size - journal_record_padding(r.payload.len);
    for (size_t bit = 0; bit < 8 * checked; bit++) {
        size_t used = 0;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const bool in_lsn = bit / 8 >= 8 && bit / 8 < 16;
        assert_int_equal(read_guarded(span_of(bytes, size), START, &used),
            in_lsn ? JOURNAL_READ_END : JOURNAL_READ_TORN);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void
what_was_never_written_is_the_end(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    for (size_t len = 0; len <= sizeof zeros; len++) {
        size_t used = 0;
        assert_int_equal(
            read_guarded(span_of(zeros, len), START, &used), JOURNAL_READ_END);
    }
}

static void
stale_record_of_a_recycled_segment_is_the_end(void **state)
{
    (void)state;
    uint8_t bytes[64];
    const struct journal_record r = hello();
    const size_t size = write_record(&r, SALT, bytes);
    size_t used = 0;
    const uint64_t later = START + 4 * (uint64_t)JOURNAL_SEGMENT_BYTES;
    assert_int_equal(
        read_guarded(span_of(bytes, size), later, &used), JOURNAL_READ_END);
}

/* A session may print records with the LSNs of a segment to come; what it
 * cannot know is the salt. */
static void
imitated_record_without_the_salt_is_never_a_record(void **state)
{
    (void)state;
    uint8_t bytes[64];
    const struct journal_record r = hello();
    const size_t size = write_record(&r, SALT + 1, bytes);
    size_t used = 0;
    assert_int_equal(
        read_guarded(span_of(bytes, size), START, &used), JOURNAL_READ_TORN);
}

static void
head_that_no_writer_makes_is_torn(void **state)
{
    (void)state;
    const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {32, 0}, {32, 9}, {33, 3}, {34, 1}, {35, 1}, {39, 1},
        {8 + 8, 0xFF}, /* a session that is opened later than now */
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t bytes[64];
        const struct journal_record r = hello();
        const size_t size = write_record(&r, SALT, bytes);
        bytes[changes[i].at] = changes[i].value;
        be_store_u32(bytes + 4, crc32c(SALT, span_of(bytes + 8, 32 + 5)));
        size_t used = 0;
        assert_int_equal(read_guarded(span_of(bytes, size), START, &used),
            JOURNAL_READ_TORN);
    }
}

static void
open_is_its_own_session(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct journal_record r = hello();
    r.kind = JOURNAL_OPEN;
    r.stream = STREAM_STDIN;
    size_t size = write_record(&r, SALT, bytes);
    size_t used = 0;
    assert_int_equal(
        read_guarded(span_of(bytes, size), START, &used), JOURNAL_READ_TORN);
    r.session = r.lsn;
    size = write_record(&r, SALT, bytes);
    assert_int_equal(
        read_guarded(span_of(bytes, size), START, &used), JOURNAL_READ_RECORD);
}

static void
no_record_crosses_the_end_of_a_segment(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct journal_record r = hello();
    r.payload = SPAN_LIT("8 bytes.");
    const uint64_t end = (uint64_t)4 * JOURNAL_SEGMENT_BYTES;
    for (uint64_t room = 0; room <= 64; room += 8) {
        r.lsn = end - room;
        const size_t size = write_record(&r, SALT, bytes);
        enum journal_read want = JOURNAL_READ_RECORD;
        if (room < size) {
            want = room > 0 && room < JOURNAL_RECORD_HEAD_LEN
                       ? JOURNAL_READ_END
                       : JOURNAL_READ_TORN;
        }
        size_t used = 0;
        const uint64_t lsn = r.lsn;
        assert_int_equal(read_guarded(span_of(bytes, size), lsn, &used),
            room == 0 ? JOURNAL_READ_RECORD : want);
    }
}

static const struct journal_segment segment = {
    .worker = {{0x01, 0x93, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15,
        16}},
    .number = 42,
    .wall_us = 1764024236000001,
    .mono_ns = 987654321,
    .salt = 0xDEADBEEF,
};

static void
segment_head_survives_the_round_trip(void **state)
{
    (void)state;
    uint8_t bytes[JOURNAL_SEGMENT_HEAD_LEN];
    journal_segment_encode(&segment, bytes);
    assert_memory_equal(bytes, "kubetape-journal\0\0\0\1\4\0\0\0", 24);
    assert_int_equal(be_load_u64(bytes + 40), 42);
    struct guard_page g = guard_page_copy(span_of(bytes, sizeof bytes));
    struct journal_segment got;
    assert_int_equal(journal_segment_decode(g.bytes, &got, NULL), STATUS_OK);
    guard_page_free(&g);
    assert_memory_equal(got.worker.bytes, segment.worker.bytes, 16);
    assert_int_equal(got.number, segment.number);
    assert_int_equal(got.wall_us, segment.wall_us);
    assert_int_equal(got.mono_ns, segment.mono_ns);
    assert_int_equal(got.salt, segment.salt);
}

static void
broken_segment_head_is_refused_for_its_reason(void **state)
{
    (void)state;
    uint8_t bytes[JOURNAL_SEGMENT_HEAD_LEN];
    struct journal_segment got;
    struct error err;
    for (size_t i = 0; i < sizeof bytes; i++) {
        journal_segment_encode(&segment, bytes);
        bytes[i] ^= 0x40;
        assert_int_equal(
            journal_segment_decode(span_of(bytes, sizeof bytes), &got, &err),
            i < 16 ? STATUS_INVALID : STATUS_CORRUPT);
        journal_segment_encode(&segment, bytes);
        assert_int_equal(journal_segment_decode(span_of(bytes, i), &got, &err),
            STATUS_INVALID);
    }
    for (size_t at = 16; at < 24; at += 4) { /* version, segment size */
        journal_segment_encode(&segment, bytes);
        be_store_u32(bytes + at, 7);
        be_store_u32(bytes + 124, crc32c(0, span_of(bytes, 124)));
        assert_int_equal(
            journal_segment_decode(span_of(bytes, sizeof bytes), &got, &err),
            STATUS_UNSUPPORTED);
    }
}

static void
position_survives_and_lies_are_refused(void **state)
{
    (void)state;
    const struct journal_position p = {
        .read_lsn = 0x123456789A,
        .released_lsn = 0x1000,
        .wall_us = 1764024236000001,
    };
    uint8_t bytes[JOURNAL_POSITION_LEN];
    struct journal_position got;
    journal_position_encode(&p, bytes);
    struct guard_page g = guard_page_copy(span_of(bytes, sizeof bytes));
    assert_int_equal(journal_position_decode(g.bytes, &got, NULL), STATUS_OK);
    guard_page_free(&g);
    assert_int_equal(got.read_lsn, p.read_lsn);
    assert_int_equal(got.released_lsn, p.released_lsn);
    assert_int_equal(got.wall_us, p.wall_us);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        assert_int_not_equal(
            journal_position_decode(span_of(bytes, sizeof bytes), &got, NULL),
            STATUS_OK);
        bytes[i] ^= 1;
        assert_int_equal(journal_position_decode(span_of(bytes, i), &got, NULL),
            STATUS_INVALID);
    }
    const struct journal_position ahead = {.read_lsn = 8, .released_lsn = 16};
    journal_position_encode(&ahead, bytes);
    assert_int_equal(
        journal_position_decode(span_of(bytes, sizeof bytes), &got, NULL),
        STATUS_INVALID);
}

static void
segment_names_are_exact(void **state)
{
    (void)state;
    char name[JOURNAL_SEGMENT_NAME_MAX];
    uint64_t number = 0;
    journal_segment_name(0xABCDEF0123456789, name);
    assert_string_equal(name, "abcdef0123456789.seg");
    assert_true(journal_segment_name_parse(name, &number));
    assert_int_equal(number, 0xABCDEF0123456789);
    static const char *const others[] = {
        "",
        ".",
        "lock",
        "position",
        "0000000000000000",
        "000000000000000.seg",
        "0000000000000000.seg.tmp",
        "0000000000000000.SEG",
        "00000000000000000.seg",
        "ABCDEF0123456789.seg",
        "000000000000000g.seg",
        "-000000000000001.seg",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(journal_segment_name_parse(others[i], &number));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_has_the_bytes_of_the_page),
        cmocka_unit_test(record_survives_the_round_trip),
        cmocka_unit_test(every_kind_and_length_is_read_back),
        cmocka_unit_test(largest_record_is_read_and_a_larger_length_is_torn),
        cmocka_unit_test(cut_record_is_torn_at_every_length),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(what_was_never_written_is_the_end),
        cmocka_unit_test(stale_record_of_a_recycled_segment_is_the_end),
        cmocka_unit_test(imitated_record_without_the_salt_is_never_a_record),
        cmocka_unit_test(head_that_no_writer_makes_is_torn),
        cmocka_unit_test(open_is_its_own_session),
        cmocka_unit_test(no_record_crosses_the_end_of_a_segment),
        cmocka_unit_test(segment_head_survives_the_round_trip),
        cmocka_unit_test(broken_segment_head_is_refused_for_its_reason),
        cmocka_unit_test(position_survives_and_lies_are_refused),
        cmocka_unit_test(segment_names_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
