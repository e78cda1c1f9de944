/* A copy of bytes that ends at a PROT_NONE page: a parser that reads one byte
 * past its input dies there, in every build. */
#ifndef SUPPORT_GUARD_PAGE_H
#define SUPPORT_GUARD_PAGE_H

#include "base/span.h"

struct guard_page {
    void *map;
    size_t map_len;
    struct span bytes;
};

struct guard_page guard_page_copy(struct span bytes); /* aborts on failure */
void guard_page_free(struct guard_page *g);

#endif
