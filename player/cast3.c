/* The header goes through jansson, once; events are written by schema/cast.
 * A left-out event gives its time to the next one: `last_us` moves only with
 * what is written. */
#include "player/cast3.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Names of v2 that v3 has too, in the order its page lists them. */
static const char *const kept[] = {
    "timestamp", "idle_time_limit", "command", "title", "env"};

/* {"cols", "rows", "type", "theme"}: v2 has the type in env.TERM and the
 * theme beside it. */
static json_t *
term_object(const json_t *v2)
{
    const json_t *type = json_object_get(json_object_get(v2, "env"), "TERM");
    json_t *term = json_pack("{s:O?, s:O?}", "cols",
        json_object_get(v2, "width"), "rows", json_object_get(v2, "height"));
    if (term != NULL && json_is_string(type)) {
        (void)json_object_set_new(term, "type", json_deep_copy(type));
    }
    json_t *theme = json_object_get(v2, "theme");
    if (term != NULL && json_is_object(theme)) {
        (void)json_object_set(term, "theme", theme);
    }
    return term;
}

static json_t *
v3_object(const json_t *v2)
{
    json_t *v3 = json_pack("{s:i, s:o}", "version", 3, "term", term_object(v2));
    for (size_t i = 0; v3 != NULL && i < sizeof kept / sizeof kept[0]; i++) {
        json_t *value = json_object_get(v2, kept[i]);
        if (value != NULL && !json_is_null(value)) {
            (void)json_object_set(v3, kept[i], value);
        }
    }
    return v3;
}

enum status
cast3_header(
    struct cast3 *c, struct span v2_line, struct buf *out, struct error *err)
{
    c->last_us = 0;
    json_t *v2 = json_loadb((const char *)v2_line.ptr, v2_line.len, 0, NULL);
    json_t *v3 = json_is_object(v2) ? v3_object(v2) : NULL;
    char *text = v3 == NULL ? NULL : json_dumps(v3, JSON_COMPACT);
    enum status st = STATUS_OK;
    if (text == NULL) {
        st = error_set(err, STATUS_INVALID, "the header cannot be converted");
    } else {
        st = buf_printf(out, "%s\n", text);
    }
    free(text);
    json_decref(v3);
    json_decref(v2);
    return st;
}

enum status
cast3_event(struct cast3 *c, const struct cast_event *event, struct buf *out)
{
    if (event->code == '\0' || strchr("oirmx", event->code) == NULL) {
        return STATUS_OK;
    }
    const uint64_t since_us =
        event->time_us > c->last_us ? event->time_us - c->last_us : 0;
    c->last_us += since_us;
    return cast_event_encode(
        since_us, (enum cast_code)event->code, event->data, out);
}
