/* What changes the store on request and by rule: holds, removals, rebuilding
 * the index. One thing at a time, in steps between which sessions are recorded.
 *
 * Owns whose turn it is, and the hour of the rules. Holds and releases do not
 * wait: they go between two steps, so that no removal overtakes one.
 */
#ifndef RECORDER_UPKEEP_H
#define RECORDER_UPKEEP_H

#include "base/config_retention.h"
#include "recorder/upkeep_env.h"

struct upkeep;

/* Begins with what a former run left undone; `is_partial`: the index has to be
 * rebuilt first. */
enum status upkeep_new(const struct upkeep_env *env, bool is_partial,
    struct upkeep **out, struct error *err) MUST_CHECK;
void upkeep_free(struct upkeep **u);

/* Copied; a removal that has begun goes by those that it began with. */
void upkeep_set_rules(struct upkeep *u, const struct config_retention *rules);

/* The asker hears a DONE or an ERROR, now or after some steps, unless he
 * leaves. `who` is copied. */
void upkeep_ask(struct upkeep *u, const struct control_request *request,
    const char *who, const struct upkeep_asker *asker);
/* Who asked with this ctx wants to hear no more; what he asked for goes on. */
void upkeep_leave(struct upkeep *u, const void *asker_ctx);

/* One step, milliseconds. True: there is more to do at once. */
bool upkeep_step(struct upkeep *u);

#endif
