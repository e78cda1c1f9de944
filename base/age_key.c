/* Wrapping, age-encryption.org/v1 "The X25519 recipient type": the file key is
 * sealed under a key that comes from an ephemeral secret and the recipient's
 * point, or from the ephemeral point and the recipient's secret. That key
 * seals once only, so its nonce is zeros. */
#include "base/age_key.h"

#include "base/age_header.h"
#include "base/base64.h"
#include "base/bech32.h"
#include "base/digest.h"
#include <stdlib.h>
#include <string.h>

#define WRAP_INFO   "age-encryption.org/v1/X25519"
#define WRAPPED_LEN (AGE_FILE_KEY_LEN + AGE_TAG_LEN)

static const uint8_t zero_nonce[AGE_NONCE_LEN];

struct age_identities {
    size_t count;
    struct identity {
        struct age_key secret;
        struct age_key point;
    } list[AGE_IDENTITIES_MAX];
};

/* ---- Recipients ---- */

/* A point of low order shares the same secret with everybody. */
static bool
is_safe(const struct age_key *point)
{
    struct age_key secret;
    struct age_key shared;
    random_bytes(secret.bytes, sizeof secret.bytes);
    const bool is = age_x25519(&secret, point, &shared) != STATUS_INVALID;
    age_key_wipe(&secret);
    age_key_wipe(&shared);
    return is;
}

enum status
age_recipient_parse(struct span text, struct age_recipient *out)
{
    struct age_key point;
    if (bech32_decode(text, "age", point.bytes, sizeof point.bytes) !=
            STATUS_OK ||
        !is_safe(&point)) {
        return STATUS_INVALID;
    }
    out->point = point;
    return STATUS_OK;
}

/* ---- Identities ---- */

static enum status
add_identity(struct age_identities *ids, struct span line)
{
    if (ids->count == AGE_IDENTITIES_MAX) {
        return STATUS_LIMIT;
    }
    struct identity *i = &ids->list[ids->count];
    enum status st = bech32_decode(
        line, "AGE-SECRET-KEY-", i->secret.bytes, sizeof i->secret.bytes);
    if (st == STATUS_OK) {
        st = age_x25519_public(&i->secret, &i->point);
    }
    if (st == STATUS_OK) {
        ids->count++;
    }
    return st;
}

static enum status
refuse_line(size_t number, enum status st, struct error *err)
{
    if (st == STATUS_LIMIT) {
        return error_set(
            err, st, "more than %d identities", AGE_IDENTITIES_MAX);
    }
    return st == STATUS_INVALID
               ? error_set(err, st,
                     "line %zu is no X25519 identity (expected "
                     "AGE-SECRET-KEY-1…, as age-keygen writes it)",
                     number)
               : error_set(err, st, "out of memory");
}

static enum status
parse_lines(struct span text, struct age_identities *ids, struct error *err)
{
    struct span line = SPAN_EMPTY;
    for (size_t number = 1; text.len > 0; number++) {
        if (!span_take_until(&text, '\n', &line)) {
            line = text;
            text = SPAN_EMPTY;
        }
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        const enum status st = add_identity(ids, line);
        if (st != STATUS_OK) {
            return refuse_line(number, st, err);
        }
    }
    return ids->count > 0 ? STATUS_OK
                          : error_set(err, STATUS_INVALID,
                                "holds no identity (AGE-SECRET-KEY-1…)");
}

enum status
age_identities_parse(
    struct span text, struct age_identities **out, struct error *err)
{
    if (age_header_is_age(text)) {
        return error_set(err, STATUS_UNSUPPORTED,
            "is encrypted itself: decrypt it with `age -d` first");
    }
    struct age_identities *ids = calloc(1, sizeof *ids);
    if (ids == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    const enum status st = parse_lines(text, ids, err);
    if (st == STATUS_OK) {
        *out = ids;
        ids = NULL;
    }
    age_identities_free(&ids);
    return st;
}

void
age_identities_free(struct age_identities **ids)
{
    if (*ids != NULL) {
        explicit_bzero(*ids, sizeof **ids);
        free(*ids);
        *ids = NULL;
    }
}

/* ---- Stanzas ---- */

/* The key between `share`, the ephemeral point, and `point`, the recipient's;
 * `secret` belongs to one and `other` is the other of the two. */
static enum status
wrap_key(const struct age_key *secret, const struct age_key *other,
    const struct age_key *share, const struct age_key *point,
    struct age_key *out)
{
    struct age_key shared;
    uint8_t salt[2 * AGE_KEY_LEN];
    memcpy(salt, share->bytes, AGE_KEY_LEN);
    memcpy(salt + AGE_KEY_LEN, point->bytes, AGE_KEY_LEN);
    enum status st = age_x25519(secret, other, &shared);
    if (st == STATUS_OK) {
        st = age_hkdf(span_of(shared.bytes, sizeof shared.bytes),
            span_of(salt, sizeof salt), WRAP_INFO, out);
    }
    age_key_wipe(&shared);
    return st;
}

static enum status
seal_file_key(const struct age_key *key,
    const uint8_t file_key[AGE_FILE_KEY_LEN], uint8_t wrapped[WRAPPED_LEN])
{
    struct age_cipher *c = NULL;
    enum status st = age_cipher_new(key, &c);
    if (st == STATUS_OK) {
        st = age_cipher_seal(
            c, zero_nonce, span_of(file_key, AGE_FILE_KEY_LEN), wrapped);
    }
    age_cipher_free(&c);
    return st;
}

enum status
age_wrap(const struct age_recipient *to,
    const uint8_t file_key[AGE_FILE_KEY_LEN], struct buf *out)
{
    struct age_key secret;
    struct age_key share;
    struct age_key key;
    uint8_t wrapped[WRAPPED_LEN];
    random_bytes(secret.bytes, sizeof secret.bytes);
    enum status st = age_x25519_public(&secret, &share);
    if (st == STATUS_OK) {
        st = wrap_key(&secret, &to->point, &share, &to->point, &key);
    }
    if (st == STATUS_OK) {
        st = seal_file_key(&key, file_key, wrapped);
    }
    if (st == STATUS_OK) {
        st = age_stanza_append(AGE_X25519,
            span_of(share.bytes, sizeof share.bytes),
            span_of(wrapped, sizeof wrapped), out);
    }
    age_key_wipe(&secret);
    age_key_wipe(&key);
    return st;
}

static enum status
open_file_key(const struct identity *i, const struct age_key *share,
    const uint8_t wrapped[WRAPPED_LEN], uint8_t file_key[AGE_FILE_KEY_LEN])
{
    struct age_key key;
    struct age_cipher *c = NULL;
    enum status st = wrap_key(&i->secret, share, share, &i->point, &key);
    if (st == STATUS_OK) {
        st = age_cipher_new(&key, &c);
    }
    if (st == STATUS_OK) {
        st = age_cipher_open(
            c, zero_nonce, span_of(wrapped, WRAPPED_LEN), file_key);
    }
    age_cipher_free(&c);
    age_key_wipe(&key);
    return st;
}

/* A body of one line, without its LF. */
static enum status
decode_stanza(const struct age_stanza *s, struct age_key *share,
    uint8_t wrapped[WRAPPED_LEN])
{
    struct span body = s->body;
    struct span line = SPAN_EMPTY;
    return s->argument_count == 1 &&
                   base64_bare_decode(
                       s->arguments, share->bytes, AGE_KEY_LEN) == STATUS_OK &&
                   span_take_until(&body, '\n', &line) && body.len == 0 &&
                   base64_bare_decode(line, wrapped, WRAPPED_LEN) == STATUS_OK
               ? STATUS_OK
               : STATUS_CORRUPT;
}

enum status
age_unwrap(const struct age_identities *ids, const struct age_stanza *from,
    uint8_t file_key_out[AGE_FILE_KEY_LEN])
{
    struct age_key share;
    uint8_t wrapped[WRAPPED_LEN];
    if (!span_eq_str(from->type, AGE_X25519)) {
        return STATUS_NOT_FOUND;
    }
    enum status st = decode_stanza(from, &share, wrapped);
    if (st != STATUS_OK) {
        return st;
    }
    for (size_t i = 0; i < ids->count; i++) {
        st = open_file_key(&ids->list[i], &share, wrapped, file_key_out);
        if (st == STATUS_INVALID) { /* the share is of low order */
            return STATUS_CORRUPT;
        }
        if (st != STATUS_CORRUPT) {
            return st;
        }
    }
    return STATUS_NOT_FOUND;
}

enum status
age_header_mac(const uint8_t file_key[AGE_FILE_KEY_LEN], struct span authentic,
    uint8_t out[AGE_KEY_LEN])
{
    struct age_key key;
    enum status st = age_hkdf(
        span_of(file_key, AGE_FILE_KEY_LEN), SPAN_EMPTY, "header", &key);
    if (st == STATUS_OK) {
        st = age_hmac(&key, authentic, out);
    }
    age_key_wipe(&key);
    return st;
}
