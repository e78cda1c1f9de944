/* See verify_seals.h. What follows from a finding is not told again: behind
 * altered text no hash is compared, behind a bad seal no chain. */
#include "player/verify_seals.h"

#include "player/limits.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct verify_seal_place {
    uint64_t offset;
    bool is_signed; /* by a trusted key, itself or through its successors */
};

enum status
verify_seals_init(struct verify_seals *s, const struct key_set *keys,
    struct recording_source *source, struct verify_report *report,
    struct error *err)
{
    *s = (struct verify_seals){
        .keys = keys,
        .source = source,
        .report = report,
        .is_chain_known = true, /* all zeros before the first seal */
        .is_text_known = true,
    };
    const enum status st = hasher_new(&s->hasher);
    return st == STATUS_OK ? st : error_set(err, st, "out of memory");
}

void
verify_seals_fini(struct verify_seals *s)
{
    hasher_free(&s->hasher);
    free(s->places);
    s->places = NULL;
}

/* ---- Before the text ---- */

enum status
verify_seals_add(struct verify_seals *s, uint64_t offset, struct error *err)
{
    if (s->count == s->room) {
        const size_t room = s->room == 0 ? 64 : s->room * 2;
        if (room > PLAYER_FRAMES_MAX) {
            return error_set(
                err, STATUS_LIMIT, "more than %u seals", PLAYER_FRAMES_MAX);
        }
        struct verify_seal_place *grown =
            realloc(s->places, room * sizeof *grown);
        if (grown == NULL) {
            return error_set(err, STATUS_NO_MEMORY, "out of memory");
        }
        s->places = grown;
        s->room = room;
    }
    s->places[s->count++] = (struct verify_seal_place){.offset = offset};
    return STATUS_OK;
}

static enum status
read_seal(struct verify_seals *s, size_t index, struct error *err)
{
    size_t got = 0;
    const enum status st = recording_source_pread(s->source, s->bytes,
        sizeof s->bytes, s->places[index].offset, &got, err);
    if (st != STATUS_OK) {
        return st;
    }
    s->is_decoded = got == sizeof s->bytes &&
                    seal_decode(span_of(s->bytes, sizeof s->bytes), &s->seal,
                        NULL) == STATUS_OK;
    return STATUS_OK;
}

static bool
is_trusted(const struct verify_seals *s)
{
    return s->is_decoded && key_set_has(s->keys, &s->seal.key);
}

/* From the last to the first, whose word each one has: its own signature's, or
 * that of the seal behind it, which signs its hash. */
static enum status
find_signed(struct verify_seals *s, struct error *err)
{
    struct sha256 vouched = {.bytes = {0}};
    bool is_vouched = false;
    enum status st = STATUS_OK;
    for (size_t i = s->count; st == STATUS_OK && i-- > 0;) {
        st = read_seal(s, i, err);
        const struct span bytes = span_of(s->bytes, sizeof s->bytes);
        const struct sha256 hash = seal_hash(bytes);
        const bool is_named =
            is_vouched && memcmp(&hash, &vouched, sizeof hash) == 0;
        is_vouched = st == STATUS_OK && is_trusted(s) &&
                     (is_named || seal_verify(bytes, &s->seal.key));
        vouched = s->seal.previous;
        s->places[i].is_signed = is_vouched;
    }
    return st;
}

static enum status
await(struct verify_seals *s, size_t index, struct error *err)
{
    s->awaited = index;
    return index < s->count ? read_seal(s, index, err) : STATUS_OK;
}

enum status
verify_seals_start(struct verify_seals *s, struct error *err)
{
    const enum status st = find_signed(s, err);
    return st == STATUS_OK ? await(s, 0, err) : st;
}

/* ---- One seal ---- */

static uint64_t
seal_offset(const struct verify_seals *s)
{
    return s->places[s->awaited].offset;
}

static void
tell_foreign_key(struct verify_seals *s)
{
    char theirs[KEY_SET_NAME_MAX];
    char ours[KEY_SET_NAME_MAX];
    key_set_name(&s->seal.key, theirs);
    key_set_name(&s->keys->keys[0], ours);
    verify_report_add(s->report,
        "seal %" PRIu32 " at byte %" PRIu64
        " was made with the key %s…, not with %s…%s",
        s->seal.sequence, seal_offset(s), theirs, ours,
        s->keys->count > 1 ? " or another trusted one" : "");
}

/* Signature first: what an unsigned seal says is nobody's word. */
static bool
is_signed(struct verify_seals *s)
{
    if (!s->is_decoded) {
        verify_report_add(s->report, "the seal at byte %" PRIu64 " is damaged",
            seal_offset(s));
        return false;
    }
    if (!is_trusted(s)) {
        if (!s->is_foreign_key_told) { /* the same of every seal */
            tell_foreign_key(s);
        }
        s->is_foreign_key_told = true;
        return false;
    }
    if (!s->places[s->awaited].is_signed) {
        verify_report_add(s->report,
            "seal %" PRIu32 " at byte %" PRIu64
            " was altered: its signature does not match",
            s->seal.sequence, seal_offset(s));
        return false;
    }
    return true;
}

static void
check_session(struct verify_seals *s)
{
    struct verify_report *r = s->report;
    if (uuid_is_nil(&r->id)) {
        r->id = s->seal.id;
        return;
    }
    if (memcmp(&r->id, &s->seal.id, sizeof r->id) != 0) {
        char ours[UUID_TEXT_LEN + 1];
        char theirs[UUID_TEXT_LEN + 1];
        uuid_format(&r->id, ours);
        uuid_format(&s->seal.id, theirs);
        verify_report_add(r,
            "seal %" PRIu32 " at byte %" PRIu64
            " belongs to session %s, not to %s",
            s->seal.sequence, seal_offset(s), theirs, ours);
    }
}

static void
check_chain(struct verify_seals *s)
{
    if (s->seal.sequence != s->next_sequence) {
        verify_report_add(s->report,
            "seal %" PRIu32 " at byte %" PRIu64 " stands where seal %" PRIu32
            " belongs",
            s->seal.sequence, seal_offset(s), s->next_sequence);
    } else if (s->is_chain_known &&
               memcmp(&s->seal.previous, &s->chain, sizeof s->chain) != 0) {
        verify_report_add(s->report,
            "seal %" PRIu32 " at byte %" PRIu64
            " does not follow from the seal before it",
            s->seal.sequence, seal_offset(s));
    }
}

/* The text up to here, against what was signed. */
static void
check_text(struct verify_seals *s)
{
    if (!s->is_text_known) {
        return;
    }
    const struct sha256 hash = hasher_peek(s->hasher);
    struct verify_report *r = s->report;
    if (memcmp(&hash, &s->seal.text_hash, sizeof hash) == 0) {
        r->sealed_len = s->seal.text_len;
        r->sealed_us = s->seal.wall_us;
        s->checked_time_us = r->last_time_us;
        return;
    }
    s->is_text_known = false;
    verify_report_add(r,
        "the text was altered between byte %" PRIu64 " (" VERIFY_SECONDS
        ") and byte %" PRIu64 " (" VERIFY_SECONDS
        "): it is not what seal %" PRIu32 " signed",
        r->sealed_len, VERIFY_TIME_OF(s->checked_time_us), s->seal.text_len,
        VERIFY_TIME_OF(r->last_time_us), s->seal.sequence);
}

static void
check_claims(struct verify_seals *s)
{
    struct verify_report *r = s->report;
    if (r->is_final) {
        verify_report_add(r,
            "seal %" PRIu32 " at byte %" PRIu64 " follows the final seal",
            s->seal.sequence, seal_offset(s));
    }
    check_session(s);
    check_chain(s);
    r->is_final = r->is_final || s->seal.is_final;
}

/* `is_reached`: the text stands at the seal's text_len. */
static void
check_seal(struct verify_seals *s, bool is_reached)
{
    struct verify_report *r = s->report;
    r->seals++;
    const bool is_good = is_signed(s);
    if (is_good) {
        check_claims(s);
    }
    if (is_good && is_reached) {
        check_text(s);
    } else if (is_good && s->is_text_known) {
        verify_report_add(r,
            "seal %" PRIu32 " at byte %" PRIu64 " signs %" PRIu64
            " bytes of text where there are %" PRIu64,
            s->seal.sequence, seal_offset(s), s->seal.text_len, r->text_len);
        s->is_text_known = false;
    }
    s->chain = seal_hash(span_of(s->bytes, sizeof s->bytes));
    s->is_chain_known = is_good;
    s->next_sequence = is_good ? s->seal.sequence + 1 : s->next_sequence + 1;
    r->last_seal = s->chain;
}

/* ---- On the way through the text ---- */

uint64_t
verify_seals_distance(const struct verify_seals *s)
{
    const uint64_t here = s->report->text_len;
    return s->awaited < s->count && s->is_decoded && s->seal.text_len >= here
               ? s->seal.text_len - here
               : UINT64_MAX;
}

void
verify_seals_take(struct verify_seals *s, struct span text)
{
    hasher_add(s->hasher, text);
    s->report->text_len += text.len;
}

enum status
verify_seals_meet(struct verify_seals *s, struct error *err)
{
    check_seal(s, true);
    return await(s, s->awaited + 1, err);
}

enum status
verify_seals_pass(struct verify_seals *s, size_t index, struct error *err)
{
    if (index < s->awaited) {
        return STATUS_OK; /* met on the way */
    }
    check_seal(s, false);
    return await(s, index + 1, err);
}
