/* UTF-8: prefix, tail and repair must agree with each other about any bytes,
 * and cutting the input in two must not change what is found. */
#include "schema/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span all = span_of(data, size);
    const size_t valid = utf8_valid_prefix(all);
    assert(valid <= size);
    assert(utf8_valid_prefix(span_of(data, valid)) == valid);
    const size_t tail = utf8_split_tail(all);
    assert(tail <= 3 && tail <= size);
    if (valid == size) {
        assert(tail == 0);
    }
    /* What a cut leaves valid in front, and its tail, is valid in the whole. */
    for (size_t cut = 0; cut <= valid; cut++) {
        const struct span front = span_of(data, cut);
        assert(utf8_valid_prefix(front) + utf8_split_tail(front) == cut);
    }
    struct buf out;
    buf_init(&out, 3 * size);
    assert(utf8_repair(all, &out) == STATUS_OK);
    const struct span text = buf_view(&out);
    assert(utf8_valid_prefix(text) == text.len);
    assert(valid < size || span_eq(text, all));
    buf_fini(&out);
    return 0;
}
