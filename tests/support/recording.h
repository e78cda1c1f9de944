/* A recording read whole and strictly, for tests of its writer: by zstd and
 * the schema's seals alone, not by the recorder's own reader. */
#ifndef SUPPORT_RECORDING_H
#define SUPPORT_RECORDING_H

#include "base/digest.h"
#include "schema/seal.h"

struct recording {
    char *text; /* NUL-terminated; heap */
    size_t text_len;
    size_t frames;
    size_t seals;
    bool is_final;
    bool has_table;
    struct seal last;
};

/* Checks every frame, and of every seal its signature by `key`, chain,
 * number, length and hash; and that the seek table, if there is one, matches.
 * False, and the reason on stderr, at the first thing that is wrong. */
bool recording_read(
    const char *path, const struct ed25519_public *key, struct recording *out);
void recording_free(struct recording *r);

#endif
