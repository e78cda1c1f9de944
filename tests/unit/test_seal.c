/* Seals: the layout byte by byte, every changed bit found, no second encoding
 * of the same seal. */
#include "schema/be.h"
#include "schema/seal.h"
#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <string.h>

static struct signer *signer;

static int
make_signer(void **state)
{
    (void)state;
    return signer_new(&signer, NULL) == STATUS_OK ? 0 : -1;
}

static int
drop_signer(void **state)
{
    (void)state;
    signer_free(&signer);
    return 0;
}

static struct seal
sample(void)
{
    struct seal s = {
        .sequence = 7,
        .is_final = true,
        .text_len = 0x0102030405060708,
        .wall_us = 1764024236000001,
        .writer =
            {
                .next_lsn = 0x1111111111111111,
                .session = 0x2222222222222222,
                .open_mono_ns = 0x3333333333333333,
                .last_time_us = 0x4444444444444444,
                .bytes = {10, 20, 30},
                .carry = {{0xE2, 0x82}, {0xF0, 0x9F, 0x98}, {0}},
                .carry_len = {2, 3, 0},
                .stream = STREAM_STDERR,
                .is_binary = {false, false, true},
                .width = 132,
                .height = 43,
            },
    };
    memset(s.id.bytes, 0xA1, sizeof s.id.bytes);
    memset(s.text_hash.bytes, 0xB2, SHA256_LEN);
    memset(s.previous.bytes, 0xC3, SHA256_LEN);
    memset(s.writer.worker.bytes, 0xD4, sizeof s.writer.worker.bytes);
    return s;
}

static void
frame_has_the_layout_of_the_page(void **state)
{
    (void)state;
    uint8_t f[SEAL_FRAME_LEN];
    struct seal s = sample();
    assert_int_equal(seal_sign(&s, signer, f), STATUS_OK);
    assert_memory_equal(f, "\x57\x2A\x4D\x18\x34\x01\0\0KUBETAPE-SEAL-1\0", 24);
    assert_memory_equal(f + 24, s.id.bytes, 16);
    assert_int_equal(be_load_u32(f + 40), 7);
    assert_memory_equal(f + 44, "\1\0\0\0", 4);
    assert_int_equal(be_load_u64(f + 48), s.text_len);
    assert_memory_equal(f + 56, s.text_hash.bytes, 32);
    assert_memory_equal(f + 88, s.previous.bytes, 32);
    assert_int_equal(be_load_u64(f + 120), s.wall_us);
    assert_memory_equal(f + 128, s.writer.worker.bytes, 16);
    assert_int_equal(be_load_u64(f + 144), s.writer.next_lsn);
    assert_int_equal(be_load_u64(f + 152), s.writer.session);
    assert_int_equal(be_load_u64(f + 160), s.writer.open_mono_ns);
    assert_int_equal(be_load_u64(f + 168), s.writer.last_time_us);
    assert_int_equal(be_load_u64(f + 176), 10);
    assert_int_equal(be_load_u64(f + 184), 20);
    assert_int_equal(be_load_u64(f + 192), 30);
    assert_memory_equal(f + 200, "\xE2\x82\0\xF0\x9F\x98\0\0\0", 9);
    assert_memory_equal(f + 209, "\2\3\0\2\0\0\1", 7);
    assert_int_equal(be_load_u16(f + 216), 132);
    assert_int_equal(be_load_u16(f + 218), 43);
    const struct ed25519_public key = signer_public(signer);
    assert_memory_equal(f + 220, key.bytes, 32);
    assert_memory_equal(f + 252, s.signature.bytes, 64);
    assert_true(ed25519_verify(&key, span_of(f, 252), &s.signature));
}

static void
seal_survives_the_round_trip(void **state)
{
    (void)state;
    uint8_t f[SEAL_FRAME_LEN];
    uint8_t again[SEAL_FRAME_LEN];
    struct seal s = sample();
    assert_int_equal(seal_sign(&s, signer, f), STATUS_OK);
    struct guard_page g = guard_page_copy(span_of(f, sizeof f));
    struct seal got;
    assert_int_equal(seal_decode(g.bytes, &got, NULL), STATUS_OK);
    guard_page_free(&g);
    /* Ed25519 is deterministic: what was read, signed again, is the frame. */
    assert_int_equal(seal_sign(&got, signer, again), STATUS_OK);
    assert_memory_equal(f, again, sizeof f);
    assert_int_equal(got.sequence, 7);
    assert_true(got.is_final);
    assert_int_equal(got.writer.carry_len[STREAM_STDOUT], 3);
    assert_true(got.writer.is_binary[STREAM_STDERR]);
    assert_int_equal(got.writer.stream, STREAM_STDERR);
}

static void
any_changed_bit_breaks_the_signature(void **state)
{
    (void)state;
    uint8_t f[SEAL_FRAME_LEN];
    struct seal s = sample();
    assert_int_equal(seal_sign(&s, signer, f), STATUS_OK);
    const struct span frame = span_of(f, sizeof f);
    const struct ed25519_public key = signer_public(signer);
    const struct sha256 hash = seal_hash(frame);
    assert_true(seal_verify(frame, &key));
    for (size_t i = 0; i < sizeof f; i++) {
        f[i] ^= (uint8_t)(1u << i % 8);
        const struct sha256 other = seal_hash(frame);
        assert_false(seal_verify(frame, &key));
        assert_memory_not_equal(hash.bytes, other.bytes, SHA256_LEN);
        f[i] ^= (uint8_t)(1u << i % 8);
    }
    assert_true(seal_verify(frame, &key));
}

static void
another_key_does_not_verify(void **state)
{
    (void)state;
    uint8_t f[SEAL_FRAME_LEN];
    struct seal s = sample();
    struct signer *other = NULL;
    assert_int_equal(signer_new(&other, NULL), STATUS_OK);
    assert_int_equal(seal_sign(&s, other, f), STATUS_OK);
    const struct ed25519_public key = signer_public(signer);
    const struct ed25519_public right = signer_public(other);
    assert_true(seal_verify(span_of(f, sizeof f), &right));
    assert_false(seal_verify(span_of(f, sizeof f), &key));
    signer_free(&other);
}

static void
what_no_writer_makes_is_no_seal(void **state)
{
    (void)state;
    const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 0x58},
        {4, 0x33},
        {8, 'k'},
        {22, '2'},
        {44, 2},
        {44, 3},
        {45, 1},
        {47, 1},
        {202, 1},
        {206, 1},
        {209, 4},
        {211, 0xFF},
        {212, 3},
        {213, 2},
    };
    struct seal s = sample();
    struct seal got;
    uint8_t f[SEAL_FRAME_LEN];
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_int_equal(seal_sign(&s, signer, f), STATUS_OK);
        f[changes[i].at] = changes[i].value;
        assert_int_equal(
            seal_decode(span_of(f, sizeof f), &got, NULL), STATUS_INVALID);
    }
    assert_int_equal(seal_sign(&s, signer, f), STATUS_OK);
    for (size_t len = 0; len < sizeof f; len++) {
        struct error err;
        struct guard_page g = guard_page_copy(span_of(f, len));
        assert_int_equal(seal_decode(g.bytes, &got, &err), STATUS_INVALID);
        assert_false(seal_verify(g.bytes, &s.key));
        guard_page_free(&g);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_has_the_layout_of_the_page),
        cmocka_unit_test(seal_survives_the_round_trip),
        cmocka_unit_test(any_changed_bit_breaks_the_signature),
        cmocka_unit_test(another_key_does_not_verify),
        cmocka_unit_test(what_no_writer_makes_is_no_seal),
    };
    return cmocka_run_group_tests(tests, make_signer, drop_signer);
}
