/* A chunk is sealed when a byte behind it is known, or its end: only then is
 * it known whether it is the last one. */
#include "base/age_writer.h"

#include "base/age_header.h"
#include "base/age_stream.h"
#include "base/base64.h"
#include "base/digest.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct age_writer {
    struct age_cipher *cipher;
    uint64_t chunk; /* number of the one being filled */
    bool is_finished;
    size_t len;
    uint8_t plain[AGE_CHUNK_LEN];
};

static enum status
append_mac(
    const uint8_t file_key[AGE_FILE_KEY_LEN], size_t from, struct buf *out)
{
    uint8_t mac[AGE_KEY_LEN];
    enum status st = buf_append_str(out, "---");
    if (st == STATUS_OK) {
        struct span header = buf_view(out);
        st = span_skip(&header, from) ? age_header_mac(file_key, header, mac)
                                      : STATUS_INVALID;
    }
    if (st == STATUS_OK) {
        st = buf_append_u8(out, ' ');
    }
    if (st == STATUS_OK) {
        st = base64_bare_encode(span_of(mac, sizeof mac), out);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}

static enum status
append_header(const struct age_recipient *to, size_t count,
    const uint8_t file_key[AGE_FILE_KEY_LEN], struct buf *out)
{
    const size_t from = out->len;
    enum status st = buf_append_str(out, AGE_INTRO);
    for (size_t i = 0; st == STATUS_OK && i < count; i++) {
        st = age_wrap(&to[i], file_key, out);
    }
    return st == STATUS_OK ? append_mac(file_key, from, out) : st;
}

static enum status
begin(struct age_writer *w, const struct age_recipient *to, size_t count,
    struct buf *out)
{
    uint8_t file_key[AGE_FILE_KEY_LEN];
    uint8_t nonce[AGE_PAYLOAD_NONCE];
    random_bytes(file_key, sizeof file_key);
    random_bytes(nonce, sizeof nonce);
    enum status st = append_header(to, count, file_key, out);
    if (st == STATUS_OK) {
        st = buf_append(out, span_of(nonce, sizeof nonce));
    }
    if (st == STATUS_OK) {
        st = age_stream_cipher(file_key, nonce, &w->cipher);
    }
    explicit_bzero(file_key, sizeof file_key);
    return st;
}

static enum status
failed(enum status st, struct error *err)
{
    return error_set(err, st, "cannot encrypt: %s", status_name(st));
}

enum status
age_writer_new(const struct age_recipient *to, size_t count, struct buf *out,
    struct age_writer **w_out, struct error *err)
{
    assert(count > 0);
    struct age_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return failed(STATUS_NO_MEMORY, err);
    }
    const enum status st = begin(w, to, count, out);
    if (st == STATUS_OK) {
        *w_out = w;
        w = NULL;
    }
    age_writer_free(&w);
    return st == STATUS_OK ? st : failed(st, err);
}

void
age_writer_free(struct age_writer **w)
{
    if (*w == NULL) {
        return;
    }
    age_cipher_free(&(*w)->cipher);
    explicit_bzero(*w, sizeof **w);
    free(*w);
    *w = NULL;
}

static enum status
seal_chunk(struct age_writer *w, bool is_last, struct buf *out)
{
    uint8_t nonce[AGE_NONCE_LEN];
    uint8_t *dst = NULL;
    age_stream_nonce(w->chunk, is_last, nonce);
    enum status st = buf_reserve(out, w->len + AGE_TAG_LEN, &dst);
    if (st == STATUS_OK) {
        st = age_cipher_seal(w->cipher, nonce, span_of(w->plain, w->len), dst);
    }
    if (st == STATUS_OK) {
        buf_commit(out, w->len + AGE_TAG_LEN);
        w->chunk++;
        w->len = 0;
    }
    return st;
}

enum status
age_writer_feed(
    struct age_writer *w, struct span bytes, struct buf *out, struct error *err)
{
    assert(!w->is_finished);
    while (bytes.len > 0) {
        if (w->len == AGE_CHUNK_LEN) {
            const enum status st = seal_chunk(w, false, out);
            if (st != STATUS_OK) {
                return failed(st, err);
            }
        }
        const size_t room = AGE_CHUNK_LEN - w->len;
        struct span part = bytes;
        if (part.len > room) {
            part.len = room;
        }
        memcpy(w->plain + w->len, part.ptr, part.len);
        w->len += part.len;
        bytes.ptr += part.len;
        bytes.len -= part.len;
    }
    return STATUS_OK;
}

enum status
age_writer_finish(struct age_writer *w, struct buf *out, struct error *err)
{
    assert(!w->is_finished);
    const enum status st = seal_chunk(w, true, out);
    w->is_finished = true;
    return st == STATUS_OK ? st : failed(st, err);
}
