/* The sessions that a store knows of, by ledger and by index: a sorted array
 * of small entries, some 64 MB for a million.
 */
#ifndef PLAYER_AUDIT_LIST_H
#define PLAYER_AUDIT_LIST_H

#include "base/status.h"
#include "base/uuid.h"
#include "schema/ledger.h"
#include <stdbool.h>
#include <stdint.h>

/* A leaf: its line, from 1, and where in the file that begins. */
struct audit_leaf {
    uint64_t line; /* 0: none */
    uint64_t offset;
};

struct audit_entry {
    struct uuid id;
    struct audit_leaf recording; /* the last one */
    struct audit_leaf other;     /* one before that */
    struct audit_leaf tombstone;
    uint64_t hold_line; /* the last of each, 0 when there is none */
    uint64_t release_line;
    uint64_t file_key; /* audit_list_key of where its file belongs */
    bool has_row;      /* when the index was listed */
    bool owes_attempt; /* refused, without a recording of its own ... */
    bool has_attempt;  /* ... and a day's file tells of it */
};

struct audit_list {
    struct audit_entry *entries;
    size_t count;
    size_t room;
};

/* A zeroed list is empty. */
void audit_list_fini(struct audit_list *l);

/* In any order, what is known of one ID in any number of pieces, a line of
 * the ledger later than those before it. */
enum status audit_list_add(struct audit_list *l, const struct audit_entry *e,
    struct error *err) MUST_CHECK;
/* What a leaf tells of its ID, into an empty entry. False: nothing. */
bool audit_list_take_leaf(struct audit_entry *e, const struct ledger_leaf *leaf,
    uint64_t line, uint64_t offset);
/* Sorts, and makes one entry of each ID's pieces. */
void audit_list_join(struct audit_list *l);
/* Whether it was removed although a hold was in force. */
bool audit_list_is_broken_hold(const struct audit_entry *e);
/* After joining; NULL when there is none. */
struct audit_entry *audit_list_find(
    const struct audit_list *l, const struct uuid *id);

/* Of a name, never 0: enough to tell whether it is the one that was meant. */
uint64_t audit_list_key(const char *file);

#endif
