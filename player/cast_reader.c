/* Lines out of pieces. A line within one piece is viewed where it lies; only
 * one that spans pieces is copied. The trap: what is viewed belongs to
 * text_reader and goes with the next piece, so a line lives until the next. */
#include "player/cast_reader.h"

#include "player/text_reader.h"
#include <stdlib.h>
#include <string.h>

struct cast_reader {
    struct text_reader *text;
    struct span piece;  /* text not split yet, in text_reader's memory */
    struct buf joined;  /* a line that spans pieces */
    struct span line;   /* the last one given: in `piece` or `joined` */
    struct buf scratch; /* the decoded data of the last event */
    struct buf first;   /* the header line, kept */
    struct cast_header header;
    bool has_header;
    uint64_t line_number;
};

/* The line up to `piece`'s next newline, joined to what came before. */
static enum status
finish_line(struct cast_reader *r, struct span head)
{
    if (r->joined.len == 0) {
        r->line = head;
        return STATUS_OK;
    }
    const enum status st = buf_append(&r->joined, head);
    r->line = buf_view(&r->joined);
    return st;
}

static enum status
next_line(struct cast_reader *r, struct error *err)
{
    buf_clear(&r->joined);
    struct span head = SPAN_EMPTY;
    while (!span_take_until(&r->piece, '\n', &head)) {
        enum status st = buf_append(&r->joined, r->piece);
        r->piece = SPAN_EMPTY;
        if (st != STATUS_OK) {
            return error_set(err, st, "line %llu is longer than %u bytes",
                (unsigned long long)r->line_number + 1, CAST_LINE_MAX);
        }
        st = text_reader_next(r->text, &r->piece, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    r->line_number++;
    return finish_line(r, head);
}

static enum status
read_header(struct cast_reader *r, struct error *err)
{
    enum status st = next_line(r, err);
    if (st == STATUS_CLOSED) {
        return error_set(err, STATUS_INVALID,
            "no header line: this is no recording, or one that has just begun");
    }
    if (st == STATUS_OK) {
        st = buf_append(&r->first, r->line);
    }
    if (st == STATUS_OK) {
        st = cast_header_decode(r->line, &r->header, err);
        r->has_header = st == STATUS_OK;
    }
    return st;
}

enum status
cast_reader_open(const char *path, const struct age_identities *ids,
    struct cast_reader **out, struct error *err)
{
    struct cast_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    r->piece = SPAN_EMPTY;
    r->line = SPAN_EMPTY;
    buf_init(&r->joined, CAST_LINE_MAX);
    buf_init(&r->scratch, CAST_LINE_MAX);
    buf_init(&r->first, CAST_LINE_MAX);
    enum status st = text_reader_open(path, ids, &r->text, err);
    if (st == STATUS_OK) {
        st = read_header(r, err);
        if (st != STATUS_OK) {
            error_in(err, st, "%s", path);
        }
    }
    if (st == STATUS_OK) {
        *out = r;
        r = NULL;
    }
    cast_reader_close(&r);
    return st;
}

void
cast_reader_close(struct cast_reader **r)
{
    if (*r == NULL) {
        return;
    }
    text_reader_close(&(*r)->text);
    buf_fini(&(*r)->joined);
    buf_fini(&(*r)->scratch);
    buf_fini(&(*r)->first);
    if ((*r)->has_header) {
        meta_fini(&(*r)->header.meta);
    }
    free(*r);
    *r = NULL;
}

const struct cast_header *
cast_reader_header(const struct cast_reader *r)
{
    return &r->header;
}

struct span
cast_reader_header_line(const struct cast_reader *r)
{
    return buf_view(&r->first);
}

enum status
cast_reader_next(
    struct cast_reader *r, struct cast_event *out, struct error *err)
{
    enum status st = STATUS_OK;
    do { /* editors leave empty lines in files of other tools */
        st = next_line(r, err);
    } while (st == STATUS_OK && r->line.len == 0);
    if (st == STATUS_OK) {
        st = cast_event_decode(r->line, &r->scratch, out, err);
        if (st != STATUS_OK) {
            error_in(err, st, "line %llu", (unsigned long long)r->line_number);
        }
    }
    return st;
}

struct span
cast_reader_line(const struct cast_reader *r)
{
    return r->line;
}

bool
cast_reader_is_cut(const struct cast_reader *r)
{
    return text_reader_is_cut(r->text) || r->joined.len > 0;
}

/* One `k` object over `m`. A day's file of refused attempts holds the facts
 * of many sessions, and later versions may know other facts: what is not of
 * this session, or is no meta, changes nothing. */
static enum status
merge_one(struct span json, struct meta *m)
{
    struct meta merged;
    meta_init(&merged);
    enum status st = meta_copy(m, &merged);
    if (st == STATUS_OK) {
        st = meta_decode(json, &merged, NULL);
        if (st == STATUS_OK && memcmp(&merged.id, &m->id, sizeof m->id) == 0) {
            const struct meta before = *m;
            *m = merged;
            merged = before;
        }
    }
    meta_fini(&merged);
    return st == STATUS_INVALID ? STATUS_OK : st;
}

/* Every `k` event over `m`, to the end. */
static enum status
merge_facts(struct cast_reader *r, struct meta *m, struct error *err)
{
    struct cast_event e = {0};
    enum status st = cast_reader_next(r, &e, err);
    while (st == STATUS_OK) {
        if (e.code == CAST_FACTS && merge_one(e.data, m) != STATUS_OK) {
            return error_set(err, STATUS_NO_MEMORY, "out of memory");
        }
        st = cast_reader_next(r, &e, err);
    }
    return st == STATUS_CLOSED ? STATUS_OK : st;
}

enum status
cast_facts_read(const char *path, const struct age_identities *ids,
    struct meta *m, struct error *err)
{
    struct cast_reader *r = NULL;
    enum status st = cast_reader_open(path, ids, &r, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct meta facts;
    meta_init(&facts);
    st = meta_copy(&cast_reader_header(r)->meta, &facts);
    if (st == STATUS_OK) {
        st = merge_facts(r, &facts, err);
    } else {
        error_set(err, st, "out of memory");
    }
    cast_reader_close(&r);
    if (st != STATUS_OK) {
        meta_fini(&facts);
        return st;
    }
    *m = facts;
    return STATUS_OK;
}
