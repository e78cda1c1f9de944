/* One pass over the text, one seal ahead.
 *
 * First the file is mapped by frames. Then frames are decompressed in order,
 * and the next seal, read in advance, stops the text at its text_len: that is
 * where the running hash is compared. A seal that the text has not met by the
 * time its own place in the file comes, signs text that is not there.
 *
 * What follows from a finding is not told again: behind altered text no hash
 * is compared, behind a bad seal no chain. */
#include "player/verify.h"

#include "base/file.h"
#include "player/frame_map.h"
#include "player/limits.h"
#include "player/seek_check.h"
#include "schema/cast.h"
#include "schema/seal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

struct walked {
    struct frame frame;
    uint64_t text_len; /* FRAME_TEXT: what it decompressed to */
};

struct verifier {
    const struct ed25519_public *key;
    struct verify_report *report;
    int fd;
    ZSTD_DCtx *zstd;
    struct hasher *hasher;
    struct walked *walked;
    size_t count;
    size_t room;

    /* The next seal to hold against the text: its place in `walked`, count
     * when there is none, and what it says. */
    size_t awaited;
    uint8_t seal_bytes[SEAL_FRAME_LEN];
    struct seal seal;
    bool is_seal_read; /* false: it does not decode */

    struct sha256 chain; /* hash of the seal before */
    bool is_chain_known; /* false behind a seal that was no good */
    uint32_t next_sequence;
    bool is_text_known; /* false behind text found wrong or unreadable */
    bool is_foreign_key_told;
    uint64_t checked_time_us; /* of the last event before the last good seal */

    struct buf line; /* text since the last newline */
    uint64_t line_count;
    char last_code;
    bool is_line_told;

    uint8_t file_bytes[PLAYER_CHUNK_BYTES];
    uint8_t text_bytes[PLAYER_CHUNK_BYTES];
};

/* A place in the recording as a person finds it: seconds of playing. */
#define SECONDS(us) (us) / 1000000, (us) % 1000000 / 1000

void
verify_report_add(struct verify_report *r, const char *fmt, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->problem_count++;
    if (r->problem_count > PLAYER_PROBLEMS_MAX) {
        return; /* counted */
    }
    if (buf_printf(&r->problems, "%s\n", text) != STATUS_OK) {
        return; /* counted too: the verdict does not depend on memory */
    }
}

void
verify_report_fini(struct verify_report *r)
{
    meta_fini(&r->meta);
    buf_fini(&r->problems);
}

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
    v->walked[v->count++] = (struct walked){.frame = *f};
    return STATUS_OK;
}

static enum status
refuse_plain_text(const struct verifier *v, struct error *err)
{
    uint8_t first = 0;
    size_t got = 0;
    const enum status st = file_pread(v->fd, &first, 1, 0, &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (got == 1 && first == '{') {
        return error_set(err, STATUS_UNSUPPORTED,
            "plain text carries no seals, so nothing can be proved about it: "
            "verify the .cast.zst it was exported from");
    }
    return STATUS_OK;
}

/* The whole file's frames. What is no frame ends the walk and is a problem
 * of the recording, not of ours. */
static enum status
walk(struct verifier *v, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    struct frame f = {.kind = FRAME_CUT};
    uint64_t offset = 0;
    enum status st = refuse_plain_text(v, err);
    while (st == STATUS_OK) {
        st = frame_map_at(v->fd, v->report->file_len, offset, &f, &why);
        if (st == STATUS_OK) {
            offset += f.len;
            st = keep_frame(v, &f, &why);
        }
        if (st == STATUS_CORRUPT) {
            verify_report_add(v->report, "%s", why.text);
        } else if (st != STATUS_OK && st != STATUS_CLOSED) {
            return error_set(err, st, "%s", why.text);
        }
    }
    return st == STATUS_CLOSED || st == STATUS_CORRUPT ? STATUS_OK : st;
}

/* Reads the first seal at or behind `from`. */
static enum status
await_seal(struct verifier *v, size_t from, struct error *err)
{
    while (from < v->count && v->walked[from].frame.kind != FRAME_SEAL) {
        from++;
    }
    v->awaited = from;
    if (from == v->count) {
        return STATUS_OK;
    }
    size_t got = 0;
    const enum status st = file_pread(v->fd, v->seal_bytes, SEAL_FRAME_LEN,
        (off_t)v->walked[from].frame.offset, &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    v->is_seal_read = got == SEAL_FRAME_LEN &&
                      seal_decode(span_of(v->seal_bytes, SEAL_FRAME_LEN),
                          &v->seal, NULL) == STATUS_OK;
    return STATUS_OK;
}

/* ---- Seals ---- */

static uint64_t
seal_offset(const struct verifier *v)
{
    return v->walked[v->awaited].frame.offset;
}

/* Hex of a key's first bytes, enough to tell two apart. */
#define KEY_TEXT_MAX 17
static void
key_text(const struct ed25519_public *key, char out[KEY_TEXT_MAX])
{
    for (size_t i = 0; i < (KEY_TEXT_MAX - 1) / 2; i++) {
        snprintf(out + 2 * i, 3, "%02x", (unsigned)key->bytes[i]);
    }
}

static void
tell_foreign_key(struct verifier *v)
{
    char theirs[KEY_TEXT_MAX];
    char ours[KEY_TEXT_MAX];
    key_text(&v->seal.key, theirs);
    key_text(v->key, ours);
    verify_report_add(v->report,
        "seal %" PRIu32 " at byte %" PRIu64
        " was made with the key %s…, not with %s…",
        v->seal.sequence, seal_offset(v), theirs, ours);
}

/* Signature first: what an unsigned seal says is nobody's word. */
static bool
is_signed(struct verifier *v)
{
    if (!v->is_seal_read) {
        verify_report_add(v->report, "the seal at byte %" PRIu64 " is damaged",
            seal_offset(v));
        return false;
    }
    if (memcmp(v->seal.key.bytes, v->key->bytes, ED25519_KEY_LEN) != 0) {
        if (!v->is_foreign_key_told) { /* the same of every seal */
            tell_foreign_key(v);
        }
        v->is_foreign_key_told = true;
        return false;
    }
    if (!seal_verify(span_of(v->seal_bytes, SEAL_FRAME_LEN), v->key)) {
        verify_report_add(v->report,
            "seal %" PRIu32 " at byte %" PRIu64
            " was altered: its signature does not match",
            v->seal.sequence, seal_offset(v));
        return false;
    }
    return true;
}

static void
check_session(struct verifier *v)
{
    struct verify_report *r = v->report;
    if (uuid_is_nil(&r->id)) {
        r->id = v->seal.id;
        return;
    }
    if (memcmp(&r->id, &v->seal.id, sizeof r->id) != 0) {
        char ours[UUID_TEXT_LEN + 1];
        char theirs[UUID_TEXT_LEN + 1];
        uuid_format(&r->id, ours);
        uuid_format(&v->seal.id, theirs);
        verify_report_add(r,
            "seal %" PRIu32 " at byte %" PRIu64
            " belongs to session %s, not to %s",
            v->seal.sequence, seal_offset(v), theirs, ours);
    }
}

static void
check_chain(struct verifier *v)
{
    const struct seal *s = &v->seal;
    if (s->sequence != v->next_sequence) {
        verify_report_add(v->report,
            "seal %" PRIu32 " at byte %" PRIu64 " stands where seal %" PRIu32
            " belongs",
            s->sequence, seal_offset(v), v->next_sequence);
    } else if (v->is_chain_known &&
               memcmp(&s->previous, &v->chain, sizeof v->chain) != 0) {
        verify_report_add(v->report,
            "seal %" PRIu32 " at byte %" PRIu64
            " does not follow from the seal before it",
            s->sequence, seal_offset(v));
    }
}

/* The text up to here, against what was signed. */
static void
check_text(struct verifier *v)
{
    if (!v->is_text_known) {
        return;
    }
    const struct sha256 hash = hasher_peek(v->hasher);
    struct verify_report *r = v->report;
    if (memcmp(&hash, &v->seal.text_hash, sizeof hash) == 0) {
        r->sealed_len = v->seal.text_len;
        r->sealed_us = v->seal.wall_us;
        v->checked_time_us = r->last_time_us;
        return;
    }
    v->is_text_known = false;
    verify_report_add(r,
        "the text was altered between byte %" PRIu64 " (%" PRIu64 ".%03" PRIu64
        " s) and byte %" PRIu64 " (%" PRIu64 ".%03" PRIu64
        " s): it is not what seal %" PRIu32 " signed",
        r->sealed_len, SECONDS(v->checked_time_us), v->seal.text_len,
        SECONDS(r->last_time_us), v->seal.sequence);
}

/* `is_reached`: the text stands at the seal's text_len. */
static void
check_seal(struct verifier *v, bool is_reached)
{
    struct verify_report *r = v->report;
    r->seals++;
    const bool is_good = is_signed(v);
    if (is_good) {
        if (r->is_final) {
            verify_report_add(r,
                "seal %" PRIu32 " at byte %" PRIu64 " follows the final seal",
                v->seal.sequence, seal_offset(v));
        }
        check_session(v);
        check_chain(v);
        r->is_final = r->is_final || v->seal.is_final;
    }
    if (is_good && is_reached) {
        check_text(v);
    } else if (is_good && v->is_text_known) {
        verify_report_add(r,
            "seal %" PRIu32 " at byte %" PRIu64 " signs %" PRIu64
            " bytes of text where there are %" PRIu64,
            v->seal.sequence, seal_offset(v), v->seal.text_len, r->text_len);
        v->is_text_known = false;
    }
    v->chain = seal_hash(span_of(v->seal_bytes, SEAL_FRAME_LEN));
    v->is_chain_known = is_good;
    v->next_sequence = is_good ? v->seal.sequence + 1 : v->next_sequence + 1;
}

/* ---- Text ---- */

static void
tell_line(struct verifier *v, const struct error *why)
{
    if (!v->is_line_told) {
        verify_report_add(
            v->report, "line %" PRIu64 ": %s", v->line_count, why->text);
    }
    v->is_line_told = true;
}

static void
check_header(struct verifier *v, struct span line)
{
    struct cast_header h;
    struct error why = {.code = STATUS_OK};
    if (cast_header_decode(line, &h, &why) != STATUS_OK) {
        tell_line(v, &why);
        return;
    }
    v->report->id = h.meta.id;
    meta_fini(&v->report->meta);
    v->report->meta = h.meta; /* the report's now */
}

static void
check_event(struct verifier *v, struct span line, struct buf *scratch)
{
    struct cast_event e;
    struct error why = {.code = STATUS_OK};
    if (cast_event_decode(line, scratch, &e, &why) != STATUS_OK) {
        tell_line(v, &why);
        return;
    }
    if (e.time_us < v->report->last_time_us) {
        error_set(&why, STATUS_INVALID, "time goes back");
        tell_line(v, &why);
    }
    if (e.code == 'k' &&
        meta_decode(e.data, &v->report->meta, &why) != STATUS_OK) {
        tell_line(v, &why);
    }
    v->last_code = e.code;
    v->report->last_time_us = e.time_us;
    v->report->event_count++;
}

static enum status
take_lines(struct verifier *v, struct span text, struct buf *scratch)
{
    struct span head = SPAN_EMPTY;
    enum status st = STATUS_OK;
    while (st == STATUS_OK && span_take_until(&text, '\n', &head)) {
        if (v->line.len > 0) {
            st = buf_append(&v->line, head);
            head = buf_view(&v->line);
        }
        if (st == STATUS_OK) {
            v->line_count++;
            if (v->line_count == 1) {
                check_header(v, head);
            } else {
                check_event(v, head, scratch);
            }
            buf_clear(&v->line);
        }
    }
    return st == STATUS_OK ? buf_append(&v->line, text) : st;
}

static enum status
add_text(struct verifier *v, struct span text, struct buf *scratch,
    struct error *err)
{
    hasher_add(v->hasher, text);
    v->report->text_len += text.len;
    const enum status st = take_lines(v, text, scratch);
    if (st == STATUS_OK) {
        return st;
    }
    return error_set(err, st, "line %" PRIu64 " is longer than %u bytes",
        v->line_count + 1, CAST_LINE_MAX);
}

/* Adds `text`, stopping at every seal's text_len on the way. */
static enum status
pass_text(struct verifier *v, struct span text, struct buf *scratch,
    struct error *err)
{
    enum status st = STATUS_OK;
    const struct verify_report *r = v->report;
    while (st == STATUS_OK && v->awaited < v->count && v->is_seal_read &&
           v->seal.text_len >= r->text_len &&
           v->seal.text_len - r->text_len <= text.len) {
        struct span head = SPAN_EMPTY;
        (void)span_take(&text, (size_t)(v->seal.text_len - r->text_len), &head);
        st = add_text(v, head, scratch, err);
        if (st == STATUS_OK) {
            check_seal(v, true);
            st = await_seal(v, v->awaited + 1, err);
        }
    }
    return st == STATUS_OK ? add_text(v, text, scratch, err) : st;
}

/* One frame, streamed. *broken_out names zstd's complaint, if any. */
static enum status
pass_frame(struct verifier *v, const struct frame *f, struct buf *scratch,
    const char **broken_out, struct error *err)
{
    ZSTD_inBuffer in = {.src = v->file_bytes};
    uint64_t taken = 0;
    size_t hint = 1;
    enum status st = STATUS_OK;
    *broken_out = NULL;
    ZSTD_DCtx_reset(v->zstd, ZSTD_reset_session_only);
    while (st == STATUS_OK && hint != 0) {
        if (in.pos == in.size && taken < f->len) {
            const uint64_t left = f->len - taken;
            const size_t want = left < sizeof v->file_bytes
                                    ? (size_t)left
                                    : sizeof v->file_bytes;
            in.pos = 0;
            st = file_pread(v->fd, v->file_bytes, want,
                (off_t)(f->offset + taken), &in.size, err);
            taken += in.size;
        }
        ZSTD_outBuffer out = {
            .dst = v->text_bytes, .size = sizeof v->text_bytes};
        if (st == STATUS_OK) {
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
            st = pass_text(v, span_of(v->text_bytes, out.pos), scratch, err);
        }
    }
    return st;
}

static enum status
check_frame(struct verifier *v, struct walked *w, struct buf *scratch,
    struct error *err)
{
    struct verify_report *r = v->report;
    const char *broken = NULL;
    const uint64_t before = r->text_len;
    r->frames++;
    const enum status st = pass_frame(v, &w->frame, scratch, &broken, err);
    w->text_len = r->text_len - before;
    if (broken != NULL) {
        verify_report_add(r,
            "frame %" PRIu64 " at byte %" PRIu64 " (%" PRIu64 ".%03" PRIu64
            " s) does not decompress: %s",
            r->frames, w->frame.offset, SECONDS(r->last_time_us), broken);
        v->is_text_known = false;
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
    st = file_pread(v->fd, tail, (size_t)f->len, (off_t)f->offset, &got, err);
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
    bool has_footer = false;
    enum status st = frame_map_has_seal(v->fd, f->offset + 1, &has_seal, err);
    if (st == STATUS_OK) {
        st = frame_map_ends_with_table(
            v->fd, v->report->file_len, &has_footer, err);
    }
    if (has_seal || has_footer) {
        verify_report_add(v->report,
            "the frame at byte %" PRIu64 " is damaged: %s follows within what "
            "it says is its length",
            f->offset, has_seal ? "a seal" : "the seek table");
        v->is_text_known = false;
    }
    return st;
}

/* ---- All of it ---- */

static enum status
check_one(struct verifier *v, size_t i, struct buf *scratch, struct error *err)
{
    struct walked *w = &v->walked[i];
    switch (w->frame.kind) {
    case FRAME_TEXT:
        return check_frame(v, w, scratch, err);
    case FRAME_SEAL:
        if (i < v->awaited) {
            return STATUS_OK; /* met on the way through the text */
        }
        check_seal(v, false);
        return await_seal(v, i + 1, err);
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

/* What only a finished recording owes. */
static void
check_end(struct verifier *v)
{
    struct verify_report *r = v->report;
    const bool has_table =
        v->count > 0 && v->walked[v->count - 1].frame.kind == FRAME_SEEK_TABLE;
    if (!r->is_final) {
        if (has_table) {
            verify_report_add(r, "the seek table follows no final seal");
        }
        return;
    }
    if (v->is_text_known && r->text_len > r->sealed_len) {
        verify_report_add(r, "%" PRIu64 " bytes of text follow the final seal",
            r->text_len - r->sealed_len);
    }
    if (r->is_cut) {
        verify_report_add(r, "the file ends within a frame");
    } else if (!has_table) {
        verify_report_add(r, "the seek table is missing");
    }
    if (v->is_text_known && v->last_code != CAST_FACTS) {
        verify_report_add(r, "the last event is not the session's facts");
    }
}

static enum status
run(struct verifier *v, verify_progress_fn *progress, void *ctx,
    struct error *err)
{
    struct buf scratch;
    buf_init(&scratch, CAST_LINE_MAX);
    enum status st = walk(v, err);
    if (st == STATUS_OK && v->count == 0 && v->report->problem_count == 0) {
        verify_report_add(v->report, "the file is empty");
    }
    if (st == STATUS_OK) {
        st = await_seal(v, 0, err);
    }
    for (size_t i = 0; st == STATUS_OK && i < v->count; i++) {
        st = check_one(v, i, &scratch, err);
        if (progress != NULL) {
            const struct frame *f = &v->walked[i].frame;
            progress(ctx, f->offset + f->len, v->report->file_len);
        }
    }
    if (st == STATUS_OK) {
        check_end(v);
    }
    buf_fini(&scratch);
    return st;
}

static enum status
open_verifier(struct verifier *v, const char *path, struct error *err)
{
    v->fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (v->fd < 0 || fstat(v->fd, &info) != 0) {
        return error_sys(err, errno, "cannot open %s", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return error_set(err, STATUS_INVALID, "%s is no regular file", path);
    }
    v->report->file_len = (uint64_t)info.st_size;
    v->zstd = ZSTD_createDCtx();
    if (v->zstd == NULL || hasher_new(&v->hasher) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    const size_t set = ZSTD_DCtx_setParameter(
        v->zstd, ZSTD_d_windowLogMax, PLAYER_WINDOW_LOG_MAX);
    return ZSTD_isError(set)
               ? error_set(err, STATUS_UNSUPPORTED, "cannot set up zstd")
               : STATUS_OK;
}

static void
close_verifier(struct verifier *v)
{
    if (v->fd >= 0) {
        (void)close(v->fd); /* read only: nothing to lose */
    }
    ZSTD_freeDCtx(v->zstd);
    hasher_free(&v->hasher);
    buf_fini(&v->line);
    free(v->walked);
    free(v);
}

enum status
verify_file(const char *path, const struct ed25519_public *key,
    verify_progress_fn *progress, void *ctx, struct verify_report *out,
    struct error *err)
{
    *out = (struct verify_report){.file_len = 0};
    meta_init(&out->meta);
    buf_init(&out->problems, PLAYER_PROBLEMS_MAX * (ERROR_TEXT_MAX + 1));
    struct verifier *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    v->key = key;
    v->report = out;
    v->fd = -1;
    v->is_chain_known = true; /* all zeros before the first seal */
    v->is_text_known = true;
    buf_init(&v->line, CAST_LINE_MAX);
    enum status st = open_verifier(v, path, err);
    if (st == STATUS_OK) {
        st = run(v, progress, ctx, err);
    }
    close_verifier(v);
    return st;
}
