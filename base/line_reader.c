/* See line_reader.h. */
#include "base/line_reader.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_STEP (64u << 10)

struct line_reader {
    char *path;
    int fd;
    size_t line_max;
    uint64_t offset; /* behind the last line that was given */
    size_t given;    /* bytes of it at the front of `in` */
    struct buf in;
    bool is_at_end; /* all of the file was read */
};

enum status
line_reader_open(const char *path, size_t line_max, struct line_reader **out,
    struct error *err)
{
    struct line_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to read %s", path);
    }
    buf_init(&r->in, line_max + READ_STEP);
    r->line_max = line_max;
    r->path = strdup(path);
    r->fd = -1;
    enum status st = file_open_regular(path, O_RDONLY, &r->fd, err);
    if (st == STATUS_OK && r->path == NULL) {
        st = error_set(err, STATUS_NO_MEMORY, "no memory to read %s", path);
    }
    if (st == STATUS_OK) {
        *out = r;
        r = NULL;
    }
    line_reader_close(&r);
    return st;
}

void
line_reader_close(struct line_reader **r)
{
    if (*r != NULL) {
        if ((*r)->fd >= 0) {
            (void)close((*r)->fd); /* was only read */
        }
        buf_fini(&(*r)->in);
        free((*r)->path);
        free(*r);
        *r = NULL;
    }
}

static enum status
read_more(struct line_reader *r, struct error *err)
{
    uint8_t *tail;
    size_t got = 0;
    enum status st = buf_reserve(&r->in, READ_STEP, &tail);
    if (st != STATUS_OK) {
        return error_set(err, st, "no memory to read %s", r->path);
    }
    st = file_pread(
        r->fd, tail, READ_STEP, (off_t)(r->offset + r->in.len), &got, err);
    if (st == STATUS_OK) {
        buf_commit(&r->in, got);
        r->is_at_end = got < READ_STEP;
    }
    return st;
}

enum status
line_reader_next(struct line_reader *r, struct span *line_out, bool *has_out,
    struct error *err)
{
    buf_consume(&r->in, r->given);
    r->given = 0;
    for (;;) {
        struct span in = buf_view(&r->in);
        struct span line;
        const bool is_whole = span_take_until(&in, '\n', &line);
        if ((is_whole ? line.len : in.len) >= r->line_max) {
            return error_set(err, STATUS_CORRUPT,
                "%s: the line at byte %llu is longer than any", r->path,
                (unsigned long long)r->offset);
        }
        if (is_whole) {
            r->given = line.len + 1;
            r->offset += r->given;
            *line_out = line;
        }
        if (is_whole || r->is_at_end) {
            *has_out = is_whole;
            return STATUS_OK;
        }
        const enum status st = read_more(r, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
}

uint64_t
line_reader_offset(const struct line_reader *r)
{
    return r->offset;
}
