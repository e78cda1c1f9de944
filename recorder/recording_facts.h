/* What a recording's file says of its session, without reading all of it.
 *
 * The header is in the first frame, and the last event of a finished recording
 * is a `k` with all facts: its seek table leads there. Believes what it reads;
 * whether that is true is for a verifier to say.
 */
#ifndef RECORDER_RECORDING_FACTS_H
#define RECORDER_RECORDING_FACTS_H

#include "schema/meta.h"

/* Those of the header alone, into `out`, which was inited. */
enum status recording_facts_read_header(
    const char *path, struct meta *out, struct error *err) MUST_CHECK;

/* Fills `out`, which was inited; size is the file's. *is_finished_out: all
 * facts; else those of the header. STATUS_CORRUPT when it is no recording, or
 * damaged where it matters. */
enum status recording_facts_read(const char *path, struct meta *out,
    bool *is_finished_out, struct error *err) MUST_CHECK;

#endif
