/* Base64 (RFC 4648 section 4) and base64url without padding (section 5). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

enum status base64_encode(struct span in, struct buf *out) MUST_CHECK;
/* Strict: right alphabet, right padding, no white space, zero trailing bits. */
enum status base64_decode(struct span in, struct buf *out) MUST_CHECK;
/* Section 4 without padding, as the age format has it; into exactly `len`
 * bytes. */
enum status base64_bare_encode(struct span in, struct buf *out) MUST_CHECK;
enum status base64_bare_decode(
    struct span in, uint8_t *dst, size_t len) MUST_CHECK;
enum status base64url_encode(struct span in, struct buf *out) MUST_CHECK;
enum status base64url_decode(struct span in, struct buf *out) MUST_CHECK;

#endif
