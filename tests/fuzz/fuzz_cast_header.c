/* Header lines of any program: what is read can be written, and reads back
 * as the same facts. */
#include "schema/cast.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
encode(const struct cast_header *h, struct buf *out)
{
    buf_init(out, 8u << 20);
    assert(cast_header_encode(h, out) == STATUS_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cast_header h;
    struct cast_header again;
    struct error err;
    if (cast_header_decode(span_of(data, size), &h, &err) != STATUS_OK) {
        return 0;
    }
    struct buf first;
    struct buf second;
    encode(&h, &first);
    struct span line = buf_view(&first);
    line.len--;
    assert(memchr(line.ptr, '\n', line.len) == NULL);
    assert(cast_header_decode(line, &again, &err) == STATUS_OK);
    encode(&again, &second);
    assert(span_eq(buf_view(&first), buf_view(&second)));
    buf_fini(&first);
    buf_fini(&second);
    meta_fini(&h.meta);
    meta_fini(&again.meta);
    return 0;
}
