#include "recorder/seal_key.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mode_t
mode_of(const char *dir, const char *name)
{
    char path[512];
    struct stat sb;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &sb), 0);
    return sb.st_mode & 0777;
}

static void
test_made_once(void **state)
{
    (void)state;
    char dir[TEMP_DIR_MAX];
    char path[512];
    struct signer *first = NULL;
    struct signer *second = NULL;
    struct ed25519_public stored;
    struct buf pem;
    temp_dir_make(dir);
    assert_int_equal(seal_key_load(dir, "", &first, NULL), STATUS_OK);
    assert_int_equal(seal_key_load(dir, NULL, &second, NULL), STATUS_OK);
    const struct ed25519_public a = signer_public(first);
    const struct ed25519_public b = signer_public(second);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(seal_key_publish(dir, &a, 1, NULL), STATUS_OK);
    assert_int_equal(mode_of(dir, "keys"), 0700);
    assert_int_equal(mode_of(dir, "keys/seal.pem"), 0600);
    assert_int_equal(mode_of(dir, "keys/seal.pub.pem"), 0644);
    buf_init(&pem, 4096);
    snprintf(path, sizeof path, "%s/keys/seal.pub.pem", dir);
    assert_int_equal(file_read(path, &pem, NULL), STATUS_OK);
    assert_int_equal(
        ed25519_public_from_pem(buf_view(&pem), &stored, NULL), STATUS_OK);
    assert_memory_equal(&a, &stored, sizeof a);
    buf_fini(&pem);
    signer_free(&first);
    signer_free(&second);

    /* one's own, with a mode that lets others read it, then without */
    char own[512];
    snprintf(own, sizeof own, "%s/own.pem", dir);
    snprintf(path, sizeof path, "%s/keys/seal.pem", dir);
    assert_int_equal(rename(path, own), 0);
    assert_int_equal(chmod(own, 0640), 0);
    assert_int_equal(
        seal_key_load(dir, "own.pem", &first, NULL), STATUS_DENIED);
    assert_int_equal(chmod(own, 0600), 0);
    assert_int_equal(seal_key_load(dir, own, &first, NULL), STATUS_OK);
    const struct ed25519_public c = signer_public(first);
    assert_memory_equal(&a, &c, sizeof a);
    signer_free(&first);
    /* a key that was asked for is never made */
    assert_int_equal(
        seal_key_load(dir, "missing.pem", &first, NULL), STATUS_NOT_FOUND);
    assert_int_equal(
        file_write_atomic(path, SPAN_LIT("junk"), 0600, NULL), STATUS_OK);
    assert_int_not_equal(seal_key_load(dir, "", &first, NULL), STATUS_OK);
    temp_dir_remove(dir);
}

static void
test_former_keys(void **state)
{
    (void)state;
    char dir[TEMP_DIR_MAX];
    char path[512];
    struct signer *signers[2] = {NULL, NULL};
    struct ed25519_public keys[2];
    struct ed25519_public stored[2];
    struct buf pem;
    size_t count = 0;
    temp_dir_make(dir);
    assert_int_equal(seal_key_load(dir, "", &signers[0], NULL), STATUS_OK);
    assert_int_equal(
        seal_key_load_former(dir, "keys/old.pem", &signers[1], NULL),
        STATUS_NOT_FOUND);
    assert_int_equal(
        seal_key_load_former(dir, "keys/seal.pem", &signers[1], NULL),
        STATUS_OK);
    keys[0] = signer_public(signers[0]);
    keys[1] = signer_public(signers[1]);
    assert_memory_equal(&keys[0], &keys[1], sizeof keys[0]);
    keys[1].bytes[0] ^= 1; /* any 32 bytes are a key to PEM */
    assert_int_equal(seal_key_publish(dir, keys, 2, NULL), STATUS_OK);
    buf_init(&pem, 4096);
    snprintf(path, sizeof path, "%s/keys/seal.pub.pem", dir);
    assert_int_equal(file_read(path, &pem, NULL), STATUS_OK);
    assert_int_equal(
        ed25519_publics_from_pem(buf_view(&pem), stored, 2, &count, NULL),
        STATUS_OK);
    assert_int_equal(count, 2);
    assert_memory_equal(stored, keys, sizeof keys);
    /* what it held stays, behind */
    assert_int_equal(seal_key_publish(dir, &keys[1], 1, NULL), STATUS_OK);
    buf_clear(&pem);
    assert_int_equal(file_read(path, &pem, NULL), STATUS_OK);
    assert_int_equal(
        ed25519_publics_from_pem(buf_view(&pem), stored, 2, &count, NULL),
        STATUS_OK);
    assert_int_equal(count, 2);
    assert_memory_equal(&stored[0], &keys[1], sizeof stored[0]);
    assert_memory_equal(&stored[1], &keys[0], sizeof stored[1]);
    buf_fini(&pem);
    signer_free(&signers[0]);
    signer_free(&signers[1]);
    temp_dir_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_once), cmocka_unit_test(test_former_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
