/* SHA-256, Ed25519 and randomness from libcrypto and the kernel.
 *
 * Fetching an algorithm by name costs more than hashing a small record, so
 * SHA-256 is fetched once. A hash cannot fail for a reason that a caller
 * could act on; a libcrypto that does not hash is our bug and asserts. Every
 * refusal leaves libcrypto's error queue empty, because TLS reads that queue.
 */
#include "base/digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *md;

static void
fetch(void)
{
    md = EVP_MD_fetch(NULL, "SHA256", NULL);
    assert(md != NULL);
}

static const EVP_MD *
sha256_md(void)
{
    pthread_once(&once, fetch);
    return md;
}

struct sha256
sha256_of(struct span bytes)
{
    struct sha256 sum;
    int ok =
        EVP_Digest(bytes.ptr, bytes.len, sum.bytes, NULL, sha256_md(), NULL);
    assert(ok == 1);
    return sum;
}

struct sha256
sha256_of_two(struct span first, struct span second)
{
    struct sha256 sum;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex2(ctx, sha256_md(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, first.ptr, first.len) == 1 &&
              EVP_DigestUpdate(ctx, second.ptr, second.len) == 1 &&
              EVP_DigestFinal_ex(ctx, sum.bytes, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    assert(ok);
    return sum;
}

struct hasher {
    EVP_MD_CTX *running;
    EVP_MD_CTX *copy; /* finished in place of the running one */
};

enum status
hasher_new(struct hasher **out)
{
    struct hasher *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        return STATUS_NO_MEMORY;
    }
    h->running = EVP_MD_CTX_new();
    h->copy = EVP_MD_CTX_new();
    if (h->running == NULL || h->copy == NULL) {
        hasher_free(&h);
        return STATUS_NO_MEMORY;
    }
    hasher_reset(h);
    *out = h;
    return STATUS_OK;
}

void
hasher_free(struct hasher **h)
{
    if (*h != NULL) {
        EVP_MD_CTX_free((*h)->running);
        EVP_MD_CTX_free((*h)->copy);
        free(*h);
        *h = NULL;
    }
}

void
hasher_add(struct hasher *h, struct span bytes)
{
    int ok = EVP_DigestUpdate(h->running, bytes.ptr, bytes.len);
    assert(ok == 1);
}

struct sha256
hasher_peek(const struct hasher *h)
{
    struct sha256 sum;
    int copied = EVP_MD_CTX_copy_ex(h->copy, h->running);
    assert(copied == 1);
    int ok = EVP_DigestFinal_ex(h->copy, sum.bytes, NULL);
    assert(ok == 1);
    return sum;
}

void
hasher_reset(struct hasher *h)
{
    int ok = EVP_DigestInit_ex2(h->running, sha256_md(), NULL);
    assert(ok == 1);
}

struct signer {
    EVP_PKEY *key;
};

static enum status
refuse(struct error *err, enum status code, const char *why)
{
    ERR_clear_error();
    return error_set(err, code, "%s", why);
}

/* Takes `key` over, also when there is no memory for it. */
static enum status
signer_wrap(EVP_PKEY *key, struct signer **out, struct error *err)
{
    struct signer *s = malloc(sizeof(*s));
    if (s == NULL) {
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

static struct ed25519_public
raw_public(const EVP_PKEY *key)
{
    struct ed25519_public k;
    size_t len = sizeof(k.bytes);
    int ok = EVP_PKEY_get_raw_public_key(key, k.bytes, &len);
    assert(ok == 1 && len == sizeof(k.bytes));
    return k;
}

struct ed25519_public
signer_public(const struct signer *s)
{
    return raw_public(s->key);
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
    *out = raw_public(key);
    EVP_PKEY_free(key);
    return STATUS_OK;
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
