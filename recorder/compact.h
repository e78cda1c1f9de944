/* Rewriting a finished recording into few large frames, compressed better.
 *
 * While a session runs, its frames are cut by the clock and compressed in
 * passing. When it is over the file is written once more: neighbouring frames
 * (the header's too) are joined up to RECORDER_LARGE_FRAME_TEXT, and the seal
 * at the end of each joined frame is signed anew with its number and its place
 * in the shorter chain; its text length, hash, time and journal position are
 * those of the seal it replaces. Every old seal is verified on the way, so
 * what was not sealed before cannot become sealed here.
 *
 * Done in steps of one new frame, because the loop has a heartbeat to keep.
 */
#ifndef RECORDER_COMPACT_H
#define RECORDER_COMPACT_H

#include "recorder/frame_file.h"

enum compact_effort {
    COMPACT_QUICK,    /* others wait: join small frames, at the live level */
    COMPACT_THOROUGH, /* time for levels that compress well */
};

bool compact_is_worth_it(
    const struct frame_file *f, enum compact_effort effort);

struct compaction;

/* Begins the replacement of `from`, beside it; borrows the press. */
enum status compaction_new(struct press *press, const struct frame_file *from,
    enum compact_effort effort, struct compaction **out,
    struct error *err) MUST_CHECK;
/* Writes one frame. STATUS_UNSUPPORTED: sealed with another key (it was
 * changed while the session ran), and that is kept. */
enum status compaction_step(
    struct compaction *c, bool *is_done_out, struct error *err) MUST_CHECK;
/* When it is done: replaces *f and its file, atomically; durable with the
 * next sync. On failure *f and its file stand as before. */
enum status compaction_replace(
    struct compaction *c, struct frame_file **f, struct error *err) MUST_CHECK;
/* What was not put in its place is removed. */
void compaction_free(struct compaction **c);

/* What a crash may have left of a compaction of the recording at `path`. */
void compact_forget(const char *path);

#endif
