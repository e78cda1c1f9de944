/* Chunks have one size but for the last, so the place and number of each come
 * from the file's length alone; that length is trusted once the last chunk
 * opens as the last one. */
#include "base/age_reader.h"

#include "base/age_header.h"
#include "base/age_stream.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NO_CHUNK UINT64_MAX

struct age_reader {
    int fd;
    struct age_cipher *cipher;
    uint64_t payload; /* offset of the first chunk */
    uint64_t sealed_len;
    uint64_t chunk_count;
    uint64_t kept; /* the chunk in `plain`, or NO_CHUNK */
    size_t kept_len;
    uint8_t sealed[AGE_SEALED_LEN];
    uint8_t plain[AGE_CHUNK_LEN];
};

/* ---- Whom it is for ---- */

static size_t
count_recipients(const struct age_header *h)
{
    struct span rest = h->stanzas;
    struct age_stanza s;
    size_t count = 0;
    while (age_stanza_take(&rest, &s)) {
        count += span_eq_str(s.type, AGE_X25519) ? 1 : 0;
    }
    return count;
}

static enum status
tell_denied(const struct age_header *h, bool has_identity, struct error *err)
{
    const size_t count = count_recipients(h);
    if (count == 0) {
        return error_set(err, STATUS_UNSUPPORTED,
            "encrypted to no X25519 recipient (age1…), but otherwise");
    }
    return error_set(err, STATUS_DENIED, "encrypted to %zu recipient%s%s",
        count, count == 1 ? "" : "s",
        has_identity ? ", but to none of the identities given" : "");
}

/* By the first stanza that one of the identities opens. */
static enum status
find_file_key(const struct age_header *h, const struct age_identities *ids,
    uint8_t file_key[AGE_FILE_KEY_LEN], struct error *err)
{
    struct span rest = h->stanzas;
    struct age_stanza s;
    if (ids == NULL) {
        return tell_denied(h, false, err);
    }
    while (age_stanza_take(&rest, &s)) {
        const enum status st = age_unwrap(ids, &s, file_key);
        if (st == STATUS_CORRUPT) {
            return error_set(err, st, "a recipient in the header is damaged");
        }
        if (st != STATUS_NOT_FOUND) {
            return st == STATUS_OK ? st : error_set(err, st, "out of memory");
        }
    }
    return tell_denied(h, true, err);
}

static enum status
check_mac(const struct age_header *h, const uint8_t file_key[AGE_FILE_KEY_LEN],
    struct error *err)
{
    uint8_t mac[AGE_KEY_LEN];
    const enum status st = age_header_mac(file_key, h->authentic, mac);
    if (st != STATUS_OK) {
        return error_set(err, st, "out of memory");
    }
    return secret_eq(span_of(mac, sizeof mac), span_of(h->mac, sizeof h->mac))
               ? STATUS_OK
               : error_set(err, STATUS_CORRUPT,
                     "the header of the encryption was altered");
}

/* ---- Chunks ---- */

static uint64_t
plain_len(const struct age_reader *r)
{
    return r->sealed_len - r->chunk_count * AGE_TAG_LEN;
}

static enum status
damaged(uint64_t chunk, struct error *err)
{
    return error_set(err, STATUS_CORRUPT,
        "the encrypted bytes from %llu on were altered or cut",
        (unsigned long long)(chunk * AGE_CHUNK_LEN));
}

/* Decrypts a chunk into `plain`. */
static enum status
open_chunk(struct age_reader *r, uint64_t chunk, struct error *err)
{
    uint8_t nonce[AGE_NONCE_LEN];
    size_t got = 0;
    const bool is_last = chunk + 1 == r->chunk_count;
    const uint64_t from = chunk * AGE_SEALED_LEN;
    const size_t len =
        is_last ? (size_t)(r->sealed_len - from) : (size_t)AGE_SEALED_LEN;
    r->kept = NO_CHUNK;
    enum status st = file_pread(
        r->fd, r->sealed, len, (off_t)(r->payload + from), &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (got < len) {
        return damaged(chunk, err);
    }
    age_stream_nonce(chunk, is_last, nonce);
    st = age_cipher_open(r->cipher, nonce, span_of(r->sealed, len), r->plain);
    if (st != STATUS_OK) {
        return st == STATUS_CORRUPT ? damaged(chunk, err)
                                    : error_set(err, st, "out of memory");
    }
    r->kept = chunk;
    r->kept_len = len - AGE_TAG_LEN;
    return STATUS_OK;
}

/* Only the one chunk of an empty file is empty. */
static enum status
measure(struct age_reader *r, uint64_t file_len, struct error *err)
{
    r->sealed_len = file_len < r->payload ? 0 : file_len - r->payload;
    r->chunk_count = (r->sealed_len + AGE_SEALED_LEN - 1) / AGE_SEALED_LEN;
    if (r->chunk_count == 0) {
        return damaged(0, err);
    }
    const uint64_t last_len =
        r->sealed_len - (r->chunk_count - 1) * AGE_SEALED_LEN;
    if (last_len < AGE_TAG_LEN ||
        (last_len == AGE_TAG_LEN && r->chunk_count > 1)) {
        return damaged(r->chunk_count - 1, err);
    }
    return open_chunk(r, r->chunk_count - 1, err);
}

/* ---- Opening ---- */

static enum status
start_payload(struct age_reader *r, const struct age_header *h,
    const uint8_t file_key[AGE_FILE_KEY_LEN], struct error *err)
{
    uint8_t nonce[AGE_PAYLOAD_NONCE];
    size_t got = 0;
    enum status st =
        file_pread(r->fd, nonce, sizeof nonce, (off_t)h->len, &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    if (got < sizeof nonce) {
        return damaged(0, err);
    }
    r->payload = h->len + sizeof nonce;
    st = age_stream_cipher(file_key, nonce, &r->cipher);
    return st == STATUS_OK
               ? st
               : error_set(err, st, "cannot decrypt: %s", status_name(st));
}

static enum status
open_header(struct age_reader *r, struct span bytes,
    const struct age_identities *ids, struct error *err)
{
    struct age_header h;
    uint8_t file_key[AGE_FILE_KEY_LEN];
    enum status st = age_header_parse(bytes, &h, err);
    if (st == STATUS_OK) {
        st = find_file_key(&h, ids, file_key, err);
    }
    if (st == STATUS_OK) {
        st = check_mac(&h, file_key, err);
    }
    if (st == STATUS_OK) {
        st = start_payload(r, &h, file_key, err);
    }
    explicit_bzero(file_key, sizeof file_key);
    return st;
}

static enum status
open_file(
    struct age_reader *r, const struct age_identities *ids, struct error *err)
{
    struct stat info;
    struct buf head;
    uint8_t *dst = NULL;
    size_t got = 0;
    if (fstat(r->fd, &info) != 0) {
        return error_sys(err, errno, "cannot look at an encrypted file");
    }
    buf_init(&head, AGE_HEADER_MAX);
    enum status st = buf_reserve(&head, AGE_HEADER_MAX, &dst);
    if (st == STATUS_OK) {
        st = file_pread(r->fd, dst, AGE_HEADER_MAX, 0, &got, err);
    } else {
        error_set(err, st, "out of memory");
    }
    if (st == STATUS_OK) {
        st = open_header(r, span_of(dst, got), ids, err);
    }
    if (st == STATUS_OK) {
        st = measure(r, (uint64_t)info.st_size, err);
    }
    buf_fini(&head);
    return st;
}

enum status
age_reader_open(int fd, const struct age_identities *ids,
    struct age_reader **out, struct error *err)
{
    struct age_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    r->fd = fd;
    r->kept = NO_CHUNK;
    const enum status st = open_file(r, ids, err);
    if (st == STATUS_OK) {
        *out = r;
        r = NULL;
    }
    age_reader_close(&r);
    return st;
}

void
age_reader_close(struct age_reader **r)
{
    if (*r == NULL) {
        return;
    }
    age_cipher_free(&(*r)->cipher);
    explicit_bzero(*r, sizeof **r);
    free(*r);
    *r = NULL;
}

uint64_t
age_reader_len(const struct age_reader *r)
{
    return plain_len(r);
}

enum status
age_reader_pread(struct age_reader *r, void *dst, size_t len, uint64_t offset,
    size_t *got_out, struct error *err)
{
    uint8_t *to = dst;
    size_t got = 0;
    while (got < len && offset + got < plain_len(r)) {
        const uint64_t at = offset + got;
        const uint64_t chunk = at / AGE_CHUNK_LEN;
        const size_t within = (size_t)(at % AGE_CHUNK_LEN);
        if (r->kept != chunk) {
            const enum status st = open_chunk(r, chunk, err);
            if (st != STATUS_OK) {
                return st;
            }
        }
        size_t part = r->kept_len - within;
        if (part > len - got) {
            part = len - got;
        }
        memcpy(to + got, r->plain + within, part);
        got += part;
    }
    *got_out = got;
    return STATUS_OK;
}
