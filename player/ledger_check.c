/* One pass over the leaves: the tree's root is compared where the older
 * checkpoint ends, and at the end. */
#include "player/ledger_check.h"

#include "base/file.h"
#include "player/ledger_file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The keys that the leaves name, as far as they were read. */
struct key_chain {
    struct ed25519_public first;
    struct ed25519_public last;
    bool has_any;
};

struct reading {
    const struct ledger_check_options *options;
    struct key_set *keys;
    struct ledger_file *file; /* NULL: it cannot be read as one */
    struct key_chain chain;
    uint64_t size;
    uint64_t offset; /* of the next line */

    /* The older checkpoint, and what its own leaves named last. */
    struct buf old_note;
    struct checkpoint old;
    bool has_old;
    struct ed25519_public old_signer;
};

static void tell(const struct reading *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
tell(const struct reading *r, const char *fmt, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->options->on_finding(r->options->ctx, text);
}

static enum status
join_path(
    const char *state, const char *name, char out[PATH_MAX], struct error *err)
{
    char dir[PATH_MAX];
    const enum status st = file_join(dir, sizeof dir, state, LEDGER_DIR, err);
    return st == STATUS_OK ? file_join(out, PATH_MAX, dir, name, err) : st;
}

/* ---- Checkpoints ---- */

static enum status
read_old(struct reading *r, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    if (r->options->old == NULL) {
        return STATUS_OK;
    }
    enum status st = file_read(r->options->old, &r->old_note, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = checkpoint_parse(buf_view(&r->old_note), &r->old, &why);
    r->has_old = st == STATUS_OK;
    return r->has_old ? st
                      : error_set(err, st, "%s is no checkpoint: %s",
                            r->options->old, why.text);
}

/* LEDGER.md, "To audit": signed by the key that its own leaves name last, and
 * that key one of those that are trusted. */
static void
check_signer(struct reading *r, struct span note,
    const struct ed25519_public *signer, const char *name)
{
    struct checkpoint c;
    size_t by = 0;
    char key[KEY_SET_NAME_MAX];
    key_set_name(signer, key);
    if (!key_set_has(r->keys, signer)) {
        tell(r, "%s is by the key %s…, which is not trusted", name, key);
    } else if (checkpoint_open(note, signer, 1, &c, &by, NULL) != STATUS_OK) {
        tell(r,
            "%s was forged: it is not signed by the key %s…, whose turn it was",
            name, key);
    }
}

static void
compare_root(
    struct reading *r, const struct checkpoint *claim, const char *name)
{
    const struct sha256 root = ledger_file_root(r->file);
    if (memcmp(&root, &claim->root, sizeof root) != 0) {
        tell(r,
            "the first %" PRIu64 " lines are not what %s signs: one was "
            "edited, dropped, moved or put in",
            r->size, name);
    }
}

/* ---- Leaves ---- */

/* Or it may be another ledger altogether, that the recorder's key only goes on
 * with. */
static void
check_first_key(
    struct reading *r, const struct ed25519_public *first, bool is_known)
{
    char key[KEY_SET_NAME_MAX];
    if (!is_known) {
        key_set_name(first, key);
        tell(r, "line 1 names the key %s…, which is not trusted", key);
    }
}

/* Whoever trusts the key before trusts the one that it signed. */
static void
follow_key(struct reading *r, const struct ledger_leaf *leaf, uint64_t line)
{
    uint8_t claim[LEDGER_CLAIM_LEN];
    ledger_key_claim(&leaf->by, &leaf->key, claim);
    const bool is_signed =
        memcmp(&leaf->by, &r->chain.last, sizeof leaf->by) == 0 &&
        ed25519_verify(
            &leaf->by, span_of(claim, sizeof claim), &leaf->signature);
    const bool is_known = key_set_has(r->keys, &leaf->key);
    if (!r->chain.has_any) {
        r->chain.first = leaf->key;
        check_first_key(r, &leaf->key, is_known);
    } else if (!is_signed && !is_known) {
        tell(r, "line %" PRIu64 " names a key that nobody vouches for", line);
    } else if (key_set_has(r->keys, &leaf->by) &&
               key_set_add(r->keys, &leaf->key) != STATUS_OK) {
        tell(r, "line %" PRIu64 " is one key too many", line);
    }
    r->chain.last = leaf->key;
    r->chain.has_any = true;
}

static enum status
take_leaf(
    struct reading *r, const struct ledger_file_leaf *l, struct error *err)
{
    enum status st = STATUS_OK;
    const uint64_t line = l->index + 1;
    r->size = line;
    if (!l->is_understood) {
        tell(r, "line %" PRIu64 " is no leaf", line);
    } else if (l->leaf.kind == LEDGER_KEY) {
        follow_key(r, &l->leaf, line);
    } else {
        st = r->options->on_leaf(
            r->options->ctx, &l->leaf, line, r->offset, err);
    }
    if (line == 1 && !r->chain.has_any) {
        tell(r, "line 1 does not name the first key");
    }
    if (r->has_old && line == r->old.size) {
        compare_root(r, &r->old, "the older checkpoint");
        r->old_signer = r->chain.last;
    }
    r->offset += l->line.len + 1;
    return st;
}

static enum status
take_leaves(struct reading *r, struct error *err)
{
    struct ledger_file_leaf l;
    struct error why = {.code = STATUS_OK};
    bool has_leaf = true;
    while (has_leaf) {
        enum status st = ledger_file_next(r->file, &l, &has_leaf, &why);
        if (st == STATUS_CORRUPT || st == STATUS_LIMIT) {
            tell(r, "behind line %" PRIu64 " it is cut or damaged: %s", r->size,
                why.text);
            return STATUS_OK;
        }
        if (st != STATUS_OK) {
            return error_set(err, st, "%s", why.text);
        }
        st = has_leaf ? take_leaf(r, &l, err) : STATUS_OK;
        if (st != STATUS_OK) {
            return st;
        }
    }
    compare_root(r, ledger_file_checkpoint(r->file), "the checkpoint");
    return STATUS_OK;
}

/* ---- All of it ---- */

static void
check_current(struct reading *r)
{
    char origin[CHECKPOINT_ORIGIN_MAX];
    const struct checkpoint *claim = ledger_file_checkpoint(r->file);
    if (!r->chain.has_any) {
        return; /* told with line 1 */
    }
    check_signer(
        r, ledger_file_note(r->file), &r->chain.last, "the checkpoint");
    checkpoint_origin(&r->chain.first, origin);
    if (strcmp(origin, claim->origin) != 0) {
        tell(r, "the checkpoint is of another ledger, %s, than the leaves, %s",
            claim->origin, origin);
    }
}

static void
check_old(struct reading *r)
{
    const struct checkpoint *claim = ledger_file_checkpoint(r->file);
    if (!r->has_old) {
        return;
    }
    if (strcmp(r->old.origin, claim->origin) != 0) {
        tell(r, "the older checkpoint is of another ledger, %s", r->old.origin);
    } else if (r->old.size > claim->size) {
        tell(r,
            "it was rolled back: it had %" PRIu64
            " lines at the older checkpoint, and has %" PRIu64,
            r->old.size, claim->size);
    } else if (r->old.size <= r->size && r->old.size > 0) {
        check_signer(
            r, buf_view(&r->old_note), &r->old_signer, "the older checkpoint");
    }
}

/* The checkpoint without leaves, or none: a ledger that is not whole. */
static enum status
open_ledger(struct reading *r, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    char leaves[PATH_MAX];
    char checkpoint[PATH_MAX];
    enum status st = join_path(r->options->state, LEDGER_LEAVES, leaves, err);
    if (st == STATUS_OK) {
        st = join_path(r->options->state, LEDGER_CHECKPOINT, checkpoint, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    st = ledger_file_open(r->options->state, &r->file, &why);
    if (st == STATUS_NOT_FOUND && access(leaves, F_OK) != 0 &&
        access(checkpoint, F_OK) != 0) {
        if (r->has_old) {
            tell(r, "it is missing");
        }
        return STATUS_OK;
    }
    if (st == STATUS_NOT_FOUND || st == STATUS_INVALID || st == STATUS_LIMIT) {
        tell(r, "it cannot be read as one: %s", why.text);
        return STATUS_OK;
    }
    return st == STATUS_OK ? st : error_set(err, st, "%s", why.text);
}

enum status
ledger_check(const struct ledger_check_options *o, struct key_set *keys,
    uint64_t *size_out, struct error *err)
{
    struct reading r = {.options = o, .keys = keys};
    buf_init(&r.old_note, CHECKPOINT_TEXT_MAX);
    enum status st = read_old(&r, err);
    if (st == STATUS_OK) {
        st = open_ledger(&r, err);
    }
    if (st == STATUS_OK && r.file != NULL) {
        st = take_leaves(&r, err);
        if (st == STATUS_OK) {
            check_current(&r);
            check_old(&r);
        }
    }
    *size_out = r.size;
    ledger_file_close(&r.file);
    buf_fini(&r.old_note);
    return st;
}

enum status
ledger_check_read(const char *state, uint64_t offset, struct ledger_leaf *out,
    struct error *err)
{
    char path[PATH_MAX];
    uint8_t bytes[LEDGER_LEAF_MAX];
    size_t got = 0;
    enum status st = join_path(state, LEDGER_LEAVES, path, err);
    if (st != STATUS_OK) {
        return st;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_sys(err, errno, "cannot open %s", path);
    }
    st = file_pread(fd, bytes, sizeof bytes, (off_t)offset, &got, err);
    (void)close(fd); /* read only: nothing to lose */
    struct span text = span_of(bytes, got);
    struct span line = SPAN_EMPTY;
    if (st == STATUS_OK && !span_take_until(&text, '\n', &line)) {
        st = error_set(err, STATUS_CORRUPT, "%s changed meanwhile", path);
    }
    return st == STATUS_OK ? ledger_leaf_decode(line, out, err) : st;
}
