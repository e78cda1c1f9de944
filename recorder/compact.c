/* See compact.h. */
#include "recorder/compact.h"

#include "recorder/frame_walk.h"
#include "recorder/limits.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
compact_is_worth_it(const struct frame_file *f, enum compact_effort effort)
{
    const uint64_t frames = frame_file_frames(f);
    const uint64_t text = frame_file_text_len(f);
    if (frames < 2 || frame_file_len(f) <= RECORDER_BLOCK_BYTES) {
        return false;
    }
    if (text / frames < RECORDER_SMALL_FRAME_TEXT) {
        return true; /* seals and heads weigh more than the text */
    }
    return effort == COMPACT_THOROUGH && text <= RECORDER_COMPACT_TEXT_MAX &&
           text / frame_file_len(f) >= RECORDER_COMPACT_RATIO;
}

struct compaction {
    struct press *press;
    int level;
    struct frame_walk *walk;
    struct frame_file *to; /* NULL when it is in place */
    struct hasher *hasher; /* of the text so far, to check the old seals */
    uint64_t text_len;
    uint32_t sequence; /* of the old seal that must come next */
    struct sha256 previous;
    struct buf text; /* not yet in `to` */
    bool is_final;
};

static int
level_for(uint64_t text_len, enum compact_effort effort)
{
    if (effort == COMPACT_QUICK || text_len > RECORDER_COMPACT_TEXT_MAX) {
        return RECORDER_ZSTD_LEVEL;
    }
    return text_len <= RECORDER_SMALL_TEXT ? RECORDER_SMALL_LEVEL
                                           : RECORDER_LARGE_LEVEL;
}

static enum status
temporary_name(const char *path, char out[PATH_MAX], struct error *err)
{
    const int n = snprintf(out, PATH_MAX, "%s.tmp", path);
    if (n < 0 || n >= PATH_MAX) {
        return error_set(err, STATUS_LIMIT, "path too long: %s", path);
    }
    return STATUS_OK;
}

static enum status
check_seal(const struct compaction *c, const struct seal *s, struct span frame,
    struct error *err)
{
    const struct sha256 hash = hasher_peek(c->hasher);
    if (s->sequence != c->sequence || s->text_len != c->text_len ||
        memcmp(&s->text_hash, &hash, sizeof hash) != 0 ||
        memcmp(&s->previous, &c->previous, sizeof s->previous) != 0 ||
        !press_trusts(c->press, &s->key) || !seal_verify(frame, &s->key)) {
        return error_set(
            err, STATUS_CORRUPT, "seal %u does not verify", s->sequence);
    }
    return STATUS_OK;
}

static bool
may_cut(const struct compaction *c, const struct seal *s)
{
    return s->is_final || c->text.len >= RECORDER_LARGE_FRAME_TEXT;
}

/* *is_cut_out: a frame was written. */
static enum status
on_seal(struct compaction *c, struct span frame, bool *is_cut_out,
    struct error *err)
{
    struct seal s;
    enum status st = seal_decode(frame, &s, err);
    if (st == STATUS_OK) {
        st = check_seal(c, &s, frame, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    c->sequence++;
    c->previous = seal_hash(frame);
    c->is_final = s.is_final;
    if (!may_cut(c, &s)) {
        return STATUS_OK;
    }
    press_set_level(c->press, c->level);
    st = frame_file_cut_at(
        c->to, buf_view(&c->text), &s.writer, s.is_final, s.wall_us, err);
    buf_clear(&c->text);
    *is_cut_out = true;
    return st;
}

static enum status
on_text(struct compaction *c, struct span text, struct error *err)
{
    hasher_add(c->hasher, text);
    c->text_len += text.len;
    const enum status st = buf_append(&c->text, text);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for a frame");
}

enum status
compaction_step(struct compaction *c, bool *is_done_out, struct error *err)
{
    bool is_cut = false;
    while (!is_cut) {
        struct frame_piece piece;
        enum status st = frame_walk_next(c->walk, &piece, err);
        if (st != STATUS_OK) {
            return st;
        }
        switch (piece.kind) {
        case FRAME_TEXT:
            st = on_text(c, piece.text, err);
            break;
        case FRAME_SEAL:
            st = on_seal(c, piece.frame, &is_cut, err);
            break;
        case FRAME_OTHER:
        case FRAME_END:
            st = error_set(err, STATUS_CORRUPT, "it has no final seal");
            break;
        }
        if (st != STATUS_OK) {
            return st;
        }
    }
    *is_done_out = c->is_final;
    return c->is_final ? frame_file_finish(c->to, err) : STATUS_OK;
}

static enum status
begin(struct compaction *c, const struct frame_file *from, struct error *err)
{
    char temporary[PATH_MAX];
    enum status st = temporary_name(frame_file_path(from), temporary, err);
    if (st != STATUS_OK) {
        return st;
    }
    compact_forget(frame_file_path(from));
    st = frame_walk_open(frame_file_path(from), &c->walk, err);
    if (st == STATUS_OK) {
        st = hasher_new(&c->hasher);
    }
    return st == STATUS_OK ? frame_file_create(c->press, temporary,
                                 frame_file_id(from), &c->to, err)
                           : st;
}

enum status
compaction_new(struct press *press, const struct frame_file *from,
    enum compact_effort effort, struct compaction **out, struct error *err)
{
    struct compaction *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to compact");
    }
    c->press = press;
    c->level = level_for(frame_file_text_len(from), effort);
    buf_init(&c->text, RECORDER_FRAME_TEXT_MAX);
    const enum status st = begin(c, from, err);
    if (st == STATUS_OK) {
        *out = c;
        c = NULL;
    }
    compaction_free(&c);
    return st;
}

enum status
compaction_replace(
    struct compaction *c, struct frame_file **f, struct error *err)
{
    assert(c->is_final);
    const enum status st = frame_file_move(c->to, frame_file_path(*f), err);
    if (st == STATUS_OK) {
        frame_file_free(f);
        *f = c->to;
        c->to = NULL;
    }
    return st;
}

void
compaction_free(struct compaction **c)
{
    if (*c == NULL) {
        return;
    }
    if ((*c)->to != NULL) {
        (void)unlink(frame_file_path((*c)->to));
    }
    if ((*c)->text_len > RECORDER_SMALL_TEXT) {
        press_shrink((*c)->press);
    }
    frame_file_free(&(*c)->to);
    frame_walk_close(&(*c)->walk);
    hasher_free(&(*c)->hasher);
    buf_fini(&(*c)->text);
    free(*c);
    *c = NULL;
}

void
compact_forget(const char *path)
{
    char temporary[PATH_MAX];
    if (temporary_name(path, temporary, NULL) == STATUS_OK) {
        (void)unlink(temporary); /* a failure shows when it is made anew */
    }
}
