/* How long recordings are kept: the `retention` section of the configuration.
 *
 * Owns how rules are written: a list of maps with globs over namespace and
 * user, a type, and an age. A plain value, so that a reload is an assignment.
 * Refuses to know recordings: what follows from a rule is the recorder's.
 */
#ifndef BASE_CONFIG_RETENTION_H
#define BASE_CONFIG_RETENTION_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_RULES_MAX    64
#define CONFIG_GLOB_MAX     256 /* with the zero behind it */
#define CONFIG_TYPE_MAX     16
#define CONFIG_AGE_FOREVER  0u
#define CONFIG_AGE_MAX_S    (36500u * 86400u) /* 100 years */
#define CONFIG_AGE_TEXT_MAX 16

struct config_retention_rule {
    char namespace[CONFIG_GLOB_MAX]; /* fnmatch(3); "*" when not given */
    char user[CONFIG_GLOB_MAX];
    char type[CONFIG_TYPE_MAX];
    uint32_t max_age_s;                 /* or CONFIG_AGE_FOREVER */
    char age_text[CONFIG_AGE_TEXT_MAX]; /* as it was written: "90d" */
};

struct config_retention {
    struct config_retention_rule rules[CONFIG_RULES_MAX]; /* first match */
    size_t rule_count;
    uint64_t max_bytes; /* of all recordings; 0: no cap */
};

struct yaml_node;

/* Reads the list of rules; `file` names the text in messages. On failure
 * `out` may hold some of them. */
enum status config_retention_read(const char *file,
    const struct yaml_node *list, struct config_retention *out,
    struct error *err) MUST_CHECK;

/* "90s", "5m", "2h", "3d", "1w" or "forever". */
bool config_age_parse(const char *text, uint32_t *seconds_out);

#endif
