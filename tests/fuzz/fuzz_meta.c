/* Meta JSON and the error stream: what is read can be written and read again;
 * a refusal leaves a meta that still works. */
#include "schema/meta.h"
#include "schema/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_exit(struct span bytes)
{
    struct meta_exit e = {0};
    buf_init(&e.message, META_STRING_MAX);
    assert(meta_exit_parse(bytes, &e) == STATUS_OK);
    const struct span message = buf_view(&e.message);
    assert(utf8_valid_prefix(message) == message.len);
    assert(!e.has_code || (e.code >= 0 && e.code <= UINT8_MAX));
    assert(e.has_code == (message.len == 0));
    buf_fini(&e.message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span bytes = span_of(data, size);
    struct meta m;
    struct meta again;
    struct buf first;
    struct buf second;
    struct error err;
    check_exit(bytes);
    meta_init(&m);
    meta_init(&again);
    buf_init(&first, 8u << 20);
    buf_init(&second, 8u << 20);
    const enum status st = meta_decode(bytes, &m, &err);
    assert(st == STATUS_OK || err.text[0] != '\0');
    assert(meta_encode(&m, META_PART_ALL, &first) == STATUS_OK);
    assert(meta_decode(buf_view(&first), &again, &err) == STATUS_OK);
    assert(meta_encode(&again, META_PART_ALL, &second) == STATUS_OK);
    assert(span_eq(buf_view(&first), buf_view(&second)));
    meta_fini(&m);
    meta_fini(&again);
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
