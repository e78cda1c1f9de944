/* The bytes of a recording's file, wherever they are asked for.
 *
 * The one door through which the player reads a recording, so that what reads
 * it need not know whether it lies there in the clear or encrypted. Owns the
 * descriptor; knows nothing of frames, seals and text.
 */
#ifndef PLAYER_RECORDING_SOURCE_H
#define PLAYER_RECORDING_SOURCE_H

#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

struct age_identities;
struct recording_source;

/* `ids` may be NULL, and is needed for the call alone. STATUS_DENIED when the
 * file is encrypted and none of them opens it; STATUS_CORRUPT when it is not as
 * it was encrypted. */
enum status recording_source_open(const char *path,
    const struct age_identities *ids, struct recording_source **out,
    struct error *err) MUST_CHECK;
void recording_source_close(struct recording_source **s); /* NULL is fine */

/* Bytes of the recording when it was opened, as it was before it was encrypted;
 * a running session's file grows beyond them. */
uint64_t recording_source_len(const struct recording_source *s);
bool recording_source_is_encrypted(const struct recording_source *s);

/* False of a pipe: its length is 0, and it is read in order only. */
bool recording_source_may_seek(const struct recording_source *s);

/* Up to `len` bytes, none only at the end; fewer than asked for only there, or
 * from a pipe. */
enum status recording_source_pread(struct recording_source *s, void *dst,
    size_t len, uint64_t offset, size_t *got_out, struct error *err) MUST_CHECK;

#endif
