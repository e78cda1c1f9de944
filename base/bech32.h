/* Bech32 (BIP 173), as the age format writes its keys: a prefix, "1", the data
 * in five-bit characters, six characters of checksum. */
#ifndef BASE_BECH32_H
#define BASE_BECH32_H

#include "base/span.h"
#include "base/status.h"

/* Decodes `text` with exactly this prefix, and so in its case, into exactly
 * `len` bytes. Strict: right checksum (not Bech32m's), one case, padding bits
 * of zero; but longer than BIP 173's 90 characters may be. STATUS_INVALID
 * leaves `dst` wiped. */
enum status bech32_decode(
    struct span text, const char *prefix, uint8_t *dst, size_t len) MUST_CHECK;

#endif
