/* What the player asks of the recorder over run/recorder.sock, and what comes
 * back: one line of JSON there, some lines of JSON here, the last of them
 * final.
 *
 *   {"do":"hold","id":"0193…","reason":"incident 7"}
 *   {"do":"release","id":"0193…"}
 *   {"do":"prune","dry_run":true}
 *   {"do":"reindex"}
 *
 *   {"progress":{"done":1000,"total":4000}}          total 0: not known
 *   {"item":{"id":"0193…","start_us":…,"size":…,"file":"…","why":"…"}}
 *   {"ok":true,"count":3,"bytes":12345,"kept":1}     final
 *   {"error":"no session has the ID 0193…"}          final
 *
 * Strict both ways: unknown, repeated or missing members and wrong types are
 * refused. Owns the bytes; who may ask, and what follows, is not known here.
 */
#ifndef SCHEMA_CONTROL_H
#define SCHEMA_CONTROL_H

#include "base/buf.h"
#include "schema/ledger.h"

#define CONTROL_SOCKET     "run/recorder.sock" /* in the state folder */
#define CONTROL_LINE_MAX   16384u              /* newline included */
#define CONTROL_REASON_MAX LEDGER_WHY_MAX      /* with the zero behind it */

enum control_verb {
    CONTROL_HOLD,
    CONTROL_RELEASE,
    CONTROL_PRUNE,
    CONTROL_REINDEX,
};

struct control_request {
    enum control_verb verb;
    struct uuid id;                  /* hold, release */
    char reason[CONTROL_REASON_MAX]; /* hold: one line of text, not empty */
    bool is_dry_run;                 /* prune */
};

enum control_kind {
    CONTROL_PROGRESS,
    CONTROL_ITEM,
    CONTROL_DONE,
    CONTROL_ERROR,
};

/* A plain value; fields that a kind does not have are zero. */
struct control_answer {
    enum control_kind kind;
    uint64_t done; /* progress */
    uint64_t total;
    struct uuid id; /* item: a recording that goes, or would go */
    int64_t start_us;
    uint64_t size;
    char file[LEDGER_FILE_MAX];
    char why[LEDGER_WHY_MAX];
    uint64_t count; /* done: recordings removed or indexed ... */
    uint64_t bytes; /* ... their bytes, where it means something ... */
    uint64_t kept;  /* ... and those due that a hold keeps, or rows whose
                     * recording is missing */
    char error[ERROR_TEXT_MAX];
};

/* Whether a reason may go into the ledger: UTF-8 of one line, not empty,
 * shorter than CONTROL_REASON_MAX, without control characters. */
bool control_reason_is_good(struct span reason);

/* One line, newline included. */
enum status control_request_encode(
    const struct control_request *r, struct buf *out) MUST_CHECK;
enum status control_answer_encode(
    const struct control_answer *a, struct buf *out) MUST_CHECK;

/* `line` without its newline. STATUS_INVALID says what is wrong with it. */
enum status control_request_decode(struct span line,
    struct control_request *out, struct error *err) MUST_CHECK;
enum status control_answer_decode(
    struct span line, struct control_answer *out, struct error *err) MUST_CHECK;

const char *control_verb_name(enum control_verb verb);

#endif
