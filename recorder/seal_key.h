/* The signing key: one's own, or made on the first start, and the keys that
 * signed before. <state>/keys/seal.pem (0600, folder 0700), and beside it
 * seal.pub.pem (0644): the public keys that a verifier needs, the one that
 * signs now first. It is what verifiers trust where they are told no other, so
 * a key gets into it by the configuration alone. */
#ifndef RECORDER_SEAL_KEY_H
#define RECORDER_SEAL_KEY_H

#include "base/digest.h"

/* `own`: path of a PEM file, relative to the state folder or absolute; NULL
 * or "" for the made one. */
enum status seal_key_load(const char *state_dir, const char *own,
    struct signer **out, struct error *err) MUST_CHECK;

/* A former key, from a PEM file: it is never made. */
enum status seal_key_load_former(const char *state_dir, const char *path,
    struct signer **out, struct error *err) MUST_CHECK;

/* Written at each start, so that it always matches the keys in use: `keys` in
 * front, and behind them those that it held before, as many as fit. */
enum status seal_key_publish(const char *state_dir,
    const struct ed25519_public *keys, size_t count,
    struct error *err) MUST_CHECK;

#endif
