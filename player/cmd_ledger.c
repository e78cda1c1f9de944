/* `kubetape ledger`: what to keep of it, and what to hand on. */
#include "player/command.h"
#include "player/ledger_file.h"
#include "player/ledger_proof.h"
#include "player/store.h"

#include <stdio.h>
#include <string.h>

static enum status
make_checkpoint(
    const char *state, const char *id, struct buf *out, struct error *err)
{
    (void)id;
    struct ledger_file *f = NULL;
    enum status st = ledger_file_open(state, &f, err);
    if (st == STATUS_OK) {
        st = buf_append(out, ledger_file_note(f));
        st = st == STATUS_OK ? st
                             : error_set(err, st, "no room for a checkpoint");
    }
    ledger_file_close(&f);
    return st;
}

static enum status
make_key(const char *state, const char *id, struct buf *out, struct error *err)
{
    (void)id;
    enum status st = ledger_proof_key(state, out, err);
    if (st == STATUS_OK) {
        st = buf_append_u8(out, '\n');
        st = st == STATUS_OK ? st : error_set(err, st, "no room for a key");
    }
    return st;
}

/* Why there is no leaf, as far as the index knows. */
static enum status
explain(const char *state, const char *id, struct error *err)
{
    struct store_entry e;
    store_entry_init(&e);
    enum status st = store_find_id(state, id, &e, err);
    if (st == STATUS_OK) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(&e.meta.id, text);
        st = error_set(err, STATUS_NOT_FOUND,
            "session %s has no leaf in the ledger%s: its status is %s", text,
            e.meta.status == META_ACTIVE ? " yet" : "",
            meta_status_name(e.meta.status));
    }
    store_entry_fini(&e);
    return st;
}

static enum status
make_proof(
    const char *state, const char *id, struct buf *out, struct error *err)
{
    bool has_ledger = false;
    const enum status st = ledger_proof_make(state, id, out, &has_ledger, err);
    return st == STATUS_NOT_FOUND && has_ledger ? explain(state, id, err) : st;
}

typedef enum status make_fn(
    const char *state, const char *id, struct buf *out, struct error *err);

static const struct {
    const char *word;
    int args; /* with the word */
    make_fn *make;
} things[] = {
    {"checkpoint", 1, make_checkpoint},
    {"key", 1, make_key},
    {"prove", 2, make_proof},
};

/* NULL when it is none. */
static make_fn *
find_thing(const struct command_line *line)
{
    for (size_t i = 0; i < sizeof things / sizeof *things; i++) {
        if (strcmp(line->args[0], things[i].word) == 0 &&
            line->arg_count == things[i].args) {
            return things[i].make;
        }
    }
    return NULL;
}

int
cmd_ledger(const struct command *self, int argc, char **argv, struct error *err)
{
    const char *state_flag = NULL;
    struct command_line line = {0};
    const struct flag flags[] = {
        FLAG_STATE(state_flag), FLAG_HELP(line), FLAG_LAST};
    char state[PATH_MAX];
    struct buf out;
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    make_fn *make_thing = find_thing(&line);
    if (make_thing == NULL) {
        (void)error_set(
            err, STATUS_INVALID, "expected checkpoint, key, or prove ID");
        return EXIT_USAGE;
    }
    buf_init(&out, LEDGER_PROOF_MAX);
    enum status st = store_folder(state_flag, state, err);
    if (st == STATUS_OK) {
        st = make_thing(state, line.args[1], &out, err);
    }
    if (st != STATUS_OK) {
        code = command_failed(st);
    } else if (fwrite(buf_view(&out).ptr, 1, out.len, stdout) != out.len ||
               fflush(stdout) != 0) {
        (void)error_set(err, STATUS_IO, "could not write to standard output");
        code = EXIT_COULD_NOT;
    }
    buf_fini(&out);
    return code;
}
