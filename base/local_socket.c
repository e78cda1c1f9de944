/* See local_socket.h. */
#include "base/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- addresses ----------------------------------------------------------- */

/* What to bind or connect to; `folder_fd` is to be closed afterwards. */
struct place {
    struct sockaddr_un address;
    int folder_fd; /* -1: the path fits */
};

static enum status
place_by_folder(const char *path, struct place *out, struct error *err)
{
    char folder[PATH_MAX];
    const char *name = strrchr(path, '/');
    const size_t len = name == NULL ? 0 : (size_t)(name - path);
    if (len == 0 || len >= sizeof folder) {
        return error_set(err, STATUS_LIMIT, "too long a path: %.64s…", path);
    }
    memcpy(folder, path, len);
    folder[len] = '\0';
    out->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (out->folder_fd < 0) {
        return error_sys(err, errno, "open %s", folder);
    }
    const int n = snprintf(out->address.sun_path, sizeof out->address.sun_path,
        "/proc/self/fd/%d%s", out->folder_fd, name);
    if (n < 0 || (size_t)n >= sizeof out->address.sun_path) {
        (void)close(out->folder_fd);
        return error_set(err, STATUS_LIMIT, "too long a name: %s", name + 1);
    }
    return STATUS_OK;
}

static enum status
place_of(const char *path, struct place *out, struct error *err)
{
    *out = (struct place){.address = {.sun_family = AF_UNIX}, .folder_fd = -1};
    if (strlen(path) >= sizeof out->address.sun_path) {
        return place_by_folder(path, out, err);
    }
    memcpy(out->address.sun_path, path, strlen(path) + 1);
    return STATUS_OK;
}

static void
place_fini(struct place *p)
{
    if (p->folder_fd >= 0) {
        (void)close(p->folder_fd);
    }
}

/* --- sockets ------------------------------------------------------------- */

static enum status
serve(int fd, const struct place *at, const char *path, int backlog,
    struct error *err)
{
    if (unlink(path) != 0 && errno != ENOENT) {
        return error_sys(err, errno, "remove %s", path);
    }
    /* Nobody can connect before listen, so the mode is right in time. */
    if (bind(fd, (const struct sockaddr *)(const void *)&at->address,
            sizeof at->address) != 0 ||
        chmod(path, 0600) != 0 || listen(fd, backlog) != 0) {
        return error_sys(err, errno, "serve %s", path);
    }
    return STATUS_OK;
}

enum status
local_socket_listen(
    const char *path, int backlog, int *fd_out, struct error *err)
{
    struct place at;
    enum status st = place_of(path, &at, err);
    if (st != STATUS_OK) {
        return st;
    }
    const int fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    st = fd < 0 ? error_sys(err, errno, "make a socket")
                : serve(fd, &at, path, backlog, err);
    place_fini(&at);
    if (st == STATUS_OK) {
        *fd_out = fd;
    } else if (fd >= 0) {
        (void)close(fd);
    }
    return st;
}

enum status
local_socket_accept(int fd, int *peer_out, uid_t *uid_out, struct error *err)
{
    const int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0) {
        return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR
                   ? error_set(err, STATUS_CLOSED, "nobody waits")
                   : error_sys(err, errno, "accept");
    }
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0) {
        const enum status st = error_sys(err, errno, "ask who connected");
        (void)close(peer);
        return st;
    }
    *peer_out = peer;
    *uid_out = who.uid;
    return STATUS_OK;
}

enum status
local_socket_connect(const char *path, int *fd_out, struct error *err)
{
    struct place at;
    enum status st = place_of(path, &at, err);
    if (st != STATUS_OK) {
        return st;
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        st = error_sys(err, errno, "make a socket");
    } else if (connect(fd, (const struct sockaddr *)(const void *)&at.address,
                   sizeof at.address) != 0) {
        const int why = errno;
        st = error_sys(err, why, "connect to %s", path);
        st = why == ECONNREFUSED ? STATUS_NOT_FOUND : st;
    }
    place_fini(&at);
    if (st == STATUS_OK) {
        *fd_out = fd;
    } else if (fd >= 0) {
        (void)close(fd);
    }
    return st;
}

/* --- names --------------------------------------------------------------- */

void
local_user_name(uid_t uid, char out[LOCAL_USER_MAX])
{
    char bytes[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(uid, &entry, bytes, sizeof bytes, &found) == 0 &&
        found != NULL && strlen(found->pw_name) < LOCAL_USER_MAX) {
        memcpy(out, found->pw_name, strlen(found->pw_name) + 1);
    } else {
        snprintf(out, LOCAL_USER_MAX, "uid %lu", (unsigned long)uid);
    }
}
