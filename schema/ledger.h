/* The ledger's leaves: one line of JSON each, in ledger/leaves.
 *
 * A leaf is the line without its newline, and what the Merkle tree hashes.
 * One encoding: members in the order below, no white space, digests in lower
 * case hex. LEDGER.md is the format of record.
 *
 *   recording  a finished recording, whole and sealed
 *   tombstone  a recording that was removed by a rule, or by a person
 *   hold       a recording that no rule may remove ...
 *   release    ... until it is let go again
 *   key        the key that signs from here on; the first leaf is one. `by`
 *              and `signature` are the key before and its word for this one
 *              (all zeros in the first, and when the old key was not there)
 */
#ifndef SCHEMA_LEDGER_H
#define SCHEMA_LEDGER_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/uuid.h"
#include "schema/meta.h"

#define LEDGER_DIR        "ledger"
#define LEDGER_LEAVES     "leaves"     /* lines, appended only */
#define LEDGER_CHECKPOINT "checkpoint" /* a signed note over all of them */

#define LEDGER_LEAF_MAX 8192u /* a line, newline included */
#define LEDGER_WHY_MAX  1024u /* bytes of `why` and `by`, with the zero */
#define LEDGER_FILE_MAX 128u

enum ledger_kind {
    LEDGER_RECORDING,
    LEDGER_TOMBSTONE,
    LEDGER_HOLD,
    LEDGER_RELEASE,
    LEDGER_KEY,
};

/* A plain value; fields that a kind does not have are zero. */
struct ledger_leaf {
    enum ledger_kind kind;
    int64_t wall_us;
    struct uuid id;             /* all but key */
    char file[LEDGER_FILE_MAX]; /* recording: relative to the state folder */
    uint64_t text_len;          /* recording: of the text ... */
    struct sha256 text_hash;
    uint64_t file_len; /* ... and of the file as it lies there */
    struct sha256 file_hash;
    struct sha256 last_seal;      /* recording: seal_hash of the final seal */
    char who[LEDGER_WHY_MAX];     /* tombstone, hold, release: who asked */
    char why[LEDGER_WHY_MAX];     /* tombstone, hold, release: rule or reason */
    struct ed25519_public key;    /* key: the new one */
    struct ed25519_public by;     /* key: the one before */
    struct ed25519_sig signature; /* key: by `by`, over ledger_key_claim */
};

/* One line, newline included. STATUS_LIMIT when a text is too long. */
enum status ledger_leaf_encode(
    const struct ledger_leaf *l, struct buf *out) MUST_CHECK;
/* `line` without the newline. STATUS_INVALID for all but the one encoding. */
enum status ledger_leaf_decode(
    struct span line, struct ledger_leaf *out, struct error *err) MUST_CHECK;

const char *ledger_kind_name(enum ledger_kind kind);

/* What the old key signs for the new: a fixed prefix and both keys. */
#define LEDGER_CLAIM_LEN 96u
void ledger_key_claim(const struct ed25519_public *by,
    const struct ed25519_public *key, uint8_t out[LEDGER_CLAIM_LEN]);

#endif
