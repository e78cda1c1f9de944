/* STREAM as the age format uses it: chunk n of a payload under a key of its
 * own, with n and "this is the last" in its nonce, so that no chunk can be
 * moved, dropped or appended. For age_writer and age_reader. */
#ifndef BASE_AGE_STREAM_H
#define BASE_AGE_STREAM_H

#include "base/age_crypto.h"
#include "base/age_key.h"

#define AGE_CHUNK_LEN     (64u << 10)
#define AGE_SEALED_LEN    (AGE_CHUNK_LEN + AGE_TAG_LEN)
#define AGE_PAYLOAD_NONCE 16 /* bytes, between the header and the chunks */

/* The cipher of a payload. */
enum status age_stream_cipher(const uint8_t file_key[AGE_FILE_KEY_LEN],
    const uint8_t nonce[AGE_PAYLOAD_NONCE], struct age_cipher **out) MUST_CHECK;

void age_stream_nonce(uint64_t chunk, bool is_last, uint8_t out[AGE_NONCE_LEN]);

#endif
