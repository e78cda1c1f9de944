/* The seek table against the bytes that zstd's own page asks for. */
#include "schema/seek.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <string.h>

#define FOOTER 9

static const struct seek_entry entries[] = {
    {0x01020304, 0x05060708}, {600, 0}, {UINT32_MAX, UINT32_MAX}};
#define COUNT (sizeof entries / sizeof entries[0])

static const uint8_t table[] = {
    0x5E, 0x2A, 0x4D, 0x18, 33, 0, 0, 0,            /* magic, length */
    4, 3, 2, 1, 8, 7, 6, 5,                         /* first entry */
    0x58, 2, 0, 0, 0, 0, 0, 0,                      /* second */
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, /* third */
    3, 0, 0, 0, 0, 0xB1, 0xEA, 0x92, 0x8F,          /* footer */
};

/* The same with a checksum behind each entry, as other writers make it. */
static const uint8_t with_checksums[] = {
    0x5E,
    0x2A,
    0x4D,
    0x18,
    21,
    0,
    0,
    0,
    9,
    0,
    0,
    0,
    7,
    0,
    0,
    0,
    1,
    2,
    3,
    4,
    1,
    0,
    0,
    0,
    0x83,
    0xB1,
    0xEA,
    0x92,
    0x8F,
};

static struct span
last9(const uint8_t *bytes, size_t len)
{
    return span_of(bytes + len - FOOTER, FOOTER);
}

static void
table_has_the_bytes_of_the_format(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, sizeof table);
    assert_int_equal(seek_encode(entries, COUNT, &out), STATUS_OK);
    assert_true(span_eq(buf_view(&out), span_of(table, sizeof table)));
    buf_fini(&out);
    for (size_t max = 0; max < sizeof table; max++) {
        buf_init(&out, max);
        assert_int_equal(seek_encode(entries, COUNT, &out), STATUS_LIMIT);
        assert_int_equal(buf_view(&out).len, 0);
        buf_fini(&out);
    }
    buf_init(&out, sizeof table);
    assert_int_equal(
        seek_encode(entries, (size_t)SEEK_FRAMES_MAX + 1, &out), STATUS_LIMIT);
    buf_fini(&out);
}

static void
table_is_found_and_read_from_its_end(void **state)
{
    (void)state;
    size_t len = 0;
    size_t count = 0;
    struct guard_page g = guard_page_copy(last9(table, sizeof table));
    assert_int_equal(seek_footer_decode(g.bytes, &len, &count), STATUS_OK);
    guard_page_free(&g);
    assert_int_equal(len, sizeof table);
    assert_int_equal(count, COUNT);
    struct seek_entry got[COUNT];
    g = guard_page_copy(span_of(table, sizeof table));
    assert_int_equal(seek_decode(g.bytes, got, COUNT, NULL), STATUS_OK);
    guard_page_free(&g);
    assert_memory_equal(got, entries, sizeof entries);
}

static void
table_with_checksums_is_read_too(void **state)
{
    (void)state;
    size_t len = 0;
    size_t count = 0;
    struct seek_entry got;
    assert_int_equal(
        seek_footer_decode(
            last9(with_checksums, sizeof with_checksums), &len, &count),
        STATUS_OK);
    assert_int_equal(len, sizeof with_checksums);
    assert_int_equal(
        seek_decode(span_of(with_checksums, len), &got, count, NULL),
        STATUS_OK);
    assert_int_equal(got.file_len, 9);
    assert_int_equal(got.text_len, 7);
}

static void
empty_table_is_a_table(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(seek_encode(NULL, 0, &out), STATUS_OK);
    const struct span bytes = buf_view(&out);
    size_t len = 0;
    size_t count = 1;
    assert_int_equal(
        seek_footer_decode(last9(bytes.ptr, bytes.len), &len, &count),
        STATUS_OK);
    assert_int_equal(len, bytes.len);
    assert_int_equal(count, 0);
    assert_int_equal(seek_decode(bytes, NULL, 0, NULL), STATUS_OK);
    buf_fini(&out);
}

static void
what_is_no_footer_is_not_found(void **state)
{
    (void)state;
    size_t len = 0;
    size_t count = 0;
    uint8_t bytes[FOOTER];
    for (size_t n = 0; n < FOOTER; n++) {
        assert_int_equal(
            seek_footer_decode(
                span_of(table + sizeof table - n, n), &len, &count),
            STATUS_NOT_FOUND);
    }
    for (size_t i = 5; i < FOOTER; i++) {
        memcpy(bytes, table + sizeof table - FOOTER, FOOTER);
        bytes[i] ^= 1;
        assert_int_equal(
            seek_footer_decode(span_of(bytes, FOOTER), &len, &count),
            STATUS_NOT_FOUND);
    }
    memcpy(bytes, table + sizeof table - FOOTER, FOOTER);
    bytes[4] = 0x04; /* reserved bit */
    assert_int_equal(seek_footer_decode(span_of(bytes, FOOTER), &len, &count),
        STATUS_INVALID);
    bytes[4] = 0;
    memcpy(bytes, "\1\0\0\x08", 4); /* one more than the format allows */
    assert_int_equal(seek_footer_decode(span_of(bytes, FOOTER), &len, &count),
        STATUS_INVALID);
}

static void
table_that_disagrees_with_itself_is_refused(void **state)
{
    (void)state;
    struct seek_entry got[COUNT + 1];
    struct error err;
    uint8_t bytes[sizeof table];
    const size_t structural[] = {0, 1, 2, 3, 4, 7, 32, 36, 37, 40};
    for (size_t i = 0; i < sizeof structural / sizeof structural[0]; i++) {
        memcpy(bytes, table, sizeof table);
        bytes[structural[i]] ^= 0x14;
        assert_int_equal(
            seek_decode(span_of(bytes, sizeof bytes), got, COUNT, &err),
            STATUS_INVALID);
    }
    for (size_t len = 0; len < sizeof table; len++) {
        struct guard_page g = guard_page_copy(span_of(table, len));
        assert_int_equal(
            seek_decode(g.bytes, got, COUNT, &err), STATUS_INVALID);
        guard_page_free(&g);
    }
    for (size_t count = 0; count <= COUNT + 1; count++) {
        assert_int_equal(
            seek_decode(span_of(table, sizeof table), got, count, &err),
            count == COUNT ? STATUS_OK : STATUS_INVALID);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_has_the_bytes_of_the_format),
        cmocka_unit_test(table_is_found_and_read_from_its_end),
        cmocka_unit_test(table_with_checksums_is_read_too),
        cmocka_unit_test(empty_table_is_a_table),
        cmocka_unit_test(what_is_no_footer_is_not_found),
        cmocka_unit_test(table_that_disagrees_with_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
