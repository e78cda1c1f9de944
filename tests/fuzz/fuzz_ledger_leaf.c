/* Leaves: whatever decodes is written again as the same line, and stays below
 * the cap of a line. */
#include "schema/ledger.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span line = span_of(data, size);
    struct ledger_leaf l;
    struct error err = {.code = STATUS_OK};
    if (ledger_leaf_decode(line, &l, &err) != STATUS_OK) {
        assert(err.code == STATUS_INVALID && err.text[0] != '\0');
        return 0;
    }
    struct buf again;
    buf_init(&again, LEDGER_LEAF_MAX);
    assert(ledger_leaf_encode(&l, &again) == STATUS_OK);
    assert(again.len == size + 1);
    assert(memcmp(buf_view(&again).ptr, data, size) == 0);
    buf_fini(&again);
    return 0;
}
