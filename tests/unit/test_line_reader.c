/* Lines of a file: around the buffer's end, cut at the end, and too long. */
#include "base/line_reader.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_HERE 100u

static char dir[TEMP_DIR_MAX];
static char path[TEMP_DIR_MAX + 16];

static int
make_dir(void **state)
{
    (void)state;
    temp_dir_make(dir);
    (void)snprintf(path, sizeof path, "%s/lines", dir);
    return 0;
}

static int
remove_dir(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

static struct line_reader *
open_text(const char *text)
{
    struct line_reader *r = NULL;
    assert_int_equal(
        file_write_atomic(path, span_str(text), 0600, NULL), STATUS_OK);
    assert_int_equal(
        line_reader_open(path, LINE_MAX_HERE, &r, NULL), STATUS_OK);
    return r;
}

static void
expect(struct line_reader *r, const char *line, uint64_t offset)
{
    struct span got = SPAN_EMPTY;
    bool has = false;
    assert_int_equal(line_reader_next(r, &got, &has, NULL), STATUS_OK);
    assert_int_equal(has, line != NULL);
    assert_true(line == NULL || span_eq_str(got, line));
    assert_int_equal(line_reader_offset(r), offset);
}

static void
whole_lines_come_in_order(void **state)
{
    (void)state;
    struct line_reader *r = open_text("one\n\nthree\nfou");
    expect(r, "one", 4);
    expect(r, "", 5);
    expect(r, "three", 11);
    expect(r, NULL, 11);
    expect(r, NULL, 11);
    line_reader_close(&r);
    r = open_text("");
    expect(r, NULL, 0);
    line_reader_close(&r);
    assert_int_equal(
        line_reader_open("/nowhere/lines", 10, &r, NULL), STATUS_NOT_FOUND);
}

/* Line `i`, up to some length of its own. */
static size_t
write_line(char out[LINE_MAX_HERE], size_t i)
{
    const int n = snprintf(out, LINE_MAX_HERE, "%zu%*s\n", i, (int)(i % 90),
        i % 90 == 0 ? "" : "x");
    return (size_t)n;
}

/* Many times the buffer: lines of every length stand across its ends. */
static void
lines_across_the_buffers_end_are_whole(void **state)
{
    (void)state;
    const size_t lines = 10000;
    char *text = malloc(lines * LINE_MAX_HERE);
    char line[LINE_MAX_HERE];
    size_t at = 0;
    assert_non_null(text);
    for (size_t i = 0; i < lines; i++) {
        at += write_line(text + at, i);
    }
    struct line_reader *r = open_text(text);
    uint64_t offset = 0;
    for (size_t i = 0; i < lines; i++) {
        offset += write_line(line, i);
        line[strlen(line) - 1] = '\0';
        expect(r, line, offset);
    }
    expect(r, NULL, offset);
    line_reader_close(&r);
    free(text);
}

static void
a_line_longer_than_any_is_damage(void **state)
{
    (void)state;
    char text[LINE_MAX_HERE + 2];
    struct span got;
    bool has;
    memset(text, 'x', sizeof text);
    text[LINE_MAX_HERE - 1] = '\n';
    text[LINE_MAX_HERE] = '\0';
    struct line_reader *r = open_text(text);
    text[LINE_MAX_HERE - 1] = '\0';
    expect(r, text, LINE_MAX_HERE);
    line_reader_close(&r);
    for (int has_end = 0; has_end < 2; has_end++) {
        text[LINE_MAX_HERE - 1] = 'x';
        text[LINE_MAX_HERE] = has_end != 0 ? '\n' : '\0';
        text[LINE_MAX_HERE + 1] = '\0';
        r = open_text(text);
        assert_int_equal(line_reader_next(r, &got, &has, NULL), STATUS_CORRUPT);
        line_reader_close(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_lines_come_in_order),
        cmocka_unit_test(lines_across_the_buffers_end_are_whole),
        cmocka_unit_test(a_line_longer_than_any_is_damage),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
