/* Where a recording is written, and where it stays.
 *
 * That is one place, unless it is to be encrypted. Then it is written in the
 * clear into journal/running/, beside the journal that holds the same bytes,
 * and encrypted into recordings/ when it is finished; so recordings/ holds
 * nothing in the clear at any moment. Which it is, is decided when a recording
 * begins and again when it is finished, as the configuration is then.
 *
 * Names are relative to the state folder, and each follows from the other:
 *
 *   plain    recordings/2026/11/24/019ab….cast.zst
 *   final    the same, or with .age behind it
 *   running  journal/running/2026-11-24-019ab….cast.zst
 *   working  plain or running
 */
#ifndef RECORDER_PUT_AWAY_H
#define RECORDER_PUT_AWAY_H

#include "base/age_key.h"
#include "recorder/limits.h"
#include "schema/meta.h"

#define PUT_AWAY_RUNNING "journal/running"

struct frame_file;

/* None: recordings stay in the clear. */
struct recipients {
    struct age_recipient list[RECORDER_RECIPIENTS_MAX];
    size_t count;
};

/* Of any of its names. */
void put_away_plain_name(const char *name, char out[META_FILE_MAX]);

/* Where a recording that begins is written, and what the index calls it until
 * it is finished: the name that an encrypted one will have. */
void put_away_working_name(
    const char *plain, const struct recipients *to, char out[META_FILE_MAX]);
void put_away_expected_name(const char *working, char out[META_FILE_MAX]);

/* Where a recording was written that a crash left: *there_out, whether it is
 * there. In journal/running/ before its plain place. */
enum status put_away_find(const char *state_dir, const char *plain,
    char working_out[META_FILE_MAX], bool *there_out,
    struct error *err) MUST_CHECK;

/* Whether an encrypted file of that recording stands. */
enum status put_away_is_encrypted(const char *state_dir, const char *plain,
    bool *out, struct error *err) MUST_CHECK;

/* Everything in journal/running/, by its name. */
typedef enum status put_away_fn(
    void *ctx, const char *running, struct error *err);
enum status put_away_each_running(const char *state_dir, put_away_fn *fn,
    void *ctx, struct error *err) MUST_CHECK;

/* ---- The way ---- */

/* Whether there is something to do when it is finished. */
bool put_away_is_needed(
    const char *working, const char *plain, const struct recipients *to);

/* One that was begun in the clear, is finished, and is to be encrypted: first
 * out of recordings/, where no start looks for what a crash left in the clear.
 * `working` changes with it. May be repeated. */
enum status put_away_hide(const char *state_dir, struct frame_file *f,
    const struct recipients *to, char working[META_FILE_MAX],
    struct error *err) MUST_CHECK;

struct put_away;

/* `working` is finished and synced. With `may_trust` an encrypted file that
 * stands already is the one from before a crash, and is left as it is. */
enum status put_away_begin(const char *state_dir, const char *working,
    const char *plain, const struct recipients *to, bool may_trust,
    struct put_away **out, struct error *err) MUST_CHECK;
/* A step of the way; *done_out: it stands in its place, durably. The clear
 * text stays until put_away_forget. After a failure there is only
 * put_away_free. */
enum status put_away_step(
    struct put_away *p, bool *done_out, struct error *err) MUST_CHECK;
const char *put_away_file(const struct put_away *p); /* its final name */
uint64_t put_away_size(const struct put_away *p); /* of that, once it is done */
void put_away_free(struct put_away **p);

/* The whole way at once, for short ones, and removes what is in the clear. */
enum status put_away_whole(const char *state_dir, const char *working,
    const char *plain, const struct recipients *to, bool may_trust,
    struct error *err) MUST_CHECK;

/* Removes what is left in journal/running/ of one that stands in its place. */
enum status put_away_remove_copy(const char *state_dir, const char *running,
    const char *plain, struct error *err) MUST_CHECK;

/* What is left in the clear of a recording that its row says is over, and is
 * elsewhere: removed when it stands in its place, and put there as it is when
 * not. One that was damaged in its plain place stays there. */
enum status put_away_rest(const char *state_dir, const char *working,
    const struct recipients *to, struct error *err) MUST_CHECK;

#endif
