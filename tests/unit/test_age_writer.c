#include "base/age_writer.h"

#include "base/age_header.h"
#include "base/age_stream.h"
#include "base/digest.h"
#include "tests/support/age_keys.h"
#include "tests/support/test.h"
#include <stdlib.h>
#include <string.h>

static struct age_recipient recipients[2];

static int
parse_recipients(void **state)
{
    (void)state;
    return age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_A), &recipients[0]) ==
                       STATUS_OK &&
                   age_recipient_parse(
                       SPAN_LIT(AGE_RECIPIENT_B), &recipients[1]) == STATUS_OK
               ? 0
               : -1;
}

/* In pieces of `piece` bytes. */
static void
encrypt(struct span plain, size_t piece, struct buf *out)
{
    struct age_writer *w = NULL;
    struct error err;
    assert_int_equal(age_writer_new(recipients, 2, out, &w, &err), STATUS_OK);
    while (plain.len > 0) {
        struct span part = plain;
        part.len = piece < plain.len ? piece : plain.len;
        assert_int_equal(age_writer_feed(w, part, out, &err), STATUS_OK);
        assert_true(span_skip(&plain, part.len));
    }
    assert_int_equal(age_writer_finish(w, out, &err), STATUS_OK);
    age_writer_free(&w);
    assert_null(w);
}

static void
test_header(void **state)
{
    (void)state;
    struct buf file;
    struct age_header h;
    struct error err;
    buf_init(&file, 1 << 20);
    encrypt(SPAN_EMPTY, 1, &file);
    assert_int_equal(age_header_parse(buf_view(&file), &h, &err), STATUS_OK);
    assert_int_equal(h.stanza_count, 2);
    assert_int_equal(file.len, h.len + AGE_PAYLOAD_NONCE + AGE_TAG_LEN);
    buf_fini(&file);
}

/* What comes behind a header that others wrote into the buffer before. */
static void
test_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, AGE_CHUNK_LEN - 1, AGE_CHUNK_LEN,
        AGE_CHUNK_LEN + 1, 2 * AGE_CHUNK_LEN, 3 * AGE_CHUNK_LEN + 5};
    uint8_t *plain = calloc(1, 4 * AGE_CHUNK_LEN);
    assert_non_null(plain);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buf file;
        struct age_header h;
        struct error err;
        buf_init(&file, 1 << 20);
        encrypt(span_of(plain, lengths[i]), 10007, &file);
        assert_int_equal(
            age_header_parse(buf_view(&file), &h, &err), STATUS_OK);
        const size_t chunks =
            lengths[i] == 0 ? 1
                            : (lengths[i] + AGE_CHUNK_LEN - 1) / AGE_CHUNK_LEN;
        assert_int_equal(file.len,
            h.len + AGE_PAYLOAD_NONCE + lengths[i] + chunks * AGE_TAG_LEN);
        buf_fini(&file);
    }
    free(plain);
}

/* The same text twice is two files that have nothing in common but the intro:
 * file key, shares and nonce are drawn anew. */
static void
test_is_random(void **state)
{
    (void)state;
    struct buf a;
    struct buf b;
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    encrypt(SPAN_LIT("the same"), 8, &a);
    encrypt(SPAN_LIT("the same"), 8, &b);
    assert_int_equal(a.len, b.len);
    const size_t tail = 24;
    const struct span x = buf_view(&a);
    const struct span y = buf_view(&b);
    assert_memory_not_equal(x.ptr + x.len - tail, y.ptr + y.len - tail, tail);
    assert_memory_not_equal(
        x.ptr + sizeof AGE_INTRO + 10, y.ptr + sizeof AGE_INTRO + 10, 43);
    buf_fini(&a);
    buf_fini(&b);
}

static void
test_room(void **state)
{
    (void)state;
    struct buf out;
    struct age_writer *w = NULL;
    struct error err;
    buf_init(&out, 100);
    assert_int_equal(
        age_writer_new(recipients, 2, &out, &w, &err), STATUS_LIMIT);
    assert_null(w);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_is_random),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, parse_recipients, NULL);
}
