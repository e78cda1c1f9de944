/* The age format's own keys: recipients, to whom a file is encrypted, and
 * identities, which open it. Only X25519 ones (age1…, AGE-SECRET-KEY-1…).
 *
 * Owns how they are written; not where they are kept.
 */
#ifndef BASE_AGE_KEY_H
#define BASE_AGE_KEY_H

#include "base/age_crypto.h"
#include "base/buf.h"

struct age_recipient {
    struct age_key point;
};

/* "age1…", in lower case. STATUS_INVALID when it is none, also when files to
 * it could be read by everybody. */
enum status age_recipient_parse(
    struct span text, struct age_recipient *out) MUST_CHECK;

/* Against a file that is no file of identities. */
#define AGE_IDENTITIES_MAX 256

/* Secrets in one place, wiped when freed. */
struct age_identities;

/* The text of an identity file: one "AGE-SECRET-KEY-1…" a line, comments (#)
 * and empty lines. At least one. Errors name the line, never what it says. */
enum status age_identities_parse(struct span text, struct age_identities **out,
    struct error *err) MUST_CHECK;
void age_identities_free(struct age_identities **ids);

#define AGE_FILE_KEY_LEN 16

/* ---- For age_writer and age_reader ---- */

struct age_stanza;

/* Appends the stanza by which `to` alone finds the file key. */
enum status age_wrap(const struct age_recipient *to,
    const uint8_t file_key[AGE_FILE_KEY_LEN], struct buf *out) MUST_CHECK;

/* STATUS_NOT_FOUND when the stanza is of another kind, or for others;
 * STATUS_CORRUPT when it is malformed. */
enum status age_unwrap(const struct age_identities *ids,
    const struct age_stanza *from,
    uint8_t file_key_out[AGE_FILE_KEY_LEN]) MUST_CHECK;

/* The MAC of a header under the file key. */
enum status age_header_mac(const uint8_t file_key[AGE_FILE_KEY_LEN],
    struct span authentic, uint8_t out[AGE_KEY_LEN]) MUST_CHECK;

#define AGE_X25519 "X25519" /* the type of these stanzas */

#endif
