/* Journal reading: never past the span, never anything but what a writer
 * would have written.
 *
 * The first 8 bytes choose the place in a segment; what follows is the
 * segment's bytes from there. Since no fuzzer guesses a salted check, the
 * input is read twice: as it is, and with a right check put in. */
#include "base/crc32c.h"
#include "schema/be.h"
#include "schema/journal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SALT 7u

static void
check_record(struct span bytes, uint64_t lsn)
{
    struct journal_record r;
    size_t used = 0;
    if (journal_record_decode(bytes, lsn, SALT, &r, &used) !=
        JOURNAL_READ_RECORD) {
        return;
    }
    assert(used <= bytes.len && used % 8 == 0 && r.lsn == lsn);
    assert(r.payload.len <= JOURNAL_PAYLOAD_MAX);
    assert(lsn % JOURNAL_SEGMENT_BYTES + used <= JOURNAL_SEGMENT_BYTES);
    uint8_t head[JOURNAL_RECORD_HEAD_LEN];
    journal_record_encode(&r, SALT, head);
    assert(memcmp(head, bytes.ptr, sizeof head) == 0);
    /* Cut anywhere it is not a record any more. */
    for (size_t len = 0; len < used; len += 1 + used / 16) {
        struct journal_record cut;
        size_t cut_used = 0;
        assert(journal_record_decode(span_of(bytes.ptr, len), lsn, SALT, &cut,
                   &cut_used) != JOURNAL_READ_RECORD);
    }
}

/* The bytes with `lsn` and the check that belongs to them. */
static void
check_repaired(struct span bytes, uint64_t lsn)
{
    if (bytes.len < JOURNAL_RECORD_HEAD_LEN) {
        return;
    }
    uint8_t *copy = malloc(bytes.len);
    assert(copy != NULL);
    memcpy(copy, bytes.ptr, bytes.len);
    be_store_u64(copy + 8, lsn);
    const size_t len = be_load_u32(copy);
    if (len <= bytes.len - JOURNAL_RECORD_HEAD_LEN) {
        const size_t checked = JOURNAL_RECORD_HEAD_LEN - 8 + len;
        be_store_u32(copy + 4, crc32c(SALT, span_of(copy + 8, checked)));
    }
    check_record(span_of(copy, bytes.len), lsn);
    free(copy);
}

static void
check_frames(struct span bytes)
{
    struct journal_segment segment;
    struct journal_position position;
    uint8_t again[JOURNAL_SEGMENT_HEAD_LEN];
    if (journal_segment_decode(bytes, &segment, NULL) == STATUS_OK) {
        assert(bytes.len >= JOURNAL_SEGMENT_HEAD_LEN);
        journal_segment_encode(&segment, again);
    }
    if (journal_position_decode(bytes, &position, NULL) == STATUS_OK) {
        assert(bytes.len >= JOURNAL_POSITION_LEN);
        assert(position.released_lsn <= position.read_lsn);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_of(data, size);
    uint64_t lsn = 0;
    check_frames(bytes);
    if (!span_take_u64(&bytes, &lsn)) {
        return 0;
    }
    check_record(bytes, lsn);
    check_repaired(bytes, lsn);
    return 0;
}
