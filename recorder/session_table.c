/* See session_table.h. Open addressing with linear probing; a removal moves
 * later entries back, so there are no tombstones. */
#include "recorder/session_table.h"

#include <assert.h>
#include <stdlib.h>

#define ROOM_MIN 16u

void
session_table_init(struct session_table *t)
{
    *t = (struct session_table){NULL, 0, 0};
}

void
session_table_fini(struct session_table *t)
{
    for (size_t i = 0; i < t->room; i++) {
        session_file_free(&t->slots[i]);
    }
    free(t->slots);
    session_table_init(t);
}

/* Keys are multiples of 8: a multiplication spreads them (Fibonacci hashing,
 * 2^64 divided by the golden ratio). */
static size_t
home_of(size_t room, uint64_t key)
{
    return (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (room - 1);
}

static size_t
slot_of(struct session_file *const *slots, size_t room, uint64_t key)
{
    size_t i = home_of(room, key);
    while (slots[i] != NULL && session_file_key(slots[i]) != key) {
        i = (i + 1) & (room - 1);
    }
    return i;
}

static enum status
grow(struct session_table *t, struct error *err)
{
    const size_t room = t->room == 0 ? ROOM_MIN : t->room * 2;
    struct session_file **slots = calloc(room, sizeof(struct session_file *));
    if (slots == NULL) {
        return error_set(
            err, STATUS_NO_MEMORY, "no memory for %zu sessions", room);
    }
    for (size_t i = 0; i < t->room; i++) {
        if (t->slots[i] != NULL) {
            slots[slot_of(slots, room, session_file_key(t->slots[i]))] =
                t->slots[i];
        }
    }
    free(t->slots);
    t->slots = slots;
    t->room = room;
    return STATUS_OK;
}

enum status
session_table_add(
    struct session_table *t, struct session_file **s, struct error *err)
{
    if (t->count >= t->room / 2) {
        const enum status st = grow(t, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    const size_t i = slot_of(t->slots, t->room, session_file_key(*s));
    assert(t->slots[i] == NULL);
    t->slots[i] = *s;
    t->count++;
    *s = NULL;
    return STATUS_OK;
}

struct session_file *
session_table_find(const struct session_table *t, uint64_t key)
{
    return t->room == 0 ? NULL : t->slots[slot_of(t->slots, t->room, key)];
}

/* Whether an entry at home in `home` and standing in `at` may move to the
 * hole: only if that does not put it before its home. */
static bool
may_move(size_t home, size_t hole, size_t at, size_t mask)
{
    return ((at - home) & mask) >= ((at - hole) & mask);
}

void
session_table_remove(struct session_table *t, uint64_t key)
{
    if (session_table_find(t, key) == NULL) {
        return;
    }
    const size_t mask = t->room - 1;
    size_t hole = slot_of(t->slots, t->room, key);
    session_file_free(&t->slots[hole]);
    t->count--;
    for (size_t i = (hole + 1) & mask; t->slots[i] != NULL;
         i = (i + 1) & mask) {
        const size_t home = home_of(t->room, session_file_key(t->slots[i]));
        if (may_move(home, hole, i, mask)) {
            t->slots[hole] = t->slots[i];
            t->slots[i] = NULL;
            hole = i;
        }
    }
}

struct session_file *
session_table_next(const struct session_table *t, size_t *at)
{
    while (*at < t->room) {
        struct session_file *s = t->slots[(*at)++];
        if (s != NULL) {
            return s;
        }
    }
    return NULL;
}
