/* See ledger_file.h.
 *
 * The recorder replaces the checkpoint after it has appended lines, so the
 * checkpoint is read first: the lines it counts are there then.
 */
#include "player/ledger_file.h"

#include "base/file.h"
#include "base/line_reader.h"

#include <limits.h>
#include <stdlib.h>

struct ledger_file {
    struct buf note;
    struct checkpoint checkpoint;
    struct line_reader *lines;
    struct merkle tree;
};

static enum status
read_checkpoint(struct ledger_file *f, const char *dir, struct error *err)
{
    char path[PATH_MAX];
    enum status st = file_join(path, sizeof path, dir, LEDGER_CHECKPOINT, err);
    if (st == STATUS_OK) {
        st = file_read(path, &f->note, err);
    }
    if (st == STATUS_NOT_FOUND) {
        return error_set(err, st,
            "there is no ledger: %s is missing, which the recorder makes when "
            "it starts",
            path);
    }
    if (st == STATUS_OK) {
        st = checkpoint_parse(buf_view(&f->note), &f->checkpoint, err);
        st = st == STATUS_OK ? st : error_in(err, st, "%s", path);
    }
    return st;
}

static enum status
open_lines(struct ledger_file *f, const char *dir, struct error *err)
{
    char path[PATH_MAX];
    const enum status st =
        file_join(path, sizeof path, dir, LEDGER_LEAVES, err);
    return st == STATUS_OK
               ? line_reader_open(path, LEDGER_LEAF_MAX, &f->lines, err)
               : st;
}

enum status
ledger_file_open(const char *state, struct ledger_file **out, struct error *err)
{
    char dir[PATH_MAX];
    struct ledger_file *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the ledger");
    }
    buf_init(&f->note, CHECKPOINT_TEXT_MAX);
    merkle_init(&f->tree);
    enum status st = file_join(dir, sizeof dir, state, LEDGER_DIR, err);
    if (st == STATUS_OK) {
        st = read_checkpoint(f, dir, err);
    }
    if (st == STATUS_OK) {
        st = open_lines(f, dir, err);
    }
    if (st == STATUS_OK) {
        *out = f;
        f = NULL;
    }
    ledger_file_close(&f);
    return st;
}

void
ledger_file_close(struct ledger_file **f)
{
    if (*f != NULL) {
        line_reader_close(&(*f)->lines);
        buf_fini(&(*f)->note);
        free(*f);
        *f = NULL;
    }
}

struct span
ledger_file_note(const struct ledger_file *f)
{
    return buf_view(&f->note);
}

const struct checkpoint *
ledger_file_checkpoint(const struct ledger_file *f)
{
    return &f->checkpoint;
}

enum status
ledger_file_next(struct ledger_file *f, struct ledger_file_leaf *out,
    bool *has_out, struct error *err)
{
    if (f->tree.size == f->checkpoint.size) {
        *has_out = false;
        return STATUS_OK;
    }
    struct span line = SPAN_EMPTY;
    bool has_line = false;
    const enum status st = line_reader_next(f->lines, &line, &has_line, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (!has_line) {
        return error_set(err, STATUS_CORRUPT,
            "the ledger has %llu leaves, its checkpoint says %llu",
            (unsigned long long)f->tree.size,
            (unsigned long long)f->checkpoint.size);
    }
    *out = (struct ledger_file_leaf){
        .index = f->tree.size, .line = line, .hash = merkle_leaf_hash(line)};
    out->is_understood =
        ledger_leaf_decode(line, &out->leaf, NULL) == STATUS_OK;
    merkle_add(&f->tree, &out->hash);
    *has_out = true;
    return STATUS_OK;
}

struct sha256
ledger_file_root(const struct ledger_file *f)
{
    return merkle_root(&f->tree);
}
