/* Seals against the text that they sign.
 *
 * The text comes in order; verify_seals_distance says how much of it may be
 * taken before a seal is due, and verify_seals_meet compares it there. A seal
 * that the text has not met by the time its own place in the file comes signs
 * text that is not there.
 *
 * Every seal names the hash of the one before. So a signature stands for all
 * seals that lead to it, and only where that chain is broken, and at its end,
 * are signatures checked one by one: a check costs as much as hashing 100 KiB.
 */
#ifndef PLAYER_VERIFY_SEALS_H
#define PLAYER_VERIFY_SEALS_H

#include "player/key_set.h"
#include "player/recording_source.h"
#include "player/verify_report.h"
#include "schema/seal.h"

struct verify_seal_place;

struct verify_seals {
    const struct key_set *keys;
    struct recording_source *source; /* that the seals lie in */
    struct verify_report *report;
    struct hasher *hasher; /* of the text so far */
    struct verify_seal_place *places;
    size_t count;
    size_t room;

    /* The next one to hold against the text; `count` when there is none. */
    size_t awaited;
    uint8_t bytes[SEAL_FRAME_LEN];
    struct seal seal;
    bool is_decoded; /* false: these bytes are no seal */

    struct sha256 chain; /* hash of the seal before */
    bool is_chain_known; /* false behind a seal that was no good */
    uint32_t next_sequence;
    bool is_text_known; /* false behind text found wrong or unreadable */
    bool is_foreign_key_told;
    uint64_t checked_time_us; /* of the last event before the last good seal */
};

/* All but the out-parameter is borrowed until verify_seals_fini. */
enum status verify_seals_init(struct verify_seals *s,
    const struct key_set *keys, struct recording_source *source,
    struct verify_report *report, struct error *err) MUST_CHECK;
void verify_seals_fini(struct verify_seals *s);

/* First every seal's place in the file, in order; then the start. */
enum status verify_seals_add(
    struct verify_seals *s, uint64_t offset, struct error *err) MUST_CHECK;
enum status verify_seals_start(
    struct verify_seals *s, struct error *err) MUST_CHECK;

/* Bytes of text up to the next seal's text_len; UINT64_MAX when none is due. */
uint64_t verify_seals_distance(const struct verify_seals *s);
void verify_seals_take(struct verify_seals *s, struct span text);
/* The text stands where the next seal is due. */
enum status verify_seals_meet(
    struct verify_seals *s, struct error *err) MUST_CHECK;
/* The place of seal `index` has come. */
enum status verify_seals_pass(
    struct verify_seals *s, size_t index, struct error *err) MUST_CHECK;

#endif
