/* Which sessions go on after a crash, and from where.
 *
 * Three things may be left of a session: a row that says active, a file that
 * has no final seal, records in a journal. Any of them may be missing, and
 * recover says what follows from what is there.
 */
#ifndef RECORDER_RECOVER_H
#define RECORDER_RECOVER_H

#include "recorder/index_db.h"
#include "recorder/session_file.h"

struct recover_item {
    struct uuid id;
    char *file; /* relative to the state folder */
    char *why;  /* it cannot be gone on with, or NULL */
};
struct recover_list {
    struct recover_item *items;
    size_t count;
    size_t room;
};
void recover_list_free(struct recover_list *l);

/* Sessions that the index calls active, and those without a row whose text is
 * in journal/running/; and if it does not have all recordings, those without a
 * row whose file has no seek table yet. */
enum status recover_find(struct index_db *index, const char *state_dir,
    bool is_partial, struct recover_list *out, struct error *err) MUST_CHECK;

/* What is in journal/running/ of sessions that are over in the committed index
 * is put away, or removed. */
enum status recover_clear_away(const struct session_env *env,
    struct index_db *index, struct error *err) MUST_CHECK;

/* What an OPEN record begins: a session from its file if there is one, a new
 * one otherwise, and none (*out stays NULL) if it is finished, or was removed
 * since. */
enum status recover_open(const struct session_env *env, struct index_db *index,
    const struct uuid *worker, const struct journal_record *open,
    struct session_file **out, struct error *err) MUST_CHECK;

#endif
