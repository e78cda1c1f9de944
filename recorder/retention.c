/* See retention.h. */
#include "recorder/retention.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define US_PER_S 1000000ll

static bool
is_any(const char *glob)
{
    return strcmp(glob, "*") == 0;
}

static bool
matches(const char *glob, const char *text)
{
    return is_any(glob) || fnmatch(glob, text, 0) == 0;
}

size_t
retention_rule(const struct config_retention *r, const char *namespace,
    const char *user, const char *type)
{
    for (size_t i = 0; i < r->rule_count; i++) {
        const struct config_retention_rule *rule = &r->rules[i];
        if (matches(rule->namespace, namespace) && matches(rule->user, user) &&
            matches(rule->type, type)) {
            return i;
        }
    }
    return RETENTION_NO_RULE;
}

static bool
has_passed(uint32_t age_s, int64_t end_us, int64_t now_us)
{
    return age_s != CONFIG_AGE_FOREVER &&
           end_us <= now_us - (int64_t)age_s * US_PER_S;
}

bool
retention_is_due(const struct config_retention *r, size_t rule, int64_t end_us,
    int64_t now_us)
{
    return rule != RETENTION_NO_RULE &&
           has_passed(r->rules[rule].max_age_s, end_us, now_us);
}

int64_t
retention_horizon(const struct config_retention *r, int64_t now_us)
{
    uint32_t least = CONFIG_AGE_FOREVER;
    for (size_t i = 0; i < r->rule_count; i++) {
        const uint32_t age = r->rules[i].max_age_s;
        if (age != CONFIG_AGE_FOREVER &&
            (least == CONFIG_AGE_FOREVER || age < least)) {
            least = age;
        }
    }
    return least == CONFIG_AGE_FOREVER ? INT64_MIN
                                       : now_us - (int64_t)least * US_PER_S;
}

bool
retention_is_due_by_all(
    const struct config_retention *r, int64_t end_us, int64_t now_us)
{
    bool has_one_for_all = false;
    for (size_t i = 0; i < r->rule_count; i++) {
        const struct config_retention_rule *rule = &r->rules[i];
        if (!has_passed(rule->max_age_s, end_us, now_us)) {
            return false;
        }
        has_one_for_all =
            has_one_for_all || (is_any(rule->namespace) && is_any(rule->user) &&
                                   is_any(rule->type));
    }
    return has_one_for_all;
}

size_t
retention_longest(const struct config_retention *r)
{
    size_t longest = 0;
    for (size_t i = 1; i < r->rule_count; i++) {
        if (r->rules[i].max_age_s > r->rules[longest].max_age_s) {
            longest = i;
        }
    }
    return longest;
}

static size_t
add_word(char *out, size_t len, const char *name, const char *glob)
{
    if (is_any(glob) || len >= LEDGER_WHY_MAX) {
        return len;
    }
    const int n =
        snprintf(out + len, LEDGER_WHY_MAX - len, ", %s %s", name, glob);
    return n < 0 ? len : len + (size_t)n;
}

void
retention_words(
    const struct config_retention *r, size_t rule, char out[LEDGER_WHY_MAX])
{
    const struct config_retention_rule *at = &r->rules[rule];
    char what[LEDGER_WHY_MAX] = "";
    size_t len = add_word(what, 0, "namespace", at->namespace);
    len = add_word(what, len, "user", at->user);
    (void)add_word(what, len, "type", at->type);
    snprintf(out, LEDGER_WHY_MAX, "older than %s (rule %zu%s%.*s)",
        at->age_text, rule + 1, what[0] == '\0' ? "" : ": ",
        LEDGER_WHY_MAX - 64, what[0] == '\0' ? "" : what + 2);
}

void
retention_size_words(const struct config_retention *r, char out[LEDGER_WHY_MAX])
{
    snprintf(out, LEDGER_WHY_MAX,
        "all recordings together are larger than %llu bytes (max_bytes)",
        (unsigned long long)r->max_bytes);
}
