/* See ledger_proof.h. */
#include "player/ledger_proof.h"

#include "base/base64.h"
#include "player/ledger_file.h"

#include <stdlib.h>
#include <string.h>

struct search {
    const char *id; /* the beginning that is looked for */
    struct sha256 *hashes;
    uint64_t count;
    uint64_t room;
    bool is_found;
    struct uuid found;
    uint64_t index;
    struct buf line;
};

static enum status
keep_hash(struct search *s, const struct sha256 *hash, struct error *err)
{
    if (s->count == s->room) {
        const uint64_t room = s->room == 0 ? 1024 : s->room * 2;
        struct sha256 *hashes =
            realloc(s->hashes, (size_t)room * sizeof *hashes);
        if (hashes == NULL) {
            return error_set(
                err, STATUS_NO_MEMORY, "no memory for the ledger's hashes");
        }
        s->hashes = hashes;
        s->room = room;
    }
    s->hashes[s->count++] = *hash;
    return STATUS_OK;
}

static bool
is_wanted(const struct search *s, const struct ledger_file_leaf *l)
{
    char id[UUID_TEXT_LEN + 1];
    if (!l->is_understood || l->leaf.kind != LEDGER_RECORDING) {
        return false;
    }
    uuid_format(&l->leaf.id, id);
    return span_starts_with(span_of(id, UUID_TEXT_LEN), s->id);
}

static enum status
keep_leaf(struct search *s, const struct ledger_file_leaf *l, struct error *err)
{
    enum status st = keep_hash(s, &l->hash, err);
    if (st != STATUS_OK || !is_wanted(s, l)) {
        return st;
    }
    if (s->is_found && memcmp(&s->found, &l->leaf.id, sizeof s->found) != 0) {
        return error_set(
            err, STATUS_LIMIT, "several recordings begin with '%s'", s->id);
    }
    if (s->is_found) {
        return STATUS_OK; /* the first is the recorder's */
    }
    s->is_found = true;
    s->found = l->leaf.id;
    s->index = l->index;
    st = buf_append(&s->line, l->line);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for a leaf");
}

static enum status
read_all(struct ledger_file *f, struct search *s, struct error *err)
{
    for (;;) {
        struct ledger_file_leaf leaf;
        bool has_leaf = false;
        enum status st = ledger_file_next(f, &leaf, &has_leaf, err);
        if (st != STATUS_OK || !has_leaf) {
            return st;
        }
        st = keep_leaf(s, &leaf, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
}

static enum status
check_root(const struct ledger_file *f, struct error *err)
{
    const struct sha256 root = ledger_file_root(f);
    return memcmp(&root, &ledger_file_checkpoint(f)->root, sizeof root) == 0
               ? STATUS_OK
               : error_set(err, STATUS_CORRUPT,
                     "the ledger's leaves are not those of its checkpoint");
}

static enum status
put_line(struct span bytes, const char *before, struct buf *out)
{
    enum status st = buf_append_str(out, before);
    if (st == STATUS_OK) {
        st = base64_encode(bytes, out);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}

static enum status
put_proof(const struct ledger_file *f, const struct search *s, struct buf *out)
{
    struct sha256 path[MERKLE_DEPTH_MAX];
    size_t count = 0;
    merkle_prove(s->hashes, s->count, s->index, path, &count);
    enum status st =
        put_line(buf_view(&s->line), "c2sp.org/tlog-proof@v1\nextra ", out);
    if (st == STATUS_OK) {
        st = buf_printf(out, "index %llu\n", (unsigned long long)s->index);
    }
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        st = put_line(span_of(path[i].bytes, SHA256_LEN), "", out);
    }
    if (st == STATUS_OK) {
        st = buf_append_u8(out, '\n');
    }
    return st == STATUS_OK ? buf_append(out, ledger_file_note(f)) : st;
}

enum status
ledger_proof_make(const char *state, const char *id, struct buf *out,
    bool *has_ledger_out, struct error *err)
{
    struct search s = {.id = id};
    struct ledger_file *f = NULL;
    buf_init(&s.line, LEDGER_LEAF_MAX);
    enum status st = ledger_file_open(state, &f, err);
    *has_ledger_out = st == STATUS_OK;
    if (st == STATUS_OK) {
        st = read_all(f, &s, err);
    }
    if (st == STATUS_OK) {
        st = check_root(f, err);
    }
    if (st == STATUS_OK && !s.is_found) {
        st = error_set(err, STATUS_NOT_FOUND,
            "no recording in the ledger begins with '%s'", id);
    }
    if (st == STATUS_OK) {
        st = put_proof(f, &s, out);
        st = st == STATUS_OK ? st : error_set(err, st, "no room for a proof");
    }
    ledger_file_close(&f);
    free(s.hashes);
    buf_fini(&s.line);
    return st;
}

/* --- the key ------------------------------------------------------------- */

static enum status
find_last_key(
    struct ledger_file *f, struct ed25519_public *out, struct error *err)
{
    bool has_key = false;
    for (;;) {
        struct ledger_file_leaf leaf;
        bool has_leaf = false;
        const enum status st = ledger_file_next(f, &leaf, &has_leaf, err);
        if (st != STATUS_OK) {
            return st;
        }
        if (!has_leaf) {
            break;
        }
        if (leaf.is_understood && leaf.leaf.kind == LEDGER_KEY) {
            *out = leaf.leaf.key;
            has_key = true;
        }
    }
    return has_key ? STATUS_OK
                   : error_set(err, STATUS_CORRUPT, "the ledger names no key");
}

enum status
ledger_proof_key(const char *state, struct buf *out, struct error *err)
{
    struct ledger_file *f = NULL;
    struct ed25519_public key;
    struct checkpoint c;
    size_t which;
    enum status st = ledger_file_open(state, &f, err);
    if (st == STATUS_OK) {
        st = find_last_key(f, &key, err);
    }
    if (st == STATUS_OK) {
        st = check_root(f, err);
    }
    if (st == STATUS_OK) {
        st = checkpoint_open(ledger_file_note(f), &key, 1, &c, &which, err);
    }
    if (st == STATUS_OK) {
        st = checkpoint_verifier_key(c.origin, &key, out);
        st = st == STATUS_OK ? st : error_set(err, st, "no room for a key");
    }
    ledger_file_close(&f);
    return st;
}
