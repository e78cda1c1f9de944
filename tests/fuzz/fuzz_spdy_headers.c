/* Blocks of one direction: a byte of length, then so many bytes. Each is taken
 * whole, and by a second reader byte by byte. */
#include "proxy/spdy_headers.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum feed
take_by_bytes(
    struct spdy_headers *h, struct span block, struct spdy_stream_type *type)
{
    enum feed got = FEED_MORE;
    for (size_t i = 0; i + 1 < block.len && got == FEED_MORE; i++) {
        got =
            spdy_headers_take(h, (struct span){block.ptr + i, 1}, false, type);
    }
    if (got == FEED_MORE && block.len > 0) {
        return spdy_headers_take(
            h, (struct span){block.ptr + block.len - 1, 1}, true, type);
    }
    return got == FEED_MORE ? spdy_headers_take(h, SPAN_EMPTY, true, type)
                            : got;
}

static void
check_blocks(
    struct spdy_headers *whole, struct spdy_headers *split, struct span in)
{
    uint8_t len = 0;
    struct span block;
    while (span_take_u8(&in, &len) && span_take(&in, len, &block)) {
        struct spdy_stream_type a = {.is_set = false};
        struct spdy_stream_type b = {.is_set = false};
        const enum feed got = spdy_headers_take(whole, block, true, &a);
        assert(got != FEED_MORE);
        assert(take_by_bytes(split, block, &b) == got);
        if (got == FEED_BAD) {
            assert(spdy_headers_why(whole) != NULL);
            assert(spdy_headers_take(whole, block, true, &a) == FEED_BAD);
            return;
        }
        assert(a.is_set == b.is_set && a.len == b.len);
        assert(a.len <= SPDY_STREAM_TYPE_MAX);
        assert(memcmp(a.text, b.text, a.len) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spdy_headers *whole = NULL;
    struct spdy_headers *split = NULL;
    if (spdy_headers_new(&whole) == STATUS_OK &&
        spdy_headers_new(&split) == STATUS_OK) {
        check_blocks(whole, split, (struct span){data, size});
    }
    spdy_headers_free(&whole);
    spdy_headers_free(&split);
    return 0;
}
