/* Session facts: the exact JSON, merging part by part, caps and repairs, and
 * the error stream read as kubectl reads it. */
#include "schema/meta.h"
#include "schema/utf8.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static void
set(char **field, const char *value)
{
    assert_int_equal(meta_set(field, span_str(value)), STATUS_OK);
}

static void
add(char ***list, size_t *count, const char *value)
{
    assert_int_equal(meta_add(list, count, span_str(value)), STATUS_OK);
}

static void
fill(struct meta *m)
{
    meta_init(m);
    static const struct uuid id = {
        {1, 0x9a, 0xbc, 3, 4, 5, 0x70, 7, 0x88, 9, 10, 11, 12, 13, 14, 15}};
    m->id = id;
    m->status = META_COMPLETE;
    m->type = META_PORT_FORWARD;
    set(&m->user, "alice@example.com");
    add(&m->groups, &m->group_count, "dev");
    add(&m->groups, &m->group_count, "ops");
    set(&m->uid, "u-1");
    set(&m->source, "10.0.0.9:51324");
    set(&m->cluster, "prod");
    set(&m->namespace, "shop");
    set(&m->pod, "web-0");
    set(&m->container, "app");
    add(&m->command, &m->command_count, "sh");
    add(&m->command, &m->command_count, "-c");
    add(&m->command, &m->command_count, "echo \"\n");
    m->tty = true;
    m->protocol = META_WEBSOCKET;
    set(&m->subprotocol, "v5.channel.k8s.io");
    m->start_us = 1764024236000001;
    m->end_us = 1764024248500000;
    m->has_exit = true;
    m->exit_code = 130;
    set(&m->reason, "killed by bob");
    m->bytes[STREAM_STDIN] = 1;
    m->bytes[STREAM_STDOUT] = 20000000000;
    m->bytes[STREAM_STDERR] = 3;
    set(&m->file, "recordings/2025/11/24/x.cast.zst");
    m->size = 4096;
    m->sealed = true;
    set(&m->user_agent, "kubectl/v1.36.3");
    set(&m->kubectl_session, "s-1");
    set(&m->kubectl_command, "kubectl exec");
    m->stdin_recorded = true;
}

static const char open_json[] =
    "{\"id\":\"019abc03-0405-7007-8809-0a0b0c0d0e0f\","
    "\"type\":\"port-forward\",\"user\":\"alice@example.com\","
    "\"groups\":[\"dev\",\"ops\"],\"uid\":\"u-1\","
    "\"source\":\"10.0.0.9:51324\",\"cluster\":\"prod\","
    "\"namespace\":\"shop\",\"pod\":\"web-0\",\"container\":\"app\","
    "\"command\":[\"sh\",\"-c\",\"echo \\\"\\n\"],\"tty\":true,"
    "\"protocol\":\"websocket\",\"start\":\"2025-11-24T22:43:56.000001Z\","
    "\"user_agent\":\"kubectl/v1.36.3\",\"kubectl_session\":\"s-1\","
    "\"kubectl_command\":\"kubectl exec\",\"stdin_recorded\":true}";
static const char close_json[] =
    "{\"status\":\"complete\",\"subprotocol\":\"v5.channel.k8s.io\","
    "\"end\":\"2025-11-24T22:44:08.500000Z\",\"exit_code\":130,"
    "\"reason\":\"killed by bob\","
    "\"bytes\":{\"stdin\":1,\"stdout\":20000000000,\"stderr\":3}}";
static const char all_json[] =
    "{\"id\":\"019abc03-0405-7007-8809-0a0b0c0d0e0f\","
    "\"status\":\"complete\",\"type\":\"port-forward\","
    "\"user\":\"alice@example.com\",\"groups\":[\"dev\",\"ops\"],"
    "\"uid\":\"u-1\",\"source\":\"10.0.0.9:51324\",\"cluster\":\"prod\","
    "\"namespace\":\"shop\",\"pod\":\"web-0\",\"container\":\"app\","
    "\"command\":[\"sh\",\"-c\",\"echo \\\"\\n\"],\"tty\":true,"
    "\"protocol\":\"websocket\",\"subprotocol\":\"v5.channel.k8s.io\","
    "\"start\":\"2025-11-24T22:43:56.000001Z\","
    "\"end\":\"2025-11-24T22:44:08.500000Z\",\"duration\":12.499999,"
    "\"exit_code\":130,\"reason\":\"killed by bob\","
    "\"bytes\":{\"stdin\":1,\"stdout\":20000000000,\"stderr\":3},"
    "\"file\":\"recordings/2025/11/24/x.cast.zst\",\"size\":4096,"
    "\"sealed\":true,\"user_agent\":\"kubectl/v1.36.3\","
    "\"kubectl_session\":\"s-1\",\"kubectl_command\":\"kubectl exec\","
    "\"stdin_recorded\":true}";
static const char empty_json[] =
    "{\"id\":\"00000000-0000-0000-0000-000000000000\","
    "\"status\":\"active\",\"type\":\"exec\",\"user\":\"\",\"groups\":[],"
    "\"uid\":\"\",\"source\":\"\",\"cluster\":\"\",\"namespace\":\"\","
    "\"pod\":\"\",\"container\":\"\",\"command\":[],\"tty\":false,"
    "\"protocol\":\"spdy\",\"subprotocol\":\"\","
    "\"start\":\"1970-01-01T00:00:00.000000Z\",\"end\":null,"
    "\"duration\":null,\"exit_code\":null,\"reason\":\"\","
    "\"bytes\":{\"stdin\":0,\"stdout\":0,\"stderr\":0},\"file\":\"\","
    "\"size\":0,\"sealed\":false,\"user_agent\":\"\","
    "\"kubectl_session\":\"\",\"kubectl_command\":\"\","
    "\"stdin_recorded\":false}";

static void
assert_json(const struct meta *m, enum meta_part part, const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(meta_encode(m, part, &out), STATUS_OK);
    const char *got = NULL;
    assert_int_equal(buf_cstr(&out, &got), STATUS_OK);
    assert_string_equal(got, want);
    buf_fini(&out);
}

static enum status
decode(const char *json, struct meta *m)
{
    struct error err;
    struct guard_page g = guard_page_copy(span_str(json));
    const enum status st = meta_decode(g.bytes, m, &err);
    guard_page_free(&g);
    return st;
}

static void
each_part_has_exactly_its_names(void **state)
{
    (void)state;
    struct meta m;
    fill(&m);
    assert_json(&m, META_PART_OPEN, open_json);
    assert_json(&m, META_PART_CLOSE, close_json);
    assert_json(&m, META_PART_ALL, all_json);
    meta_fini(&m);
}

static void
nothing_known_still_has_every_name(void **state)
{
    (void)state;
    struct meta m;
    meta_init(&m);
    assert_json(&m, META_PART_ALL, empty_json);
    meta_fini(&m);
}

static void
parts_merge_by_being_decoded_in_order(void **state)
{
    (void)state;
    struct meta m;
    meta_init(&m);
    assert_int_equal(decode(open_json, &m), STATUS_OK);
    assert_int_equal(m.status, META_ACTIVE);
    assert_int_equal(
        decode("{\"type\":\"debug\",\"container\":\"dbg\",\"later\":[{}]}", &m),
        STATUS_OK);
    assert_int_equal(decode(close_json, &m), STATUS_OK);
    assert_int_equal(m.type, META_DEBUG);
    assert_string_equal(m.container, "dbg");
    assert_int_equal(m.status, META_COMPLETE);
    assert_int_equal(m.bytes[STREAM_STDOUT], 20000000000);
    assert_int_equal(m.group_count, 2);
    assert_string_equal(m.command[2], "echo \"\n");
    assert_int_equal(decode("{\"groups\":[\"one\"],\"end\":null,"
                            "\"exit_code\":null,\"bytes\":{\"stdin\":7}}",
                         &m),
        STATUS_OK);
    assert_int_equal(m.group_count, 1);
    assert_int_equal(m.end_us, 0);
    assert_false(m.has_exit);
    assert_int_equal(m.bytes[STREAM_STDIN], 7);
    assert_int_equal(m.bytes[STREAM_STDERR], 3);
    meta_fini(&m);
}

static void
everything_survives_the_round_trip(void **state)
{
    (void)state;
    struct meta m;
    meta_init(&m);
    assert_int_equal(decode(all_json, &m), STATUS_OK);
    assert_json(&m, META_PART_ALL, all_json);
    assert_int_equal(decode(empty_json, &m), STATUS_OK);
    assert_json(&m, META_PART_ALL, empty_json);
    meta_fini(&m);
}

static void
copy_owns_everything_it_has(void **state)
{
    (void)state;
    struct meta m;
    struct meta copy;
    fill(&m);
    meta_init(&copy);
    set(&copy.user, "was here");
    assert_int_equal(meta_copy(&m, &copy), STATUS_OK);
    meta_fini(&m);
    assert_json(&copy, META_PART_ALL, all_json);
    meta_fini(&copy);
    meta_init(&copy);
    assert_json(&copy, META_PART_ALL, empty_json);
    meta_fini(&copy);
}

static void
wrong_types_are_refused_and_leave_a_usable_meta(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "[]", "3", "null", "{", "{} {}",
        "{\"user\":1}", "{\"user\":null}", "{\"user\":[]}", "{\"id\":\"x\"}",
        "{\"id\":\"019ABC03-0405-7007-8809-0A0B0C0D0E0F\"}", "{\"id\":7}",
        "{\"status\":\"done\"}", "{\"status\":1}", "{\"type\":\"Exec\"}",
        "{\"protocol\":\"h2\"}", "{\"tty\":1}", "{\"tty\":\"true\"}",
        "{\"groups\":\"dev\"}", "{\"groups\":[1]}", "{\"groups\":[\"a\",null]}",
        "{\"start\":1}", "{\"start\":null}", "{\"start\":\"\"}",
        "{\"start\":\"2025-11-24 22:43:56Z\"}",
        "{\"start\":\"2025-11-24T22:43:56\"}",
        "{\"start\":\"2025-11-24T22:43:56+01:00\"}",
        "{\"start\":\"2025-02-31T22:43:56Z\"}",
        "{\"start\":\"2025-00-10T22:43:56Z\"}",
        "{\"start\":\"2025-11-24T24:00:00Z\"}",
        "{\"start\":\"2025-11-24T22:43:56.Z\"}",
        "{\"start\":\"2025-11-24T22:43:56.0000001Z\"}", "{\"end\":\"soon\"}",
        "{\"exit_code\":\"0\"}", "{\"exit_code\":1.5}",
        "{\"exit_code\":4294967296}", "{\"bytes\":1}",
        "{\"bytes\":{\"stdout\":-1}}", "{\"bytes\":{\"stdout\":\"1\"}}",
        "{\"size\":-1}", "{\"size\":1.0}", "{\"sealed\":null}",
        "{\"user\":\"a\",\"user\":\"b\"}", "{\"user\":\"\\u0000\"}",
        "{\"user\":\"\xFF\"}"};
    struct meta m;
    fill(&m);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(decode(bad[i], &m), STATUS_INVALID);
        assert_json(&m, META_PART_ALL, all_json);
    }
    meta_fini(&m);
}

static void
times_are_read_to_the_microsecond(void **state)
{
    (void)state;
    const struct {
        const char *json;
        int64_t want;
    } cases[] = {
        {"{\"start\":\"1970-01-01T00:00:00Z\"}", 0},
        {"{\"start\":\"1970-01-01T00:00:01.5Z\"}", 1500000},
        {"{\"start\":\"2024-02-29T23:59:59.999999Z\"}", 1709251199999999},
        {"{\"start\":\"1969-12-31T23:59:59.250000Z\"}", -750000},
    };
    struct meta m;
    meta_init(&m);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(decode(cases[i].json, &m), STATUS_OK);
        assert_int_equal(m.start_us, cases[i].want);
    }
    meta_fini(&m);
}

static void
strings_are_repaired_and_cut_at_a_character(void **state)
{
    (void)state;
    char *s = NULL;
    assert_int_equal(meta_set(&s, SPAN_LIT("a\0b\xFF"
                                           "c\0")),
        STATUS_OK);
    assert_string_equal(s, "a\xEF\xBF\xBD"
                           "b\xEF\xBF\xBD"
                           "c\xEF\xBF\xBD");
    assert_int_equal(meta_set(&s, SPAN_LIT("")), STATUS_OK);
    assert_string_equal(s, "");
    /* A four-byte character at every place around the cap. */
    for (size_t before = META_STRING_MAX - 6; before <= META_STRING_MAX + 1;
         before++) {
        char text[META_STRING_MAX + 64];
        memset(text, 'x', sizeof text);
        memcpy(text + before, "\xF0\x9F\x98\x80", 4);
        assert_int_equal(meta_set(&s, span_of(text, sizeof text)), STATUS_OK);
        const size_t len = strlen(s);
        assert_int_equal(utf8_valid_prefix(span_str(s)), len);
        assert_null(strstr(s, "\xEF\xBF\xBD"));
        const bool straddles =
            before < META_STRING_MAX && before + 4 > META_STRING_MAX;
        assert_int_equal(len, straddles ? before : META_STRING_MAX);
    }
    char bad[2 * META_STRING_MAX];
    memset(bad, 0xFF, sizeof bad);
    assert_int_equal(meta_set(&s, span_of(bad, sizeof bad)), STATUS_OK);
    assert_int_equal(strlen(s), META_STRING_MAX / 3 * 3);
    free(s);
}

static void
words_are_kept_whole_or_refused(void **state)
{
    (void)state;
    char **list = NULL;
    size_t count = 0;
    const size_t len = META_LIST_BYTES_MAX;
    char *word = malloc(len + 1);
    assert_non_null(word);
    memset(word, 'w', len + 1);
    assert_int_equal(
        meta_add(&list, &count, span_of(word, len + 1)), STATUS_LIMIT);
    assert_int_equal(meta_add(&list, &count, span_of(word, len)), STATUS_OK);
    assert_int_equal(strlen(list[0]), len);
    assert_int_equal(
        meta_add(&list, &count, span_of(word, 1024)), STATUS_LIMIT);
    assert_int_equal(count, 1);
    meta_list_free(&list, &count);
    for (size_t i = 0; i < META_LIST_MAX; i++) {
        add(&list, &count, "w");
    }
    assert_int_equal(meta_add(&list, &count, SPAN_LIT("w")), STATUS_LIMIT);
    meta_list_free(&list, &count);
    assert_null(list);
    /* Short words are weighed too, if not one by one. */
    enum status st = STATUS_OK;
    while (st == STATUS_OK) {
        st = meta_add(&list, &count, span_of(word, 1000));
    }
    assert_int_equal(st, STATUS_LIMIT);
    assert_true(count * 1000 < 2 * META_LIST_BYTES_MAX);
    meta_list_free(&list, &count);
    free(word);
}

static void
full_buffer_is_a_limit(void **state)
{
    (void)state;
    struct meta m;
    fill(&m);
    for (size_t max = 0; max < sizeof all_json - 1; max++) {
        struct buf out;
        buf_init(&out, max);
        assert_int_equal(meta_encode(&m, META_PART_ALL, &out), STATUS_LIMIT);
        buf_fini(&out);
    }
    meta_fini(&m);
}

static void
names_and_enumerators_agree(void **state)
{
    (void)state;
    for (int i = META_ACTIVE; i <= META_FAILED; i++) {
        enum meta_status s;
        assert_true(
            meta_status_parse(meta_status_name((enum meta_status)i), &s));
        assert_int_equal(s, i);
    }
    for (int i = META_EXEC; i <= META_PORT_FORWARD; i++) {
        enum meta_type t;
        assert_true(meta_type_parse(meta_type_name((enum meta_type)i), &t));
        assert_int_equal(t, i);
    }
    enum meta_status s = META_FAILED;
    enum meta_type t = META_CP;
    assert_false(meta_status_parse("", &s));
    assert_false(meta_status_parse("unknown", &s));
    assert_false(meta_type_parse("portforward", &t));
    assert_string_equal(meta_protocol_name(META_SPDY), "spdy");
    assert_string_equal(meta_protocol_name(META_WEBSOCKET), "websocket");
}

#define FAILURE "{\"metadata\":{},\"status\":\"Failure\","

static void
error_stream_is_read_as_kubectl_reads_it(void **state)
{
    (void)state;
    const struct {
        const char *stream;
        int code; /* -1: none */
        const char *message;
    } cases[] = {
        {"", 0, ""},
        {"{\"metadata\":{},\"status\":\"Success\"}", 0, ""},
        {FAILURE "\"message\":\"command terminated with non-zero exit code\","
                 "\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":"
                 "[{\"reason\":\"ExitCode\",\"message\":\"137\"}]}}",
            137, ""},
        {FAILURE "\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":"
                 "[{\"reason\":\"Other\",\"message\":\"1\"},"
                 "{\"reason\":\"ExitCode\",\"message\":\"2\"}]}}",
            2, ""},
        {FAILURE "\"reason\":\"NonZeroExitCode\",\"message\":\"m\","
                 "\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
                 "\"message\":\"256\"}]}}",
            -1, "m"},
        {FAILURE "\"reason\":\"NonZeroExitCode\",\"message\":\"no cause\"}", -1,
            "no cause"},
        {FAILURE "\"reason\":\"InternalError\",\"message\":\"it broke\","
                 "\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
                 "\"message\":\"1\"}]}}",
            -1, "it broke"},
        {"{\"status\":\"Success\"", -1, "{\"status\":\"Success\""},
        {"{\"status\":\"Odd\"}", -1, "{\"status\":\"Odd\"}"},
        {"[1]", -1, "[1]"},
        {"error executing command \xFF", -1,
            "error executing command \xEF\xBF\xBD"},
    };
    struct meta_exit e = {0};
    buf_init(&e.message, 8192);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guard_page g = guard_page_copy(span_str(cases[i].stream));
        assert_int_equal(meta_exit_parse(g.bytes, &e), STATUS_OK);
        guard_page_free(&g);
        assert_int_equal(e.has_code ? e.code : -1, cases[i].code);
        assert_true(span_eq_str(buf_view(&e.message), cases[i].message));
    }
    buf_fini(&e.message);
}

static void
file_name_is_made_of_day_and_id(void **state)
{
    (void)state;
    struct meta m;
    fill(&m);
    char name[META_FILE_MAX];
    meta_file_name(&m.id, m.start_us, name);
    assert_string_equal(name, "recordings/2025/11/24/"
                              "019abc03-0405-7007-8809-0a0b0c0d0e0f.cast.zst");
    meta_file_name(&m.id, 1709164800000000 - 1, name);
    assert_true(span_starts_with(span_str(name), "recordings/2024/02/28/"));
    meta_file_name(&m.id, -1, name);
    assert_true(span_starts_with(span_str(name), "recordings/1970/01/01/"));
    meta_fini(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_has_exactly_its_names),
        cmocka_unit_test(nothing_known_still_has_every_name),
        cmocka_unit_test(parts_merge_by_being_decoded_in_order),
        cmocka_unit_test(everything_survives_the_round_trip),
        cmocka_unit_test(copy_owns_everything_it_has),
        cmocka_unit_test(wrong_types_are_refused_and_leave_a_usable_meta),
        cmocka_unit_test(times_are_read_to_the_microsecond),
        cmocka_unit_test(strings_are_repaired_and_cut_at_a_character),
        cmocka_unit_test(words_are_kept_whole_or_refused),
        cmocka_unit_test(full_buffer_is_a_limit),
        cmocka_unit_test(names_and_enumerators_agree),
        cmocka_unit_test(error_stream_is_read_as_kubectl_reads_it),
        cmocka_unit_test(file_name_is_made_of_day_and_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
