/* One table says which members a kind of leaf has, in their order. A line is
 * read by it, written again by it, and must come out the same: so there is
 * one encoding, whatever the reading accepts.
 */
#include "schema/ledger.h"

#include "schema/json_text.h"
#include "schema/utf8.h"

#include <assert.h>
#include <string.h>

enum field_type {
    FIELD_TIME,  /* int64_t, not negative */
    FIELD_COUNT, /* uint64_t */
    FIELD_UUID,
    FIELD_HEX,  /* `size` bytes */
    FIELD_TEXT, /* char[size], a zero at its end */
    FIELD_PATH, /* the same, below the state folder */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset; /* in struct ledger_leaf */
    size_t size;
    unsigned kinds; /* that have it, as bits */
};

#define KIND(k)  (1u << (k))
#define SESSIONS (KIND(LEDGER_RECORDING) | ASKED)
#define ASKED \
    (KIND(LEDGER_TOMBSTONE) | KIND(LEDGER_HOLD) | KIND(LEDGER_RELEASE))
#define ALL (SESSIONS | KIND(LEDGER_KEY))

#define FIELD(member, type, kinds)                                \
    {                                                             \
#member, type, offsetof(struct ledger_leaf, member),      \
            sizeof(((struct ledger_leaf *)NULL)->member), (kinds) \
    }

static const struct field fields[] = {
    {"time", FIELD_TIME, offsetof(struct ledger_leaf, wall_us), 8, ALL},
    FIELD(id, FIELD_UUID, SESSIONS),
    FIELD(file, FIELD_PATH, KIND(LEDGER_RECORDING)),
    FIELD(text_len, FIELD_COUNT, KIND(LEDGER_RECORDING)),
    FIELD(text_hash, FIELD_HEX, KIND(LEDGER_RECORDING)),
    FIELD(file_len, FIELD_COUNT, KIND(LEDGER_RECORDING)),
    FIELD(file_hash, FIELD_HEX, KIND(LEDGER_RECORDING)),
    FIELD(last_seal, FIELD_HEX, KIND(LEDGER_RECORDING)),
    FIELD(who, FIELD_TEXT, ASKED),
    FIELD(why, FIELD_TEXT, ASKED),
    FIELD(key, FIELD_HEX, KIND(LEDGER_KEY)),
    FIELD(by, FIELD_HEX, KIND(LEDGER_KEY)),
    FIELD(signature, FIELD_HEX, KIND(LEDGER_KEY)),
};
#define FIELD_COUNT_ALL (sizeof fields / sizeof *fields)

static const char *const kind_names[] = {
    [LEDGER_RECORDING] = "recording",
    [LEDGER_TOMBSTONE] = "tombstone",
    [LEDGER_HOLD] = "hold",
    [LEDGER_RELEASE] = "release",
    [LEDGER_KEY] = "key",
};
#define KIND_COUNT (sizeof kind_names / sizeof *kind_names)

static_assert(sizeof(struct ed25519_public) == ED25519_KEY_LEN, "bytes only");
static_assert(sizeof(struct ed25519_sig) == ED25519_SIG_LEN, "bytes only");
static_assert(sizeof(struct sha256) == SHA256_LEN, "bytes only");

const char *
ledger_kind_name(enum ledger_kind kind)
{
    return kind_names[kind];
}

/* A path that could leave the state folder is none of ours. */
static bool
is_below(struct span path)
{
    struct span part;
    while (span_take_until(&path, '/', &part)) {
        if (part.len == 0 || span_eq_str(part, ".") ||
            span_eq_str(part, "..")) {
            return false;
        }
    }
    return path.len > 0 && !span_eq_str(path, ".") && !span_eq_str(path, "..");
}

/* --- writing ------------------------------------------------------------- */

static enum status
put_hex(const uint8_t *bytes, size_t len, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *tail = NULL;
    const enum status st = buf_reserve(out, 2 * len + 2, &tail);
    if (st != STATUS_OK) {
        return st;
    }
    *tail++ = '"';
    for (size_t i = 0; i < len; i++) {
        *tail++ = (uint8_t)digits[bytes[i] >> 4];
        *tail++ = (uint8_t)digits[bytes[i] & 0xF];
    }
    *tail = '"';
    buf_commit(out, 2 * len + 2);
    return STATUS_OK;
}

static enum status
put_text(const char *text, size_t room, bool is_path, struct buf *out)
{
    const size_t len = strnlen(text, room);
    const struct span s = span_of(text, len);
    if (len == room) {
        return STATUS_LIMIT;
    }
    if (utf8_valid_prefix(s) != len || (is_path && !is_below(s))) {
        return STATUS_INVALID;
    }
    return json_text_encode(s, out);
}

static enum status
put_uuid(const struct uuid *id, struct buf *out)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    return buf_printf(out, "\"%s\"", text);
}

static enum status
put_value(const struct ledger_leaf *l, const struct field *f, struct buf *out)
{
    const void *at = (const char *)l + f->offset;
    switch (f->type) {
    case FIELD_TIME:
        return *(const int64_t *)at < 0
                   ? STATUS_INVALID
                   : buf_printf(out, "%lld", (long long)*(const int64_t *)at);
    case FIELD_COUNT:
        return buf_printf(
            out, "%llu", (unsigned long long)*(const uint64_t *)at);
    case FIELD_UUID:
        return put_uuid(at, out);
    case FIELD_HEX:
        return put_hex(at, f->size, out);
    case FIELD_TEXT:
    case FIELD_PATH:
        return put_text(at, f->size, f->type == FIELD_PATH, out);
    }
    return STATUS_INVALID;
}

static enum status
put_leaf(const struct ledger_leaf *l, struct buf *line)
{
    enum status st = buf_printf(line, "{\"kind\":\"%s\"", kind_names[l->kind]);
    for (size_t i = 0; i < FIELD_COUNT_ALL && st == STATUS_OK; i++) {
        if ((fields[i].kinds & KIND(l->kind)) == 0) {
            continue;
        }
        st = buf_printf(line, ",\"%s\":", fields[i].name);
        if (st == STATUS_OK) {
            st = put_value(l, &fields[i], line);
        }
    }
    return st == STATUS_OK ? buf_append_str(line, "}\n") : st;
}

enum status
ledger_leaf_encode(const struct ledger_leaf *l, struct buf *out)
{
    struct buf line;
    buf_init(&line, LEDGER_LEAF_MAX);
    enum status st = put_leaf(l, &line);
    if (st == STATUS_OK) {
        st = buf_append(out, buf_view(&line));
    }
    buf_fini(&line);
    return st;
}

/* --- reading ------------------------------------------------------------- */

static bool
take_str(struct span *in, const char *s)
{
    return span_starts_with(*in, s) && span_skip(in, strlen(s));
}

static bool
take_number(struct span *in, uint64_t max, uint64_t *out)
{
    struct span digits = *in;
    size_t len = 0;
    while (len < in->len && in->ptr[len] >= '0' && in->ptr[len] <= '9') {
        len++;
    }
    return span_take(in, len, &digits) && span_to_u64(digits, max, out);
}

static int
hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
take_hex(struct span *in, uint8_t *out, size_t len)
{
    struct span text;
    if (!take_str(in, "\"") || !span_take(in, 2 * len, &text)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        const int high = hex_digit(text.ptr[2 * i]);
        const int low = hex_digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return take_str(in, "\"");
}

static bool
take_text(struct span *in, char *out, size_t room)
{
    struct buf text;
    buf_init(&text, room - 1);
    bool ok = json_text_decode(in, &text) == STATUS_OK;
    const struct span got = buf_view(&text);
    ok = ok && memchr(got.ptr, '\0', got.len) == NULL;
    if (ok) {
        memcpy(out, got.ptr, got.len); /* the rest is zero already */
    }
    buf_fini(&text);
    return ok;
}

static bool
take_uuid(struct span *in, struct uuid *out)
{
    struct span text;
    return take_str(in, "\"") && span_take(in, UUID_TEXT_LEN, &text) &&
           uuid_parse(text, out) && take_str(in, "\"");
}

static bool
take_value(struct span *in, const struct field *f, struct ledger_leaf *l)
{
    void *at = (char *)l + f->offset;
    uint64_t n = 0;
    switch (f->type) {
    case FIELD_TIME:
        if (!take_number(in, INT64_MAX, &n)) {
            return false;
        }
        *(int64_t *)at = (int64_t)n;
        return true;
    case FIELD_COUNT:
        return take_number(in, UINT64_MAX, at);
    case FIELD_UUID:
        return take_uuid(in, at);
    case FIELD_HEX:
        return take_hex(in, at, f->size);
    case FIELD_TEXT:
    case FIELD_PATH:
        return take_text(in, at, f->size);
    }
    return false;
}

static bool
take_kind(struct span *in, enum ledger_kind *out)
{
    struct span name;
    if (!take_str(in, "{\"kind\":\"") || !span_take_until(in, '"', &name)) {
        return false;
    }
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (span_eq_str(name, kind_names[i])) {
            *out = (enum ledger_kind)i;
            return true;
        }
    }
    return false;
}

static bool
take_leaf(struct span *in, struct ledger_leaf *l)
{
    if (!take_kind(in, &l->kind)) {
        return false;
    }
    for (size_t i = 0; i < FIELD_COUNT_ALL; i++) {
        const struct field *f = &fields[i];
        if ((f->kinds & KIND(l->kind)) == 0) {
            continue;
        }
        if (!take_str(in, ",\"") || !take_str(in, f->name) ||
            !take_str(in, "\":") || !take_value(in, f, l)) {
            return false;
        }
    }
    return take_str(in, "}") && in->len == 0;
}

/* The line that `l` is written as is `line`. */
static bool
is_encoding_of(struct span line, const struct ledger_leaf *l)
{
    struct buf again;
    buf_init(&again, LEDGER_LEAF_MAX);
    bool ok = put_leaf(l, &again) == STATUS_OK;
    ok = ok && again.len == line.len + 1 &&
         memcmp(again.data + again.off, line.ptr, line.len) == 0;
    buf_fini(&again);
    return ok;
}

enum status
ledger_leaf_decode(struct span line, struct ledger_leaf *out, struct error *err)
{
    struct ledger_leaf l = {.wall_us = 0};
    struct span rest = line;
    if (line.len >= LEDGER_LEAF_MAX || !take_leaf(&rest, &l)) {
        return error_set(err, STATUS_INVALID,
            "no leaf, or a later version's: not as expected at byte %zu",
            line.len - rest.len);
    }
    if (!is_encoding_of(line, &l)) {
        return error_set(
            err, STATUS_INVALID, "no leaf: not the one way to write it");
    }
    *out = l;
    return STATUS_OK;
}

/* --- keys ---------------------------------------------------------------- */

static const char claim[] = "KUBETAPE-LEDGER-KEY-1";
#define CLAIM_PREFIX (LEDGER_CLAIM_LEN - 2 * ED25519_KEY_LEN)
static_assert(sizeof claim <= CLAIM_PREFIX, "the claim's words fit");

void
ledger_key_claim(const struct ed25519_public *by,
    const struct ed25519_public *key, uint8_t out[LEDGER_CLAIM_LEN])
{
    memset(out, 0, CLAIM_PREFIX);
    memcpy(out, claim, sizeof claim);
    memcpy(out + CLAIM_PREFIX, by->bytes, ED25519_KEY_LEN);
    memcpy(out + CLAIM_PREFIX + ED25519_KEY_LEN, key->bytes, ED25519_KEY_LEN);
}
