/* One key, one cipher context: the format's keys live for a file. libcrypto
 * takes lengths as int; callers hand in chunks of 64 KiB. */
#include "base/age_crypto.h"

#include <assert.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

void
age_key_wipe(struct age_key *k)
{
    explicit_bzero(k, sizeof *k);
}

/* libcrypto does not tell a failed allocation from the rest; what is left,
 * its queue empty, since TLS reads that. */
static enum status
failed(enum status st)
{
    ERR_clear_error();
    return st;
}

static EVP_PKEY *
secret_key(const struct age_key *secret)
{
    return EVP_PKEY_new_raw_private_key_ex(
        NULL, "X25519", NULL, secret->bytes, AGE_KEY_LEN);
}

enum status
age_x25519_public(const struct age_key *secret, struct age_key *public_out)
{
    size_t len = AGE_KEY_LEN;
    EVP_PKEY *key = secret_key(secret);
    const bool ok = key != NULL && EVP_PKEY_get_raw_public_key(
                                       key, public_out->bytes, &len) == 1;
    EVP_PKEY_free(key);
    return ok ? STATUS_OK : failed(STATUS_NO_MEMORY);
}

enum status
age_x25519(const struct age_key *secret, const struct age_key *point,
    struct age_key *shared_out)
{
    size_t len = AGE_KEY_LEN;
    enum status st = STATUS_NO_MEMORY;
    EVP_PKEY *own = secret_key(secret);
    EVP_PKEY *peer = EVP_PKEY_new_raw_public_key_ex(
        NULL, "X25519", NULL, point->bytes, AGE_KEY_LEN);
    EVP_PKEY_CTX *ctx =
        own == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    if (ctx != NULL && peer != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
        EVP_PKEY_derive_set_peer(ctx, peer) == 1) {
        /* Fails exactly when the result is all zeros, RFC 7748 6.1. */
        st = EVP_PKEY_derive(ctx, shared_out->bytes, &len) == 1
                 ? STATUS_OK
                 : STATUS_INVALID;
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(own);
    return st == STATUS_OK ? st : failed(st);
}

/* libcrypto's parameters are not const, and not written to. */
static void *
unconst(const void *p)
{
    return (void *)(uintptr_t)p;
}

enum status
age_hkdf(
    struct span secret, struct span salt, const char *info, struct age_key *out)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[5];
    size_t n = 0;
    params[n++] = OSSL_PARAM_construct_utf8_string(
        OSSL_KDF_PARAM_DIGEST, digest, sizeof digest - 1);
    params[n++] = OSSL_PARAM_construct_octet_string(
        OSSL_KDF_PARAM_KEY, unconst(secret.ptr), secret.len);
    params[n++] = OSSL_PARAM_construct_octet_string(
        OSSL_KDF_PARAM_INFO, unconst(info), strlen(info));
    if (salt.len > 0) { /* RFC 5869 2.2: without one it is zeros */
        params[n++] = OSSL_PARAM_construct_octet_string(
            OSSL_KDF_PARAM_SALT, unconst(salt.ptr), salt.len);
    }
    params[n] = OSSL_PARAM_construct_end();
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    const bool ok = ctx != NULL &&
                    EVP_KDF_derive(ctx, out->bytes, AGE_KEY_LEN, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok ? STATUS_OK : failed(STATUS_NO_MEMORY);
}

enum status
age_hmac(const struct age_key *key, struct span bytes, uint8_t out[AGE_KEY_LEN])
{
    size_t len = 0;
    const bool ok =
        EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key->bytes, AGE_KEY_LEN,
            bytes.ptr, bytes.len, out, AGE_KEY_LEN, &len) != NULL;
    return ok && len == AGE_KEY_LEN ? STATUS_OK : failed(STATUS_NO_MEMORY);
}

struct age_cipher {
    EVP_CIPHER *algorithm;
    EVP_CIPHER_CTX *ctx;
    struct age_key key;
};

enum status
age_cipher_new(const struct age_key *key, struct age_cipher **out)
{
    struct age_cipher *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return STATUS_NO_MEMORY;
    }
    c->key = *key;
    c->algorithm = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    c->ctx = EVP_CIPHER_CTX_new();
    if (c->algorithm == NULL || c->ctx == NULL) {
        const bool is_missing = c->algorithm == NULL;
        age_cipher_free(&c);
        return failed(is_missing ? STATUS_UNSUPPORTED : STATUS_NO_MEMORY);
    }
    *out = c;
    return STATUS_OK;
}

void
age_cipher_free(struct age_cipher **c)
{
    if (*c == NULL) {
        return;
    }
    EVP_CIPHER_CTX_free((*c)->ctx); /* wipes its copy of the key */
    EVP_CIPHER_free((*c)->algorithm);
    age_key_wipe(&(*c)->key);
    free(*c);
    *c = NULL;
}

enum status
age_cipher_seal(struct age_cipher *c, const uint8_t nonce[AGE_NONCE_LEN],
    struct span plain, uint8_t *dst)
{
    int len = 0;
    int tail = 0;
    assert(plain.len <= INT_MAX);
    const bool ok =
        EVP_EncryptInit_ex2(c->ctx, c->algorithm, c->key.bytes, nonce, NULL) ==
            1 &&
        EVP_EncryptUpdate(c->ctx, dst, &len, plain.ptr, (int)plain.len) == 1 &&
        EVP_EncryptFinal_ex(c->ctx, dst + len, &tail) == 1 &&
        EVP_CIPHER_CTX_ctrl(
            c->ctx, EVP_CTRL_AEAD_GET_TAG, AGE_TAG_LEN, dst + plain.len) == 1;
    return ok ? STATUS_OK : failed(STATUS_NO_MEMORY);
}

enum status
age_cipher_open(struct age_cipher *c, const uint8_t nonce[AGE_NONCE_LEN],
    struct span sealed, uint8_t *dst)
{
    int len = 0;
    int tail = 0;
    assert(sealed.len >= AGE_TAG_LEN && sealed.len <= INT_MAX);
    const size_t plain_len = sealed.len - AGE_TAG_LEN;
    if (EVP_DecryptInit_ex2(c->ctx, c->algorithm, c->key.bytes, nonce, NULL) !=
            1 ||
        EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_SET_TAG, AGE_TAG_LEN,
            unconst(sealed.ptr + plain_len)) != 1 ||
        EVP_DecryptUpdate(c->ctx, dst, &len, sealed.ptr, (int)plain_len) != 1) {
        explicit_bzero(dst, plain_len);
        return failed(STATUS_NO_MEMORY);
    }
    if (EVP_DecryptFinal_ex(c->ctx, dst + len, &tail) != 1) {
        explicit_bzero(dst, plain_len);
        return failed(STATUS_CORRUPT);
    }
    return STATUS_OK;
}
