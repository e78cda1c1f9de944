/* One pass over the text, one seal ahead.
 *
 * First the file is mapped by frames. Then frames are decompressed in order;
 * the next seal, read in advance, says where the text stops to be compared. */
#include "player/verify.h"

#include "player/frame_map.h"
#include "player/limits.h"
#include "player/recording_source.h"
#include "player/seek_check.h"
#include "player/verify_seals.h"
#include "player/verify_text.h"
#include "schema/cast.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct walked {
    struct frame frame;
    uint64_t text_len; /* FRAME_TEXT: what it decompressed to */
    size_t seal;       /* FRAME_SEAL: which */
};

struct verifier {
    const struct verify_options *options;
    struct verify_report *report;
    struct recording_source *source; /* frames and text, or plain text */
    struct recording_source *beside; /* of plain text: seals; else NULL */
    ZSTD_DCtx *zstd;
    struct walked *walked;
    size_t count;
    size_t room;
    struct verify_seals seals;
    struct verify_text text;
    uint8_t file_bytes[PLAYER_VERIFY_BYTES];
    uint8_t text_bytes[PLAYER_VERIFY_BYTES];
};

/* ---- Frames ---- */

static enum status
keep_frame(struct verifier *v, const struct frame *f, struct error *err)
{
    if (v->count == v->room) {
        const size_t room = v->room == 0 ? 64 : v->room * 2;
        if (room > PLAYER_FRAMES_MAX) {
            return error_set(
                err, STATUS_LIMIT, "more than %u frames", PLAYER_FRAMES_MAX);
        }
        struct walked *grown = realloc(v->walked, room * sizeof *grown);
        if (grown == NULL) {
            return error_set(err, STATUS_NO_MEMORY, "out of memory");
        }
        v->walked = grown;
        v->room = room;
    }
    v->walked[v->count++] =
        (struct walked){.frame = *f, .seal = v->seals.count};
    return f->kind == FRAME_SEAL ? verify_seals_add(&v->seals, f->offset, err)
                                 : STATUS_OK;
}

/* The whole file's frames. What is no frame ends the walk and is a problem
 * of the recording, not of ours. */
static enum status
walk(struct verifier *v, struct recording_source *source, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    struct frame f = {.kind = FRAME_CUT};
    uint64_t offset = 0;
    enum status st = STATUS_OK;
    while (st == STATUS_OK) {
        st = frame_map_at(source, offset, &f, &why);
        if (st == STATUS_OK) {
            offset += f.len;
            st = keep_frame(v, &f, &why);
        }
    }
    if (st == STATUS_CORRUPT) {
        verify_report_add(v->report, "%s", why.text);
    } else if (st != STATUS_CLOSED) {
        return error_set(err, st, "%s", why.text);
    }
    return STATUS_OK;
}

/* ---- Text ---- */

static enum status
add_text(struct verifier *v, struct span text, struct error *err)
{
    verify_seals_take(&v->seals, text);
    return verify_text_take(&v->text, text, err);
}

/* Adds `text`, stopping at every seal's text_len on the way. */
static enum status
pass_text(struct verifier *v, struct span text, struct error *err)
{
    enum status st = STATUS_OK;
    while (st == STATUS_OK && verify_seals_distance(&v->seals) <= text.len) {
        struct span head = SPAN_EMPTY;
        (void)span_take(&text, (size_t)verify_seals_distance(&v->seals), &head);
        st = add_text(v, head, err);
        if (st == STATUS_OK) {
            st = verify_seals_meet(&v->seals, err);
        }
    }
    return st == STATUS_OK ? add_text(v, text, err) : st;
}

/* The frame's next bytes, when zstd has taken all before. */
static enum status
refill(struct verifier *v, const struct frame *f, uint64_t *taken,
    ZSTD_inBuffer *in, struct error *err)
{
    const uint64_t left = f->len - *taken;
    const size_t want =
        left < sizeof v->file_bytes ? (size_t)left : sizeof v->file_bytes;
    if (in->pos < in->size || want == 0) {
        return STATUS_OK;
    }
    in->pos = 0;
    const enum status st = recording_source_pread(
        v->source, v->file_bytes, want, f->offset + *taken, &in->size, err);
    *taken += in->size;
    return st;
}

/* One frame, streamed. *broken_out names zstd's complaint, if any. */
static enum status
pass_frame(struct verifier *v, const struct frame *f, const char **broken_out,
    struct error *err)
{
    ZSTD_inBuffer in = {.src = v->file_bytes};
    uint64_t taken = 0;
    size_t hint = 1;
    *broken_out = NULL;
    ZSTD_DCtx_reset(v->zstd, ZSTD_reset_session_only);
    while (hint != 0) {
        enum status st = refill(v, f, &taken, &in, err);
        if (st != STATUS_OK) {
            return st;
        }
        ZSTD_outBuffer out = {
            .dst = v->text_bytes, .size = sizeof v->text_bytes};
        const size_t before = in.pos;
        hint = ZSTD_decompressStream(v->zstd, &out, &in);
        if (ZSTD_isError(hint)) {
            *broken_out = ZSTD_getErrorName(hint);
            return STATUS_OK;
        }
        if (hint != 0 && out.pos == 0 && in.pos == before) {
            *broken_out = "it ends too early";
            return STATUS_OK;
        }
        st = pass_text(v, span_of(v->text_bytes, out.pos), err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    return STATUS_OK;
}

static enum status
check_frame(struct verifier *v, struct walked *w, struct error *err)
{
    struct verify_report *r = v->report;
    const char *broken = NULL;
    const uint64_t before = r->text_len;
    r->frames++;
    const enum status st = pass_frame(v, &w->frame, &broken, err);
    w->text_len = r->text_len - before;
    if (broken != NULL) {
        verify_report_add(r,
            "frame %" PRIu64 " at byte %" PRIu64 " (" VERIFY_SECONDS
            ") does not decompress: %s",
            r->frames, w->frame.offset, VERIFY_TIME_OF(r->last_time_us),
            broken);
        v->seals.is_text_known = false;
    }
    return st;
}

/* ---- The seek table ---- */

/* The table's entries as the frames are: seals count to the frame before. */
static size_t
real_entries(const struct verifier *v, struct seek_entry *out)
{
    size_t n = 0;
    for (size_t i = 0; i < v->count; i++) {
        const struct walked *w = &v->walked[i];
        if (w->frame.kind == FRAME_TEXT) {
            out[n].file_len = (uint32_t)w->frame.len;
            out[n].text_len = (uint32_t)w->text_len;
            n++;
        } else if (w->frame.kind == FRAME_SEAL && n > 0) {
            out[n - 1].file_len += (uint32_t)w->frame.len;
        }
    }
    return n;
}

static enum status
read_table(struct verifier *v, const struct frame *f, struct buf *out,
    struct error *err)
{
    uint8_t *tail = NULL;
    size_t got = 0;
    enum status st = buf_reserve(out, (size_t)f->len, &tail);
    if (st != STATUS_OK) {
        return error_set(err, st, "the seek table is too large");
    }
    st = recording_source_pread(
        v->source, tail, (size_t)f->len, f->offset, &got, err);
    if (st == STATUS_OK) {
        buf_commit(out, got);
    }
    return st;
}

static enum status
check_table(struct verifier *v, const struct frame *f, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    struct seek_entry *real = calloc(v->count, sizeof *real);
    struct buf table;
    buf_init(&table, (size_t)PLAYER_FRAMES_MAX * 16);
    enum status st = real == NULL
                         ? error_set(err, STATUS_NO_MEMORY, "out of memory")
                         : read_table(v, f, &table, err);
    if (st == STATUS_OK) {
        const size_t count = real_entries(v, real);
        st = seek_check(buf_view(&table), real, count, &why);
        if (st == STATUS_INVALID) {
            verify_report_add(v->report,
                "the seek table at byte %" PRIu64 " %s", f->offset, why.text);
            st = STATUS_OK;
        } else if (st != STATUS_OK) {
            st = error_set(err, st, "%s", why.text);
        }
    }
    buf_fini(&table);
    free(real);
    return st;
}

/* ---- The end of a file that ends within a frame ---- */

/* A crash leaves nothing behind the frame that it cut. A frame that seems to
 * be cut because its length was altered has seals or the table behind it. */
static enum status
check_cut(struct verifier *v, const struct frame *f, struct error *err)
{
    bool has_seal = false;
    uint64_t table_len = 0;
    enum status st =
        frame_map_has_seal(v->source, f->offset + 1, &has_seal, err);
    if (st == STATUS_OK) {
        st = frame_map_table_len(v->source, &table_len, err);
    }
    if (has_seal || table_len > 0) {
        verify_report_add(v->report,
            "the frame at byte %" PRIu64 " is damaged: %s follows within what "
            "it says is its length",
            f->offset, has_seal ? "a seal" : "the seek table");
        v->seals.is_text_known = false;
    }
    return st;
}

/* ---- All frames ---- */

static enum status
check_one(struct verifier *v, size_t i, struct error *err)
{
    struct walked *w = &v->walked[i];
    switch (w->frame.kind) {
    case FRAME_TEXT:
        return check_frame(v, w, err);
    case FRAME_SEAL:
        return verify_seals_pass(&v->seals, w->seal, err);
    case FRAME_SEEK_TABLE:
        if (i + 1 != v->count) {
            verify_report_add(v->report,
                "a seek table stands at byte %" PRIu64 ", not at the end",
                w->frame.offset);
            return STATUS_OK;
        }
        return check_table(v, &w->frame, err);
    case FRAME_OTHER:
        verify_report_add(v->report,
            "the frame at byte %" PRIu64 " is none of a recording's",
            w->frame.offset);
        return STATUS_OK;
    case FRAME_CUT:
        v->report->is_cut = true;
        return check_cut(v, &w->frame, err);
    }
    return STATUS_OK;
}

static void
tell_progress(const struct verifier *v, uint64_t done)
{
    if (v->options->progress != NULL) {
        v->options->progress(v->options->ctx, done, v->report->file_len);
    }
}

static enum status
check_frames(struct verifier *v, struct error *err)
{
    enum status st = walk(v, v->source, err);
    if (st == STATUS_OK && v->count == 0 && v->report->problem_count == 0) {
        verify_report_add(v->report, "the file is empty");
    }
    if (st == STATUS_OK) {
        st = verify_seals_start(&v->seals, err);
    }
    for (size_t i = 0; st == STATUS_OK && i < v->count; i++) {
        st = check_one(v, i, err);
        tell_progress(v, v->walked[i].frame.offset + v->walked[i].frame.len);
    }
    return st;
}

/* ---- Plain text, and its seals in a file of their own ---- */

/* Where a seals file's frames are no seals: it holds nothing else. */
static enum status
map_seals(struct verifier *v, struct error *err)
{
    const enum status st = walk(v, v->beside, err);
    for (size_t i = 0; st == STATUS_OK && i < v->count; i++) {
        const struct frame *f = &v->walked[i].frame;
        if (f->kind != FRAME_SEAL) {
            verify_report_add(v->report,
                "byte %" PRIu64 " of the seals' file begins no whole seal",
                f->offset);
        }
    }
    return st == STATUS_OK ? verify_seals_start(&v->seals, err) : st;
}

static enum status
check_plain(struct verifier *v, struct error *err)
{
    uint64_t offset = 0;
    size_t got = 1;
    enum status st = map_seals(v, err);
    while (st == STATUS_OK && got > 0) {
        st = recording_source_pread(
            v->source, v->text_bytes, sizeof v->text_bytes, offset, &got, err);
        offset += got;
        if (st == STATUS_OK) {
            st = pass_text(v, span_of(v->text_bytes, got), err);
        }
        tell_progress(v, offset);
    }
    for (size_t i = v->seals.awaited; st == STATUS_OK && i < v->seals.count;
         i++) {
        st = verify_seals_pass(&v->seals, i, err);
    }
    return st;
}

/* ---- All of it ---- */

/* What only a finished recording owes. */
static void
check_end(struct verifier *v)
{
    struct verify_report *r = v->report;
    const bool is_known = v->seals.is_text_known;
    if (is_known && r->text_len > r->sealed_len) {
        verify_report_add(r, "%" PRIu64 " bytes of text follow the final seal",
            r->text_len - r->sealed_len);
    }
    if (is_known && v->text.last_code != CAST_FACTS) {
        verify_report_add(r, "the last event is not the session's facts");
    }
}

static void
check_container_end(struct verifier *v)
{
    struct verify_report *r = v->report;
    const bool has_table =
        v->count > 0 && v->walked[v->count - 1].frame.kind == FRAME_SEEK_TABLE;
    if (!r->is_final && has_table) {
        verify_report_add(r, "the seek table follows no final seal");
    } else if (r->is_final && r->is_cut) {
        verify_report_add(r, "the file ends within a frame");
    } else if (r->is_final && !has_table) {
        verify_report_add(r, "the seek table is missing");
    }
}

static enum status
run(struct verifier *v, struct error *err)
{
    enum status st =
        v->beside == NULL ? check_frames(v, err) : check_plain(v, err);
    if (st == STATUS_OK && v->beside == NULL) {
        check_container_end(v);
    }
    if (st == STATUS_OK && v->report->is_final) {
        check_end(v);
    }
    v->report->text_hash = hasher_peek(v->seals.hasher);
    return st;
}

static enum status
is_plain_text(struct verifier *v, bool *plain_out, struct error *err)
{
    uint8_t first = 0;
    size_t got = 0;
    const enum status st =
        recording_source_pread(v->source, &first, 1, 0, &got, err);
    *plain_out = st == STATUS_OK && got == 1 && first == '{';
    return st;
}

/* Plain text needs its seals, and other files bring theirs. */
static enum status
open_beside(struct verifier *v, struct error *err)
{
    bool is_plain = false;
    const char *seals = v->options->seals;
    const enum status st = is_plain_text(v, &is_plain, err);
    if (st != STATUS_OK || (!is_plain && seals == NULL)) {
        return st;
    }
    if (!is_plain) {
        return error_set(err, STATUS_INVALID,
            "it is no plain text, and needs no seals of another file");
    }
    if (seals == NULL) {
        return error_set(err, STATUS_UNSUPPORTED,
            "plain text carries no seals, so nothing can be proved about it: "
            "name those that were exported with it, or verify the .cast.zst");
    }
    return recording_source_open(seals, NULL, &v->beside, err);
}

static enum status
open_verifier(struct verifier *v, const char *path, struct error *err)
{
    enum status st =
        recording_source_open(path, v->options->ids, &v->source, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (!recording_source_may_seek(v->source)) {
        return error_set(err, STATUS_INVALID, "%s is no regular file", path);
    }
    v->report->file_len = recording_source_len(v->source);
    st = open_beside(v, err);
    if (st != STATUS_OK) {
        return st;
    }
    v->zstd = ZSTD_createDCtx();
    if (v->zstd == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    const size_t set = ZSTD_DCtx_setParameter(
        v->zstd, ZSTD_d_windowLogMax, PLAYER_WINDOW_LOG_MAX);
    if (ZSTD_isError(set)) {
        return error_set(err, STATUS_UNSUPPORTED, "cannot set up zstd");
    }
    return verify_seals_init(&v->seals, v->options->keys,
        v->beside == NULL ? v->source : v->beside, v->report, err);
}

static void
close_verifier(struct verifier *v)
{
    verify_seals_fini(&v->seals);
    verify_text_fini(&v->text);
    recording_source_close(&v->source);
    recording_source_close(&v->beside);
    ZSTD_freeDCtx(v->zstd);
    free(v->walked);
    free(v);
}

enum status
verify_file(const char *path, const struct verify_options *o,
    struct verify_report *out, struct error *err)
{
    verify_report_init(out);
    struct verifier *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    v->options = o;
    v->report = out;
    verify_text_init(&v->text, out);
    struct error why = {.code = STATUS_OK};
    enum status st = open_verifier(v, path, &why);
    if (st == STATUS_OK) {
        st = run(v, &why);
    }
    close_verifier(v);
    if (st == STATUS_CORRUPT) { /* an encrypted file that was altered */
        verify_report_add(out, "%s", why.text);
        return STATUS_OK;
    }
    if (st != STATUS_OK && err != NULL) {
        *err = why;
    }
    return st;
}
