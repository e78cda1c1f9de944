/* What a ledger can give away: proofs that a recording is in it, and the key
 * that signs it, both in the forms that C2SP and Go's note have for them.
 */
#ifndef PLAYER_LEDGER_PROOF_H
#define PLAYER_LEDGER_PROOF_H

#include "base/buf.h"
#include "base/status.h"

#define LEDGER_PROOF_MAX (32u << 10) /* bytes of a proof */

/* A C2SP tlog-proof of the leaf of the recording whose id begins so; its
 * `extra` line is the leaf. STATUS_NOT_FOUND without one, STATUS_LIMIT when
 * several recordings begin so, STATUS_CORRUPT when the leaves are not those of
 * the checkpoint. *has_ledger_out is always written. */
enum status ledger_proof_make(const char *state, const char *id,
    struct buf *out, bool *has_ledger_out, struct error *err) MUST_CHECK;

/* One line, without its newline: the key that signed the checkpoint, for
 * note.NewVerifier. STATUS_DENIED when the ledger's last key did not. */
enum status ledger_proof_key(
    const char *state, struct buf *out, struct error *err) MUST_CHECK;

#endif
