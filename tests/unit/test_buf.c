/* A buf against a plain array that does the same, and its cap. */
#include "base/buf.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static void
a_new_buf_owns_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_null(b.data);
    assert_int_equal(buf_view(&b).len, 0);
    assert_non_null(buf_view(&b).ptr);
    assert_int_equal(buf_room(&b), 10);
    buf_fini(&b);
    buf_fini(&b);
}

static void
integers_go_out_big_endian(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(buf_append_u8(&b, 0x01), STATUS_OK);
    assert_int_equal(buf_append_u16(&b, 0x0203), STATUS_OK);
    assert_int_equal(buf_append_u32(&b, 0x04050607), STATUS_OK);
    assert_int_equal(
        buf_append_u64(&b, UINT64_C(0x08090a0b0c0d0e0f)), STATUS_OK);
    struct span view = buf_view(&b);
    assert_int_equal(view.len, 15);
    for (size_t i = 0; i < view.len; i++) {
        assert_int_equal(view.ptr[i], i + 1);
    }
    buf_fini(&b);
}

static void
the_cap_is_exact_and_an_answer(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    assert_int_equal(buf_append_str(&b, "123456"), STATUS_LIMIT);
    assert_int_equal(buf_append_str(&b, "1234"), STATUS_OK);
    assert_int_equal(buf_append_u16(&b, 0), STATUS_LIMIT);
    assert_int_equal(buf_printf(&b, "%d", 55), STATUS_LIMIT);
    assert_int_equal(buf_printf(&b, "%d", 5), STATUS_OK);
    assert_int_equal(buf_room(&b), 0);
    uint8_t *tail = NULL;
    assert_int_equal(buf_reserve(&b, SIZE_MAX, &tail), STATUS_LIMIT);
    assert_null(tail);
    const char *text = NULL;
    assert_int_equal(buf_cstr(&b, &text), STATUS_OK); /* though it is full */
    assert_string_equal(text, "12345");
    buf_consume(&b, 2);
    assert_int_equal(buf_append_str(&b, "67"), STATUS_OK);
    assert_true(span_eq_str(buf_view(&b), "34567"));
    assert_true(b.cap <= 6);
    buf_fini(&b);
}

/* A long random run of appends and consumes gives the same bytes as a plain
 * queue, and never holds more than the cap. */
static void
a_random_run_matches_a_plain_queue(void **state)
{
    (void)state;
    enum {
        MAX = 300,
        ROUNDS = 20000
    };
    static uint8_t all[ROUNDS * 64];
    size_t head = 0;
    size_t tail = 0;
    struct buf b;
    buf_init(&b, MAX);
    srand(7);
    for (int i = 0; i < ROUNDS; i++) {
        size_t n = (size_t)(rand() % 64);
        for (size_t k = 0; k < n; k++) {
            all[tail + k] = (uint8_t)rand();
        }
        enum status st = buf_append(&b, span_of(all + tail, n));
        bool fits = tail - head + n <= MAX;
        assert_int_equal(st, fits ? STATUS_OK : STATUS_LIMIT);
        tail += fits ? n : 0;
        size_t gone = (size_t)(rand() % 80);
        gone = gone > tail - head ? tail - head : gone;
        buf_consume(&b, gone);
        head += gone;
        assert_true(span_eq(buf_view(&b), span_of(all + head, tail - head)));
        assert_true(b.cap <= MAX + 1);
    }
    buf_fini(&b);
}

static void
reserve_and_commit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    uint8_t *tail = NULL;
    assert_int_equal(buf_reserve(&b, 1000, &tail), STATUS_OK);
    memset(tail, 'x', 1000);
    assert_int_equal(buf_view(&b).len, 0);
    buf_commit(&b, 3);
    assert_true(span_eq_str(buf_view(&b), "xxx"));
    uint8_t *again = NULL;
    assert_int_equal(buf_reserve(&b, 997, &again), STATUS_OK);
    assert_ptr_equal(again, tail + 3); /* what is reserved does not move */
    buf_fini(&b);
}

static void
printf_appends_any_length(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    assert_int_equal(buf_printf(&b, "%s", ""), STATUS_OK);
    assert_int_equal(buf_view(&b).len, 0);
    assert_int_equal(buf_printf(&b, "a%04000d|", 7), STATUS_OK);
    assert_int_equal(buf_printf(&b, "%s", "end"), STATUS_OK);
    struct span view = buf_view(&b);
    assert_int_equal(view.len, 4005);
    assert_memory_equal(view.ptr + 3998, "007|end", 7);
    buf_fini(&b);
}

static void
clear_keeps_and_shrink_frees(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(buf_append_str(&b, "hello"), STATUS_OK);
    buf_shrink(&b);
    assert_true(span_eq_str(buf_view(&b), "hello"));
    buf_clear(&b);
    assert_non_null(b.data);
    assert_int_equal(buf_view(&b).len, 0);
    buf_shrink(&b);
    assert_null(b.data);
    assert_int_equal(buf_room(&b), 1000);
    assert_int_equal(buf_append_str(&b, "again"), STATUS_OK);
    buf_wipe(&b);
    assert_null(b.data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_buf_owns_nothing),
        cmocka_unit_test(integers_go_out_big_endian),
        cmocka_unit_test(the_cap_is_exact_and_an_answer),
        cmocka_unit_test(a_random_run_matches_a_plain_queue),
        cmocka_unit_test(reserve_and_commit),
        cmocka_unit_test(printf_appends_any_length),
        cmocka_unit_test(clear_keeps_and_shrink_frees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
