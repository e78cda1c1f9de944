/* A seal's 316 bytes: RECORDING.md, "Seals", has the same table in words.
 *
 * Every byte in front of the signature is signed: the skippable head, so that
 * nothing can pose as a seal of another length, and the magic string, so that
 * no other signature of the same key can be taken for a seal's. There is
 * no padding but three zero bytes, and they are checked, so that one seal has
 * one encoding.
 */
#include "schema/seal.h"

#include "schema/be.h"

#include <assert.h>
#include <string.h>

static const char magic[] = "KUBETAPE-SEAL-1"; /* with its NUL 16 bytes */

enum {
    SEAL_ZSTD_MAGIC = 0, /* the two little-endian fields of the format */
    SEAL_ZSTD_LEN = 4,
    SEAL_MAGIC = 8,
    SEAL_ID = 24,
    SEAL_SEQUENCE = 40,
    SEAL_FLAGS = 44, /* then three zero bytes */
    SEAL_TEXT_LEN = 48,
    SEAL_TEXT_HASH = 56,
    SEAL_PREVIOUS = 88,
    SEAL_WALL = 120,
    SEAL_WORKER = 128,
    SEAL_NEXT_LSN = 144,
    SEAL_SESSION = 152,
    SEAL_OPEN_MONO = 160,
    SEAL_LAST_TIME = 168,
    SEAL_BYTES = 176,
    SEAL_CARRY = 200,
    SEAL_CARRY_LEN = 209,
    SEAL_STREAM = 212,
    SEAL_IS_BINARY = 213,
    SEAL_WIDTH = 216,
    SEAL_HEIGHT = 218,
    SEAL_KEY = 220,
    SEAL_SIGNATURE = 252,
};

#define ZSTD_HEAD_LEN 8u
#define FLAG_FINAL    1u
#define CARRY_MAX     3u

static_assert(sizeof magic == SEAL_ID - SEAL_MAGIC, "magic fills its place");
static_assert(SEAL_SIGNATURE + ED25519_SIG_LEN == SEAL_FRAME_LEN, "layout");

/* The eight bytes that tell zstd readers to step over the rest. */
static void
put_zstd_head(uint8_t *frame)
{
    const uint32_t rest = SEAL_FRAME_LEN - ZSTD_HEAD_LEN;
    for (unsigned i = 0; i < 4; i++) {
        frame[SEAL_ZSTD_MAGIC + i] = (uint8_t)(SEAL_FRAME_MAGIC >> 8 * i);
        frame[SEAL_ZSTD_LEN + i] = (uint8_t)(rest >> 8 * i);
    }
}

static void
put_writer(const struct seal_writer *w, uint8_t *frame)
{
    memcpy(frame + SEAL_WORKER, w->worker.bytes, sizeof w->worker.bytes);
    be_store_u64(frame + SEAL_NEXT_LSN, w->next_lsn);
    be_store_u64(frame + SEAL_SESSION, w->session);
    be_store_u64(frame + SEAL_OPEN_MONO, w->open_mono_ns);
    be_store_u64(frame + SEAL_LAST_TIME, w->last_time_us);
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        assert(w->carry_len[i] <= CARRY_MAX);
        be_store_u64(frame + SEAL_BYTES + 8 * i, w->bytes[i]);
        memcpy(
            frame + SEAL_CARRY + CARRY_MAX * i, w->carry[i], w->carry_len[i]);
        frame[SEAL_CARRY_LEN + i] = w->carry_len[i];
        frame[SEAL_IS_BINARY + i] = w->is_binary[i];
    }
    frame[SEAL_STREAM] = w->stream;
    be_store_u16(frame + SEAL_WIDTH, w->width);
    be_store_u16(frame + SEAL_HEIGHT, w->height);
}

static void
put_seal(const struct seal *s, uint8_t *frame)
{
    memset(frame, 0, SEAL_FRAME_LEN);
    put_zstd_head(frame);
    memcpy(frame + SEAL_MAGIC, magic, sizeof magic);
    memcpy(frame + SEAL_ID, s->id.bytes, sizeof s->id.bytes);
    be_store_u32(frame + SEAL_SEQUENCE, s->sequence);
    frame[SEAL_FLAGS] = s->is_final ? FLAG_FINAL : 0;
    be_store_u64(frame + SEAL_TEXT_LEN, s->text_len);
    memcpy(frame + SEAL_TEXT_HASH, s->text_hash.bytes, SHA256_LEN);
    memcpy(frame + SEAL_PREVIOUS, s->previous.bytes, SHA256_LEN);
    be_store_u64(frame + SEAL_WALL, (uint64_t)s->wall_us);
    put_writer(&s->writer, frame);
    memcpy(frame + SEAL_KEY, s->key.bytes, ED25519_KEY_LEN);
}

static struct span
signed_part(const uint8_t *frame)
{
    return span_of(frame, SEAL_SIGNATURE);
}

enum status
seal_sign(struct seal *s, const struct signer *signer,
    uint8_t frame_out[SEAL_FRAME_LEN])
{
    s->key = signer_public(signer);
    put_seal(s, frame_out);
    const enum status st =
        signer_sign(signer, signed_part(frame_out), &s->signature);
    if (st == STATUS_OK) {
        memcpy(frame_out + SEAL_SIGNATURE, s->signature.bytes, ED25519_SIG_LEN);
    }
    return st;
}

static void
get_writer(const uint8_t *frame, struct seal_writer *w)
{
    memcpy(w->worker.bytes, frame + SEAL_WORKER, sizeof w->worker.bytes);
    w->next_lsn = be_load_u64(frame + SEAL_NEXT_LSN);
    w->session = be_load_u64(frame + SEAL_SESSION);
    w->open_mono_ns = be_load_u64(frame + SEAL_OPEN_MONO);
    w->last_time_us = be_load_u64(frame + SEAL_LAST_TIME);
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        w->bytes[i] = be_load_u64(frame + SEAL_BYTES + 8 * i);
        memcpy(w->carry[i], frame + SEAL_CARRY + CARRY_MAX * i, CARRY_MAX);
        w->carry_len[i] = frame[SEAL_CARRY_LEN + i];
        w->is_binary[i] = frame[SEAL_IS_BINARY + i] != 0;
    }
    w->stream = frame[SEAL_STREAM];
    w->width = be_load_u16(frame + SEAL_WIDTH);
    w->height = be_load_u16(frame + SEAL_HEIGHT);
}

static void
get_seal(const uint8_t *frame, struct seal *s)
{
    memcpy(s->id.bytes, frame + SEAL_ID, sizeof s->id.bytes);
    s->sequence = be_load_u32(frame + SEAL_SEQUENCE);
    s->is_final = frame[SEAL_FLAGS] == FLAG_FINAL;
    s->text_len = be_load_u64(frame + SEAL_TEXT_LEN);
    memcpy(s->text_hash.bytes, frame + SEAL_TEXT_HASH, SHA256_LEN);
    memcpy(s->previous.bytes, frame + SEAL_PREVIOUS, SHA256_LEN);
    s->wall_us = (int64_t)be_load_u64(frame + SEAL_WALL);
    get_writer(frame, &s->writer);
    memcpy(s->key.bytes, frame + SEAL_KEY, ED25519_KEY_LEN);
    memcpy(s->signature.bytes, frame + SEAL_SIGNATURE, ED25519_SIG_LEN);
}

static bool
is_sound(const struct seal_writer *w)
{
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        if (w->carry_len[i] > CARRY_MAX) {
            return false;
        }
    }
    return w->stream < STREAM_COUNT;
}

enum status
seal_decode(struct span frame, struct seal *out, struct error *err)
{
    if (frame.len != SEAL_FRAME_LEN) {
        return error_set(err, STATUS_INVALID, "a seal has %u bytes, not %zu",
            SEAL_FRAME_LEN, frame.len);
    }
    struct seal s = {0};
    get_seal(frame.ptr, &s);
    if (!is_sound(&s.writer)) {
        return error_set(err, STATUS_INVALID, "no seal: a field out of range");
    }
    /* Written again it must be the same bytes: that checks magic, lengths,
     * flags and everything that has to be zero at once. */
    uint8_t again[SEAL_FRAME_LEN];
    put_seal(&s, again);
    if (memcmp(again, frame.ptr, SEAL_SIGNATURE) != 0) {
        return error_set(err, STATUS_INVALID, "no seal, or a later version's");
    }
    *out = s;
    return STATUS_OK;
}

bool
seal_verify(struct span frame, const struct ed25519_public *key)
{
    struct seal s;
    return seal_decode(frame, &s, NULL) == STATUS_OK &&
           memcmp(s.key.bytes, key->bytes, ED25519_KEY_LEN) == 0 &&
           ed25519_verify(key, signed_part(frame.ptr), &s.signature);
}

enum status
seal_check(struct span frame, const struct ed25519_public *key)
{
    struct seal s;
    if (seal_decode(frame, &s, NULL) != STATUS_OK ||
        memcmp(s.key.bytes, key->bytes, ED25519_KEY_LEN) != 0) {
        return STATUS_CORRUPT;
    }
    return ed25519_check(key, signed_part(frame.ptr), &s.signature);
}

struct sha256
seal_hash(struct span frame)
{
    return sha256_of(frame);
}
