/* asciicast v2 text: the header line and the event lines.
 *
 * RECORDING.md is the format of record. Encoding and decoding live here, so
 * one round-trip test covers recorder and player. The event writer is fast
 * code of its own (it carries every byte of output); the header, written
 * once, uses jansson.
 *
 * Every event is exactly [seconds, "code", "data"] with six decimals: other
 * players insist on two strings, so the structured events of ours (`b`, `B`,
 * `k`) carry base64 or JSON *inside* that string.
 */
#ifndef SCHEMA_CAST_H
#define SCHEMA_CAST_H

#include "base/buf.h"
#include "schema/meta.h"

enum cast_code {
    CAST_OUTPUT = 'o',
    CAST_INPUT = 'i',
    CAST_RESIZE = 'r', /* "COLSxROWS" */
    CAST_MARKER = 'm',
    CAST_EXIT = 'x',   /* decimal exit status */
    CAST_STREAM = 's', /* "stdout" | "stderr": of the `o` that follow */
    CAST_EXACT = 'b',  /* base64 of the exact bytes of the event before */
    CAST_BINARY = 'B', /* {"stream":"stdout","base64":"…"} */
    CAST_FACTS = 'k',  /* a JSON object */
};

struct cast_header {
    uint16_t width;
    uint16_t height;
    struct meta meta; /* META_PART_OPEN */
};

#define CAST_LINE_MAX (8u << 20) /* a reader refuses longer lines */

/* Appends the header line with its newline. `command` is the words joined by
 * spaces with shell quoting; `title` names user, pod and container. */
enum status cast_header_encode(
    const struct cast_header *h, struct buf *out) MUST_CHECK;
/* Any asciicast v2 header is read; one without `kubetape` gives a meta with a
 * nil id that knows its start at most. out->meta is inited by a call that
 * succeeds, and freed by the caller. STATUS_UNSUPPORTED for other versions. */
enum status cast_header_decode(
    struct span line, struct cast_header *out, struct error *err) MUST_CHECK;

/* Appends one event line with its newline, or nothing at all when it fails.
 * `data` is valid UTF-8 (asserted in tests, not checked here); control
 * characters and DEL are escaped, what is above is written as it is. */
enum status cast_event_encode(uint64_t time_us, enum cast_code code,
    struct span data, struct buf *out) MUST_CHECK;

struct cast_event {
    uint64_t time_us;
    char code;        /* an enum cast_code, or another writer's */
    struct span data; /* unescaped, in `scratch`; until its next change */
};
/* `line` without its newline. `scratch` is cleared first. Other writers'
 * spacing, precision and codes are read, numbers with exponents are not. */
enum status cast_event_decode(struct span line, struct buf *scratch,
    struct cast_event *out, struct error *err) MUST_CHECK;
/* Time and code of a line that cast_event_encode wrote, at the cost of its
 * first bytes: the data is not looked at, and left empty. False of any other
 * line, which may be an event all the same. */
bool cast_event_peek(struct span line, struct cast_event *out);

#endif
