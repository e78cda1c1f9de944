/* The sessions of one journal, found by their key (the LSN of their OPEN).
 * Owns them: freeing the table frees what is in it. */
#ifndef RECORDER_SESSION_TABLE_H
#define RECORDER_SESSION_TABLE_H

#include "recorder/session_file.h"

struct session_table {
    struct session_file **slots;
    size_t room; /* a power of two, or 0 */
    size_t count;
};

void session_table_init(struct session_table *t);
void session_table_fini(struct session_table *t);

/* Takes `*s` (nulled); its key must be new. */
enum status session_table_add(struct session_table *t, struct session_file **s,
    struct error *err) MUST_CHECK;
/* NULL when there is none. */
struct session_file *session_table_find(
    const struct session_table *t, uint64_t key);
void session_table_remove(struct session_table *t, uint64_t key);

/* Walks all: start with *at = 0, NULL at the end. Nothing may be added
 * meanwhile; who removes the session that was just given takes one off *at,
 * for another may have moved into its place. */
struct session_file *session_table_next(
    const struct session_table *t, size_t *at);

#endif
