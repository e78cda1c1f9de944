/* `kubetape reindex`: has the recorder make the index anew from the
 * recordings, while it goes on recording. */
#include "player/command.h"
#include "player/recorder_client.h"
#include "player/store.h"
#include <inttypes.h>
#include <unistd.h>

static enum status
on_answer(void *ctx, const struct control_answer *answer, struct error *err)
{
    const bool *is_watched = ctx;
    (void)err;
    if (*is_watched && answer->kind == CONTROL_PROGRESS) {
        fprintf(stderr, "\rreindexing: %" PRIu64 " sessions", answer->done);
    }
    return STATUS_OK;
}

int
cmd_reindex(
    const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const char *state_flag = NULL;
    const struct flag flags[] = {
        FLAG_STATE(state_flag), FLAG_HELP(line), FLAG_LAST};
    const struct control_request request = {.verb = CONTROL_REINDEX};
    struct control_answer done;
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    char state[PATH_MAX];
    bool is_watched = isatty(STDERR_FILENO);
    enum status st = store_folder(state_flag, state, err);
    if (st == STATUS_OK) {
        st = recorder_client_ask(
            state, &request, on_answer, &is_watched, &done, err);
    }
    if (is_watched) {
        fprintf(stderr, "\r\x1b[K");
    }
    if (st != STATUS_OK) {
        return command_failed(st);
    }
    printf("%" PRIu64 " sessions are in the index\n", done.count);
    if (done.kept > 0) {
        printf("%" PRIu64 " more are in it whose recordings are missing\n",
            done.kept);
    }
    return EXIT_DONE;
}
