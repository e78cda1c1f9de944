#include "base/digest.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
void
random_bytes(void *dst, size_t len)
{
    uint8_t *at = dst;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno != EINTR) {
            abort();
        }
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}
