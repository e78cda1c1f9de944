/* What a Pod object says of a container; the call itself is a scenario's. */
#include "tests/support/test.h"

#include "proxy/pod_lookup.h"

#include <stdio.h>
#include <string.h>

static void
expect(const char *json, const char *asked, const char *container,
    bool is_ephemeral)
{
    struct pod_text t;
    pod_text_read(span_str(json), asked, &t);
    assert_string_equal(t.container, container);
    assert_int_equal(t.is_ephemeral, is_ephemeral);
}

#define ANNOTATED(name)                                           \
    "{\"metadata\":{\"annotations\":{"                            \
    "\"kubectl.kubernetes.io/default-container\":\"" name "\"}}," \
    "\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}"

static void
the_container_that_is_meant(void **state)
{
    (void)state;
    expect(
        "{\"spec\":{\"containers\":[{\"name\":\"web\"}]}}", "", "web", false);
    expect(ANNOTATED("b"), "", "b", false);
    expect(ANNOTATED("gone"), "", "", false);
    expect(ANNOTATED("b"), "a", "a", false);
}

static void
ephemeral_containers(void **state)
{
    (void)state;
    static const char pod[] =
        "{\"spec\":{\"containers\":[{\"name\":\"web\"}],"
        "\"ephemeralContainers\":[{\"name\":\"debugger-x\"}]}}";
    expect(pod, "debugger-x", "debugger-x", true);
    expect(pod, "web", "web", false);
    expect(pod, "", "web", false);
    expect(pod, "debugger", "debugger", false);
}

static void
expect_tty(const char *asked, bool has_tty)
{
    static const char pod[] =
        "{\"spec\":{\"containers\":[{\"name\":\"a\",\"tty\":true},"
        "{\"name\":\"b\",\"tty\":false},{\"name\":\"c\"},"
        "{\"name\":\"d\",\"tty\":\"true\"}],"
        "\"ephemeralContainers\":[{\"name\":\"e\",\"tty\":true}]}}";
    struct pod_text t;
    pod_text_read(span_str(pod), asked, &t);
    assert_int_equal(t.has_tty, has_tty);
}

static void
terminals(void **state)
{
    (void)state;
    expect_tty("a", true);
    expect_tty("b", false);
    expect_tty("c", false);
    expect_tty("d", false);
    expect_tty("e", true);
    expect_tty("gone", false);
    expect_tty("", false);
}

static void
what_is_no_pod_says_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "[]", "null", "7", "{}",
        "{\"spec\":7}", "{\"spec\":{\"containers\":{}}}",
        "{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"containers\":[7]}}",
        "{\"spec\":{\"containers\":[{\"name\":7}]}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect(bad[i], "", "", false);
        expect(bad[i], "web", "web", false);
    }
}

static void
a_long_name_is_cut(void **state)
{
    (void)state;
    char json[600];
    char name[400];
    struct pod_text t;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(json, sizeof json,
        "{\"spec\":{\"containers\":[{\"name\":\"%s\"}]}}", name);
    pod_text_read(span_str(json), "", &t);
    assert_int_equal(strlen(t.container), sizeof t.container - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_container_that_is_meant),
        cmocka_unit_test(ephemeral_containers),
        cmocka_unit_test(terminals),
        cmocka_unit_test(what_is_no_pod_says_nothing),
        cmocka_unit_test(a_long_name_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
