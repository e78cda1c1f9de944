/* A recording as its header and its events, in order.
 *
 * Splits text into lines and decodes each; a line that a crash cut short is
 * left out and told by cast_reader_is_cut. Knows nothing of seals: see verify.
 */
#ifndef PLAYER_CAST_READER_H
#define PLAYER_CAST_READER_H

#include "schema/cast.h"

struct age_identities;
struct cast_reader;

/* Reads the header at once. `ids`, which may be NULL, open an encrypted file;
 * see recording_source. */
enum status cast_reader_open(const char *path, const struct age_identities *ids,
    struct cast_reader **out, struct error *err) MUST_CHECK;
void cast_reader_close(struct cast_reader **r);

const struct cast_header *cast_reader_header(const struct cast_reader *r);
/* The first line as it stands, for formats that carry it on. */
struct span cast_reader_header_line(const struct cast_reader *r);

/* *out views memory of the reader until the next call. STATUS_CLOSED at the
 * end; an error names the line. */
enum status cast_reader_next(struct cast_reader *r, struct cast_event *out,
    struct error *err) MUST_CHECK;
/* The line of the event that cast_reader_next gave, without its newline. */
struct span cast_reader_line(const struct cast_reader *r);
/* After STATUS_CLOSED: the file ended within a frame or a line. */
bool cast_reader_is_cut(const struct cast_reader *r);

/* All that a recording says of its session: the header's meta with every `k`
 * event over it, read to the end. `m` is inited by the call on success. */
enum status cast_facts_read(const char *path, const struct age_identities *ids,
    struct meta *m, struct error *err) MUST_CHECK;

#endif
