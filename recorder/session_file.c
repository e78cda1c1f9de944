/* See session_file.h. */
#include "recorder/session_file.h"

#include "base/file.h"
#include "recorder/compact.h"
#include "recorder/frame_file.h"
#include "recorder/journal_reach.h"
#include "recorder/limits.h"
#include "recorder/recording_leaf.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u
#define NONE      UINT64_MAX

/* Of a file that is finished. */
enum leaf_state {
    LEAF_OWED,
    LEAF_UNSURE, /* or from before a crash: see leaf_search */
    LEAF_THERE,
};

struct session_file {
    const struct session_env *env;
    enum session_state state;
    struct meta meta;
    struct cast_writer writer;
    struct seal_writer begun;    /* where the writer stands behind the header */
    char working[META_FILE_MAX]; /* what is written, see put_away */
    struct frame_file *file;     /* NULL before the header */
    struct compaction *compaction; /* begun and not done */
    bool is_compacted;             /* or it was not worth it, or cannot be */
    struct put_away *put_away;     /* begun and not done */
    bool was_away;                 /* finished and encrypted before a crash */
    enum leaf_state leaf_state;
    struct recording_leaf *leaf; /* being made */
    struct buf text;             /* events that no frame holds yet */
    struct buf status;           /* bytes of the error stream */
    uint64_t unsealed_lsn;       /* first record not in a frame, or NONE */
    uint64_t unsynced_lsn; /* first record in a frame not synced, or NONE */
    uint64_t unsealed_since_ns; /* by our clock */
    uint64_t opened_ns;
    uint64_t first_output_ns;      /* when it came to us; 0: not yet */
    uint64_t first_output_mono_ns; /* when it happened, by its record */
    bool has_data;
    bool is_unindexed;
    bool has_row; /* that a restart would find it by */
};

/* Which states may follow which; STYLE "State machines". */
static const unsigned may_follow[] = {
    [SESSION_WAITING] = 1u << SESSION_RUNNING | 1u << SESSION_REFUSED,
    [SESSION_RUNNING] = 1u << SESSION_ENDING | 1u << SESSION_FINISHED,
    [SESSION_ENDING] = 1u << SESSION_SEALED | 1u << SESSION_FINISHED,
    [SESSION_SEALED] = 1u << SESSION_FINISHED,
    [SESSION_REFUSED] = 1u << SESSION_FINISHED,
    [SESSION_FINISHED] = 0,
};

static void
move(struct session_file *s, enum session_state to)
{
    assert(may_follow[s->state] & (1u << to));
    s->state = to;
    s->is_unindexed = true;
}

/* --- birth and death ----------------------------------------------------- */

static enum status
session_new(
    const struct session_env *env, struct session_file **out, struct error *err)
{
    struct session_file *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a session");
    }
    s->env = env;
    s->unsealed_lsn = NONE;
    s->unsynced_lsn = NONE;
    s->is_unindexed = true;
    meta_init(&s->meta);
    buf_init(&s->text, RECORDER_TEXT_MAX);
    buf_init(&s->status, RECORDER_STATUS_MAX);
    *out = s;
    return STATUS_OK;
}

void
session_file_free(struct session_file **s)
{
    if (*s != NULL) {
        compaction_free(&(*s)->compaction);
        put_away_free(&(*s)->put_away);
        recording_leaf_free(&(*s)->leaf);
        frame_file_free(&(*s)->file);
        meta_fini(&(*s)->meta);
        buf_fini(&(*s)->text);
        buf_fini(&(*s)->status);
        free(*s);
        *s = NULL;
    }
}

enum status
session_file_facts(
    const struct journal_record *open, struct meta *meta_out, struct error *err)
{
    struct meta m;
    meta_init(&m);
    enum status st = meta_decode(open->payload, &m, err);
    if (st == STATUS_OK && uuid_is_nil(&m.id)) {
        st = error_set(err, STATUS_INVALID, "an OPEN record without an id");
    }
    if (st == STATUS_OK) {
        *meta_out = m;
        return STATUS_OK;
    }
    meta_fini(&m);
    return st;
}

/* What the index calls it while it is written there. */
static enum status
name_file(struct session_file *s, struct error *err)
{
    char name[META_FILE_MAX];
    put_away_expected_name(s->working, name);
    const enum status st = meta_set(&s->meta.file, span_str(name));
    return st == STATUS_OK ? st : error_set(err, st, "no memory for a name");
}

enum status
session_file_open(const struct session_env *env, const struct uuid *worker,
    const struct journal_record *open, struct session_file **out,
    struct error *err)
{
    struct session_file *s = NULL;
    enum status st = session_new(env, &s, err);
    if (st != STATUS_OK) {
        return st;
    }
    meta_fini(&s->meta);
    st = session_file_facts(open, &s->meta, err);
    if (st != STATUS_OK) {
        meta_init(&s->meta);
        session_file_free(&s);
        return st;
    }
    char plain[META_FILE_MAX];
    meta_file_name(&s->meta.id, s->meta.start_us, plain);
    put_away_working_name(plain, &env->recipients, s->working);
    s->meta.status = META_ACTIVE;
    st = name_file(s, err);
    if (st != STATUS_OK) {
        session_file_free(&s);
        return st;
    }
    cast_writer_init(&s->writer, worker, open, s->meta.tty);
    s->begun = s->writer.at;
    s->unsealed_lsn = open->lsn;
    s->opened_ns = clock_mono_ns(env->clock);
    s->unsealed_since_ns = s->opened_ns;
    *out = s;
    return STATUS_OK;
}

/* --- frames -------------------------------------------------------------- */

static enum status
cut(struct session_file *s, bool is_final, struct error *err)
{
    const enum status st = frame_file_cut(
        s->file, buf_view(&s->text), &s->writer.at, is_final, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (s->unsealed_lsn < s->unsynced_lsn) {
        s->unsynced_lsn = s->unsealed_lsn;
    }
    s->unsealed_lsn = NONE;
    buf_clear(&s->text);
    return STATUS_OK;
}

static enum status
path_of(const struct session_env *env, const char *file, char out[PATH_MAX],
    struct error *err)
{
    return file_join(out, PATH_MAX, env->state_dir, file, err);
}

/* The file with its first frame, the header line. Events that were taken
 * meanwhile stay in the text and go into the next one. */
static enum status
begin_file(
    struct session_file *s, uint16_t columns, uint16_t rows, struct error *err)
{
    struct seal_writer begun = s->begun;
    begun.width = columns;
    begun.height = rows;
    const struct cast_header header = {
        .width = columns, .height = rows, .meta = s->meta};
    struct buf line;
    buf_init(&line, CAST_LINE_MAX);
    char path[PATH_MAX];
    enum status st = path_of(s->env, s->working, path, err);
    if (st == STATUS_OK) {
        st = cast_header_encode(&header, &line);
    }
    if (st == STATUS_OK && s->file == NULL) {
        st = frame_file_create(s->env->press, path, &s->meta.id, &s->file, err);
    }
    if (st == STATUS_OK) {
        st = frame_file_cut(s->file, buf_view(&line), &begun, false, err);
    }
    buf_fini(&line);
    if (st != STATUS_OK) {
        return st;
    }
    s->writer.at.width = columns;
    s->writer.at.height = rows;
    s->unsynced_lsn = s->begun.session;
    if (s->writer.at.next_lsn == begun.next_lsn) {
        s->unsealed_lsn = NONE; /* nothing behind the OPEN yet */
    }
    move(s, SESSION_RUNNING);
    return STATUS_OK;
}

static enum status
begin_file_without_size(struct session_file *s, struct error *err)
{
    return begin_file(s, RECORDER_DEFAULT_COLUMNS, RECORDER_DEFAULT_ROWS, err);
}

/* Somebody removed or cut the file under us. What it held is gone, and to
 * wait for it would stop every other session: say so, loudly and for good. */
static enum status
give_up(struct session_file *s, const struct error *why)
{
    log_error(s->env->log, "session.file.lost", why);
    s->meta.status = META_FAILED;
    s->meta.sealed = false;
    if (meta_set(&s->meta.reason, span_str(why->text)) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    if (s->meta.end_us == 0) {
        s->meta.end_us = s->meta.start_us + (int64_t)s->writer.at.last_time_us;
    }
    s->unsealed_lsn = NONE;
    s->unsynced_lsn = NONE;
    move(s, SESSION_FINISHED);
    return STATUS_OK;
}

/* What every call that writes ends with: see give_up. */
static enum status
answer(struct session_file *s, enum status st, const struct error *why,
    struct error *err)
{
    const bool has_file = s->state == SESSION_RUNNING ||
                          s->state == SESSION_ENDING ||
                          s->state == SESSION_SEALED;
    if (st == STATUS_CORRUPT && has_file) {
        return give_up(s, why);
    }
    if (st != STATUS_OK && err != NULL) {
        *err = *why;
    }
    return st;
}

/* --- records ------------------------------------------------------------- */

static enum status
take_data(
    struct session_file *s, const struct journal_record *r, struct error *err)
{
    if (s->state == SESSION_WAITING && !s->meta.tty) {
        const enum status st = begin_file_without_size(s, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    const enum status st =
        cast_writer_data(&s->writer, r, s->env->scratch, &s->text);
    if (st != STATUS_OK) {
        return error_set(err, st, "no room for %zu bytes", r->payload.len);
    }
    s->has_data = true;
    if (s->first_output_ns == 0 && r->stream != STREAM_STDIN) {
        s->first_output_ns = clock_mono_ns(s->env->clock);
        s->first_output_mono_ns = r->mono_ns;
    }
    return STATUS_OK;
}

static enum status
take_resize(
    struct session_file *s, const struct journal_record *r, struct error *err)
{
    uint16_t columns;
    uint16_t rows;
    if (!cast_writer_size_of(r, &columns, &rows)) {
        return STATUS_OK;
    }
    if (s->state == SESSION_WAITING) {
        return begin_file(s, columns, rows, err);
    }
    const enum status st = cast_writer_resize(&s->writer, r, &s->text);
    return st == STATUS_OK ? st : error_set(err, st, "no room for a size");
}

/* Bytes of the error stream go into the text at once, as facts: so neither
 * recovery nor an auditor depends on this process for them. */
static enum status
take_status(
    struct session_file *s, const struct journal_record *r, struct error *err)
{
    struct span kept = r->payload;
    if (kept.len > buf_room(&s->status)) {
        kept.len = buf_room(&s->status);
    }
    if (kept.len == 0) {
        return STATUS_OK;
    }
    struct journal_record part = *r;
    part.payload = kept;
    enum status st =
        cast_writer_status(&s->writer, &part, s->env->scratch, &s->text);
    if (st == STATUS_OK) {
        st = buf_append(&s->status, kept);
    }
    return st == STATUS_OK ? st : error_set(err, st, "no room for a status");
}

static void
count_gap(struct meta *m, const struct gap *gap)
{
    m->gap_count++;
    m->gap_bytes += gap_total(gap);
}

static enum status
take_gap(struct session_file *s, const struct journal_record *r,
    const struct gap *gap, struct error *err)
{
    const enum status st = cast_writer_gap(
        &s->writer, r->mono_ns, gap, r->payload, s->env->scratch, &s->text);
    if (st != STATUS_OK) {
        return error_set(err, st, "no room for a gap");
    }
    count_gap(&s->meta, gap);
    s->has_data = true;
    s->is_unindexed = true;
    return STATUS_OK;
}

static enum status
take_note(
    struct session_file *s, const struct journal_record *r, struct error *err)
{
    struct error why;
    struct gap gap;
    enum status st = gap_decode(r->payload, &gap);
    if (st == STATUS_OK) {
        return take_gap(s, r, &gap, err);
    }
    if (st == STATUS_NO_MEMORY) {
        return error_set(err, st, "no memory for a gap");
    }
    st = meta_decode(r->payload, &s->meta, &why);
    if (st == STATUS_NO_MEMORY) {
        return error_set(err, st, "%s", why.text);
    }
    if (st != STATUS_OK) {
        log_error(s->env->log, "session.note.invalid", &why);
        return STATUS_OK; /* no record of ours; the session goes on */
    }
    s->is_unindexed = true;
    st = cast_writer_facts(&s->writer, r->mono_ns, r->payload, &s->text);
    return st == STATUS_OK ? st : error_set(err, st, "no room for a note");
}

/* --- the end ------------------------------------------------------------- */

/* What the error stream says, where the proxy did not say more. */
static enum status
read_exit(struct session_file *s)
{
    if (s->status.len == 0 || s->meta.has_exit) {
        return STATUS_OK;
    }
    struct meta_exit end = {.has_code = false};
    buf_init(&end.message, RECORDER_STATUS_MAX);
    enum status st = meta_exit_parse(buf_view(&s->status), &end);
    if (st == STATUS_OK && end.has_code) {
        s->meta.has_exit = true;
        s->meta.exit_code = end.code;
    }
    if (st == STATUS_OK && !end.has_code && s->meta.reason[0] == '\0') {
        st = meta_set(&s->meta.reason, buf_view(&end.message));
    }
    buf_fini(&end.message);
    return st;
}

static void
complete_facts(struct session_file *s)
{
    for (int i = 0; i < STREAM_COUNT; i++) {
        /* The proxy counts what it did not record, too. */
        if (s->meta.bytes[i] < s->writer.at.bytes[i]) {
            s->meta.bytes[i] = s->writer.at.bytes[i];
        }
    }
    s->meta.sealed = true;
}

static enum status
write_end(struct session_file *s, uint64_t mono_ns)
{
    struct cast_writer *w = &s->writer;
    enum status st = cast_writer_flush(w, mono_ns, s->env->scratch, &s->text);
    if (st == STATUS_OK && s->meta.has_exit) {
        st = cast_writer_exit(w, mono_ns, s->meta.exit_code, &s->text);
    }
    struct buf facts;
    buf_init(&facts, RECORDER_CLOSING_TEXT_MAX);
    if (st == STATUS_OK) {
        st = meta_encode(&s->meta, META_PART_ALL, &facts);
    }
    if (st == STATUS_OK) {
        st = cast_writer_facts(w, mono_ns, buf_view(&facts), &s->text);
    }
    buf_fini(&facts);
    return st;
}

static enum status
end_refused(struct session_file *s, struct error *err)
{
    if (meta_set(&s->meta.file, SPAN_EMPTY) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a name");
    }
    move(s, SESSION_REFUSED);
    return STATUS_OK;
}

/* The closing events, all or none. */
static enum status
end(struct session_file *s, uint64_t mono_ns, struct error *err)
{
    if (s->meta.end_us == 0) {
        const uint64_t us = cast_writer_time_us(&s->writer, mono_ns);
        s->meta.end_us = s->meta.start_us + (int64_t)us;
    }
    if (s->state == SESSION_WAITING && s->meta.status == META_REFUSED &&
        !s->has_data) {
        return end_refused(s, err);
    }
    if (s->state == SESSION_WAITING) {
        const enum status st = begin_file_without_size(s, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    const struct cast_writer before = s->writer;
    const size_t text_len = s->text.len;
    enum status st = read_exit(s);
    if (st == STATUS_OK) {
        complete_facts(s);
        st = write_end(s, mono_ns);
    }
    if (st != STATUS_OK) {
        s->writer = before;
        s->text.len = text_len;
        return error_set(err, st, "no room for the end of a session");
    }
    move(s, SESSION_ENDING);
    return STATUS_OK;
}

/* A session that could not be ended goes on, in the index, too: its last record
 * comes again. */
static enum status
end_or_go_on(struct session_file *s, uint64_t mono_ns, struct error *err)
{
    const enum status st = end(s, mono_ns, err);
    if (st != STATUS_OK) {
        s->meta.status = META_ACTIVE;
        s->meta.end_us = 0;
    }
    return st;
}

static enum status
take_close(
    struct session_file *s, const struct journal_record *r, struct error *err)
{
    struct error why = {.code = STATUS_INVALID,
        .text = "a CLOSE record that leaves the session active"};
    s->meta.status = META_COMPLETE;
    const enum status st = meta_decode(r->payload, &s->meta, &why);
    if (st == STATUS_NO_MEMORY) {
        s->meta.status = META_ACTIVE;
        return error_set(err, st, "%s", why.text);
    }
    if (st != STATUS_OK || s->meta.status == META_ACTIVE) {
        log_error(s->env->log, "session.close.invalid", &why);
        s->meta.status = META_FAILED;
    }
    return end_or_go_on(s, r->mono_ns, err);
}

enum status
session_file_break_off(
    struct session_file *s, const char *reason, struct error *err)
{
    if (s->state != SESSION_WAITING && s->state != SESSION_RUNNING) {
        return STATUS_OK;
    }
    s->meta.status = META_FAILED;
    if (meta_set(&s->meta.reason, span_str(reason)) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a reason");
    }
    if (s->unsealed_lsn == NONE) {
        s->unsealed_lsn = s->writer.at.next_lsn;
    }
    return end_or_go_on(s, s->writer.at.open_mono_ns, err);
}

static enum status
dispatch(
    struct session_file *s, const struct journal_record *r, struct error *err)
{
    switch (r->kind) {
    case JOURNAL_DATA:
        return take_data(s, r, err);
    case JOURNAL_RESIZE:
        return take_resize(s, r, err);
    case JOURNAL_STATUS:
        return take_status(s, r, err);
    case JOURNAL_NOTE:
        return take_note(s, r, err);
    case JOURNAL_CLOSE:
        return take_close(s, r, err);
    case JOURNAL_OPEN:
    case JOURNAL_EVENT:
    case JOURNAL_PAD:
        break;
    }
    return STATUS_OK;
}

/* Whether output has waited for a size long enough, by the records' clock:
 * so a backlog reads as the live session would have. */
static bool
is_size_overdue(const struct session_file *s, uint64_t mono_ns)
{
    return s->state == SESSION_WAITING && s->first_output_ns != 0 &&
           mono_ns - s->first_output_mono_ns >=
               (uint64_t)RECORDER_SIZE_WAIT_MS * NS_PER_MS &&
           mono_ns > s->first_output_mono_ns;
}

static enum status
make_room(struct session_file *s, uint64_t mono_ns, struct error *err)
{
    if (is_size_overdue(s, mono_ns) ||
        (s->state == SESSION_WAITING && s->text.len >= s->env->frame_text)) {
        const enum status st = begin_file_without_size(s, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    return s->text.len >= s->env->frame_text ? cut(s, false, err) : STATUS_OK;
}

enum status
session_file_take(
    struct session_file *s, const struct journal_record *r, struct error *err)
{
    const bool is_over =
        s->state != SESSION_WAITING && s->state != SESSION_RUNNING;
    if (is_over || r->lsn < s->writer.at.next_lsn) {
        return STATUS_OK;
    }
    struct error why = {.code = STATUS_OK};
    enum status st = make_room(s, r->mono_ns, &why);
    if (st == STATUS_OK) {
        st = dispatch(s, r, &why);
    }
    if (st != STATUS_OK) {
        return answer(s, st, &why, err);
    }
    s->writer.at.next_lsn = r->lsn + journal_record_size(r->payload.len);
    if (s->unsealed_lsn == NONE) {
        s->unsealed_lsn = r->lsn;
        s->unsealed_since_ns = clock_mono_ns(s->env->clock);
    }
    return STATUS_OK;
}

/* --- by the clock -------------------------------------------------------- */

static bool
is_header_due(const struct session_file *s, uint64_t now_ns)
{
    if (s->first_output_ns != 0 &&
        now_ns - s->first_output_ns >=
            (uint64_t)RECORDER_SIZE_WAIT_MS * NS_PER_MS) {
        return true;
    }
    return now_ns - s->opened_ns >= (uint64_t)RECORDER_OPEN_WAIT_MS * NS_PER_MS;
}

static enum status
work_running(struct session_file *s, uint64_t now_ns, struct error *err)
{
    if (s->text.len >= s->env->frame_text) {
        return cut(s, false, err);
    }
    if (s->unsealed_lsn == NONE) {
        buf_shrink(&s->text); /* a whole tick without anything: idle */
        return STATUS_OK;
    }
    if (now_ns - s->unsealed_since_ns < s->env->seal_interval_ns) {
        return STATUS_OK;
    }
    return session_file_seal_now(s, err);
}

static bool
may_go_on(const struct session_file *s)
{
    return clock_mono_ns(s->env->clock) <= s->env->ending_until_ns;
}

static enum status
compact_file(struct session_file *s, struct error *err)
{
    const enum compact_effort effort =
        s->env->is_behind ? COMPACT_QUICK : COMPACT_THOROUGH;
    enum status st = STATUS_OK;
    if (s->compaction == NULL) {
        if (!compact_is_worth_it(s->file, effort)) {
            s->is_compacted = true;
            return STATUS_OK;
        }
        st = compaction_new(
            s->env->archive, s->file, effort, &s->compaction, err);
    }
    while (st == STATUS_OK && !s->is_compacted && may_go_on(s)) {
        st = compaction_step(s->compaction, &s->is_compacted, err);
    }
    return st == STATUS_OK && s->is_compacted
               ? compaction_replace(s->compaction, &s->file, err)
               : st;
}

/* A file that cannot be compacted is as good as it was. */
static void
try_compaction(struct session_file *s)
{
    struct error why;
    if (s->leaf_state == LEAF_THERE) {
        s->is_compacted = true; /* the leaf is of the file as it is */
    }
    if (s->is_compacted) {
        return;
    }
    if (compact_file(s, &why) != STATUS_OK) {
        log_error(s->env->log, "session.compact", &why);
        s->is_compacted = true;
    }
    if (s->is_compacted) {
        compaction_free(&s->compaction);
    }
}

/* To where it stays; *done_out: it is there. One that the ledger knows in its
 * plain place stays there; an encrypted one that it does not know may be
 * anybody's, and is made anew. */
static enum status
put_away(struct session_file *s, bool *done_out, struct error *err)
{
    char plain[META_FILE_MAX];
    put_away_plain_name(s->working, plain);
    if (s->leaf_state != LEAF_THERE && s->env->recipients.count > 0) {
        s->was_away = false;
    }
    s->meta.size = frame_file_len(s->file);
    const bool is_needed =
        put_away_is_needed(s->working, plain, &s->env->recipients);
    const bool was_there =
        s->leaf_state == LEAF_THERE && strcmp(s->working, plain) == 0;
    *done_out = !s->was_away && (!is_needed || was_there);
    if (*done_out) {
        return STATUS_OK;
    }
    enum status st = STATUS_OK;
    if (s->put_away == NULL && !s->was_away) {
        st = put_away_hide(
            s->env->state_dir, s->file, &s->env->recipients, s->working, err);
    }
    if (st == STATUS_OK && s->put_away == NULL) {
        st = put_away_begin(s->env->state_dir, s->working, plain,
            &s->env->recipients, s->was_away, &s->put_away, err);
    }
    while (st == STATUS_OK && !*done_out && may_go_on(s)) {
        st = put_away_step(s->put_away, done_out, err);
    }
    if (st == STATUS_OK && *done_out) {
        s->meta.size = put_away_size(s->put_away);
        st = meta_set(&s->meta.file, span_str(put_away_file(s->put_away)));
    }
    if (st != STATUS_OK || *done_out) {
        put_away_free(&s->put_away);
    }
    return st == STATUS_NOT_FOUND ? STATUS_CORRUPT : st; /* it was removed */
}

/* Finished, compacted, then durable; over several calls. */
static enum status
work_ending(struct session_file *s, struct error *err)
{
    enum status st = STATUS_OK;
    if (s->leaf_state == LEAF_UNSURE || !may_go_on(s)) {
        return STATUS_OK;
    }
    if (!frame_file_is_final(s->file)) {
        st = cut(s, true, err);
    }
    if (st == STATUS_OK) {
        st = frame_file_finish(s->file, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    try_compaction(s);
    if (!s->is_compacted) {
        return STATUS_OK;
    }
    st = frame_file_sync(s->file, err);
    bool is_away = false;
    if (st == STATUS_OK) {
        st = put_away(s, &is_away, err);
    }
    if (st == STATUS_OK && is_away) {
        s->unsynced_lsn = NONE;
        buf_shrink(&s->text);
        move(s, SESSION_SEALED);
    }
    return st;
}

static enum status
make_leaf(struct session_file *s, bool *is_done_out, struct error *err)
{
    enum status st = STATUS_OK;
    if (s->leaf == NULL) {
        st = recording_leaf_new(s->env->state_dir, s->meta.file, s->meta.size,
            s->file, &s->leaf, err);
    }
    while (st == STATUS_OK && !*is_done_out && may_go_on(s)) {
        st = recording_leaf_step(s->leaf, is_done_out, err);
    }
    return st;
}

/* Its leaf, over several calls; then only commits are owed. */
static enum status
work_sealed(struct session_file *s, struct error *err)
{
    bool is_done = s->leaf_state == LEAF_THERE;
    enum status st = STATUS_OK;
    if (!is_done && may_go_on(s)) {
        st = make_leaf(s, &is_done, err);
        if (st == STATUS_OK && is_done) {
            st = recording_leaf_add(s->leaf, s->env->ledger, err);
        }
    }
    if (st == STATUS_OK && is_done) {
        recording_leaf_free(&s->leaf);
        move(s, SESSION_FINISHED);
    }
    return st;
}

enum status
session_file_work(struct session_file *s, struct error *err)
{
    const uint64_t now_ns = clock_mono_ns(s->env->clock);
    struct error why = {.code = STATUS_OK};
    enum status st = STATUS_OK;
    switch (s->state) {
    case SESSION_WAITING:
        if (is_header_due(s, now_ns)) {
            st = begin_file_without_size(s, &why);
        }
        break;
    case SESSION_RUNNING:
        st = work_running(s, now_ns, &why);
        break;
    case SESSION_ENDING:
        st = work_ending(s, &why);
        if (st == STATUS_OK && s->state == SESSION_SEALED) {
            st = work_sealed(s, &why);
        }
        break;
    case SESSION_SEALED:
        st = work_sealed(s, &why);
        break;
    case SESSION_REFUSED:
    case SESSION_FINISHED:
        break;
    }
    return answer(s, st, &why, err);
}

enum status
session_file_seal_now(struct session_file *s, struct error *err)
{
    if (s->state != SESSION_RUNNING || s->unsealed_lsn == NONE) {
        return STATUS_OK;
    }
    struct error why = {.code = STATUS_OK};
    const enum status st = cut(s, false, &why);
    return answer(s, st, &why, err);
}

enum status
session_file_sync(struct session_file *s, struct error *err)
{
    if (s->file == NULL || s->unsynced_lsn == NONE) {
        return STATUS_OK;
    }
    struct error why = {.code = STATUS_OK};
    const enum status st = frame_file_sync(s->file, &why);
    if (st == STATUS_OK) {
        s->unsynced_lsn = NONE;
    }
    return answer(s, st, &why, err);
}

/* --- going on after a crash ---------------------------------------------- */

struct replay {
    struct session_file *session;
    struct buf scratch;
    bool has_header;
};

/* Event lines say their code behind "[seconds, ": a `k` is looked for there,
 * so that output is not decoded. */
static bool
may_be_facts(struct span line)
{
    const size_t start = line.len < 40 ? line.len : 40;
    return memmem(line.ptr, start, "\"k\"", 3) != NULL;
}

static enum status
replay_header(struct replay *p, struct span line, struct error *err)
{
    struct cast_header header;
    const enum status st = cast_header_decode(line, &header, err);
    if (st == STATUS_OK) {
        meta_fini(&p->session->meta);
        p->session->meta = header.meta; /* moved */
        p->has_header = true;
    }
    return st;
}

static enum status
replay_line(struct replay *p, struct span line, struct error *err)
{
    if (!p->has_header) {
        return replay_header(p, line, err);
    }
    if (!may_be_facts(line)) {
        return STATUS_OK;
    }
    struct cast_event event;
    enum status st = cast_event_decode(line, &p->scratch, &event, err);
    if (st != STATUS_OK || event.code != CAST_FACTS) {
        return st;
    }
    struct gap gap;
    st = gap_decode(event.data, &gap);
    if (st == STATUS_OK) {
        count_gap(&p->session->meta, &gap);
    }
    if (st != STATUS_NOT_FOUND) {
        return st;
    }
    st = meta_decode(event.data, &p->session->meta, err);
    if (st == STATUS_OK) {
        st = cast_writer_status_of(event.data, &p->session->status);
    }
    return st;
}

static enum status
replay_text(void *ctx, struct span text, struct error *err)
{
    struct replay *p = ctx;
    struct span line;
    while (span_take_until(&text, '\n', &line)) {
        const enum status st = replay_line(p, line, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    return STATUS_OK;
}

/* What the journal still has is not lost with a frame. A file without one good
 * seal says nothing of its journal: it stays until an OPEN record comes. */
static bool
is_in_journal(void *ctx, const struct seal *last)
{
    const struct replay *p = ctx;
    char dir[PATH_MAX];
    if (last == NULL) {
        return true;
    }
    return path_of(p->session->env, "journal", dir, NULL) == STATUS_OK &&
           journal_reaches(dir, &last->writer.worker, last->writer.next_lsn);
}

static enum status
resume_file(struct session_file *s, const char *file, struct error *err)
{
    char path[PATH_MAX];
    char plain[META_FILE_MAX];
    bool ignored = false;
    put_away_plain_name(file, plain);
    enum status st =
        put_away_find(s->env->state_dir, plain, s->working, &ignored, err);
    if (st == STATUS_OK) {
        st = path_of(s->env, s->working, path, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    compact_forget(path);
    struct replay p = {.session = s};
    buf_init(&p.scratch, CAST_LINE_MAX);
    struct seal last;
    st = frame_file_resume(s->env->press, path, replay_text, is_in_journal, &p,
        &s->file, &last, err);
    buf_fini(&p.scratch);
    if (st != STATUS_OK) {
        return st;
    }
    s->writer = (struct cast_writer){.at = last.writer, .is_tty = s->meta.tty};
    s->begun = last.writer;
    s->unsynced_lsn = last.writer.session; /* a sync of each takes too long */
    return STATUS_OK;
}

/* Finished before the crash. If it was encrypted, too, that file is the one to
 * stay, and what it was made from stays as it is until it is removed. */
static enum status
resume_ending(struct session_file *s, struct error *err)
{
    char plain[META_FILE_MAX];
    put_away_plain_name(s->working, plain);
    const enum status st =
        put_away_is_encrypted(s->env->state_dir, plain, &s->was_away, err);
    s->is_compacted = s->was_away;
    move(s, SESSION_ENDING);
    return st;
}

enum status
session_file_resume(const struct session_env *env, const char *file,
    struct session_file **out, struct error *err)
{
    struct session_file *s = NULL;
    enum status st = session_new(env, &s, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = resume_file(s, file, err);
    if (st == STATUS_OK) {
        st = name_file(s, err);
    }
    s->opened_ns = clock_mono_ns(env->clock);
    s->state = SESSION_RUNNING;
    s->has_data = true;
    if (st == STATUS_OK && frame_file_is_final(s->file)) {
        s->leaf_state = LEAF_UNSURE;
        st = resume_ending(s, err);
    } else if (st == STATUS_OK) {
        s->meta.status = META_ACTIVE;
    }
    if (st == STATUS_OK) {
        *out = s;
        s = NULL;
    }
    session_file_free(&s);
    return st;
}

/* --- facts --------------------------------------------------------------- */

enum session_state
session_file_state(const struct session_file *s)
{
    return s->state;
}

const struct meta *
session_file_meta(const struct session_file *s)
{
    return &s->meta;
}

struct uuid
session_file_worker(const struct session_file *s)
{
    return s->writer.at.worker;
}

uint64_t
session_file_key(const struct session_file *s)
{
    return s->writer.at.session;
}

uint64_t
session_file_needs(const struct session_file *s)
{
    if (!s->has_row) {
        return s->writer.at.session; /* its OPEN is all that tells of it */
    }
    return s->unsealed_lsn < s->unsynced_lsn ? s->unsealed_lsn
                                             : s->unsynced_lsn;
}

void
session_file_clear_away(const struct session_file *s)
{
    struct error why;
    if (s->meta.file[0] != '\0' && strcmp(s->meta.file, s->working) != 0 &&
        put_away_rest(s->env->state_dir, s->working, &s->env->recipients,
            &why) != STATUS_OK) {
        log_error(s->env->log, "session.clear", &why);
    }
}

void
session_file_set_noted(struct session_file *s)
{
    move(s, SESSION_FINISHED);
}

bool
session_file_is_unindexed(const struct session_file *s)
{
    return s->is_unindexed && s->state != SESSION_ENDING &&
           s->state != SESSION_SEALED && s->state != SESSION_REFUSED;
}

bool
session_file_wants_leaf_search(const struct session_file *s)
{
    return s->leaf_state == LEAF_UNSURE;
}

void
session_file_set_leaf(struct session_file *s, bool is_in_ledger)
{
    s->leaf_state = is_in_ledger ? LEAF_THERE : LEAF_OWED;
}

void
session_file_set_indexed(struct session_file *s)
{
    s->is_unindexed = false;
    s->has_row = true;
}
