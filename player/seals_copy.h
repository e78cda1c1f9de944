/* A recording's seals by themselves, one behind the other: what text that was
 * exported is verified with. */
#ifndef PLAYER_SEALS_COPY_H
#define PLAYER_SEALS_COPY_H

#include "player/output.h"

struct age_identities;

/* STATUS_UNSUPPORTED when the file has none. `ids` may be NULL. */
enum status seals_copy(const char *path, const struct age_identities *ids,
    struct output *out, struct error *err) MUST_CHECK;

#endif
