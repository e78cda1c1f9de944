/* Encrypts a stream in the age format, v1: header, then the payload in chunks
 * of 64 KiB, each sealed by itself, the last one marked.
 *
 * Bytes in, bytes out; where they go is the caller's. One file key a writer,
 * random, wiped when freed.
 */
#ifndef BASE_AGE_WRITER_H
#define BASE_AGE_WRITER_H

#include "base/age_key.h"
#include "base/buf.h"

struct age_writer;

/* Appends the header to `out`. At least one recipient. */
enum status age_writer_new(const struct age_recipient *to, size_t count,
    struct buf *out, struct age_writer **w_out, struct error *err) MUST_CHECK;
void age_writer_free(struct age_writer **w); /* NULL is fine */

/* Appends what is whole to `out`: at most a chunk more than `bytes` and 16
 * bytes a chunk. */
enum status age_writer_feed(struct age_writer *w, struct span bytes,
    struct buf *out, struct error *err) MUST_CHECK;
/* Appends the last chunk; nothing is fed after it. A file without it is cut,
 * and is refused by whoever reads it. */
enum status age_writer_finish(
    struct age_writer *w, struct buf *out, struct error *err) MUST_CHECK;

#endif
