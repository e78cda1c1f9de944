/* See frame_walk.h. */
#include "recorder/frame_walk.h"

#include "base/file.h"
#include "recorder/limits.h"
#include "schema/seal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define WALK_READ_MIN (64u << 10)
#define WALK_FRAME_MAX \
    (ZSTD_COMPRESSBOUND(RECORDER_FRAME_TEXT_MAX) + WALK_READ_MIN)
#define SKIPPABLE_HEAD_LEN 8u

struct frame_walk {
    int fd;
    uint64_t offset;   /* of the first byte in `in` */
    size_t last_frame; /* bytes of it that the last piece viewed */
    bool is_at_end;    /* all of the file is in `in` */
    struct buf in;
    struct buf text;
    ZSTD_DCtx *dctx;
};

enum status
frame_walk_open(const char *path, struct frame_walk **out, struct error *err)
{
    struct frame_walk *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to read %s", path);
    }
    buf_init(&w->in, 2 * WALK_FRAME_MAX);
    buf_init(&w->text, RECORDER_FRAME_TEXT_MAX);
    w->dctx = ZSTD_createDCtx();
    w->fd = -1;
    enum status st = file_open_regular(path, O_RDONLY, &w->fd, err);
    if (st == STATUS_OK && w->dctx == NULL) {
        st = error_set(err, STATUS_NO_MEMORY, "no memory to read %s", path);
    }
    if (st == STATUS_OK) {
        *out = w;
        w = NULL;
    }
    frame_walk_close(&w);
    return st;
}

void
frame_walk_close(struct frame_walk **w)
{
    if (*w == NULL) {
        return;
    }
    if ((*w)->fd >= 0) {
        (void)close((*w)->fd); /* was only read */
    }
    ZSTD_freeDCtx((*w)->dctx);
    buf_fini(&(*w)->in);
    buf_fini(&(*w)->text);
    free(*w);
    *w = NULL;
}

/* At least twice of what is in hand, or all there is. */
static enum status
read_more(struct frame_walk *w, struct error *err)
{
    const size_t have = w->in.len;
    const size_t want = have < WALK_READ_MIN ? WALK_READ_MIN : have;
    if (have > WALK_FRAME_MAX) {
        return error_set(err, STATUS_CORRUPT,
            "a frame at %llu is larger than a recorder writes",
            (unsigned long long)w->offset);
    }
    uint8_t *tail;
    enum status st = buf_reserve(&w->in, want, &tail);
    if (st != STATUS_OK) {
        return error_set(err, st, "no memory to read a frame");
    }
    size_t got;
    st = file_pread(w->fd, tail, want, (off_t)(w->offset + have), &got, err);
    if (st == STATUS_OK) {
        buf_commit(&w->in, got);
        w->is_at_end = got < want;
    }
    return st;
}

static enum status
decompress(struct frame_walk *w, struct span frame, struct span *text_out,
    struct error *err)
{
    const unsigned long long size =
        ZSTD_getFrameContentSize(frame.ptr, frame.len);
    if (size > RECORDER_FRAME_TEXT_MAX) { /* unknown and error are above too */
        return error_set(err, STATUS_CORRUPT,
            "the frame at %llu does not say a usable size",
            (unsigned long long)w->offset);
    }
    buf_clear(&w->text);
    uint8_t *tail;
    const enum status st = buf_reserve(&w->text, (size_t)size, &tail);
    if (st != STATUS_OK) {
        return error_set(err, st, "no memory to decompress a frame");
    }
    const size_t n =
        ZSTD_decompressDCtx(w->dctx, tail, (size_t)size, frame.ptr, frame.len);
    if (ZSTD_isError(n)) {
        return error_set(err, STATUS_CORRUPT, "the frame at %llu: %s",
            (unsigned long long)w->offset, ZSTD_getErrorName(n));
    }
    buf_commit(&w->text, n);
    *text_out = buf_view(&w->text);
    return STATUS_OK;
}

static uint32_t
load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static bool
is_skippable(struct span frame)
{
    return (load_le32(frame.ptr) & ZSTD_MAGIC_SKIPPABLE_MASK) ==
           ZSTD_MAGIC_SKIPPABLE_START;
}

static enum status
take_piece(struct frame_walk *w, size_t len, struct frame_piece *out,
    struct error *err)
{
    struct frame_piece piece = {
        .kind = FRAME_OTHER,
        .offset = w->offset,
        .frame = span_of(w->in.data + w->in.off, len),
        .text = SPAN_EMPTY,
    };
    if (!is_skippable(piece.frame)) {
        piece.kind = FRAME_TEXT;
        const enum status st = decompress(w, piece.frame, &piece.text, err);
        if (st != STATUS_OK) {
            return st;
        }
    } else if (len == SEAL_FRAME_LEN &&
               load_le32(piece.frame.ptr) == SEAL_FRAME_MAGIC) {
        piece.kind = FRAME_SEAL;
    }
    w->last_frame = len;
    *out = piece;
    return STATUS_OK;
}

enum status
frame_walk_next(
    struct frame_walk *w, struct frame_piece *out, struct error *err)
{
    buf_consume(&w->in, w->last_frame);
    w->offset += w->last_frame;
    w->last_frame = 0;
    for (;;) {
        const struct span in = buf_view(&w->in);
        if (in.len >= SKIPPABLE_HEAD_LEN) {
            const size_t len = ZSTD_findFrameCompressedSize(in.ptr, in.len);
            if (!ZSTD_isError(len)) {
                return take_piece(w, len, out, err);
            }
        }
        if (w->is_at_end) {
            break;
        }
        const enum status st = read_more(w, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    if (w->in.len > 0) {
        return error_set(err, STATUS_CORRUPT, "the frame at %llu is not whole",
            (unsigned long long)w->offset);
    }
    *out = (struct frame_piece){.kind = FRAME_END,
        .offset = w->offset,
        .frame = SPAN_EMPTY,
        .text = SPAN_EMPTY};
    return STATUS_OK;
}
