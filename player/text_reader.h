/* The text of a recording, from a file, piece by piece.
 *
 * Reads `.cast.zst` (every frame, skipping seals and the seek table) and plain
 * `.cast`, told apart by their first bytes, not by name. A file whose last
 * frame is not whole yet (a running or crashed session) gives all that can be
 * decompressed and then says that it was cut. Knows nothing of lines.
 */
#ifndef PLAYER_TEXT_READER_H
#define PLAYER_TEXT_READER_H

#include "base/span.h"
#include "base/status.h"

struct age_identities;
struct text_reader;

/* `ids`, which may be NULL, open an encrypted file; see recording_source. */
enum status text_reader_open(const char *path, const struct age_identities *ids,
    struct text_reader **out, struct error *err) MUST_CHECK;
void text_reader_close(struct text_reader **r);

/* The next bytes, at least one, valid until the next call. STATUS_CLOSED at
 * the end; STATUS_CORRUPT when a frame does not decompress. */
enum status text_reader_next(
    struct text_reader *r, struct span *out, struct error *err) MUST_CHECK;
/* After STATUS_CLOSED: the file ended within a frame. */
bool text_reader_is_cut(const struct text_reader *r);

#endif
