#include "player/key_set.h"

#include "base/file.h"
#include <stdio.h>
#include <string.h>

enum status
key_set_load(const char *path, struct key_set *out, struct error *err)
{
    struct buf pem;
    struct key_set set = {.count = 0};
    buf_init(&pem, PLAYER_SMALL_FILE_MAX);
    enum status st = file_read(path, &pem, err);
    if (st == STATUS_OK) {
        st = ed25519_publics_from_pem(
            buf_view(&pem), set.keys, PLAYER_KEYS_MAX, &set.count, err);
    }
    buf_fini(&pem);
    if (st != STATUS_OK) {
        return error_in(err, st, "the public key %s", path);
    }
    *out = set;
    return STATUS_OK;
}

bool
key_set_has(const struct key_set *set, const struct ed25519_public *key)
{
    for (size_t i = 0; i < set->count; i++) {
        if (memcmp(&set->keys[i], key, sizeof *key) == 0) {
            return true;
        }
    }
    return false;
}

enum status
key_set_add(struct key_set *set, const struct ed25519_public *key)
{
    if (key_set_has(set, key)) {
        return STATUS_OK;
    }
    if (set->count == PLAYER_KEYS_MAX) {
        return STATUS_LIMIT;
    }
    set->keys[set->count++] = *key;
    return STATUS_OK;
}

void
key_set_name(const struct ed25519_public *key, char out[KEY_SET_NAME_MAX])
{
    for (size_t i = 0; i < (KEY_SET_NAME_MAX - 1) / 2; i++) {
        snprintf(out + 2 * i, 3, "%02x", (unsigned)key->bytes[i]);
    }
}
