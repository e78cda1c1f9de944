/* The public keys whose word counts: those that a person trusts, and those
 * that these have passed their work on to. A plain value.
 */
#ifndef PLAYER_KEY_SET_H
#define PLAYER_KEY_SET_H

#include "base/digest.h"
#include "player/limits.h"

struct key_set {
    struct ed25519_public keys[PLAYER_KEYS_MAX];
    size_t count;
};

/* Every key of a PEM file, at least one. */
enum status key_set_load(
    const char *path, struct key_set *out, struct error *err) MUST_CHECK;
bool key_set_has(const struct key_set *set, const struct ed25519_public *key);
/* A key that is in it already is not added again. STATUS_LIMIT. */
enum status key_set_add(
    struct key_set *set, const struct ed25519_public *key) MUST_CHECK;

/* Hex of a key's first bytes, enough to tell two apart. */
#define KEY_SET_NAME_MAX 17
void key_set_name(const struct ed25519_public *key, char out[KEY_SET_NAME_MAX]);

#endif
