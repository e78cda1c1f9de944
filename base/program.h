/* What every program does first and last: command-line flags, child
 * processes.
 *
 * Flags are `--name value`, `--name=value` and `--name`, from one table, so
 * that --help and parsing cannot disagree.
 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Exit codes, DESIGN section 11. */
enum {
    EXIT_DONE = 0,
    EXIT_FOUND = 1, /* verify, doctor: something is wrong */
    EXIT_USAGE = 2,
    EXIT_COULD_NOT = 3,
};

enum flag_kind {
    FLAG_BOOL,
    FLAG_TEXT
};
struct flag {
    const char *name; /* "listen"; matched as --listen */
    char letter;      /* 'o' for -o, or 0 */
    enum flag_kind kind;
    const char *value; /* "ADDR:PORT" for --help; NULL for FLAG_BOOL */
    const char *help;
    void *out; /* bool * or const char ** */
};

/* Consumes flags from argv wherever they stand; what is left (argv[0]
 * excluded) moves to the front of args_out, which has room for argc. `--` ends
 * flags. The table ends with a NULL name. */
enum status flags_parse(const struct flag *flags, int argc, char **argv,
    char **args_out, int *arg_count_out, struct error *err) MUST_CHECK;
void flags_print(const struct flag *flags, FILE *out);

/* The folder of the running executable, for finding its siblings. */
enum status program_dir(char *out, size_t cap, struct error *err) MUST_CHECK;

#endif
