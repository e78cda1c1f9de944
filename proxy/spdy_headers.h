/* SPDY/3.1 header blocks (Draft 3.1, 2.6.10): one direction's compressed
 * name/value lists, of which one name matters, `streamtype`.
 *
 * Owns the inflate context, which all blocks of a direction share, so that
 * every block must be fed here in order, also of frames that mean nothing.
 * A block is read as it is inflated and never stored; its memory is taken
 * once, by _new. Refuses whatever two readers could take differently: upper
 * case, a second streamtype, bytes behind the last header. The traps: a
 * header count of 2^26 that made another proxy allocate 6 GB, and
 * spdystream, which keeps inflated bytes behind the last header as the
 * beginning of the next block.
 */
#ifndef PROXY_SPDY_HEADERS_H
#define PROXY_SPDY_HEADERS_H

#include "base/span.h"
#include "base/status.h"

struct spdy_headers;

/* The longest streamtype known is "stdout"; a longer one is cut here and so
 * is not known either. */
#define SPDY_STREAM_TYPE_MAX 16

struct spdy_stream_type {
    bool is_set;
    uint8_t text[SPDY_STREAM_TYPE_MAX];
    size_t len;
};

enum status spdy_headers_new(struct spdy_headers **out) MUST_CHECK;
void spdy_headers_free(struct spdy_headers **h);

/* Takes a piece of a block, all of it. FEED_MORE until `is_last`; then
 * FEED_PIECE, *out is what the block said, and the next piece begins the
 * next block. */
enum feed spdy_headers_take(struct spdy_headers *h, struct span piece,
    bool is_last, struct spdy_stream_type *out);
const char *spdy_headers_why(const struct spdy_headers *h);

#endif
