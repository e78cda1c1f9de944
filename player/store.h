/* The state folder, and what people call the recordings in it.
 *
 * Owns which folder is meant (--state, KUBETAPE_STATE, XDG_STATE_HOME, the
 * home folder) and how `ID|FILE` becomes a file: a path, or an ID or a unique
 * beginning of one, by the index.
 */
#ifndef PLAYER_STORE_H
#define PLAYER_STORE_H

#include "base/buf.h"
#include "player/query.h"
#include "schema/meta.h"
#include <limits.h>

/* The folder's absolute path; it need not exist. `flag` may be NULL. */
enum status store_folder(
    const char *flag, char out[PATH_MAX], struct error *err) MUST_CHECK;

/* The home folder of whoever runs us, or NULL. */
const char *store_home_folder(void);

/* Where a recording was found. */
struct store_entry {
    bool is_indexed; /* `meta` is the index's; else it is empty */
    struct meta meta;
    char path[PATH_MAX]; /* "" when the session has no recording */
};
void store_entry_init(struct store_entry *e);
void store_entry_fini(struct store_entry *e);

/* By ID or unique beginning. STATUS_NOT_FOUND, and when its recording was
 * removed the error says by whom, when and why; STATUS_LIMIT when several
 * sessions begin so, which the error lists. */
enum status store_find_id(const char *state, const char *id,
    struct store_entry *out, struct error *err) MUST_CHECK;
/* By path when `name` is an existing file or has a '/' or ends in .cast,
 * .zst or .age, else by ID. With an ID, a session without a file is
 * STATUS_NOT_FOUND, and one that is encrypted only when it has ended
 * STATUS_DENIED while it runs. */
enum status store_find(const char *state, const char *name,
    struct store_entry *out, struct error *err) MUST_CHECK;

/* Who holds the session's recording; *is_held_out false when nobody does. */
enum status store_find_hold(const char *state, const struct uuid *id,
    struct query_note *out, bool *is_held_out, struct error *err) MUST_CHECK;

#endif
