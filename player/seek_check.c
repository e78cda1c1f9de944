/* Decodes the table, then compares it entry by entry; the first difference is
 * told, for all others follow from it. */
#include "player/seek_check.h"

#include <inttypes.h>
#include <stdlib.h>

#define SEEK_FOOTER_LEN 9u /* seekable format, "Seek_Table_Footer" */

static enum status
compare(const struct seek_entry *told, const struct seek_entry *real,
    size_t count, struct error *why)
{
    for (size_t i = 0; i < count; i++) {
        if (told[i].file_len != real[i].file_len ||
            told[i].text_len != real[i].text_len) {
            return error_set(why, STATUS_INVALID,
                "is wrong about frame %zu: it says %" PRIu32
                " bytes of %" PRIu32 " of text, the file has %" PRIu32
                " of %" PRIu32,
                i + 1, told[i].file_len, told[i].text_len, real[i].file_len,
                real[i].text_len);
        }
    }
    return STATUS_OK;
}

/* How many entries the footer promises. */
static enum status
read_footer(struct span table, size_t *count_out, struct error *why)
{
    size_t table_len = 0;
    if (table.len >= SEEK_FOOTER_LEN) {
        const struct span footer =
            span_of(table.ptr + table.len - SEEK_FOOTER_LEN, SEEK_FOOTER_LEN);
        if (seek_footer_decode(footer, &table_len, count_out) == STATUS_OK &&
            table_len == table.len) {
            return STATUS_OK;
        }
    }
    return error_set(why, STATUS_INVALID, "is damaged");
}

enum status
seek_check(struct span table, const struct seek_entry *real, size_t real_count,
    struct error *why)
{
    size_t count = 0;
    const enum status st = read_footer(table, &count, why);
    if (st != STATUS_OK) {
        return st;
    }
    if (count != real_count) {
        return error_set(why, STATUS_INVALID, "has %zu frames, the file %zu",
            count, real_count);
    }
    struct seek_entry *told = calloc(count + 1, sizeof *told);
    if (told == NULL) {
        return error_set(why, STATUS_NO_MEMORY, "out of memory");
    }
    const enum status told_st =
        seek_decode(table, told, count, NULL) == STATUS_OK
            ? compare(told, real, count, why)
            : error_set(why, STATUS_INVALID, "is damaged");
    free(told);
    return told_st;
}
