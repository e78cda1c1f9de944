/* Published vectors, and refusals that leave nothing behind. */
#include "base/digest.h"

#include "tests/support/test.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

static void
assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    assert_int_equal(strlen(hex), 2 * len);
    for (size_t i = 0; i < len; i++) {
        char two[3];
        (void)snprintf(two, sizeof(two), "%02x", bytes[i]);
        assert_memory_equal(two, hex + 2 * i, 2);
    }
}

#define SHA_EMPTY \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA_ABC \
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
sha256_of_known_inputs(void **state)
{
    (void)state;
    struct sha256 sum = sha256_of(SPAN_EMPTY);
    assert_hex(sum.bytes, SHA256_LEN, SHA_EMPTY);
    sum = sha256_of(SPAN_LIT("abc"));
    assert_hex(sum.bytes, SHA256_LEN, SHA_ABC);
}

static void
a_hasher_can_be_looked_at_and_goes_on(void **state)
{
    (void)state;
    struct hasher *h = NULL;
    assert_int_equal(hasher_new(&h), STATUS_OK);
    struct sha256 sum = hasher_peek(h);
    assert_hex(sum.bytes, SHA256_LEN, SHA_EMPTY);
    hasher_add(h, SPAN_LIT("ab"));
    (void)hasher_peek(h);
    hasher_add(h, SPAN_EMPTY);
    hasher_add(h, SPAN_LIT("c"));
    sum = hasher_peek(h);
    assert_hex(sum.bytes, SHA256_LEN, SHA_ABC);
    sum = hasher_peek(h);
    assert_hex(sum.bytes, SHA256_LEN, SHA_ABC);
    hasher_reset(h);
    sum = hasher_peek(h);
    assert_hex(sum.bytes, SHA256_LEN, SHA_EMPTY);
    hasher_free(&h);
    assert_null(h);
    hasher_free(&h);
}

/* RFC 8032 7.1, test 2, its seed wrapped as RFC 8410 says. */
static const char rfc8032_private[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
    "-----END PRIVATE KEY-----\n";
#define RFC8032_PUBLIC \
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define RFC8032_SIG                                                    \
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" \
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"

static void
signs_as_rfc_8032_does(void **state)
{
    (void)state;
    struct error err;
    struct signer *s = NULL;
    assert_int_equal(
        signer_from_pem(span_str(rfc8032_private), &s, &err), STATUS_OK);
    struct ed25519_public k = signer_public(s);
    assert_hex(k.bytes, sizeof(k.bytes), RFC8032_PUBLIC);
    struct ed25519_sig sig;
    assert_int_equal(signer_sign(s, SPAN_LIT("\x72"), &sig), STATUS_OK);
    assert_hex(sig.bytes, sizeof(sig.bytes), RFC8032_SIG);
    assert_true(ed25519_verify(&k, SPAN_LIT("\x72"), &sig));

    struct buf pem;
    buf_init(&pem, 1000);
    assert_int_equal(signer_to_pem(s, &pem, &err), STATUS_OK);
    assert_true(span_eq_str(buf_view(&pem), rfc8032_private));
    buf_wipe(&pem);
    signer_free(&s);
    assert_null(s);
    signer_free(&s);
}

static void
any_changed_bit_is_found(void **state)
{
    (void)state;
    struct error err;
    struct signer *s = NULL;
    assert_int_equal(signer_new(&s, &err), STATUS_OK);
    struct ed25519_public k = signer_public(s);
    struct ed25519_sig sig;
    uint8_t text[] = "seal";
    struct span bytes = span_of(text, sizeof(text));
    assert_int_equal(signer_sign(s, bytes, &sig), STATUS_OK);
    assert_true(ed25519_verify(&k, bytes, &sig));
    assert_int_equal(ed25519_check(&k, bytes, &sig), STATUS_OK);
    for (size_t bit = 0; bit < 8 * sizeof(sig.bytes); bit++) {
        sig.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(ed25519_verify(&k, bytes, &sig));
        sig.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t bit = 0; bit < 8 * sizeof(text); bit++) {
        text[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(ed25519_verify(&k, bytes, &sig));
        text[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_false(ed25519_verify(&k, SPAN_EMPTY, &sig));
    assert_int_equal(ed25519_check(&k, SPAN_EMPTY, &sig), STATUS_CORRUPT);
    struct signer *other = NULL;
    assert_int_equal(signer_new(&other, &err), STATUS_OK);
    struct ed25519_public other_k = signer_public(other);
    assert_false(ed25519_verify(&other_k, bytes, &sig));
    assert_int_equal(ERR_peek_error(), 0);
    signer_free(&other);
    signer_free(&s);
}

static void
public_keys_round_trip(void **state)
{
    (void)state;
    struct error err;
    struct signer *s = NULL;
    assert_int_equal(signer_new(&s, &err), STATUS_OK);
    struct ed25519_public k = signer_public(s);
    struct buf pem;
    buf_init(&pem, 1000);
    assert_int_equal(ed25519_public_to_pem(&k, &pem, &err), STATUS_OK);
    assert_true(
        span_starts_with(buf_view(&pem), "-----BEGIN PUBLIC KEY-----\n"));
    struct ed25519_public back;
    assert_int_equal(
        ed25519_public_from_pem(buf_view(&pem), &back, &err), STATUS_OK);
    assert_memory_equal(back.bytes, k.bytes, sizeof(k.bytes));
    buf_fini(&pem);
    buf_init(&pem, 20);
    assert_int_equal(ed25519_public_to_pem(&k, &pem, &err), STATUS_LIMIT);
    assert_int_equal(signer_to_pem(s, &pem, &err), STATUS_LIMIT);
    buf_fini(&pem);
    signer_free(&s);
}

/* A P-256 key and a passphrase-protected Ed25519 key, both for this test. */
static const char p256_private[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghkv8FYWI7jWH2eX1\n"
    "Gyzzm96TXzQOhvZTiWcAp1T/bwihRANCAATYMZK5w/yXiUGWAjFooeP3k12Fqmov\n"
    "qQhCZi9ihXQlmwBcj8vGMzfyxi6KLp/Cnnq5c0B27z5GB6k5llN7p436\n"
    "-----END PRIVATE KEY-----\n";
static const char p256_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAFSwFKm/MSKZ1qzsXKCSHUxNFmXk\n"
    "7OqZmfO8zLoohQeK383JonHYWKUEUjSA2Yxcp8c9nd9ACMC6UrErgjJn0A==\n"
    "-----END PUBLIC KEY-----\n";
static const char locked_private[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhC69IWpG6/BQICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDPhYi60Qd5tcUdA1nQI5Z0EQHjs\n"
    "NbNxBZMXe7+32lOrRd3rInZFXx036IFRS9PU1EjQ2D8jHKAQR0rEiusPcurWUkK8\n"
    "sH5JJIZVpWptiksymcI=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

static void
several_public_keys_are_read_in_order(void **state)
{
    (void)state;
    struct ed25519_public keys[3];
    struct ed25519_public got[4];
    struct buf pem;
    size_t count = 0;
    buf_init(&pem, 4096);
    for (size_t i = 0; i < 3; i++) {
        struct signer *s = NULL;
        assert_int_equal(signer_new(&s, NULL), STATUS_OK);
        keys[i] = signer_public(s);
        signer_free(&s);
        assert_int_equal(
            ed25519_public_to_pem(&keys[i], &pem, NULL), STATUS_OK);
        assert_int_equal(buf_append_str(&pem, "a comment\n"), STATUS_OK);
    }
    assert_int_equal(
        ed25519_publics_from_pem(buf_view(&pem), got, 3, &count, NULL),
        STATUS_OK);
    assert_int_equal(count, 3);
    assert_memory_equal(got, keys, sizeof keys);
    assert_int_equal(
        ed25519_publics_from_pem(buf_view(&pem), got, 2, &count, NULL),
        STATUS_LIMIT);
    /* What is cut or of another kind is no list of keys. */
    const struct span whole = buf_view(&pem);
    assert_int_equal(
        ed25519_publics_from_pem(
            span_of(whole.ptr, whole.len - 40), got, 3, &count, NULL),
        STATUS_INVALID);
    assert_int_equal(
        ed25519_publics_from_pem(SPAN_LIT("nothing"), got, 3, &count, NULL),
        STATUS_INVALID);
    assert_int_equal(buf_append_str(&pem, p256_public), STATUS_OK);
    assert_int_equal(
        ed25519_publics_from_pem(buf_view(&pem), got, 4, &count, NULL),
        STATUS_INVALID);
    assert_int_equal(ERR_peek_error(), 0);
    buf_fini(&pem);
}

static void
other_keys_are_refused(void **state)
{
    (void)state;
    const char *const texts[] = {"", "hello", p256_private, locked_private,
        "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct error err;
        struct signer *s = NULL;
        struct ed25519_public k;
        struct span pem = span_str(texts[i]);
        assert_int_equal(signer_from_pem(pem, &s, &err), STATUS_INVALID);
        assert_null(s);
        assert_non_null(strstr(err.text, "Ed25519"));
        assert_int_equal(
            ed25519_public_from_pem(pem, &k, &err), STATUS_INVALID);
        assert_int_equal(ERR_peek_error(), 0); /* TLS reads that queue */
    }
}

static void
random_bytes_differ_and_fill(void **state)
{
    (void)state;
    uint8_t a[1000] = {0};
    uint8_t b[1000] = {0};
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    /* 32 zero bytes at the end: once in 2^256 */
    static const uint8_t zeros[32];
    assert_memory_not_equal(a + sizeof(a) - 32, zeros, 32);
    random_bytes(a, 0);
}

static void
secrets_compare(void **state)
{
    (void)state;
    assert_true(secret_eq(SPAN_EMPTY, SPAN_EMPTY));
    assert_true(secret_eq(SPAN_LIT("token"), SPAN_LIT("token")));
    assert_false(secret_eq(SPAN_LIT("token"), SPAN_LIT("tokem")));
    assert_false(secret_eq(SPAN_LIT("token"), SPAN_LIT("tokens")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_known_inputs),
        cmocka_unit_test(a_hasher_can_be_looked_at_and_goes_on),
        cmocka_unit_test(signs_as_rfc_8032_does),
        cmocka_unit_test(any_changed_bit_is_found),
        cmocka_unit_test(public_keys_round_trip),
        cmocka_unit_test(several_public_keys_are_read_in_order),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(random_bytes_differ_and_fill),
        cmocka_unit_test(secrets_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
