#include "player/seals_copy.h"

#include "player/frame_map.h"
#include "player/recording_source.h"
#include "schema/seal.h"

static enum status
copy_one(struct recording_source *s, const struct frame *f, struct output *out,
    struct error *err)
{
    uint8_t seal[SEAL_FRAME_LEN];
    size_t got = 0;
    const enum status st =
        recording_source_pread(s, seal, sizeof seal, f->offset, &got, err);
    return st == STATUS_OK ? output_write(out, span_of(seal, got), err) : st;
}

static enum status
copy_all(struct recording_source *s, struct output *out, struct error *err)
{
    struct frame f = {.kind = FRAME_CUT};
    uint64_t count = 0;
    enum status st = STATUS_OK;
    for (uint64_t at = 0; st == STATUS_OK; at += f.len) {
        st = frame_map_at(s, at, &f, err);
        if (st == STATUS_OK && f.kind == FRAME_SEAL) {
            st = copy_one(s, &f, out, err);
            count++;
        }
    }
    if (st == STATUS_CLOSED && count > 0) {
        return STATUS_OK;
    }
    return st == STATUS_CLOSED || st == STATUS_CORRUPT
               ? error_set(err, STATUS_UNSUPPORTED,
                     "a recording without seals, or a damaged one: verify says "
                     "which")
               : st;
}

enum status
seals_copy(const char *path, const struct age_identities *ids,
    struct output *out, struct error *err)
{
    struct recording_source *s = NULL;
    enum status st = recording_source_open(path, ids, &s, err);
    if (st == STATUS_OK) {
        st = copy_all(s, out, err);
    }
    recording_source_close(&s);
    return st;
}
