/* A worker's journal as the proxy would write it, for tests of its reader:
 * segment by segment, a record at a time, by schema/journal alone. */
#ifndef SUPPORT_JOURNAL_MAKER_H
#define SUPPORT_JOURNAL_MAKER_H

#include "schema/journal.h"

struct journal_maker {
    char dir[512]; /* <state>/journal/w0-<uuid> */
    struct uuid worker;
    uint64_t lsn;     /* of the next record */
    uint64_t mono_ns; /* of the next record; the test moves it */
    int segment_fd;
    int lock_fd; /* -1: the worker is dead */
    uint32_t salt;
};

/* Makes the folder, takes the lock, begins segment 0. Aborts on failure, as
 * everything here does. */
void journal_maker_open(struct journal_maker *m, const char *state_dir);
/* Lets go of the lock, as the end of a process would. The files stay. */
void journal_maker_close(struct journal_maker *m);

/* Appends a record and returns its LSN; begins a new segment when needed. */
uint64_t journal_maker_put(struct journal_maker *m, enum journal_kind kind,
    uint64_t session, enum journal_stream stream, struct span payload);
/* An OPEN record; the facts are JSON without braces, "" for none, e.g.
 * "\"tty\":true". Returns the session's key. */
uint64_t journal_maker_open_session(struct journal_maker *m,
    const struct uuid *id, int64_t start_us, const char *facts);
void journal_maker_data(struct journal_maker *m, uint64_t session,
    enum journal_stream stream, const char *text);
void journal_maker_size(
    struct journal_maker *m, uint64_t session, unsigned columns, unsigned rows);
/* The first `len` bytes of a DATA record: what a crash leaves. */
void journal_maker_torn(struct journal_maker *m, uint64_t session, size_t len);
void journal_maker_note(struct journal_maker *m, enum journal_kind kind,
    uint64_t session, const char *json);

/* What the recorder published, all zero when nothing. */
struct journal_position journal_maker_position(const struct journal_maker *m);

#endif
