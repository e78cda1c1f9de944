/* See config_retention.h. */
#include "base/config_retention.h"

#include "base/yaml.h"

#include <stdio.h>
#include <string.h>

#define VALUE_SHOWN_MAX 128

/* --- ages ---------------------------------------------------------------- */

static uint32_t
seconds_of(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 7 * 86400;
    default:
        return 0;
    }
}

bool
config_age_parse(const char *text, uint32_t *seconds_out)
{
    if (strcmp(text, "forever") == 0) {
        *seconds_out = CONFIG_AGE_FOREVER;
        return true;
    }
    const size_t len = strlen(text);
    const uint32_t unit = len == 0 ? 0 : seconds_of(text[len - 1]);
    uint64_t n;
    if (unit == 0 ||
        !span_to_u64(span_of(text, len - 1), CONFIG_AGE_MAX_S / unit, &n) ||
        n == 0) {
        return false;
    }
    *seconds_out = (uint32_t)n * unit;
    return true;
}

/* --- one rule ------------------------------------------------------------ */

/* One rule being read: where it stands, for messages. */
struct place {
    const char *file;
    size_t index;
    struct error *err;
};

static const char *
shown(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_SCALAR:
        return node->scalar[0] == '\0' ? "nothing" : node->scalar;
    case YAML_LIST:
        return "a list";
    case YAML_MAP:
        return "a map";
    }
    return "";
}

static enum status
refuse(const struct place *at, const char *key, const struct yaml_node *value,
    const char *expected)
{
    return error_set(at->err, STATUS_INVALID,
        "%s:%u: retention.rules[%zu].%s: %.*s was given, expected %s", at->file,
        value->line, at->index, key, VALUE_SHOWN_MAX, shown(value), expected);
}

static enum status
set_glob(const struct place *at, const char *key, const struct yaml_node *value,
    char out[CONFIG_GLOB_MAX])
{
    const char *text = yaml_text(value);
    if (text == NULL || text[0] == '\0' || strlen(text) >= CONFIG_GLOB_MAX) {
        return refuse(
            at, key, value, "a glob such as \"prod-*\" of up to 255 bytes");
    }
    memcpy(out, text, strlen(text) + 1);
    return STATUS_OK;
}

static enum status
set_type(const struct place *at, const struct yaml_node *value,
    struct config_retention_rule *rule)
{
    static const char *const types[] = {
        "*", "exec", "attach", "debug", "run", "cp", "port-forward"};
    const char *text = yaml_text(value);
    for (size_t i = 0; text != NULL && i < sizeof types / sizeof types[0];
         i++) {
        if (strcmp(text, types[i]) == 0) {
            memcpy(rule->type, text, strlen(text) + 1);
            return STATUS_OK;
        }
    }
    return refuse(at, "type", value,
        "one of \"*\", exec, attach, debug, run, cp, port-forward");
}

static enum status
set_age(const struct place *at, const struct yaml_node *value,
    struct config_retention_rule *rule)
{
    const char *text = yaml_text(value);
    if (text == NULL || strlen(text) >= CONFIG_AGE_TEXT_MAX ||
        !config_age_parse(text, &rule->max_age_s)) {
        return refuse(at, "max_age", value,
            "an age such as 90d, 12h or forever (s, m, h, d, w; up to 36500d)");
    }
    memcpy(rule->age_text, text, strlen(text) + 1);
    return STATUS_OK;
}

static enum status
set_member(const struct place *at, const struct yaml_node *key,
    const struct yaml_node *value, struct config_retention_rule *rule)
{
    if (strcmp(key->scalar, "namespace") == 0) {
        return set_glob(at, "namespace", value, rule->namespace);
    }
    if (strcmp(key->scalar, "user") == 0) {
        return set_glob(at, "user", value, rule->user);
    }
    if (strcmp(key->scalar, "type") == 0) {
        return set_type(at, value, rule);
    }
    if (strcmp(key->scalar, "max_age") == 0) {
        return set_age(at, value, rule);
    }
    return error_set(at->err, STATUS_INVALID,
        "%s:%u: retention.rules[%zu].%.*s: unknown key, expected one of "
        "namespace, user, type, max_age",
        at->file, key->line, at->index, VALUE_SHOWN_MAX, key->scalar);
}

static enum status
read_rule(const struct place *at, const struct yaml_node *map,
    struct config_retention_rule *rule)
{
    if (map->kind != YAML_MAP) {
        return error_set(at->err, STATUS_INVALID,
            "%s:%u: retention.rules[%zu]: %.*s was given, expected a map such "
            "as {namespace: \"prod-*\", max_age: 365d}",
            at->file, map->line, at->index, VALUE_SHOWN_MAX, shown(map));
    }
    *rule = (struct config_retention_rule){
        .namespace = "*", .user = "*", .type = "*"};
    for (size_t i = 0; i < map->count; i++) {
        const enum status st =
            set_member(at, map->items[2 * i], map->items[2 * i + 1], rule);
        if (st != STATUS_OK) {
            return st;
        }
    }
    if (rule->age_text[0] == '\0') {
        return error_set(at->err, STATUS_INVALID,
            "%s:%u: retention.rules[%zu].max_age: missing, expected an age "
            "such as 90d, 12h or forever",
            at->file, map->line, at->index);
    }
    return STATUS_OK;
}

/* --- all of them --------------------------------------------------------- */

enum status
config_retention_read(const char *file, const struct yaml_node *list,
    struct config_retention *out, struct error *err)
{
    if (list->kind != YAML_LIST || list->count > CONFIG_RULES_MAX) {
        return error_set(err, STATUS_INVALID,
            "%s:%u: retention.rules: %.*s was given, expected a list of 0 to "
            "%d rules",
            file, list->line, VALUE_SHOWN_MAX, shown(list), CONFIG_RULES_MAX);
    }
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < list->count; i++) {
        const struct place at = {.file = file, .index = i, .err = err};
        st = read_rule(&at, list->items[i], &out->rules[i]);
        out->rule_count = i + 1;
    }
    return st;
}
