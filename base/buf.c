/* Owned bytes that grow up to a cap.
 *
 * Live bytes are data[off .. off+len), and one byte behind them is always
 * allocated too, so that a NUL fits even in a full buffer. Consuming only
 * moves `off`; the space in front is won back when moving is cheaper than
 * growing. Memory that is grown out of is wiped: a buf may hold a token, and
 * buf_wipe must not leave a copy behind.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_ALLOCATION 64

void
buf_init(struct buf *b, size_t max)
{
    assert(max < SIZE_MAX);
    *b = (struct buf){.max = max};
}

void
buf_fini(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void
buf_wipe(struct buf *b)
{
    /* All of the allocation: consumed bytes lie in front of `off`. */
    if (b->data != NULL) {
        explicit_bzero(b->data, b->cap);
    }
    buf_fini(b);
}

struct span
buf_view(const struct buf *b)
{
    if (b->data == NULL) {
        return SPAN_EMPTY;
    }
    return (struct span){.ptr = b->data + b->off, .len = b->len};
}

size_t
buf_room(const struct buf *b)
{
    return b->max - b->len;
}

static size_t
min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t
max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Twice what there is, so that appending is O(1) amortised. */
static size_t
next_cap(const struct buf *b, size_t need)
{
    size_t most = b->max + 1;
    size_t twice = b->cap > most / 2 ? most : b->cap * 2;
    size_t cap = max_size(twice, max_size(need, BUF_FIRST_ALLOCATION));
    return min_size(cap, most);
}

static enum status
grow(struct buf *b, size_t need)
{
    size_t cap = next_cap(b, need);
    uint8_t *data = malloc(cap);
    if (data == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (b->data != NULL) {
        memcpy(data, b->data + b->off, b->len);
        explicit_bzero(b->data, b->cap);
        free(b->data);
    }
    b->data = data;
    b->off = 0;
    b->cap = cap;
    return STATUS_OK;
}

/* Room for `n` bytes and a NUL behind the live ones. Bytes move to the front
 * only when at least as many were consumed, or when the cap leaves no choice.
 */
static enum status
make_room(struct buf *b, size_t n)
{
    if (n > buf_room(b)) {
        return STATUS_LIMIT;
    }
    size_t need = b->len + n + 1;
    if (b->off < b->cap && need <= b->cap - b->off) {
        return STATUS_OK;
    }
    bool worth_moving = b->off >= b->len || b->cap > b->max;
    if (need > b->cap || !worth_moving) {
        return grow(b, need);
    }
    memmove(b->data, b->data + b->off, b->len);
    b->off = 0;
    return STATUS_OK;
}

enum status
buf_reserve(struct buf *b, size_t n, uint8_t **tail_out)
{
    enum status st = make_room(b, n);
    if (st == STATUS_OK) {
        *tail_out = b->data + b->off + b->len;
    }
    return st;
}

void
buf_commit(struct buf *b, size_t n)
{
    assert(n <= buf_room(b));
    assert(n <= b->cap - b->off - b->len);
    b->len += n;
}

enum status
buf_append(struct buf *b, struct span s)
{
    uint8_t *tail = NULL;
    enum status st = buf_reserve(b, s.len, &tail);
    if (st == STATUS_OK) {
        memcpy(tail, s.ptr, s.len);
        buf_commit(b, s.len);
    }
    return st;
}

enum status
buf_append_str(struct buf *b, const char *s)
{
    return buf_append(b, span_str(s));
}

static enum status
append_be(struct buf *b, uint64_t v, size_t n)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    }
    return buf_append(b, span_of(bytes, n));
}

enum status
buf_append_u8(struct buf *b, uint8_t v)
{
    return append_be(b, v, 1);
}

enum status
buf_append_u16(struct buf *b, uint16_t v)
{
    return append_be(b, v, 2);
}

enum status
buf_append_u32(struct buf *b, uint32_t v)
{
    return append_be(b, v, 4);
}

enum status
buf_append_u64(struct buf *b, uint64_t v)
{
    return append_be(b, v, 8);
}

/* vsnprintf writes its NUL into the spare byte. */
__attribute__((format(printf, 3, 0))) static enum status
append_formatted(struct buf *b, size_t n, const char *fmt, va_list args)
{
    uint8_t *tail = NULL;
    enum status st = buf_reserve(b, n, &tail);
    if (st == STATUS_OK) {
        (void)vsnprintf((char *)tail, n + 1, fmt, args);
        buf_commit(b, n);
    }
    return st;
}

enum status
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        return STATUS_INVALID;
    }
    va_start(args, fmt);
    enum status st = append_formatted(b, (size_t)n, fmt, args);
    va_end(args);
    return st;
}

void
buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    b->off = b->len == 0 ? 0 : b->off + n;
}

void
buf_clear(struct buf *b)
{
    b->off = 0;
    b->len = 0;
}

void
buf_shrink(struct buf *b)
{
    if (b->len == 0) {
        buf_fini(b);
    }
}

enum status
buf_cstr(struct buf *b, const char **out)
{
    uint8_t *tail = NULL;
    enum status st = buf_reserve(b, 0, &tail);
    if (st == STATUS_OK) {
        *tail = '\0';
        *out = (const char *)b->data + b->off;
    }
    return st;
}
