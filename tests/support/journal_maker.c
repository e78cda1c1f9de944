/* See journal_maker.h. */
#include "tests/support/journal_maker.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
must(bool is_done)
{
    if (!is_done) {
        abort();
    }
}

static void
begin_segment(struct journal_maker *m, uint64_t number)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    char path[1024];
    uint8_t head[JOURNAL_SEGMENT_HEAD_LEN];
    random_bytes(&m->salt, sizeof m->salt);
    const struct journal_segment segment = {.worker = m->worker,
        .number = number,
        .wall_us = 1,
        .mono_ns = m->mono_ns,
        .salt = m->salt};
    journal_segment_name(number, name);
    must(file_join(path, sizeof path, m->dir, name, NULL) == STATUS_OK);
    m->segment_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(m->segment_fd >= 0);
    must(ftruncate(m->segment_fd, JOURNAL_SEGMENT_BYTES) == 0);
    journal_segment_encode(&segment, head);
    must(file_pwrite_all(m->segment_fd, span_of(head, sizeof head), 0, NULL) ==
         STATUS_OK);
    m->lsn = number * JOURNAL_SEGMENT_BYTES + JOURNAL_SEGMENT_HEAD_LEN;
}

void
journal_maker_open(struct journal_maker *m, const char *state_dir)
{
    char id[UUID_TEXT_LEN + 1];
    char path[1024];
    *m = (struct journal_maker){.mono_ns = 1000000000};
    m->worker = uuid_v7(clock_wall_us(&clock_system));
    uuid_format(&m->worker, id);
    const int n =
        snprintf(m->dir, sizeof m->dir, "%s/journal/w0-%s", state_dir, id);
    must(n > 0 && (size_t)n < sizeof m->dir);
    must(file_make_dirs(m->dir, 0700, NULL) == STATUS_OK);
    must(file_join(path, sizeof path, m->dir, JOURNAL_LOCK_NAME, NULL) ==
         STATUS_OK);
    must(file_lock(path, &m->lock_fd, NULL) == STATUS_OK);
    begin_segment(m, 0);
}

void
journal_maker_close(struct journal_maker *m)
{
    close(m->segment_fd);
    m->segment_fd = -1;
    if (m->lock_fd >= 0) {
        close(m->lock_fd);
        m->lock_fd = -1;
    }
}

static void
put_bytes(struct journal_maker *m, const struct journal_record *r)
{
    static const uint8_t zeros[8];
    uint8_t head[JOURNAL_RECORD_HEAD_LEN];
    const off_t at = (off_t)(m->lsn % JOURNAL_SEGMENT_BYTES);
    journal_record_encode(r, m->salt, head);
    must(file_pwrite_all(m->segment_fd, span_of(head, sizeof head), at, NULL) ==
         STATUS_OK);
    must(file_pwrite_all(m->segment_fd, r->payload, at + (off_t)sizeof head,
             NULL) == STATUS_OK);
    must(file_pwrite_all(m->segment_fd,
             span_of(zeros, journal_record_padding(r->payload.len)),
             at + (off_t)(sizeof head + r->payload.len), NULL) == STATUS_OK);
    m->lsn += journal_record_size(r->payload.len);
}

static void
make_room(struct journal_maker *m, size_t payload_len)
{
    const uint64_t room =
        JOURNAL_SEGMENT_BYTES - m->lsn % JOURNAL_SEGMENT_BYTES;
    const uint64_t number = m->lsn / JOURNAL_SEGMENT_BYTES;
    if (m->lsn % JOURNAL_SEGMENT_BYTES != 0 &&
        room >= journal_record_size(payload_len)) {
        return;
    }
    if (m->lsn % JOURNAL_SEGMENT_BYTES != 0 &&
        room >= JOURNAL_RECORD_HEAD_LEN) {
        const struct journal_record pad = {.lsn = m->lsn,
            .mono_ns = m->mono_ns,
            .kind = JOURNAL_PAD,
            .payload = SPAN_EMPTY};
        put_bytes(m, &pad);
    }
    close(m->segment_fd);
    /* A record, or that PAD, may have ended where the segment does. */
    begin_segment(m, m->lsn % JOURNAL_SEGMENT_BYTES == 0
                         ? m->lsn / JOURNAL_SEGMENT_BYTES
                         : number + 1);
}

uint64_t
journal_maker_put(struct journal_maker *m, enum journal_kind kind,
    uint64_t session, enum journal_stream stream, struct span payload)
{
    make_room(m, payload.len);
    const uint64_t lsn = m->lsn;
    const struct journal_record r = {
        .lsn = lsn,
        .session = kind == JOURNAL_OPEN ? lsn : session,
        .mono_ns = m->mono_ns,
        .kind = kind,
        .stream = stream,
        .payload = payload,
    };
    put_bytes(m, &r);
    return lsn;
}

uint64_t
journal_maker_open_session(struct journal_maker *m, const struct uuid *id,
    int64_t start_us, const char *facts)
{
    char text[UUID_TEXT_LEN + 1];
    char start[CLOCK_TEXT_MAX];
    char json[2048];
    uuid_format(id, text);
    clock_format(start_us, start);
    const int n = snprintf(json, sizeof json,
        "{\"id\":\"%s\",\"start\":\"%s\",\"type\":\"exec\",\"user\":\"alice\","
        "\"pod\":\"web\",\"command\":[\"sh\",\"-c\",\"id\"]%s%s}",
        text, start, facts[0] == '\0' ? "" : ",", facts);
    must(n > 0 && (size_t)n < sizeof json);
    return journal_maker_put(m, JOURNAL_OPEN, 0, STREAM_STDIN, span_str(json));
}

void
journal_maker_data(struct journal_maker *m, uint64_t session,
    enum journal_stream stream, const char *text)
{
    journal_maker_put(m, JOURNAL_DATA, session, stream, span_str(text));
}

void
journal_maker_size(
    struct journal_maker *m, uint64_t session, unsigned columns, unsigned rows)
{
    const uint8_t size[4] = {(uint8_t)(columns >> 8), (uint8_t)columns,
        (uint8_t)(rows >> 8), (uint8_t)rows};
    journal_maker_put(
        m, JOURNAL_RESIZE, session, STREAM_STDIN, span_of(size, sizeof size));
}

void
journal_maker_torn(struct journal_maker *m, uint64_t session, size_t len)
{
    uint8_t head[JOURNAL_RECORD_HEAD_LEN];
    const struct journal_record r = {.lsn = m->lsn,
        .session = session,
        .mono_ns = m->mono_ns,
        .kind = JOURNAL_DATA,
        .stream = STREAM_STDOUT,
        .payload = SPAN_LIT("never whole")};
    must(len <= sizeof head);
    journal_record_encode(&r, m->salt, head);
    must(file_pwrite_all(m->segment_fd, span_of(head, len),
             (off_t)(m->lsn % JOURNAL_SEGMENT_BYTES), NULL) == STATUS_OK);
}

void
journal_maker_note(struct journal_maker *m, enum journal_kind kind,
    uint64_t session, const char *json)
{
    journal_maker_put(m, kind, session, STREAM_STDIN, span_str(json));
}

struct journal_position
journal_maker_position(const struct journal_maker *m)
{
    char path[1024];
    struct journal_position p = {0, 0, 0};
    struct buf bytes;
    buf_init(&bytes, JOURNAL_POSITION_LEN);
    must(file_join(path, sizeof path, m->dir, JOURNAL_POSITION_NAME, NULL) ==
         STATUS_OK);
    if (file_read(path, &bytes, NULL) == STATUS_OK) {
        (void)!journal_position_decode(buf_view(&bytes), &p, NULL);
    }
    buf_fini(&bytes);
    return p;
}
