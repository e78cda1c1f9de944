/* Checkpoints: nobody's signature opens, whatever parses says what a
 * checkpoint of ours can say, and that, signed, opens. */
#include "schema/checkpoint.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
sign_and_open(const struct checkpoint *c, const struct signer *signer)
{
    const struct ed25519_public key = signer_public(signer);
    struct checkpoint got;
    size_t which;
    struct buf note;
    buf_init(&note, CHECKPOINT_TEXT_MAX);
    assert(checkpoint_sign(c, signer, &note) == STATUS_OK);
    assert(checkpoint_open(buf_view(&note), &key, 1, &got, &which, NULL) ==
           STATUS_OK);
    assert(strcmp(got.origin, c->origin) == 0 && got.size == c->size &&
           memcmp(&got.root, &c->root, sizeof got.root) == 0);
    buf_fini(&note);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct signer *signer;
    if (signer == NULL) {
        assert(signer_new(&signer, NULL) == STATUS_OK);
    }
    const struct ed25519_public key = signer_public(signer);
    const struct span note = span_of(data, size);
    struct checkpoint c;
    size_t which;
    const enum status parsed = checkpoint_parse(note, &c, NULL);
    /* This run's key signed nothing of the input. */
    const enum status opened = checkpoint_open(note, &key, 1, &c, &which, NULL);
    assert(parsed == STATUS_OK
               ? opened == STATUS_DENIED
               : opened == STATUS_INVALID || opened == STATUS_DENIED);
    /* Its own name must not break the line that it is signed with. */
    if (parsed == STATUS_OK && memchr(c.origin, ' ', sizeof c.origin) == NULL &&
        memchr(c.origin, '+', sizeof c.origin) == NULL) {
        sign_and_open(&c, signer);
    }
    return 0;
}
