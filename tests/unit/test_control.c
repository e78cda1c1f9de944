#include "schema/control.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define ID "019ab809-b7e0-7000-8000-000000000001"

static struct control_request
request(const char *line)
{
    struct control_request r;
    struct error err = {.code = STATUS_OK};
    if (control_request_decode(span_str(line), &r, &err) != STATUS_OK) {
        fail_msg("%s: %s", line, err.text);
    }
    return r;
}

static void
expect_refused(const char *line, const char *why)
{
    struct control_request r;
    struct error err = {.code = STATUS_OK};
    assert_int_not_equal(
        control_request_decode(span_str(line), &r, &err), STATUS_OK);
    if (strstr(err.text, why) == NULL) {
        fail_msg("%s: %s, and not: %s", line, err.text, why);
    }
}

static void
requests_are_read(void **state)
{
    (void)state;
    struct control_request r =
        request("{\"do\":\"hold\",\"id\":\"" ID "\",\"reason\":\"case 7 €\"}");
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&r.id, id);
    assert_int_equal(r.verb, CONTROL_HOLD);
    assert_string_equal(id, ID);
    assert_string_equal(r.reason, "case 7 €");
    assert_int_equal(request("{\"id\":\"" ID "\",\"do\":\"release\"}").verb,
        CONTROL_RELEASE);
    r = request(" {\"do\" : \"prune\"} ");
    assert_int_equal(r.verb, CONTROL_PRUNE);
    assert_false(r.is_dry_run);
    assert_true(request("{\"do\":\"prune\",\"dry_run\":true}").is_dry_run);
    assert_int_equal(request("{\"do\":\"reindex\"}").verb, CONTROL_REINDEX);
}

static void
what_is_not_exactly_a_request_is_refused(void **state)
{
    (void)state;
    expect_refused("", "no JSON");
    expect_refused("GET / HTTP/1.1", "no JSON");
    expect_refused("{\"do\":\"prune\"} {}", "no JSON");
    expect_refused("{\"do\":\"prune\",\"do\":\"prune\"}", "no JSON");
    expect_refused("[]", "\"do\" is none of");
    expect_refused("7", "no JSON");
    expect_refused("{}", "\"do\" is none of");
    expect_refused("{\"do\":7}", "\"do\" is none of");
    expect_refused("{\"do\":\"erase\"}", "\"do\" is none of");
    expect_refused("{\"do\":\"reindex\",\"id\":\"" ID "\"}", "not known");
    expect_refused("{\"do\":\"prune\",\"dry_run\":1}", "wrong \"dry_run\"");
    expect_refused("{\"do\":\"release\"}", "without \"id\"");
    expect_refused("{\"do\":\"release\",\"id\":\"019ab809\"}", "wrong \"id\"");
    expect_refused("{\"do\":\"hold\",\"id\":\"" ID "\"}", "without \"reason\"");
}

static void
reasons_are_one_line_of_text(void **state)
{
    (void)state;
    char longest[CONTROL_REASON_MAX + 1];
    memset(longest, 'r', sizeof longest);
    assert_true(
        control_reason_is_good(span_of(longest, CONTROL_REASON_MAX - 1)));
    assert_false(control_reason_is_good(span_of(longest, CONTROL_REASON_MAX)));
    assert_false(control_reason_is_good(SPAN_EMPTY));
    assert_false(control_reason_is_good(SPAN_LIT("a\nb")));
    assert_false(control_reason_is_good(SPAN_LIT("\x1b[31m")));
    assert_false(control_reason_is_good(SPAN_LIT("\x7f")));
    assert_false(control_reason_is_good(SPAN_LIT("\xff")));
    expect_refused(
        "{\"do\":\"hold\",\"id\":\"" ID "\",\"reason\":\"\"}", "one line");
    expect_refused(
        "{\"do\":\"hold\",\"id\":\"" ID "\",\"reason\":\"a\\nb\"}", "one line");
    expect_refused("{\"do\":\"hold\",\"id\":\"" ID
                   "\",\"reason\":\"a\\u0000b\"}",
        "no JSON");
}

static void
long_lines_are_refused(void **state)
{
    (void)state;
    char line[CONTROL_LINE_MAX + 1];
    memset(line, ' ', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    expect_refused(line, "longer than");
}

static void
assert_answer(const struct control_answer *a, const char *want)
{
    struct buf line;
    struct control_answer again;
    struct buf second;
    buf_init(&line, CONTROL_LINE_MAX);
    buf_init(&second, CONTROL_LINE_MAX);
    assert_int_equal(control_answer_encode(a, &line), STATUS_OK);
    const char *text;
    assert_int_equal(buf_cstr(&line, &text), STATUS_OK);
    assert_string_equal(text, want);
    line.len--;
    assert_int_equal(
        control_answer_decode(buf_view(&line), &again, NULL), STATUS_OK);
    assert_int_equal(again.kind, a->kind);
    assert_int_equal(control_answer_encode(&again, &second), STATUS_OK);
    assert_int_equal(buf_cstr(&second, &text), STATUS_OK);
    assert_string_equal(text, want);
    buf_fini(&line);
    buf_fini(&second);
}

static void
answers_read_as_they_were_written(void **state)
{
    (void)state;
    struct control_answer a = {
        .kind = CONTROL_PROGRESS, .done = 5, .total = 70};
    assert_answer(&a, "{\"progress\":{\"done\":5,\"total\":70}}\n");
    a = (struct control_answer){.kind = CONTROL_ITEM,
        .start_us = 1764024236000001,
        .size = 77,
        .file = "recordings/x",
        .why = "older than \"90d\""};
    assert_true(uuid_parse(span_str(ID), &a.id));
    assert_answer(&a,
        "{\"item\":{\"id\":\"" ID "\",\"start_us\":1764024236000001,"
        "\"size\":77,\"file\":\"recordings/x\","
        "\"why\":\"older than \\\"90d\\\"\"}}\n");
    a = (struct control_answer){
        .kind = CONTROL_DONE, .count = 1, .bytes = 2, .kept = 3};
    assert_answer(&a, "{\"ok\":true,\"count\":1,\"bytes\":2,\"kept\":3}\n");
    a = (struct control_answer){.kind = CONTROL_ERROR, .error = "no: \n"};
    assert_answer(&a, "{\"error\":\"no: \\n\"}\n");
}

static void
what_is_not_exactly_an_answer_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "{}", "[]", "{\"ok\":true}",
        "{\"ok\":false,\"count\":1,\"bytes\":2,\"kept\":3}",
        "{\"ok\":true,\"count\":-1,\"bytes\":2,\"kept\":3}",
        "{\"ok\":true,\"count\":1,\"bytes\":2,\"kept\":3,\"more\":1}",
        "{\"progress\":{\"done\":1,\"total\":2},\"error\":\"x\"}",
        "{\"progress\":7}", "{\"item\":{}}", "{\"error\":7}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct control_answer a;
        struct error err = {.code = STATUS_OK};
        if (control_answer_decode(span_str(wrong[i]), &a, &err) == STATUS_OK) {
            fail_msg("%s was taken", wrong[i]);
        }
        assert_true(err.text[0] != '\0');
    }
}

static void
requests_read_as_they_were_written(void **state)
{
    (void)state;
    for (int v = CONTROL_HOLD; v <= CONTROL_REINDEX; v++) {
        struct control_request r = {
            .verb = (enum control_verb)v, .reason = "case \"7\""};
        struct control_request again;
        struct buf line;
        r.is_dry_run = r.verb == CONTROL_PRUNE;
        assert_true(uuid_parse(span_str(ID), &r.id));
        buf_init(&line, CONTROL_LINE_MAX);
        assert_int_equal(control_request_encode(&r, &line), STATUS_OK);
        assert_int_equal(line.data[line.off + line.len - 1], '\n');
        line.len--;
        assert_int_equal(
            control_request_decode(buf_view(&line), &again, NULL), STATUS_OK);
        assert_int_equal(again.verb, r.verb);
        assert_int_equal(again.is_dry_run, r.is_dry_run);
        assert_string_equal(
            again.reason, r.verb == CONTROL_HOLD ? r.reason : "");
        buf_fini(&line);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(what_is_not_exactly_a_request_is_refused),
        cmocka_unit_test(reasons_are_one_line_of_text),
        cmocka_unit_test(long_lines_are_refused),
        cmocka_unit_test(answers_read_as_they_were_written),
        cmocka_unit_test(what_is_not_exactly_an_answer_is_refused),
        cmocka_unit_test(requests_read_as_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
