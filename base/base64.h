/* Base64 (RFC 4648 section 4) and base64url without padding (section 5). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

enum status base64_encode(struct span in, struct buf *out) MUST_CHECK;
/* Strict: right alphabet, right padding, no white space, zero trailing bits. */
enum status base64_decode(struct span in, struct buf *out) MUST_CHECK;
enum status base64url_encode(struct span in, struct buf *out) MUST_CHECK;
enum status base64url_decode(struct span in, struct buf *out) MUST_CHECK;

#endif
