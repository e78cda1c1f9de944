/* What the parts of upkeep share; all borrowed. */
#ifndef RECORDER_UPKEEP_ENV_H
#define RECORDER_UPKEEP_ENV_H

#include "base/clock.h"
#include "base/log.h"
#include "recorder/index_keep.h"
#include "recorder/ledger.h"
#include "schema/control.h"

struct upkeep_env {
    const char *state_dir;
    struct index_db *index;
    struct index_keep *keep;
    struct ledger *ledger;
    const struct clock *clock;
    const struct log *log;
    /* Whether the session is being recorded. */
    bool (*is_live)(void *ctx, const struct uuid *id);
    void *ctx;
};

/* Who wants to hear what becomes of it; `say` NULL: nobody. */
struct upkeep_asker {
    void (*say)(void *ctx, const struct control_answer *answer);
    bool (*has_room)(void *ctx);
    void *ctx;
};

#endif
