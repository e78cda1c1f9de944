/* What a parser said, as one number that does not depend on where its input
 * was cut: neighbouring pieces of one label are joined. */
#ifndef FUZZ_JOINED_H
#define FUZZ_JOINED_H

#include "base/span.h"

struct joined {
    uint64_t hash;
    unsigned label; /* of the piece being joined; 0 is none */
    bool is_bad;
};

static inline void
joined_byte(struct joined *j, uint8_t byte)
{
    j->hash = (j->hash ^ byte) * 0x100000001B3u; /* FNV-1a */
}

static inline void
joined_piece(struct joined *j, unsigned label, struct span bytes)
{
    if (j->label != label) {
        joined_byte(j, (uint8_t)label);
        j->label = label;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        joined_byte(j, bytes.ptr[i]);
    }
}

static inline void
joined_event(struct joined *j, uint32_t number)
{
    j->label = 0;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        joined_byte(j, (uint8_t)(number >> shift));
    }
}

/* Two runs agree: both refused, or both said the same. What was said before a
 * refusal may differ by the last piece. */
static inline bool
joined_agree(const struct joined *a, const struct joined *b)
{
    return a->is_bad == b->is_bad && (a->is_bad || a->hash == b->hash);
}

#endif
