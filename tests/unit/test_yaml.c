#include "base/buf.h"
#include "base/yaml.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"
#include <stdlib.h>
#include <string.h>

static struct yaml *
parse(const char *text)
{
    struct yaml *y = NULL;
    struct error err = {0};
    if (yaml_parse(span_str(text), "t.yaml", &y, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    return y;
}

static void
expect_error(const char *text, enum status code, const char *message)
{
    struct yaml *y = NULL;
    struct error err = {0};
    assert_int_equal(yaml_parse(span_str(text), "t.yaml", &y, &err), code);
    assert_null(y);
    assert_string_equal(err.text, message);
}

/* What `node` says of its place must be this piece of the text. */
static void
expect_piece(const char *text, const struct yaml_node *node, const char *piece)
{
    const size_t len = strlen(piece);
    assert_non_null(node);
    assert_int_equal(node->end - node->start, len);
    assert_true(node->end <= strlen(text));
    assert_memory_equal(text + node->start, piece, len);
}

static void
block_maps_lists_and_scalars(void **state)
{
    (void)state;
    static const char text[] = "# first\n"
                               "state: /var/lib\n"
                               "tls:\n"
                               "  names:\n"
                               "  - a\n"
                               "  - \"b\"\n"
                               "\n"
                               "last: 'x'  # end\n";
    struct yaml *y = parse(text);
    const struct yaml_node *root = yaml_root(y);
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->count, 3);
    assert_string_equal(yaml_get_text(root, "state"), "/var/lib");
    assert_int_equal(yaml_get(root, "state")->line, 2);
    const struct yaml_node *tls = yaml_get(root, "tls");
    const struct yaml_node *names = yaml_get(tls, "names");
    assert_int_equal(names->kind, YAML_LIST);
    assert_int_equal(names->count, 2);
    assert_false(names->is_flow);
    assert_true(names->items[0]->is_plain);
    assert_false(names->items[1]->is_plain);
    assert_int_equal(names->items[1]->line, 6);
    expect_piece(text, names, "- a\n  - \"b\"");
    expect_piece(text, tls, "names:\n  - a\n  - \"b\"");
    expect_piece(text, yaml_get(root, "last"), "'x'");
    assert_null(yaml_get(root, "other"));
    assert_null(yaml_get(names, "state"));
    assert_null(yaml_get_text(root, "tls"));
    yaml_close(&y);
    assert_null(y);
}

static void
places_are_bytes_not_characters(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf# caf\xc3\xa9 \xf0\x9f\x98\x80\r\n"
                               "n\xc3\xa4me: {\xc3\xb6: [1, \xe2\x82\xac]}\r\n"
                               "z: \"\xc3\xa9\" # \xc3\xa9\r\n";
    struct yaml *y = parse(text);
    const struct yaml_node *root = yaml_root(y);
    const struct yaml_node *flow = yaml_get(root, "n\xc3\xa4me");
    assert_true(flow->is_flow);
    assert_int_equal(flow->line, 2);
    expect_piece(text, flow, "{\xc3\xb6: [1, \xe2\x82\xac]}");
    expect_piece(text, yaml_get(flow, "\xc3\xb6")->items[1], "\xe2\x82\xac");
    expect_piece(text, yaml_get(root, "z"), "\"\xc3\xa9\"");
    yaml_close(&y);
}

static void
json_is_yaml(void **state)
{
    (void)state;
    struct yaml *y = parse("{\"a\": [1, true, null, \"\"], \"b\": {}}");
    const struct yaml_node *a = yaml_get(yaml_root(y), "a");
    assert_int_equal(a->count, 4);
    assert_string_equal(yaml_text(a->items[0]), "1");
    assert_true(a->items[1]->is_plain);
    assert_null(yaml_text(a->items[2]));
    assert_string_equal(yaml_text(a->items[3]), "");
    const struct yaml_node *b = yaml_get(yaml_root(y), "b");
    assert_int_equal(b->kind, YAML_MAP);
    assert_int_equal(b->count, 0);
    yaml_close(&y);
}

static void
nulls_have_no_text_unless_quoted(void **state)
{
    (void)state;
    struct yaml *y = parse("a:\nb: ~\nc: null\nd: 'null'\ne: ''\nf: !!str\n");
    const struct yaml_node *root = yaml_root(y);
    assert_null(yaml_get_text(root, "a"));
    assert_null(yaml_get_text(root, "b"));
    assert_null(yaml_get_text(root, "c"));
    assert_string_equal(yaml_get_text(root, "d"), "null");
    assert_string_equal(yaml_get_text(root, "e"), "");
    assert_string_equal(yaml_get_text(root, "f"), "");
    yaml_close(&y);
}

static void
an_empty_text_is_an_empty_map(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "\n\n", "# nothing\n", "---\n", "--- # nothing\n..."};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct yaml *y = parse(texts[i]);
        assert_int_equal(yaml_root(y)->kind, YAML_MAP);
        assert_int_equal(yaml_root(y)->count, 0);
        yaml_close(&y);
    }
}

static void
aliases_repeat_their_anchor(void **state)
{
    (void)state;
    static const char text[] = "a: &x [1, 2]\nb: *x\nc:\n  d: *x\ne: 1\n";
    struct yaml *y = parse(text);
    const struct yaml_node *root = yaml_root(y);
    assert_ptr_equal(yaml_get(root, "a"), yaml_get(root, "b"));
    assert_ptr_equal(yaml_get(yaml_get(root, "c"), "d"), yaml_get(root, "a"));
    expect_piece(text, yaml_get(root, "c"), "d: *x");
    yaml_close(&y);
}

static void
refusals_name_their_line(void **state)
{
    (void)state;
    expect_error(
        "a: 1\nb: 2\na: 3\n", STATUS_INVALID, "t.yaml:3: a: key given twice");
    expect_error("a: {b: 1, \"b\": 2}\n", STATUS_INVALID,
        "t.yaml:1: b: key given twice");
    expect_error("a: 1\n---\nb: 2\n", STATUS_INVALID,
        "t.yaml:2: more than one document");
    expect_error(
        "a: *x\n", STATUS_INVALID, "t.yaml:1: alias of an unknown anchor");
    expect_error("a: &x\n  b: *x\n", STATUS_INVALID,
        "t.yaml:2: alias inside its own anchor");
    expect_error(
        "? [a]\n: 1\n", STATUS_INVALID, "t.yaml:1: a key must be a plain word");
    expect_error("a: \"x\\0y\"\n", STATUS_INVALID, "t.yaml:1: NUL in a text");
    expect_error("a: 1\n b: 2\n", STATUS_INVALID,
        "t.yaml:2: mapping values are not allowed in this context");
    expect_error("a: [1,\n", STATUS_INVALID,
        "t.yaml:2: did not find expected node content");
    expect_error("a: 1\nb: \xff\n", STATUS_INVALID,
        "t.yaml:2: invalid leading UTF-8 octet");
}

/* Nine levels of nine aliases name a billion nodes. */
static void
a_bomb_of_aliases_is_refused(void **state)
{
    (void)state;
    struct buf text;
    struct yaml *y = NULL;
    struct error err;
    buf_init(&text, 4096);
    assert_int_equal(buf_append_str(&text, "a0: &a0 [x]\n"), STATUS_OK);
    for (int i = 1; i < 10; i++) {
        const int p = i - 1;
        assert_int_equal(
            buf_printf(&text,
                "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i,
                i, p, p, p, p, p, p, p, p, p),
            STATUS_OK);
    }
    assert_int_equal(
        yaml_parse(buf_view(&text), "bomb", &y, &err), STATUS_LIMIT);
    assert_string_equal(err.text, "bomb:6: too many nodes");
    buf_fini(&text);
}

static enum status
parse_nested(size_t levels, const char *prefix, const char *suffix)
{
    struct buf text;
    struct yaml *y = NULL;
    buf_init(&text, 65536);
    assert_int_equal(buf_append_str(&text, prefix), STATUS_OK);
    for (size_t i = 0; i < levels; i++) {
        assert_int_equal(buf_append_u8(&text, '['), STATUS_OK);
    }
    for (size_t i = 0; i < levels; i++) {
        assert_int_equal(buf_append_u8(&text, ']'), STATUS_OK);
    }
    assert_int_equal(buf_append_str(&text, suffix), STATUS_OK);
    const enum status st = yaml_parse(buf_view(&text), "deep", &y, NULL);
    yaml_close(&y);
    buf_fini(&text);
    return st;
}

static void
depth_is_capped(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(YAML_DEPTH_MAX, "", ""), STATUS_OK);
    assert_int_equal(parse_nested(YAML_DEPTH_MAX + 1, "", ""), STATUS_LIMIT);
    assert_int_equal(parse_nested(20000, "", ""), STATUS_LIMIT);
    /* An alias brings its own levels. */
    assert_int_equal(
        parse_nested(YAML_DEPTH_MAX - 2, "- &x ", "\n- [*x]\n"), STATUS_OK);
    assert_int_equal(parse_nested(YAML_DEPTH_MAX - 2, "- &x ", "\n- [[*x]]\n"),
        STATUS_LIMIT);
}

static enum status
parse_many(size_t items)
{
    struct buf text;
    struct yaml *y = NULL;
    buf_init(&text, 4 * items + 16);
    for (size_t i = 0; i < items; i++) {
        assert_int_equal(buf_append_str(&text, "- x\n"), STATUS_OK);
    }
    const enum status st = yaml_parse(buf_view(&text), "many", &y, NULL);
    yaml_close(&y);
    buf_fini(&text);
    return st;
}

static void
nodes_are_capped(void **state)
{
    (void)state;
    assert_int_equal(parse_many(YAML_NODES_MAX - 1), STATUS_OK);
    assert_int_equal(parse_many(YAML_NODES_MAX), STATUS_LIMIT);
}

/* Every prefix of a text that has everything: answered, leak-free, in bounds. */
static void
every_prefix_at_a_guard_page(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf# \xc3\xa9\na: &x [1, {b: 'c'}]\n"
                               "d: |\n  e\n  f\n\"g\\u00e9\": *x\nh:\n- i\n";
    for (size_t len = 0; len < sizeof(text); len++) {
        struct yaml *y = NULL;
        struct guard_page g = guard_page_copy(span_of(text, len));
        const enum status st = yaml_parse(g.bytes, "p", &y, NULL);
        assert_int_equal(st == STATUS_OK, y != NULL);
        yaml_close(&y);
        guard_page_free(&g);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_maps_lists_and_scalars),
        cmocka_unit_test(places_are_bytes_not_characters),
        cmocka_unit_test(json_is_yaml),
        cmocka_unit_test(nulls_have_no_text_unless_quoted),
        cmocka_unit_test(an_empty_text_is_an_empty_map),
        cmocka_unit_test(aliases_repeat_their_anchor),
        cmocka_unit_test(refusals_name_their_line),
        cmocka_unit_test(a_bomb_of_aliases_is_refused),
        cmocka_unit_test(depth_is_capped),
        cmocka_unit_test(nodes_are_capped),
        cmocka_unit_test(every_prefix_at_a_guard_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
