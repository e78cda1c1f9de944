/* Journal records: see journal.h for the contract and JOURNAL.md for the
 * layouts, which are fixed here by the offsets below.
 *
 * The trap that shaped decoding: what stands behind the last record is not
 * always zeros. A recycled segment keeps its old bytes, and those are the
 * bytes of sessions, so they may look like anything, records included. The
 * LSN tells an old record from a new one; the salted check tells a record
 * from an imitation.
 */
#include "schema/journal.h"

#include "base/crc32c.h"
#include "schema/be.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define JOURNAL_VERSION 1u
#define MAGIC_LEN       16u
#define CRC_LEN         4u

static const char segment_magic[] = "kubetape-journal";
static const char position_magic[] = "kubetape-reading";
static_assert(sizeof segment_magic - 1 == MAGIC_LEN, "magic is 16 bytes");
static_assert(sizeof position_magic - 1 == MAGIC_LEN, "magic is 16 bytes");

/* Where the fields of a segment's head stand. */
enum {
    SEGMENT_VERSION = 16,
    SEGMENT_SIZE = 20,
    SEGMENT_WORKER = 24,
    SEGMENT_NUMBER = 40,
    SEGMENT_WALL = 48,
    SEGMENT_MONO = 56,
    SEGMENT_SALT = 64,
    SEGMENT_CRC = 124,
};

/* Of the position file. */
enum {
    POSITION_VERSION = 16,
    POSITION_READ = 24,
    POSITION_RELEASED = 32,
    POSITION_WALL = 40,
    POSITION_CRC = 60,
};

/* Of a record's head; the check covers all behind it, payload included. */
enum {
    RECORD_LENGTH = 0,
    RECORD_CRC = 4,
    RECORD_LSN = 8,
    RECORD_SESSION = 16,
    RECORD_MONO = 24,
    RECORD_KIND = 32,
    RECORD_STREAM = 33,
    RECORD_ZERO = 34,
};

static bool
is_zero(const uint8_t *at, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) {
        any |= at[i];
    }
    return any == 0;
}

/* Segment head and position file share a frame: magic and version in front,
 * a CRC-32C of everything before it in the last four bytes. */
static void
frame_begin(uint8_t *out, size_t len, const char *magic)
{
    memset(out, 0, len);
    memcpy(out, magic, MAGIC_LEN);
    be_store_u32(out + MAGIC_LEN, JOURNAL_VERSION);
}

static void
frame_end(uint8_t *out, size_t len)
{
    const struct span checked = span_of(out, len - CRC_LEN);
    be_store_u32(out + len - CRC_LEN, crc32c(0, checked));
}

static enum status
frame_check(struct span bytes, size_t len, const char *magic, const char *what,
    struct error *err)
{
    if (bytes.len < len) {
        return error_set(err, STATUS_INVALID,
            "a %s has %zu bytes, %zu are needed", what, bytes.len, len);
    }
    if (memcmp(bytes.ptr, magic, MAGIC_LEN) != 0) {
        return error_set(err, STATUS_INVALID, "no %s starts here", what);
    }
    const uint32_t want = be_load_u32(bytes.ptr + len - CRC_LEN);
    const uint32_t have = crc32c(0, span_of(bytes.ptr, len - CRC_LEN));
    if (want != have) {
        return error_set(err, STATUS_CORRUPT,
            "the check of a %s is %08" PRIx32 ", its bytes give %08" PRIx32,
            what, want, have);
    }
    const uint32_t version = be_load_u32(bytes.ptr + MAGIC_LEN);
    if (version != JOURNAL_VERSION) {
        return error_set(err, STATUS_UNSUPPORTED,
            "a %s has version %" PRIu32 ", this build reads %u", what, version,
            JOURNAL_VERSION);
    }
    return STATUS_OK;
}

void
journal_segment_encode(
    const struct journal_segment *s, uint8_t out[JOURNAL_SEGMENT_HEAD_LEN])
{
    static_assert(SEGMENT_CRC + CRC_LEN == JOURNAL_SEGMENT_HEAD_LEN, "layout");
    frame_begin(out, JOURNAL_SEGMENT_HEAD_LEN, segment_magic);
    be_store_u32(out + SEGMENT_SIZE, JOURNAL_SEGMENT_BYTES);
    memcpy(out + SEGMENT_WORKER, s->worker.bytes, sizeof s->worker.bytes);
    be_store_u64(out + SEGMENT_NUMBER, s->number);
    be_store_u64(out + SEGMENT_WALL, (uint64_t)s->wall_us);
    be_store_u64(out + SEGMENT_MONO, s->mono_ns);
    be_store_u32(out + SEGMENT_SALT, s->salt);
    frame_end(out, JOURNAL_SEGMENT_HEAD_LEN);
}

enum status
journal_segment_decode(
    struct span bytes, struct journal_segment *out, struct error *err)
{
    const enum status st = frame_check(
        bytes, JOURNAL_SEGMENT_HEAD_LEN, segment_magic, "journal segment", err);
    if (st != STATUS_OK) {
        return st;
    }
    const uint8_t *at = bytes.ptr;
    const uint32_t size = be_load_u32(at + SEGMENT_SIZE);
    if (size != JOURNAL_SEGMENT_BYTES) {
        return error_set(err, STATUS_UNSUPPORTED,
            "a journal segment has %" PRIu32 " bytes, this build reads %u",
            size, JOURNAL_SEGMENT_BYTES);
    }
    struct journal_segment s = {
        .number = be_load_u64(at + SEGMENT_NUMBER),
        .wall_us = (int64_t)be_load_u64(at + SEGMENT_WALL),
        .mono_ns = be_load_u64(at + SEGMENT_MONO),
        .salt = be_load_u32(at + SEGMENT_SALT),
    };
    memcpy(s.worker.bytes, at + SEGMENT_WORKER, sizeof s.worker.bytes);
    *out = s;
    return STATUS_OK;
}

size_t
journal_record_padding(size_t payload_len)
{
    return (8 - payload_len % 8) % 8;
}

size_t
journal_record_size(size_t payload_len)
{
    return JOURNAL_RECORD_HEAD_LEN + payload_len +
           journal_record_padding(payload_len);
}

/* Head behind the CRC, then the payload where it lies: no copy. */
static uint32_t
record_crc(const uint8_t *head, struct span payload, uint32_t salt)
{
    const struct span checked =
        span_of(head + RECORD_LSN, JOURNAL_RECORD_HEAD_LEN - RECORD_LSN);
    return crc32c(crc32c(salt, checked), payload);
}

void
journal_record_encode(const struct journal_record *r, uint32_t salt,
    uint8_t head_out[JOURNAL_RECORD_HEAD_LEN])
{
    assert(r->payload.len <= JOURNAL_PAYLOAD_MAX);
    be_store_u32(head_out + RECORD_LENGTH, (uint32_t)r->payload.len);
    be_store_u64(head_out + RECORD_LSN, r->lsn);
    be_store_u64(head_out + RECORD_SESSION, r->session);
    be_store_u64(head_out + RECORD_MONO, r->mono_ns);
    head_out[RECORD_KIND] = (uint8_t)r->kind;
    head_out[RECORD_STREAM] = (uint8_t)r->stream;
    memset(head_out + RECORD_ZERO, 0, JOURNAL_RECORD_HEAD_LEN - RECORD_ZERO);
    be_store_u32(head_out + RECORD_CRC, record_crc(head_out, r->payload, salt));
}

/* Whether a record was begun at `lsn`: its own LSN stands there. Of a head
 * that is in hand only in part, any byte counts. */
static bool
was_begun(struct span bytes, uint64_t lsn)
{
    if (bytes.len < RECORD_SESSION) {
        return !is_zero(bytes.ptr, bytes.len);
    }
    return be_load_u64(bytes.ptr + RECORD_LSN) == lsn;
}

/* Whether the head says what a head of this version may say. A record that
 * passes its check and fails here was written by something else. */
static bool
is_sound(const uint8_t *head, uint64_t lsn)
{
    const uint8_t kind = head[RECORD_KIND];
    const uint8_t stream = head[RECORD_STREAM];
    const uint64_t session = be_load_u64(head + RECORD_SESSION);
    if (kind < JOURNAL_OPEN || kind > JOURNAL_PAD) {
        return false;
    }
    if (stream >= (kind == JOURNAL_DATA ? STREAM_COUNT : 1)) {
        return false;
    }
    if (session > lsn || (kind == JOURNAL_OPEN && session != lsn)) {
        return false;
    }
    return is_zero(head + RECORD_ZERO, JOURNAL_RECORD_HEAD_LEN - RECORD_ZERO);
}

enum journal_read
journal_record_decode(struct span bytes, uint64_t lsn, uint32_t salt,
    struct journal_record *out, size_t *size_out)
{
    const size_t room =
        JOURNAL_SEGMENT_BYTES - (size_t)(lsn % JOURNAL_SEGMENT_BYTES);
    if (room < JOURNAL_RECORD_HEAD_LEN || !was_begun(bytes, lsn)) {
        return JOURNAL_READ_END;
    }
    if (bytes.len < JOURNAL_RECORD_HEAD_LEN) {
        return JOURNAL_READ_TORN;
    }
    const uint8_t *head = bytes.ptr;
    const size_t len = be_load_u32(head + RECORD_LENGTH);
    if (len > JOURNAL_PAYLOAD_MAX) {
        return JOURNAL_READ_TORN;
    }
    const size_t size = journal_record_size(len);
    if (size > room || size > bytes.len) {
        return JOURNAL_READ_TORN;
    }
    const struct span payload = span_of(head + JOURNAL_RECORD_HEAD_LEN, len);
    if (be_load_u32(head + RECORD_CRC) != record_crc(head, payload, salt) ||
        !is_sound(head, lsn)) {
        return JOURNAL_READ_TORN;
    }
    *out = (struct journal_record){
        .lsn = lsn,
        .session = be_load_u64(head + RECORD_SESSION),
        .mono_ns = be_load_u64(head + RECORD_MONO),
        .kind = (enum journal_kind)head[RECORD_KIND],
        .stream = (enum journal_stream)head[RECORD_STREAM],
        .payload = payload,
    };
    *size_out = size;
    return JOURNAL_READ_RECORD;
}

void
journal_position_encode(
    const struct journal_position *p, uint8_t out[JOURNAL_POSITION_LEN])
{
    static_assert(POSITION_CRC + CRC_LEN == JOURNAL_POSITION_LEN, "layout");
    frame_begin(out, JOURNAL_POSITION_LEN, position_magic);
    be_store_u64(out + POSITION_READ, p->read_lsn);
    be_store_u64(out + POSITION_RELEASED, p->released_lsn);
    be_store_u64(out + POSITION_WALL, (uint64_t)p->wall_us);
    frame_end(out, JOURNAL_POSITION_LEN);
}

enum status
journal_position_decode(
    struct span bytes, struct journal_position *out, struct error *err)
{
    const enum status st = frame_check(
        bytes, JOURNAL_POSITION_LEN, position_magic, "journal position", err);
    if (st != STATUS_OK) {
        return st;
    }
    const struct journal_position p = {
        .read_lsn = be_load_u64(bytes.ptr + POSITION_READ),
        .released_lsn = be_load_u64(bytes.ptr + POSITION_RELEASED),
        .wall_us = (int64_t)be_load_u64(bytes.ptr + POSITION_WALL),
    };
    /* What was not read cannot have become unneeded: a writer that believed
     * this would recycle unread segments. */
    if (p.released_lsn > p.read_lsn) {
        return error_set(err, STATUS_INVALID,
            "a journal position releases %" PRIu64 " and has read %" PRIu64,
            p.released_lsn, p.read_lsn);
    }
    *out = p;
    return STATUS_OK;
}

#define NAME_DIGITS 16u
static const char name_suffix[] = ".seg";

void
journal_segment_name(uint64_t number, char out[JOURNAL_SEGMENT_NAME_MAX])
{
    snprintf(
        out, JOURNAL_SEGMENT_NAME_MAX, "%016" PRIx64 "%s", number, name_suffix);
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return -1;
}

bool
journal_segment_name_parse(const char *name, uint64_t *number_out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        const int digit = hex_digit(name[i]); /* a NUL is no digit */
        if (digit < 0) {
            return false;
        }
        number = number << 4 | (uint64_t)digit;
    }
    if (strcmp(name + NAME_DIGITS, name_suffix) != 0) {
        return false;
    }
    *number_out = number;
    return true;
}
