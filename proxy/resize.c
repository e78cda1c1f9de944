/* See resize.h. Objects are cut out of the stream by depth and quotes, then
 * read in one go: two small steps instead of one large state machine. */
#include "proxy/resize.h"

void
resize_init(struct resize_reader *r)
{
    *r = (struct resize_reader){.len = 0};
}

static bool
is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
skip_space(struct span *s)
{
    while (s->len > 0 && is_space(s->ptr[0])) {
        (void)span_skip(s, 1);
    }
}

static bool
take_byte(struct span *s, uint8_t wanted)
{
    skip_space(s);
    return s->len > 0 && s->ptr[0] == wanted && span_skip(s, 1);
}

/* A string without escapes, so that it can be compared as it is. */
static bool
take_name(struct span *s, struct span *out)
{
    if (!take_byte(s, '"') || !span_take_until(s, '"', out)) {
        return false;
    }
    for (size_t i = 0; i < out->len; i++) {
        if (out->ptr[i] == '\\' || out->ptr[i] < 0x20) {
            return false;
        }
    }
    return true;
}

/* A JSON integer that fits; `null` leaves the value as it is, as in Go. */
static bool
take_u16(struct span *s, uint16_t *out)
{
    if (span_starts_with(*s, "null")) {
        return span_skip(s, 4);
    }
    struct span digits = {.ptr = s->ptr, .len = 0};
    while (digits.len < s->len && s->ptr[digits.len] >= '0' &&
           s->ptr[digits.len] <= '9') {
        digits.len++;
    }
    const bool has_zero = digits.len > 1 && digits.ptr[0] == '0';
    uint64_t value = 0;
    if (has_zero || !span_to_u64(digits, UINT16_MAX, &value)) {
        return false;
    }
    *out = (uint16_t)value;
    return span_skip(s, digits.len);
}

/* Any value, up to the ',' or '}' behind it. */
static bool
skip_value(struct span *s)
{
    unsigned depth = 0;
    bool in_string = false;
    const size_t before = s->len;
    while (s->len > 0) {
        const uint8_t c = s->ptr[0];
        if (in_string) {
            in_string = c != '"';
            if (c == '\\' && !span_skip(s, 1)) {
                return false;
            }
        } else if (depth == 0 && (c == ',' || c == '}')) {
            return s->len < before;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                return false;
            }
            depth--;
        }
        if (!span_skip(s, 1)) {
            return false;
        }
    }
    return false;
}

static bool
take_member(struct span *s, uint16_t *width, uint16_t *height)
{
    struct span name;
    if (!take_name(s, &name) || !take_byte(s, ':')) {
        return false;
    }
    skip_space(s);
    if (span_eq_nocase(name, "width")) {
        return take_u16(s, width);
    }
    if (span_eq_nocase(name, "height")) {
        return take_u16(s, height);
    }
    return skip_value(s);
}

static bool
parse_object(struct span s, uint16_t *width_out, uint16_t *height_out)
{
    uint16_t width = 0;
    uint16_t height = 0;
    bool is_ok = take_byte(&s, '{');
    if (is_ok && !take_byte(&s, '}')) {
        do {
            is_ok = take_member(&s, &width, &height);
        } while (is_ok && take_byte(&s, ','));
        is_ok = is_ok && take_byte(&s, '}');
    }
    if (!is_ok || s.len > 0) {
        return false;
    }
    *width_out = width;
    *height_out = height;
    return true;
}

/* Follows quotes and depth; true when the outermost object ends here. */
static bool
ends_object(struct resize_reader *r, uint8_t byte)
{
    if (r->in_string) {
        const bool was_escape = r->in_escape;
        r->in_escape = !was_escape && byte == '\\';
        r->in_string = was_escape || byte != '"';
        return false;
    }
    if (byte == '"') {
        r->in_string = true;
    } else if (byte == '{') {
        r->depth++;
    } else if (byte == '}') {
        r->depth--;
    }
    return r->depth == 0;
}

bool
resize_take(struct resize_reader *r, uint8_t byte, uint16_t *width_out,
    uint16_t *height_out)
{
    if (r->is_deaf || (r->len == 0 && is_space(byte))) {
        return false;
    }
    if ((r->len == 0 && byte != '{') || r->len == sizeof r->text) {
        r->is_deaf = true;
        return false;
    }
    r->text[r->len] = byte;
    r->len++;
    if (!ends_object(r, byte)) {
        return false;
    }
    const struct span object = {.ptr = r->text, .len = r->len};
    r->len = 0;
    r->is_deaf = !parse_object(object, width_out, height_out);
    return !r->is_deaf;
}
