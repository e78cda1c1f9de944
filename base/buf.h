/* Owned bytes, growing up to a cap that is set at birth.
 *
 * The cap is the memory bound of whoever owns the buffer: reaching it is an
 * answer (STATUS_LIMIT), never a crash. Consuming from the front is O(1)
 * amortised. A zeroed struct is not valid: call buf_init.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/span.h"
#include "base/status.h"
#include <stdarg.h>

struct buf {
    uint8_t *data;
    size_t off; /* first live byte */
    size_t len; /* live bytes from off */
    size_t cap; /* allocated */
    size_t max; /* never holds more than this; below SIZE_MAX */
};

void buf_init(struct buf *b, size_t max); /* allocates nothing */
void buf_fini(struct buf *b);             /* frees; b may be init'ed again */
void buf_wipe(struct buf *b);             /* explicit_bzero, then buf_fini */

struct span buf_view(const struct buf *b); /* until the next change of b */
size_t buf_room(const struct buf *b);      /* max - len */

enum status buf_append(struct buf *b, struct span s) MUST_CHECK;
enum status buf_append_str(struct buf *b, const char *s) MUST_CHECK;
enum status buf_append_u8(struct buf *b, uint8_t v) MUST_CHECK;
enum status buf_append_u16(struct buf *b, uint16_t v) MUST_CHECK; /* BE */
enum status buf_append_u32(struct buf *b, uint32_t v) MUST_CHECK;
enum status buf_append_u64(struct buf *b, uint64_t v) MUST_CHECK;
enum status buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))) MUST_CHECK;

/* Room for `n` more bytes, written by the caller to *tail_out and counted in
 * by buf_commit(b, written). */
enum status buf_reserve(struct buf *b, size_t n, uint8_t **tail_out) MUST_CHECK;
void buf_commit(struct buf *b, size_t n);

void buf_consume(struct buf *b, size_t n); /* n <= len */
void buf_clear(struct buf *b);             /* len 0, memory kept */
void buf_shrink(struct buf *b);            /* frees memory when empty */
/* Makes data[off+len] a NUL that is not counted, for calls that need a
 * C string; the pointer lives until the next change. */
enum status buf_cstr(struct buf *b, const char **out) MUST_CHECK;

#endif
