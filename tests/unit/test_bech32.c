#include "base/bech32.h"

#include "tests/support/age_keys.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"
#include <string.h>

/* The example of the age format's own documentation. */
#define RECIPIENT \
    "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
#define IDENTITY AGE_IDENTITY_A

static enum status
decode(const char *text, const char *prefix, uint8_t *dst, size_t len)
{
    struct guard_page g = guard_page_copy(span_str(text));
    const enum status st = bech32_decode(g.bytes, prefix, dst, len);
    guard_page_free(&g);
    return st;
}

static void
test_decodes(void **state)
{
    (void)state;
    static const uint8_t known[] = {0x13, 0x2c, 0x44, 0x2b, 0xe0, 0x10};
    uint8_t bytes[32];
    assert_int_equal(decode(RECIPIENT, "age", bytes, 32), STATUS_OK);
    assert_memory_equal(bytes, known, sizeof known);
    assert_int_equal(decode(IDENTITY, "AGE-SECRET-KEY-", bytes, 32), STATUS_OK);
    /* BIP 173: valid strings, of data that is not a whole key. */
    assert_int_equal(decode("a12uel5l", "a", bytes, 0), STATUS_OK);
    assert_int_equal(decode("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
                         "abcdef", bytes, 20),
        STATUS_OK);
    static const uint8_t counted[] = {0x00, 0x44, 0x32, 0x14, 0xc7};
    assert_memory_equal(bytes, counted, sizeof counted);
}

static void
test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "age",
        "age1",
        "age1zvkyg",
        /* a character changed, dropped, doubled, swapped */
        "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwq",
        "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujw",
        "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwjj",
        "age1vzkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
        /* no character of the alphabet */
        "age1bvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
        /* case */
        "AGE1ZVKYG2LQZRAA2LNJVQEJ32NKUU0UES2S82HZRYE869XEEXVN73EQUNUJWJ",
        "age1Zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
        "Age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
        /* of something else */
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        IDENTITY,
        /* space around */
        " " RECIPIENT,
        RECIPIENT "\n",
    };
    uint8_t bytes[32];
    static const uint8_t zeros[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(bytes, 0xee, sizeof bytes);
        assert_int_equal(decode(bad[i], "age", bytes, 32), STATUS_INVALID);
        assert_memory_equal(bytes, zeros, sizeof bytes);
    }
    assert_int_equal(decode(RECIPIENT, "age", bytes, 31), STATUS_INVALID);
    assert_int_equal(decode(RECIPIENT, "ag", bytes, 32), STATUS_INVALID);
    /* Bech32m's checksum, BIP 350. */
    assert_int_equal(decode("a1lqfn3a", "a", bytes, 0), STATUS_INVALID);
    /* Five bits of padding, and padding that is not zero. */
    assert_int_equal(decode("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
                         "abcdef", bytes, 19),
        STATUS_INVALID);
}

/* BIP 173: any error of up to four characters is found; so is every one. */
static void
test_every_character_counts(void **state)
{
    (void)state;
    char text[] = RECIPIENT;
    uint8_t bytes[32];
    for (size_t i = 0; text[i] != '\0'; i++) {
        const char was = text[i];
        for (const char *c = "qpzry9x8gf2tvdw0s3jn54khce6mua7l1"; *c != '\0';
             c++) {
            text[i] = *c;
            assert_int_equal(bech32_decode(span_str(text), "age", bytes, 32),
                *c == was ? STATUS_OK : STATUS_INVALID);
        }
        text[i] = was;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_every_character_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
