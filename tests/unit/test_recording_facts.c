#include "recorder/recording_facts.h"

#include "tests/support/recording_maker.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <string.h>

static char dir[TEMP_DIR_MAX];
static struct recording_maker maker;

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(dir);
    maker_init(&maker);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    maker_fini(&maker);
    temp_dir_remove(dir);
    return 0;
}

static enum status
read_it(struct span bytes, struct meta *m, bool *is_finished)
{
    struct error err = {.code = STATUS_OK};
    const char *path = maker_write(dir, "x.cast.zst", bytes);
    meta_init(m);
    return recording_facts_read(path, m, is_finished, &err);
}

static void
a_finished_one_tells_all(void **state)
{
    (void)state;
    struct meta m;
    bool is_finished = false;
    maker_whole(&maker);
    assert_int_equal(
        read_it(buf_view(&maker.file), &m, &is_finished), STATUS_OK);
    assert_true(is_finished);
    assert_memory_equal(&m.id, &maker.id, sizeof m.id);
    assert_int_equal(m.status, META_COMPLETE);
    assert_int_equal(m.size, maker.file.len);
    meta_fini(&m);
}

static void
a_running_one_tells_its_header(void **state)
{
    (void)state;
    struct meta m;
    bool is_finished = true;
    maker_header(&maker);
    maker_frame(&maker);
    maker_seal(&maker, false);
    maker_event(&maker, 5, CAST_OUTPUT, "text");
    maker_frame(&maker);
    assert_int_equal(
        read_it(buf_view(&maker.file), &m, &is_finished), STATUS_OK);
    assert_false(is_finished);
    assert_memory_equal(&m.id, &maker.id, sizeof m.id);
    meta_fini(&m);
}

/* Cut anywhere it is not finished; changed anywhere it has some answer. */
static void
damage_is_an_answer(void **state)
{
    (void)state;
    maker_whole(&maker);
    const size_t len = maker.file.len;
    for (size_t at = 0; at < len; at++) {
        struct meta m;
        bool is_finished;
        uint8_t *byte = &maker.file.data[maker.file.off + at];
        *byte ^= 0x55;
        (void)!read_it(buf_view(&maker.file), &m, &is_finished);
        *byte ^= 0x55;
        meta_fini(&m);
        if (read_it(span_of(maker.file.data + maker.file.off, at), &m,
                &is_finished) == STATUS_OK) {
            assert_false(is_finished);
        }
        meta_fini(&m);
    }
}

#define FACTS(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FACTS(a_finished_one_tells_all),
        FACTS(a_running_one_tells_its_header),
        FACTS(damage_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
