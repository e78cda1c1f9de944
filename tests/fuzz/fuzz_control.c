/* Control messages: what is read can be written and is read as the same. */
#include "schema/control.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_request(struct span bytes)
{
    struct control_request r;
    struct control_request again;
    struct error err = {.code = STATUS_OK};
    struct buf line;
    if (control_request_decode(bytes, &r, &err) != STATUS_OK) {
        assert(err.text[0] != '\0');
        return;
    }
    buf_init(&line, CONTROL_LINE_MAX);
    assert(control_request_encode(&r, &line) == STATUS_OK);
    line.len--; /* the newline */
    assert(control_request_decode(buf_view(&line), &again, &err) == STATUS_OK);
    assert(r.verb == again.verb && r.is_dry_run == again.is_dry_run);
    assert(memcmp(&r.id, &again.id, sizeof r.id) == 0);
    assert(strcmp(r.reason, again.reason) == 0);
    buf_fini(&line);
}

static void
check_answer(struct span bytes)
{
    struct control_answer a;
    struct control_answer again;
    struct error err = {.code = STATUS_OK};
    struct buf first;
    struct buf second;
    if (control_answer_decode(bytes, &a, &err) != STATUS_OK) {
        assert(err.text[0] != '\0');
        return;
    }
    buf_init(&first, 2 * CONTROL_LINE_MAX);
    buf_init(&second, 2 * CONTROL_LINE_MAX);
    assert(control_answer_encode(&a, &first) == STATUS_OK);
    first.len--;
    assert(control_answer_decode(buf_view(&first), &again, &err) == STATUS_OK);
    assert(control_answer_encode(&again, &second) == STATUS_OK);
    second.len--;
    assert(span_eq(buf_view(&first), buf_view(&second)));
    buf_fini(&first);
    buf_fini(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_request(span_of(data, size));
    check_answer(span_of(data, size));
    return 0;
}
