/* The seek table of the zstd seekable format, version 0.1.0 (zstd's
 * contrib/seekable_format/zstd_seekable_compression_format.md).
 *
 * One entry a data frame; the seal that follows it counts as part of its
 * compressed size, so that standard readers find every offset right.
 */
#ifndef SCHEMA_SEEK_H
#define SCHEMA_SEEK_H

#include "base/buf.h"

#define SEEK_FRAMES_MAX 0x8000000u /* the format's own limit */

struct seek_entry {
    uint32_t file_len; /* compressed bytes, with the seal behind */
    uint32_t text_len; /* decompressed bytes */
};

enum status seek_encode(
    const struct seek_entry *entries, size_t count, struct buf *out) MUST_CHECK;
/* How many bytes at the end of the file the table takes, from the last 9
 * (the footer); STATUS_NOT_FOUND when they are no footer, STATUS_INVALID when
 * the footer says what the format forbids. Tables with checksums, which other
 * writers make, are read too; the checksums are not looked at. */
enum status seek_footer_decode(
    struct span last9, size_t *table_len_out, size_t *count_out) MUST_CHECK;
/* The whole skippable frame; `entries` has room for `count`, which is what
 * the footer said. */
enum status seek_decode(struct span table, struct seek_entry *entries,
    size_t count, struct error *err) MUST_CHECK;

#endif
