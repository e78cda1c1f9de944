/* `kubetape up`: proxy and recorder in front of the cluster of one's own
 * kubeconfig, ready for kubectl. */
#include "base/config.h"
#include "base/file.h"
#include "base/local_token.h"
#include "player/client_access.h"
#include "player/command.h"
#include "player/limits.h"
#include "player/store.h"
#include "player/supervise.h"
#include "player/user_kubeconfig.h"
#include "schema/json_text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct up {
    const char *config_flag; /* a configuration of the person's own */
    const char *state_flag;
    const char *kubeconfig_flag;
    const char *context_flag;
    const char *listen;
    const char *admin;
    char state[PATH_MAX];
    char config[PATH_MAX];
    char kubeconfig[PATH_MAX]; /* the one for clients */
    int lock_fd;
};

/* ---- The configuration ---- */

static enum status
append_pair(const char *key, const char *value, struct buf *out)
{
    enum status st = buf_append_str(out, key);
    if (st == STATUS_OK) {
        st = json_text_encode(span_str(value), out);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}

static enum status
render_config(const struct up *u, const char *kubeconfig, const char *context,
    struct buf *out)
{
    enum status st = buf_append_str(out,
        "# Written by `kubetape up` at every start. To change more than its\n"
        "# flags do, copy this file and name the copy with --config.\n");
    if (st == STATUS_OK) {
        st = append_pair("state: ", u->state, out);
    }
    if (st == STATUS_OK) {
        st = append_pair("listen: ", u->listen, out);
    }
    if (st == STATUS_OK && u->admin != NULL) {
        st = append_pair("admin: ", u->admin, out);
    }
    if (st == STATUS_OK) {
        st = append_pair("upstream:\n  kubeconfig: ", kubeconfig, out);
    }
    if (st == STATUS_OK) {
        st = append_pair("  context: ", context, out);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(out, "identity: [local]\nlog:\n  level: warn\n");
    }
    return st;
}

/* The cluster, by the person's kubeconfig. */
static enum status
find_cluster(const struct up *u, char kubeconfig[PATH_MAX], struct buf *context,
    struct error *err)
{
    struct buf token;
    buf_init(&token, LOCAL_TOKEN_LEN + 1);
    enum status st = local_token_load(u->state, &token, err);
    if (st == STATUS_OK) {
        const struct user_kubeconfig_wish wish = {
            .file = u->kubeconfig_flag,
            .context = u->context_flag,
            .state = u->state,
            .token = buf_view(&token),
        };
        st = user_kubeconfig_find(&wish, kubeconfig, context, err);
    }
    buf_wipe(&token);
    return st;
}

static enum status
write_config(const struct up *u, struct error *err)
{
    char kubeconfig[PATH_MAX];
    struct config *parsed = NULL;
    struct buf context;
    struct buf text;
    const char *name = NULL;
    buf_init(&context, PATH_MAX);
    buf_init(&text, PLAYER_SMALL_FILE_MAX);
    enum status st = find_cluster(u, kubeconfig, &context, err);
    if (st == STATUS_OK) {
        st = buf_cstr(&context, &name);
    }
    if (st == STATUS_OK) {
        st = render_config(u, kubeconfig, name, &text);
    }
    if (st == STATUS_OK) { /* wrong flags show here, not in two programs */
        st = config_parse(buf_view(&text), "the flags of up", &parsed, err);
    }
    if (st == STATUS_OK) {
        st = file_write_atomic(u->config, buf_view(&text), 0600, err);
    }
    config_free(&parsed);
    buf_fini(&text);
    buf_fini(&context);
    return st;
}

/* With a configuration of one's own the state folder is what it says. */
static enum status
adopt_config(struct up *u, struct error *err)
{
    struct config *c = NULL;
    if (realpath(u->config_flag, u->config) == NULL) {
        return error_sys(err, errno, "cannot find %s", u->config_flag);
    }
    enum status st = config_load(u->config, &c, err);
    if (st == STATUS_OK && u->state_flag != NULL &&
        strcmp(c->state, u->state) != 0) {
        st = error_set(err, STATUS_INVALID, "--state %s, but %s says state: %s",
            u->state, u->config_flag, c->state);
    }
    if (st == STATUS_OK) {
        const size_t len = strlen(c->state);
        st = len < sizeof u->state
                 ? STATUS_OK
                 : error_set(err, STATUS_LIMIT, "state: too long a path");
        memcpy(u->state, c->state, st == STATUS_OK ? len + 1 : 0);
    }
    config_free(&c);
    return st;
}

/* ---- The state folder ---- */

static enum status
prepare_state(struct up *u, struct error *err)
{
    static const char *const folders[] = {"", "run", "keys", "tls"};
    char path[PATH_MAX];
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < 4; i++) {
        st = file_join(path, sizeof path, u->state, folders[i], err);
        if (st == STATUS_OK) {
            st = file_make_dirs(path, 0700, err);
        }
    }
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, u->state, "run/up.lock", err);
    }
    if (st == STATUS_OK) {
        st = file_lock(path, &u->lock_fd, err);
        if (st == STATUS_EXISTS) {
            error_in(
                err, st, "`kubetape up` runs on this state folder already");
        }
    }
    return st;
}

/* ---- Once both are ready ---- */

static void
print_ready(const struct up *u, struct span server)
{
    printf("export KUBECONFIG=%s\n\n", u->kubeconfig);
    printf("kubetape listens on %.*s\n", (int)server.len,
        (const char *)server.ptr);
    printf("recordings go to %s/recordings\n", u->state);
    printf("Ctrl-C ends it\n");
}

static enum status
announce(void *ctx, struct error *err)
{
    struct up *u = ctx;
    const struct client_access_wish wish = {.server = NULL};
    struct client_access access;
    struct buf text;
    buf_init(&text, 2 * PLAYER_SMALL_FILE_MAX);
    enum status st = client_access_load(u->state, &wish, &access, err);
    if (st == STATUS_OK) {
        st = client_access_render(&access, "kubetape", NULL, NULL, &text, err);
    }
    if (st == STATUS_OK) {
        st = file_write_atomic(u->kubeconfig, buf_view(&text), 0600, err);
    }
    if (st == STATUS_OK) {
        print_ready(u, buf_view(&access.server));
        (void)fflush(stdout); /* nobody may read it: we run on */
    }
    buf_wipe(&text);
    client_access_fini(&access);
    return st;
}

/* ---- The programs ---- */

static enum status
find_program(const char *name, char out[PATH_MAX], struct error *err)
{
    char folder[PATH_MAX];
    enum status st = program_dir(folder, sizeof folder, err);
    if (st == STATUS_OK) {
        st = file_join(out, PATH_MAX, folder, name, err);
    }
    if (st == STATUS_OK && access(out, X_OK) != 0) {
        st = error_sys(err, errno, "cannot run %s", out);
    }
    return st;
}

static enum status
run_programs(struct up *u, struct error *err)
{
    static const char *const names[] = {"kubetape-proxy", "kubetape-recorder"};
    char paths[2][PATH_MAX];
    char flag[] = "--config";
    char *argvs[2][4];
    struct supervise_program programs[2];
    enum status st = STATUS_OK;
    for (int i = 0; st == STATUS_OK && i < 2; i++) {
        st = find_program(names[i], paths[i], err);
        argvs[i][0] = paths[i];
        argvs[i][1] = flag;
        argvs[i][2] = u->config;
        argvs[i][3] = NULL;
        programs[i] = (struct supervise_program){names[i], argvs[i]};
    }
    if (st != STATUS_OK) {
        return st;
    }
    const struct supervise_plan plan = {
        .programs = programs, /* ended in this order: the recorder last */
        .count = 2,
        .on_ready = announce,
        .ctx = u,
    };
    return supervise_run(&plan, err);
}

/* An address of a run that is over would mislead. */
static enum status
forget_address(const struct up *u, struct error *err)
{
    char path[PATH_MAX];
    const enum status st =
        file_join(path, sizeof path, u->state, "run/proxy.address", err);
    if (st == STATUS_OK && unlink(path) != 0 && errno != ENOENT) {
        return error_sys(err, errno, "cannot remove %s", path);
    }
    return st;
}

static enum status
run(struct up *u, struct error *err)
{
    enum status st = store_folder(u->state_flag, u->state, err);
    if (st == STATUS_OK && u->config_flag != NULL) {
        st = adopt_config(u, err);
    }
    if (st == STATUS_OK) {
        st = prepare_state(u, err);
    }
    if (st == STATUS_OK && u->config_flag == NULL) {
        st = file_join(
            u->config, sizeof u->config, u->state, "config.yaml", err);
        if (st == STATUS_OK) {
            st = write_config(u, err);
        }
    }
    if (st == STATUS_OK) {
        st = file_join(
            u->kubeconfig, sizeof u->kubeconfig, u->state, "kubeconfig", err);
    }
    if (st == STATUS_OK) {
        st = forget_address(u, err);
    }
    return st == STATUS_OK ? run_programs(u, err) : st;
}

/* Flags that a configuration of one's own answers. */
static bool
contradicts(const struct up *u, const char *listen_flag)
{
    return u->config_flag != NULL &&
           (u->kubeconfig_flag != NULL || u->context_flag != NULL ||
               u->admin != NULL || listen_flag != NULL);
}

int
cmd_up(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    struct up u = {.lock_fd = -1};
    const char *listen_flag = NULL;
    const struct flag flags[] = {
        {"kubeconfig", 0, FLAG_TEXT, "F",
            "of the cluster (KUBECONFIG, ~/.kube/config)", &u.kubeconfig_flag},
        {"context", 0, FLAG_TEXT, "C", "in it (its current context)",
            &u.context_flag},
        {"listen", 0, FLAG_TEXT, "ADDR:PORT", "for kubectl (127.0.0.1:8443)",
            &listen_flag},
        {"admin", 0, FLAG_TEXT, "ADDR:PORT", "health and metrics (off)",
            &u.admin},
        {"config", 0, FLAG_TEXT, "F", "a whole configuration of your own",
            &u.config_flag},
        FLAG_STATE(u.state_flag), FLAG_HELP(line), FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    if (contradicts(&u, listen_flag)) {
        error_set(err, STATUS_INVALID,
            "with --config the other settings are the file's");
        return EXIT_USAGE;
    }
    u.listen = listen_flag == NULL ? "127.0.0.1:8443" : listen_flag;
    const enum status st = run(&u, err);
    if (u.lock_fd >= 0) {
        (void)close(u.lock_fd); /* ends the lock */
    }
    return st == STATUS_OK ? EXIT_DONE : EXIT_COULD_NOT;
}
