/* kubetape-recorder: flags, configuration, signals, and the order of start
 * and stop. The only file here that prints or exits.
 *
 *   SIGTERM, SIGINT  finish the batch, seal what is open, exit 0
 *   SIGHUP           read the configuration again: log level, seal interval,
 *                    recipients, retention
 */
#include "base/config.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/program.h"
#include "recorder/limits.h"
#include "recorder/recorder.h"
#include "recorder/seal_key.h"
#include "recorder/upkeep.h"
#include "recorder/watch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct arguments {
    const char *config;
    const char *ready_fd;
    bool check;
    bool version;
    bool help;
};

struct program {
    const char *config_path;
    struct config *config;
    struct log log;
    struct loop *loop;
    struct signer *signer;
    struct signer *former[CONFIG_FORMER_KEYS_MAX];
    size_t former_count;
    struct recorder *recorder;
    struct watch *watch;
    struct loop_signal *signals[3];
    int lock_fd;
};

/* --- flags --------------------------------------------------------------- */

#define FLAGS_OF(a)                                                            \
    {                                                                          \
        {"config", 0, FLAG_TEXT, "FILE", "the configuration file",             \
            &(a)->config},                                                     \
            {"check", 0, FLAG_BOOL, NULL,                                      \
                "read the configuration, say whether it is right, and exit",   \
                &(a)->check},                                                  \
            {"ready-fd", 0, FLAG_TEXT, "N",                                    \
                "write a newline to descriptor N once recording",              \
                &(a)->ready_fd},                                               \
            {"version", 0, FLAG_BOOL, NULL, "print the version and exit",      \
                &(a)->version},                                                \
            {"help", 'h', FLAG_BOOL, NULL, "print this and exit", &(a)->help}, \
            {NULL, 0, FLAG_BOOL, NULL, NULL, NULL},                            \
    }

static int
usage_error(const struct error *err)
{
    fprintf(stderr, "kubetape-recorder: %s\n", err->text);
    return EXIT_USAGE;
}

static void
print_help(const struct flag *flags)
{
    printf("usage: kubetape-recorder --config FILE [--check]\n\n"
           "Turns the journals of kubetape-proxy into sealed recordings.\n\n");
    flags_print(flags, stdout);
}

/* EXIT_DONE or EXIT_USAGE when there is nothing more to do, else -1. */
static int
read_arguments(int argc, char **argv, struct arguments *a)
{
    const struct flag flags[] = FLAGS_OF(a);
    struct error err;
    char **rest = calloc((size_t)argc + 1, sizeof *rest);
    int rest_count = 0;
    if (rest == NULL) {
        (void)error_set(&err, STATUS_NO_MEMORY, "no memory for arguments");
        return usage_error(&err);
    }
    const enum status st =
        flags_parse(flags, argc, argv, rest, &rest_count, &err);
    if (st == STATUS_OK && rest_count > 0) {
        (void)error_set(
            &err, STATUS_INVALID, "unexpected argument '%s'", rest[0]);
    }
    free(rest);
    if (st != STATUS_OK || rest_count > 0) {
        return usage_error(&err);
    }
    if (a->help) {
        print_help(flags);
        return EXIT_DONE;
    }
    if (a->version) {
        printf("kubetape-recorder %s\n", KUBETAPE_VERSION);
        return EXIT_DONE;
    }
    if (a->config == NULL) {
        (void)error_set(&err, STATUS_INVALID, "--config FILE is needed");
        return usage_error(&err);
    }
    return -1;
}

/* --- being ready --------------------------------------------------------- */

static enum status
tell_ready(const char *ready_fd, struct error *err)
{
    if (ready_fd == NULL) {
        return STATUS_OK;
    }
    uint64_t fd;
    if (!span_to_u64(span_str(ready_fd), INT_MAX, &fd)) {
        return error_set(err, STATUS_INVALID,
            "--ready-fd '%s': a descriptor's number is needed", ready_fd);
    }
    const ssize_t n = write((int)fd, "\n", 1);
    if (n != 1 || close((int)fd) != 0) {
        return error_sys(err, errno, "--ready-fd %s", ready_fd);
    }
    return STATUS_OK;
}

/* One recorder a state folder: two would write the same files. */
static enum status
take_lock(struct program *p, struct error *err)
{
    char run[PATH_MAX];
    char path[PATH_MAX];
    enum status st = file_join(run, sizeof run, p->config->state, "run", err);
    if (st == STATUS_OK) {
        st = file_make_dirs(run, 0700, err);
    }
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, run, "recorder.lock", err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    st = file_lock_wait(path, LOCK_WAIT_MS, &p->lock_fd, err);
    return st == STATUS_EXISTS ? error_in(err, st, "another recorder writes %s",
                                     p->config->state)
                               : st;
}

/* --- the configuration --------------------------------------------------- */

static struct recipients
recipients_of(const struct config *c)
{
    static_assert(CONFIG_RECIPIENTS_MAX == RECORDER_RECIPIENTS_MAX,
        "every recipient of the configuration has a place");
    struct recipients to = {.count = c->recorder.encrypt_to_count};
    memcpy(to.list, c->recorder.encrypt_to, sizeof to.list);
    return to;
}

/* --- signals ------------------------------------------------------------- */

static void
on_stop(void *ctx)
{
    struct program *p = ctx;
    loop_stop(p->loop);
}

static bool
has_same_former_keys(const struct config *a, const struct config *b)
{
    const size_t count = a->recorder.former_key_count;
    bool is_same = count == b->recorder.former_key_count;
    for (size_t i = 0; i < count && is_same; i++) {
        is_same =
            strcmp(a->recorder.former_keys[i], b->recorder.former_keys[i]) == 0;
    }
    return is_same;
}

static void
on_reload(void *ctx)
{
    struct program *p = ctx;
    struct error err;
    struct config *config = NULL;
    if (config_load(p->config_path, &config, &err) != STATUS_OK) {
        log_error(&p->log, "config.kept", &err);
        return;
    }
    p->log.level = config->log.level;
    p->log.format = config->log.format;
    recorder_set_seal_interval(p->recorder, config->recorder.seal_interval_ms);
    upkeep_set_rules(recorder_upkeep(p->recorder), &config->retention);
    recorder_set_recipients(p->recorder, recipients_of(config));
    if (strcmp(config->state, p->config->state) != 0 ||
        strcmp(config->recorder.key, p->config->recorder.key) != 0 ||
        !has_same_former_keys(config, p->config)) {
        log_event(&p->log, LOG_WARN, "config.needs_restart",
            LOG_S("keys", "state, recorder.key, recorder.former_keys"));
    }
    config_free(&config);
    log_event(
        &p->log, LOG_INFO, "config.reloaded", LOG_S("file", p->config_path));
}

static enum status
open_signals(struct program *p, struct error *err)
{
    enum status st =
        loop_signal_open(p->loop, SIGTERM, on_stop, p, &p->signals[0], err);
    if (st == STATUS_OK) {
        st = loop_signal_open(p->loop, SIGINT, on_stop, p, &p->signals[1], err);
    }
    if (st == STATUS_OK) {
        st = loop_signal_open(
            p->loop, SIGHUP, on_reload, p, &p->signals[2], err);
    }
    return st;
}

/* --- start and stop ------------------------------------------------------ */

static enum status
load_keys(struct program *p, struct error *err)
{
    const struct config *c = p->config;
    enum status st = seal_key_load(c->state, c->recorder.key, &p->signer, err);
    for (size_t i = 0; i < c->recorder.former_key_count && st == STATUS_OK;
         i++) {
        st = seal_key_load_former(
            c->state, c->recorder.former_keys[i], &p->former[i], err);
        p->former_count += st == STATUS_OK ? 1 : 0;
    }
    return st;
}

static enum status
open_recorder(struct program *p, struct error *err)
{
    enum status st = load_keys(p, err);
    if (st != STATUS_OK) {
        return st;
    }
    const struct recorder_options options = {
        .state_dir = p->config->state,
        .signer = p->signer,
        .former = (const struct signer *const *)p->former,
        .former_count = p->former_count,
        .clock = &clock_system,
        .log = &p->log,
        .seal_interval_ms = p->config->recorder.seal_interval_ms,
        .recipients = recipients_of(p->config),
    };
    st = recorder_new(&options, &p->recorder, err);
    if (st == STATUS_OK) {
        upkeep_set_rules(recorder_upkeep(p->recorder), &p->config->retention);
    }
    return st;
}

static enum status
start(struct program *p, const char *ready_fd, struct error *err)
{
    enum status st = take_lock(p, err);
    if (st == STATUS_OK) {
        st = loop_new(&p->loop, err);
    }
    if (st == STATUS_OK) {
        st = open_recorder(p, err);
    }
    if (st == STATUS_OK) {
        st = open_signals(p, err);
    }
    if (st == STATUS_OK) {
        st = watch_open(p->loop, p->recorder, p->config->state, &clock_system,
            &p->log, &p->watch, err);
    }
    return st == STATUS_OK ? tell_ready(ready_fd, err) : st;
}

static void
stop(struct program *p)
{
    watch_close(&p->watch);
    for (size_t i = 0; i < sizeof p->signals / sizeof p->signals[0]; i++) {
        loop_signal_close(&p->signals[i]);
    }
    recorder_free(&p->recorder);
    loop_free(&p->loop);
    signer_free(&p->signer);
    for (size_t i = 0; i < p->former_count; i++) {
        signer_free(&p->former[i]);
    }
    config_free(&p->config);
    if (p->lock_fd >= 0) {
        (void)close(p->lock_fd); /* gives the lock back */
    }
}

static int
run(struct program *p, const char *ready_fd)
{
    struct error err;
    if (start(p, ready_fd, &err) != STATUS_OK) {
        log_error(&p->log, "recorder.start", &err);
        return EXIT_COULD_NOT;
    }
    log_event(&p->log, LOG_INFO, "recorder.ready",
        LOG_S("state", p->config->state),
        LOG_I("workers", recorder_workers(p->recorder)));
    loop_run(p->loop);
    recorder_stop(p->recorder);
    log_event(&p->log, LOG_INFO, "recorder.stopped",
        LOG_I("sessions", recorder_sessions(p->recorder)));
    return EXIT_DONE;
}

int
main(int argc, char **argv)
{
    struct arguments arguments = {.config = NULL};
    struct program p = {.lock_fd = -1};
    struct error err;
    const int done = read_arguments(argc, argv, &arguments);
    if (done >= 0) {
        return done;
    }
    if (config_load(arguments.config, &p.config, &err) != STATUS_OK) {
        return usage_error(&err);
    }
    if (arguments.check) {
        printf("%s: ok\n", arguments.config);
        config_free(&p.config);
        return EXIT_DONE;
    }
    (void)umask(0077); /* nothing that is made here is for others */
    (void)signal(SIGPIPE, SIG_IGN);
    p.config_path = arguments.config;
    p.log = (struct log){
        .fd = STDERR_FILENO,
        .level = p.config->log.level,
        .format = p.config->log.format,
        .clock = &clock_system,
        .program = "kubetape-recorder",
    };
    const int code = run(&p, arguments.ready_fd);
    stop(&p);
    return code;
}
