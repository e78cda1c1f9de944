/* Recordings made by hand, byte for byte as RECORDING.md has them, so that the
 * player is tested without the recorder, and with files no recorder writes. */
#ifndef SUPPORT_RECORDING_MAKER_H
#define SUPPORT_RECORDING_MAKER_H

#include "base/digest.h"
#include "schema/cast.h"
#include "schema/seal.h"
#include "schema/seek.h"

#define MAKER_FRAMES_MAX 64

struct recording_maker {
    struct buf file; /* what would be on disk */
    struct buf text; /* all of the text */
    size_t framed;   /* bytes of it that are in frames */
    struct signer *signer;
    struct ed25519_public key;
    struct uuid id;
    struct sha256 previous;
    uint32_t sequence;
    struct seek_entry entries[MAKER_FRAMES_MAX];
    size_t entry_count;
};

/* All abort on failure: tests of tests are not needed. */
void maker_init(struct recording_maker *m);
void maker_fini(struct recording_maker *m);

/* The header line, 80x24, of a session with a command and a user. */
void maker_header(struct recording_maker *m);
void maker_event(struct recording_maker *m, uint64_t time_us,
    enum cast_code code, const char *data);
/* All text that is in no frame yet becomes one. */
void maker_frame(struct recording_maker *m);
/* Signs the text up to `text_len`. */
void maker_seal_at(struct recording_maker *m, size_t text_len, bool is_final);
void maker_seal(struct recording_maker *m, bool is_final);
void maker_table(struct recording_maker *m);

/* A small finished recording: header, two frames of output, facts. */
void maker_whole(struct recording_maker *m);

/* Writes bytes to a new file in the test's folder and returns its path, which
 * lives until the next call with the same name. */
const char *maker_write(
    const char *folder, const char *name, struct span bytes);

#endif
