/* SHA-256, Ed25519 and randomness from libcrypto and the kernel.
 *
 * SHA-256 by the functions that work on a plain struct: those of EVP take
 * memory for every copy of a state, and a hash that can fail for that would
 * be a reason to stop recording. They are the same code underneath.
 * Every refusal leaves libcrypto's error queue empty, because TLS reads that
 * queue.
 */
#define OPENSSL_API_COMPAT 0x10100000L /* SHA256_Init and its kin */

#include "base/digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct hasher {
    SHA256_CTX running;
};

enum status
hasher_new(struct hasher **out)
{
    struct hasher *h = malloc(sizeof(*h));
    if (h == NULL) {
        return STATUS_NO_MEMORY;
    }
    hasher_reset(h);
    *out = h;
    return STATUS_OK;
}

void
hasher_free(struct hasher **h)
{
    free(*h);
    *h = NULL;
}

void
hasher_add(struct hasher *h, struct span bytes)
{
    int ok = SHA256_Update(&h->running, bytes.ptr, bytes.len);
    assert(ok == 1);
}

struct sha256
hasher_peek(const struct hasher *h)
{
    struct sha256 sum;
    SHA256_CTX copy = h->running;
    int ok = SHA256_Final(sum.bytes, &copy);
    assert(ok == 1);
    return sum;
}

void
hasher_reset(struct hasher *h)
{
    int ok = SHA256_Init(&h->running);
    assert(ok == 1);
}

struct sha256
sha256_of(struct span bytes)
{
    struct hasher h; /* SHA256() itself goes by EVP */
    hasher_reset(&h);
    hasher_add(&h, bytes);
    return hasher_peek(&h);
}

struct sha256
sha256_of_two(struct span first, struct span second)
{
    struct hasher h;
    hasher_reset(&h);
    hasher_add(&h, first);
    hasher_add(&h, second);
    return hasher_peek(&h);
}

struct signer {
    EVP_PKEY *key;
    struct ed25519_public public;
};

static enum status
refuse(struct error *err, enum status code, const char *why)
{
    ERR_clear_error();
    return error_set(err, code, "%s", why);
}

static bool
raw_public(const EVP_PKEY *key, struct ed25519_public *out)
{
    size_t len = sizeof(out->bytes);
    return EVP_PKEY_get_raw_public_key(key, out->bytes, &len) == 1 &&
           len == sizeof(out->bytes);
}

/* Takes `key` over, also when there is no memory for it. */
static enum status
signer_wrap(EVP_PKEY *key, struct signer **out, struct error *err)
{
    struct signer *s = malloc(sizeof(*s));
    if (s == NULL || !raw_public(key, &s->public)) {
        free(s);
        EVP_PKEY_free(key);
        return refuse(err, STATUS_NO_MEMORY, "no memory for a signing key");
    }
    s->key = key;
    *out = s;
    return STATUS_OK;
}

enum status
signer_new(struct signer **out, struct error *err)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (key == NULL) {
        return refuse(err, STATUS_IO, "libcrypto cannot make an Ed25519 key");
    }
    return signer_wrap(key, out, err);
}

/* Without one, libcrypto asks for a passphrase on the terminal. */
static int
no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)ctx;
    return -1;
}

typedef EVP_PKEY *pem_read_fn(
    BIO *bio, EVP_PKEY **key, pem_password_cb *cb, void *ctx);

/* NULL unless `pem` holds an Ed25519 key of the kind that `read` reads. */
static EVP_PKEY *
key_from_pem(struct span pem, pem_read_fn *read)
{
    if (pem.len > INT_MAX) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = NULL;
    if (bio != NULL) {
        key = read(bio, NULL, no_passphrase, NULL);
    }
    BIO_free(bio);
    if (key != NULL && !EVP_PKEY_is_a(key, "ED25519")) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

enum status
signer_from_pem(struct span pem, struct signer **out, struct error *err)
{
    EVP_PKEY *key = key_from_pem(pem, PEM_read_bio_PrivateKey);
    if (key == NULL) {
        return refuse(err, STATUS_INVALID,
            "not an Ed25519 private key in PEM (PKCS #8, no passphrase)");
    }
    return signer_wrap(key, out, err);
}

/* What was written to `bio`, when `ok`; frees `bio`, which wipes its memory. */
static enum status
take_pem(BIO *bio, bool ok, struct buf *out, struct error *err)
{
    enum status st = STATUS_OK;
    char *text = NULL;
    long len = ok ? BIO_get_mem_data(bio, &text) : 0;
    if (len <= 0) {
        st = refuse(err, STATUS_NO_MEMORY, "libcrypto cannot write a key");
    } else {
        st = buf_append(out, span_of(text, (size_t)len));
        if (st != STATUS_OK) {
            st = refuse(err, st, "no room for a key in PEM");
        }
    }
    BIO_free(bio);
    return st;
}

enum status
signer_to_pem(const struct signer *s, struct buf *out, struct error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio != NULL && PEM_write_bio_PKCS8PrivateKey(
                                 bio, s->key, NULL, NULL, 0, NULL, NULL);
    return take_pem(bio, ok, out, err);
}

void
signer_free(struct signer **s)
{
    if (*s != NULL) {
        EVP_PKEY_free((*s)->key); /* libcrypto wipes the private half */
        free(*s);
        *s = NULL;
    }
}

struct ed25519_public
signer_public(const struct signer *s)
{
    return s->public;
}

enum status
signer_sign(const struct signer *s, struct span bytes, struct ed25519_sig *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct ed25519_sig sig;
    size_t len = sizeof(sig.bytes);
    bool ok = ctx != NULL &&
              EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->key) == 1 &&
              EVP_DigestSign(ctx, sig.bytes, &len, bytes.ptr, bytes.len) == 1 &&
              len == sizeof(sig.bytes);
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        return refuse(NULL, STATUS_NO_MEMORY, "cannot sign");
    }
    *out = sig;
    return STATUS_OK;
}

enum status
ed25519_public_from_pem(
    struct span pem, struct ed25519_public *out, struct error *err)
{
    EVP_PKEY *key = key_from_pem(pem, PEM_read_bio_PUBKEY);
    if (key == NULL) {
        return refuse(err, STATUS_INVALID, "not an Ed25519 public key in PEM");
    }
    const bool ok = raw_public(key, out);
    EVP_PKEY_free(key);
    return ok ? STATUS_OK
              : refuse(err, STATUS_NO_MEMORY, "no memory for a public key");
}

/* Takes what is before and including `word`; false without it. */
static bool
take_through(struct span *s, const char *word, struct span *out)
{
    const uint8_t *at = memmem(s->ptr, s->len, word, strlen(word));
    return at != NULL &&
           span_take(s, (size_t)(at - s->ptr) + strlen(word), out);
}

enum status
ed25519_publics_from_pem(struct span pem, struct ed25519_public *out,
    size_t room, size_t *count_out, struct error *err)
{
    size_t count = 0;
    struct span block;
    while (take_through(&pem, "-----END PUBLIC KEY-----", &block)) {
        if (count == room) {
            return error_set(
                err, STATUS_LIMIT, "more than %zu public keys in PEM", room);
        }
        const enum status st = ed25519_public_from_pem(block, &out[count], err);
        if (st != STATUS_OK) {
            return st;
        }
        count++;
    }
    if (count == 0 || take_through(&pem, "-----BEGIN ", &block)) {
        return refuse(
            err, STATUS_INVALID, "not only Ed25519 public keys in PEM");
    }
    *count_out = count;
    return STATUS_OK;
}

static EVP_PKEY *
key_of_public(const struct ed25519_public *k)
{
    return EVP_PKEY_new_raw_public_key_ex(
        NULL, "ED25519", NULL, k->bytes, sizeof(k->bytes));
}

enum status
ed25519_public_to_pem(
    const struct ed25519_public *k, struct buf *out, struct error *err)
{
    EVP_PKEY *key = key_of_public(k);
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = key != NULL && bio != NULL && PEM_write_bio_PUBKEY(bio, key);
    EVP_PKEY_free(key);
    return take_pem(bio, ok, out, err);
}

bool
ed25519_verify(const struct ed25519_public *k, struct span bytes,
    const struct ed25519_sig *sig)
{
    EVP_PKEY *key = key_of_public(k);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = key != NULL && ctx != NULL &&
              EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestVerify(ctx, sig->bytes, sizeof(sig->bytes), bytes.ptr,
                  bytes.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    if (!ok) {
        ERR_clear_error();
    }
    return ok;
}

/* Whether a signature that is right (RFC 8032, 7.1, test 1: of no bytes) is
 * seen to be. */
static bool
can_verify(void)
{
    static const struct ed25519_public k = {
        {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3,
            0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23,
            0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a}};
    static const struct ed25519_sig sig = {{0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60,
        0xac, 0x72, 0x90, 0x86, 0xe2, 0xcc, 0x80, 0x6e, 0x82, 0x8a, 0x84, 0x87,
        0x7f, 0x1e, 0xb8, 0xe5, 0xd9, 0x74, 0xd8, 0x73, 0xe0, 0x65, 0x22, 0x49,
        0x01, 0x55, 0x5f, 0xb8, 0x82, 0x15, 0x90, 0xa3, 0x3b, 0xac, 0xc6, 0x1e,
        0x39, 0x70, 0x1c, 0xf9, 0xb4, 0x6b, 0xd2, 0x5b, 0xf5, 0xf0, 0x59, 0x5b,
        0xbe, 0x24, 0x65, 0x51, 0x41, 0x43, 0x8e, 0x7a, 0x10, 0x0b}};
    return ed25519_verify(&k, SPAN_EMPTY, &sig);
}

enum status
ed25519_check(const struct ed25519_public *k, struct span bytes,
    const struct ed25519_sig *sig)
{
    if (ed25519_verify(k, bytes, sig)) {
        return STATUS_OK;
    }
    if (!can_verify()) {
        return STATUS_NO_MEMORY;
    }
    return ed25519_verify(k, bytes, sig) ? STATUS_OK : STATUS_CORRUPT;
}

void
random_bytes(void *dst, size_t len)
{
    uint8_t *at = dst;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno != EINTR) {
            abort(); /* a guessable secret is worse than none */
        }
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

bool
secret_eq(struct span a, struct span b)
{
    return a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
}
