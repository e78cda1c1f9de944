/* Text like that of real sessions, the same for the same seed: what a person
 * types into a shell and gets back, and what `kubectl logs -f` or `tail -f`
 * brings. Its words repeat and its numbers do not, as in life: that decides
 * how it compresses. Refuses to know what the text is for.
 */
#ifndef BENCH_CORPUS_TEXT_H
#define BENCH_CORPUS_TEXT_H

#include "base/buf.h"

struct corpus {
    uint64_t random;  /* state; any seed but 0 */
    uint64_t time_ms; /* the next log line's */
};

uint64_t corpus_random(struct corpus *c, uint64_t below);

/* Each appends to `out` and fails only when that is full. */
enum status corpus_prompt(struct corpus *c, struct buf *out) MUST_CHECK;
/* A command line, and the output of one, CR LF, colours included. */
enum status corpus_command(struct corpus *c, struct buf *out) MUST_CHECK;
enum status corpus_output(struct corpus *c, struct buf *out) MUST_CHECK;
enum status corpus_log_line(struct corpus *c, struct buf *out) MUST_CHECK;

#endif
