/* See frame_file.h. */
#include "recorder/frame_file.h"

#include "base/file.h"
#include "recorder/frame_walk.h"
#include "recorder/limits.h"
#include "schema/seek.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct frame_file {
    struct press *press;
    char *path;
    struct uuid id;
    struct hasher *hasher; /* of the text up to here, and of... */
    size_t hashed_ahead;   /* ...so much of the text a failed cut was given */
    uint64_t text_len;
    uint64_t file_len; /* good bytes */
    uint32_t sequence; /* of the next seal */
    struct sha256 previous;
    struct seek_entry *entries;
    size_t entry_count;
    size_t entry_room;
    bool is_final;
    bool has_table;
    bool is_dirty;      /* there are bytes that no fsync covers */
    bool is_dir_synced; /* the name survives a power cut */
};

static enum status
file_new(struct press *press, const char *path, const struct uuid *id,
    struct frame_file **out, struct error *err)
{
    struct frame_file *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for %s", path);
    }
    f->press = press;
    f->id = *id;
    f->path = strdup(path);
    if (f->path == NULL || hasher_new(&f->hasher) != STATUS_OK) {
        frame_file_free(&f);
        return error_set(err, STATUS_NO_MEMORY, "no memory for %s", path);
    }
    *out = f;
    return STATUS_OK;
}

void
frame_file_free(struct frame_file **f)
{
    if (*f != NULL) {
        hasher_free(&(*f)->hasher);
        free((*f)->entries);
        free((*f)->path);
        free(*f);
        *f = NULL;
    }
}

enum status
frame_file_create(struct press *press, const char *path, const struct uuid *id,
    struct frame_file **out, struct error *err)
{
    enum status st = file_make_parent(path, 0700, err);
    struct frame_file *f = NULL;
    if (st == STATUS_OK) {
        st = file_new(press, path, id, &f, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    const int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        st = error_sys(err, errno, "create %s", path);
        frame_file_free(&f);
        return st;
    }
    (void)close(fd); /* nothing was written yet */
    *out = f;
    return STATUS_OK;
}

/* --- writing ------------------------------------------------------------- */

/* Room for one more entry, found before anything is written. */
static enum status
entries_reserve(struct frame_file *f, struct error *err)
{
    if (f->entry_count < f->entry_room) {
        return STATUS_OK;
    }
    if (f->entry_count >= SEEK_FRAMES_MAX) {
        return error_set(
            err, STATUS_LIMIT, "%s has %zu frames", f->path, f->entry_count);
    }
    const size_t room = f->entry_room == 0 ? 8 : f->entry_room * 2;
    struct seek_entry *entries = realloc(f->entries, room * sizeof *f->entries);
    if (entries == NULL) {
        return error_set(
            err, STATUS_NO_MEMORY, "no memory for the frames of %s", f->path);
    }
    f->entries = entries;
    f->entry_room = room;
    return STATUS_OK;
}

/* A descriptor that stands for exactly the good bytes: a rest of a failed
 * write is cut off, missing ones are another's doing. */
static enum status
open_good(struct frame_file *f, int *fd_out, struct error *err)
{
    int fd;
    enum status st = file_open_regular(f->path, O_WRONLY, &fd, err);
    if (st == STATUS_NOT_FOUND) {
        return error_set(err, STATUS_CORRUPT, "%s is gone", f->path);
    }
    if (st != STATUS_OK) {
        return st;
    }
    struct stat sb;
    if (fstat(fd, &sb) != 0) {
        st = error_sys(err, errno, "stat %s", f->path);
    } else if ((uint64_t)sb.st_size < f->file_len) {
        st = error_set(err, STATUS_CORRUPT,
            "%s was cut to %lld bytes, %llu were written", f->path,
            (long long)sb.st_size, (unsigned long long)f->file_len);
    } else if ((uint64_t)sb.st_size > f->file_len &&
               ftruncate(fd, (off_t)f->file_len) != 0) {
        st = error_sys(err, errno, "truncate %s", f->path);
    }
    if (st != STATUS_OK) {
        (void)close(fd);
        return st;
    }
    *fd_out = fd;
    return STATUS_OK;
}

static enum status
append(struct frame_file *f, struct span bytes, struct error *err)
{
    int fd;
    enum status st = open_good(f, &fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = file_pwrite_all(fd, bytes, (off_t)f->file_len, err);
    if (close(fd) != 0 && st == STATUS_OK) {
        st = error_sys(err, errno, "close %s", f->path);
    }
    return st;
}

/* What a later cut of the same text must not hash again is kept count of. */
static struct sha256
hash_text(struct frame_file *f, struct span text)
{
    assert(f->hashed_ahead <= text.len);
    hasher_add(f->hasher,
        span_of(text.ptr + f->hashed_ahead, text.len - f->hashed_ahead));
    f->hashed_ahead = text.len;
    return hasher_peek(f->hasher);
}

/* A header that could not be written may be another when it is tried again:
 * the terminal's size came meanwhile. */
static void
forget_failed_header(struct frame_file *f)
{
    if (f->entry_count == 0) {
        hasher_reset(f->hasher);
        f->hashed_ahead = 0;
    }
}

static void
advance(struct frame_file *f, const struct seal *s, struct span frame)
{
    const uint64_t text = s->text_len - f->text_len;
    f->entries[f->entry_count++] = (struct seek_entry){
        .file_len = (uint32_t)frame.len,
        .text_len = (uint32_t)text,
    };
    f->text_len = s->text_len;
    f->file_len += frame.len;
    f->sequence = s->sequence + 1;
    f->previous = seal_hash(
        span_of(frame.ptr + frame.len - SEAL_FRAME_LEN, SEAL_FRAME_LEN));
    f->hashed_ahead = 0;
    f->is_final = s->is_final;
    f->is_dirty = true;
}

enum status
frame_file_cut_at(struct frame_file *f, struct span text,
    const struct seal_writer *writer, bool is_final, int64_t wall_us,
    struct error *err)
{
    assert(!f->is_final);
    enum status st = entries_reserve(f, err);
    if (st != STATUS_OK) {
        return st;
    }
    forget_failed_header(f);
    struct seal s = {
        .id = f->id,
        .sequence = f->sequence,
        .is_final = is_final,
        .text_len = f->text_len + text.len,
        .text_hash = hash_text(f, text),
        .previous = f->previous,
        .wall_us = wall_us,
        .writer = *writer,
    };
    struct span frame;
    st = press_frame(f->press, text, &s, &frame, err);
    if (st == STATUS_OK) {
        st = append(f, frame, err);
    }
    if (st == STATUS_OK) {
        advance(f, &s, frame);
    }
    return st;
}

enum status
frame_file_cut(struct frame_file *f, struct span text,
    const struct seal_writer *writer, bool is_final, struct error *err)
{
    return frame_file_cut_at(
        f, text, writer, is_final, press_wall_us(f->press), err);
}

static enum status
sync_dir(struct frame_file *f, struct error *err)
{
    if (f->is_dir_synced) {
        return STATUS_OK;
    }
    const enum status st = file_fsync_parent(f->path, err);
    f->is_dir_synced = st == STATUS_OK;
    return st;
}

static enum status
sync_bytes(struct frame_file *f, struct error *err)
{
    if (!f->is_dirty) {
        return STATUS_OK;
    }
    int fd;
    enum status st = open_good(f, &fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (fdatasync(fd) != 0) {
        st = error_sys(err, errno, "fdatasync %s", f->path);
    }
    if (close(fd) != 0 && st == STATUS_OK) {
        st = error_sys(err, errno, "close %s", f->path);
    }
    f->is_dirty = st != STATUS_OK;
    return st;
}

enum status
frame_file_sync(struct frame_file *f, struct error *err)
{
    const enum status st = sync_bytes(f, err);
    return st == STATUS_OK ? sync_dir(f, err) : st;
}

enum status
frame_file_finish(struct frame_file *f, struct error *err)
{
    assert(f->is_final);
    if (f->has_table) {
        return STATUS_OK;
    }
    struct buf table;
    buf_init(&table, f->entry_count * sizeof *f->entries + 64);
    enum status st = seek_encode(f->entries, f->entry_count, &table);
    if (st != STATUS_OK) {
        st = error_set(err, st, "no seek table for %s", f->path);
    }
    if (st == STATUS_OK) {
        st = append(f, buf_view(&table), err);
    }
    if (st == STATUS_OK) {
        f->file_len += table.len;
        f->has_table = true;
        f->is_dirty = true;
    }
    buf_fini(&table);
    return st;
}

enum status
frame_file_move(struct frame_file *f, const char *path, struct error *err)
{
    const enum status st = sync_bytes(f, err);
    if (st != STATUS_OK) {
        return st;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for %s", path);
    }
    if (rename(f->path, path) != 0) {
        free(copy);
        return error_sys(err, errno, "rename %s to %s", f->path, path);
    }
    free(f->path);
    f->path = copy;
    f->is_dir_synced = false;
    return STATUS_OK;
}

/* --- going on after a crash ---------------------------------------------- */

struct resume {
    struct press *press;
    struct frame_walk *walk;
    struct frame_file *file; /* NULL before the first seal */
    const char *path;
    struct buf text;  /* of the frame whose seal must come next */
    size_t frame_len; /* of that frame; 0: none was read */
    struct seal last;
    bool is_forged;
    frame_text_fn *fn;
    frame_cut_fn *may_cut;
    void *ctx;
};

/* Whether `s` is what must follow here; its text is in r->text. */
static enum status
check_seal(struct resume *r, const struct seal *s, struct span frame,
    struct error *err)
{
    struct frame_file *f = r->file;
    /* By our keys only: what another signed must not get our seal behind it. */
    const enum status st = press_trusts(r->press, &s->key)
                               ? seal_check(frame, &s->key)
                               : STATUS_CORRUPT;
    if (st == STATUS_NO_MEMORY) {
        return error_set(err, st, "no memory to verify %s", r->path);
    }
    if (st != STATUS_OK) {
        return error_set(err, st,
            "%s: seal %u is not signed by this key, nor by a former one",
            r->path, s->sequence);
    }
    if (memcmp(&s->id, &f->id, sizeof s->id) != 0 ||
        s->sequence != f->sequence ||
        s->text_len != f->text_len + r->text.len ||
        memcmp(&s->previous, &f->previous, sizeof s->previous) != 0) {
        return error_set(err, STATUS_CORRUPT,
            "%s: seal %u does not follow what is before it", r->path,
            s->sequence);
    }
    /* Last, for the hash cannot be taken back. No crash puts a whole frame
     * with another text before a seal of ours. */
    const struct sha256 hash = hash_text(f, buf_view(&r->text));
    if (memcmp(&s->text_hash, &hash, sizeof hash) != 0) {
        r->is_forged = true;
        return error_set(err, STATUS_CORRUPT,
            "%s: seal %u does not match the text", r->path, s->sequence);
    }
    return STATUS_OK;
}

static enum status
on_seal(struct resume *r, const struct frame_piece *piece, struct error *err)
{
    struct seal s;
    enum status st = seal_decode(piece->frame, &s, err);
    if (st == STATUS_OK && r->file == NULL) {
        st = file_new(r->press, r->path, &s.id, &r->file, err);
    }
    if (st == STATUS_OK) {
        st = check_seal(r, &s, piece->frame, err);
    }
    if (st == STATUS_OK) {
        st = entries_reserve(r->file, err);
    }
    if (st == STATUS_OK) {
        st = r->fn(r->ctx, buf_view(&r->text), err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    advance(r->file, &s, piece->frame);
    r->file->file_len = piece->offset + piece->frame.len;
    r->file->entries[r->file->entry_count - 1].file_len =
        (uint32_t)(r->frame_len + piece->frame.len);
    r->last = s;
    buf_clear(&r->text);
    r->frame_len = 0;
    return STATUS_OK;
}

static enum status
on_text(struct resume *r, const struct frame_piece *piece, struct error *err)
{
    if (r->frame_len > 0 || (r->file != NULL && r->file->is_final)) {
        return error_set(err, STATUS_CORRUPT,
            "%s: the frame at %llu is where none may be", r->path,
            (unsigned long long)piece->offset);
    }
    r->frame_len = piece->frame.len;
    const enum status st = buf_append(&r->text, piece->text);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for a frame");
}

/* Frame by frame up to the end, or to the first thing that is not right. */
static enum status
read_frames(struct resume *r, struct error *err)
{
    for (;;) {
        struct frame_piece piece;
        enum status st = frame_walk_next(r->walk, &piece, err);
        if (st != STATUS_OK) {
            return st;
        }
        switch (piece.kind) {
        case FRAME_TEXT:
            st = on_text(r, &piece, err);
            break;
        case FRAME_SEAL:
            st = on_seal(r, &piece, err);
            break;
        case FRAME_OTHER: /* the seek table, if it stands at the end */
        case FRAME_END:
            return STATUS_OK;
        }
        if (st != STATUS_OK) {
            return st;
        }
    }
}

static bool
has_good_seal(const struct resume *r)
{
    return r->file != NULL && r->file->entry_count > 0;
}

#define SCAN_STEP (1u << 20)

/* A seal of this recording that verifies, by whatever key, anywhere in
 * `bytes`, and is not the next one: that one stands behind the frame which
 * was being written, and a power cut may leave it whole and the frame not. */
static bool
has_seal(const struct resume *r, struct span bytes)
{
    const uint8_t magic[4] = {(uint8_t)(SEAL_FRAME_MAGIC & 0xff),
        (uint8_t)(SEAL_FRAME_MAGIC >> 8 & 0xff),
        (uint8_t)(SEAL_FRAME_MAGIC >> 16 & 0xff),
        (uint8_t)(SEAL_FRAME_MAGIC >> 24 & 0xff)};
    const uint32_t next = has_good_seal(r) ? r->file->sequence : 0;
    while (bytes.len >= SEAL_FRAME_LEN) {
        const uint8_t *at = memmem(bytes.ptr, bytes.len, magic, sizeof magic);
        if (at == NULL) {
            return false;
        }
        (void)span_skip(&bytes, (size_t)(at - bytes.ptr));
        if (bytes.len < SEAL_FRAME_LEN) {
            return false;
        }
        const struct span frame = span_of(bytes.ptr, SEAL_FRAME_LEN);
        struct seal s;
        if (seal_decode(frame, &s, NULL) == STATUS_OK && s.sequence > next &&
            (!has_good_seal(r) ||
                memcmp(&s.id, &r->file->id, sizeof s.id) == 0) &&
            seal_verify(frame, &s.key)) {
            return true;
        }
        (void)span_skip(&bytes, 1);
    }
    return false;
}

/* What was synced no crash damages: a seal out there says that the damage is
 * something else, and that cutting would destroy evidence. */
static enum status
refuse_seals_behind(struct resume *r, int fd, struct error *err)
{
    const uint64_t from = has_good_seal(r) ? r->file->file_len : 0;
    uint8_t *step = malloc(SCAN_STEP);
    if (step == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to read a file");
    }
    enum status st = STATUS_OK;
    uint64_t at = from;
    size_t got = SCAN_STEP;
    while (st == STATUS_OK && got == SCAN_STEP) {
        st = file_pread(fd, step, SCAN_STEP, (off_t)at, &got, err);
        if (st == STATUS_OK && has_seal(r, span_of(step, got))) {
            st = error_set(err, STATUS_CORRUPT,
                "%s: damaged at %llu, with seals behind", r->path,
                (unsigned long long)from);
        }
        at += SCAN_STEP - SEAL_FRAME_LEN;
    }
    free(step);
    return st;
}

static enum status
cut_rest(struct resume *r, struct error *err)
{
    int fd;
    enum status st = file_open_regular(r->path, O_RDWR, &fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    const bool is_begun = has_good_seal(r);
    if (r->may_cut == NULL || !r->may_cut(r->ctx, is_begun ? &r->last : NULL)) {
        st = refuse_seals_behind(r, fd, err);
    }
    if (st == STATUS_OK && !is_begun) {
        st = error_set(err, STATUS_NOT_FOUND, "%s: no good seal", r->path);
    } else if (st == STATUS_OK &&
               ftruncate(fd, (off_t)r->file->file_len) != 0) {
        st = error_sys(err, errno, "truncate %s", r->path);
    }
    (void)close(fd); /* the length is made durable by the next sync */
    return st;
}

static enum status
resume_run(struct resume *r, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    const enum status st = read_frames(r, &why);
    const bool is_cut = st == STATUS_CORRUPT || st == STATUS_INVALID;
    if (st != STATUS_OK && (!is_cut || r->is_forged)) {
        if (err != NULL) {
            *err = why;
        }
        return st;
    }
    return cut_rest(r, err);
}

enum status
frame_file_resume(struct press *press, const char *path, frame_text_fn *fn,
    frame_cut_fn *may_cut, void *ctx, struct frame_file **out,
    struct seal *last_out, struct error *err)
{
    struct resume r = {
        .press = press, .path = path, .fn = fn, .may_cut = may_cut, .ctx = ctx};
    enum status st = frame_walk_open(path, &r.walk, err);
    if (st != STATUS_OK) {
        return st;
    }
    buf_init(&r.text, RECORDER_FRAME_TEXT_MAX);
    st = resume_run(&r, err);
    if (st == STATUS_OK) {
        r.file->hashed_ahead = 0;
        *last_out = r.last;
        *out = r.file;
        r.file = NULL;
    }
    frame_file_free(&r.file);
    frame_walk_close(&r.walk);
    buf_fini(&r.text);
    return st;
}

#define FOOTER_LEN 9

bool
frame_file_has_table(const char *path)
{
    uint8_t footer[FOOTER_LEN];
    size_t got = 0;
    size_t table_len;
    size_t frames;
    struct stat sb;
    int fd;
    if (file_open_regular(path, O_RDONLY, &fd, NULL) != STATUS_OK) {
        return false;
    }
    const bool is_read = fstat(fd, &sb) == 0 && sb.st_size > FOOTER_LEN &&
                         file_pread(fd, footer, sizeof footer,
                             sb.st_size - FOOTER_LEN, &got, NULL) == STATUS_OK;
    (void)close(fd); /* was only read */
    return is_read && seek_footer_decode(span_of(footer, got), &table_len,
                          &frames) == STATUS_OK;
}

bool
frame_file_read_id(const char *path, struct uuid *out)
{
    struct frame_walk *walk = NULL;
    struct frame_piece piece = {.kind = FRAME_TEXT};
    struct seal first;
    enum status st = frame_walk_open(path, &walk, NULL);
    while (st == STATUS_OK && piece.kind == FRAME_TEXT) {
        st = frame_walk_next(walk, &piece, NULL);
    }
    if (st == STATUS_OK && piece.kind == FRAME_SEAL) {
        st = seal_decode(piece.frame, &first, NULL);
    } else {
        st = STATUS_CORRUPT;
    }
    frame_walk_close(&walk);
    if (st == STATUS_OK) {
        *out = first.id;
    }
    return st == STATUS_OK;
}

/* --- facts --------------------------------------------------------------- */

const struct uuid *
frame_file_id(const struct frame_file *f)
{
    return &f->id;
}

const char *
frame_file_path(const struct frame_file *f)
{
    return f->path;
}

bool
frame_file_is_final(const struct frame_file *f)
{
    return f->is_final;
}

uint64_t
frame_file_len(const struct frame_file *f)
{
    return f->file_len;
}

uint64_t
frame_file_text_len(const struct frame_file *f)
{
    return f->text_len;
}

size_t
frame_file_frames(const struct frame_file *f)
{
    return f->entry_count;
}

struct sha256
frame_file_text_hash(const struct frame_file *f)
{
    assert(f->hashed_ahead == 0);
    return hasher_peek(f->hasher);
}

struct sha256
frame_file_last_seal(const struct frame_file *f)
{
    return f->previous;
}
