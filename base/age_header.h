/* The text in front of an age file's payload (age-encryption.org/v1): whom it
 * is encrypted to. Pure: bytes in, views of them out; no key, no file.
 *
 *   age-encryption.org/v1
 *   -> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc
 *   hjabGXwSLQ9c3S6Lw2i+S2Tu2fiwQHHslbBN6B41FLE
 *   --- WyJp9F/9FOZh7gJdheq2WIJcwHgYc8NIVh3ddwhrcNg
 */
#ifndef BASE_AGE_HEADER_H
#define BASE_AGE_HEADER_H

#include "base/buf.h"

#define AGE_INTRO "age-encryption.org/v1\n"

/* Longer ones are refused: some hundred recipients. Against a file that has
 * us read it whole for its header. */
#define AGE_HEADER_MAX (256u << 10)
#define AGE_MAC_LEN    32

/* One recipient's way to the file key. */
struct age_stanza {
    struct span type;      /* the first argument: "X25519" */
    struct span arguments; /* the others, with one SP between two */
    size_t argument_count; /* of the others */
    struct span body;      /* lines of base64, each with its LF */
};

struct age_header {
    struct span stanzas; /* at least one; for age_stanza_take */
    size_t stanza_count;
    struct span authentic; /* what the MAC is over */
    uint8_t mac[AGE_MAC_LEN];
    size_t len; /* the payload begins there */
};

/* Whether a file that begins so is one of the age format, of any version. */
bool age_header_is_age(struct span bytes);

/* The header in front of `bytes`, which may go on behind it. Strict, so that a
 * header has one reading. STATUS_UNSUPPORTED: another version; STATUS_CORRUPT:
 * no header, or not all of it. The views are into `bytes`. */
enum status age_header_parse(
    struct span bytes, struct age_header *out, struct error *err) MUST_CHECK;

/* Removes the first stanza from `text`; false when there is none, or it is
 * malformed, which in what age_header_parse gave it is not. */
bool age_stanza_take(struct span *text, struct age_stanza *out);

/* ---- For the writer ---- */

/* Appends a stanza of one argument, both in base64; `body` is shorter than the
 * 48 bytes that fill a line. */
enum status age_stanza_append(const char *type, struct span argument,
    struct span body, struct buf *out) MUST_CHECK;

#endif
