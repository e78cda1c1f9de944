/* Checkpoints of the ledger: C2SP tlog-checkpoint text in a C2SP signed-note,
 * one Ed25519 signature. Go's golang.org/x/mod/sumdb/note opens them.
 *
 *   <origin>
 *   <size, decimal>
 *   <root, base64>
 *
 *   — <origin> <base64 of key hash (4 bytes) and signature>
 *
 * The signer's name is the origin; key hash = the first 4 bytes of
 * SHA-256(name || "\n" || 0x01 || public key).
 */
#ifndef SCHEMA_CHECKPOINT_H
#define SCHEMA_CHECKPOINT_H

#include "base/buf.h"
#include "base/digest.h"

#define CHECKPOINT_ORIGIN_MAX 64 /* with the zero behind it */
#define CHECKPOINT_TEXT_MAX   4096

struct checkpoint {
    char origin[CHECKPOINT_ORIGIN_MAX];
    uint64_t size;
    struct sha256 root;
};

/* "kubetape/" and the first 8 bytes of SHA-256 of the ledger's first key, in
 * hex: a ledger keeps its origin when its key changes. */
void checkpoint_origin(
    const struct ed25519_public *first_key, char out[CHECKPOINT_ORIGIN_MAX]);

enum status checkpoint_sign(const struct checkpoint *c,
    const struct signer *signer, struct buf *out) MUST_CHECK;
/* Checks the form and that one of `keys` signed; signatures of others are
 * passed over, as signed-note has it. *key_out: which. STATUS_INVALID: not a
 * checkpoint; STATUS_DENIED: signed by none of the keys. */
enum status checkpoint_open(struct span note, const struct ed25519_public *keys,
    size_t key_count, struct checkpoint *out, size_t *key_out,
    struct error *err) MUST_CHECK;
/* The same without a look at signatures: what it claims. */
enum status checkpoint_parse(
    struct span note, struct checkpoint *out, struct error *err) MUST_CHECK;
/* "<name>+<hash>+<base64>": the key as Go's note.NewVerifier takes it. */
enum status checkpoint_verifier_key(const char *origin,
    const struct ed25519_public *key, struct buf *out) MUST_CHECK;

#endif
