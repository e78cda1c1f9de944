/* A whole store: prints one line a finding, and what was looked at. */
#ifndef PLAYER_VERIFY_ALL_H
#define PLAYER_VERIFY_ALL_H

#include "player/key_set.h"

struct verify_all_options {
    const char *state;
    const char *checkpoint; /* an older one, or NULL */
    bool is_full;
    bool is_json;
};

int verify_all(const struct verify_all_options *o, struct key_set *keys,
    struct error *err);

#endif
