/* The age format's primitives, by libcrypto: X25519, HKDF-SHA256, HMAC-SHA256
 * and ChaCha20-Poly1305. Plain values in, plain values out; keys wiped.
 *
 * For the age_ modules. STATUS_NO_MEMORY and STATUS_UNSUPPORTED (a libcrypto
 * without these) are the only failures unless a call says otherwise.
 */
#ifndef BASE_AGE_CRYPTO_H
#define BASE_AGE_CRYPTO_H

#include "base/span.h"
#include "base/status.h"

#define AGE_KEY_LEN   32
#define AGE_NONCE_LEN 12
#define AGE_TAG_LEN   16

struct age_key {
    uint8_t bytes[AGE_KEY_LEN];
};
void age_key_wipe(struct age_key *k);

/* RFC 7748. */
enum status age_x25519_public(
    const struct age_key *secret, struct age_key *public_out) MUST_CHECK;
/* STATUS_INVALID for a point of low order, with which every secret would be
 * shared. */
enum status age_x25519(const struct age_key *secret,
    const struct age_key *point, struct age_key *shared_out) MUST_CHECK;

/* RFC 5869, 32 bytes of it. */
enum status age_hkdf(struct span secret, struct span salt, const char *info,
    struct age_key *out) MUST_CHECK;
enum status age_hmac(const struct age_key *key, struct span bytes,
    uint8_t out[AGE_KEY_LEN]) MUST_CHECK;

/* RFC 8439 under one key, without additional data. */
struct age_cipher;
enum status age_cipher_new(
    const struct age_key *key, struct age_cipher **out) MUST_CHECK;
void age_cipher_free(struct age_cipher **c);
/* Writes plain.len + AGE_TAG_LEN bytes. */
enum status age_cipher_seal(struct age_cipher *c,
    const uint8_t nonce[AGE_NONCE_LEN], struct span plain,
    uint8_t *dst) MUST_CHECK;
/* Writes sealed.len - AGE_TAG_LEN bytes, which `sealed` has at least.
 * STATUS_CORRUPT, and `dst` wiped, when they are not what was sealed. */
enum status age_cipher_open(struct age_cipher *c,
    const uint8_t nonce[AGE_NONCE_LEN], struct span sealed,
    uint8_t *dst) MUST_CHECK;

#endif
