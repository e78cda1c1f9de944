#include "base/age_stream.h"

#include <string.h>

enum status
age_stream_cipher(const uint8_t file_key[AGE_FILE_KEY_LEN],
    const uint8_t nonce[AGE_PAYLOAD_NONCE], struct age_cipher **out)
{
    struct age_key key;
    enum status st = age_hkdf(span_of(file_key, AGE_FILE_KEY_LEN),
        span_of(nonce, AGE_PAYLOAD_NONCE), "payload", &key);
    if (st == STATUS_OK) {
        st = age_cipher_new(&key, out);
    }
    age_key_wipe(&key);
    return st;
}

/* Eleven bytes of counter, big-endian, and the flag. */
void
age_stream_nonce(uint64_t chunk, bool is_last, uint8_t out[AGE_NONCE_LEN])
{
    memset(out, 0, AGE_NONCE_LEN);
    for (size_t i = 0; i < sizeof chunk; i++) {
        out[AGE_NONCE_LEN - 2 - i] = (uint8_t)(chunk >> (8 * i));
    }
    out[AGE_NONCE_LEN - 1] = is_last ? 1 : 0;
}
