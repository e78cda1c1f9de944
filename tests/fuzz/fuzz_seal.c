/* Seals: whatever decodes has exactly one encoding, in front of the signature
 * at least, and no bytes but a signer's verify. */
#include "schema/seal.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct signer *signer;
    if (signer == NULL) {
        assert(signer_new(&signer, NULL) == STATUS_OK);
    }
    const struct span frame = span_of(data, size);
    const struct ed25519_public key = signer_public(signer);
    struct seal s;
    struct error err;
    if (seal_decode(frame, &s, &err) != STATUS_OK) {
        assert(!seal_verify(frame, &key));
        return 0;
    }
    assert(size == SEAL_FRAME_LEN);
    assert(!seal_verify(frame, &key)); /* this run's key signed nothing yet */
    uint8_t again[SEAL_FRAME_LEN];
    assert(seal_sign(&s, signer, again) == STATUS_OK);
    const size_t before_key =
        SEAL_FRAME_LEN - ED25519_SIG_LEN - ED25519_KEY_LEN;
    assert(memcmp(again, data, before_key) == 0);
    assert(seal_verify(span_of(again, sizeof again), &key));
    return 0;
}
