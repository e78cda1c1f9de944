/* Proxy and command line may make the token at the same moment: each writes a
 * file of its own and links it to the name; link(2) fails for the second, who
 * then reads the first one's. A rename would replace what a client got
 * already. */
#include "base/local_token.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/file.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_RANDOM_LEN 32
#define TOKEN_FILE_MAX   256

static enum status
read_token(const char *path, struct buf *out, struct error *err)
{
    struct buf text;
    struct buf bytes;
    buf_init(&text, TOKEN_FILE_MAX);
    buf_init(&bytes, TOKEN_FILE_MAX);
    enum status st = file_read(path, &text, err);
    if (st == STATUS_OK) {
        struct span line = buf_view(&text);
        if (line.len > 0 && line.ptr[line.len - 1] == '\n') {
            line.len--;
        }
        if (line.len != LOCAL_TOKEN_LEN ||
            base64url_decode(line, &bytes) != STATUS_OK) {
            st = error_set(err, STATUS_INVALID,
                "%s holds no token: remove it to have a new one made", path);
        } else {
            st = buf_append(out, line);
        }
    }
    buf_wipe(&bytes);
    buf_wipe(&text);
    return st;
}

static enum status
make_line(struct buf *out)
{
    uint8_t random[TOKEN_RANDOM_LEN];
    random_bytes(random, sizeof random);
    enum status st = base64url_encode(span_of(random, sizeof random), out);
    explicit_bzero(random, sizeof random);
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}

static enum status
write_line(int fd, const char *path, struct error *err)
{
    struct buf line;
    buf_init(&line, TOKEN_FILE_MAX);
    enum status st = make_line(&line);
    if (st == STATUS_OK) {
        st = file_pwrite_all(fd, buf_view(&line), 0, err);
    } else {
        error_set(err, st, "out of memory");
    }
    buf_wipe(&line);
    if (st == STATUS_OK && fsync(fd) != 0) {
        st = error_sys(err, errno, "cannot write %s", path);
    }
    return st;
}

/* Another maker may have come first: that is as good. */
static enum status
make_token(const char *keys, const char *path, struct error *err)
{
    char temporary[PATH_MAX];
    enum status st = file_join(
        temporary, sizeof temporary, keys, ".local.token.XXXXXX", err);
    if (st != STATUS_OK) {
        return st;
    }
    const int fd = mkstemp(temporary); /* 0600, O_EXCL */
    if (fd < 0) {
        return error_sys(err, errno, "cannot create %s", path);
    }
    st = write_line(fd, path, err);
    if (close(fd) != 0 && st == STATUS_OK) {
        st = error_sys(err, errno, "cannot write %s", path);
    }
    if (st == STATUS_OK && link(temporary, path) != 0 && errno != EEXIST) {
        st = error_sys(err, errno, "cannot create %s", path);
    }
    if (unlink(temporary) != 0 && st == STATUS_OK) {
        st = error_sys(err, errno, "cannot remove %s", temporary);
    }
    return st == STATUS_OK ? file_fsync_dir(keys, err) : st;
}

enum status
local_token_load(const char *state, struct buf *out, struct error *err)
{
    char keys[PATH_MAX];
    char path[PATH_MAX];
    enum status st = file_join(keys, sizeof keys, state, "keys", err);
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, keys, "local.token", err);
    }
    if (st == STATUS_OK) {
        st = file_make_dirs(keys, 0700, err);
    }
    if (st == STATUS_OK && access(path, F_OK) != 0) {
        st = make_token(keys, path, err);
    }
    return st == STATUS_OK ? read_token(path, out, err) : st;
}
