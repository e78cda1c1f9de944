/* See press.h. */
#include "recorder/press.h"

#include "recorder/limits.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct press {
    ZSTD_CCtx *cctx; /* NULL: made by the next frame */
    int level;
    const struct signer *signer;
    const struct clock *clock;
    struct ed25519_public trusted[ED25519_PUBLICS_MAX];
    size_t trusted_count;
    struct buf out;
};

static enum status
failed(size_t code, const char *what, struct error *err)
{
    return error_set(
        err, STATUS_NO_MEMORY, "zstd: %s: %s", what, ZSTD_getErrorName(code));
}

static enum status
configure(struct press *p, struct error *err)
{
    if (p->cctx == NULL) {
        p->cctx = ZSTD_createCCtx();
    }
    if (p->cctx == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for zstd");
    }
    size_t code =
        ZSTD_CCtx_setParameter(p->cctx, ZSTD_c_compressionLevel, p->level);
    if (ZSTD_isError(code)) {
        return failed(code, "compression level", err);
    }
    code = ZSTD_CCtx_setParameter(p->cctx, ZSTD_c_hashLog,
        p->level == RECORDER_ZSTD_LEVEL ? RECORDER_ZSTD_HASH_LOG : 0);
    if (ZSTD_isError(code)) {
        return failed(code, "hash log", err);
    }
    code = ZSTD_CCtx_setParameter(p->cctx, ZSTD_c_checksumFlag, 1);
    return ZSTD_isError(code) ? failed(code, "checksum flag", err) : STATUS_OK;
}

enum status
press_new(const struct signer *signer, const struct clock *clock,
    int zstd_level, struct press **out, struct error *err)
{
    struct press *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a press");
    }
    p->signer = signer;
    p->trusted[0] = signer_public(signer);
    p->trusted_count = 1;
    p->clock = clock;
    p->level = zstd_level;
    buf_init(
        &p->out, ZSTD_COMPRESSBOUND(RECORDER_FRAME_TEXT_MAX) + SEAL_FRAME_LEN);
    *out = p;
    return STATUS_OK;
}

void
press_set_level(struct press *p, int zstd_level)
{
    p->level = zstd_level;
}

void
press_shrink(struct press *p)
{
    ZSTD_freeCCtx(p->cctx);
    p->cctx = NULL;
    buf_clear(&p->out);
    buf_shrink(&p->out);
}

void
press_free(struct press **p)
{
    if (*p != NULL) {
        ZSTD_freeCCtx((*p)->cctx);
        buf_fini(&(*p)->out);
        free(*p);
        *p = NULL;
    }
}

static enum status
compress(struct press *p, struct span text, struct error *err)
{
    const size_t bound = ZSTD_compressBound(text.len);
    uint8_t *tail;
    enum status st = configure(p, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = buf_reserve(&p->out, bound + SEAL_FRAME_LEN, &tail);
    if (st != STATUS_OK) {
        return error_set(
            err, st, "no room to compress %zu bytes of text", text.len);
    }
    const size_t n = ZSTD_compress2(p->cctx, tail, bound, text.ptr, text.len);
    if (ZSTD_isError(n)) {
        return failed(n, "compression", err);
    }
    buf_commit(&p->out, n);
    return STATUS_OK;
}

enum status
press_frame(struct press *p, struct span text, struct seal *s,
    struct span *frame_out, struct error *err)
{
    buf_clear(&p->out);
    enum status st = compress(p, text, err);
    if (st != STATUS_OK) {
        return st;
    }
    uint8_t seal[SEAL_FRAME_LEN];
    st = seal_sign(s, p->signer, seal);
    if (st == STATUS_OK) {
        st = buf_append(&p->out, span_of(seal, sizeof seal));
    }
    if (st != STATUS_OK) {
        return error_set(err, st, "could not sign a seal");
    }
    *frame_out = buf_view(&p->out);
    return STATUS_OK;
}

int64_t
press_wall_us(const struct press *p)
{
    return clock_wall_us(p->clock);
}

enum status
press_trust(struct press *p, const struct ed25519_public *key)
{
    if (p->trusted_count == sizeof p->trusted / sizeof *p->trusted) {
        return STATUS_LIMIT;
    }
    p->trusted[p->trusted_count++] = *key;
    return STATUS_OK;
}

bool
press_trusts(const struct press *p, const struct ed25519_public *key)
{
    for (size_t i = 0; i < p->trusted_count; i++) {
        if (memcmp(&p->trusted[i], key, sizeof *key) == 0) {
            return true;
        }
    }
    return false;
}
