/* Asking the index, read only.
 *
 * The recorder is the only writer and may be writing meanwhile (WAL). Owns the
 * SQL of the player; rows come out as struct meta by the same names that
 * `--json` has. Refuses to know files and terminals.
 */
#ifndef PLAYER_QUERY_H
#define PLAYER_QUERY_H

#include "schema/ledger.h"
#include "schema/meta.h"

struct query_filter {
    const char *user; /* NULL: any; so below */
    const char *namespace;
    const char *pod;
    const char *container;
    const char *type;
    const char *status;
    const char *command;     /* fnmatch(3) over the words joined by spaces */
    const int64_t *since_us; /* started then or later */
    const int64_t *until_us; /* started before */
    uint64_t limit;          /* 0: no limit */
};

struct query;

/* STATUS_NOT_FOUND when there is no index, or an empty one. */
enum status query_open(
    const char *path, struct query **out, struct error *err) MUST_CHECK;
void query_close(struct query **q);

/* Starts a walk over the sessions that pass, newest first. What `f` borrows
 * must live as long as the walk. */
enum status query_find(struct query *q, const struct query_filter *f,
    struct error *err) MUST_CHECK;
/* The same for IDs that begin with `prefix` (hex digits and dashes). */
enum status query_find_prefix(
    struct query *q, const char *prefix, struct error *err) MUST_CHECK;
/* The same for one ID. */
enum status query_find_id(
    struct query *q, const struct uuid *id, struct error *err) MUST_CHECK;
/* Fills `m`, which was inited. STATUS_CLOSED behind the last. */
enum status query_next(
    struct query *q, struct meta *m, struct error *err) MUST_CHECK;

/* Every session's ID, given to `fn` in no order, at the cost of little more
 * than that. */
typedef enum status query_id_fn(
    void *ctx, const struct uuid *id, struct error *err);
enum status query_each_id(
    struct query *q, query_id_fn *fn, void *ctx, struct error *err) MUST_CHECK;

/* What somebody said of a session: that it is held, or was removed. */
struct query_note {
    struct uuid id;
    char who[LEDGER_WHY_MAX];
    char reason[LEDGER_WHY_MAX];
    int64_t at_us;
};
enum query_note_kind {
    QUERY_HELD,
    QUERY_REMOVED,
};
/* The first by ID whose ID begins with `prefix`. STATUS_CLOSED when there is
 * none. */
enum status query_note_of(struct query *q, enum query_note_kind kind,
    const char *prefix, struct query_note *out, struct error *err) MUST_CHECK;

#endif
