/* What can be told of a finished recording without reading its text: the
 * digest of its file, and its last word.
 *
 * Proves something only together with a ledger leaf, whose digest stands for
 * every byte; then the last frame is the recorder's own.
 */
#ifndef PLAYER_QUICK_CHECK_H
#define PLAYER_QUICK_CHECK_H

#include "player/verify_report.h"

struct file_digest {
    uint64_t len;
    struct sha256 hash;
};

/* Of the bytes as they lie there, encrypted or not. A file that has not
 * `want_len` bytes is another one whatever they are: it is not read, since it
 * may be without end, and its hash stays zero. `hasher` is reset first, and
 * lent so that a store's files share one. STATUS_CORRUPT: it is no file. */
enum status quick_check_digest(const char *path, uint64_t want_len,
    struct hasher *hasher, struct file_digest *out,
    struct error *err) MUST_CHECK;

/* Reads, through the seek table, the last seal and the last frame's last
 * event into the report, which was inited: id, meta, text_len, text_hash,
 * last_seal, is_final. STATUS_CORRUPT when they are not there. */
enum status quick_check_last_word(
    const char *path, struct verify_report *r, struct error *err) MUST_CHECK;

#endif
