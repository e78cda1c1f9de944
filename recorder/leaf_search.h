/* Which of some sessions have their leaf in the ledger already.
 *
 * Asked for sessions whose file was found finished after a crash: between
 * leaf and row there is a moment. They are few, the ledger is long: it is read
 * once for all of them.
 */
#ifndef RECORDER_LEAF_SEARCH_H
#define RECORDER_LEAF_SEARCH_H

#include "recorder/ledger.h"
#include "recorder/session_file.h"

struct leaf_search {
    struct session_file **sessions;
    size_t count;
    size_t room;
};

enum status leaf_search_add(struct leaf_search *search, struct session_file *s,
    struct error *err) MUST_CHECK;
/* Tells every session (session_file_set_leaf) and forgets them. */
enum status leaf_search_run(struct leaf_search *search, struct ledger *ledger,
    struct error *err) MUST_CHECK;
void leaf_search_fini(struct leaf_search *search);

#endif
