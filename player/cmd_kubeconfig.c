/* `kubetape kubeconfig`: client access, printed or merged. */
#include "base/file.h"
#include "player/client_access.h"
#include "player/command.h"
#include "player/limits.h"
#include "player/store.h"
#include "player/user_kubeconfig.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* kubectl's own lock (client-go, clientcmd/loader.go): a file beside it. */
static enum status
lock_file(const char *path, char lock[PATH_MAX], struct error *err)
{
    const int len = snprintf(lock, PATH_MAX, "%s.lock", path);
    if (len < 0 || len >= PATH_MAX) {
        return error_set(err, STATUS_LIMIT, "too long a path");
    }
    const int fd = open(lock, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        return error_set(err, STATUS_EXISTS,
            "%s is being changed by another program (%s exists)", path, lock);
    }
    if (fd < 0) {
        return error_sys(err, errno, "cannot create %s", lock);
    }
    (void)close(fd); /* an empty file */
    return STATUS_OK;
}

/* What the file holds and which mode it has; a file that does not exist is
 * empty and private. */
static enum status
read_target(
    const char *path, struct buf *out, mode_t *mode_out, struct error *err)
{
    struct stat info;
    *mode_out = 0600;
    if (stat(path, &info) != 0) {
        return errno == ENOENT ? STATUS_OK
                               : error_sys(err, errno, "cannot read %s", path);
    }
    *mode_out = info.st_mode & 07777;
    return file_read(path, out, err);
}

static enum status
make_folder_of(const char *path, struct error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return STATUS_OK;
    }
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return access(folder, F_OK) == 0 ? STATUS_OK
                                     : file_make_dirs(folder, 0700, err);
}

static enum status
merge_locked(struct client_access *c, const char *name, const char *path,
    struct error *err)
{
    struct buf text;
    struct buf merged;
    mode_t mode = 0600;
    buf_init(&text, PLAYER_SMALL_FILE_MAX);
    buf_init(&merged, 2 * PLAYER_SMALL_FILE_MAX);
    enum status st = read_target(path, &text, &mode, err);
    if (st == STATUS_OK) {
        const struct span into = buf_view(&text);
        st = client_access_render(c, name, &into, path, &merged, err);
    }
    if (st == STATUS_OK && !span_eq(buf_view(&text), buf_view(&merged))) {
        st = file_write_atomic(path, buf_view(&merged), mode, err);
    }
    buf_wipe(&text); /* credentials of others, too */
    buf_wipe(&merged);
    return st;
}

static enum status
merge(struct client_access *c, const char *name, struct error *err)
{
    char path[PATH_MAX];
    char lock[PATH_MAX];
    enum status st = user_kubeconfig_to_write(path, err);
    if (st == STATUS_OK) {
        st = make_folder_of(path, err);
    }
    if (st == STATUS_OK) {
        st = lock_file(path, lock, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    st = merge_locked(c, name, path, err);
    if (unlink(lock) != 0 && st == STATUS_OK) {
        st = error_sys(err, errno, "cannot remove %s", lock);
    }
    if (st == STATUS_OK) {
        fprintf(stderr,
            "kubetape: %s now has the context \"%s\", and it is "
            "current\n",
            path, name);
    }
    return st;
}

static enum status
print(struct client_access *c, const char *name, struct error *err)
{
    struct buf text;
    buf_init(&text, 2 * PLAYER_SMALL_FILE_MAX);
    const enum status st =
        client_access_render(c, name, NULL, NULL, &text, err);
    if (st == STATUS_OK) {
        const struct span s = buf_view(&text);
        (void)fwrite(s.ptr, 1, s.len, stdout); /* main checks */
    }
    buf_wipe(&text);
    return st;
}

int
cmd_kubeconfig(
    const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    struct client_access_wish wish = {.server = NULL};
    const char *state_flag = NULL;
    const char *name = "kubetape";
    bool merges = false;
    const struct flag flags[] = {
        {"server", 0, FLAG_TEXT, "URL", "https://… (where the proxy listens)",
            &wish.server},
        {"ca", 0, FLAG_TEXT, "F", "authority, PEM (<state>/tls/ca.crt)",
            &wish.ca},
        {"name", 0, FLAG_TEXT, "N", "of cluster, user and context (kubetape)",
            &name},
        {"merge", 0, FLAG_BOOL, NULL, "put it into your own kubeconfig",
            &merges},
        FLAG_STATE(state_flag), FLAG_HELP(line), FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    char state[PATH_MAX];
    struct client_access access;
    enum status st = store_folder(state_flag, state, err);
    if (st != STATUS_OK) {
        return EXIT_COULD_NOT;
    }
    st = client_access_load(state, &wish, &access, err);
    if (st == STATUS_OK) {
        st = merges ? merge(&access, name, err) : print(&access, name, err);
    }
    client_access_fini(&access);
    return st == STATUS_OK ? EXIT_DONE : EXIT_COULD_NOT;
}
