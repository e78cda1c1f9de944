/* `kubetape prune`: has the recorder remove what the rules of the
 * configuration no longer keep, now instead of within the hour; or says what
 * that would be. */
#include "base/clock.h"
#include "player/command.h"
#include "player/display.h"
#include "player/limits.h"
#include "player/recorder_client.h"
#include "player/store.h"
#include "schema/json_text.h"
#include <inttypes.h>

static enum status
print_line(const struct control_answer *item, struct buf *text)
{
    char id[UUID_TEXT_LEN + 1];
    char start[CLOCK_TEXT_MAX];
    char size[DISPLAY_SIZE_MAX];
    uuid_format(&item->id, id);
    clock_format(item->start_us, start);
    display_size(item->size, size);
    const enum status st = display_escape(span_str(item->why), text);
    if (st == STATUS_OK) {
        printf("%s  %.10s  %10s  %.*s\n", id, start, size, (int)text->len,
            (const char *)buf_view(text).ptr);
    }
    return st;
}

static enum status
print_json(const struct control_answer *item, struct buf *text)
{
    char id[UUID_TEXT_LEN + 1];
    char start[CLOCK_TEXT_MAX];
    struct buf line;
    uuid_format(&item->id, id);
    clock_format(item->start_us, start);
    buf_init(&line, PLAYER_LINE_MAX);
    enum status st = buf_printf(&line,
        "{\"id\":\"%s\",\"start\":\"%s\",\"size\":%" PRIu64 ",\"file\":", id,
        start, item->size);
    if (st == STATUS_OK) {
        st = json_text_encode(span_str(item->file), &line);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(&line, ",\"why\":");
    }
    if (st == STATUS_OK) {
        st = json_text_encode(span_str(item->why), &line);
    }
    if (st == STATUS_OK) {
        st = buf_append_u8(&line, '}');
    }
    if (st == STATUS_OK) {
        st = display_json(buf_view(&line), text);
    }
    if (st == STATUS_OK) {
        printf("%.*s\n", (int)text->len, (const char *)buf_view(text).ptr);
    }
    buf_fini(&line);
    return st;
}

static enum status
on_answer(void *ctx, const struct control_answer *answer, struct error *err)
{
    const bool *is_json = ctx;
    if (answer->kind != CONTROL_ITEM) {
        return STATUS_OK;
    }
    struct buf text;
    buf_init(&text, DISPLAY_JSON_GROWTH * PLAYER_LINE_MAX);
    const enum status st =
        *is_json ? print_json(answer, &text) : print_line(answer, &text);
    buf_fini(&text);
    return st == STATUS_OK ? st : error_set(err, st, "out of memory");
}

static void
print_sum(const struct control_answer *done, bool is_dry_run)
{
    char size[DISPLAY_SIZE_MAX];
    display_size(done->bytes, size);
    printf("%" PRIu64 " recording%s, %s: %s\n", done->count,
        done->count == 1 ? "" : "s", size,
        is_dry_run ? "would be removed" : "removed");
    if (done->kept > 0) {
        printf("%" PRIu64 " more %s held\n", done->kept,
            done->kept == 1 ? "is" : "are");
    }
}

int
cmd_prune(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const char *state_flag = NULL;
    bool is_json = false;
    struct control_request request = {.verb = CONTROL_PRUNE};
    struct control_answer done;
    const struct flag flags[] = {
        {"dry-run", 0, FLAG_BOOL, NULL, "only say what would be removed",
            &request.is_dry_run},
        {"json", 0, FLAG_BOOL, NULL, "one JSON object a recording", &is_json},
        FLAG_STATE(state_flag), FLAG_HELP(line), FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    char state[PATH_MAX];
    enum status st = store_folder(state_flag, state, err);
    if (st == STATUS_OK) {
        st = recorder_client_ask(
            state, &request, on_answer, &is_json, &done, err);
    }
    if (st == STATUS_OK && !is_json) {
        print_sum(&done, request.is_dry_run);
    }
    return st == STATUS_OK ? EXIT_DONE : command_failed(st);
}
