/* The input is read whole and byte by byte. */
#include "proxy/spdy_frame.h"

#include "tests/fuzz/joined.h"

#include <assert.h>

#define MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed(struct spdy_frame_reader *r, struct span in, struct joined *j)
{
    struct spdy_piece piece;
    enum feed got = spdy_frame_next(r, &in, MAX, &piece);
    while (got == FEED_PIECE) {
        assert(!j->is_bad);
        assert(piece.bytes.len <= MAX);
        assert(piece.stream_id <= 0x7FFFFFFF);
        if (piece.is_head) {
            joined_event(j, (uint32_t)piece.type << 1 | piece.is_fin);
            joined_event(j, piece.stream_id);
        } else {
            joined_piece(j, 1, piece.bytes);
        }
        if (piece.is_last) {
            joined_event(j, 0xFF);
        }
        got = spdy_frame_next(r, &in, MAX, &piece);
    }
    assert(got == FEED_BAD || in.len == 0);
    assert(got == FEED_BAD || !j->is_bad);
    j->is_bad = got == FEED_BAD;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spdy_frame_reader reader;
    struct joined whole = {.label = 0};
    struct joined split = {.label = 0};
    spdy_frame_init(&reader);
    feed(&reader, (struct span){data, size}, &whole);
    spdy_frame_init(&reader);
    for (size_t i = 0; i < size; i++) {
        feed(&reader, (struct span){data + i, 1}, &split);
    }
    assert(joined_agree(&whole, &split));
    return 0;
}
