#include "tests/support/guard_page.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard_page
guard_page_copy(struct span bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t room = (bytes.len + page - 1) / page * page;
    uint8_t *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(map != MAP_FAILED);
    const int failed = mprotect(map + room, page, PROT_NONE);
    assert(failed == 0);
    (void)failed;
    uint8_t *start = map + room - bytes.len;
    memcpy(start, bytes.ptr, bytes.len);
    return (struct guard_page){
        .map = map,
        .map_len = room + page,
        .bytes = {.ptr = start, .len = bytes.len},
    };
}

void
guard_page_free(struct guard_page *g)
{
    munmap(g->map, g->map_len);
    *g = (struct guard_page){.bytes = SPAN_EMPTY};
}
