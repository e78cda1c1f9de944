/* What others say of a recording, held against what it says itself: the name
 * of its file, the row of the index, the leaf of the ledger.
 *
 * Pure: each adds its findings to the recording's report.
 */
#ifndef PLAYER_CLAIMS_H
#define PLAYER_CLAIMS_H

#include "player/quick_check.h"
#include "player/verify_report.h"
#include "schema/ledger.h"

/* RECORDING.md, "To verify a file", 3: a session's file has its ID for a name.
 * Other names, of copies, say nothing. */
void claims_of_name(struct verify_report *r, const char *path);

void claims_of_row(struct verify_report *r, const struct meta *row);

/* The names of the facts in which a row differs from what `recorded` says,
 * "user, pod"; "" when in none. File, size and seal are the index's own: no
 * file can hold them. */
#define CLAIMS_NAMES_MAX 256
enum status claims_differences(const struct meta *recorded,
    const struct meta *row, char out[CLAIMS_NAMES_MAX]) MUST_CHECK;

/* Whether the file is, byte by byte, the one that the leaf tells of. */
bool claims_fit_file(
    const struct ledger_leaf *leaf, const struct file_digest *file);
/* The leaf on line `line` against text and seals. */
void claims_of_leaf(
    struct verify_report *r, const struct ledger_leaf *leaf, uint64_t line);

/* "removed on 2026-… by alice (case 7), as line 9 of the ledger says". */
#define CLAIMS_REMOVAL_MAX 512
void claims_removal(const struct ledger_leaf *tombstone, uint64_t line,
    char out[CLAIMS_REMOVAL_MAX]);

#endif
