/* Which rule decides over a recording, and what it says: pure.
 *
 * The first rule that matches decides; without one a recording is kept for
 * ever. An age counts from the end of the session.
 */
#ifndef RECORDER_RETENTION_H
#define RECORDER_RETENTION_H

#include "base/config_retention.h"
#include "schema/ledger.h"

#define RETENTION_NO_RULE SIZE_MAX

/* The rule's place in the list. */
size_t retention_rule(const struct config_retention *r, const char *namespace,
    const char *user, const char *type);

/* Whether what ended then has passed the age of `rule`. */
bool retention_is_due(const struct config_retention *r, size_t rule,
    int64_t end_us, int64_t now_us);

/* Nothing that started later than that is due by any rule; INT64_MIN when
 * no rule has an age. */
int64_t retention_horizon(const struct config_retention *r, int64_t now_us);

/* The most generous age of all rules: for what none of them names, when every
 * recording has one. Whether that is due. */
bool retention_is_due_by_all(
    const struct config_retention *r, int64_t end_us, int64_t now_us);
/* The rule of that age; there is one. */
size_t retention_longest(const struct config_retention *r);

/* "older than 90d (rule 2: namespace prod-*, type exec)" */
void retention_words(
    const struct config_retention *r, size_t rule, char out[LEDGER_WHY_MAX]);
/* "all recordings together are larger than 524288000 bytes" */
void retention_size_words(
    const struct config_retention *r, char out[LEDGER_WHY_MAX]);

#endif
