/* What a verification found out about one recording.
 *
 * A plain struct that grows by findings: one sentence each, counted without
 * end and kept up to a cap, so that a file made of errors costs no memory.
 */
#ifndef PLAYER_VERIFY_REPORT_H
#define PLAYER_VERIFY_REPORT_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/uuid.h"
#include "schema/meta.h"

struct verify_report {
    struct uuid id;   /* of the header, else of the first seal; or nil */
    struct meta meta; /* what the text says of its session, the last word */
    uint64_t file_len;
    uint64_t frames; /* of text */
    uint64_t seals;
    uint64_t text_len;
    struct sha256 text_hash; /* of all of it */
    struct sha256 last_seal; /* seal_hash of the last one, when there is one */
    uint64_t sealed_len;     /* text before the last good seal */
    uint64_t event_count;
    uint64_t last_time_us;
    int64_t sealed_us; /* wall time of the last good seal */
    bool is_final;     /* a final seal was found */
    bool is_cut;       /* the file ends within a frame */
    size_t problem_count;
    struct buf problems; /* one a line, at most PLAYER_PROBLEMS_MAX */
};

void verify_report_init(struct verify_report *r);
void verify_report_fini(struct verify_report *r);

/* One finding. What is known beyond the file is told the same way. */
void verify_report_add(struct verify_report *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A place in a recording as a person finds it, for findings' formats:
 * seconds of playing. */
#define VERIFY_SECONDS     "%" PRIu64 ".%03" PRIu64 " s"
#define VERIFY_TIME_OF(us) (us) / 1000000, (us) % 1000000 / 1000

#endif
