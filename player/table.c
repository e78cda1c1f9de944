/* Cells are packed into two buffers with a cap, not allocated one by one: a
 * table of a hundred thousand sessions stays cheap, and bounded. */
#include "player/table.h"

#include "player/display.h"
#include "player/limits.h"
#include <stdlib.h>
#include <string.h>

struct cell {
    size_t start; /* in `text` */
    size_t len;
    size_t width;
    enum table_tone tone;
};

struct table {
    const char *const *titles;
    size_t columns;
    struct buf text;  /* every cell's escaped bytes */
    struct buf cells; /* struct cell, packed */
    size_t widths[TABLE_COLUMNS_MAX];
};

#define TABLE_GAP 2

enum status
table_new(const char *const *titles, size_t columns, struct table **out)
{
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return STATUS_NO_MEMORY;
    }
    t->titles = titles;
    t->columns = columns;
    buf_init(&t->text, PLAYER_TABLE_MAX);
    buf_init(&t->cells, PLAYER_TABLE_MAX);
    for (size_t i = 0; i < columns; i++) {
        t->widths[i] = strlen(titles[i]);
    }
    *out = t;
    return STATUS_OK;
}

void
table_free(struct table **t)
{
    if (*t != NULL) {
        buf_fini(&(*t)->text);
        buf_fini(&(*t)->cells);
        free(*t);
        *t = NULL;
    }
}

static size_t
cell_count(const struct table *t)
{
    return t->cells.len / sizeof(struct cell);
}

static struct cell
cell_at(const struct table *t, size_t i)
{
    struct cell c;
    memcpy(&c, buf_view(&t->cells).ptr + i * sizeof c, sizeof c);
    return c;
}

static enum status
add_cell(struct table *t, size_t start, enum table_tone tone)
{
    const struct span text = buf_view(&t->text);
    struct cell c = {.start = start, .len = text.len - start, .tone = tone};
    c.width = display_width(span_of(text.ptr + start, c.len));
    const size_t column = cell_count(t) % t->columns;
    if (c.width > t->widths[column]) {
        t->widths[column] = c.width;
    }
    return buf_append(&t->cells, span_of(&c, sizeof c));
}

enum status
table_add(struct table *t, struct span raw, enum table_tone tone)
{
    const size_t start = t->text.len;
    const enum status st = display_escape(raw, &t->text);
    return st == STATUS_OK ? add_cell(t, start, tone) : st;
}

enum status
table_add_escaped(struct table *t, struct span escaped, enum table_tone tone)
{
    const size_t start = t->text.len;
    const enum status st = buf_append(&t->text, escaped);
    return st == STATUS_OK ? add_cell(t, start, tone) : st;
}

static const char *
tone_code(enum table_tone tone)
{
    switch (tone) {
    case TABLE_PLAIN:
        return "";
    case TABLE_GOOD:
        return "\033[32m";
    case TABLE_BAD:
        return "\033[31m";
    case TABLE_DIM:
        return "\033[2m";
    }
    return "";
}

/* Columns left for the last one; `width` 0 knows no end. */
static size_t
last_width(const struct table *t, size_t width)
{
    if (width == 0) {
        return SIZE_MAX;
    }
    size_t used = 0;
    for (size_t i = 0; i + 1 < t->columns; i++) {
        used += t->widths[i] + TABLE_GAP;
    }
    const size_t title = strlen(t->titles[t->columns - 1]);
    return used + title < width ? width - used : title;
}

static void
print_last(FILE *out, struct span text, size_t width, size_t room)
{
    if (width <= room) {
        fprintf(out, "%.*s", (int)text.len, (const char *)text.ptr);
        return;
    }
    text = display_cut(text, room - 1);
    fprintf(out, "%.*s\xE2\x80\xA6", (int)text.len, (const char *)text.ptr);
}

static void
print_cell(const struct table *t, FILE *out, size_t i, size_t room, bool colour)
{
    const struct cell c = cell_at(t, i);
    const struct span text = span_of(buf_view(&t->text).ptr + c.start, c.len);
    const bool toned = colour && c.tone != TABLE_PLAIN;
    const size_t column = i % t->columns;
    if (toned) {
        fputs(tone_code(c.tone), out);
    }
    if (column + 1 == t->columns) {
        print_last(out, text, c.width, room);
    } else {
        fprintf(out, "%.*s", (int)text.len, (const char *)text.ptr);
    }
    if (toned) {
        fputs("\033[0m", out);
    }
    if (column + 1 == t->columns) {
        fputc('\n', out);
    } else {
        fprintf(out, "%*s", (int)(t->widths[column] - c.width + TABLE_GAP), "");
    }
}

void
table_print(const struct table *t, FILE *out, size_t width, bool colour)
{
    for (size_t i = 0; i + 1 < t->columns; i++) {
        fprintf(out, "%-*s", (int)(t->widths[i] + TABLE_GAP), t->titles[i]);
    }
    fprintf(out, "%s\n", t->titles[t->columns - 1]);
    const size_t room = last_width(t, width);
    for (size_t i = 0; i < cell_count(t); i++) {
        print_cell(t, out, i, room, colour);
    }
}
