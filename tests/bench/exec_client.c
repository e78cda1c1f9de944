/* Measures exec sessions from the client's side:
 *
 *   exec_client keys --count N TARGET...   times N keystrokes to each target;
 *       prints "<target's index> <nanoseconds>" a line. Targets take turns in
 *       blocks, so that a noisy second falls on all of them.
 *   exec_client idle --count N TARGET      opens N sessions, each answering one
 *       keystroke; prints "open", and keeps them until standard input ends.
 *
 * A target is HOST:PORT. The command of --path must send its input back.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/program.h"
#include "tests/bench/exec_call.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define TARGETS_MAX 8
#define KEYS_MAX    1000000u
#define BLOCK       100u /* keystrokes before the next target's turn */
#define WARM_UP     100u /* not counted */
#define FILE_MAX    (1u << 20)

struct options {
    const char *count;
    const char *ca;
    const char *token_file;
    const char *path;
};

struct client {
    struct buf ca;
    struct buf token;
    struct exec_target target; /* its address is set for each */
    uint64_t count;
    char *const *addresses;
    size_t address_count;
};

/* ---- keys ---- */

/* Keys go through the alphabet, so that a late echo is not taken for this
 * one's. */
static enum status
press_key(struct exec_call *call, uint64_t number, uint64_t *ns_out,
    struct error *err)
{
    const uint8_t key = (uint8_t)('a' + number % 26);
    const uint64_t start = clock_mono_ns(&clock_system);
    enum status st = exec_call_type(call, key, err);
    if (st == STATUS_OK) {
        st = exec_call_hear(call, key, err);
    }
    *ns_out = clock_mono_ns(&clock_system) - start;
    return st;
}

static enum status
press_block(struct exec_call *call, size_t index, uint64_t from, uint64_t to,
    struct error *err)
{
    for (uint64_t i = from; i < to; i++) {
        uint64_t ns = 0;
        const enum status st = press_key(call, i, &ns, err);
        if (st != STATUS_OK) {
            return st;
        }
        if (i >= WARM_UP) {
            printf("%zu %llu\n", index, (unsigned long long)ns);
        }
    }
    return STATUS_OK;
}

static enum status
open_calls(struct client *client, struct exec_call **calls, struct error *err)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < client->address_count && st == STATUS_OK; i++) {
        client->target.address = client->addresses[i];
        st = exec_call_open(&client->target, &calls[i], err);
        if (st != STATUS_OK) {
            st = error_in(err, st, "%s", client->addresses[i]);
        }
    }
    return st;
}

static enum status
run_keys(struct client *client, struct error *err)
{
    struct exec_call *calls[TARGETS_MAX] = {NULL};
    const uint64_t end = WARM_UP + client->count;
    enum status st = open_calls(client, calls, err);
    for (uint64_t from = 0; from < end && st == STATUS_OK; from += BLOCK) {
        const uint64_t to = from + BLOCK < end ? from + BLOCK : end;
        for (size_t i = 0; i < client->address_count && st == STATUS_OK; i++) {
            st = press_block(calls[i], i, from, to, err);
        }
    }
    for (size_t i = 0; i < client->address_count; i++) {
        exec_call_close(&calls[i]);
    }
    return st;
}

/* ---- idle ---- */

static void
wait_for_end_of_input(void)
{
    char byte = 0;
    printf("open\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

static enum status
run_idle(struct client *client, struct error *err)
{
    struct exec_call **calls = calloc(client->count, sizeof *calls);
    enum status st = calls == NULL
                         ? error_set(err, STATUS_NO_MEMORY, "no memory")
                         : STATUS_OK;
    client->target.address = client->addresses[0];
    for (size_t i = 0; i < client->count && st == STATUS_OK; i++) {
        uint64_t ns = 0;
        st = exec_call_open(&client->target, &calls[i], err);
        if (st == STATUS_OK) {
            st = press_key(calls[i], 0, &ns, err);
        }
        if (st != STATUS_OK) {
            st = error_in(err, st, "session %zu", i + 1);
        }
    }
    if (st == STATUS_OK) {
        wait_for_end_of_input();
    }
    for (size_t i = 0; calls != NULL && i < client->count; i++) {
        exec_call_close(&calls[i]);
    }
    free(calls);
    return st;
}

/* ---- the command line ---- */

static enum status
client_prepare(
    struct client *client, const struct options *o, struct error *err)
{
    const char *token = NULL;
    enum status st = file_read(o->ca, &client->ca, err);
    if (st == STATUS_OK) {
        st = file_read(o->token_file, &client->token, err);
    }
    if (st == STATUS_OK) {
        st = buf_cstr(&client->token, &token);
    }
    if (st == STATUS_OK) {
        st = tls_client_context(buf_view(&client->ca), SPAN_EMPTY, SPAN_EMPTY,
            &client->target.tls, err);
    }
    client->target.token = token;
    client->target.path = o->path;
    return st;
}

static enum status
client_run(struct client *client, const char *mode, struct error *err)
{
    if (span_eq_str(span_str(mode), "keys")) {
        return run_keys(client, err);
    }
    if (span_eq_str(span_str(mode), "idle")) {
        return run_idle(client, err);
    }
    return error_set(err, STATUS_INVALID, "%s: expected keys or idle", mode);
}

static bool
options_are_whole(const struct options *o, int argument_count)
{
    return o->count != NULL && o->ca != NULL && o->token_file != NULL &&
           o->path != NULL && argument_count >= 2 &&
           argument_count <= 1 + TARGETS_MAX;
}

static enum status
run(const struct options *o, char *const *arguments, int argument_count,
    struct error *err)
{
    struct client client = {0};
    if (!options_are_whole(o, argument_count)) {
        return error_set(err, STATUS_INVALID,
            "usage: exec_client keys|idle --count N --ca FILE "
            "--token-file FILE --path PATH TARGET...");
    }
    if (!span_to_u64(span_str(o->count), KEYS_MAX, &client.count)) {
        return error_set(err, STATUS_INVALID, "--count %s: not up to %u",
            o->count, KEYS_MAX);
    }
    client.addresses = arguments + 1;
    client.address_count = (size_t)argument_count - 1;
    buf_init(&client.ca, FILE_MAX);
    buf_init(&client.token, FILE_MAX);
    enum status st = client_prepare(&client, o, err);
    if (st == STATUS_OK) {
        st = client_run(&client, arguments[0], err);
    }
    tls_context_free(&client.target.tls);
    buf_fini(&client.ca);
    buf_wipe(&client.token);
    return st;
}

int
main(int argc, char **argv)
{
    struct options o = {.ca = NULL};
    struct error err;
    char **arguments = calloc((size_t)argc + 1, sizeof *arguments);
    int argument_count = 0;
    const struct flag flags[] = {
        {"count", 0, FLAG_TEXT, "N", "keystrokes or sessions", &o.count},
        {"ca", 0, FLAG_TEXT, "FILE", "authorities, PEM", &o.ca},
        {"token-file", 0, FLAG_TEXT, "FILE", "bearer token", &o.token_file},
        {"path", 0, FLAG_TEXT, "PATH", "of the exec", &o.path},
        {NULL, 0, FLAG_BOOL, NULL, NULL, NULL},
    };
    (void)signal(SIGPIPE, SIG_IGN);
    enum status st = STATUS_NO_MEMORY;
    if (arguments != NULL) {
        st = flags_parse(flags, argc, argv, arguments, &argument_count, &err);
    }
    if (st == STATUS_OK) {
        st = run(&o, arguments, argument_count, &err);
    }
    if (st != STATUS_OK) {
        fprintf(stderr, "exec_client: %s\n",
            arguments == NULL ? "no memory" : err.text);
    }
    free(arguments);
    return st == STATUS_OK ? EXIT_DONE : EXIT_COULD_NOT;
}
