#include "player/cast_reader.h"
#include "player/text_reader.h"
#include "tests/support/recording_maker.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <string.h>

static char folder[TEMP_DIR_MAX];

/* Every line that the reader gives, header first; whether it was cut. */
static enum status
read_all(const char *path, struct buf *lines, bool *cut_out, struct error *err)
{
    struct cast_reader *r = NULL;
    struct cast_event e;
    enum status st = cast_reader_open(path, NULL, &r, err);
    if (st != STATUS_OK) {
        return st;
    }
    assert_int_equal(buf_append(lines, cast_reader_header_line(r)), STATUS_OK);
    assert_int_equal(buf_append_u8(lines, '\n'), STATUS_OK);
    st = cast_reader_next(r, &e, err);
    while (st == STATUS_OK) {
        assert_int_equal(buf_append(lines, cast_reader_line(r)), STATUS_OK);
        assert_int_equal(buf_append_u8(lines, '\n'), STATUS_OK);
        st = cast_reader_next(r, &e, err);
    }
    *cut_out = cast_reader_is_cut(r);
    cast_reader_close(&r);
    return st;
}

static void
test_whole(void **state)
{
    (void)state;
    struct recording_maker m;
    struct buf lines;
    struct error err;
    bool is_cut = true;
    maker_init(&m);
    maker_whole(&m);
    buf_init(&lines, 1 << 20);
    const char *path = maker_write(folder, "whole.cast.zst", buf_view(&m.file));
    assert_int_equal(read_all(path, &lines, &is_cut, &err), STATUS_CLOSED);
    assert_false(is_cut);
    assert_true(span_eq(buf_view(&lines), buf_view(&m.text)));

    buf_clear(&lines);
    path = maker_write(folder, "named.wrongly", buf_view(&m.text));
    assert_int_equal(read_all(path, &lines, &is_cut, &err), STATUS_CLOSED);
    assert_false(is_cut);
    assert_true(span_eq(buf_view(&lines), buf_view(&m.text)));
    buf_fini(&lines);
    maker_fini(&m);
}

/* Wherever a crash cuts the file: whole lines from the front, in order, and
 * the cut is told unless it fell between two frames. */
static void
test_cut_at_every_byte(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_whole(&m);
    const struct span file = buf_view(&m.file);
    const struct span text = buf_view(&m.text);
    for (size_t len = 0; len < file.len; len++) {
        struct buf lines;
        struct error err;
        bool is_cut = false;
        buf_init(&lines, 1 << 20);
        const char *path =
            maker_write(folder, "cut.cast.zst", span_of(file.ptr, len));
        const enum status st = read_all(path, &lines, &is_cut, &err);
        const struct span got = buf_view(&lines);
        assert_true(st == STATUS_CLOSED || st == STATUS_INVALID);
        assert_true(got.len <= text.len);
        assert_memory_equal(got.ptr, text.ptr, got.len);
        if (st == STATUS_INVALID) { /* no header yet */
            assert_int_equal(got.len, 0);
        } else if (got.len < text.len && !is_cut) {
            /* at a boundary: after the header's frame, or after the second */
            assert_true(len == m.entries[0].file_len ||
                        len == m.entries[0].file_len + m.entries[1].file_len ||
                        len == m.entries[0].file_len + m.entries[1].file_len -
                                   SEAL_FRAME_LEN);
        }
        buf_fini(&lines);
    }
    maker_fini(&m);
}

static void
test_long_lines_span_pieces(void **state)
{
    (void)state;
    struct recording_maker m;
    struct buf lines;
    struct error err;
    bool is_cut = true;
    static char big[700001];
    memset(big, 'x', sizeof big - 1);
    maker_init(&m);
    maker_header(&m);
    maker_event(&m, 1, CAST_OUTPUT, big);
    maker_event(&m, 2, CAST_OUTPUT, "small");
    maker_frame(&m);
    buf_init(&lines, 4 << 20);
    const char *path = maker_write(folder, "big.cast.zst", buf_view(&m.file));
    assert_int_equal(read_all(path, &lines, &is_cut, &err), STATUS_CLOSED);
    assert_true(span_eq(buf_view(&lines), buf_view(&m.text)));
    buf_fini(&lines);
    maker_fini(&m);
}

static void
test_broken(void **state)
{
    (void)state;
    struct recording_maker m;
    struct buf lines;
    struct error err;
    bool is_cut = false;
    maker_init(&m);
    maker_whole(&m);
    buf_init(&lines, 1 << 20);
    const size_t inside = m.entries[0].file_len + 12;
    m.file.data[m.file.off + inside] ^= 0x55;
    memset(m.file.data + m.file.off + inside, 0xEE, 20);
    const char *path = maker_write(folder, "bad.cast.zst", buf_view(&m.file));
    assert_int_not_equal(read_all(path, &lines, &is_cut, &err), STATUS_CLOSED);

    path = maker_write(folder, "bad.cast",
        SPAN_LIT("{\"version\":2,\"width\":80,\"height\":24}\n"
                 "[0.1, \"o\", \"x\"]\n\n[nonsense\n"));
    buf_clear(&lines);
    assert_int_equal(read_all(path, &lines, &is_cut, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "line 4"));

    assert_int_equal(
        read_all("/nonexistent", &lines, &is_cut, &err), STATUS_NOT_FOUND);
    path = maker_write(folder, "no.cast", SPAN_LIT("hello\n"));
    assert_int_equal(read_all(path, &lines, &is_cut, &err), STATUS_INVALID);
    buf_fini(&lines);
    maker_fini(&m);
}

static void
test_facts(void **state)
{
    (void)state;
    struct recording_maker m;
    struct meta facts;
    struct error err;
    maker_init(&m);
    maker_whole(&m);
    const char *path = maker_write(folder, "f.cast.zst", buf_view(&m.file));
    assert_int_equal(cast_facts_read(path, NULL, &facts, &err), STATUS_OK);
    assert_int_equal(facts.status, META_COMPLETE);
    assert_string_equal(facts.user, "alice");
    meta_fini(&facts);

    maker_event(&m, 3000000, CAST_FACTS, "{\"user\":7}");
    maker_event(&m, 3000000, CAST_FACTS,
        "{\"id\":\"019ab000-0000-7000-8000-00000000000a\","
        "\"user\":\"another\"}");
    maker_event(&m, 3000000, CAST_FACTS, "{\"reason\":\"later\"}");
    path = maker_write(folder, "f.cast", buf_view(&m.text));
    assert_int_equal(cast_facts_read(path, NULL, &facts, &err), STATUS_OK);
    assert_string_equal(facts.user, "alice");
    assert_string_equal(facts.reason, "later");
    meta_fini(&facts);
    maker_fini(&m);
}

static int
make_folder(void **state)
{
    (void)state;
    temp_dir_make(folder);
    return 0;
}

static int
drop_folder(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_long_lines_span_pieces),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_facts),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
