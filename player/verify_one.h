/* One recording, by ID or by path: the file, and whatever index and ledger of
 * the state folder say of it. Prints the verdict; the exit code is its own. */
#ifndef PLAYER_VERIFY_ONE_H
#define PLAYER_VERIFY_ONE_H

#include "player/key_set.h"

struct age_identities;

struct verify_one_options {
    const char *state;
    const char *name;
    const char *seals;      /* of plain text, or NULL */
    const char *checkpoint; /* an older one, or NULL */
    const struct age_identities *ids;
};

int verify_one(const struct verify_one_options *o, struct key_set *keys,
    struct error *err);

#endif
