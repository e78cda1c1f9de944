/* The worked example of LEDGER.md, held to the code: four leaves, among them
 * one of the golden recording's, and the checkpoints before and after the key
 * is changed. What is made here must stand in the page, line by line. */
#include "base/file.h"
#include "schema/checkpoint.h"
#include "schema/ledger.h"
#include "schema/merkle.h"
#include "schema/seal.h"
#include "tests/support/test.h"

#include <string.h>

#define SEEK_TABLE_LEN 41

/* RFC 8032 7.1, tests 1 and 2. */
static const char first_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
static const char second_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
    "-----END PRIVATE KEY-----\n";

static struct signer *first;
static struct signer *second;
static struct buf page;
static struct buf recording;
static struct merkle tree;

static int
read_all(void **state)
{
    (void)state;
    buf_init(&page, 1 << 20);
    buf_init(&recording, 1 << 16);
    merkle_init(&tree);
    const bool ok =
        signer_from_pem(span_str(first_pem), &first, NULL) == STATUS_OK &&
        signer_from_pem(span_str(second_pem), &second, NULL) == STATUS_OK &&
        file_read(SCHEMA_DIR "/LEDGER.md", &page, NULL) == STATUS_OK &&
        file_read(GOLDEN_DIR "/example.cast.zst", &recording, NULL) ==
            STATUS_OK;
    return ok ? 0 : -1;
}

static int
drop_all(void **state)
{
    (void)state;
    buf_fini(&page);
    buf_fini(&recording);
    signer_free(&first);
    signer_free(&second);
    return 0;
}

static void
assert_in_page(struct span bytes)
{
    const struct span text = buf_view(&page);
    if (memmem(text.ptr, text.len, bytes.ptr, bytes.len) == NULL) {
        fail_msg(
            "not in LEDGER.md:\n%.*s", (int)bytes.len, (const char *)bytes.ptr);
    }
}

static void
add(const struct ledger_leaf *l)
{
    struct buf line;
    buf_init(&line, LEDGER_LEAF_MAX);
    assert_int_equal(ledger_leaf_encode(l, &line), STATUS_OK);
    assert_in_page(buf_view(&line));
    const struct sha256 hash =
        merkle_leaf_hash(span_of(buf_view(&line).ptr, line.len - 1));
    merkle_add(&tree, &hash);
    buf_fini(&line);
}

static void
check_checkpoint(const struct signer *by)
{
    struct checkpoint c = {.size = tree.size, .root = merkle_root(&tree)};
    const struct ed25519_public first_key = signer_public(first);
    const struct ed25519_public key = signer_public(by);
    struct buf text;
    buf_init(&text, CHECKPOINT_TEXT_MAX);
    checkpoint_origin(&first_key, c.origin);
    assert_int_equal(checkpoint_sign(&c, by, &text), STATUS_OK);
    assert_in_page(buf_view(&text));
    buf_clear(&text);
    assert_int_equal(checkpoint_verifier_key(c.origin, &key, &text), STATUS_OK);
    assert_in_page(buf_view(&text));
    buf_fini(&text);
}

static void
add_recording(const struct uuid *id)
{
    struct ledger_leaf l = {.kind = LEDGER_RECORDING,
        .wall_us = 1764024241500000,
        .id = *id,
        .file = "recordings/2025/11/24/"
                "019ab809-b7e0-7000-8000-000000000001.cast.zst"};
    const struct span file = buf_view(&recording);
    const struct span seal_frame = span_of(
        file.ptr + file.len - SEEK_TABLE_LEN - SEAL_FRAME_LEN, SEAL_FRAME_LEN);
    struct seal last;
    assert_int_equal(seal_decode(seal_frame, &last, NULL), STATUS_OK);
    assert_true(last.is_final);
    l.text_len = last.text_len;
    l.text_hash = last.text_hash;
    l.file_len = file.len;
    l.file_hash = sha256_of(file);
    l.last_seal = seal_hash(seal_frame);
    add(&l);
}

static void
add_new_key(void)
{
    struct ledger_leaf l = {.kind = LEDGER_KEY,
        .wall_us = 1764110641000000,
        .key = signer_public(second),
        .by = signer_public(first)};
    uint8_t claim[LEDGER_CLAIM_LEN];
    ledger_key_claim(&l.by, &l.key, claim);
    assert_int_equal(
        signer_sign(first, span_of(claim, sizeof claim), &l.signature),
        STATUS_OK);
    add(&l);
}

static void
the_page_is_what_the_code_writes(void **state)
{
    (void)state;
    struct uuid id;
    assert_true(
        uuid_parse(SPAN_LIT("019ab809-b7e0-7000-8000-000000000001"), &id));
    add(&(struct ledger_leaf){.kind = LEDGER_KEY,
        .wall_us = 1764024236000000,
        .key = signer_public(first)});
    add_recording(&id);
    check_checkpoint(first);
    add(&(struct ledger_leaf){.kind = LEDGER_HOLD,
        .wall_us = 1764024300000000,
        .id = id,
        .who = "alice",
        .why = "case 7"});
    add_new_key();
    check_checkpoint(second);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_what_the_code_writes),
    };
    return cmocka_run_group_tests(tests, read_all, drop_all);
}
