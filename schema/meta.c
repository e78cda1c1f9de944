/* A session's facts: one table of names drives writing and reading.
 *
 * The order of the rows is the order of the names in JSON, DESIGN section 11
 * first and what came later behind. Writing is own code, since a duration has
 * six decimals and jansson would round it; reading is jansson's, strict about
 * duplicates, because two readers must not see two users.
 */
#include "schema/meta.h"

#include "schema/json_refusal.h"
#include "schema/json_text.h"
#include "schema/utf8.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define US_PER_S 1000000

/* What a string is that was never set. Not from the heap, so that meta_init
 * cannot fail; never written, never freed. */
static char unset[1];

/* ---- strings and lists ---- */

static void
text_free(char **field)
{
    if (*field != unset) {
        free(*field);
    }
    *field = NULL;
}

/* `value` as UTF-8 without NUL, at most `max` bytes of it, from malloc. */
static enum status
text_new(struct span value, size_t max, char **out)
{
    /* Three bytes more than can be kept, so that a character which is cut at
     * the cap is seen as whole and dropped, not repaired. */
    struct span kept = value;
    if (kept.len > max + 3) {
        kept.len = max + 3;
    }
    struct buf text;
    const char *cstr = NULL;
    buf_init(&text, 3 * (max + 3) + 1);
    enum status st = STATUS_OK;
    while (st == STATUS_OK && kept.len > 0) {
        struct span piece = kept;
        const bool has_nul = span_take_until(&kept, '\0', &piece);
        st = utf8_repair(piece, &text);
        if (st == STATUS_OK && has_nul) {
            st = buf_append_str(&text, "\xEF\xBF\xBD");
        }
        if (!has_nul) {
            break;
        }
    }
    if (st == STATUS_OK) {
        st = buf_cstr(&text, &cstr);
    }
    if (st == STATUS_OK) {
        size_t len = buf_view(&text).len;
        if (len > max) {
            len = max;
            while (len > 0 && ((uint8_t)cstr[len] & 0xC0) == 0x80) {
                len--;
            }
        }
        char *copy = strndup(cstr, len);
        if (copy == NULL) {
            st = STATUS_NO_MEMORY;
        } else {
            *out = copy;
        }
    }
    buf_fini(&text);
    return st;
}

enum status
meta_set(char **field, struct span value)
{
    char *text = NULL;
    const enum status st = text_new(value, META_STRING_MAX, &text);
    if (st == STATUS_OK) {
        text_free(field);
        *field = text;
    }
    return st;
}

static size_t
list_bytes(char *const *list, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(list[i]);
    }
    return bytes;
}

/* Counting all bytes at every word would let one request line of empty words
 * cost tens of milliseconds. */
#define COUNT_EVERY     64u
#define LONG_WORD_BYTES 1024u

static bool
list_has_room(char *const *list, size_t count, size_t len)
{
    if (count >= META_LIST_MAX || len > META_LIST_BYTES_MAX) {
        return false;
    }
    if (count % COUNT_EVERY != 0 && len < LONG_WORD_BYTES) {
        return true;
    }
    return list_bytes(list, count) + len <= META_LIST_BYTES_MAX;
}

enum status
meta_add(char ***list, size_t *count, struct span value)
{
    if (!list_has_room(*list, *count, value.len)) {
        return STATUS_LIMIT;
    }
    char *word = NULL;
    const enum status st = text_new(value, 3 * META_LIST_BYTES_MAX, &word);
    if (st != STATUS_OK) {
        return st;
    }
    /* Room doubles when the count is a power of two, so it needs no field. */
    if ((*count & (*count - 1)) == 0) {
        const size_t room = *count == 0 ? 1 : 2 * *count;
        char **grown = realloc(*list, room * sizeof *grown);
        if (grown == NULL) {
            free(word);
            return STATUS_NO_MEMORY;
        }
        *list = grown;
    }
    (*list)[(*count)++] = word;
    return STATUS_OK;
}

void
meta_list_free(char ***list, size_t *count)
{
    for (size_t i = 0; i < *count; i++) {
        free((*list)[i]);
    }
    free(*list);
    *list = NULL;
    *count = 0;
}

/* ---- names of enumerators ---- */

const char *
meta_status_name(enum meta_status s)
{
    switch (s) {
    case META_ACTIVE:
        return "active";
    case META_COMPLETE:
        return "complete";
    case META_REFUSED:
        return "refused";
    case META_FAILED:
        return "failed";
    }
    return "unknown";
}

const char *
meta_type_name(enum meta_type t)
{
    switch (t) {
    case META_EXEC:
        return "exec";
    case META_ATTACH:
        return "attach";
    case META_DEBUG:
        return "debug";
    case META_RUN:
        return "run";
    case META_CP:
        return "cp";
    case META_PORT_FORWARD:
        return "port-forward";
    }
    return "unknown";
}

const char *
meta_protocol_name(enum meta_protocol p)
{
    switch (p) {
    case META_SPDY:
        return "spdy";
    case META_WEBSOCKET:
        return "websocket";
    }
    return "unknown";
}

const char *
meta_record_name(enum meta_record r)
{
    switch (r) {
    case META_REQUIRED:
        return "required";
    case META_BEST_EFFORT:
        return "best-effort";
    }
    return "unknown";
}

bool
meta_status_parse(const char *word, enum meta_status *out)
{
    for (int i = META_ACTIVE; i <= META_FAILED; i++) {
        if (strcmp(word, meta_status_name((enum meta_status)i)) == 0) {
            *out = (enum meta_status)i;
            return true;
        }
    }
    return false;
}

bool
meta_type_parse(const char *word, enum meta_type *out)
{
    for (int i = META_EXEC; i <= META_PORT_FORWARD; i++) {
        if (strcmp(word, meta_type_name((enum meta_type)i)) == 0) {
            *out = (enum meta_type)i;
            return true;
        }
    }
    return false;
}

static bool
protocol_parse(const char *word, enum meta_protocol *out)
{
    for (int i = META_SPDY; i <= META_WEBSOCKET; i++) {
        if (strcmp(word, meta_protocol_name((enum meta_protocol)i)) == 0) {
            *out = (enum meta_protocol)i;
            return true;
        }
    }
    return false;
}

/* ---- times ---- */

#define TIME_TEXT_MAX 64

/* RFC 3339 in UTC with microseconds: 2026-11-24T22:43:56.000001Z */
static void
time_text(int64_t us, char out[TIME_TEXT_MAX])
{
    time_t seconds = us / US_PER_S;
    int micros = (int)(us % US_PER_S);
    if (micros < 0) { /* before 1970 */
        micros += US_PER_S;
        seconds--;
    }
    struct tm tm = {0};
    (void)gmtime_r(&seconds, &tm);
    snprintf(out, TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
        tm.tm_sec, micros);
}

static bool
take_digits(struct span *s, size_t n, uint64_t max, int64_t *out)
{
    struct span rest = *s;
    struct span digits = SPAN_EMPTY;
    uint64_t v = 0;
    if (!span_take(&rest, n, &digits) || !span_to_u64(digits, max, &v)) {
        return false;
    }
    *s = rest;
    *out = (int64_t)v;
    return true;
}

static bool
take_byte(struct span *s, uint8_t want)
{
    return s->len > 0 && s->ptr[0] == want && span_skip(s, 1);
}

/* ".ffffff", one to six digits; absent is 0. */
static bool
take_fraction(struct span *s, int64_t *us_out)
{
    *us_out = 0;
    if (!take_byte(s, '.')) {
        return true;
    }
    int64_t unit = US_PER_S;
    int64_t digit = 0;
    while (unit > 1 && take_digits(s, 1, 9, &digit)) {
        unit /= 10;
        *us_out += digit * unit;
    }
    return unit < US_PER_S;
}

/* What time_text writes, and fractions of fewer digits or none. */
static bool
time_parse(struct span s, int64_t *us_out)
{
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    int64_t fraction = 0;
    if (!take_digits(&s, 4, 9999, &year) || !take_byte(&s, '-') ||
        !take_digits(&s, 2, 12, &month) || !take_byte(&s, '-') ||
        !take_digits(&s, 2, 31, &day) || !take_byte(&s, 'T') ||
        !take_digits(&s, 2, 23, &hour) || !take_byte(&s, ':') ||
        !take_digits(&s, 2, 59, &minute) || !take_byte(&s, ':') ||
        !take_digits(&s, 2, 59, &second) || !take_fraction(&s, &fraction) ||
        !take_byte(&s, 'Z') || s.len != 0 || month == 0 || day == 0) {
        return false;
    }
    struct tm tm = {
        .tm_year = (int)year - 1900,
        .tm_mon = (int)month - 1,
        .tm_mday = (int)day,
        .tm_hour = (int)hour,
        .tm_min = (int)minute,
        .tm_sec = (int)second,
    };
    const int64_t seconds = timegm(&tm);
    if (tm.tm_mday != day) {
        return false; /* 31 February: timegm has moved it to March */
    }
    *us_out = seconds * US_PER_S + fraction;
    return true;
}

/* ---- one pair of functions a kind of value ----
 *
 * `at` is the field in a meta. A put appends the value alone; a take has seen
 * that the name is there and answers STATUS_INVALID for a wrong type. */

static enum status
put_text(const struct meta *m, const void *at, struct buf *out)
{
    (void)m;
    const char *const *field = at;
    return json_text_encode(span_str(*field), out);
}

static enum status
take_text(const json_t *v, void *at)
{
    char **field = at;
    if (!json_is_string(v)) {
        return STATUS_INVALID;
    }
    return meta_set(
        field, span_of(json_string_value(v), json_string_length(v)));
}

static enum status
put_list(char *const *list, size_t count, struct buf *out)
{
    enum status st = buf_append_u8(out, '[');
    for (size_t i = 0; st == STATUS_OK && i < count; i++) {
        st = i > 0 ? buf_append_u8(out, ',') : STATUS_OK;
        if (st == STATUS_OK) {
            st = json_text_encode(span_str(list[i]), out);
        }
    }
    return st == STATUS_OK ? buf_append_u8(out, ']') : st;
}

static enum status
take_list(const json_t *v, char ***list, size_t *count)
{
    if (!json_is_array(v)) {
        return STATUS_INVALID;
    }
    char **words = NULL;
    size_t taken = 0;
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < json_array_size(v); i++) {
        const json_t *word = json_array_get(v, i);
        st = STATUS_INVALID;
        if (json_is_string(word)) {
            st = meta_add(&words, &taken,
                span_of(json_string_value(word), json_string_length(word)));
        }
    }
    if (st != STATUS_OK) {
        meta_list_free(&words, &taken);
        return st;
    }
    meta_list_free(list, count);
    *list = words;
    *count = taken;
    return STATUS_OK;
}

static enum status
put_groups(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    return put_list(m->groups, m->group_count, out);
}

static enum status
take_groups(const json_t *v, void *at)
{
    struct meta *m = at;
    return take_list(v, &m->groups, &m->group_count);
}

static enum status
put_command(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    return put_list(m->command, m->command_count, out);
}

static enum status
take_command(const json_t *v, void *at)
{
    struct meta *m = at;
    return take_list(v, &m->command, &m->command_count);
}

static enum status
put_id(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&m->id, text);
    return json_text_encode(span_str(text), out);
}

static enum status
take_id(const json_t *v, void *at)
{
    struct uuid *id = at;
    const bool is_id =
        json_is_string(v) &&
        uuid_parse(span_of(json_string_value(v), json_string_length(v)), id);
    return is_id ? STATUS_OK : STATUS_INVALID;
}

static enum status
put_status(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    return json_text_encode(span_str(meta_status_name(m->status)), out);
}

static enum status
take_status(const json_t *v, void *at)
{
    const bool is_known =
        json_is_string(v) && meta_status_parse(json_string_value(v), at);
    return is_known ? STATUS_OK : STATUS_INVALID;
}

static enum status
put_type(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    return json_text_encode(span_str(meta_type_name(m->type)), out);
}

static enum status
take_type(const json_t *v, void *at)
{
    const bool is_known =
        json_is_string(v) && meta_type_parse(json_string_value(v), at);
    return is_known ? STATUS_OK : STATUS_INVALID;
}

static enum status
put_protocol(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    return json_text_encode(span_str(meta_protocol_name(m->protocol)), out);
}

static enum status
take_protocol(const json_t *v, void *at)
{
    const bool is_known =
        json_is_string(v) && protocol_parse(json_string_value(v), at);
    return is_known ? STATUS_OK : STATUS_INVALID;
}

static enum status
put_bool(const struct meta *m, const void *at, struct buf *out)
{
    (void)m;
    const bool *field = at;
    return buf_append_str(out, *field ? "true" : "false");
}

static enum status
take_bool(const json_t *v, void *at)
{
    bool *field = at;
    if (!json_is_boolean(v)) {
        return STATUS_INVALID;
    }
    *field = json_is_true(v);
    return STATUS_OK;
}

static enum status
put_time(const struct meta *m, const void *at, struct buf *out)
{
    (void)m;
    const int64_t *field = at;
    char text[TIME_TEXT_MAX];
    time_text(*field, text);
    return json_text_encode(span_str(text), out);
}

static enum status
take_time(const json_t *v, void *at)
{
    const bool is_time =
        json_is_string(v) &&
        time_parse(span_of(json_string_value(v), json_string_length(v)), at);
    return is_time ? STATUS_OK : STATUS_INVALID;
}

static enum status
put_end(const struct meta *m, const void *at, struct buf *out)
{
    return m->end_us == 0 ? buf_append_str(out, "null") : put_time(m, at, out);
}

static enum status
take_end(const json_t *v, void *at)
{
    int64_t *field = at;
    if (json_is_null(v)) {
        *field = 0;
        return STATUS_OK;
    }
    return take_time(v, at);
}

static enum status
put_duration(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    if (m->end_us == 0) {
        return buf_append_str(out, "null");
    }
    /* Wall clocks may be set back between the two. */
    const int64_t us = m->end_us > m->start_us ? m->end_us - m->start_us : 0;
    return buf_printf(
        out, "%" PRId64 ".%06" PRId64, us / US_PER_S, us % US_PER_S);
}

static enum status
take_nothing(const json_t *v, void *at)
{
    (void)v;
    (void)at;
    return STATUS_OK; /* derived: start and end say it */
}

static enum status
put_exit(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    if (!m->has_exit) {
        return buf_append_str(out, "null");
    }
    return buf_printf(out, "%d", m->exit_code);
}

static enum status
take_exit(const json_t *v, void *at)
{
    struct meta *m = at;
    if (json_is_null(v)) {
        m->has_exit = false;
        m->exit_code = 0;
        return STATUS_OK;
    }
    const json_int_t code = json_integer_value(v);
    if (!json_is_integer(v) || code < INT_MIN || code > INT_MAX) {
        return STATUS_INVALID;
    }
    m->has_exit = true;
    m->exit_code = (int)code;
    return STATUS_OK;
}

static enum status
put_count(const struct meta *m, const void *at, struct buf *out)
{
    (void)m;
    const uint64_t *field = at;
    return buf_printf(out, "%" PRIu64, *field);
}

static enum status
take_count(const json_t *v, void *at)
{
    uint64_t *field = at;
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return STATUS_INVALID;
    }
    *field = (uint64_t)json_integer_value(v);
    return STATUS_OK;
}

static enum status
put_bytes(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    return buf_printf(out,
        "{\"stdin\":%" PRIu64 ",\"stdout\":%" PRIu64 ",\"stderr\":%" PRIu64 "}",
        m->bytes[STREAM_STDIN], m->bytes[STREAM_STDOUT],
        m->bytes[STREAM_STDERR]);
}

static enum status
take_bytes(const json_t *v, void *at)
{
    static const char *const names[STREAM_COUNT] = {
        [STREAM_STDIN] = "stdin",
        [STREAM_STDOUT] = "stdout",
        [STREAM_STDERR] = "stderr",
    };
    uint64_t *bytes = at;
    if (!json_is_object(v)) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        const json_t *count = json_object_get(v, names[i]);
        if (count != NULL && take_count(count, &bytes[i]) != STATUS_OK) {
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

static bool
is_required(const struct meta *m)
{
    return m->record == META_REQUIRED;
}

static enum status
put_record(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    return json_text_encode(span_str(meta_record_name(m->record)), out);
}

static enum status
take_record(const json_t *v, void *at)
{
    enum meta_record *field = at;
    const char *word = json_string_value(v);
    for (int i = META_REQUIRED; i <= META_BEST_EFFORT; i++) {
        if (word != NULL &&
            strcmp(word, meta_record_name((enum meta_record)i)) == 0) {
            *field = (enum meta_record)i;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

static bool
has_no_gaps(const struct meta *m)
{
    return m->gap_count == 0;
}

static enum status
put_gaps(const struct meta *m, const void *at, struct buf *out)
{
    (void)at;
    return buf_printf(out, "{\"count\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
        m->gap_count, m->gap_bytes);
}

static enum status
take_gaps(const json_t *v, void *at)
{
    struct meta *m = at;
    enum status st = take_count(json_object_get(v, "count"), &m->gap_count);
    if (st == STATUS_OK) {
        st = take_count(json_object_get(v, "bytes"), &m->gap_bytes);
    }
    return st;
}

/* ---- the table ---- */

enum {
    IN_OPEN = 1,
    IN_CLOSE = 2
};

struct row {
    const char *name;
    unsigned parts; /* besides META_PART_ALL, which has every row */
    size_t offset;
    enum status (*put)(const struct meta *m, const void *at, struct buf *out);
    enum status (*take)(const json_t *v, void *at);
    bool (*is_left_out)(const struct meta *m); /* NULL: never */
};

#define AT(field) offsetof(struct meta, field)
static const struct row rows[] = {
    {"id", IN_OPEN, AT(id), put_id, take_id, NULL},
    {"status", IN_CLOSE, AT(status), put_status, take_status, NULL},
    {"type", IN_OPEN, AT(type), put_type, take_type, NULL},
    {"user", IN_OPEN, AT(user), put_text, take_text, NULL},
    {"groups", IN_OPEN, 0, put_groups, take_groups, NULL},
    {"uid", IN_OPEN, AT(uid), put_text, take_text, NULL},
    {"source", IN_OPEN, AT(source), put_text, take_text, NULL},
    {"cluster", IN_OPEN, AT(cluster), put_text, take_text, NULL},
    {"namespace", IN_OPEN, AT(namespace), put_text, take_text, NULL},
    {"pod", IN_OPEN, AT(pod), put_text, take_text, NULL},
    {"container", IN_OPEN, AT(container), put_text, take_text, NULL},
    {"command", IN_OPEN, 0, put_command, take_command, NULL},
    {"tty", IN_OPEN, AT(tty), put_bool, take_bool, NULL},
    {"protocol", IN_OPEN, AT(protocol), put_protocol, take_protocol, NULL},
    {"subprotocol", IN_CLOSE, AT(subprotocol), put_text, take_text, NULL},
    {"start", IN_OPEN, AT(start_us), put_time, take_time, NULL},
    {"end", IN_CLOSE, AT(end_us), put_end, take_end, NULL},
    {"duration", 0, 0, put_duration, take_nothing, NULL},
    {"exit_code", IN_CLOSE, 0, put_exit, take_exit, NULL},
    {"reason", IN_CLOSE, AT(reason), put_text, take_text, NULL},
    {"bytes", IN_CLOSE, AT(bytes), put_bytes, take_bytes, NULL},
    {"gaps", IN_CLOSE, 0, put_gaps, take_gaps, has_no_gaps},
    {"file", 0, AT(file), put_text, take_text, NULL},
    {"size", 0, AT(size), put_count, take_count, NULL},
    {"sealed", 0, AT(sealed), put_bool, take_bool, NULL},
    {"user_agent", IN_OPEN, AT(user_agent), put_text, take_text, NULL},
    {"kubectl_session", IN_OPEN, AT(kubectl_session), put_text, take_text,
        NULL},
    {"kubectl_command", IN_OPEN, AT(kubectl_command), put_text, take_text,
        NULL},
    {"stdin_recorded", IN_OPEN, AT(stdin_recorded), put_bool, take_bool, NULL},
    {"record", IN_OPEN, AT(record), put_record, take_record, is_required},
};
#undef AT
#define ROW_COUNT (sizeof rows / sizeof rows[0])

static bool
is_in(const struct row *row, enum meta_part part)
{
    switch (part) {
    case META_PART_OPEN:
        return (row->parts & IN_OPEN) != 0;
    case META_PART_CLOSE:
        return (row->parts & IN_CLOSE) != 0;
    case META_PART_ALL:
        return true;
    }
    return false;
}

enum status
meta_encode(const struct meta *m, enum meta_part part, struct buf *out)
{
    const char *before = "{\"";
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < ROW_COUNT; i++) {
        const struct row *row = &rows[i];
        if (!is_in(row, part) ||
            (row->is_left_out != NULL && row->is_left_out(m))) {
            continue;
        }
        st = buf_printf(out, "%s%s\":", before, row->name);
        if (st == STATUS_OK) {
            st = row->put(m, (const char *)m + row->offset, out);
        }
        before = ",\"";
    }
    return st == STATUS_OK ? buf_append_u8(out, '}') : st;
}

enum status
meta_decode(struct span json, struct meta *m, struct error *err)
{
    json_error_t why;
    json_t *root = json_loadb(
        (const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        return error_set(err, json_refusal(why.text),
            "meta is no JSON: %s at byte %d", why.text, why.position);
    }
    enum status st = STATUS_OK;
    if (!json_is_object(root)) {
        st = error_set(err, STATUS_INVALID, "meta is no JSON object");
    }
    for (size_t i = 0; st == STATUS_OK && i < ROW_COUNT; i++) {
        const json_t *v = json_object_get(root, rows[i].name);
        if (v == NULL) {
            continue;
        }
        st = rows[i].take(v, (char *)m + rows[i].offset);
        if (st != STATUS_OK) {
            st = error_set(
                err, st, "meta's \"%s\" has a value it cannot", rows[i].name);
        }
    }
    json_decref(root);
    return st;
}

/* ---- lifetime ---- */

void
meta_init(struct meta *m)
{
    *m = (struct meta){0};
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].put == put_text) {
            char **field = (void *)((char *)m + rows[i].offset);
            *field = unset;
        }
    }
}

void
meta_fini(struct meta *m)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].put == put_text) {
            text_free((void *)((char *)m + rows[i].offset));
        }
    }
    meta_list_free(&m->groups, &m->group_count);
    meta_list_free(&m->command, &m->command_count);
}

static enum status
list_copy(char *const *from, size_t from_count, char ***to, size_t *to_count)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < from_count; i++) {
        st = meta_add(to, to_count, span_str(from[i]));
    }
    return st;
}

enum status
meta_copy(const struct meta *from, struct meta *to)
{
    /* Plain values by assignment, then everything that is owned anew. */
    struct meta copy = *from;
    copy.groups = NULL;
    copy.group_count = 0;
    copy.command = NULL;
    copy.command_count = 0;
    enum status st = STATUS_OK;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].put == put_text) {
            char **field = (void *)((char *)&copy + rows[i].offset);
            const struct span text = span_str(*field);
            *field = unset;
            if (st == STATUS_OK) {
                st = meta_set(field, text);
            }
        }
    }
    if (st == STATUS_OK) {
        st = list_copy(
            from->groups, from->group_count, &copy.groups, &copy.group_count);
    }
    if (st == STATUS_OK) {
        st = list_copy(from->command, from->command_count, &copy.command,
            &copy.command_count);
    }
    if (st != STATUS_OK) {
        meta_fini(&copy);
        return st;
    }
    meta_fini(to);
    *to = copy;
    return STATUS_OK;
}

/* ---- exit status ---- */

static enum status
set_message(struct meta_exit *out, struct span text)
{
    char *message = NULL;
    enum status st = text_new(text, META_STRING_MAX, &message);
    if (st == STATUS_OK) {
        buf_clear(&out->message);
        st = buf_append_str(&out->message, message);
    }
    free(message);
    return st;
}

static enum status
set_code(struct meta_exit *out, int code)
{
    out->has_code = true;
    out->code = code;
    return STATUS_OK;
}

/* details.causes: the first of type ExitCode counts. */
static const char *
exit_cause(const json_t *root)
{
    const json_t *causes =
        json_object_get(json_object_get(root, "details"), "causes");
    for (size_t i = 0; i < json_array_size(causes); i++) {
        const json_t *cause = json_array_get(causes, i);
        const char *reason =
            json_string_value(json_object_get(cause, "reason"));
        if (reason != NULL && strcmp(reason, "ExitCode") == 0) {
            return json_string_value(json_object_get(cause, "message"));
        }
    }
    return NULL;
}

static bool
is_word(const json_t *root, const char *name, const char *word)
{
    const char *value = json_string_value(json_object_get(root, name));
    return value != NULL && strcmp(value, word) == 0;
}

static enum status
exit_of_status(const json_t *root, struct span whole, struct meta_exit *out)
{
    if (is_word(root, "status", "Success")) {
        return set_code(out, 0);
    }
    const bool is_failure = is_word(root, "status", "Failure");
    const char *cause = exit_cause(root);
    uint64_t code = 0;
    if (is_failure && is_word(root, "reason", "NonZeroExitCode") &&
        cause != NULL && span_to_u64(span_str(cause), UINT8_MAX, &code)) {
        return set_code(out, (int)code);
    }
    const json_t *message = json_object_get(root, "message");
    if (is_failure && json_string_length(message) > 0) {
        return set_message(out,
            span_of(json_string_value(message), json_string_length(message)));
    }
    return set_message(out, whole);
}

enum status
meta_exit_parse(struct span error_stream, struct meta_exit *out)
{
    out->has_code = false;
    out->code = 0;
    buf_clear(&out->message);
    if (error_stream.len == 0) {
        return set_code(out, 0);
    }
    json_error_t why;
    json_t *root =
        json_loadb((const char *)error_stream.ptr, error_stream.len, 0, &why);
    if (root == NULL && json_refusal(why.text) == STATUS_NO_MEMORY) {
        return STATUS_NO_MEMORY;
    }
    /* Before v4 the error stream was plain text, and any of it a failure. */
    const enum status st = json_is_object(root)
                               ? exit_of_status(root, error_stream, out)
                               : set_message(out, error_stream);
    json_decref(root);
    return st;
}

/* ---- file names ---- */

void
meta_file_name(const struct uuid *id, int64_t start_us, char out[META_FILE_MAX])
{
    const time_t seconds = (time_t)(start_us > 0 ? start_us / US_PER_S : 0);
    struct tm day = {0};
    char text[UUID_TEXT_LEN + 1];
    (void)gmtime_r(&seconds, &day);
    uuid_format(id, text);
    snprintf(out, META_FILE_MAX, "recordings/%04d/%02d/%02d/%s.cast.zst",
        day.tm_year + 1900, day.tm_mon + 1, day.tm_mday, text);
}
