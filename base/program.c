/* Command-line flags from one table, and where the program lies.
 *
 * Every refusal names the flag as the person wrote it and says what was
 * expected. Refuses to print or to exit: only a main does.
 */
#include "base/program.h"

#include "base/span.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What one argument says: which flag, as written, and a value joined to it. */
struct use {
    const struct flag *flag;
    struct span written; /* "--listen", "-o" */
    const char *value;   /* joined by '=' or to a letter; NULL: the next one */
};

static bool
find_long(const struct flag *flags, const char *arg, struct use *out)
{
    size_t len = strcspn(arg, "=");
    struct span name = span_of(arg + 2, len - 2);
    out->written = span_of(arg, len);
    out->value = arg[len] == '=' ? arg + len + 1 : NULL;
    for (const struct flag *f = flags; f->name != NULL; f++) {
        if (span_eq_str(name, f->name)) {
            out->flag = f;
            return true;
        }
    }
    return false;
}

static bool
find_letter(const struct flag *flags, const char *arg, struct use *out)
{
    out->written = span_of(arg, 2);
    const char *joined = arg[2] == '=' ? arg + 3 : arg + 2; /* -o=x, -ox */
    out->value = arg[2] == '\0' ? NULL : joined;
    for (const struct flag *f = flags; f->name != NULL; f++) {
        if (f->letter != '\0' && f->letter == arg[1]) {
            out->flag = f;
            return true;
        }
    }
    return false;
}

static bool
find_use(const struct flag *flags, const char *arg, struct use *out)
{
    return arg[1] == '-' ? find_long(flags, arg, out)
                         : find_letter(flags, arg, out);
}

static enum status
take_bool(const struct use *use, struct error *err)
{
    if (use->value != NULL) {
        return error_set(err, STATUS_INVALID,
            "flag %.*s takes no value, got \"%.128s\"", (int)use->written.len,
            (const char *)use->written.ptr, use->value);
    }
    *(bool *)use->flag->out = true;
    return STATUS_OK;
}

/* A next argument that looks like a long flag is not taken as the value: it
 * is more often a value that was forgotten. `--name=--x` says it plainly. */
static enum status
take_text(const struct use *use, const char *next, bool *took_next_out,
    struct error *err)
{
    const char *value = use->value;
    *took_next_out = value == NULL;
    if (value == NULL) {
        value = next;
    }
    bool is_missing =
        value == NULL || (use->value == NULL && strncmp(value, "--", 2) == 0);
    if (is_missing) {
        return error_set(err, STATUS_INVALID, "flag %.*s expects a value: %s",
            (int)use->written.len, (const char *)use->written.ptr,
            use->flag->value);
    }
    *(const char **)use->flag->out = value;
    return STATUS_OK;
}

static enum status
take_flag(const struct flag *flags, const char *arg, const char *next,
    bool *took_next_out, struct error *err)
{
    struct use use = {.flag = NULL};
    *took_next_out = false;
    if (!find_use(flags, arg, &use)) {
        return error_set(err, STATUS_INVALID,
            "unknown flag \"%.128s\": expected one that --help lists", arg);
    }
    switch (use.flag->kind) {
    case FLAG_BOOL:
        return take_bool(&use, err);
    case FLAG_TEXT:
        return take_text(&use, next, took_next_out, err);
    }
    assert(false); /* the switch above knows every kind */
    return STATUS_INVALID;
}

enum status
flags_parse(const struct flag *flags, int argc, char **argv, char **args_out,
    int *arg_count_out, struct error *err)
{
    int count = 0;
    bool are_flags_over = false;
    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        bool is_flag = arg[0] == '-' && arg[1] != '\0'; /* "-" is a file */
        if (are_flags_over || !is_flag) {
            args_out[count++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            are_flags_over = true;
            continue;
        }
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool took_next;
        enum status st = take_flag(flags, arg, next, &took_next, err);
        if (st != STATUS_OK) {
            return st;
        }
        i += took_next ? 1 : 0;
    }
    *arg_count_out = count;
    return STATUS_OK;
}

/* "--listen ADDR:PORT" */
static int
width_of(const struct flag *f)
{
    size_t value = f->value == NULL ? 0 : 1 + strlen(f->value);
    return (int)(2 + strlen(f->name) + value);
}

void
flags_print(const struct flag *flags, FILE *out)
{
    int widest = 0;
    for (const struct flag *f = flags; f->name != NULL; f++) {
        widest = width_of(f) > widest ? width_of(f) : widest;
    }
    for (const struct flag *f = flags; f->name != NULL; f++) {
        if (f->letter != '\0') {
            fprintf(out, "  -%c, ", f->letter);
        } else {
            fprintf(out, "      ");
        }
        fprintf(out, "--%s%s%s%*s  %s\n", f->name, f->value == NULL ? "" : " ",
            f->value == NULL ? "" : f->value, widest - width_of(f), "",
            f->help);
    }
}

enum status
program_dir(char *out, size_t cap, struct error *err)
{
    ssize_t n = readlink("/proc/self/exe", out, cap);
    if (n < 0) {
        return error_sys(err, errno, "cannot read /proc/self/exe");
    }
    if ((size_t)n == cap) {
        return error_set(err, STATUS_LIMIT, "the program's path is too long");
    }
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    assert(slash != NULL); /* the kernel gives an absolute path */
    *(slash == out ? slash + 1 : slash) = '\0';
    return STATUS_OK;
}
