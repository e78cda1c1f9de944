/* Reads a file in the age format, v1, at any place.
 *
 * No byte is given that was not authenticated, and the end is before anything
 * else: a file that was cut is refused when it is opened. Decrypts a chunk of
 * 64 KiB at a time and keeps the last one; what is kept is wiped.
 */
#ifndef BASE_AGE_READER_H
#define BASE_AGE_READER_H

#include "base/age_key.h"

struct age_reader;

/* `fd` is the caller's and outlives the reader; `ids` are needed for the call
 * alone, and may be NULL. STATUS_DENIED when none of them opens the file,
 * which the error tells with the number of those who can; STATUS_CORRUPT when
 * it is not as it was written; STATUS_UNSUPPORTED when encrypted otherwise. */
enum status age_reader_open(int fd, const struct age_identities *ids,
    struct age_reader **out, struct error *err) MUST_CHECK;
void age_reader_close(struct age_reader **r); /* NULL is fine */

/* Bytes of what was encrypted. */
uint64_t age_reader_len(const struct age_reader *r);

/* Reads until `len` bytes or the end; *got_out says how many. */
enum status age_reader_pread(struct age_reader *r, void *dst, size_t len,
    uint64_t offset, size_t *got_out, struct error *err) MUST_CHECK;

#endif
