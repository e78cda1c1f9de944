/* See press.h. */
#include "recorder/press.h"

#include "recorder/limits.h"

#include <stdlib.h>
#include <zstd.h>

struct press {
    ZSTD_CCtx *cctx;
    const struct signer *signer;
    const struct clock *clock;
    struct buf out;
};

static enum status
failed(size_t code, const char *what, struct error *err)
{
    return error_set(
        err, STATUS_NO_MEMORY, "zstd: %s: %s", what, ZSTD_getErrorName(code));
}

static enum status
configure(ZSTD_CCtx *cctx, int level, struct error *err)
{
    size_t code = ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, level);
    if (ZSTD_isError(code)) {
        return failed(code, "compression level", err);
    }
    code = ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
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
    p->clock = clock;
    buf_init(
        &p->out, ZSTD_COMPRESSBOUND(RECORDER_FRAME_TEXT_MAX) + SEAL_FRAME_LEN);
    p->cctx = ZSTD_createCCtx();
    enum status st =
        p->cctx == NULL ? error_set(err, STATUS_NO_MEMORY, "no memory for zstd")
                        : configure(p->cctx, zstd_level, err);
    if (st == STATUS_OK) {
        *out = p;
        p = NULL;
    }
    press_free(&p);
    return st;
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
    const enum status st = buf_reserve(&p->out, bound + SEAL_FRAME_LEN, &tail);
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

struct ed25519_public
press_key(const struct press *p)
{
    return signer_public(p->signer);
}
