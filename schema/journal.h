/* Journal records: what the proxy knows, in the order it happened.
 *
 * JOURNAL.md is the format of record. Owns the bytes of a segment's head, of
 * a record and of the position file; refuses to know files, descriptors and
 * time. All integers are big-endian.
 *
 * A worker's journal is one unbroken address space. A log sequence number
 * (LSN) is an address in it: segment_number * JOURNAL_SEGMENT_BYTES + offset
 * within the segment file. Since every record carries its own LSN, and its
 * check starts from a salt drawn when its segment is begun, stale bytes of a
 * recycled segment can never be taken for a record: not by chance, and not by
 * a session whose output imitates records, for those bytes were written
 * before the salt was known.
 *
 * A session's key in the journal is the LSN of its OPEN record.
 */
#ifndef SCHEMA_JOURNAL_H
#define SCHEMA_JOURNAL_H

#include "base/span.h"
#include "base/status.h"
#include "base/uuid.h"

#define JOURNAL_SEGMENT_BYTES    (64u << 20)
#define JOURNAL_SEGMENT_HEAD_LEN 128u
#define JOURNAL_RECORD_HEAD_LEN  40u
#define JOURNAL_PAYLOAD_MAX      (1u << 20)
#define JOURNAL_POSITION_LEN     64u

enum journal_kind {
    JOURNAL_OPEN = 1,   /* payload: meta JSON (META_PART_OPEN) */
    JOURNAL_DATA = 2,   /* stream STDIN/STDOUT/STDERR; payload: the bytes */
    JOURNAL_RESIZE = 3, /* payload: u16 columns, u16 rows */
    JOURNAL_STATUS = 4, /* payload: bytes of the error stream, in order; it
                         * may come in several records */
    JOURNAL_NOTE = 5,   /* payload: JSON object of facts, names as in meta;
                         * later ones win */
    JOURNAL_CLOSE = 6,  /* payload: meta JSON (META_PART_CLOSE); nothing of
                         * the session follows */
    JOURNAL_EVENT = 7,  /* a request event, payload: JSON; session key 0 */
    JOURNAL_PAD = 8,    /* the rest of this segment is unused */
};

enum journal_stream {
    STREAM_STDIN = 0, /* remotecommand's channel numbers */
    STREAM_STDOUT = 1,
    STREAM_STDERR = 2,
};
#define STREAM_COUNT 3

struct journal_segment {
    struct uuid worker; /* this run of this worker */
    uint64_t number;    /* from 0 */
    int64_t wall_us;    /* when the segment was begun; and the same moment */
    uint64_t mono_ns;   /* on the clock that the records carry */
    uint32_t salt;      /* random, anew for every segment, recycled or not */
};

void journal_segment_encode(
    const struct journal_segment *s, uint8_t out[JOURNAL_SEGMENT_HEAD_LEN]);
/* STATUS_CORRUPT (check), STATUS_INVALID (magic), STATUS_UNSUPPORTED
 * (version or another segment size). */
enum status journal_segment_decode(struct span bytes,
    struct journal_segment *out, struct error *err) MUST_CHECK;

struct journal_record {
    uint64_t lsn;
    uint64_t session; /* LSN of its OPEN; for OPEN equal to lsn */
    uint64_t mono_ns;
    enum journal_kind kind;
    enum journal_stream stream; /* JOURNAL_DATA only, else STREAM_STDIN */
    struct span payload;
};

/* Head + payload + padding to 8 bytes. */
size_t journal_record_size(size_t payload_len);
/* Bytes of padding after a payload, 0-7; they are zero. */
size_t journal_record_padding(size_t payload_len);
/* The payload follows the head; its CRC is in the head. `salt` is that of the
 * segment which the record goes to. */
void journal_record_encode(const struct journal_record *r, uint32_t salt,
    uint8_t head_out[JOURNAL_RECORD_HEAD_LEN]);

enum journal_read {
    JOURNAL_READ_RECORD, /* *out written, *size_out bytes used; after a PAD
                          * reading goes on in the next segment */
    JOURNAL_READ_END,    /* nothing was written here: zeros, a stale record of
                          * a recycled segment, or no room for a head */
    JOURNAL_READ_TORN,   /* a record was begun here and is not whole: not yet
                          * written (live writer) or cut by a crash (dead) */
};
/* `bytes` runs from `lsn` to the end of what is in hand of this segment, whose
 * salt is `salt`; payload views it. */
enum journal_read journal_record_decode(struct span bytes, uint64_t lsn,
    uint32_t salt, struct journal_record *out, size_t *size_out) MUST_CHECK;

/* What the recorder publishes in <worker folder>/position, in one write. */
struct journal_position {
    uint64_t read_lsn;     /* all before it was read */
    uint64_t released_lsn; /* no record before it is needed any more */
    int64_t wall_us;       /* heartbeat */
};
void journal_position_encode(
    const struct journal_position *p, uint8_t out[JOURNAL_POSITION_LEN]);
enum status journal_position_decode(struct span bytes,
    struct journal_position *out, struct error *err) MUST_CHECK;

/* File names within <state>/journal/<worker>/, where <worker> is
 * "w<index>-<uuid>", one folder a run of a worker process. The worker holds a
 * lock (file_lock) on "lock" as long as it lives. Segments are
 * "<16 hex digits of number>.seg"; "position" is the recorder's. */
#define JOURNAL_LOCK_NAME        "lock"
#define JOURNAL_POSITION_NAME    "position"
#define JOURNAL_SEGMENT_NAME_MAX 32
void journal_segment_name(uint64_t number, char out[JOURNAL_SEGMENT_NAME_MAX]);
bool journal_segment_name_parse(const char *name, uint64_t *number_out);

#endif
