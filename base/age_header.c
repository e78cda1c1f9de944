/* Line by line, after the specification's grammar:
 *
 *   header    = intro 1*stanza "---" SP 43base64char LF
 *   stanza    = "->" 1*( SP 1*VCHAR ) LF *full-line final-line
 *   full-line = 64base64char LF      final-line = *63base64char LF
 *
 * Every line of base64 is canonical: a header that could be written in two
 * ways would have two MACs. */
#include "base/age_header.h"

#include "base/base64.h"
#include <assert.h>

#define FULL_LINE_CHARS 64
#define FULL_LINE_BYTES 48
#define MAC_CHARS       43

/* Of every version. */
#define ANY_INTRO "age-encryption.org/"

bool
age_header_is_age(struct span bytes)
{
    return span_starts_with(bytes, ANY_INTRO);
}

static bool
is_base64(struct span line)
{
    uint8_t bytes[FULL_LINE_BYTES];
    const size_t len = line.len * 3 / 4;
    return line.len <= FULL_LINE_CHARS &&
           base64_bare_decode(line, bytes, len) == STATUS_OK;
}

/* VCHAR, RFC 5234. */
static bool
is_visible(struct span word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < 0x21 || word.ptr[i] > 0x7e) {
            return false;
        }
    }
    return word.len > 0;
}

/* The word up to the next SP; behind that SP there has to be another. */
static bool
take_word(struct span *line, bool *has_more_out, struct span *out)
{
    *has_more_out = span_take_until(line, ' ', out);
    if (!*has_more_out) {
        *out = *line;
        *line = SPAN_EMPTY;
    }
    return is_visible(*out);
}

/* "-> type argument…", without its LF. */
static bool
split_arguments(struct span line, struct age_stanza *out)
{
    struct span word = SPAN_EMPTY;
    bool has_more = true;
    if (!span_starts_with(line, "-> ") || !span_skip(&line, 3) ||
        !take_word(&line, &has_more, &out->type)) {
        return false;
    }
    out->arguments = line;
    for (out->argument_count = 0; has_more; out->argument_count++) {
        if (!take_word(&line, &has_more, &word)) {
            return false;
        }
    }
    return true;
}

/* Full lines, and the one that is shorter. */
static bool
take_body(struct span *text, struct span *out)
{
    const struct span from = *text;
    struct span line = SPAN_EMPTY;
    do {
        if (!span_take_until(text, '\n', &line) || !is_base64(line)) {
            return false;
        }
    } while (line.len == FULL_LINE_CHARS);
    *out = span_of(from.ptr, from.len - text->len);
    return true;
}

bool
age_stanza_take(struct span *text, struct age_stanza *out)
{
    struct span rest = *text;
    struct span line = SPAN_EMPTY;
    struct age_stanza s = {.argument_count = 0};
    if (!span_take_until(&rest, '\n', &line) || !split_arguments(line, &s) ||
        !take_body(&rest, &s.body)) {
        return false;
    }
    *text = rest;
    *out = s;
    return true;
}

static enum status
no_header(struct error *err)
{
    return error_set(
        err, STATUS_CORRUPT, "the header of the encryption is damaged");
}

static enum status
take_intro(struct span *rest, struct error *err)
{
    if (span_starts_with(*rest, AGE_INTRO)) {
        return span_skip(rest, sizeof AGE_INTRO - 1) ? STATUS_OK
                                                     : STATUS_CORRUPT;
    }
    return age_header_is_age(*rest)
               ? error_set(err, STATUS_UNSUPPORTED,
                     "encrypted in another version of the age format than v1")
               : no_header(err);
}

enum status
age_header_parse(struct span bytes, struct age_header *out, struct error *err)
{
    struct age_header h = {.stanza_count = 0};
    struct age_stanza stanza;
    struct span rest = bytes;
    struct span line = SPAN_EMPTY;
    const enum status st = take_intro(&rest, err);
    if (st != STATUS_OK) {
        return st;
    }
    h.stanzas = rest;
    while (age_stanza_take(&rest, &stanza)) {
        h.stanza_count++;
    }
    h.stanzas.len -= rest.len;
    h.authentic = span_of(bytes.ptr, bytes.len - rest.len + 3); /* "---" */
    if (h.stanza_count == 0 || !span_take_until(&rest, '\n', &line) ||
        !span_starts_with(line, "--- ") || !span_skip(&line, 4) ||
        line.len != MAC_CHARS ||
        base64_bare_decode(line, h.mac, sizeof h.mac) != STATUS_OK) {
        return no_header(err);
    }
    h.len = bytes.len - rest.len;
    *out = h;
    return STATUS_OK;
}

enum status
age_stanza_append(
    const char *type, struct span argument, struct span body, struct buf *out)
{
    assert(body.len < FULL_LINE_BYTES);
    enum status st = buf_printf(out, "-> %s ", type);
    if (st == STATUS_OK) {
        st = base64_bare_encode(argument, out);
    }
    if (st == STATUS_OK) {
        st = buf_append_u8(out, '\n');
    }
    if (st == STATUS_OK) {
        st = base64_bare_encode(body, out);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}
