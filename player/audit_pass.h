/* One look at a store; what audit.c's passes share with what they look at.
 *
 * The first pass looks at everything. What may be only the recorder at work
 * is left for the next, which looks at that alone; the last one tells.
 */
#ifndef PLAYER_AUDIT_PASS_H
#define PLAYER_AUDIT_PASS_H

#include "player/audit.h"
#include "player/audit_list.h"
#include "player/query.h"
#include "player/verify_report.h"
#include "schema/ledger.h"

/* What is to be looked at again, by the key of its name, sorted. */
struct audit_suspects {
    uint64_t *keys;
    size_t count;
    size_t room;
};

struct audit_pass {
    const struct audit_options *options;
    struct key_set *keys;
    struct audit_summary *summary;
    struct query *query; /* NULL: there is no index */
    struct hasher *hasher;
    struct audit_list list;
    const struct audit_suspects *only; /* NULL: everything */
    struct audit_suspects next;
    bool is_last; /* nothing is put off any more */
    bool is_recorder_running;
    bool has_ledger; /* with leaves in it */
    /* The last day's file of attempts that is encrypted, or "": of attempts up
     * to its day nobody without its keys can say whether they are recorded. */
    char encrypted_attempts[LEDGER_FILE_MAX];
};

#define AUDIT_ATTEMPTS  "attempts.cast.zst" /* a day's file of them */
#define AUDIT_ENCRYPTED ".age"              /* behind a file's name */

bool audit_is_encrypted(const char *file);
/* A day's file of attempts, encrypted or not. */
bool audit_is_attempts(const char *file);

void audit_tell(struct audit_pass *p, const char *where, const char *text);
/* Whether this pass looks at what has that name. */
bool audit_wants(const struct audit_pass *p, const char *where);
/* The report's findings, or its name for the next pass when they may be only
 * the recorder at work. *settled_out: it is not looked at again. */
enum status audit_settle(struct audit_pass *p, const char *where,
    const struct verify_report *r, bool may_pass, bool *settled_out,
    struct error *err) MUST_CHECK;

/* audit_session.c: what ledger and index say of one session, against its file;
 * and once all attempts were read, what is owed of them. */
enum status audit_session(
    struct audit_pass *p, struct audit_entry *e, struct error *err) MUST_CHECK;
/* The session's row as it is now. *has_out: there is one. */
enum status audit_row(struct audit_pass *p, const struct uuid *id,
    struct meta *out, bool *has_out, struct error *err) MUST_CHECK;

/* Fills in where the session's file belongs. */
enum status audit_place(
    struct audit_pass *p, struct audit_entry *e, struct error *err) MUST_CHECK;

/* audit_files.c: every file below recordings/, and the attempts in them and in
 * journal/running/, where those of a day are that will be encrypted. */
enum status audit_files(struct audit_pass *p, struct error *err) MUST_CHECK;

#endif
