/* A table for people: columns aligned by display width, escaped values.
 *
 * Collects rows, then prints them, so that every column is as wide as its
 * widest value. The last column is cut at the terminal's width. Knows nothing
 * of what the values mean.
 */
#ifndef PLAYER_TABLE_H
#define PLAYER_TABLE_H

#include "base/buf.h"
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12

enum table_tone {
    TABLE_PLAIN,
    TABLE_GOOD,
    TABLE_BAD,
    TABLE_DIM
};

struct table;

/* `titles` is borrowed for the table's life. */
enum status table_new(
    const char *const *titles, size_t columns, struct table **out) MUST_CHECK;
void table_free(struct table **t);

/* The next cell, row by row; `raw` is escaped here. */
enum status table_add(
    struct table *t, struct span raw, enum table_tone tone) MUST_CHECK;
/* The same for text that display_* has made fit already. */
enum status table_add_escaped(
    struct table *t, struct span escaped, enum table_tone tone) MUST_CHECK;

/* `width` 0: nothing is cut. Write errors show in ferror(out). */
void table_print(const struct table *t, FILE *out, size_t width, bool colour);

#endif
