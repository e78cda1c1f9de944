/* Whether a whole store is as recorded: index, ledger and files against each
 * other, so that what is missing is found as well as what was altered.
 *
 * What a running recorder is just about (a file before its leaf, a leaf before
 * its row) looks like a finding for a moment; it is looked at again before it
 * is told. Memory is some 100 bytes a recording.
 */
#ifndef PLAYER_AUDIT_H
#define PLAYER_AUDIT_H

#include "player/key_set.h"

struct audit_finding {
    const char *where; /* a session's ID, a file, "ledger" or "index" */
    const char *text;
};
typedef void audit_finding_fn(void *ctx, const struct audit_finding *f);
typedef void audit_progress_fn(void *ctx, uint64_t done, uint64_t total);

struct audit_options {
    const char *state;
    const char *checkpoint; /* an older one, or NULL */
    bool is_full;           /* read all text, also where a digest would do */
    audit_finding_fn *on_finding;
    audit_progress_fn *on_progress; /* or NULL */
    void *ctx;
};

struct audit_summary {
    uint64_t recordings; /* that were looked at, encrypted ones too */
    uint64_t encrypted;  /* of these: their file's digest alone */
    uint64_t running;    /* of these: up to their last seal */
    uint64_t attempts;   /* refused ones */
    uint64_t removed;    /* lawfully */
    uint64_t text_len;
    uint64_t leaves;
    uint64_t findings;
};

/* `keys` grows by what the ledger leads to from them. STATUS_OK when the store
 * could be read, whatever was found; STATUS_NOT_FOUND when there is none. */
enum status audit_store(const struct audit_options *o, struct key_set *keys,
    struct audit_summary *out, struct error *err) MUST_CHECK;

#endif
