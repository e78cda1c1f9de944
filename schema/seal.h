/* Seals: signed claims about all of a recording's text so far.
 *
 * A seal is one zstd skippable frame (RFC 8878 3.1.2) that follows the data
 * frame it closes. It signs the text, not its compression. Owns the bytes;
 * hashing and signing are base/digest's. It also carries what the writer must
 * know to go on from exactly here, so that recovery needs no other state.
 */
#ifndef SCHEMA_SEAL_H
#define SCHEMA_SEAL_H

#include "base/digest.h"
#include "base/uuid.h"
#include "schema/journal.h"

#define SEAL_FRAME_MAGIC 0x184D2A57u /* little-endian, as zstd has it */

/* Where the writer stood: signed with the rest. */
struct seal_writer {
    struct uuid worker;             /* whose journal */
    uint64_t next_lsn;              /* first record not yet in the text */
    uint64_t session;               /* the session's key there */
    uint64_t open_mono_ns;          /* time zero of the events */
    uint64_t last_time_us;          /* of the last event */
    uint64_t bytes[STREAM_COUNT];   /* taken in from each stream, carry too */
    uint8_t carry[STREAM_COUNT][3]; /* begun characters, not in the text yet */
    uint8_t carry_len[STREAM_COUNT];
    uint8_t stream; /* enum journal_stream of the last `s`; 0: no output yet */
    bool is_binary[STREAM_COUNT];
    uint16_t width; /* last size */
    uint16_t height;
};

struct seal {
    /* The session's: a frame moved to another file does not verify there. */
    struct uuid id;
    uint32_t sequence;       /* from 0 */
    bool is_final;           /* nothing follows */
    uint64_t text_len;       /* decompressed bytes up to here */
    struct sha256 text_hash; /* of all of them */
    struct sha256 previous;  /* seal_hash of the seal before; zeros first */
    int64_t wall_us;
    struct seal_writer writer;
    struct ed25519_public key;
    struct ed25519_sig signature;
};

/* Fixed, skippable frame head included. */
#define SEAL_FRAME_LEN 316u

/* Fills key and signature, and writes the whole skippable frame. */
enum status seal_sign(struct seal *s, const struct signer *signer,
    uint8_t frame_out[SEAL_FRAME_LEN]) MUST_CHECK;
/* Decodes exactly SEAL_FRAME_LEN bytes without verifying. STATUS_INVALID when
 * they are no seal. */
enum status seal_decode(
    struct span frame, struct seal *out, struct error *err) MUST_CHECK;
/* Whether `frame` is a seal, names `key` and carries its signature. */
bool seal_verify(struct span frame, const struct ed25519_public *key);
/* The same for who acts on a no: STATUS_CORRUPT is one, STATUS_NO_MEMORY none. */
enum status seal_check(
    struct span frame, const struct ed25519_public *key) MUST_CHECK;
/* What the next seal calls `previous`: SHA-256 of the whole frame. */
struct sha256 seal_hash(struct span frame);

#endif
