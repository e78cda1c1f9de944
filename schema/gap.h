/* A stretch of a session of which nothing was recorded (record.mode:
 * best-effort): in a NOTE of the journal, in a recording's `k`, and in words.
 *
 *   {"gap":{"stdin":0,"stdout":1234,"stderr":0,"seconds":4.200,"reason":"…"}}
 */
#ifndef SCHEMA_GAP_H
#define SCHEMA_GAP_H

#include "base/buf.h"
#include "schema/journal.h"

#define GAP_REASON_MAX 256
/* No encoded gap is longer: a reason may be escaped throughout. */
#define GAP_JSON_MAX 2048
#define GAP_TEXT_MAX 512

struct gap {
    uint64_t bytes[STREAM_COUNT]; /* that passed, and that policy wanted kept */
    uint64_t ms;                  /* how long it took */
    char reason[GAP_REASON_MAX];  /* UTF-8 */
};

uint64_t gap_total(const struct gap *g);
enum status gap_encode(const struct gap *g, struct buf *out) MUST_CHECK;
/* STATUS_NOT_FOUND: `json` is none; other facts, and what is no JSON, are not.
 * STATUS_NO_MEMORY: it cannot be told. */
enum status gap_decode(struct span json, struct gap *out) MUST_CHECK;
/* "gap: 1234 bytes of output were not recorded in 4.2 s: …", for people. */
void gap_text(const struct gap *g, char out[GAP_TEXT_MAX]);

#endif
