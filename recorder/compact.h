/* Rewriting a finished recording of many small frames into few large ones.
 *
 * The result is a recording like any other: neighbouring frames are joined up
 * to RECORDER_LARGE_FRAME_TEXT, and the seal at the end of each joined frame
 * is signed anew with its number and its place in the shorter chain; its text
 * length, hash, time and journal position are those of the seal it replaces.
 * Every old seal is verified on the way, so what was not sealed before cannot
 * become sealed here.
 */
#ifndef RECORDER_COMPACT_H
#define RECORDER_COMPACT_H

#include "recorder/frame_file.h"

bool compact_is_worth_it(const struct frame_file *f);

/* Replaces *f and its file, atomically. On failure the old file and *f stand
 * as before, or the new ones do and want a sync. STATUS_UNSUPPORTED: sealed with another key (it was changed
 * while the session ran), and that is kept. */
enum status compact(
    struct press *press, struct frame_file **f, struct error *err) MUST_CHECK;

/* What a crash may have left of a compaction of the recording at `path`. */
void compact_forget(const char *path);

#endif
