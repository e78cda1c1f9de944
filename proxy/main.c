/* kubetape-proxy: reads the configuration, prepares what is shared, and runs
 * the supervisor; or, started by that, one worker. */
#include "base/config.h"
#include "base/program.h"
#include "proxy/supervisor.h"
#include "proxy/worker_process.h"

#include <stdio.h>
#include <stdlib.h>

struct options {
    const char *config;
    const char *ready_fd;
    const char *worker;
    bool check;
    bool help;
    bool version;
};

static int
fail(const struct error *err, int code)
{
    fprintf(stderr, "kubetape-proxy: %s\n", err->text);
    return code;
}

static void
print_help(const struct flag *flags)
{
    printf("usage: kubetape-proxy --config FILE [--check]\n\n"
           "Forwards requests to the Kubernetes API server and records every\n"
           "exec, attach and debug session in its journal.\n\n");
    flags_print(flags, stdout);
    printf("\nSignals: SIGTERM drains and ends; SIGHUP reads the\n"
           "configuration again and replaces the workers.\n");
}

static int
run(const struct options *o)
{
    struct error err;
    int ready_fd = -1;
    uint64_t number = 0;
    if (o->worker != NULL) {
        return worker_process_run(o->worker, &err) == STATUS_OK
                   ? EXIT_DONE
                   : fail(&err, EXIT_COULD_NOT);
    }
    if (o->config == NULL) {
        error_set(&err, STATUS_INVALID, "--config FILE is missing");
        return fail(&err, EXIT_USAGE);
    }
    if (o->ready_fd != NULL) {
        if (!span_to_u64(span_str(o->ready_fd), 1u << 20, &number)) {
            error_set(&err, STATUS_INVALID,
                "--ready-fd %s: expected a descriptor number", o->ready_fd);
            return fail(&err, EXIT_USAGE);
        }
        ready_fd = (int)number;
    }
    if (o->check) {
        struct config *c = NULL;
        if (config_load(o->config, &c, &err) != STATUS_OK) {
            return fail(&err, EXIT_USAGE);
        }
        printf("%s: ok\n", o->config);
        config_free(&c);
        return EXIT_DONE;
    }
    const enum status st = supervisor_run(o->config, ready_fd, &err);
    if (st == STATUS_OK) {
        return EXIT_DONE;
    }
    return fail(&err, st == STATUS_INVALID ? EXIT_USAGE : EXIT_COULD_NOT);
}

int
main(int argc, char **argv)
{
    struct options o = {0};
    const struct flag flags[] = {
        {"config", 0, FLAG_TEXT, "FILE", "the configuration", &o.config},
        {"check", 0, FLAG_BOOL, NULL, "check the configuration and end",
            &o.check},
        {"ready-fd", 0, FLAG_TEXT, "N",
            "write one byte to descriptor N when ready", &o.ready_fd},
        {"version", 0, FLAG_BOOL, NULL, "print the version", &o.version},
        {"help", 'h', FLAG_BOOL, NULL, "print this", &o.help},
        {NULL, 0, FLAG_BOOL, NULL, NULL, NULL},
    };
    /* How the supervisor starts a worker; not for people. */
    if (argc == 3 && span_eq_str(span_str(argv[1]), "--worker")) {
        o.worker = argv[2];
        return run(&o);
    }
    struct error err;
    char **rest = calloc((size_t)argc + 1, sizeof *rest);
    int rest_count = 0;
    if (rest == NULL ||
        flags_parse(flags, argc, argv, rest, &rest_count, &err) != STATUS_OK) {
        free(rest);
        return fail(&err, EXIT_USAGE);
    }
    if (rest_count > 0) {
        error_set(
            &err, STATUS_INVALID, "%s: no argument was expected", rest[0]);
        free(rest);
        return fail(&err, EXIT_USAGE);
    }
    free(rest);
    if (o.help || o.version) {
        if (o.help) {
            print_help(flags);
        } else {
            printf("kubetape-proxy %s\n", KUBETAPE_VERSION);
        }
        return EXIT_DONE;
    }
    return run(&o);
}
