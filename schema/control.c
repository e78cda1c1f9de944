/* See control.h. One table of members a message: encoding and decoding cannot
 * disagree. */
#include "schema/control.h"

#include "schema/json_text.h"
#include "schema/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum member_type {
    MEMBER_ID,
    MEMBER_TEXT,
    MEMBER_COUNT, /* uint64_t */
    MEMBER_TIME,  /* int64_t */
    MEMBER_BOOL,
};

struct member {
    const char *name; /* NULL ends a list */
    enum member_type type;
    size_t offset;
    size_t cap; /* of a text, with its zero */
    bool is_optional;
};

#define END                             \
    {                                   \
        NULL, MEMBER_BOOL, 0, 0, false, \
    }
#define IN_REQUEST(field) offsetof(struct control_request, field)
#define IN_ANSWER(field)  offsetof(struct control_answer, field)

/* --- what messages have -------------------------------------------------- */

static const struct member hold_members[] = {
    {"id", MEMBER_ID, IN_REQUEST(id), 0, false},
    {"reason", MEMBER_TEXT, IN_REQUEST(reason), CONTROL_REASON_MAX, false},
    END,
};
static const struct member release_members[] = {
    {"id", MEMBER_ID, IN_REQUEST(id), 0, false},
    END,
};
static const struct member prune_members[] = {
    {"dry_run", MEMBER_BOOL, IN_REQUEST(is_dry_run), 0, true},
    END,
};
static const struct member no_members[] = {END};

static const struct verb {
    const char *name;
    const struct member *members;
} verbs[] = {
    [CONTROL_HOLD] = {"hold", hold_members},
    [CONTROL_RELEASE] = {"release", release_members},
    [CONTROL_PRUNE] = {"prune", prune_members},
    [CONTROL_REINDEX] = {"reindex", no_members},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static const struct member progress_members[] = {
    {"done", MEMBER_COUNT, IN_ANSWER(done), 0, false},
    {"total", MEMBER_COUNT, IN_ANSWER(total), 0, false},
    END,
};
static const struct member item_members[] = {
    {"id", MEMBER_ID, IN_ANSWER(id), 0, false},
    {"start_us", MEMBER_TIME, IN_ANSWER(start_us), 0, false},
    {"size", MEMBER_COUNT, IN_ANSWER(size), 0, false},
    {"file", MEMBER_TEXT, IN_ANSWER(file), LEDGER_FILE_MAX, false},
    {"why", MEMBER_TEXT, IN_ANSWER(why), LEDGER_WHY_MAX, false},
    END,
};
static const struct member done_members[] = {
    {"count", MEMBER_COUNT, IN_ANSWER(count), 0, false},
    {"bytes", MEMBER_COUNT, IN_ANSWER(bytes), 0, false},
    {"kept", MEMBER_COUNT, IN_ANSWER(kept), 0, false},
    END,
};
static const struct member error_members[] = {
    {"error", MEMBER_TEXT, IN_ANSWER(error), ERROR_TEXT_MAX, false},
    END,
};

const char *
control_verb_name(enum control_verb verb)
{
    return verbs[verb].name;
}

bool
control_reason_is_good(struct span reason)
{
    if (reason.len == 0 || reason.len >= CONTROL_REASON_MAX ||
        utf8_valid_prefix(reason) != reason.len) {
        return false;
    }
    for (size_t i = 0; i < reason.len; i++) {
        if (reason.ptr[i] < 0x20 || reason.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* --- writing ------------------------------------------------------------- */

static enum status
put_value(const struct member *m, const void *base, struct buf *out)
{
    const void *at = (const char *)base + m->offset;
    char id[UUID_TEXT_LEN + 1];
    switch (m->type) {
    case MEMBER_ID:
        uuid_format(at, id);
        return json_text_encode(span_str(id), out);
    case MEMBER_TEXT:
        return json_text_encode(span_str(at), out);
    case MEMBER_COUNT:
        return buf_printf(out, "%" PRIu64, *(const uint64_t *)at);
    case MEMBER_TIME:
        return buf_printf(out, "%" PRId64, *(const int64_t *)at);
    case MEMBER_BOOL:
        return buf_append_str(out, *(const bool *)at ? "true" : "false");
    }
    return STATUS_OK;
}

/* `"a":1,"b":2`, each with a comma before unless it is the first. */
static enum status
put_members(const struct member *members, const void *base, bool is_first,
    struct buf *out)
{
    enum status st = STATUS_OK;
    for (const struct member *m = members; st == STATUS_OK && m->name != NULL;
         m++) {
        st = buf_printf(out, "%s\"%s\":", is_first ? "" : ",", m->name);
        if (st == STATUS_OK) {
            st = put_value(m, base, out);
        }
        is_first = false;
    }
    return st;
}

static enum status
put_line(const char *head, const struct member *members, const void *base,
    const char *tail, struct buf *out)
{
    const size_t before = out->len;
    const bool is_first = head[strlen(head) - 1] == '{';
    enum status st = buf_append_str(out, head);
    if (st == STATUS_OK) {
        st = put_members(members, base, is_first, out);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(out, tail);
    }
    if (st != STATUS_OK) {
        out->len = before;
    }
    return st;
}

enum status
control_request_encode(const struct control_request *r, struct buf *out)
{
    char head[32];
    const int len =
        snprintf(head, sizeof head, "{\"do\":\"%s\"", verbs[r->verb].name);
    assert(len > 0 && (size_t)len < sizeof head);
    return put_line(head, verbs[r->verb].members, r, "}\n", out);
}

enum status
control_answer_encode(const struct control_answer *a, struct buf *out)
{
    switch (a->kind) {
    case CONTROL_PROGRESS:
        return put_line("{\"progress\":{", progress_members, a, "}}\n", out);
    case CONTROL_ITEM:
        return put_line("{\"item\":{", item_members, a, "}}\n", out);
    case CONTROL_DONE:
        return put_line("{\"ok\":true", done_members, a, "}\n", out);
    case CONTROL_ERROR:
        return put_line("{", error_members, a, "}\n", out);
    }
    return STATUS_OK;
}

/* --- reading ------------------------------------------------------------- */

static bool
take_text(const json_t *v, char *at, size_t cap)
{
    if (!json_is_string(v) || json_string_length(v) >= cap) {
        return false;
    }
    memcpy(at, json_string_value(v), json_string_length(v) + 1);
    return true;
}

static bool
take_value(const struct member *m, const json_t *v, void *base)
{
    void *at = (char *)base + m->offset;
    switch (m->type) {
    case MEMBER_ID:
        return json_is_string(v) &&
               uuid_parse(
                   span_of(json_string_value(v), json_string_length(v)), at);
    case MEMBER_TEXT:
        return take_text(v, at, m->cap);
    case MEMBER_COUNT:
        if (!json_is_integer(v) || json_integer_value(v) < 0) {
            return false;
        }
        *(uint64_t *)at = (uint64_t)json_integer_value(v);
        return true;
    case MEMBER_TIME:
        if (!json_is_integer(v)) {
            return false;
        }
        *(int64_t *)at = json_integer_value(v);
        return true;
    case MEMBER_BOOL:
        if (!json_is_boolean(v)) {
            return false;
        }
        *(bool *)at = json_is_true(v);
        return true;
    }
    return false;
}

/* All of `members` and nothing else but `skip` of the object's own. */
static enum status
take_members(const json_t *object, const struct member *members, size_t skip,
    void *base, struct error *err)
{
    size_t taken = skip;
    if (!json_is_object(object)) {
        return error_set(err, STATUS_INVALID, "a message that is no object");
    }
    for (const struct member *m = members; m->name != NULL; m++) {
        const json_t *v = json_object_get(object, m->name);
        if (v == NULL && m->is_optional) {
            continue;
        }
        if (v == NULL) {
            return error_set(
                err, STATUS_INVALID, "a message without \"%s\"", m->name);
        }
        if (!take_value(m, v, base)) {
            return error_set(
                err, STATUS_INVALID, "a message with a wrong \"%s\"", m->name);
        }
        taken++;
    }
    return taken == json_object_size(object)
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                     "a message with a member that is not known");
}

static enum status
load(struct span line, json_t **out, struct error *err)
{
    json_error_t why;
    if (line.len >= CONTROL_LINE_MAX) {
        return error_set(err, STATUS_LIMIT, "a message longer than %u bytes",
            CONTROL_LINE_MAX);
    }
    json_t *root = json_loadb(
        (const char *)line.ptr, line.len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        return error_set(
            err, STATUS_INVALID, "a message that is no JSON: %s", why.text);
    }
    *out = root;
    return STATUS_OK;
}

static bool
find_verb(const json_t *root, enum control_verb *out)
{
    const char *word = json_string_value(json_object_get(root, "do"));
    for (size_t i = 0; word != NULL && i < VERB_COUNT; i++) {
        if (strcmp(word, verbs[i].name) == 0) {
            *out = (enum control_verb)i;
            return true;
        }
    }
    return false;
}

static enum status
take_request(const json_t *root, struct control_request *out, struct error *err)
{
    struct control_request r = {.verb = CONTROL_HOLD};
    if (!find_verb(root, &r.verb)) {
        return error_set(err, STATUS_INVALID,
            "a message whose \"do\" is none of hold, release, prune, reindex");
    }
    const enum status st =
        take_members(root, verbs[r.verb].members, 1, &r, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (r.verb == CONTROL_HOLD && !control_reason_is_good(span_str(r.reason))) {
        return error_set(err, STATUS_INVALID,
            "a reason must be one line of text of up to %u bytes",
            CONTROL_REASON_MAX - 1);
    }
    *out = r;
    return STATUS_OK;
}

enum status
control_request_decode(
    struct span line, struct control_request *out, struct error *err)
{
    json_t *root;
    enum status st = load(line, &root, err);
    if (st == STATUS_OK) {
        st = take_request(root, out, err);
        json_decref(root);
    }
    return st;
}

static enum status
take_answer(const json_t *root, struct control_answer *out, struct error *err)
{
    struct control_answer a = {.kind = CONTROL_DONE};
    const json_t *progress = json_object_get(root, "progress");
    const json_t *item = json_object_get(root, "item");
    enum status st;
    if (progress != NULL) {
        a.kind = CONTROL_PROGRESS;
        st = take_members(progress, progress_members, 0, &a, err);
    } else if (item != NULL) {
        a.kind = CONTROL_ITEM;
        st = take_members(item, item_members, 0, &a, err);
    } else if (json_is_true(json_object_get(root, "ok"))) {
        st = take_members(root, done_members, 1, &a, err);
    } else {
        a.kind = CONTROL_ERROR;
        st = take_members(root, error_members, 0, &a, err);
    }
    if (st == STATUS_OK && (progress != NULL || item != NULL) &&
        json_object_size(root) != 1) {
        st = error_set(
            err, STATUS_INVALID, "a message with a member that is not known");
    }
    if (st == STATUS_OK) {
        *out = a;
    }
    return st;
}

enum status
control_answer_decode(
    struct span line, struct control_answer *out, struct error *err)
{
    json_t *root;
    enum status st = load(line, &root, err);
    if (st == STATUS_OK) {
        st = take_answer(root, out, err);
        json_decref(root);
    }
    return st;
}
