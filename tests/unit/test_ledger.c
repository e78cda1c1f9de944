/* The ledger on the disk: what a commit promises, what a crash leaves, what is
 * refused, and how keys follow one another. */
#include "recorder/ledger.h"

#include "base/file.h"
#include "schema/merkle.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS 4

static char dir[TEMP_DIR_MAX];
static struct signer *signers[KEYS];
static struct log quiet = {.fd = -1, .level = LOG_ERROR};

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(dir);
    quiet.fd = open("/dev/null", O_WRONLY);
    quiet.clock = &clock_system;
    for (size_t i = 0; i < KEYS; i++) {
        if (signer_new(&signers[i], NULL) != STATUS_OK) {
            return -1;
        }
    }
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    (void)close(quiet.fd);
    for (size_t i = 0; i < KEYS; i++) {
        signer_free(&signers[i]);
    }
    return 0;
}

/* --- helpers ------------------------------------------------------------- */

struct heard {
    size_t count;
    struct ledger_leaf last;
    enum ledger_kind kinds[64];
};

static enum status
hear(void *ctx, uint64_t index, const struct ledger_leaf *leaf,
    struct error *err)
{
    struct heard *h = ctx;
    (void)err;
    assert_int_equal(index, h->count);
    h->kinds[h->count++] = leaf->kind;
    h->last = *leaf;
    return STATUS_OK;
}

static enum status
open_by(const struct signer *by, const struct signer *former,
    struct heard *heard, struct ledger **out, struct error *err)
{
    const struct signer *const formers[] = {signers[KEYS - 1], former};
    const struct ledger_options o = {
        .state_dir = dir,
        .signer = by,
        .former = formers,
        .former_count = former != NULL ? 2 : 1,
        .clock = &clock_system,
        .log = &quiet,
    };
    *heard = (struct heard){.count = 0};
    return ledger_open(&o, hear, heard, out, err);
}

static struct ledger *
open_good(size_t by)
{
    struct heard heard;
    struct ledger *l = NULL;
    struct error err = {.text = ""};
    if (open_by(signers[by], NULL, &heard, &l, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    return l;
}

static void
path_of(const char *name, char out[TEMP_DIR_MAX + 32])
{
    (void)snprintf(out, TEMP_DIR_MAX + 32, "%s/ledger/%s", dir, name);
}

static struct buf
read_file(const char *name)
{
    char path[TEMP_DIR_MAX + 32];
    struct buf bytes;
    path_of(name, path);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(file_read(path, &bytes, NULL), STATUS_OK);
    return bytes;
}

static void
write_file(const char *name, struct span bytes)
{
    char path[TEMP_DIR_MAX + 32];
    path_of(name, path);
    assert_int_equal(file_write_atomic(path, bytes, 0600, NULL), STATUS_OK);
}

static void
append_to_leaves(const char *text)
{
    struct buf leaves = read_file("leaves");
    assert_int_equal(buf_append_str(&leaves, text), STATUS_OK);
    write_file("leaves", buf_view(&leaves));
    buf_fini(&leaves);
}

static void
add(struct ledger *l, const char *who)
{
    struct ledger_leaf leaf = {.kind = LEDGER_HOLD};
    leaf.id = uuid_v7(1);
    (void)snprintf(leaf.who, sizeof leaf.who, "%s", who);
    assert_int_equal(ledger_add(l, &leaf, NULL), STATUS_OK);
}

/* What an auditor does: the first lines of `leaves` are the checkpoint's, and
 * `by` signed it. */
static uint64_t
audited_size(const struct signer *by)
{
    struct buf leaves = read_file("leaves");
    struct buf note = read_file("checkpoint");
    const struct ed25519_public key = signer_public(by);
    struct checkpoint c;
    size_t which;
    struct merkle m;
    struct span rest = buf_view(&leaves);
    struct span line;
    merkle_init(&m);
    assert_int_equal(
        checkpoint_open(buf_view(&note), &key, 1, &c, &which, NULL), STATUS_OK);
    while (m.size < c.size) {
        assert_true(span_take_until(&rest, '\n', &line));
        const struct sha256 hash = merkle_leaf_hash(line);
        merkle_add(&m, &hash);
    }
    const struct sha256 root = merkle_root(&m);
    assert_memory_equal(&root, &c.root, sizeof root);
    buf_fini(&leaves);
    buf_fini(&note);
    return c.size;
}

static void
start_over(void)
{
    temp_dir_remove(dir);
    temp_dir_make(dir);
}

/* A ledger of one key and three holds. */
static void
make_ledger(void)
{
    start_over();
    struct ledger *l = open_good(0);
    add(l, "one");
    add(l, "two");
    assert_int_equal(ledger_commit(l, NULL), STATUS_OK);
    add(l, "three");
    assert_int_equal(ledger_commit(l, NULL), STATUS_OK);
    ledger_close(&l);
}

/* --- commits ------------------------------------------------------------- */

static void
a_new_ledger_begins_with_its_key(void **state)
{
    (void)state;
    struct heard heard;
    struct ledger *l = NULL;
    struct stat sb;
    char path[TEMP_DIR_MAX + 32];
    start_over();
    assert_int_equal(open_by(signers[0], NULL, &heard, &l, NULL), STATUS_OK);
    assert_int_equal(heard.count, 0);
    assert_int_equal(ledger_size(l), 1);
    assert_int_equal(audited_size(signers[0]), 1);
    path_of("leaves", path);
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    ledger_close(&l);
    assert_int_equal(open_by(signers[0], NULL, &heard, &l, NULL), STATUS_OK);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.last.kind, LEDGER_KEY);
    const struct ed25519_public key = signer_public(signers[0]);
    assert_memory_equal(&heard.last.key, &key, sizeof key);
    ledger_close(&l);
}

static void
what_was_committed_is_there(void **state)
{
    (void)state;
    struct heard heard;
    struct ledger *l = NULL;
    make_ledger();
    assert_int_equal(audited_size(signers[0]), 4);
    assert_int_equal(open_by(signers[0], NULL, &heard, &l, NULL), STATUS_OK);
    assert_int_equal(heard.count, 4);
    assert_string_equal(heard.last.who, "three");
    assert_true(heard.last.wall_us > 0);
    /* Added and not committed is in nobody's ledger. */
    add(l, "four");
    assert_int_equal(ledger_size(l), 4);
    heard = (struct heard){.count = 0};
    assert_int_equal(ledger_each(l, hear, &heard, NULL), STATUS_OK);
    assert_int_equal(heard.count, 4);
    ledger_close(&l);
    assert_int_equal(audited_size(signers[0]), 4);
    /* To commit nothing signs nothing. */
    struct buf before = read_file("checkpoint");
    l = open_good(0);
    assert_int_equal(ledger_commit(l, NULL), STATUS_OK);
    struct buf after = read_file("checkpoint");
    assert_true(span_eq(buf_view(&before), buf_view(&after)));
    buf_fini(&before);
    buf_fini(&after);
    ledger_close(&l);
}

static void
a_commit_that_fails_is_tried_again(void **state)
{
    (void)state;
    char path[TEMP_DIR_MAX + 32];
    make_ledger();
    struct ledger *l = open_good(0);
    struct buf note = read_file("checkpoint");
    /* A folder in the checkpoint's place: nothing can be renamed over it. */
    path_of("checkpoint", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    add(l, "four");
    assert_int_not_equal(ledger_commit(l, NULL), STATUS_OK);
    assert_int_equal(ledger_size(l), 4);
    add(l, "five");
    assert_int_not_equal(ledger_commit(l, NULL), STATUS_OK);
    assert_int_equal(rmdir(path), 0);
    write_file("checkpoint", buf_view(&note));
    assert_int_equal(audited_size(signers[0]), 4);
    assert_int_equal(ledger_commit(l, NULL), STATUS_OK);
    assert_int_equal(ledger_size(l), 6);
    assert_int_equal(audited_size(signers[0]), 6);
    buf_fini(&note);
    ledger_close(&l);
    l = open_good(0);
    assert_int_equal(ledger_size(l), 6);
    ledger_close(&l);
}

static void
leaves_that_went_missing_stop_commits(void **state)
{
    (void)state;
    char path[TEMP_DIR_MAX + 32];
    struct error err;
    make_ledger();
    struct ledger *l = open_good(0);
    path_of("leaves", path);
    assert_int_equal(truncate(path, 100), 0);
    add(l, "four");
    assert_int_equal(ledger_commit(l, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.text, "was cut to 100 bytes"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ledger_commit(l, &err), STATUS_NOT_FOUND);
    ledger_close(&l);
}

static void
the_batch_has_a_cap(void **state)
{
    (void)state;
    make_ledger();
    struct ledger *l = open_good(0);
    struct ledger_leaf leaf = {.kind = LEDGER_HOLD, .wall_us = 1};
    memset(leaf.why, 'x', sizeof leaf.why - 1);
    size_t added = 0;
    while (ledger_add(l, &leaf, NULL) == STATUS_OK) {
        added++;
        assert_true(added < 100000);
    }
    assert_int_equal(ledger_add(l, &leaf, NULL), STATUS_LIMIT);
    assert_int_equal(ledger_commit(l, NULL), STATUS_OK);
    assert_int_equal(ledger_size(l), 4 + added);
    assert_int_equal(ledger_add(l, &leaf, NULL), STATUS_OK);
    leaf.why[0] = '\xff';
    assert_int_equal(ledger_add(l, &leaf, NULL), STATUS_INVALID);
    ledger_close(&l);
}

/* --- what a crash leaves ------------------------------------------------- */

static void
lines_behind_the_checkpoint_are_cut_off(void **state)
{
    (void)state;
    static const char *const rests[] = {
        "{\"kind\":\"ho", "no leaf at all\n", "a\nb\nc"};
    make_ledger();
    struct buf before = read_file("leaves");
    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        append_to_leaves(rests[i]);
        struct ledger *l = open_good(0);
        assert_int_equal(ledger_size(l), 4);
        struct buf after = read_file("leaves");
        assert_true(span_eq(buf_view(&before), buf_view(&after)));
        buf_fini(&after);
        ledger_close(&l);
    }
    buf_fini(&before);
}

static void
a_crash_at_birth_is_begun_again(void **state)
{
    (void)state;
    char path[TEMP_DIR_MAX + 32];
    start_over();
    struct ledger *l = open_good(0);
    ledger_close(&l);
    struct buf key_line = read_file("leaves");
    path_of("checkpoint", path);
    const size_t lens[] = {0, 10, key_line.len - 1, key_line.len};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        assert_int_equal(unlink(path), 0);
        write_file("leaves", span_of(buf_view(&key_line).ptr, lens[i]));
        l = open_good(1);
        ledger_close(&l);
        assert_int_equal(audited_size(signers[1]), 1);
    }
    buf_fini(&key_line);
}

/* --- what is refused ----------------------------------------------------- */

static void
expect_refusal(enum status code, const char *word)
{
    struct buf leaves = read_file("leaves");
    struct heard heard;
    struct ledger *l = NULL;
    struct error err = {.text = ""};
    assert_int_equal(open_by(signers[0], NULL, &heard, &l, &err), code);
    assert_null(l);
    if (strstr(err.text, word) == NULL || strstr(err.text, dir) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, word);
    }
    struct buf after = read_file("leaves");
    assert_true(span_eq(buf_view(&leaves), buf_view(&after)));
    buf_fini(&leaves);
    buf_fini(&after);
}

static void
replace_in_leaves(const char *from, const char *to)
{
    struct buf leaves = read_file("leaves");
    uint8_t *at =
        memmem(leaves.data + leaves.off, leaves.len, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    write_file("leaves", buf_view(&leaves));
    buf_fini(&leaves);
}

static void
changed_leaves_are_refused(void **state)
{
    (void)state;
    make_ledger();
    replace_in_leaves("\"two\"", "\"owt\"");
    expect_refusal(STATUS_CORRUPT, "not those of the checkpoint");
    make_ledger();
    replace_in_leaves("\"two\"", "\"two ");
    expect_refusal(STATUS_CORRUPT, "line 3");
    make_ledger();
    replace_in_leaves("\"kind\":\"key\"", "\"kind\":\"yek\"");
    expect_refusal(STATUS_CORRUPT, "line 1");
}

static void
missing_leaves_are_refused(void **state)
{
    (void)state;
    make_ledger();
    struct buf leaves = read_file("leaves");
    write_file("leaves", span_of(buf_view(&leaves).ptr, leaves.len - 1));
    expect_refusal(STATUS_CORRUPT, "fewer leaves");
    write_file("leaves", SPAN_EMPTY);
    expect_refusal(STATUS_CORRUPT, "fewer leaves");
    buf_fini(&leaves);
}

static void
leaves_without_a_checkpoint_are_refused(void **state)
{
    (void)state;
    char path[TEMP_DIR_MAX + 32];
    make_ledger();
    path_of("checkpoint", path);
    assert_int_equal(unlink(path), 0);
    expect_refusal(STATUS_CORRUPT, "no checkpoint");
    write_file("checkpoint", SPAN_LIT("junk"));
    expect_refusal(STATUS_CORRUPT, "no checkpoint");
}

static void
foreign_checkpoints_are_refused(void **state)
{
    (void)state;
    make_ledger();
    struct buf note = read_file("checkpoint");
    struct buf foreign;
    struct checkpoint c;
    buf_init(&foreign, CHECKPOINT_TEXT_MAX);
    assert_int_equal(checkpoint_parse(buf_view(&note), &c, NULL), STATUS_OK);
    assert_int_equal(checkpoint_sign(&c, signers[1], &foreign), STATUS_OK);
    write_file("checkpoint", buf_view(&foreign));
    expect_refusal(STATUS_DENIED, "none of the keys");
    buf_clear(&foreign);
    c.origin[sizeof "kubetape/" - 1] = 'x';
    assert_int_equal(checkpoint_sign(&c, signers[0], &foreign), STATUS_OK);
    write_file("checkpoint", buf_view(&foreign));
    expect_refusal(STATUS_CORRUPT, "another ledger's");
    buf_fini(&foreign);
    /* One of the same ledger, of an earlier day: the leaves behind it look
     * like a crash's. Only who kept a later one can tell. */
    write_file("checkpoint", buf_view(&note));
    struct ledger *l = open_good(0);
    assert_int_equal(ledger_size(l), 4);
    ledger_close(&l);
    buf_fini(&note);
}

/* --- keys ---------------------------------------------------------------- */

static void
a_former_key_vouches_for_the_next(void **state)
{
    (void)state;
    struct heard heard;
    struct ledger *l = NULL;
    uint8_t claim[LEDGER_CLAIM_LEN];
    make_ledger();
    assert_int_equal(
        open_by(signers[1], signers[0], &heard, &l, NULL), STATUS_OK);
    assert_int_equal(ledger_size(l), 5);
    assert_int_equal(audited_size(signers[1]), 5);
    const struct ed25519_public first = signer_public(signers[0]);
    const struct ed25519_public second = signer_public(signers[1]);
    ledger_close(&l);
    assert_int_equal(open_by(signers[1], NULL, &heard, &l, NULL), STATUS_OK);
    assert_int_equal(heard.count, 5);
    assert_memory_equal(&heard.last.by, &first, sizeof first);
    ledger_key_claim(&first, &second, claim);
    assert_true(ed25519_verify(
        &first, span_of(claim, sizeof claim), &heard.last.signature));
    ledger_close(&l);
}

static void
without_the_former_key_nobody_vouches(void **state)
{
    (void)state;
    static const struct ed25519_sig none;
    struct heard heard;
    struct ledger *l = NULL;
    char path[TEMP_DIR_MAX + 32];
    make_ledger();
    (void)snprintf(path, sizeof path, "%s/log", dir);
    const int null_fd = quiet.fd;
    quiet.fd = open(path, O_WRONLY | O_CREAT, 0600);
    quiet.level = LOG_WARN;
    l = open_good(1);
    ledger_close(&l);
    assert_int_equal(close(quiet.fd), 0);
    quiet.fd = null_fd;
    quiet.level = LOG_ERROR;
    assert_int_equal(open_by(signers[1], NULL, &heard, &l, NULL), STATUS_OK);
    assert_int_equal(heard.last.kind, LEDGER_KEY);
    assert_memory_equal(&heard.last.signature, &none, sizeof none);
    ledger_close(&l);
    struct buf said;
    buf_init(&said, 4096);
    assert_int_equal(file_read(path, &said, NULL), STATUS_OK);
    assert_non_null(memmem(said.data, said.len, "recorder.former_keys", 20));
    buf_fini(&said);
}

/* With the key that was replaced one cannot sign in the new one's place. */
static void
a_replaced_key_signs_no_more(void **state)
{
    (void)state;
    struct heard heard;
    struct ledger *l = NULL;
    struct checkpoint c;
    make_ledger();
    assert_int_equal(
        open_by(signers[1], signers[0], &heard, &l, NULL), STATUS_OK);
    ledger_close(&l);
    struct buf note = read_file("checkpoint");
    assert_int_equal(checkpoint_parse(buf_view(&note), &c, NULL), STATUS_OK);
    buf_clear(&note);
    assert_int_equal(checkpoint_sign(&c, signers[0], &note), STATUS_OK);
    write_file("checkpoint", buf_view(&note));
    expect_refusal(STATUS_DENIED, "none of the keys");
    buf_fini(&note);
}

/* Signed by the key before, but for another key: the rest would pass. */
static void
a_borrowed_signature_is_refused(void **state)
{
    (void)state;
    struct ledger_leaf leaf = {.kind = LEDGER_KEY,
        .wall_us = 1,
        .key = signer_public(signers[1]),
        .by = signer_public(signers[0])};
    const struct ed25519_public other = signer_public(signers[2]);
    uint8_t claim[LEDGER_CLAIM_LEN];
    make_ledger();
    ledger_key_claim(&leaf.by, &other, claim);
    assert_int_equal(
        signer_sign(signers[0], span_of(claim, sizeof claim), &leaf.signature),
        STATUS_OK);
    struct ledger *l = open_good(0);
    assert_int_equal(ledger_add(l, &leaf, NULL), STATUS_OK);
    assert_int_equal(ledger_commit(l, NULL), STATUS_OK);
    ledger_close(&l);
    expect_refusal(STATUS_CORRUPT, "not signed by the key before");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_ledger_begins_with_its_key),
        cmocka_unit_test(what_was_committed_is_there),
        cmocka_unit_test(a_commit_that_fails_is_tried_again),
        cmocka_unit_test(leaves_that_went_missing_stop_commits),
        cmocka_unit_test(the_batch_has_a_cap),
        cmocka_unit_test(lines_behind_the_checkpoint_are_cut_off),
        cmocka_unit_test(a_crash_at_birth_is_begun_again),
        cmocka_unit_test(changed_leaves_are_refused),
        cmocka_unit_test(missing_leaves_are_refused),
        cmocka_unit_test(leaves_without_a_checkpoint_are_refused),
        cmocka_unit_test(foreign_checkpoints_are_refused),
        cmocka_unit_test(a_former_key_vouches_for_the_next),
        cmocka_unit_test(without_the_former_key_nobody_vouches),
        cmocka_unit_test(a_replaced_key_signs_no_more),
        cmocka_unit_test(a_borrowed_signature_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
