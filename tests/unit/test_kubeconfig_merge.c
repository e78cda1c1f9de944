#include "base/yaml.h"
#include "player/kubeconfig_merge.h"
#include "tests/support/test.h"
#include <string.h>

static const struct kubeconfig_access ours = {
    .name = "kubetape",
    .server = "https://127.0.0.1:8443",
    .ca_data = "Q0E=",
    .token = "tok",
};

#define CLUSTER_AT(pad)                          \
    "name: \"kubetape\"\n" pad "cluster:\n" pad  \
    "  server: \"https://127.0.0.1:8443\"\n" pad \
    "  certificate-authority-data: \"Q0E=\"\n"
#define USER_AT(pad) \
    "name: \"kubetape\"\n" pad "user:\n" pad "  token: \"tok\"\n"
#define CONTEXT_AT(pad)                         \
    "name: \"kubetape\"\n" pad "context:\n" pad \
    "  cluster: \"kubetape\"\n" pad "  user: \"kubetape\"\n"
#define FLOW_CLUSTER                                      \
    "{\"name\": \"kubetape\", \"cluster\": {\"server\": " \
    "\"https://127.0.0.1:8443\", \"certificate-authority-data\": \"Q0E=\"}}"
#define FLOW_USER "{\"name\": \"kubetape\", \"user\": {\"token\": \"tok\"}}"
#define FLOW_CONTEXT                                                     \
    "{\"name\": \"kubetape\", \"context\": {\"cluster\": \"kubetape\", " \
    "\"user\": \"kubetape\"}}"

static enum status
merge(const char *in, struct buf *out, struct error *err)
{
    buf_init(out, 1 << 20);
    return kubeconfig_merge(span_str(in), "config", &ours, out, err);
}

/* Exactly this text comes out, and merging again changes nothing. */
static void
expect(const char *in, const char *wanted)
{
    struct buf out;
    struct buf again;
    struct error err = {.code = STATUS_OK};
    const enum status st = merge(in, &out, &err);
    if (st != STATUS_OK || !span_eq_str(buf_view(&out), wanted)) {
        print_message("in:\n%s\nout (%s):\n%.*s\n", in, err.text, (int)out.len,
            (const char *)buf_view(&out).ptr);
    }
    assert_int_equal(st, STATUS_OK);
    assert_true(span_eq_str(buf_view(&out), wanted));

    buf_init(&again, 1 << 20);
    assert_int_equal(
        kubeconfig_merge(buf_view(&out), "config", &ours, &again, &err),
        STATUS_OK);
    assert_true(span_eq(buf_view(&out), buf_view(&again)));
    buf_fini(&again);
    buf_fini(&out);
}

static void
refuse(const char *in)
{
    struct buf out;
    struct error err = {.code = STATUS_OK};
    assert_int_not_equal(merge(in, &out, &err), STATUS_OK);
    assert_int_equal(out.len, 0);
    assert_int_not_equal(err.text[0], '\0');
    buf_fini(&out);
}

#define WHOLE                                                                  \
    "apiVersion: v1\nkind: Config\nclusters:\n- " CLUSTER_AT(                  \
        "  ") "users:\n- " USER_AT("  ") "contexts:\n- " CONTEXT_AT("  ") "cu" \
                                                                          "rr" \
                                                                          "en" \
                                                                          "t-" \
                                                                          "co" \
                                                                          "nt" \
                                                                          "ex" \
                                                                          "t:" \
                                                                          " "  \
                                                                          "\"" \
                                                                          "ku" \
                                                                          "be" \
                                                                          "ta" \
                                                                          "pe" \
                                                                          "\"" \
                                                                          "\n"

static void
test_nothing_there(void **state)
{
    (void)state;
    expect("", WHOLE);
    expect("# mine\n", "# mine\n" WHOLE);
    expect("# mine", "# mine\n" WHOLE);
    expect("{}", WHOLE);
    expect("{}\n# end\n", WHOLE "\n# end\n");
    expect("--- {}\n", "--- \n" WHOLE "\n");
}

static void
test_block(void **state)
{
    (void)state;
    expect("# my clusters\n"
           "apiVersion: v1\n"
           "clusters:\n"
           "- cluster: # the big one\n"
           "    server: https://a:6443\n"
           "    x-unknown: [1, 2]\n"
           "  name: a # last\n"
           "\n"
           "# who I am where\n"
           "contexts:\n"
           "- context: {cluster: a, user: me}\n"
           "  name: a\n"
           "current-context: a # for now\n"
           "kind: Config\n"
           "preferences: {}\n"
           "users:\n"
           "- name: me\n"
           "  user:\n"
           "    token: 's3cret'",
        "# my clusters\n"
        "apiVersion: v1\n"
        "clusters:\n"
        "- cluster: # the big one\n"
        "    server: https://a:6443\n"
        "    x-unknown: [1, 2]\n"
        "  name: a # last\n"
        "- " CLUSTER_AT(
            "  ") "\n"
                  "# who I am where\n"
                  "contexts:\n"
                  "- context: {cluster: a, user: me}\n"
                  "  name: a\n"
                  "- " CONTEXT_AT(
                      "  ") "current-context: \"kubetape\" # for now\n"
                            "kind: Config\n"
                            "preferences: {}\n"
                            "users:\n"
                            "- name: me\n"
                            "  user:\n"
                            "    token: 's3cret'\n"
                            "- " USER_AT("  "));
}

static void
test_indented_lists(void **state)
{
    (void)state;
    expect("clusters:\n"
           "    -   name: a\n"
           "        cluster: {server: https://a}\n"
           "users:\n"
           "  -\n"
           "    name: u\n"
           "    user: {}\n"
           "contexts: []\n"
           "current-context: \"\"\n",
        "clusters:\n"
        "    -   name: a\n"
        "        cluster: {server: https://a}\n"
        "    - " CLUSTER_AT(
            "      ") "users:\n"
                      "  -\n"
                      "    name: u\n"
                      "    user: {}\n"
                      "  - " USER_AT(
                          "    ") "contexts:\n"
                                  "- " CONTEXT_AT(
                                      "  ") "current-context: \"kubetape\"\n");
}

static void
test_empty_values(void **state)
{
    (void)state;
    expect("clusters: null # none\n"
           "contexts:\n"
           "current-context:\n"
           "users: []",
        "clusters: # none\n"
        "- " CLUSTER_AT("  ") "contexts:\n"
                              "- " CONTEXT_AT(
                                  "  ") "current-context: \"kubetape\"\n"
                                        "users:\n"
                                        "- " USER_AT("  "));
}

static void
test_missing_keys(void **state)
{
    (void)state;
    expect("kind: Config # tail\n# end\n",
        "kind: Config # tail\n"
        "clusters:\n- " CLUSTER_AT("  ") "users:\n- " USER_AT(
            "  ") "contexts:\n- " CONTEXT_AT("  ") "current-context: "
                                                   "\"kubetape\"\n# end\n");
}

static void
test_replaces_ours(void **state)
{
    (void)state;
    expect("clusters:\n"
           "- name: kubetape\n"
           "  cluster:\n"
           "    server: https://old\n"
           "    insecure-skip-tls-verify: true\n"
           "# between\n"
           "- name: b\n"
           "  cluster: {server: https://b}\n"
           "users:\n"
           "- {name: kubetape, user: {token: old}} # was\n"
           "contexts:\n"
           "- context:\n"
           "    cluster: kubetape\n"
           "    namespace: prod\n"
           "    user: kubetape\n"
           "  name: kubetape\n"
           "current-context: kubetape\n",
        "clusters:\n"
        "- " CLUSTER_AT("  ") "# between\n"
                              "- name: b\n"
                              "  cluster: {server: https://b}\n"
                              "users:\n"
                              "- name: \"kubetape\"\n"
                              "  user:\n"
                              "    token: \"tok\" # was\n"
                              "contexts:\n"
                              "- context:\n"
                              "    cluster: kubetape\n"
                              "    namespace: prod\n"
                              "    user: kubetape\n"
                              "  name: kubetape\n"
                              "current-context: kubetape\n");
}

static void
test_keeps_namespace(void **state)
{
    (void)state;
    struct buf out;
    struct error err;
    assert_int_equal(merge("contexts:\n- name: kubetape\n  context:\n"
                           "    namespace: \"pr\\u00f6d\"\n    cluster: else\n",
                         &out, &err),
        STATUS_OK);
    assert_non_null(memmem(buf_view(&out).ptr, out.len,
        "namespace: \"pr\xC3\xB6"
        "d\"\n",
        strlen("namespace: \"pr\xC3\xB6"
               "d\"\n")));
    buf_fini(&out);
}

static void
test_json(void **state)
{
    (void)state;
    expect(
        "{\n  \"clusters\": [\n    {\"name\": \"a\", \"cluster\": {}}\n  ],\n"
        "  \"users\": null,\n"
        "  \"current-context\": \"a\"\n}\n",
        "{\n  \"clusters\": [\n    {\"name\": \"a\", \"cluster\": "
        "{}}, " FLOW_CLUSTER "\n  ],\n"
        "  \"users\": [" FLOW_USER "],\n"
        "  \"current-context\": \"kubetape\", \"contexts\": [" FLOW_CONTEXT
        "]\n}\n");
    expect("{clusters: [], users: [{name: kubetape, user: {token: x}},], "
           "contexts: [{name: a, context: {}} , ], current-context: }",
        "{clusters: [" FLOW_CLUSTER "], users: [" FLOW_USER ",], "
        "contexts: [{name: a, context: {}}, " FLOW_CONTEXT
        " , ], current-context: \"kubetape\"}");
}

static void
test_flow_lists_in_block(void **state)
{
    (void)state;
    expect("clusters: [{name: a, cluster: {}}]\nusers: [\n]\n"
           "contexts: []\ncurrent-context: a\n",
        "clusters: [{name: a, cluster: {}}, " FLOW_CLUSTER "]\n"
        "users:\n- " USER_AT("  ") "contexts:\n- " CONTEXT_AT(
            "  ") "current-context: \"kubetape\"\n");
}

/* libyaml counts characters: places behind these must still be bytes. */
static void
test_places_are_bytes(void **state)
{
    (void)state;
    expect("# \xE6\xBC\xA2\xE5\xAD\x97 \xF0\x9F\x98\x80\n"
           "clusters:\n"
           "- name: \"w\xC3\xB6rk\" # \xC3\xA4\xC3\xB6\xC3\xBC\n"
           "  cluster: {}\n"
           "current-context: w\xC3\xB6rk\n"
           "users: []\ncontexts: []\n",
        "# \xE6\xBC\xA2\xE5\xAD\x97 \xF0\x9F\x98\x80\n"
        "clusters:\n"
        "- name: \"w\xC3\xB6rk\" # \xC3\xA4\xC3\xB6\xC3\xBC\n"
        "  cluster: {}\n"
        "- " CLUSTER_AT("  ") "current-context: \"kubetape\"\n"
                              "users:\n- " USER_AT(
                                  "  ") "contexts:\n- " CONTEXT_AT("  "));
}

static void
test_block_scalars_and_crlf(void **state)
{
    (void)state;
    expect("users:\n"
           "- name: u\n"
           "  user:\n"
           "    client-key-data: |\n"
           "      abc\n"
           "      def\n"
           "clusters: []\ncontexts: []\ncurrent-context: u\n",
        "users:\n"
        "- name: u\n"
        "  user:\n"
        "    client-key-data: |\n"
        "      abc\n"
        "      def\n"
        "- " USER_AT("  ") "clusters:\n- " CLUSTER_AT(
            "  ") "contexts:\n- " CONTEXT_AT("  ") "current-context: "
                                                   "\"kubetape\"\n");
    expect("clusters:\r\n- name: a\r\n  cluster: {}\r\nusers: []\r\n"
           "contexts: []\r\ncurrent-context: a\r\n",
        "clusters:\r\n- name: a\r\n  cluster: {}\r\n- " CLUSTER_AT(
            "  ") "users:\r\n- " USER_AT("  ") "contexts:\r\n- " CONTEXT_AT(" "
                                                                            " ") "current-context: \"kubetape\"\r\n");
}

static void
test_documents(void **state)
{
    (void)state;
    expect("%YAML 1.1\n---\nkind: Config\n...\n",
        "%YAML 1.1\n---\nkind: Config\n"
        "clusters:\n- " CLUSTER_AT("  ") "users:\n- " USER_AT(
            "  ") "contexts:\n- " CONTEXT_AT("  ") "current-context: "
                                                   "\"kubetape\"\n...\n");
}

static void
test_refusals(void **state)
{
    (void)state;
    refuse("- a list\n");
    refuse("just words\n");
    refuse("clusters: words\n");
    refuse("clusters: {a: b}\n");
    refuse("current-context: [a]\n");
    refuse("a: 1\na: 2\n");
    refuse("a: 1\n---\nb: 2\n");
    refuse("a: [1\n");
    /* two of our name: which one counts is a guess */
    refuse("clusters:\n- name: kubetape\n  cluster: {}\n"
           "- name: kubetape\n  cluster: {}\n");
}

/* Shared by an alias: either only ours changes, or the merge is refused. */
static void
test_aliases(void **state)
{
    (void)state;
    refuse("x: &l\n- name: a\nclusters: *l\n");
    refuse("x-shared: &u [{name: a, user: {}}]\nusers: *u\nclusters: *u\n");
}

static void
test_names_are_quoted(void **state)
{
    (void)state;
    const struct kubeconfig_access odd = {
        .name = "a\"b: {c}\n#",
        .server = "https://x",
        .token = "t",
    };
    struct buf out;
    struct error err = {.code = STATUS_OK};
    struct yaml *y = NULL;
    buf_init(&out, 1 << 20);
    assert_int_equal(
        kubeconfig_merge(SPAN_LIT("kind: Config\n"), "f", &odd, &out, &err),
        STATUS_OK);
    assert_int_equal(yaml_parse(buf_view(&out), "f", &y, &err), STATUS_OK);
    assert_string_equal(
        yaml_get_text(yaml_root(y), "current-context"), odd.name);
    assert_null(memmem(buf_view(&out).ptr, out.len, "certificate", 11));
    yaml_close(&y);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_block),
        cmocka_unit_test(test_indented_lists),
        cmocka_unit_test(test_empty_values),
        cmocka_unit_test(test_missing_keys),
        cmocka_unit_test(test_replaces_ours),
        cmocka_unit_test(test_keeps_namespace),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_flow_lists_in_block),
        cmocka_unit_test(test_places_are_bytes),
        cmocka_unit_test(test_block_scalars_and_crlf),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_names_are_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
