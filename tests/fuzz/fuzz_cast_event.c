/* Event lines: what is read, written and read again is the same event, and
 * any valid text survives being written. */
#include "schema/cast.h"
#include "schema/utf8.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One line written, then read back. */
static void
check_round_trip(uint64_t time_us, enum cast_code code, struct span text)
{
    struct buf line;
    struct buf scratch;
    struct cast_event e;
    buf_init(&line, 6 * text.len + 64);
    buf_init(&scratch, text.len + 64);
    assert(cast_event_encode(time_us, code, text, &line) == STATUS_OK);
    struct span s = buf_view(&line);
    assert(s.ptr[s.len - 1] == '\n');
    s.len--;
    assert(memchr(s.ptr, '\n', s.len) == NULL);
    assert(cast_event_decode(s, &scratch, &e, NULL) == STATUS_OK);
    assert(e.time_us == time_us && e.code == (char)code);
    assert(span_eq(e.data, text));
    buf_fini(&line);
    buf_fini(&scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span all = span_of(data, size);
    struct buf scratch;
    struct cast_event e;
    struct error err;
    buf_init(&scratch, size + 1);
    if (cast_event_decode(all, &scratch, &e, &err) == STATUS_OK) {
        assert(utf8_valid_prefix(e.data) == e.data.len);
        check_round_trip(e.time_us, (enum cast_code)e.code, e.data);
    } else {
        assert(err.code == STATUS_INVALID); /* the text never grows */
    }
    buf_fini(&scratch);
    check_round_trip(size, CAST_OUTPUT, span_of(data, utf8_valid_prefix(all)));
    return 0;
}
