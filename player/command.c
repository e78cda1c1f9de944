/* What all subcommands do alike: flags, help, counting arguments. */
#include "player/command.h"

#include <stdlib.h>
#include <unistd.h>

static int
wrong_count(const struct command *self, const struct command_line *line,
    struct error *err)
{
    if (line->arg_count < self->min_args) {
        error_set(
            err, STATUS_INVALID, "usage: %s %s", program_name, self->usage);
    } else {
        error_set(err, STATUS_INVALID, "unexpected \"%.128s\"; usage: %s %s",
            line->args[self->max_args], program_name, self->usage);
    }
    return EXIT_USAGE;
}

static void
print_help(const struct command *self, const struct flag *flags)
{
    printf("usage: %s %s\n\n%s.\n", program_name, self->usage, self->summary);
    if (self->about[0] != '\0') {
        printf("\n%s\n", self->about);
    }
    printf("\nflags:\n");
    flags_print(flags, stdout);
}

bool
command_begin(const struct command *self, const struct flag *flags, int argc,
    char **argv, struct command_line *line, int *exit_out, struct error *err)
{
    if (argc > COMMAND_ARGS_MAX) {
        error_set(
            err, STATUS_LIMIT, "more than %d arguments", COMMAND_ARGS_MAX);
        *exit_out = EXIT_USAGE;
        return false;
    }
    if (flags_parse(flags, argc, argv, line->args, &line->arg_count, err) !=
        STATUS_OK) {
        *exit_out = EXIT_USAGE;
        return false;
    }
    if (line->wants_help) {
        print_help(self, flags);
        *exit_out = EXIT_DONE;
        return false;
    }
    if (line->arg_count < self->min_args || line->arg_count > self->max_args) {
        *exit_out = wrong_count(self, line, err);
        return false;
    }
    return true;
}

int
command_failed(enum status st)
{
    return st == STATUS_LIMIT ? EXIT_USAGE : EXIT_COULD_NOT;
}

bool
command_may_colour(FILE *file)
{
    const char *no = getenv("NO_COLOR"); /* no-color.org: set, not empty */
    return isatty(fileno(file)) && (no == NULL || no[0] == '\0');
}
