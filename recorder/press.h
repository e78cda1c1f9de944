/* What all recordings of a process share to become frames: the zstd context,
 * its output buffer, the signing key and the clock.
 *
 * A frame is compressed in one go, so a session keeps no compression state:
 * a thousand idle sessions have one context between them.
 */
#ifndef RECORDER_PRESS_H
#define RECORDER_PRESS_H

#include "base/clock.h"
#include "base/digest.h"
#include "schema/seal.h"

struct press;

/* signer and clock are borrowed for as long as the press lives. */
enum status press_new(const struct signer *signer, const struct clock *clock,
    int zstd_level, struct press **out, struct error *err) MUST_CHECK;
void press_free(struct press **p);

/* Of the frames from here on. */
void press_set_level(struct press *p, int zstd_level);
/* Gives back what the largest frame so far took; high levels take tens of
 * megabytes. */
void press_shrink(struct press *p);

/* One zstd frame of `text`, with its content size and checksum, and behind it
 * the seal that `s` describes, signed. The bytes live until the next call. */
enum status press_frame(struct press *p, struct span text, struct seal *s,
    struct span *frame_out, struct error *err) MUST_CHECK;

int64_t press_wall_us(const struct press *p);

/* Whose seals are gone on from: the signer's, and those of keys that signed
 * before. STATUS_LIMIT behind the 16th. */
enum status press_trust(
    struct press *p, const struct ed25519_public *key) MUST_CHECK;
bool press_trusts(const struct press *p, const struct ed25519_public *key);

#endif
