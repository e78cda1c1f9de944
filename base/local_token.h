/* The one bearer token that lets local clients in: <state>/keys/local.token.
 *
 * Whoever needs it first makes it (the proxy or the command line): 32 random bytes
 * as one line of base64url, 0600, put in place with link(2), so that of two
 * makers one wins and both read the same. The caller wipes what it got.
 */
#ifndef BASE_LOCAL_TOKEN_H
#define BASE_LOCAL_TOKEN_H

#include "base/buf.h"

#define LOCAL_TOKEN_LEN 43 /* base64url of 32 bytes */

/* Appends the token, without a newline. */
enum status local_token_load(
    const char *state, struct buf *out, struct error *err) MUST_CHECK;

#endif
