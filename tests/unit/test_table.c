#include "player/table.h"
#include "tests/support/test.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const char *const titles[] = {"NAME", "N", "TEXT"};

static void
expect_table(size_t width, bool colour, const char *wanted)
{
    struct table *t = NULL;
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(table_new(titles, 3, &t), STATUS_OK);
    const char *const cells[] = {
        "a", "1", "short", "\xE6\xBC\xA2\xE5\xAD\x97x", "22", "a longer\ntext"};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(
            table_add(t, span_str(cells[i]), i == 4 ? TABLE_BAD : TABLE_PLAIN),
            STATUS_OK);
    }
    FILE *out = open_memstream(&text, &len);
    table_print(t, out, width, colour);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
    table_free(&t);
    assert_null(t);
}

static void
test_aligns_by_width(void **state)
{
    (void)state;
    expect_table(0, false,
        "NAME   N   TEXT\n"
        "a      1   short\n"
        "\xE6\xBC\xA2\xE5\xAD\x97x  22  a longer\\ntext\n");
}

static void
test_cuts_the_last_column(void **state)
{
    (void)state;
    expect_table(18, false,
        "NAME   N   TEXT\n"
        "a      1   short\n"
        "\xE6\xBC\xA2\xE5\xAD\x97x  22  a long\xE2\x80\xA6\n");
}

static void
test_colours(void **state)
{
    (void)state;
    expect_table(0, true,
        "NAME   N   TEXT\n"
        "a      1   short\n"
        "\xE6\xBC\xA2\xE5\xAD\x97x  \033[31m22\033[0m  a longer\\ntext\n");
}

int
main(void)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligns_by_width),
        cmocka_unit_test(test_cuts_the_last_column),
        cmocka_unit_test(test_colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
