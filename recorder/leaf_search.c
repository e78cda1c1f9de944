/* See leaf_search.h. */
#include "recorder/leaf_search.h"

#include <stdlib.h>
#include <string.h>

enum status
leaf_search_add(
    struct leaf_search *search, struct session_file *s, struct error *err)
{
    if (search->count == search->room) {
        const size_t room = search->room == 0 ? 16 : search->room * 2;
        struct session_file **sessions =
            realloc(search->sessions, room * sizeof(struct session_file *));
        if (sessions == NULL) {
            return error_set(err, STATUS_NO_MEMORY, "no memory to recover");
        }
        search->sessions = sessions;
        search->room = room;
    }
    search->sessions[search->count++] = s;
    return STATUS_OK;
}

void
leaf_search_fini(struct leaf_search *search)
{
    free(search->sessions);
    *search = (struct leaf_search){NULL, 0, 0};
}

static int
compare(const struct uuid *id, const struct session_file *s)
{
    return memcmp(id, &session_file_meta(s)->id, sizeof *id);
}

static int
compare_sessions(const void *a, const void *b)
{
    const struct session_file *const *left = a;
    const struct session_file *const *right = b;
    return compare(&session_file_meta(*left)->id, *right);
}

static int
compare_id(const void *id, const void *session)
{
    const struct session_file *const *s = session;
    return compare(id, *s);
}

static enum status
on_leaf(void *ctx, uint64_t index, const struct ledger_leaf *leaf,
    struct error *err)
{
    struct leaf_search *search = ctx;
    (void)index;
    (void)err;
    if (leaf->kind == LEDGER_RECORDING) {
        struct session_file **found = bsearch(&leaf->id, search->sessions,
            search->count, sizeof(struct session_file *), compare_id);
        if (found != NULL) {
            session_file_set_leaf(*found, true);
        }
    }
    return STATUS_OK;
}

enum status
leaf_search_run(
    struct leaf_search *search, struct ledger *ledger, struct error *err)
{
    if (search->count == 0) {
        return STATUS_OK;
    }
    qsort(search->sessions, search->count, sizeof(struct session_file *),
        compare_sessions);
    const enum status st = ledger_each(ledger, on_leaf, search, err);
    for (size_t i = 0; i < search->count && st == STATUS_OK; i++) {
        if (session_file_wants_leaf_search(search->sessions[i])) {
            session_file_set_leaf(search->sessions[i], false);
        }
    }
    search->count = 0;
    return st;
}
