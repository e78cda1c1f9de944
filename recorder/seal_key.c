/* See seal_key.h. */
#include "recorder/seal_key.h"

#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define PEM_MAX 16384u

static enum status
read_key(const char *path, struct signer **out, struct error *err)
{
    struct stat sb;
    if (stat(path, &sb) != 0) {
        return error_sys(err, errno, "signing key %s", path);
    }
    if ((sb.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return error_set(err, STATUS_DENIED,
            "signing key %s has mode %03o: others may use it, 0600 is needed",
            path, (unsigned)(sb.st_mode & 0777));
    }
    struct buf pem;
    buf_init(&pem, PEM_MAX);
    enum status st = file_read(path, &pem, err);
    if (st == STATUS_OK) {
        st = signer_from_pem(buf_view(&pem), out, err);
        st = st == STATUS_OK ? st : error_in(err, st, "signing key %s", path);
    }
    buf_wipe(&pem);
    return st;
}

static enum status
write_key(const char *path, const struct signer *signer, struct error *err)
{
    struct buf pem;
    buf_init(&pem, PEM_MAX);
    enum status st = signer_to_pem(signer, &pem, err);
    if (st == STATUS_OK) {
        st = file_write_atomic(path, buf_view(&pem), 0600, err);
    }
    buf_wipe(&pem);
    return st;
}

static enum status
make_key(const char *path, struct signer **out, struct error *err)
{
    struct signer *signer = NULL;
    enum status st = signer_new(&signer, err);
    if (st == STATUS_OK) {
        st = write_key(path, signer, err);
    }
    if (st == STATUS_OK) {
        *out = signer;
        signer = NULL;
    }
    signer_free(&signer);
    return st;
}

static enum status
keys_dir(const char *state_dir, char out[PATH_MAX], struct error *err)
{
    const enum status st = file_join(out, PATH_MAX, state_dir, "keys", err);
    return st == STATUS_OK ? file_make_dirs(out, 0700, err) : st;
}

static bool
has_key(const struct ed25519_public *keys, size_t count,
    const struct ed25519_public *key)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&keys[i], key, sizeof *key) == 0) {
            return true;
        }
    }
    return false;
}

/* None when it is not there, or spoilt: then it is made anew. */
static enum status
read_published(const char *path, struct ed25519_public out[ED25519_PUBLICS_MAX],
    size_t *count_out, struct error *err)
{
    struct error why = {.code = STATUS_OK};
    struct buf pem;
    buf_init(&pem, PEM_MAX);
    *count_out = 0;
    enum status st = file_read(path, &pem, &why);
    if (st == STATUS_OK) {
        st = ed25519_publics_from_pem(
            buf_view(&pem), out, ED25519_PUBLICS_MAX, count_out, &why);
    }
    buf_fini(&pem);
    const bool is_made_anew =
        st == STATUS_NOT_FOUND || st == STATUS_INVALID || st == STATUS_LIMIT;
    if (is_made_anew) {
        *count_out = 0;
    }
    return st == STATUS_OK || is_made_anew ? STATUS_OK
                                           : error_set(err, st, "%s", why.text);
}

/* Those that the file at `path` holds and `keys` do not. */
static enum status
add_published(const char *path, const struct ed25519_public *keys, size_t count,
    struct buf *pem, struct error *err)
{
    struct ed25519_public published[ED25519_PUBLICS_MAX];
    size_t published_count = 0;
    size_t room = ED25519_PUBLICS_MAX - count;
    enum status st = read_published(path, published, &published_count, err);
    for (size_t i = 0; i < published_count && room > 0 && st == STATUS_OK;
         i++) {
        if (!has_key(keys, count, &published[i])) {
            st = ed25519_public_to_pem(&published[i], pem, err);
            room--;
        }
    }
    return st;
}

enum status
seal_key_publish(const char *state_dir, const struct ed25519_public *keys,
    size_t count, struct error *err)
{
    char dir[PATH_MAX];
    char path[PATH_MAX];
    struct buf pem;
    buf_init(&pem, PEM_MAX);
    enum status st = keys_dir(state_dir, dir, err);
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, dir, "seal.pub.pem", err);
    }
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        st = ed25519_public_to_pem(&keys[i], &pem, err);
    }
    if (st == STATUS_OK) {
        st = add_published(path, keys, count, &pem, err);
    }
    if (st == STATUS_OK) {
        st = file_write_atomic(path, buf_view(&pem), 0644, err);
    }
    buf_fini(&pem);
    return st;
}

static enum status
find_key(const char *state_dir, const char *dir, const char *own,
    struct signer **out, struct error *err)
{
    char path[PATH_MAX];
    if (own != NULL && own[0] == '/') {
        return read_key(own, out, err);
    }
    const bool is_own = own != NULL && own[0] != '\0';
    enum status st = is_own
                         ? file_join(path, sizeof path, state_dir, own, err)
                         : file_join(path, sizeof path, dir, "seal.pem", err);
    if (st != STATUS_OK) {
        return st;
    }
    struct error why = {.code = STATUS_OK};
    st = read_key(path, out, &why);
    if (st == STATUS_NOT_FOUND && !is_own) {
        return make_key(path, out, err);
    }
    if (st != STATUS_OK && err != NULL) {
        *err = why;
    }
    return st;
}

enum status
seal_key_load(const char *state_dir, const char *own, struct signer **out,
    struct error *err)
{
    char dir[PATH_MAX];
    const enum status st = keys_dir(state_dir, dir, err);
    return st == STATUS_OK ? find_key(state_dir, dir, own, out, err) : st;
}

enum status
seal_key_load_former(const char *state_dir, const char *path,
    struct signer **out, struct error *err)
{
    assert(path[0] != '\0'); /* which would mean: make one */
    return find_key(state_dir, state_dir, path, out, err);
}
