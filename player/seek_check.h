/* Whether a seek table says of a file what its frames are: pure.
 *
 * The table is not signed and proves nothing; but a wrong one leads readers
 * that seek to wrong places, so a verifier holds it against the frames.
 */
#ifndef PLAYER_SEEK_CHECK_H
#define PLAYER_SEEK_CHECK_H

#include "schema/seek.h"

/* `table` is the whole skippable frame. STATUS_INVALID, and in `why` what is
 * wrong with it ("is damaged"), when it does not say `real`. */
enum status seek_check(struct span table, const struct seek_entry *real,
    size_t real_count, struct error *why) MUST_CHECK;

#endif
