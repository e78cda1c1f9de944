/* Whether a recording is what the recorder sealed.
 *
 * Reads a file alone, with nothing but the public key: every frame, every
 * seal (signature, session, sequence, chain, text), the seek table and the
 * end. A seal is held against the text at its own text_len, wherever frames
 * end: recompressed files verify as well. Refuses to know the index, the
 * ledger and where keys are kept.
 */
#ifndef PLAYER_VERIFY_H
#define PLAYER_VERIFY_H

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
    uint64_t sealed_len; /* text before the last good seal */
    uint64_t event_count;
    uint64_t last_time_us;
    int64_t sealed_us; /* wall time of the last good seal */
    bool is_final;     /* a final seal was found */
    bool is_cut;       /* the file ends within a frame */
    size_t problem_count;
    struct buf problems; /* one a line, at most PLAYER_PROBLEMS_MAX */
};

typedef void verify_progress_fn(void *ctx, uint64_t done, uint64_t total);

/* STATUS_OK when the file could be read, whatever was found in it.
 * STATUS_UNSUPPORTED when it is text without seals. `progress` may be NULL.
 * The report is inited by the call, always, and freed by verify_report_fini. */
enum status verify_file(const char *path, const struct ed25519_public *key,
    verify_progress_fn *progress, void *ctx, struct verify_report *out,
    struct error *err) MUST_CHECK;
void verify_report_fini(struct verify_report *r);

/* What is known beyond the file is told the same way. */
void verify_report_add(struct verify_report *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
