/* Flags in every spelling, and refusals that name what was written. */
#include "base/program.h"

#include "tests/support/test.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool is_json;
static const char *user;
static const char *output;

static const struct flag flags[] = {
    {"user", 0, FLAG_TEXT, "NAME", "only sessions of NAME", &user},
    {"output", 'o', FLAG_TEXT, "FILE", "write to FILE", &output},
    {"json", 'j', FLAG_BOOL, NULL, "one object a line", &is_json},
    {NULL, 0, FLAG_BOOL, NULL, NULL, NULL},
};

/* The words of one command line, split at spaces; "@" is an empty word. */
struct words {
    char text[256];
    char *argv[32];
    char *args[32];
    int argc;
    int count;
    struct error err;
};

static enum status
parse(const char *line, struct words *w)
{
    is_json = false;
    user = NULL;
    output = NULL;
    assert_true(strlen(line) < sizeof(w->text));
    memcpy(w->text, line, strlen(line) + 1);
    w->argc = 0;
    w->count = -1;
    char *rest = w->text;
    char *word = strsep(&rest, " ");
    for (; word != NULL; word = strsep(&rest, " ")) {
        w->argv[w->argc++] = strcmp(word, "@") == 0 ? word + 1 : word;
    }
    w->argv[w->argc] = NULL;
    return flags_parse(flags, w->argc, w->argv, w->args, &w->count, &w->err);
}

static void
flags_stand_anywhere(void **state)
{
    (void)state;
    struct words w;
    assert_int_equal(
        parse("prog one --user alice two --json -o f three", &w), STATUS_OK);
    assert_string_equal(user, "alice");
    assert_string_equal(output, "f");
    assert_true(is_json);
    assert_int_equal(w.count, 3);
    assert_string_equal(w.args[0], "one");
    assert_string_equal(w.args[1], "two");
    assert_string_equal(w.args[2], "three");
}

static void
nothing_given_nothing_set(void **state)
{
    (void)state;
    struct words w;
    assert_int_equal(parse("prog", &w), STATUS_OK);
    assert_int_equal(w.count, 0);
    assert_null(user);
    assert_false(is_json);
    char *none[1] = {NULL};
    int count = -1;
    assert_int_equal(
        flags_parse(flags, 0, none, w.args, &count, NULL), STATUS_OK);
    assert_int_equal(count, 0);
}

static void
every_spelling_of_a_value(void **state)
{
    (void)state;
    static const char *const lines[] = {"p --output x=y", "p --output=x=y",
        "p -o x=y", "p -ox=y", "p -o=x=y", "p -o z --output x=y"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct words w;
        assert_int_equal(parse(lines[i], &w), STATUS_OK);
        assert_string_equal(output, "x=y");
        assert_int_equal(w.count, 0);
    }
}

static void
values_with_dashes(void **state)
{
    (void)state;
    struct words w;
    assert_int_equal(parse("p -o - - --user=--x", &w), STATUS_OK);
    assert_string_equal(output, "-");
    assert_string_equal(user, "--x");
    assert_int_equal(w.count, 1);
    assert_string_equal(w.args[0], "-");
    assert_int_equal(parse("p --user -5", &w), STATUS_OK);
    assert_string_equal(user, "-5");
    assert_int_equal(parse("p --user= @", &w), STATUS_OK);
    assert_string_equal(user, "");
    assert_int_equal(w.count, 1);
}

static void
two_dashes_end_flags(void **state)
{
    (void)state;
    struct words w;
    assert_int_equal(parse("p --json -- --user -- -x", &w), STATUS_OK);
    assert_true(is_json);
    assert_null(user);
    assert_int_equal(w.count, 3);
    assert_string_equal(w.args[0], "--user");
    assert_string_equal(w.args[1], "--");
    assert_string_equal(w.args[2], "-x");
}

static void
refusals_say_what_was_expected(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"p --usr x", "unknown flag \"--usr\": expected one that --help lists"},
        {"p --use x", "unknown flag \"--use\": expected one that --help lists"},
        {"p --USER x",
            "unknown flag \"--USER\": expected one that --help lists"},
        {"p -x", "unknown flag \"-x\": expected one that --help lists"},
        {"p --=x", "unknown flag \"--=x\": expected one that --help lists"},
        {"p --user", "flag --user expects a value: NAME"},
        {"p --user --json", "flag --user expects a value: NAME"},
        {"p -o", "flag -o expects a value: FILE"},
        {"p --json=yes", "flag --json takes no value, got \"yes\""},
        {"p -jx", "flag -j takes no value, got \"x\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct words w;
        assert_int_equal(parse(cases[i][0], &w), STATUS_INVALID);
        assert_string_equal(w.err.text, cases[i][1]);
        assert_int_equal(w.count, -1);
    }
}

static void
help_is_aligned(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    flags_print(flags, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "      --user NAME    only sessions of NAME\n"
                              "  -o, --output FILE  write to FILE\n"
                              "  -j, --json         one object a line\n");
    free(text);
}

static void
program_dir_is_a_folder_without_the_name(void **state)
{
    (void)state;
    char dir[PATH_MAX];
    struct error err;
    assert_int_equal(program_dir(dir, sizeof(dir), &err), STATUS_OK);
    assert_int_equal(dir[0], '/');
    char *real = realpath("/proc/self/exe", NULL);
    assert_non_null(real);
    assert_memory_equal(real, dir, strlen(dir));
    assert_string_equal(real + strlen(dir), "/test_program");
    free(real);
    assert_int_equal(program_dir(dir, 4, &err), STATUS_LIMIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_stand_anywhere),
        cmocka_unit_test(nothing_given_nothing_set),
        cmocka_unit_test(every_spelling_of_a_value),
        cmocka_unit_test(values_with_dashes),
        cmocka_unit_test(two_dashes_end_flags),
        cmocka_unit_test(refusals_say_what_was_expected),
        cmocka_unit_test(help_is_aligned),
        cmocka_unit_test(program_dir_is_a_folder_without_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
