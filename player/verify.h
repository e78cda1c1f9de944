/* Whether a recording is what the recorder sealed.
 *
 * Reads a file alone, with nothing but public keys: every frame, every seal
 * (signature, session, sequence, chain, text), the seek table and the end. A
 * seal is held against the text at its own text_len, wherever frames end:
 * recompressed files verify as well, and plain text with its seals beside it.
 * Refuses to know the index, the ledger and where keys are kept.
 */
#ifndef PLAYER_VERIFY_H
#define PLAYER_VERIFY_H

#include "player/key_set.h"
#include "player/verify_report.h"

struct age_identities;

typedef void verify_progress_fn(void *ctx, uint64_t done, uint64_t total);

struct verify_options {
    const struct key_set *keys;
    const struct age_identities *ids; /* of encrypted files; or NULL */
    const char *seals;            /* of plain text: where they are; or NULL */
    verify_progress_fn *progress; /* or NULL */
    void *ctx;
};

/* STATUS_OK when the file could be read, whatever was found in it.
 * STATUS_UNSUPPORTED when it is plain text and no seals were named. The report
 * is inited by the call, always, and freed by verify_report_fini. */
enum status verify_file(const char *path, const struct verify_options *o,
    struct verify_report *out, struct error *err) MUST_CHECK;

#endif
