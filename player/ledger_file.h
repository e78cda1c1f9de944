/* The ledger as it lies in a state folder: its checkpoint, and the leaves that
 * the checkpoint counts, with their hashes.
 *
 * Reads and hashes; judges nothing. Whether the checkpoint is signed by whom
 * it should be, and whether the root is its root, is the caller's to ask.
 */
#ifndef PLAYER_LEDGER_FILE_H
#define PLAYER_LEDGER_FILE_H

#include "schema/checkpoint.h"
#include "schema/ledger.h"
#include "schema/merkle.h"

struct ledger_file;

/* STATUS_NOT_FOUND when there is no ledger, STATUS_INVALID when its checkpoint
 * is none. */
enum status ledger_file_open(
    const char *state, struct ledger_file **out, struct error *err) MUST_CHECK;
void ledger_file_close(struct ledger_file **f); /* NULL is fine */

/* The note as it lies there, and what it claims. */
struct span ledger_file_note(const struct ledger_file *f);
const struct checkpoint *ledger_file_checkpoint(const struct ledger_file *f);

struct ledger_file_leaf {
    uint64_t index;
    struct span line; /* without its newline; until the next call */
    struct sha256 hash;
    bool is_understood; /* else `leaf` is zero: another version's, or none */
    struct ledger_leaf leaf;
};

/* The next leaf; *has_out is false once there were as many as the checkpoint
 * says. STATUS_CORRUPT when there are fewer. */
enum status ledger_file_next(struct ledger_file *f,
    struct ledger_file_leaf *out, bool *has_out, struct error *err) MUST_CHECK;

/* The root of the leaves that were given so far. */
struct sha256 ledger_file_root(const struct ledger_file *f);

#endif
