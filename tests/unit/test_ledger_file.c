/* Reading a ledger's files as an auditor does: up to the checkpoint, whatever
 * stands behind it. */
#include "player/ledger_file.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static char dir[TEMP_DIR_MAX];
static struct signer *signer;

static int
make_dir(void **state)
{
    (void)state;
    temp_dir_make(dir);
    return signer_new(&signer, NULL) == STATUS_OK ? 0 : -1;
}

static int
remove_dir(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    signer_free(&signer);
    return 0;
}

static void
put(const char *name, struct span bytes)
{
    char path[TEMP_DIR_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/ledger", dir);
    assert_int_equal(file_make_dirs(path, 0700, NULL), STATUS_OK);
    (void)snprintf(path, sizeof path, "%s/ledger/%s", dir, name);
    assert_int_equal(file_write_atomic(path, bytes, 0600, NULL), STATUS_OK);
}

static void
put_checkpoint(uint64_t size, struct sha256 root)
{
    struct checkpoint c = {.size = size, .root = root, .origin = "kubetape/x"};
    struct buf note;
    buf_init(&note, CHECKPOINT_TEXT_MAX);
    assert_int_equal(checkpoint_sign(&c, signer, &note), STATUS_OK);
    put("checkpoint", buf_view(&note));
    buf_fini(&note);
}

#define HOLD                                                          \
    "{\"kind\":\"hold\",\"time\":0,\"id\":\"019ab809-b7e0-7000-8000-" \
    "000000000001\",\"who\":\"alice\",\"why\":\"case 7\"}"
#define LATER "{\"kind\":\"view\"}"

static struct sha256
root_of_two(void)
{
    struct merkle m;
    merkle_init(&m);
    const struct sha256 first = merkle_leaf_hash(SPAN_LIT(HOLD));
    const struct sha256 second = merkle_leaf_hash(SPAN_LIT(LATER));
    merkle_add(&m, &first);
    merkle_add(&m, &second);
    return merkle_root(&m);
}

static void
leaves_are_read_up_to_the_checkpoint(void **state)
{
    (void)state;
    struct ledger_file *f = NULL;
    struct ledger_file_leaf leaf;
    bool has = false;
    const struct sha256 root = root_of_two();
    put_checkpoint(2, root);
    put("leaves", SPAN_LIT(HOLD "\n" LATER "\n" HOLD "\n" HOLD));
    assert_int_equal(ledger_file_open(dir, &f, NULL), STATUS_OK);
    assert_int_equal(ledger_file_checkpoint(f)->size, 2);
    assert_true(span_starts_with(ledger_file_note(f), "kubetape/x\n2\n"));
    assert_int_equal(ledger_file_next(f, &leaf, &has, NULL), STATUS_OK);
    assert_true(has && leaf.index == 0 && leaf.is_understood);
    assert_int_equal(leaf.leaf.kind, LEDGER_HOLD);
    assert_true(span_eq_str(leaf.line, HOLD));
    /* What a later version wrote is hashed all the same. */
    assert_int_equal(ledger_file_next(f, &leaf, &has, NULL), STATUS_OK);
    assert_true(has && leaf.index == 1 && !leaf.is_understood);
    assert_int_equal(ledger_file_next(f, &leaf, &has, NULL), STATUS_OK);
    assert_false(has);
    const struct sha256 got = ledger_file_root(f);
    assert_memory_equal(&got, &root, sizeof root);
    ledger_file_close(&f);
}

static void
missing_leaves_are_damage(void **state)
{
    (void)state;
    struct ledger_file *f = NULL;
    struct ledger_file_leaf leaf;
    struct error err;
    bool has = false;
    put_checkpoint(2, root_of_two());
    put("leaves", SPAN_LIT(HOLD "\n" LATER)); /* half a line is none */
    assert_int_equal(ledger_file_open(dir, &f, NULL), STATUS_OK);
    assert_int_equal(ledger_file_next(f, &leaf, &has, NULL), STATUS_OK);
    assert_int_equal(ledger_file_next(f, &leaf, &has, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.text, "1 leaves, its checkpoint says 2"));
    ledger_file_close(&f);
}

static void
no_ledger_is_said(void **state)
{
    (void)state;
    struct ledger_file *f = NULL;
    struct error err;
    put("checkpoint", SPAN_LIT("no note\n"));
    put("leaves", SPAN_EMPTY);
    assert_int_equal(ledger_file_open(dir, &f, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "/ledger/checkpoint: "));
    temp_dir_remove(dir);
    temp_dir_make(dir);
    assert_int_equal(ledger_file_open(dir, &f, NULL), STATUS_NOT_FOUND);
    assert_null(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_are_read_up_to_the_checkpoint),
        cmocka_unit_test(missing_leaves_are_damage),
        cmocka_unit_test(no_ledger_is_said),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
