/* The trap that shaped it: a valid UTF-8 string can still move the cursor (C1
 * controls are two bytes) or show "drowssap" as "password" (bidirectional
 * overrides), so what is safe is decided character by character. */
#include "player/display.h"

#include "schema/utf8.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* Takes one character; false when the front is not valid UTF-8. */
static bool
take_char(struct span *s, uint32_t *code_out)
{
    const uint8_t lead = s->ptr[0];
    size_t len = 1;
    if (lead >= 0xF0) {
        len = 4;
    } else if (lead >= 0xE0) {
        len = 3;
    } else if (lead >= 0x80) {
        len = 2;
    }
    if (len > s->len || utf8_valid_prefix(span_of(s->ptr, len)) != len) {
        return false;
    }
    static const uint8_t lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = lead & lead_mask[len];
    for (size_t i = 1; i < len; i++) {
        code = code << 6 | (s->ptr[i] & 0x3Fu);
    }
    *code_out = code;
    return span_skip(s, len);
}

/* What could move the cursor, change the terminal or reorder what a person
 * reads: C0, DEL, C1, line separators, bidirectional and invisible format
 * characters (Unicode 15, 23.2 and UAX 9). */
static bool
is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C ||
           (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xE0000 && c <= 0xE007F);
}

static enum status
escape_code(uint32_t c, struct buf *out)
{
    switch (c) {
    case '\n':
        return buf_append_str(out, "\\n");
    case '\r':
        return buf_append_str(out, "\\r");
    case '\t':
        return buf_append_str(out, "\\t");
    default:
        return buf_printf(
            out, c < 0x100 ? "\\x%02" PRIx32 : "\\u%04" PRIx32, c);
    }
}

enum status
display_escape(struct span s, struct buf *out)
{
    enum status st = STATUS_OK;
    while (st == STATUS_OK && s.len > 0) {
        const struct span front = s;
        uint32_t code = 0;
        if (!take_char(&s, &code)) {
            st = buf_printf(out, "\\x%02x", (unsigned)s.ptr[0]);
            (void)span_skip(&s, 1);
        } else if (is_unsafe(code)) {
            st = escape_code(code, out);
        } else {
            st = buf_append(out, span_of(front.ptr, front.len - s.len));
        }
    }
    return st;
}

/* Above the basic plane JSON writes two halves (RFC 8259, 7). */
static enum status
escape_json_code(uint32_t c, struct buf *out)
{
    if (c < 0x10000) {
        return buf_printf(out, "\\u%04" PRIx32, c);
    }
    const uint32_t rest = c - 0x10000;
    return buf_printf(out, "\\u%04" PRIx32 "\\u%04" PRIx32,
        0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
}

enum status
display_json(struct span json, struct buf *out)
{
    enum status st = STATUS_OK;
    while (st == STATUS_OK && json.len > 0) {
        const struct span front = json;
        uint32_t code = 0;
        if (!take_char(&json, &code)) {
            return STATUS_INVALID;
        }
        st = code >= 0x7F && is_unsafe(code)
                 ? escape_json_code(code, out)
                 : buf_append(out, span_of(front.ptr, front.len - json.len));
    }
    return st;
}

static bool
is_shell_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_@%+=:,./-";
    return word[0] != '\0' && word[strspn(word, plain)] == '\0';
}

/* POSIX single quotes: everything is itself but the quote. */
static enum status
append_quoted(const char *word, struct buf *out)
{
    enum status st = buf_append_u8(out, '\'');
    for (const char *p = word; st == STATUS_OK && *p != '\0'; p++) {
        st = *p == '\'' ? buf_append_str(out, "'\\''")
                        : buf_append_u8(out, (uint8_t)*p);
    }
    if (st == STATUS_OK) {
        st = buf_append_u8(out, '\'');
    }
    return st;
}

enum status
display_command(char *const *words, size_t count, struct buf *out)
{
    struct buf line;
    buf_init(&line, buf_room(out));
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < count; i++) {
        if (i > 0) {
            st = buf_append_u8(&line, ' ');
        }
        if (st == STATUS_OK) {
            st = is_shell_plain(words[i]) ? buf_append_str(&line, words[i])
                                          : append_quoted(words[i], &line);
        }
    }
    if (st == STATUS_OK) {
        st = display_escape(buf_view(&line), out);
    }
    buf_fini(&line);
    return st;
}

/* Columns of one character; wcwidth answers for the locale's LC_CTYPE, which
 * main sets to C.UTF-8 whatever the environment says. */
static size_t
char_width(uint32_t code)
{
    const int w = wcwidth((wchar_t)code);
    return w < 0 ? 1 : (size_t)w;
}

size_t
display_width(struct span escaped)
{
    size_t columns = 0;
    uint32_t code = 0;
    while (escaped.len > 0 && take_char(&escaped, &code)) {
        columns += char_width(code);
    }
    return columns + escaped.len;
}

struct span
display_cut(struct span escaped, size_t columns)
{
    struct span rest = escaped;
    uint32_t code = 0;
    while (rest.len > 0) {
        struct span next = rest;
        if (!take_char(&next, &code) || char_width(code) > columns) {
            break;
        }
        columns -= char_width(code);
        rest = next;
    }
    return span_of(escaped.ptr, escaped.len - rest.len);
}

void
display_size(uint64_t bytes, char out[DISPLAY_SIZE_MAX])
{
    static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024) {
        snprintf(out, DISPLAY_SIZE_MAX, "%" PRIu64 " B", bytes);
        return;
    }
    double value = (double)bytes / 1024;
    size_t i = 0;
    while (value >= 1024 && i + 1 < sizeof unit / sizeof unit[0]) {
        value /= 1024;
        i++;
    }
    snprintf(out, DISPLAY_SIZE_MAX, "%.1f %s", value, unit[i]);
}

void
display_duration(int64_t us, char out[DISPLAY_DURATION_MAX])
{
    const int64_t ms = us < 0 ? 0 : us / 1000;
    const int64_t s = ms / 1000;
    if (s < 1) {
        snprintf(out, DISPLAY_DURATION_MAX, "%" PRId64 "ms", ms);
    } else if (s < 60) {
        snprintf(out, DISPLAY_DURATION_MAX, "%" PRId64 ".%" PRId64 "s", s,
            ms % 1000 / 100);
    } else if (s < 3600) {
        snprintf(out, DISPLAY_DURATION_MAX, "%" PRId64 "m%02" PRId64 "s",
            s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(out, DISPLAY_DURATION_MAX, "%" PRId64 "h%02" PRId64 "m",
            s / 3600, s / 60 % 60);
    } else {
        snprintf(out, DISPLAY_DURATION_MAX, "%" PRId64 "d%02" PRId64 "h",
            s / 86400, s / 3600 % 24);
    }
}
