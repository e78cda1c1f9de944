#include "base/age_key.h"

#include "base/age_header.h"
#include "tests/support/age_keys.h"
#include "tests/support/test.h"
#include <string.h>

#define IDENTITY       AGE_IDENTITY_A
#define RECIPIENT      AGE_RECIPIENT_A
#define OTHER_IDENTITY AGE_IDENTITY_B

static const uint8_t file_key[AGE_FILE_KEY_LEN + 1] = "YELLOW SUBMARINE";

static struct age_identities *
identities(const char *text)
{
    struct age_identities *ids = NULL;
    struct error err;
    assert_int_equal(
        age_identities_parse(span_str(text), &ids, &err), STATUS_OK);
    return ids;
}

static void
test_recipients(void **state)
{
    (void)state;
    struct age_recipient r;
    assert_int_equal(age_recipient_parse(SPAN_LIT(RECIPIENT), &r), STATUS_OK);
    assert_int_equal(age_recipient_parse(SPAN_LIT(""), &r), STATUS_INVALID);
    assert_int_equal(
        age_recipient_parse(SPAN_LIT(IDENTITY), &r), STATUS_INVALID);
    /* All zeros: everybody would share the secret. */
    assert_int_equal(age_recipient_parse(
                         SPAN_LIT("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
                                  "qqqqqqqqqqqqqq5cu47z"),
                         &r),
        STATUS_INVALID);
}

static void
test_identity_files(void **state)
{
    (void)state;
    static const char *const good[] = {
        IDENTITY,
        IDENTITY "\n",
        "# created: 2026-11-24\n# public key: " RECIPIENT "\n" IDENTITY "\n",
        "\n\n" IDENTITY "\r\n#\n\r\n" OTHER_IDENTITY,
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct age_identities *ids = identities(good[i]);
        age_identities_free(&ids);
        assert_null(ids);
    }
}

static void
test_bad_identity_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status st;
        const char *says;
    } bad[] = {
        {"", STATUS_INVALID, "no identity"},
        {"# nothing\n", STATUS_INVALID, "no identity"},
        {RECIPIENT "\n", STATUS_INVALID, "line 1"},
        {"#\n" IDENTITY "\n" IDENTITY " \n", STATUS_INVALID, "line 3"},
        {"age-secret-key-1egtzvffv20835nwyv6270lxyvk2vknx2mmdkwyklmgr48uawx40q2"
         "p2lm0",
            STATUS_INVALID, "line 1"},
        {"age-encryption.org/v1\n-> scrypt x 18\n", STATUS_UNSUPPORTED,
            "encrypted itself"},
    };
    struct age_identities *ids = NULL;
    struct error err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(
            age_identities_parse(span_str(bad[i].text), &ids, &err), bad[i].st);
        assert_non_null(strstr(err.text, bad[i].says));
        assert_null(strstr(err.text, "SECRET-KEY-1E")); /* never the key */
        assert_null(ids);
    }
}

static void
test_too_many_identities(void **state)
{
    (void)state;
    struct age_identities *ids = NULL;
    struct error err;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < AGE_IDENTITIES_MAX; i++) {
        assert_int_equal(buf_append_str(&text, IDENTITY "\n"), STATUS_OK);
    }
    assert_int_equal(
        age_identities_parse(buf_view(&text), &ids, &err), STATUS_OK);
    age_identities_free(&ids);
    assert_int_equal(buf_append_str(&text, IDENTITY "\n"), STATUS_OK);
    assert_int_equal(
        age_identities_parse(buf_view(&text), &ids, &err), STATUS_LIMIT);
    buf_fini(&text);
}

static void
test_wraps(void **state)
{
    (void)state;
    struct age_recipient r;
    struct buf text;
    struct age_stanza s;
    uint8_t found[AGE_FILE_KEY_LEN];
    buf_init(&text, 4096);
    assert_int_equal(age_recipient_parse(SPAN_LIT(RECIPIENT), &r), STATUS_OK);
    assert_int_equal(age_wrap(&r, file_key, &text), STATUS_OK);
    struct span rest = buf_view(&text);
    assert_true(age_stanza_take(&rest, &s));
    assert_int_equal(rest.len, 0);

    struct age_identities *ids = identities(OTHER_IDENTITY "\n" IDENTITY);
    assert_int_equal(age_unwrap(ids, &s, found), STATUS_OK);
    assert_memory_equal(found, file_key, AGE_FILE_KEY_LEN);
    s.type = SPAN_LIT("grease");
    assert_int_equal(age_unwrap(ids, &s, found), STATUS_NOT_FOUND);
    age_identities_free(&ids);

    ids = identities(OTHER_IDENTITY);
    s.type = SPAN_LIT(AGE_X25519);
    assert_int_equal(age_unwrap(ids, &s, found), STATUS_NOT_FOUND);
    s.argument_count = 2;
    assert_int_equal(age_unwrap(ids, &s, found), STATUS_CORRUPT);
    age_identities_free(&ids);
    buf_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_identity_files),
        cmocka_unit_test(test_bad_identity_files),
        cmocka_unit_test(test_too_many_identities),
        cmocka_unit_test(test_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
