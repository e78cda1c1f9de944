/* asciicast v2 text, both ways.
 *
 * An event line is built from three appends and the string code of json_text:
 * nothing here looks at single bytes of session output. The header is written
 * by hand for its order and read by jansson, since other programs' headers
 * may hold anything.
 */
#include "schema/cast.h"

#include "schema/json_refusal.h"
#include "schema/json_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_S      UINT64_C(1000000)
#define US_DIGITS     6u
#define START_MAX     253402300800.0 /* year 10000: RFC 3339 ends there */
#define VERSION       2
#define SECONDS_MAX   (UINT64_MAX / US_PER_S - 1)
#define U64_DIGITS    20u
#define TIME_TEXT_MAX (U64_DIGITS + 1 + US_DIGITS)

/* ---- header, written ---- */

/* Characters that a shell leaves alone wherever they stand. */
static bool
is_shell_safe(struct span word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789@%+=:,./_-";
    for (size_t i = 0; i < word.len; i++) {
        if (memchr(safe, word.ptr[i], sizeof safe - 1) == NULL) {
            return false;
        }
    }
    return word.len > 0;
}

/* In single quotes nothing is special but the quote itself, which is written
 * by leaving them: 'it'\''s'. */
static enum status
append_shell_word(struct span word, struct buf *out)
{
    if (is_shell_safe(word)) {
        return buf_append(out, word);
    }
    enum status st = buf_append_u8(out, '\'');
    struct span part = SPAN_EMPTY;
    while (st == STATUS_OK && span_take_until(&word, '\'', &part)) {
        st = buf_append(out, part);
        if (st == STATUS_OK) {
            st = buf_append_str(out, "'\\''");
        }
    }
    if (st == STATUS_OK) {
        st = buf_append(out, word);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\'') : st;
}

static enum status
append_command(const struct meta *m, struct buf *out)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < m->command_count; i++) {
        st = i > 0 ? buf_append_u8(out, ' ') : STATUS_OK;
        if (st == STATUS_OK) {
            st = append_shell_word(span_str(m->command[i]), out);
        }
    }
    return st;
}

/* "alice: shop/web-0 (app)", without what is unknown. */
static enum status
append_title(const struct meta *m, struct buf *out)
{
    const bool has_pod = m->pod[0] != '\0';
    const bool has_container = has_pod && m->container[0] != '\0';
    return buf_printf(out, "%s%s%s%s%s%s%s%s", m->user,
        m->user[0] != '\0' && has_pod ? ": " : "", has_pod ? m->namespace : "",
        has_pod && m->namespace[0] != '\0' ? "/" : "", m->pod,
        has_container ? " (" : "", has_container ? m->container : "",
        has_container ? ")" : "");
}

/* `,"name":"…"`, when what `append` makes of the meta is not empty. */
static enum status
append_member(const char *name,
    enum status (*append)(const struct meta *m, struct buf *out),
    const struct meta *m, struct buf *out)
{
    struct buf text;
    buf_init(&text, out->max);
    enum status st = append(m, &text);
    if (st == STATUS_OK && buf_view(&text).len > 0) {
        st = buf_printf(out, ",\"%s\":", name);
        if (st == STATUS_OK) {
            st = json_text_encode(buf_view(&text), out);
        }
    }
    buf_fini(&text);
    return st;
}

enum status
cast_header_encode(const struct cast_header *h, struct buf *out)
{
    enum status st = buf_printf(out,
        "{\"version\":%d,\"width\":%u,\"height\":%u,\"timestamp\":%" PRId64,
        VERSION, (unsigned)h->width, (unsigned)h->height,
        h->meta.start_us / (int64_t)US_PER_S);
    if (st == STATUS_OK) {
        st = append_member("command", append_command, &h->meta, out);
    }
    if (st == STATUS_OK) {
        st = append_member("title", append_title, &h->meta, out);
    }
    if (st == STATUS_OK) {
        st = buf_append_str(out, ",\"kubetape\":");
    }
    if (st == STATUS_OK) {
        st = meta_encode(&h->meta, META_PART_OPEN, out);
    }
    return st == STATUS_OK ? buf_append_str(out, "}\n") : st;
}

/* ---- header, read ---- */

static bool
take_size(const json_t *root, const char *name, uint16_t *out)
{
    const json_t *v = json_object_get(root, name);
    const json_int_t size = json_integer_value(v);
    if (!json_is_integer(v) || size < 0 || size > UINT16_MAX) {
        return false;
    }
    *out = (uint16_t)size;
    return true;
}

/* The object of ours goes through meta's own reader, as text. */
static enum status
take_meta(const json_t *root, struct meta *m, struct error *err)
{
    const json_t *ours = json_object_get(root, "kubetape");
    if (ours == NULL) {
        const json_t *time = json_object_get(root, "timestamp");
        const double seconds = json_number_value(time);
        if (seconds > 0 && seconds < START_MAX) {
            m->start_us = (int64_t)(seconds * (double)US_PER_S);
        }
        return STATUS_OK;
    }
    char *text = json_dumps(ours, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a header");
    }
    const enum status st = meta_decode(span_str(text), m, err);
    free(text);
    return st;
}

static enum status
header_of(const json_t *root, struct cast_header *h, struct error *err)
{
    const json_t *version = json_object_get(root, "version");
    if (!json_is_integer(version)) {
        return error_set(err, STATUS_INVALID, "no asciicast header");
    }
    if (json_integer_value(version) != VERSION) {
        return error_set(err, STATUS_UNSUPPORTED,
            "asciicast version %" JSON_INTEGER_FORMAT ", this build reads %d",
            json_integer_value(version), VERSION);
    }
    if (!take_size(root, "width", &h->width) ||
        !take_size(root, "height", &h->height)) {
        return error_set(err, STATUS_INVALID,
            "an asciicast header without a width and height of 0-65535");
    }
    return take_meta(root, &h->meta, err);
}

enum status
cast_header_decode(struct span line, struct cast_header *out, struct error *err)
{
    if (line.len > CAST_LINE_MAX) {
        return error_set(err, STATUS_LIMIT,
            "an asciicast header of %zu bytes, at most %u are read", line.len,
            CAST_LINE_MAX);
    }
    json_error_t why;
    json_t *root = json_loadb(
        (const char *)line.ptr, line.len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        return error_set(err, json_refusal(why.text),
            "an asciicast header is no JSON: %s at byte %d", why.text,
            why.position);
    }
    struct cast_header h = {0};
    meta_init(&h.meta);
    const enum status st = header_of(root, &h, err);
    json_decref(root);
    if (st != STATUS_OK) {
        meta_fini(&h.meta);
        return st;
    }
    *out = h; /* the meta is the caller's now */
    return STATUS_OK;
}

/* ---- events, written ---- */

/* "12.000345", from the right. */
static struct span
time_text(uint64_t time_us, uint8_t room[TIME_TEXT_MAX])
{
    uint64_t seconds = time_us / US_PER_S;
    uint32_t micros = (uint32_t)(time_us % US_PER_S);
    size_t at = TIME_TEXT_MAX;
    for (unsigned i = 0; i < US_DIGITS; i++) {
        room[--at] = (uint8_t)('0' + micros % 10);
        micros /= 10;
    }
    room[--at] = '.';
    do {
        room[--at] = (uint8_t)('0' + seconds % 10);
        seconds /= 10;
    } while (seconds > 0);
    return span_of(room + at, TIME_TEXT_MAX - at);
}

static enum status
append_event(
    uint64_t time_us, enum cast_code code, struct span data, struct buf *out)
{
    uint8_t room[TIME_TEXT_MAX];
    const uint8_t middle[] = {',', ' ', '"', (uint8_t)code, '"', ',', ' '};
    enum status st = buf_append_u8(out, '[');
    if (st == STATUS_OK) {
        st = buf_append(out, time_text(time_us, room));
    }
    if (st == STATUS_OK) {
        st = buf_append(out, span_of(middle, sizeof middle));
    }
    if (st == STATUS_OK) {
        st = json_text_encode(data, out);
    }
    return st == STATUS_OK ? buf_append_str(out, "]\n") : st;
}

enum status
cast_event_encode(
    uint64_t time_us, enum cast_code code, struct span data, struct buf *out)
{
    const size_t before = out->len;
    const enum status st = append_event(time_us, code, data, out);
    if (st != STATUS_OK) {
        out->len = before; /* half a line would spoil the text */
    }
    return st;
}

/* ---- events, read ---- */

static void
skip_space(struct span *s)
{
    while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t' ||
                             s->ptr[0] == '\r' || s->ptr[0] == '\n')) {
        (void)span_skip(s, 1);
    }
}

/* One structural byte with the white space that JSON allows around it. */
static bool
take_mark(struct span *s, uint8_t mark)
{
    skip_space(s);
    if (s->len == 0 || s->ptr[0] != mark) {
        return false;
    }
    (void)span_skip(s, 1);
    skip_space(s);
    return true;
}

static struct span
take_digits(struct span *s)
{
    size_t n = 0;
    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9') {
        n++;
    }
    struct span digits = SPAN_EMPTY;
    (void)span_take(s, n, &digits);
    return digits;
}

/* ".5" is 500000; what is finer than a microsecond is dropped. */
static bool
take_micros(struct span *s, uint64_t *out)
{
    *out = 0;
    if (s->len == 0 || s->ptr[0] != '.') {
        return true;
    }
    (void)span_skip(s, 1);
    const struct span digits = take_digits(s);
    for (size_t i = 0; i < US_DIGITS; i++) {
        const uint8_t digit = i < digits.len ? digits.ptr[i] : '0';
        *out = *out * 10 + (uint64_t)(digit - '0');
    }
    return digits.len > 0;
}

/* A JSON number that is not negative and has no exponent. */
static bool
take_time(struct span *s, uint64_t *us_out)
{
    const struct span whole = take_digits(s);
    uint64_t seconds = 0;
    uint64_t micros = 0;
    if ((whole.len > 1 && whole.ptr[0] == '0') ||
        !span_to_u64(whole, SECONDS_MAX, &seconds) ||
        !take_micros(s, &micros)) {
        return false;
    }
    *us_out = seconds * US_PER_S + micros;
    return true;
}

/* Only the first character of a code counts, for asciinema too. */
static enum status
take_code(struct span *s, struct buf *scratch, char *out)
{
    const enum status st = json_text_decode(s, scratch);
    if (st != STATUS_OK) {
        return st;
    }
    const struct span code = buf_view(scratch);
    if (code.len == 0 || code.ptr[0] < 0x20 || code.ptr[0] > 0x7E) {
        return STATUS_INVALID;
    }
    *out = (char)code.ptr[0];
    return STATUS_OK;
}

static enum status
take_event(struct span *s, struct buf *scratch, struct cast_event *out)
{
    struct cast_event e = {0};
    if (!take_mark(s, '[') || !take_time(s, &e.time_us) || !take_mark(s, ',')) {
        return STATUS_INVALID;
    }
    enum status st = take_code(s, scratch, &e.code);
    if (st != STATUS_OK) {
        return st;
    }
    buf_clear(scratch);
    if (!take_mark(s, ',')) {
        return STATUS_INVALID;
    }
    st = json_text_decode(s, scratch);
    if (st != STATUS_OK) {
        return st;
    }
    if (!take_mark(s, ']') || s->len > 0) {
        return STATUS_INVALID;
    }
    e.data = buf_view(scratch);
    *out = e;
    return STATUS_OK;
}

enum status
cast_event_decode(struct span line, struct buf *scratch, struct cast_event *out,
    struct error *err)
{
    buf_clear(scratch);
    if (line.len > CAST_LINE_MAX) {
        return error_set(err, STATUS_LIMIT,
            "an event line of %zu bytes, at most %u are read", line.len,
            CAST_LINE_MAX);
    }
    struct span rest = line;
    const enum status st = take_event(&rest, scratch, out);
    if (st == STATUS_INVALID) {
        return error_set(err, st, "an event line breaks off at byte %zu of %zu",
            line.len - rest.len, line.len);
    }
    if (st != STATUS_OK) {
        return error_set(
            err, st, "no room for an event line of %zu bytes", line.len);
    }
    return STATUS_OK;
}

/* ---- events, glanced at ---- */

static bool
is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* `.000345` */
static bool
peek_micros(struct span *s, uint64_t *out)
{
    struct span digits = SPAN_EMPTY;
    if (s->len == 0 || s->ptr[0] != '.' || !span_skip(s, 1) ||
        !span_take(s, US_DIGITS, &digits)) {
        return false;
    }
    return span_to_u64(digits, US_PER_S - 1, out);
}

bool
cast_event_peek(struct span line, struct cast_event *out)
{
    uint64_t seconds = 0;
    uint64_t micros = 0;
    struct span s = line;
    if (s.len == 0 || s.ptr[0] != '[' || !span_skip(&s, 1)) {
        return false;
    }
    const struct span whole = take_digits(&s);
    if ((whole.len > 1 && whole.ptr[0] == '0') ||
        !span_to_u64(whole, SECONDS_MAX, &seconds) ||
        !peek_micros(&s, &micros)) {
        return false;
    }
    /* `, "o", "`, the data, `"]` */
    if (s.len < 10 || memcmp(s.ptr, ", \"", 3) != 0 || !is_letter(s.ptr[3]) ||
        memcmp(s.ptr + 4, "\", \"", 4) != 0 ||
        memcmp(s.ptr + s.len - 2, "\"]", 2) != 0) {
        return false;
    }
    *out = (struct cast_event){
        .time_us = seconds * US_PER_S + micros,
        .code = (char)s.ptr[3],
        .data = SPAN_EMPTY,
    };
    return true;
}
