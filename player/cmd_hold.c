/* `kubetape hold` and `kubetape release`: whether rules may remove a
 * recording. */
#include "player/command.h"
#include "player/recorder_client.h"
#include "player/store.h"
#include <string.h>

/* Asks for it of the session that `name` means. */
static enum status
change(const char *state_flag, const char *name,
    struct control_request *request, struct error *err)
{
    char state[PATH_MAX];
    struct store_entry entry;
    struct control_answer done;
    store_entry_init(&entry);
    enum status st = store_folder(state_flag, state, err);
    if (st == STATUS_OK) {
        st = store_find_id(state, name, &entry, err);
    }
    if (st == STATUS_OK) {
        request->id = entry.meta.id;
        st = recorder_client_ask(state, request, NULL, NULL, &done, err);
    }
    store_entry_fini(&entry);
    return st;
}

static int
tell(enum status st, const struct control_request *request, const char *what)
{
    char id[UUID_TEXT_LEN + 1];
    if (st != STATUS_OK) {
        return command_failed(st);
    }
    uuid_format(&request->id, id);
    printf("session %s %s\n", id, what);
    return EXIT_DONE;
}

static bool
take_reason(
    const char *reason, struct control_request *request, struct error *err)
{
    if (reason == NULL) {
        error_set(err, STATUS_INVALID,
            "--reason R is needed: it goes into the ledger");
        return false;
    }
    if (!control_reason_is_good(span_str(reason))) {
        error_set(err, STATUS_INVALID,
            "--reason must be one line of text of up to %u bytes",
            CONTROL_REASON_MAX - 1);
        return false;
    }
    memcpy(request->reason, reason, strlen(reason) + 1);
    return true;
}

int
cmd_hold(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const char *state_flag = NULL;
    const char *reason = NULL;
    const struct flag flags[] = {
        {"reason", 0, FLAG_TEXT, "R", "why: one line, kept in the ledger",
            &reason},
        FLAG_STATE(state_flag), FLAG_HELP(line), FLAG_LAST};
    struct control_request request = {.verb = CONTROL_HOLD};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    if (!take_reason(reason, &request, err)) {
        return EXIT_USAGE;
    }
    return tell(change(state_flag, line.args[0], &request, err), &request,
        "is held: no rule removes its recording");
}

int
cmd_release(
    const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const char *state_flag = NULL;
    const struct flag flags[] = {
        FLAG_STATE(state_flag), FLAG_HELP(line), FLAG_LAST};
    struct control_request request = {.verb = CONTROL_RELEASE};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    return tell(change(state_flag, line.args[0], &request, err), &request,
        "is released: the rules decide again");
}
