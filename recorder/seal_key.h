/* The signing key: one's own, or made on the first start.
 * <state>/keys/seal.pem (0600, folder 0700), and beside it the public half,
 * seal.pub.pem (0644), which is all that a verifier needs. */
#ifndef RECORDER_SEAL_KEY_H
#define RECORDER_SEAL_KEY_H

#include "base/digest.h"

/* `own`: path of a PEM file, relative to the state folder or absolute; NULL
 * or "" for the made one. */
enum status seal_key_load(const char *state_dir, const char *own,
    struct signer **out, struct error *err) MUST_CHECK;

#endif
