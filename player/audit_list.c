#include "player/audit_list.h"

#include "base/digest.h"
#include "player/limits.h"
#include <stdlib.h>
#include <string.h>

void
audit_list_fini(struct audit_list *l)
{
    free(l->entries);
    *l = (struct audit_list){.count = 0};
}

enum status
audit_list_add(
    struct audit_list *l, const struct audit_entry *e, struct error *err)
{
    if (l->count == l->room) {
        const size_t room = l->room == 0 ? 1024 : l->room * 2;
        struct audit_entry *grown =
            room > PLAYER_AUDIT_MAX ? NULL
                                    : realloc(l->entries, room * sizeof *grown);
        if (grown == NULL) {
            return error_set(err, STATUS_NO_MEMORY,
                "no memory for more than %zu recordings", l->count);
        }
        l->entries = grown;
        l->room = room;
    }
    l->entries[l->count++] = *e;
    return STATUS_OK;
}

bool
audit_list_take_leaf(struct audit_entry *e, const struct ledger_leaf *leaf,
    uint64_t line, uint64_t offset)
{
    switch (leaf->kind) {
    case LEDGER_RECORDING:
        e->recording = (struct audit_leaf){line, offset};
        return true;
    case LEDGER_TOMBSTONE:
        e->tombstone = (struct audit_leaf){line, offset};
        return true;
    case LEDGER_HOLD:
        e->hold_line = line;
        return true;
    case LEDGER_RELEASE:
        e->release_line = line;
        return true;
    case LEDGER_KEY:
        break;
    }
    return false;
}

/* Pieces of one ID in the order of their lines, so that joining keeps it. */
static int
compare(const void *left, const void *right)
{
    const struct audit_entry *a = left;
    const struct audit_entry *b = right;
    const int order = memcmp(&a->id, &b->id, sizeof a->id);
    if (order != 0) {
        return order;
    }
    return (a->recording.line > b->recording.line) -
           (a->recording.line < b->recording.line);
}

static void
join(struct audit_entry *to, const struct audit_entry *from)
{
    if (from->recording.line != 0) {
        to->other = to->recording;
        to->recording = from->recording;
    }
    if (from->tombstone.line != 0) {
        to->tombstone = from->tombstone;
    }
    if (from->file_key != 0) {
        to->file_key = from->file_key;
    }
    if (from->hold_line > to->hold_line) {
        to->hold_line = from->hold_line;
    }
    if (from->release_line > to->release_line) {
        to->release_line = from->release_line;
    }
    to->has_row = to->has_row || from->has_row;
}

void
audit_list_join(struct audit_list *l)
{
    size_t kept = 0;
    if (l->count == 0) {
        return;
    }
    qsort(l->entries, l->count, sizeof *l->entries, compare);
    for (size_t i = 1; i < l->count; i++) {
        struct audit_entry *last = &l->entries[kept];
        if (memcmp(&last->id, &l->entries[i].id, sizeof last->id) == 0) {
            join(last, &l->entries[i]);
        } else {
            l->entries[++kept] = l->entries[i];
        }
    }
    l->count = kept + 1;
}

static int
compare_id(const void *key, const void *entry)
{
    const struct audit_entry *e = entry;
    return memcmp(key, &e->id, sizeof e->id);
}

bool
audit_list_is_broken_hold(const struct audit_entry *e)
{
    return e->hold_line > e->release_line && e->hold_line < e->tombstone.line;
}

struct audit_entry *
audit_list_find(const struct audit_list *l, const struct uuid *id)
{
    return l->count == 0 ? NULL
                         : bsearch(id, l->entries, l->count, sizeof *l->entries,
                               compare_id);
}

uint64_t
audit_list_key(const char *file)
{
    const struct sha256 hash = sha256_of(span_str(file));
    uint64_t key = 0;
    memcpy(&key, hash.bytes, sizeof key);
    return key == 0 ? 1 : key;
}
