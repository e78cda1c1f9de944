/* Subcommands: one row and one file each.
 *
 * A command parses its flags, does its work and answers with an exit code of
 * DESIGN section 11. What went wrong goes into `err`; main is the one place
 * that prints it.
 */
#ifndef PLAYER_COMMAND_H
#define PLAYER_COMMAND_H

#include "base/program.h"
#include <stdint.h>

struct command {
    const char *name;
    const char *usage;   /* behind the program's name */
    const char *summary; /* one line of `kubetape help` */
    const char *about;   /* paragraphs of --help, "" when the line says all */
    int min_args;
    int max_args;
    int (*run)(
        const struct command *self, int argc, char **argv, struct error *err);
};

/* The table ends with a NULL name. */
extern const struct command commands[];

/* "kubetape", or "kubectl tape" when kubectl called. */
extern const char *program_name;

/* What is left of the command line once flags are taken. */
#define COMMAND_ARGS_MAX 64
struct command_line {
    bool wants_help;
    char *args[COMMAND_ARGS_MAX];
    int arg_count;
};

/* Every command's table begins or ends with these. */
#define FLAG_HELP(line)                                               \
    {                                                                 \
        "help", 'h', FLAG_BOOL, NULL, "this text", &(line).wants_help \
    }
#define FLAG_STATE(var)                                                      \
    {                                                                        \
        "state", 0, FLAG_TEXT, "DIR",                                        \
            "state folder (KUBETAPE_STATE, ~/.local/state/kubetape)", &(var) \
    }
#define FLAG_IDENTITY(var)                                  \
    {                                                       \
        "identity", 0, FLAG_TEXT, "FILE",                   \
            "age identity that opens encrypted recordings " \
            "(KUBETAPE_IDENTITY)",                          \
            &(var)                                          \
    }
#define FLAG_LAST                            \
    {                                        \
        NULL, 0, FLAG_BOOL, NULL, NULL, NULL \
    }

/* Takes the flags. False when the command is over: help was printed, or the
 * usage was wrong; *exit_out says which. */
bool command_begin(const struct command *self, const struct flag *flags,
    int argc, char **argv, struct command_line *line, int *exit_out,
    struct error *err);

/* EXIT_COULD_NOT, or EXIT_USAGE for what the person can write differently
 * (an ambiguous ID). */
int command_failed(enum status st);

/* Whether `file` may be coloured: a terminal, and no NO_COLOR. */
bool command_may_colour(FILE *file);

int cmd_export(const struct command *, int, char **, struct error *);
int cmd_hold(const struct command *, int, char **, struct error *);
int cmd_kubeconfig(const struct command *, int, char **, struct error *);
int cmd_ledger(const struct command *, int, char **, struct error *);
int cmd_ls(const struct command *, int, char **, struct error *);
int cmd_play(const struct command *, int, char **, struct error *);
int cmd_prune(const struct command *, int, char **, struct error *);
int cmd_reindex(const struct command *, int, char **, struct error *);
int cmd_release(const struct command *, int, char **, struct error *);
int cmd_show(const struct command *, int, char **, struct error *);
int cmd_up(const struct command *, int, char **, struct error *);
int cmd_verify(const struct command *, int, char **, struct error *);
int cmd_version(const struct command *, int, char **, struct error *);
int cmd_help(const struct command *, int, char **, struct error *);

#endif
