/* Checkpoints: written as C2SP has them, opened as strictly, and a note of
 * somebody else's making is read too. */
#include "schema/checkpoint.h"

#include "base/base64.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define EM_DASH "\xE2\x80\x94"

static struct signer *signer;
static struct signer *other;

static int
make_signers(void **state)
{
    (void)state;
    return signer_new(&signer, NULL) == STATUS_OK &&
                   signer_new(&other, NULL) == STATUS_OK
               ? 0
               : -1;
}

static int
drop_signers(void **state)
{
    (void)state;
    signer_free(&signer);
    signer_free(&other);
    return 0;
}

static struct checkpoint
sample(void)
{
    struct checkpoint c = {.size = 20852163};
    const struct ed25519_public key = signer_public(signer);
    checkpoint_origin(&key, c.origin);
    memset(c.root.bytes, 0xAB, SHA256_LEN);
    return c;
}

static struct buf
signed_note(const struct checkpoint *c, const struct signer *by)
{
    struct buf note;
    buf_init(&note, CHECKPOINT_TEXT_MAX);
    assert_int_equal(checkpoint_sign(c, by, &note), STATUS_OK);
    return note;
}

static enum status
open_with(struct span note, const struct signer *by, struct checkpoint *out)
{
    const struct ed25519_public key = signer_public(by);
    size_t which = 9;
    const enum status st = checkpoint_open(note, &key, 1, out, &which, NULL);
    assert_int_equal(which, st == STATUS_OK ? 0 : 9);
    return st;
}

static enum status
open_text(const char *note)
{
    struct checkpoint c;
    const struct guard_page g = guard_page_copy(span_str(note));
    const enum status st = open_with(g.bytes, signer, &c);
    struct guard_page to_free = g;
    guard_page_free(&to_free);
    return st;
}

static void
the_origin_is_the_first_keys(void **state)
{
    (void)state;
    /* RFC 8032 7.1, test 1 */
    static const struct ed25519_public key = {
        {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3,
            0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23,
            0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a}};
    char origin[CHECKPOINT_ORIGIN_MAX];
    checkpoint_origin(&key, origin);
    assert_string_equal(origin, "kubetape/21fe31dfa154a261");
}

static void
a_note_has_the_form_of_the_page(void **state)
{
    (void)state;
    const struct checkpoint c = sample();
    struct buf note = signed_note(&c, signer);
    char head[256];
    const int n = snprintf(head, sizeof head,
        "%s\n20852163\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n\n" EM_DASH
        " %s ",
        c.origin, c.origin);
    assert_true(note.len > (size_t)n);
    assert_memory_equal(note.data + note.off, head, (size_t)n);
    /* 4 bytes of key hash and 64 of signature are 92 of base64. */
    assert_int_equal(note.len, (size_t)n + 92 + 1);
    buf_fini(&note);
}

static void
what_was_signed_opens(void **state)
{
    (void)state;
    const struct checkpoint c = sample();
    struct buf note = signed_note(&c, other);
    const struct ed25519_public keys[] = {
        signer_public(signer), signer_public(other)};
    struct checkpoint got;
    size_t which = 9;
    assert_int_equal(
        checkpoint_open(buf_view(&note), keys, 2, &got, &which, NULL),
        STATUS_OK);
    assert_int_equal(which, 1);
    assert_string_equal(got.origin, c.origin);
    assert_int_equal(got.size, c.size);
    assert_memory_equal(&got.root, &c.root, sizeof c.root);
    assert_int_equal(open_with(buf_view(&note), signer, &got), STATUS_DENIED);
    assert_int_equal(checkpoint_parse(buf_view(&note), &got, NULL), STATUS_OK);
    buf_fini(&note);
}

static void
any_changed_bit_is_found(void **state)
{
    (void)state;
    const struct checkpoint c = sample();
    struct buf note = signed_note(&c, signer);
    struct checkpoint got;
    uint8_t *at = note.data + note.off;
    for (size_t i = 0; i < note.len; i++) {
        at[i] ^= (uint8_t)(1u << i % 8);
        assert_int_not_equal(
            open_with(buf_view(&note), signer, &got), STATUS_OK);
        at[i] ^= (uint8_t)(1u << i % 8);
    }
    assert_int_equal(open_with(buf_view(&note), signer, &got), STATUS_OK);
    for (size_t cut = 1; cut <= note.len; cut++) {
        assert_int_equal(open_with(span_of(at, note.len - cut), signer, &got),
            STATUS_INVALID);
    }
    buf_fini(&note);
}

/* A witness adds its line; log and witness need not know each other. */
static void
signatures_of_others_are_passed_over(void **state)
{
    (void)state;
    const struct checkpoint c = sample();
    struct buf note = signed_note(&c, signer);
    struct buf longer;
    struct checkpoint got;
    buf_init(&longer, CHECKPOINT_TEXT_MAX);
    const struct span whole = buf_view(&note);
    const uint8_t *dash = memmem(whole.ptr, whole.len, EM_DASH, 3);
    const size_t text_len = (size_t)(dash - whole.ptr);
    assert_int_equal(
        buf_append(&longer, span_of(whole.ptr, text_len)), STATUS_OK);
    assert_int_equal(
        buf_append_str(&longer, EM_DASH " witness.example AAAAAAE=\n" EM_DASH
                                        " other.example AAAAAAAAAAAAAAAA\n"),
        STATUS_OK);
    assert_int_equal(
        buf_append(&longer, span_of(dash, whole.len - text_len)), STATUS_OK);
    assert_int_equal(open_with(buf_view(&longer), signer, &got), STATUS_OK);
    /* The log's name with another key's hash is somebody else, too. */
    assert_int_equal(open_with(buf_view(&longer), other, &got), STATUS_DENIED);
    buf_fini(&longer);
    buf_fini(&note);
}

/* By name and hash it is ours; it must verify, whoever else signed. */
static void
a_known_signature_that_fails_refuses_the_note(void **state)
{
    (void)state;
    struct checkpoint c = sample();
    struct buf good = signed_note(&c, signer);
    c.size++;
    struct buf newer = signed_note(&c, signer);
    const struct span from = buf_view(&good);
    const uint8_t *dash = memmem(from.ptr, from.len, EM_DASH, 3);
    assert_int_equal(
        buf_append(&newer, span_of(dash, from.len - (size_t)(dash - from.ptr))),
        STATUS_OK);
    assert_int_equal(open_with(buf_view(&newer), signer, &c), STATUS_DENIED);
    buf_fini(&good);
    buf_fini(&newer);
}

#define ROOT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define SIG  "\n" EM_DASH " a AAAAAAE=\n"

static void
forms_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        SIG,
        "a\n1\n" ROOT,
        "a\n1\n" ROOT "\n",
        "a\n1\n" ROOT "\nx\n",
        "a\n1\n" ROOT "\n- a AAAAAAE=\n",
        "a\n1\n" ROOT "\n" EM_DASH "a AAAAAAE=\n",
        "a\n1\n" ROOT "\n" EM_DASH " a\n",
        "a\n1\n" ROOT "\n" EM_DASH "  AAAAAAE=\n",
        "a\n1\n" ROOT "\n" EM_DASH " a+b AAAAAAE=\n",
        "a\n1\n" ROOT "\n" EM_DASH " a AAAAAA==\n", /* no signature in it */
        "a\n1\n" ROOT "\n" EM_DASH " a AAAAAAE\n",
        "a\n1\n" ROOT SIG "x",
        "a\n1\n" ROOT SIG "x\n",
        "\n1\n" ROOT SIG,
        "a\n\n" ROOT SIG,
        "a\n01\n" ROOT SIG,
        "a\n-1\n" ROOT SIG,
        "a\n18446744073709551616\n" ROOT SIG,
        "a\n1\nAAAA\n" SIG,
        "a\n1\n" ROOT "\n" ROOT SIG,
        "a\r\n1\n" ROOT SIG,
        "a\xff\n1\n" ROOT SIG,
        "0123456789012345678901234567890123456789012345678901234567890123\n"
        "1\n" ROOT SIG,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (open_text(bad[i]) != STATUS_INVALID) {
            fail_msg("note %zu was not refused: %s", i, bad[i]);
        }
    }
    static const char *const strangers[] = {
        "a\n1\n" ROOT SIG,
        "a\n0\n" ROOT SIG,
        "a\n18446744073709551615\n" ROOT SIG,
        "a\n1\n" ROOT "extension\nanother\n" SIG,
    };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        assert_int_equal(open_text(strangers[i]), STATUS_DENIED);
    }
}

static void
a_note_longer_than_any_is_refused(void **state)
{
    (void)state;
    static char note[CHECKPOINT_TEXT_MAX + 64];
    size_t at = (size_t)snprintf(note, sizeof note, "a\n1\n" ROOT "%s", SIG);
    while (at <= CHECKPOINT_TEXT_MAX) {
        assert_int_equal(open_text(note), STATUS_DENIED);
        at += (size_t)snprintf(
            note + at, sizeof note - at, EM_DASH " b AAAAAAE=\n");
    }
    assert_int_equal(open_text(note), STATUS_INVALID);
}

/* The key of the example in Go's documentation of the package note. */
static void
verifier_keys_are_gos(void **state)
{
    (void)state;
    struct ed25519_public key;
    struct buf bytes;
    struct buf text;
    buf_init(&bytes, 64);
    buf_init(&text, 256);
    assert_int_equal(
        base64_decode(
            SPAN_LIT("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), &bytes),
        STATUS_OK);
    memcpy(key.bytes, bytes.data + bytes.off + 1, sizeof key.bytes);
    assert_int_equal(
        checkpoint_verifier_key("PeterNeumann", &key, &text), STATUS_OK);
    assert_true(span_eq_str(buf_view(&text),
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
    buf_fini(&bytes);
    buf_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_origin_is_the_first_keys),
        cmocka_unit_test(a_note_has_the_form_of_the_page),
        cmocka_unit_test(what_was_signed_opens),
        cmocka_unit_test(any_changed_bit_is_found),
        cmocka_unit_test(signatures_of_others_are_passed_over),
        cmocka_unit_test(a_known_signature_that_fails_refuses_the_note),
        cmocka_unit_test(forms_that_are_none_are_refused),
        cmocka_unit_test(a_note_longer_than_any_is_refused),
        cmocka_unit_test(verifier_keys_are_gos),
    };
    return cmocka_run_group_tests(tests, make_signers, drop_signers);
}
