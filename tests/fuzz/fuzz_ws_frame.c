/* First byte: whose frames. The rest is read whole and byte by byte. */
#include "proxy/ws_frame.h"

#include "tests/fuzz/joined.h"

#include <assert.h>

#define MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed(struct ws_frame_reader *r, struct span in, struct joined *j)
{
    uint8_t scratch[MAX];
    struct ws_piece piece;
    enum feed got = ws_frame_next(r, &in, MAX, scratch, &piece);
    while (got == FEED_PIECE) {
        assert(!j->is_bad);
        assert(piece.bytes.len <= MAX);
        if (piece.is_head) {
            joined_event(j, (uint32_t)piece.opcode << 1 | piece.is_fin);
        } else {
            joined_piece(j, 1, piece.bytes);
        }
        if (piece.is_last) {
            joined_event(j, 0xFF);
        }
        got = ws_frame_next(r, &in, MAX, scratch, &piece);
    }
    assert(got == FEED_BAD || in.len == 0);
    assert(got == FEED_BAD || !j->is_bad);
    j->is_bad = got == FEED_BAD;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const bool is_client = (data[0] & 1) != 0;
    struct ws_frame_reader reader;
    struct joined whole = {.label = 0};
    struct joined split = {.label = 0};
    ws_frame_init(&reader, is_client);
    feed(&reader, (struct span){data + 1, size - 1}, &whole);
    ws_frame_init(&reader, is_client);
    for (size_t i = 1; i < size; i++) {
        feed(&reader, (struct span){data + i, 1}, &split);
    }
    assert(joined_agree(&whole, &split));
    return 0;
}
