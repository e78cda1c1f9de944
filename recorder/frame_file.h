/* One recording's file: text in, frames and seals out.
 *
 *   [zstd frame][seal] ... [zstd frame][seal][seek table]
 *
 * Owns the running hash of the text, the chain of seals, the seek table, and
 * how far the file is good: what lies beyond is the rest of a write that
 * failed, and is cut off before the next one. Holds no descriptor between
 * calls, so a process is not bounded by them. Refuses to know what the text
 * says.
 */
#ifndef RECORDER_FRAME_FILE_H
#define RECORDER_FRAME_FILE_H

#include "recorder/press.h"

struct frame_file;

/* A new, empty file (0600) in folders made as needed (0700).
 * STATUS_EXISTS when there is one. */
enum status frame_file_create(struct press *press, const char *path,
    const struct uuid *id, struct frame_file **out,
    struct error *err) MUST_CHECK;

/* Goes on with the file at `path`: reads it up to the last valid seal, gives
 * every frame's text to `fn` in order, cuts off what a crash left behind that
 * seal, and stands there; *last_out is that seal.
 *
 * A power cut may lose any page that was not synced, also below later seals.
 * So `may_cut` is asked whether what follows `last`, or all if that is NULL,
 * can be had again from elsewhere; a NULL function says no.
 *
 * STATUS_NOT_FOUND: no file, or none with a good first seal; nothing was
 * changed. STATUS_CORRUPT: damage that no crash explains (a whole frame with
 * another text than its seal says, or valid seals behind a damaged frame and
 * no other source); nothing was changed. */
typedef enum status frame_text_fn(
    void *ctx, struct span text, struct error *err);
typedef bool frame_cut_fn(void *ctx, const struct seal *last);
enum status frame_file_resume(struct press *press, const char *path,
    frame_text_fn *fn, frame_cut_fn *may_cut, void *ctx,
    struct frame_file **out, struct seal *last_out,
    struct error *err) MUST_CHECK;

/* Whether the file at `path` ends in a seek table, as finished ones do. */
bool frame_file_has_table(const char *path);

/* Whose the file at `path` is, by its first seal, which is not verified. */
bool frame_file_read_id(const char *path, struct uuid *out);

void frame_file_free(struct frame_file **f);

/* Appends `text` (it may be empty: a seal for what is carried only) as one
 * frame and seals it, in one write. After a failure the
 * same text, or the same with more behind it, may be given again; for the first
 * frame, the header, another text as well.
 * STATUS_CORRUPT: the file is no longer what was written to it. */
enum status frame_file_cut(struct frame_file *f, struct span text,
    const struct seal_writer *writer, bool is_final,
    struct error *err) MUST_CHECK;
/* The same, as of another moment: for compaction. */
enum status frame_file_cut_at(struct frame_file *f, struct span text,
    const struct seal_writer *writer, bool is_final, int64_t wall_us,
    struct error *err) MUST_CHECK;

/* Everything cut so far survives a power cut afterwards. */
enum status frame_file_sync(struct frame_file *f, struct error *err) MUST_CHECK;

/* Behind the final seal: the seek table; durable with the next sync. May be
 * repeated. */
enum status frame_file_finish(
    struct frame_file *f, struct error *err) MUST_CHECK;

/* Renames it over `path` once its bytes are durable; the name is with the next
 * sync. That it is gone from another folder is the caller's to sync. */
enum status frame_file_move(
    struct frame_file *f, const char *path, struct error *err) MUST_CHECK;

const struct uuid *frame_file_id(const struct frame_file *f);
const char *frame_file_path(const struct frame_file *f);
bool frame_file_is_final(const struct frame_file *f); /* its last seal is */
uint64_t frame_file_len(const struct frame_file *f);
uint64_t frame_file_text_len(const struct frame_file *f);
struct sha256 frame_file_text_hash(const struct frame_file *f);
struct sha256 frame_file_last_seal(const struct frame_file *f); /* its hash */
size_t frame_file_frames(const struct frame_file *f);

#endif
