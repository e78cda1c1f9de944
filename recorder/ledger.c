/* See ledger.h.
 *
 * The tree in memory is that of committed leaves and batch together. A commit
 * that failed may have replaced the checkpoint all the same; the next one
 * writes the same lines at the same place and more behind them, so what it
 * signs goes on from either.
 */
#include "recorder/ledger.h"

#include "base/file.h"
#include "base/line_reader.h"
#include "recorder/limits.h"
#include "schema/merkle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ledger {
    struct ledger_options o;
    char dir[PATH_MAX];
    char leaves[PATH_MAX];
    char checkpoint[PATH_MAX];
    char origin[CHECKPOINT_ORIGIN_MAX];
    struct merkle tree;        /* with the batch */
    uint64_t committed;        /* leaves that a checkpoint counts */
    uint64_t length;           /* bytes of their lines */
    struct buf batch;          /* lines behind them */
    struct ed25519_public key; /* that the leaves name last */
    bool has_key;
};

/* Nobody but a person can say what is right now. */
static enum status
refuse(const struct ledger *l, enum status code, const char *path,
    const char *what, struct error *err)
{
    return error_set(err, code,
        "%s: %s. Nothing is signed over that: bring %s back from a copy, or "
        "move it away, and a new ledger begins, which auditors will see",
        path, what, l->dir);
}

static enum status
damaged(const struct ledger *l, struct error *err, const char *what)
{
    return refuse(l, STATUS_CORRUPT, l->leaves, what, err);
}

/* --- keys ---------------------------------------------------------------- */

static bool
is_key(const struct ed25519_public *a, const struct ed25519_public *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void
note_key(struct ledger *l, const struct ed25519_public *key)
{
    l->key = *key;
    l->has_key = true;
}

/* A change is as the key before has it, or nobody vouches for it. */
static enum status
check_key_leaf(
    const struct ledger *l, const struct ledger_leaf *leaf, struct error *err)
{
    static const struct ledger_leaf none;
    const bool is_bare =
        is_key(&leaf->by, &none.by) &&
        memcmp(&leaf->signature, &none.signature, sizeof none.signature) == 0;
    if (is_bare) {
        return STATUS_OK;
    }
    uint8_t claim[LEDGER_CLAIM_LEN];
    ledger_key_claim(&leaf->by, &leaf->key, claim);
    const bool is_vouched = l->has_key && is_key(&leaf->by, &l->key) &&
                            ed25519_verify(&leaf->by,
                                span_of(claim, sizeof claim), &leaf->signature);
    return is_vouched ? STATUS_OK
                      : damaged(l, err,
                            "a change of key is not signed by the key before");
}

/* --- leaves -------------------------------------------------------------- */

static void
add_hash(struct ledger *l, struct span line)
{
    const struct sha256 hash = merkle_leaf_hash(line);
    merkle_add(&l->tree, &hash);
}

static enum status
put_leaf(struct ledger *l, const struct ledger_leaf *leaf, struct error *err)
{
    struct buf line;
    buf_init(&line, LEDGER_LEAF_MAX);
    enum status st = ledger_leaf_encode(leaf, &line);
    if (st != STATUS_OK) {
        (void)error_set(err, st, "a leaf of kind %s cannot be written: %s",
            ledger_kind_name(leaf->kind), status_name(st));
    } else if (buf_room(&l->batch) < line.len) {
        st = error_set(err, STATUS_LIMIT,
            "%zu bytes of leaves wait for the ledger already", l->batch.len);
    } else {
        st = buf_append(&l->batch, buf_view(&line));
        st = st == STATUS_OK ? st : error_set(err, st, "no memory for a leaf");
    }
    if (st == STATUS_OK) {
        add_hash(l, span_of(buf_view(&line).ptr, line.len - 1));
    }
    buf_fini(&line);
    return st;
}

enum status
ledger_add(struct ledger *l, const struct ledger_leaf *leaf, struct error *err)
{
    if (leaf->wall_us != 0) {
        return put_leaf(l, leaf, err);
    }
    struct ledger_leaf dated = *leaf;
    dated.wall_us = clock_wall_us(l->o.clock);
    return put_leaf(l, &dated, err);
}

uint64_t
ledger_size(const struct ledger *l)
{
    return l->committed;
}

/* --- committing ---------------------------------------------------------- */

static enum status
write_batch(struct ledger *l, int fd, struct error *err)
{
    struct stat sb;
    if (fstat(fd, &sb) != 0) {
        return error_sys(err, errno, "stat %s", l->leaves);
    }
    if ((uint64_t)sb.st_size < l->length) {
        return error_set(err, STATUS_CORRUPT,
            "%s was cut to %lld bytes, %llu were written", l->leaves,
            (long long)sb.st_size, (unsigned long long)l->length);
    }
    const uint64_t end = l->length + l->batch.len;
    enum status st =
        file_pwrite_all(fd, buf_view(&l->batch), (off_t)l->length, err);
    if (st == STATUS_OK && (uint64_t)sb.st_size > end &&
        ftruncate(fd, (off_t)end) != 0) {
        st = error_sys(err, errno, "truncate %s", l->leaves);
    }
    if (st == STATUS_OK && fdatasync(fd) != 0) {
        st = error_sys(err, errno, "fdatasync %s", l->leaves);
    }
    return st;
}

static enum status
append_batch(struct ledger *l, struct error *err)
{
    const int made = l->length == 0 ? O_CREAT : 0;
    int fd;
    enum status st = file_open_regular(l->leaves, O_WRONLY | made, &fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = write_batch(l, fd, err);
    if (close(fd) != 0 && st == STATUS_OK) {
        st = error_sys(err, errno, "close %s", l->leaves);
    }
    return st;
}

static enum status
replace_checkpoint(const struct ledger *l, struct error *err)
{
    struct checkpoint c = {.size = l->tree.size, .root = merkle_root(&l->tree)};
    struct buf note;
    buf_init(&note, CHECKPOINT_TEXT_MAX);
    memcpy(c.origin, l->origin, sizeof c.origin);
    enum status st = checkpoint_sign(&c, l->o.signer, &note);
    if (st == STATUS_OK) {
        st = file_write_atomic(l->checkpoint, buf_view(&note), 0600, err);
    } else {
        st = error_set(err, st, "could not sign a checkpoint");
    }
    buf_fini(&note);
    return st;
}

enum status
ledger_commit(struct ledger *l, struct error *err)
{
    if (l->batch.len == 0) {
        return STATUS_OK;
    }
    enum status st = append_batch(l, err);
    if (st == STATUS_OK) {
        st = replace_checkpoint(l, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    l->committed = l->tree.size;
    l->length += l->batch.len;
    buf_clear(&l->batch);
    buf_shrink(&l->batch);
    return STATUS_OK;
}

/* --- reading ------------------------------------------------------------- */

struct reading {
    struct ledger *ledger;
    ledger_leaf_fn *on_leaf;
    void *ctx;
};
typedef enum status line_fn(struct reading *reading, uint64_t index,
    struct span line, struct error *err);

/* Gives `size` leaves to `fn`; *offset_out is where their lines end. */
static enum status
read_leaves(struct reading *reading, uint64_t size, line_fn *fn,
    uint64_t *offset_out, struct error *err)
{
    const struct ledger *l = reading->ledger;
    struct line_reader *lines = NULL;
    enum status st = line_reader_open(l->leaves, LEDGER_LEAF_MAX, &lines, err);
    if (st == STATUS_NOT_FOUND) {
        return damaged(l, err, "the file is gone");
    }
    for (uint64_t i = 0; i < size && st == STATUS_OK; i++) {
        struct span line = SPAN_EMPTY;
        bool has_line = false;
        st = line_reader_next(lines, &line, &has_line, err);
        if (st == STATUS_OK && !has_line) {
            st = damaged(
                l, err, "there are fewer leaves than the checkpoint says");
        }
        if (st == STATUS_OK) {
            st = fn(reading, i, line, err);
        }
    }
    if (st == STATUS_OK) {
        *offset_out = line_reader_offset(lines);
    }
    line_reader_close(&lines);
    return st;
}

static enum status
decode(const struct ledger *l, uint64_t index, struct span line,
    struct ledger_leaf *out, struct error *err)
{
    struct error why;
    return ledger_leaf_decode(line, out, &why) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_CORRUPT, "%s: line %llu: %s", l->leaves,
                     (unsigned long long)index + 1, why.text);
}

/* A leaf at the start: hashed, and its key remembered. */
static enum status
take_leaf(
    struct reading *r, uint64_t index, struct span line, struct error *err)
{
    struct ledger *l = r->ledger;
    struct ledger_leaf leaf;
    enum status st = decode(l, index, line, &leaf, err);
    if (st == STATUS_OK && index == 0 && leaf.kind != LEDGER_KEY) {
        st = damaged(l, err, "the first leaf is no key");
    }
    if (st == STATUS_OK && leaf.kind == LEDGER_KEY) {
        st = check_key_leaf(l, &leaf, err);
        note_key(l, &leaf.key);
    }
    if (st != STATUS_OK) {
        return st;
    }
    if (index == 0) {
        checkpoint_origin(&leaf.key, l->origin);
    }
    add_hash(l, line);
    return r->on_leaf == NULL ? STATUS_OK
                              : r->on_leaf(r->ctx, index, &leaf, err);
}

static enum status
tell_leaf(
    struct reading *r, uint64_t index, struct span line, struct error *err)
{
    struct ledger_leaf leaf;
    const enum status st = decode(r->ledger, index, line, &leaf, err);
    return st == STATUS_OK ? r->on_leaf(r->ctx, index, &leaf, err) : st;
}

enum status
ledger_each(
    struct ledger *l, ledger_leaf_fn *on_leaf, void *ctx, struct error *err)
{
    struct reading reading = {.ledger = l, .on_leaf = on_leaf, .ctx = ctx};
    uint64_t offset;
    return read_leaves(&reading, l->committed, tell_leaf, &offset, err);
}

/* --- opening ------------------------------------------------------------- */

/* What lies behind the good lines is a crash's. */
static enum status
cut_leaves(const struct ledger *l, struct error *err)
{
    struct stat sb;
    if (stat(l->leaves, &sb) != 0) {
        return errno == ENOENT ? STATUS_OK
                               : error_sys(err, errno, "stat %s", l->leaves);
    }
    if ((uint64_t)sb.st_size > l->length &&
        truncate(l->leaves, (off_t)l->length) != 0) {
        return error_sys(err, errno, "truncate %s", l->leaves);
    }
    return STATUS_OK; /* durable with the next commit, or cut again */
}

static enum status
check_checkpoint(const struct ledger *l, struct span note,
    const struct checkpoint *c, struct error *err)
{
    struct checkpoint opened;
    size_t which;
    struct error why;
    const struct sha256 root = merkle_root(&l->tree);
    if (strcmp(c->origin, l->origin) != 0) {
        return damaged(l, err, "the checkpoint is another ledger's");
    }
    if (memcmp(&root, &c->root, sizeof root) != 0) {
        return damaged(l, err, "the leaves are not those of the checkpoint");
    }
    const enum status st =
        checkpoint_open(note, &l->key, 1, &opened, &which, &why);
    return st == STATUS_OK ? st : refuse(l, st, l->checkpoint, why.text, err);
}

static enum status
open_known(struct ledger *l, struct span note, ledger_leaf_fn *on_leaf,
    void *ctx, struct error *err)
{
    struct checkpoint c;
    struct reading reading = {.ledger = l, .on_leaf = on_leaf, .ctx = ctx};
    struct error why;
    enum status st = checkpoint_parse(note, &c, &why);
    if (st != STATUS_OK) {
        return refuse(l, STATUS_CORRUPT, l->checkpoint, why.text, err);
    }
    st = read_leaves(&reading, c.size, take_leaf, &l->length, err);
    if (st == STATUS_OK) {
        st = check_checkpoint(l, note, &c, err);
    }
    if (st == STATUS_OK) {
        l->committed = c.size;
        st = cut_leaves(l, err);
    }
    return st;
}

/* Without a checkpoint there may be what a crash left of the first commit:
 * one key, or less. */
static enum status
refuse_leaves(const struct ledger *l, struct error *err)
{
    struct line_reader *lines = NULL;
    enum status st = line_reader_open(l->leaves, LEDGER_LEAF_MAX, &lines, err);
    if (st == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    size_t count = 0;
    bool has_line = true;
    while (st == STATUS_OK && has_line && count < 2) {
        struct span line = SPAN_EMPTY;
        struct ledger_leaf leaf = {.kind = LEDGER_KEY};
        st = line_reader_next(lines, &line, &has_line, err);
        if (st == STATUS_OK && has_line) {
            count++;
            st = decode(l, 0, line, &leaf, err);
        }
        if (st == STATUS_OK && (leaf.kind != LEDGER_KEY || count > 1)) {
            st = damaged(l, err, "there are leaves, but no checkpoint");
        }
    }
    line_reader_close(&lines);
    return st;
}

static enum status
begin(struct ledger *l, struct error *err)
{
    const struct ledger_leaf leaf = {
        .kind = LEDGER_KEY, .key = signer_public(l->o.signer)};
    enum status st = refuse_leaves(l, err);
    if (st == STATUS_OK) {
        st = cut_leaves(l, err);
    }
    if (st == STATUS_OK) {
        checkpoint_origin(&leaf.key, l->origin);
        note_key(l, &leaf.key);
        st = ledger_add(l, &leaf, err);
    }
    return st == STATUS_OK ? ledger_commit(l, err) : st;
}

static const struct signer *
find_former(const struct ledger *l, const struct ed25519_public *key)
{
    for (size_t i = 0; i < l->o.former_count; i++) {
        const struct ed25519_public of = signer_public(l->o.former[i]);
        if (is_key(&of, key)) {
            return l->o.former[i];
        }
    }
    return NULL;
}

static enum status
vouch(const struct signer *former, struct ledger_leaf *leaf, struct error *err)
{
    uint8_t claim[LEDGER_CLAIM_LEN];
    leaf->by = signer_public(former);
    ledger_key_claim(&leaf->by, &leaf->key, claim);
    const enum status st =
        signer_sign(former, span_of(claim, sizeof claim), &leaf->signature);
    return st == STATUS_OK ? st
                           : error_set(err, st, "could not sign a new key");
}

static enum status
follow_signer(struct ledger *l, struct error *err)
{
    struct ledger_leaf leaf = {
        .kind = LEDGER_KEY, .key = signer_public(l->o.signer)};
    if (is_key(&leaf.key, &l->key)) {
        return STATUS_OK;
    }
    const struct signer *former = find_former(l, &l->key);
    enum status st = STATUS_OK;
    if (former != NULL) {
        st = vouch(former, &leaf, err);
    }
    if (st == STATUS_OK) {
        st = ledger_add(l, &leaf, err);
    }
    if (st == STATUS_OK) {
        st = ledger_commit(l, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    note_key(l, &leaf.key);
    log_event(l->o.log, former != NULL ? LOG_INFO : LOG_WARN,
        "ledger.key_changed",
        LOG_S("signed", former != NULL ? "by the key before"
                                       : "by nobody: recorder.former_keys does "
                                         "not name the key before, and "
                                         "auditors will ask whether the change "
                                         "was meant"));
    return STATUS_OK;
}

static enum status
name_files(struct ledger *l, struct error *err)
{
    enum status st =
        file_join(l->dir, sizeof l->dir, l->o.state_dir, LEDGER_DIR, err);
    if (st == STATUS_OK) {
        st = file_join(l->leaves, sizeof l->leaves, l->dir, LEDGER_LEAVES, err);
    }
    if (st == STATUS_OK) {
        st = file_join(l->checkpoint, sizeof l->checkpoint, l->dir,
            LEDGER_CHECKPOINT, err);
    }
    return st == STATUS_OK ? file_make_dirs(l->dir, 0700, err) : st;
}

static enum status
open_files(
    struct ledger *l, ledger_leaf_fn *on_leaf, void *ctx, struct error *err)
{
    struct buf note;
    buf_init(&note, CHECKPOINT_TEXT_MAX);
    struct error why = {.code = STATUS_OK};
    enum status st = name_files(l, err);
    if (st == STATUS_OK) {
        st = file_read(l->checkpoint, &note, &why);
        if (st == STATUS_NOT_FOUND) {
            st = begin(l, err);
        } else if (st == STATUS_OK) {
            st = open_known(l, buf_view(&note), on_leaf, ctx, err);
        } else {
            st = error_set(err, st, "%s", why.text);
        }
    }
    buf_fini(&note);
    return st == STATUS_OK ? follow_signer(l, err) : st;
}

enum status
ledger_open(const struct ledger_options *o, ledger_leaf_fn *on_leaf, void *ctx,
    struct ledger **out, struct error *err)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the ledger");
    }
    l->o = *o;
    merkle_init(&l->tree);
    buf_init(&l->batch, RECORDER_LEDGER_BATCH_MAX);
    const enum status st = open_files(l, on_leaf, ctx, err);
    if (st == STATUS_OK) {
        *out = l;
        l = NULL;
    }
    ledger_close(&l);
    return st;
}

void
ledger_close(struct ledger **l)
{
    if (*l != NULL) {
        buf_fini(&(*l)->batch);
        free(*l);
        *l = NULL;
    }
}
