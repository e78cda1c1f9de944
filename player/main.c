/* kubetape: what auditors and operators use.
 *
 * Owns the way from the command line to a subcommand and from its answer to
 * an exit code. Nothing below main prints an error or ends the program.
 */
#include "player/command.h"
#include "player/output.h"
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

const char *program_name = "kubetape";

const struct command commands[] = {
    {"up",
        "up [--kubeconfig F] [--context C] [--listen ADDR:PORT] [--state DIR]",
        "Run proxy and recorder in front of a cluster",
        "Takes the cluster of your kubeconfig and records every session that\n"
        "comes through. Of a KUBECONFIG with several files the first that\n"
        "exists is used. The configuration is written to the state folder at\n"
        "every start; to change more than these flags, copy it and name the\n"
        "copy with --config. Ctrl-C ends both programs, recordings sealed.",
        0, 0, cmd_up},
    {"kubeconfig", "kubeconfig [--server URL] [--ca F] [--name N] [--merge]",
        "Print client access for kubectl",
        "With --merge it goes into your own kubeconfig (the first file of\n"
        "KUBECONFIG, or ~/.kube/config) and becomes its current context;\n"
        "everything else in the file stays as it is, comments too.",
        0, 0, cmd_kubeconfig},
    {"ls", "ls [filters] [--json]", "List sessions, newest first",
        "Times: 2026-11-24T22:43:56Z, 2026-11-24 (UTC; --until includes the\n"
        "day), or ago: 90s, 5m, 2h, 3d, 1w.",
        0, 0, cmd_ls},
    {"show", "show ID [--json]", "Show all that is known of a session",
        "ID may be a unique beginning.", 1, 1, cmd_show},
    {"play", "play ID|FILE [--speed X] [--idle-limit S] [--at T]",
        "Replay a recording",
        "Space pauses, q or Ctrl-C ends. A running session plays up to what\n"
        "is recorded so far.",
        1, 1, cmd_play},
    {"export", "export ID|FILE --format F [--stream S] [-o FILE]",
        "Write a recording in another form",
        "Formats:\n"
        "  cast   the asciicast v2 text as it was recorded\n"
        "  cast3  asciicast v3, without the events that are our own\n"
        "  raw    the exact bytes of --stream (stdout, stderr or stdin)\n"
        "  json   one JSON object: what `show --json` has, width, height, and\n"
        "         `events`, an array of [seconds, code, data] as recorded\n\n"
        "A .cast is verified with its seals: export --format cast -o X.cast\n"
        "--seals X.cast.seals, and then verify X.cast.",
        1, 1, cmd_export},
    {"verify", "verify ID|FILE|--all [--key F] [--checkpoint OLD]",
        "Prove that a recording, or the whole store, is as recorded",
        "ID or FILE: every seal against the text, with the public key alone,\n"
        "and what index and ledger say of it, when they are there. FILE may "
        "be\n"
        "a copy, or an exported .cast with its seals beside it.\n\n"
        "--all: ledger, index and every file against each other, so that a\n"
        "recording that was removed or replaced is found too. Finished ones\n"
        "are read as far as the ledger's digest of their file needs it.\n\n"
        "--checkpoint OLD: a ledger checkpoint kept from earlier, which shows\n"
        "whether the ledger itself was rolled back or rewritten.\n\n"
        "Exit code 0: as recorded; 1: something is wrong; 3: could not tell.",
        0, 1, cmd_verify},
    {"ledger", "ledger checkpoint | key | prove ID",
        "Print what of the ledger is worth keeping elsewhere",
        "checkpoint  the signed size and root of the ledger: kept elsewhere, "
        "it\n"
        "            shows later whether anything was removed or replaced\n"
        "            (verify --all --checkpoint)\n"
        "key         the key that signed it, as Go's note.NewVerifier takes "
        "it\n"
        "prove ID    a C2SP tlog-proof that a recording is in the ledger, "
        "with\n"
        "            its leaf; it can be checked without the ledger",
        1, 2, cmd_ledger},
    {"hold", "hold ID --reason R", "Keep a recording whatever the rules say",
        "No rule removes it until it is released. Who held it, when and why "
        "is\n"
        "in the ledger. The recorder must be running.",
        1, 1, cmd_hold},
    {"release", "release ID", "Leave a held recording to the rules again", "",
        1, 1, cmd_release},
    {"prune", "prune [--dry-run] [--json]",
        "Remove what the retention rules no longer keep",
        "The recorder does so every hour by itself. What is held, or still\n"
        "running, stays. The ledger keeps who removed what, when and why.",
        0, 0, cmd_prune},
    {"reindex", "reindex", "Make the index anew from the recordings",
        "Sessions are recorded meanwhile. A recorder that finds its index\n"
        "missing or damaged at its start does so by itself.",
        0, 0, cmd_reindex},
    {"version", "version", "Print the version", "", 0, 0, cmd_version},
    {"help", "help [COMMAND]", "Explain a command", "", 0, 1, cmd_help},
    {NULL, NULL, NULL, NULL, 0, 0, NULL},
};

/* As a plugin we are `kubectl tape`: kubectl runs kubectl-tape. */
static void
note_name(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    if (strcmp(slash == NULL ? argv0 : slash + 1, "kubectl-tape") == 0) {
        program_name = "kubectl tape";
    }
}

static size_t
min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

#define WORD_MAX 16

/* Levenshtein's distance, for words that are no longer than ours. */
static size_t
distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    const size_t b_len = strlen(b);
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = min_of(change, min_of(row[j], row[j + 1]) + 1);
        }
    }
    return row[b_len];
}

static const char *
nearest(const char *word)
{
    const char *best = NULL;
    size_t best_distance = 3; /* further off it is no slip of the finger */
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strlen(word) <= WORD_MAX &&
            distance(word, c->name) < best_distance) {
            best = c->name;
            best_distance = distance(word, c->name);
        }
    }
    return best;
}

static int
unknown(const char *word, struct error *err)
{
    const char *near = nearest(word);
    if (near == NULL) {
        error_set(err, STATUS_INVALID,
            "unknown command \"%.64s\"; `%s help` lists them all", word,
            program_name);
    } else {
        error_set(err, STATUS_INVALID,
            "unknown command \"%.64s\"; did you mean \"%s\"?", word, near);
    }
    return EXIT_USAGE;
}

static const struct command *
find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

static void
print_overview(FILE *out)
{
    fprintf(out, "usage: %s COMMAND [flags]\n\n", program_name);
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(out, "  %-12s%s\n", c->name, c->summary);
    }
    fprintf(out, "\n`%s help COMMAND` explains one.\n", program_name);
}

int
cmd_help(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const struct flag flags[] = {FLAG_HELP(line), FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    if (line.arg_count == 0) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    const struct command *c = find(line.args[0]);
    if (c == NULL) {
        return unknown(line.args[0], err);
    }
    char flag[] = "--help";
    char *help_argv[] = {line.args[0], flag, NULL};
    return c->run(c, 2, help_argv, err);
}

int
cmd_version(
    const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const struct flag flags[] = {FLAG_HELP(line), FLAG_LAST};
    int code = EXIT_DONE;
    if (command_begin(self, flags, argc, argv, &line, &code, err)) {
        printf("kubetape %s\n", KUBETAPE_VERSION);
    }
    return code;
}

static int
dispatch(int argc, char **argv, struct error *err)
{
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    if (strcmp(word, "--version") == 0) {
        word = "version";
    }
    const struct command *c = find(word);
    return c == NULL ? unknown(word, err) : c->run(c, argc - 1, argv + 1, err);
}

int
main(int argc, char **argv)
{
    struct error err = {.code = STATUS_OK};
    struct error late = {.code = STATUS_OK};
    signal(SIGPIPE, SIG_IGN);             /* seen as a failed write instead */
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth; without it, 1 */
    note_name(argv[0]);
    int code = dispatch(argc, argv, &err);
    if (output_flush_stdout(&late) != STATUS_OK && code == EXIT_DONE) {
        err = late;
        code = EXIT_COULD_NOT;
    }
    /* `err` may hold how a search ended that went well; and the reader of a
     * pipe who has seen enough needs no message. */
    const bool is_failure = code == EXIT_USAGE || code == EXIT_COULD_NOT;
    if (is_failure && err.text[0] != '\0' && err.sys_errno != EPIPE) {
        fprintf(stderr, "kubetape: %s\n", err.text);
    }
    return code;
}
