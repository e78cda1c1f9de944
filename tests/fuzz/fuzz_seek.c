/* Seek tables: footer and table agree, and a table without checksums is what
 * would be written again. */
#include "schema/seek.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len = 0;
    size_t count = 0;
    struct error err;
    if (size < 9 || seek_footer_decode(span_of(data + size - 9, 9), &len,
                        &count) != STATUS_OK) {
        struct seek_entry none;
        assert(seek_decode(span_of(data, size), &none, 0, &err) != STATUS_OK);
        return 0;
    }
    assert(count <= SEEK_FRAMES_MAX && len >= 8 + 8 * count + 9);
    if (len > size) {
        return 0; /* as a reader does, before it makes room for entries */
    }
    const struct span table = span_of(data + size - len, len);
    struct seek_entry *entries = malloc((count + 1) * sizeof *entries);
    assert(entries != NULL);
    if (seek_decode(table, entries, count, &err) == STATUS_OK) {
        struct buf again;
        buf_init(&again, len);
        assert(seek_encode(entries, count, &again) == STATUS_OK);
        const bool has_checksums = len != 8 + 8 * count + 9;
        /* The two low bits of the descriptor are free to say anything. */
        assert(has_checksums || data[size - 5] != 0 ||
               span_eq(buf_view(&again), table));
        buf_fini(&again);
    }
    free(entries);
    return 0;
}
