/* Headers of the age format: what parses is all of it, can be cut nowhere, and
 * what stands behind it changes nothing; every stanza is found again. */
#include "base/age_header.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
count_stanzas(struct span text)
{
    struct age_stanza s;
    size_t count = 0;
    while (age_stanza_take(&text, &s)) {
        count++;
        assert(s.type.len > 0);
        assert((s.argument_count == 0) == (s.arguments.len == 0));
        assert(s.body.len > 0 && s.body.ptr[s.body.len - 1] == '\n');
    }
    assert(text.len == 0);
    return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct age_header h;
    struct age_header again;
    struct error err;
    if (age_header_parse(span_of(data, size), &h, &err) != STATUS_OK) {
        assert(err.text[0] != '\0');
        return 0;
    }
    assert(age_header_is_age(span_of(data, size)));
    assert(h.len <= size && data[h.len - 1] == '\n');
    assert(h.authentic.ptr == data && h.authentic.len < h.len);
    assert(h.stanza_count > 0);
    assert(count_stanzas(h.stanzas) == h.stanza_count);
    assert(age_header_parse(span_of(data, h.len), &again, NULL) == STATUS_OK);
    assert(again.len == h.len);
    assert(memcmp(again.mac, h.mac, sizeof h.mac) == 0);
    assert(
        age_header_parse(span_of(data, h.len - 1), &again, NULL) != STATUS_OK);
    return 0;
}
