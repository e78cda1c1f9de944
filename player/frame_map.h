/* The frames of a recording's file, found without decompressing.
 *
 * Follows block headers as RFC 8878 3.1.1 lays them out, so a frame's end is
 * known before its content is looked at, and the seals behind it can be read
 * first. Knows what kind a frame is, never what it means.
 */
#ifndef PLAYER_FRAME_MAP_H
#define PLAYER_FRAME_MAP_H

#include "base/status.h"
#include "player/recording_source.h"
#include <stdbool.h>
#include <stdint.h>

enum frame_kind {
    FRAME_TEXT,       /* a zstd data frame */
    FRAME_SEAL,       /* skippable, with a seal's magic and length */
    FRAME_SEEK_TABLE, /* skippable, with the seekable format's magic */
    FRAME_OTHER,      /* skippable, none of ours */
    FRAME_CUT,        /* begins here, ends beyond the end of the file */
};

struct frame {
    enum frame_kind kind;
    uint64_t offset;
    uint64_t len; /* of FRAME_CUT: to the end of the file */
};

/* The frame at `offset`; STATUS_CLOSED at the end of the file, STATUS_CORRUPT
 * when nothing there is a frame. */
enum status frame_map_at(struct recording_source *s, uint64_t offset,
    struct frame *out, struct error *err) MUST_CHECK;

/* Whether a seal's head stands anywhere in the file from byte `from` on: what
 * tells a frame whose length was altered from one that a crash cut. */
enum status frame_map_has_seal(struct recording_source *s, uint64_t from,
    bool *has_out, struct error *err) MUST_CHECK;
/* How long the seek table is that the file ends with, or seems to; else 0. */
enum status frame_map_table_len(struct recording_source *s, uint64_t *len_out,
    struct error *err) MUST_CHECK;

#endif
