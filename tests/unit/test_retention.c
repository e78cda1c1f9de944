#include "recorder/retention.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define S   1000000ll
#define DAY (86400 * S)
#define NOW (1764028800 * S)

static struct config_retention r;

static void
rule(const char *namespace, const char *user, const char *type, const char *age)
{
    struct config_retention_rule *at = &r.rules[r.rule_count++];
    snprintf(at->namespace, sizeof at->namespace, "%s", namespace);
    snprintf(at->user, sizeof at->user, "%s", user);
    snprintf(at->type, sizeof at->type, "%s", type);
    snprintf(at->age_text, sizeof at->age_text, "%s", age);
    assert_true(config_age_parse(age, &at->max_age_s));
}

static int
set_up(void **state)
{
    (void)state;
    memset(&r, 0, sizeof r);
    return 0;
}

static void
the_first_match_decides(void **state)
{
    (void)state;
    rule("prod-*", "*", "exec", "365d");
    rule("*", "bot-?", "*", "1d");
    rule("audit", "*", "*", "forever");
    rule("*", "*", "*", "90d");
    assert_int_equal(retention_rule(&r, "prod-1", "bot-1", "exec"), 0);
    assert_int_equal(retention_rule(&r, "prod-1", "bot-1", "cp"), 1);
    assert_int_equal(retention_rule(&r, "prod", "bot-12", "exec"), 3);
    assert_int_equal(retention_rule(&r, "audit", "alice", "exec"), 2);
    assert_int_equal(retention_rule(&r, "", "", "attach"), 3);
    r.rule_count = 1;
    assert_int_equal(
        retention_rule(&r, "test", "alice", "exec"), RETENTION_NO_RULE);
}

static void
an_age_counts_from_the_end(void **state)
{
    (void)state;
    rule("*", "*", "*", "90d");
    rule("*", "*", "*", "forever");
    assert_false(retention_is_due(&r, 0, NOW - 90 * DAY + 1, NOW));
    assert_true(retention_is_due(&r, 0, NOW - 90 * DAY, NOW));
    assert_false(retention_is_due(&r, 1, 0, NOW));
    assert_false(retention_is_due(&r, RETENTION_NO_RULE, 0, NOW));
}

static void
the_horizon_is_the_least_age(void **state)
{
    (void)state;
    assert_true(retention_horizon(&r, NOW) == INT64_MIN);
    rule("*", "*", "*", "forever");
    assert_true(retention_horizon(&r, NOW) == INT64_MIN);
    rule("*", "*", "*", "7d");
    rule("*", "*", "*", "2d");
    assert_true(retention_horizon(&r, NOW) == NOW - 2 * DAY);
}

/* A day's events have no namespace: the most generous rule decides. */
static void
what_no_rule_names_goes_last(void **state)
{
    (void)state;
    const int64_t old = NOW - 100 * DAY;
    assert_false(retention_is_due_by_all(&r, old, NOW));
    rule("prod", "*", "*", "1d");
    assert_false(retention_is_due_by_all(&r, old, NOW)); /* others stay */
    rule("*", "*", "*", "99d");
    assert_true(retention_is_due_by_all(&r, old, NOW));
    assert_false(retention_is_due_by_all(&r, NOW - 98 * DAY, NOW));
    rule("audit", "*", "*", "forever");
    assert_false(retention_is_due_by_all(&r, old, NOW));
}

static void
rules_have_words(void **state)
{
    (void)state;
    char words[LEDGER_WHY_MAX];
    rule("prod-*", "*", "exec", "365d");
    rule("*", "*", "*", "90d");
    retention_words(&r, 0, words);
    assert_string_equal(
        words, "older than 365d (rule 1: namespace prod-*, type exec)");
    retention_words(&r, 1, words);
    assert_string_equal(words, "older than 90d (rule 2)");
    r.max_bytes = 500;
    retention_size_words(&r, words);
    assert_string_equal(
        words, "all recordings together are larger than 500 bytes (max_bytes)");
    memset(r.rules[0].namespace, 'n', CONFIG_GLOB_MAX - 1);
    memset(r.rules[0].user, 'u', CONFIG_GLOB_MAX - 1);
    retention_words(&r, 0, words);
    assert_non_null(strstr(words, ", type exec)"));
}

#define RULES(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RULES(the_first_match_decides),
        RULES(an_age_counts_from_the_end),
        RULES(the_horizon_is_the_least_age),
        RULES(what_no_rule_names_goes_last),
        RULES(rules_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
