/* Values of strangers on a person's terminal.
 *
 * Owns how recorded names are shown: control characters, terminal escapes,
 * bidirectional overrides and broken UTF-8 are written as escapes, so that no
 * pod name moves a cursor or reverses a line. Owns display width too (East
 * Asian wide characters take two columns, combining ones none).
 */
#ifndef PLAYER_DISPLAY_H
#define PLAYER_DISPLAY_H

#include "base/buf.h"

/* Appends `s` fit to be shown: "\n", "\x1b", "\u202e". */
enum status display_escape(struct span s, struct buf *out) MUST_CHECK;

/* Appends JSON that means the same and is fit to be shown: what could reach a
 * terminal is escaped as JSON escapes it, at most DISPLAY_JSON_GROWTH times as
 * long. STATUS_INVALID when it is not UTF-8. */
#define DISPLAY_JSON_GROWTH 3u
enum status display_json(struct span json, struct buf *out) MUST_CHECK;

/* Words joined by spaces, quoted as a shell would need them, escaped. */
enum status display_command(
    char *const *words, size_t count, struct buf *out) MUST_CHECK;

/* Columns that escaped text takes. */
size_t display_width(struct span escaped);

/* The longest prefix of escaped text that fits in `columns`. */
struct span display_cut(struct span escaped, size_t columns);

/* "1.5 KiB"; "0 B". */
#define DISPLAY_SIZE_MAX 32
void display_size(uint64_t bytes, char out[DISPLAY_SIZE_MAX]);

/* "850ms", "12.3s", "4m05s", "2h03m", "3d04h". */
#define DISPLAY_DURATION_MAX 32
void display_duration(int64_t us, char out[DISPLAY_DURATION_MAX]);

#endif
