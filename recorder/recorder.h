/* All of the recorder but its loop: journals in, recordings and index out.
 *
 * Owns the order in which things become durable, which is the recorder's
 * promise: a frame is written and synced, the file finished, the row
 * committed, and only then is the journal told that it may forget.
 *
 * Refuses to know descriptors to wait for and timers: the caller says when to
 * look (after something was written, and every tick), so a test drives it
 * with files and a clock of its own.
 */
#ifndef RECORDER_RECORDER_H
#define RECORDER_RECORDER_H

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "recorder/put_away.h"

struct recorder;
struct upkeep;

struct recorder_options {
    const char *state_dir; /* these are borrowed */
    const struct signer *signer;
    const struct signer *const *former; /* keys that signed before */
    size_t former_count;
    const struct clock *clock;
    const struct log *log;
    uint32_t seal_interval_ms;
    struct recipients recipients; /* none: recordings stay in the clear */
};

/* Opens ledger, index, and the files of sessions that a crash left unfinished.
 * keys/seal.pub.pem names the keys that the ledger names, afterwards. */
enum status recorder_new(const struct recorder_options *options,
    struct recorder **out, struct error *err) MUST_CHECK;
/* Seals nothing; see recorder_stop. */
void recorder_free(struct recorder **r);

/* Looks for new workers' folders. `fn` is given each new folder's path before
 * it is read for the first time. */
typedef void recorder_folder_fn(void *ctx, const char *path);
enum status recorder_look_for_workers(struct recorder *r,
    recorder_folder_fn *fn, void *ctx, struct error *err) MUST_CHECK;

/* Reads every journal on, finishes what ended, and publishes. *more_out: a
 * journal has more, or more sessions ended than one call may finish: call
 * again soon. What fails is logged and tried again by
 * a later call. */
void recorder_read(struct recorder *r, bool *more_out);
/* What time brings: every RECORDER_TICK_MS. */
void recorder_tick(struct recorder *r);
/* The last call: seals what is open, in frames that are not final, syncs,
 * and publishes. */
void recorder_stop(struct recorder *r);

/* What changes the store on request and by rule. */
struct upkeep *recorder_upkeep(struct recorder *r);
/* A step of it, between two turns of recording. True: there is more to do at
 * once. */
bool recorder_step(struct recorder *r);

void recorder_set_seal_interval(struct recorder *r, uint32_t ms);
/* Of sessions that end from now on. */
void recorder_set_recipients(struct recorder *r, struct recipients to);
size_t recorder_workers(const struct recorder *r);
size_t recorder_sessions(const struct recorder *r);

#endif
