#include "tests/support/vector.h"

#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define TRANSCRIPT_MAX (1u << 20)

static void
must(enum status st)
{
    assert_int_equal(st, STATUS_OK);
}

static void
end_piece(struct transcript *t)
{
    if (t->joining != NULL) {
        must(buf_append_str(&t->text, "\"\n"));
        t->joining = NULL;
    }
}

void
transcript_piece(struct transcript *t, const char *label, struct span bytes)
{
    if (t->joining == NULL || strcmp(t->joining, label) != 0) {
        end_piece(t);
        must(buf_printf(&t->text, "%s \"", label));
        t->joining = label;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        const uint8_t c = bytes.ptr[i];
        const bool is_plain = c >= ' ' && c < 0x7F && c != '\\';
        must(is_plain ? buf_append_u8(&t->text, c)
                      : buf_printf(&t->text, "\\x%02x", c));
    }
}

void
transcript_line(struct transcript *t, const char *fmt, ...)
{
    char line[256];
    va_list args;
    end_piece(t);
    va_start(args, fmt);
    const int len = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    assert_in_range(len, 0, (int)sizeof line - 1);
    must(buf_printf(&t->text, "%s\n", line));
}

void
vector_hex(const char *hex, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned value = 0;
    unsigned count = 0;
    for (const char *c = hex; *c != '\0'; c++) {
        if (*c == ' ') {
            continue;
        }
        const char *at = strchr(digits, *c);
        assert_non_null(at);
        value = value << 4 | (unsigned)(at - digits);
        count++;
        if (count % 2 == 0) {
            must(buf_append_u8(out, (uint8_t)(value & 0xFF)));
        }
    }
    assert_int_equal(count % 2, 0);
}

/* Feeds `head` then the rest, `step` bytes at a time. */
static void
run(const struct vector_parser *p, const void *ctx, struct span input,
    size_t head, size_t step, const char *expected)
{
    struct transcript t = {.joining = NULL};
    buf_init(&t.text, TRANSCRIPT_MAX);
    void *parser = p->open(ctx);
    size_t n = head;
    while (input.len > 0) {
        struct span chunk;
        assert_true(span_take(&input, n < input.len ? n : input.len, &chunk));
        p->feed(parser, chunk, &t);
        n = step;
    }
    p->close(parser);
    end_piece(&t);
    const char *text = NULL;
    must(buf_cstr(&t.text, &text));
    assert_string_equal(text, expected);
    buf_fini(&t.text);
}

void
vector_check(const struct vector_parser *p, const void *ctx, const char *hex,
    const char *expected)
{
    struct buf bytes;
    buf_init(&bytes, TRANSCRIPT_MAX);
    vector_hex(hex, &bytes);
    struct guard_page guard = guard_page_copy(buf_view(&bytes));
    buf_fini(&bytes);
    const struct span input = guard.bytes;
    run(p, ctx, input, input.len, 1, expected);
    run(p, ctx, input, 1, 1, expected);
    for (size_t cut = 1; cut < input.len; cut++) {
        run(p, ctx, input, cut, input.len, expected);
    }
    guard_page_free(&guard);
}
