/* `kubetape export`: a recording in another form, streamed. */
#include "player/cast3.h"
#include "player/cast_reader.h"
#include "player/command.h"
#include "player/exact_stream.h"
#include "player/identity_file.h"
#include "player/limits.h"
#include "player/output.h"
#include "player/seals_copy.h"
#include "player/store.h"
#include "player/text_reader.h"
#include <string.h>
#include <unistd.h>

struct export_job {
    const char *path; /* of the recording */
    struct age_identities *ids;
    const struct store_entry *entry;
    enum journal_stream stream; /* raw only */
    struct output *out;
    bool is_cut; /* set by a format: the recording was not whole */
};

typedef enum status export_fn(struct export_job *job, struct error *err);

struct format {
    const char *name;
    export_fn *write;
    bool is_text; /* fit for a terminal */
};

/* Writes what `piece` holds and empties it. */
static enum status
flush_piece(struct export_job *job, struct buf *piece, struct error *err)
{
    const enum status st = output_write(job->out, buf_view(piece), err);
    buf_clear(piece);
    return st;
}

/* The end of the text is no error of ours. */
static enum status
end_of_text(enum status st, struct error *err)
{
    if (st == STATUS_CLOSED) {
        *err = (struct error){.code = STATUS_OK};
        return STATUS_OK;
    }
    return st;
}

/* ---- cast: verbatim, in whole lines ---- */

/* Keeps what follows the last newline in `rest`, so that a recording that a
 * crash cut within a line ends with a whole one. */
static enum status
pass_lines(struct export_job *job, struct span text, struct buf *rest,
    struct error *err)
{
    const uint8_t *last = memrchr(text.ptr, '\n', text.len);
    enum status st = STATUS_OK;
    if (last != NULL) {
        struct span whole = SPAN_EMPTY;
        (void)span_take(&text, (size_t)(last - text.ptr) + 1, &whole);
        st = flush_piece(job, rest, err);
        if (st == STATUS_OK) {
            st = output_write(job->out, whole, err);
        }
    }
    if (st == STATUS_OK && buf_append(rest, text) != STATUS_OK) {
        st = error_set(
            err, STATUS_LIMIT, "a line is longer than %u bytes", CAST_LINE_MAX);
    }
    return st;
}

static enum status
export_cast(struct export_job *job, struct error *err)
{
    struct text_reader *r = NULL;
    struct span text = SPAN_EMPTY;
    struct buf rest;
    buf_init(&rest, CAST_LINE_MAX);
    enum status st = text_reader_open(job->path, job->ids, &r, err);
    while (st == STATUS_OK) {
        st = text_reader_next(r, &text, err);
        if (st == STATUS_OK) {
            st = pass_lines(job, text, &rest, err);
            continue;
        }
        if (st == STATUS_CLOSED) {
            job->is_cut = text_reader_is_cut(r) || rest.len > 0;
        }
    }
    text_reader_close(&r);
    buf_fini(&rest);
    return st;
}

/* ---- The formats that read events ---- */

/* What a format makes of an event, appended to `piece`. */
typedef enum status event_fn(void *ctx, struct cast_reader *r,
    const struct cast_event *e, struct buf *piece, struct error *err);

static enum status
each_event(struct export_job *job, struct cast_reader *r, event_fn *fn,
    void *ctx, struct error *err)
{
    struct cast_event e;
    struct buf piece;
    buf_init(&piece, 4 * (size_t)CAST_LINE_MAX);
    enum status st = STATUS_OK;
    while (st == STATUS_OK) {
        st = cast_reader_next(r, &e, err);
        if (st == STATUS_CLOSED) {
            job->is_cut = cast_reader_is_cut(r);
            break;
        }
        if (st == STATUS_OK) {
            st = fn(ctx, r, &e, &piece, err);
        }
        if (st == STATUS_OK && piece.len > PLAYER_CHUNK_BYTES) {
            st = flush_piece(job, &piece, err);
        }
    }
    if (st == STATUS_CLOSED) {
        st = flush_piece(job, &piece, err);
        st = st == STATUS_OK ? STATUS_CLOSED : st;
    }
    buf_fini(&piece);
    return st;
}

static enum status
out_of_memory(enum status st, struct error *err)
{
    return st == STATUS_OK ? st : error_set(err, st, "out of memory");
}

/* ---- cast3 ---- */

static enum status
cast3_one(void *ctx, struct cast_reader *r, const struct cast_event *e,
    struct buf *piece, struct error *err)
{
    (void)r;
    return out_of_memory(cast3_event(ctx, e, piece), err);
}

static enum status
export_cast3(struct export_job *job, struct error *err)
{
    struct cast_reader *r = NULL;
    struct cast3 c = {.last_us = 0};
    struct buf head;
    buf_init(&head, 2 * (size_t)CAST_LINE_MAX);
    enum status st = cast_reader_open(job->path, job->ids, &r, err);
    if (st == STATUS_OK) {
        st = cast3_header(&c, cast_reader_header_line(r), &head, err);
    }
    if (st == STATUS_OK) {
        st = flush_piece(job, &head, err);
    }
    if (st == STATUS_OK) {
        st = each_event(job, r, cast3_one, &c, err);
    }
    cast_reader_close(&r);
    buf_fini(&head);
    return st;
}

/* ---- raw ---- */

static enum status
raw_one(void *ctx, struct cast_reader *r, const struct cast_event *e,
    struct buf *piece, struct error *err)
{
    (void)r;
    return exact_stream_feed(ctx, e, piece, err);
}

static enum status
export_raw(struct export_job *job, struct error *err)
{
    struct cast_reader *r = NULL;
    struct exact_stream x;
    struct buf tail;
    exact_stream_init(&x, job->stream);
    buf_init(&tail, CAST_LINE_MAX);
    enum status st = cast_reader_open(job->path, job->ids, &r, err);
    if (st == STATUS_OK) {
        st = each_event(job, r, raw_one, &x, err);
    }
    if (st == STATUS_CLOSED) {
        st = out_of_memory(exact_stream_end(&x, &tail), err);
        if (st == STATUS_OK) {
            st = flush_piece(job, &tail, err);
        }
    }
    cast_reader_close(&r);
    exact_stream_fini(&x);
    buf_fini(&tail);
    return st;
}

/* ---- json ---- */

struct json_writer {
    const char *separator;
};

/* A line of the recording is a JSON array already. */
static enum status
json_one(void *ctx, struct cast_reader *r, const struct cast_event *e,
    struct buf *piece, struct error *err)
{
    struct json_writer *w = ctx;
    (void)e;
    enum status st = buf_append_str(piece, w->separator);
    w->separator = ",\n";
    if (st == STATUS_OK) {
        st = buf_append(piece, cast_reader_line(r));
    }
    return out_of_memory(st, err);
}

/* `{…meta…` without its closing brace, then ours. */
static enum status
json_head(const struct meta *m, const struct cast_header *h, struct buf *out)
{
    enum status st = meta_encode(m, META_PART_ALL, out);
    if (st == STATUS_OK) {
        out->len--; /* the brace */
        st = buf_printf(out, ",\"width\":%u,\"height\":%u,\"events\":[\n",
            (unsigned)h->width, (unsigned)h->height);
    }
    return st;
}

/* The index knows best; a file alone is read for its facts first. */
static enum status
json_meta(const struct export_job *job, struct meta *out, struct error *err)
{
    if (!job->entry->is_indexed) {
        return cast_facts_read(job->path, job->ids, out, err);
    }
    meta_init(out);
    return out_of_memory(meta_copy(&job->entry->meta, out), err);
}

static enum status
export_json(struct export_job *job, struct error *err)
{
    struct cast_reader *r = NULL;
    struct json_writer w = {.separator = ""};
    struct meta m;
    struct buf head;
    enum status st = json_meta(job, &m, err);
    if (st != STATUS_OK) {
        return st;
    }
    buf_init(&head, CAST_LINE_MAX);
    st = cast_reader_open(job->path, job->ids, &r, err);
    if (st == STATUS_OK) {
        st = out_of_memory(json_head(&m, cast_reader_header(r), &head), err);
    }
    if (st == STATUS_OK) {
        st = flush_piece(job, &head, err);
    }
    if (st == STATUS_OK) {
        st = each_event(job, r, json_one, &w, err);
    }
    if (st == STATUS_CLOSED) {
        st = output_write(job->out, SPAN_LIT("\n]}\n"), err);
    }
    cast_reader_close(&r);
    buf_fini(&head);
    meta_fini(&m);
    return st;
}

/* ---- The command ---- */

static const struct format formats[] = {
    {"cast", export_cast, true},
    {"cast3", export_cast3, true},
    {"raw", export_raw, false},
    {"json", export_json, true},
};

static const struct format *
find_format(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (name != NULL && strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

static enum status
check_format(const struct format *f, const char *name, const char *stream,
    const char *seals, enum journal_stream *stream_out, struct error *err)
{
    if (f == NULL) {
        return error_set(err, STATUS_INVALID,
            "%s%.64s: expected --format cast, cast3, raw or json",
            name == NULL ? "no format" : "unknown format ",
            name == NULL ? "" : name);
    }
    const bool is_raw = f->write == export_raw;
    if (stream != NULL && !is_raw) {
        return error_set(
            err, STATUS_INVALID, "--stream goes with --format raw only");
    }
    if (stream != NULL && !exact_stream_parse(span_str(stream), stream_out)) {
        return error_set(err, STATUS_INVALID,
            "--stream \"%.64s\": expected stdout, stderr or stdin", stream);
    }
    if (seals != NULL && f->write != export_cast) {
        return error_set(err, STATUS_INVALID,
            "--seals goes with --format cast only: seals are about its text");
    }
    return STATUS_OK;
}

/* Seals before the text, which may grow meanwhile: more text than seals is a
 * session that was running, the other way round is none. */
static enum status
take_seals(struct export_job *job, const char *seals, struct output **out,
    struct error *err)
{
    if (seals == NULL) {
        return STATUS_OK;
    }
    const enum status st = output_open(seals, out, err);
    return st == STATUS_OK ? seals_copy(job->path, job->ids, *out, err) : st;
}

static enum status
write_all(struct export_job *job, const struct format *f, const char *to,
    const char *seals_to, struct error *err)
{
    struct output *seals = NULL;
    enum status st = take_seals(job, seals_to, &seals, err);
    if (st == STATUS_OK) {
        st = output_open(to, &job->out, err);
    }
    if (st == STATUS_OK) {
        st = end_of_text(f->write(job, err), err);
    }
    if (st == STATUS_OK) {
        st = output_commit(job->out, err);
    }
    if (st == STATUS_OK && seals != NULL) {
        st = output_commit(seals, err);
    }
    output_close(&job->out);
    output_close(&seals);
    if (st == STATUS_OK && job->is_cut) {
        fprintf(stderr, "kubetape: the recording is not finished: this is what "
                        "is there so far\n");
    }
    return st;
}

int
cmd_export(const struct command *self, int argc, char **argv, struct error *err)
{
    struct command_line line = {.arg_count = 0};
    const char *state_flag = NULL;
    const char *format_name = NULL;
    const char *stream_name = NULL;
    const char *identity = NULL;
    const char *seals = NULL;
    const char *to = NULL;
    const struct flag flags[] = {{"format", 'f', FLAG_TEXT, "F",
                                     "cast, cast3, raw or json", &format_name},
        {"stream", 0, FLAG_TEXT, "S",
            "of raw: stdout (default), stderr or stdin", &stream_name},
        {"output", 'o', FLAG_TEXT, "FILE",
            "write this file, whole or not at all; - is standard output", &to},
        {"seals", 0, FLAG_TEXT, "FILE",
            "of cast: write its seals too, for verify; X.cast.seals for X.cast",
            &seals},
        FLAG_IDENTITY(identity), FLAG_STATE(state_flag), FLAG_HELP(line),
        FLAG_LAST};
    int code = EXIT_DONE;
    if (!command_begin(self, flags, argc, argv, &line, &code, err)) {
        return code;
    }
    struct export_job job = {.stream = STREAM_STDOUT};
    const struct format *f = find_format(format_name);
    if (check_format(f, format_name, stream_name, seals, &job.stream, err) !=
        STATUS_OK) {
        return EXIT_USAGE;
    }
    if (to == NULL && !f->is_text && isatty(STDOUT_FILENO)) {
        error_set(err, STATUS_INVALID,
            "raw bytes can change what a terminal does: name a file with -o, "
            "use a pipe, or say -o -");
        return EXIT_USAGE;
    }
    char state[PATH_MAX];
    struct store_entry entry;
    store_entry_init(&entry);
    enum status st = store_folder(state_flag, state, err);
    if (st == STATUS_OK) {
        st = store_find(state, line.args[0], &entry, err);
    }
    if (st == STATUS_OK) {
        st = identity_file_load(identity, &job.ids, err);
    }
    code = st == STATUS_OK ? EXIT_DONE : command_failed(st);
    job.path = entry.path;
    job.entry = &entry;
    if (st == STATUS_OK && write_all(&job, f, to, seals, err) != STATUS_OK) {
        code = EXIT_COULD_NOT;
    }
    age_identities_free(&job.ids);
    store_entry_fini(&entry);
    return code;
}
