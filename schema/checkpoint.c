/* C2SP signed-note and tlog-checkpoint, as strict as their texts allow: a note
 * is UTF-8 without control characters, the last empty line parts text from
 * signatures, every signature line must be well formed, and a signature under
 * a known name and key hash must verify.
 */
#include "schema/checkpoint.h"

#include "base/base64.h"
#include "schema/be.h"
#include "schema/utf8.h"

#include <stdio.h>
#include <string.h>

#define EM_DASH       "\xE2\x80\x94 " /* and a space begin a signature line */
#define ALGORITHM     0x01            /* Ed25519, of signed-note */
#define KEY_HASH_LEN  4u
#define SIGNATURE_LEN (KEY_HASH_LEN + ED25519_SIG_LEN)
#define SIZE_DIGITS   20u /* of 2^64 - 1 */

#define ORIGIN_PREFIX    "kubetape/"
#define ORIGIN_KEY_BYTES 8u

void
checkpoint_origin(
    const struct ed25519_public *first_key, char out[CHECKPOINT_ORIGIN_MAX])
{
    const struct sha256 hash =
        sha256_of(span_of(first_key->bytes, ED25519_KEY_LEN));
    int at = snprintf(out, CHECKPOINT_ORIGIN_MAX, ORIGIN_PREFIX);
    for (size_t i = 0; i < ORIGIN_KEY_BYTES; i++) {
        at += snprintf(out + at, CHECKPOINT_ORIGIN_MAX - (size_t)at, "%02x",
            hash.bytes[i]);
    }
}

static void
key_hash(const char *name, const struct ed25519_public *key,
    uint8_t out[KEY_HASH_LEN])
{
    uint8_t typed[2 + ED25519_KEY_LEN] = {'\n', ALGORITHM};
    memcpy(typed + 2, key->bytes, ED25519_KEY_LEN);
    const struct sha256 hash =
        sha256_of_two(span_str(name), span_of(typed, sizeof typed));
    memcpy(out, hash.bytes, KEY_HASH_LEN);
}

enum status
checkpoint_verifier_key(
    const char *origin, const struct ed25519_public *key, struct buf *out)
{
    uint8_t hash[KEY_HASH_LEN];
    uint8_t typed[1 + ED25519_KEY_LEN] = {ALGORITHM};
    key_hash(origin, key, hash);
    memcpy(typed + 1, key->bytes, ED25519_KEY_LEN);
    const enum status st =
        buf_printf(out, "%s+%08x+", origin, be_load_u32(hash));
    return st == STATUS_OK ? base64_encode(span_of(typed, sizeof typed), out)
                           : st;
}

/* --- writing ------------------------------------------------------------- */

static enum status
put_text(const struct checkpoint *c, struct buf *out)
{
    enum status st =
        buf_printf(out, "%s\n%llu\n", c->origin, (unsigned long long)c->size);
    if (st == STATUS_OK) {
        st = base64_encode(span_of(c->root.bytes, SHA256_LEN), out);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}

static enum status
put_signature(const struct checkpoint *c, struct span text,
    const struct signer *signer, struct buf *out)
{
    const struct ed25519_public key = signer_public(signer);
    uint8_t bytes[SIGNATURE_LEN];
    struct ed25519_sig sig;
    enum status st = signer_sign(signer, text, &sig);
    if (st != STATUS_OK) {
        return st;
    }
    key_hash(c->origin, &key, bytes);
    memcpy(bytes + KEY_HASH_LEN, sig.bytes, ED25519_SIG_LEN);
    st = buf_printf(out, "\n" EM_DASH "%s ", c->origin);
    if (st == STATUS_OK) {
        st = base64_encode(span_of(bytes, sizeof bytes), out);
    }
    return st == STATUS_OK ? buf_append_u8(out, '\n') : st;
}

enum status
checkpoint_sign(
    const struct checkpoint *c, const struct signer *signer, struct buf *out)
{
    struct buf text;
    buf_init(&text, CHECKPOINT_TEXT_MAX);
    enum status st = put_text(c, &text);
    if (st == STATUS_OK) {
        st = buf_append(out, buf_view(&text));
    }
    if (st == STATUS_OK) {
        st = put_signature(c, buf_view(&text), signer, out);
    }
    buf_fini(&text);
    return st;
}

/* --- reading ------------------------------------------------------------- */

static enum status
refuse(struct error *err, const char *why)
{
    return error_set(err, STATUS_INVALID, "no checkpoint: %s", why);
}

static bool
has_control(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 && s.ptr[i] != '\n') {
            return true;
        }
    }
    return false;
}

/* Parts a note at its last empty line: the text keeps its newline. */
static enum status
split_note(struct span note, struct span *text_out, struct span *signatures_out,
    struct error *err)
{
    if (note.len > CHECKPOINT_TEXT_MAX) {
        return refuse(err, "too long");
    }
    if (utf8_valid_prefix(note) != note.len || has_control(note)) {
        return refuse(err, "not plain text");
    }
    if (note.len == 0 || note.ptr[note.len - 1] != '\n') {
        return refuse(err, "the last line is cut");
    }
    for (size_t at = note.len - 1; at > 0; at--) {
        if (note.ptr[at] == '\n' && note.ptr[at - 1] == '\n') {
            *text_out = span_of(note.ptr, at);
            *signatures_out = span_of(note.ptr + at + 1, note.len - at - 1);
            return signatures_out->len > 0 ? STATUS_OK
                                           : refuse(err, "no signature");
        }
    }
    return refuse(err, "no empty line before signatures");
}

static bool
decode_exactly(struct span base64, uint8_t *out, size_t len)
{
    struct buf bytes;
    buf_init(&bytes, len);
    const bool ok =
        base64_decode(base64, &bytes) == STATUS_OK && bytes.len == len;
    if (ok) {
        memcpy(out, bytes.data + bytes.off, len);
    }
    buf_fini(&bytes);
    return ok;
}

static bool
parse_size(struct span digits, uint64_t *out)
{
    return digits.len <= SIZE_DIGITS && span_to_u64(digits, UINT64_MAX, out) &&
           (digits.len == 1 || digits.ptr[0] != '0');
}

static enum status
parse_text(struct span text, struct checkpoint *out, struct error *err)
{
    struct checkpoint c = {.size = 0};
    struct span line;
    if (!span_take_until(&text, '\n', &line) || line.len == 0 ||
        line.len >= sizeof c.origin) {
        return refuse(err, "no origin, or one that is too long");
    }
    memcpy(c.origin, line.ptr, line.len);
    if (!span_take_until(&text, '\n', &line) || !parse_size(line, &c.size)) {
        return refuse(err, "no size in the second line");
    }
    if (!span_take_until(&text, '\n', &line) ||
        !decode_exactly(line, c.root.bytes, SHA256_LEN)) {
        return refuse(err, "no root hash in the third line");
    }
    while (span_take_until(&text, '\n', &line)) {
        if (line.len == 0) {
            return refuse(err, "an empty extension line");
        }
    }
    *out = c;
    return STATUS_OK;
}

struct signature {
    struct span name;
    bool is_ed25519; /* `bytes` are as long as one of ours */
    uint8_t bytes[SIGNATURE_LEN];
};

/* Of others only the form matters, and signed-note leaves lengths to them. */
static bool
parse_signature_bytes(struct span base64, struct signature *out)
{
    struct buf bytes;
    buf_init(&bytes, CHECKPOINT_TEXT_MAX);
    const bool ok =
        base64_decode(base64, &bytes) == STATUS_OK && bytes.len > KEY_HASH_LEN;
    out->is_ed25519 = ok && bytes.len == SIGNATURE_LEN;
    if (out->is_ed25519) {
        memcpy(out->bytes, bytes.data + bytes.off, SIGNATURE_LEN);
    }
    buf_fini(&bytes);
    return ok;
}

static enum status
take_signature(struct span *lines, struct signature *out, struct error *err)
{
    struct span line;
    if (!span_take_until(lines, '\n', &line) ||
        !span_starts_with(line, EM_DASH) ||
        !span_skip(&line, sizeof EM_DASH - 1) ||
        !span_take_until(&line, ' ', &out->name) || out->name.len == 0 ||
        memchr(out->name.ptr, '+', out->name.len) != NULL ||
        !parse_signature_bytes(line, out)) {
        return refuse(err, "a signature line that is none");
    }
    return STATUS_OK;
}

/* Whether `s` calls itself a signature of `key` under the checkpoint's name. */
static bool
is_claimed_by(const struct signature *s, const char *origin,
    const struct ed25519_public *key)
{
    uint8_t hash[KEY_HASH_LEN];
    key_hash(origin, key, hash);
    return s->is_ed25519 && span_eq_str(s->name, origin) &&
           memcmp(s->bytes, hash, KEY_HASH_LEN) == 0;
}

static bool
is_by(const struct signature *s, struct span text,
    const struct ed25519_public *key)
{
    struct ed25519_sig sig;
    memcpy(sig.bytes, s->bytes + KEY_HASH_LEN, ED25519_SIG_LEN);
    return ed25519_verify(key, text, &sig);
}

/* The first of `keys` that signed. One that is named and did not sign refuses
 * the note, as signed-note asks. */
static enum status
find_signer(struct span text, struct span lines, const char *origin,
    const struct ed25519_public *keys, size_t key_count, size_t *key_out,
    struct error *err)
{
    size_t found = key_count;
    while (lines.len > 0) {
        struct signature s;
        const enum status st = take_signature(&lines, &s, err);
        if (st != STATUS_OK) {
            return st;
        }
        for (size_t i = 0; i < key_count; i++) {
            if (!is_claimed_by(&s, origin, &keys[i])) {
                continue;
            }
            if (!is_by(&s, text, &keys[i])) {
                return error_set(err, STATUS_DENIED,
                    "the checkpoint's signature does not verify");
            }
            found = i < found ? i : found;
        }
    }
    if (found == key_count) {
        return error_set(err, STATUS_DENIED,
            "the checkpoint is signed by none of the keys that are trusted");
    }
    *key_out = found;
    return STATUS_OK;
}

enum status
checkpoint_open(struct span note, const struct ed25519_public *keys,
    size_t key_count, struct checkpoint *out, size_t *key_out,
    struct error *err)
{
    struct span text;
    struct span lines;
    struct checkpoint c;
    size_t key = 0;
    enum status st = split_note(note, &text, &lines, err);
    if (st == STATUS_OK) {
        st = parse_text(text, &c, err);
    }
    if (st == STATUS_OK) {
        st = find_signer(text, lines, c.origin, keys, key_count, &key, err);
    }
    if (st == STATUS_OK) {
        *out = c;
        *key_out = key;
    }
    return st;
}

enum status
checkpoint_parse(struct span note, struct checkpoint *out, struct error *err)
{
    struct span text;
    struct span lines;
    enum status st = split_note(note, &text, &lines, err);
    while (st == STATUS_OK && lines.len > 0) {
        struct signature ignored;
        st = take_signature(&lines, &ignored, err);
    }
    return st == STATUS_OK ? parse_text(text, out, err) : st;
}
