/* `kubetape verify`: whether one recording, or a whole store, is as recorded;
 * for a person, and by exit code. Flags and keys; the work is done elsewhere. */
#include "base/file.h"
#include "player/command.h"
#include "player/identity_file.h"
#include "player/key_set.h"
#include "player/store.h"
#include "player/verify_all.h"
#include "player/verify_one.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct wishes {
    const char *state;
    const char *key;
    const char *identity;
    const char *seals;
    const char *checkpoint;
    bool is_all;
    bool is_full;
    bool is_json;
};

static enum status
load_keys(
    const char *state, const char *flag, struct key_set *out, struct error *err)
{
    char path[PATH_MAX];
    if (flag != NULL) {
        return key_set_load(flag, out, err);
    }
    const enum status st =
        file_join(path, sizeof path, state, "keys/seal.pub.pem", err);
    return st == STATUS_OK ? key_set_load(path, out, err) : st;
}

static enum status
check_wishes(
    const struct wishes *w, const struct command_line *line, struct error *err)
{
    if (w->is_all == (line->arg_count == 1)) {
        return error_set(
            err, STATUS_INVALID, "expected a recording, ID or FILE, or --all");
    }
    if (w->is_all && (w->seals != NULL || w->identity != NULL)) {
        return error_set(err, STATUS_INVALID,
            "--seals and --identity go with one recording, not with --all");
    }
    if (!w->is_all && (w->is_full || w->is_json)) {
        return error_set(
            err, STATUS_INVALID, "--full and --json go with --all");
    }
    return STATUS_OK;
}

/* X.cast has its seals in X.cast.seals, when that is there. */
static const char *
default_seals(const char *name, char out[PATH_MAX])
{
    const int n = snprintf(out, PATH_MAX, "%s.seals", name);
    return n > 0 && n < PATH_MAX && access(out, F_OK) == 0 ? out : NULL;
}

static int
run_one(const struct wishes *w, const char *state, const char *name,
    struct key_set *keys, struct error *err)
{
    char beside[PATH_MAX];
    struct age_identities *ids = NULL;
    if (identity_file_load(w->identity, &ids, err) != STATUS_OK) {
        return EXIT_COULD_NOT;
    }
    const struct verify_one_options options = {
        .state = state,
        .name = name,
        .seals = w->seals != NULL ? w->seals : default_seals(name, beside),
        .checkpoint = w->checkpoint,
        .ids = ids,
    };
    const int code = verify_one(&options, keys, err);
    age_identities_free(&ids);
    return code;
}

static int
run(const struct wishes *w, const struct command_line *line, struct error *err)
{
    char state[PATH_MAX];
    struct key_set keys;
    enum status st = store_folder(w->state, state, err);
    if (st == STATUS_OK) {
        st = load_keys(state, w->key, &keys, err);
    }
    if (st != STATUS_OK) {
        return EXIT_COULD_NOT;
    }
    if (!w->is_all) {
        return run_one(w, state, line->args[0], &keys, err);
    }
    const struct verify_all_options options = {
        .state = state,
        .checkpoint = w->checkpoint,
        .is_full = w->is_full,
        .is_json = w->is_json,
    };
    return verify_all(&options, &keys, err);
}

int
cmd_verify(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    struct wishes w = {.state = NULL};
    const struct flag flags[] = {
        {"all", 'a', FLAG_BOOL, NULL,
            "the whole store: index, ledger and every file", &w.is_all},
        {"full", 0, FLAG_BOOL, NULL,
            "with --all: read all text, not only the files' digests",
            &w.is_full},
        {"json", 0, FLAG_BOOL, NULL,
            "with --all: one JSON object a finding, and a last one",
            &w.is_json},
        {"checkpoint", 0, FLAG_TEXT, "OLD",
            "an older ledger checkpoint, which the ledger must go on from",
            &w.checkpoint},
        {"key", 'k', FLAG_TEXT, "F",
            "trusted public keys, PEM (<state>/keys/seal.pub.pem)", &w.key},
        {"seals", 0, FLAG_TEXT, "F",
            "of an exported .cast: its seals (FILE.seals)", &w.seals},
        FLAG_IDENTITY(w.identity), FLAG_STATE(w.state), FLAG_HELP(line),
        FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    if (check_wishes(&w, &line, err) != STATUS_OK) {
        return EXIT_USAGE;
    }
    return run(&w, &line, err);
}
