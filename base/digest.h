/* SHA-256 and Ed25519, by libcrypto: plain values in, plain values out. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"

#define SHA256_LEN      32
#define ED25519_KEY_LEN 32 /* public key, and private seed */
#define ED25519_SIG_LEN 64

struct sha256 {
    uint8_t bytes[SHA256_LEN];
};

struct sha256 sha256_of(struct span bytes);
struct sha256 sha256_of_two(struct span first, struct span second); /* joined */

/* A running hash. */
struct hasher;
enum status hasher_new(struct hasher **out) MUST_CHECK;
void hasher_free(struct hasher **h);
void hasher_add(struct hasher *h, struct span bytes);
struct sha256 hasher_peek(const struct hasher *h); /* of all so far; goes on */
void hasher_reset(struct hasher *h);

struct ed25519_public {
    uint8_t bytes[ED25519_KEY_LEN];
};
struct ed25519_sig {
    uint8_t bytes[ED25519_SIG_LEN];
};

/* A private key: one place, wiped when freed. */
struct signer;
enum status signer_new(
    struct signer **out, struct error *err) MUST_CHECK; /* random */
enum status signer_from_pem(struct span pem, struct signer **out,
    struct error *err) MUST_CHECK; /* PKCS #8 */
enum status signer_to_pem(
    const struct signer *s, struct buf *out, struct error *err) MUST_CHECK;
void signer_free(struct signer **s);
struct ed25519_public signer_public(const struct signer *s);
enum status signer_sign(const struct signer *s, struct span bytes,
    struct ed25519_sig *out) MUST_CHECK;

/* SubjectPublicKeyInfo PEM, as `openssl pkey -pubin` reads it. */
enum status ed25519_public_from_pem(
    struct span pem, struct ed25519_public *out, struct error *err) MUST_CHECK;
/* The same for a text of several, in order; other text between them is passed
 * over. STATUS_INVALID when there is none, or a key of another kind;
 * STATUS_LIMIT when there are more than `room`. */
#define ED25519_PUBLICS_MAX 16 /* as many as anyone needs room for */
enum status ed25519_publics_from_pem(struct span pem,
    struct ed25519_public *out, size_t room, size_t *count_out,
    struct error *err) MUST_CHECK;
enum status ed25519_public_to_pem(const struct ed25519_public *k,
    struct buf *out, struct error *err) MUST_CHECK;
bool ed25519_verify(const struct ed25519_public *k, struct span bytes,
    const struct ed25519_sig *sig);
/* The same for who must not take a lack of memory for a forgery: STATUS_CORRUPT
 * for a wrong signature, STATUS_NO_MEMORY when it could not be told. libcrypto
 * gives one answer for both; so it is asked about a right one, too. */
enum status ed25519_check(const struct ed25519_public *k, struct span bytes,
    const struct ed25519_sig *sig) MUST_CHECK;

/* Cryptographically random bytes; aborts if the system has none. */
void random_bytes(void *dst, size_t len);

/* Compares secrets in time that depends only on the lengths. */
bool secret_eq(struct span a, struct span b);

#endif
