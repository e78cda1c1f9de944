/* Reading a recording frame by frame, without its seek table.
 *
 * Serves recovery, where the table is not there yet and the end may be cut,
 * and compaction. Reads with pread into a bounded buffer, so a file that
 * shrinks below the reader is an answer, not a signal.
 */
#ifndef RECORDER_FRAME_WALK_H
#define RECORDER_FRAME_WALK_H

#include "base/buf.h"
#include "base/status.h"

struct frame_walk;

enum frame_kind {
    FRAME_TEXT,  /* a zstd frame; `text` is what it holds */
    FRAME_SEAL,  /* a skippable frame with the magic and length of a seal */
    FRAME_OTHER, /* another skippable frame: the seek table */
    FRAME_END,   /* the end of the file, at a frame's boundary */
};

struct frame_piece {
    enum frame_kind kind;
    uint64_t offset;   /* in the file */
    struct span frame; /* the whole of it; both until the next call */
    struct span text;
};

/* STATUS_NOT_FOUND when there is no such file. */
enum status frame_walk_open(
    const char *path, struct frame_walk **out, struct error *err) MUST_CHECK;
void frame_walk_close(struct frame_walk **w);

/* STATUS_CORRUPT at a frame that is cut, damaged, or larger than a recorder
 * writes; sticky. */
enum status frame_walk_next(struct frame_walk *w, struct frame_piece *out,
    struct error *err) MUST_CHECK;

#endif
