/* See spdy_headers.h. zlib stays inside this file; what it allocates comes
 * from an arena of the reader's own, so that data flow allocates nothing.
 * Inflated bytes go through a small chunk on the stack into block_take, one
 * state machine over bytes. */
#include "proxy/spdy_headers.h"

#include "proxy/limits.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

/* Draft 3.1, 2.6.10.1, without a NUL behind it: lengths and names, then
 * status lines and words. */
static const char dictionary[] =
    "\0\0\0\007options\0\0\0\004head\0\0\0\004post\0\0\0\003put"
    "\0\0\0\006delete\0\0\0\005trace\0\0\0\006accept\0\0\0\016accept-charset"
    "\0\0\0\017accept-encoding\0\0\0\017accept-language"
    "\0\0\0\015accept-ranges\0\0\0\003age\0\0\0\005allow"
    "\0\0\0\015authorization\0\0\0\015cache-control\0\0\0\012connection"
    "\0\0\0\014content-base\0\0\0\020content-encoding"
    "\0\0\0\020content-language\0\0\0\016content-length"
    "\0\0\0\020content-location\0\0\0\013content-md5\0\0\0\015content-range"
    "\0\0\0\014content-type\0\0\0\004date\0\0\0\004etag\0\0\0\006expect"
    "\0\0\0\007expires\0\0\0\004from\0\0\0\004host\0\0\0\010if-match"
    "\0\0\0\021if-modified-since\0\0\0\015if-none-match\0\0\0\010if-range"
    "\0\0\0\023if-unmodified-since\0\0\0\015last-modified\0\0\0\010location"
    "\0\0\0\014max-forwards\0\0\0\006pragma\0\0\0\022proxy-authenticate"
    "\0\0\0\023proxy-authorization\0\0\0\005range\0\0\0\007referer"
    "\0\0\0\013retry-after\0\0\0\006server\0\0\0\002te\0\0\0\007trailer"
    "\0\0\0\021transfer-encoding\0\0\0\007upgrade\0\0\0\012user-agent"
    "\0\0\0\004vary\0\0\0\003via\0\0\0\007warning\0\0\0\020www-authenticate"
    "\0\0\0\006method\0\0\0\003get\0\0\0\006status\0\0\0\006200 OK"
    "\0\0\0\007version\0\0\0\010HTTP/1.1\0\0\0\003url\0\0\0\006public"
    "\0\0\0\012set-cookie\0\0\0\012keep-alive\0\0\0\006origin"
    "100101201202205206300302303304305306307402405406407408409410411412413414"
    "415416417502504505203 Non-Authoritative Information204 No Content301 Mov"
    "ed Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found5"
    "00 Internal Server Error501 Not Implemented503 Service UnavailableJan Fe"
    "b Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, "
    "Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,applic"
    "ation/xml,application/xhtml+xml,text/plain,text/javascript,publicprivate"
    "max-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
#define DICTIONARY_LEN (sizeof dictionary - 1)

/* zlib 1.2.13 takes 7 KiB of state and, with the first bytes, a window of 32
 * KiB; more for its relatives. Pages that are never touched cost nothing. */
#define ARENA_LEN (64u << 10)
#define CHUNK_LEN 512u

enum block_state {
    BLOCK_COUNT,     /* owes bytes of the header count */
    BLOCK_NAME_LEN,  /* owes bytes of a name's length */
    BLOCK_NAME,      /* owes `left` bytes of the name */
    BLOCK_VALUE_LEN, /* owes bytes of a value's length */
    BLOCK_VALUE,     /* owes `left` bytes of the value */
    BLOCK_WHOLE,     /* owes nothing: any byte more is refused */
};

static const char wanted_name[] = "streamtype";
#define WANTED_LEN (sizeof wanted_name - 1)

struct spdy_headers {
    z_stream z;
    const char *why;
    /* The block being read. */
    enum block_state state;
    size_t block_len; /* inflated bytes so far */
    uint8_t number[4];
    size_t number_len;
    uint32_t headers_left;
    uint32_t left;   /* of this name or value */
    uint32_t offset; /* in this name or value */
    bool is_wanted;  /* the name is wanted_name so far */
    struct spdy_stream_type type;
    size_t arena_used;
    _Alignas(16) uint8_t arena[ARENA_LEN];
};

static void *
arena_alloc(void *opaque, uInt items, uInt size)
{
    struct spdy_headers *h = opaque;
    const size_t wanted = ((size_t)items * size + 15) & ~(size_t)15;
    if (size != 0 && items > ARENA_LEN / size) {
        return NULL;
    }
    if (wanted > ARENA_LEN - h->arena_used) {
        return NULL;
    }
    void *at = h->arena + h->arena_used;
    h->arena_used += wanted;
    return at;
}

static void
arena_free(void *opaque, void *address)
{
    (void)opaque; /* all of it goes with the reader */
    (void)address;
}

static void
block_begin(struct spdy_headers *h)
{
    h->state = BLOCK_COUNT;
    h->block_len = 0;
    h->number_len = 0;
    h->headers_left = 0;
    h->type = (struct spdy_stream_type){.is_set = false};
}

enum status
spdy_headers_new(struct spdy_headers **out)
{
    struct spdy_headers *h = malloc(sizeof *h);
    if (h == NULL) {
        return STATUS_NO_MEMORY;
    }
    memset(h, 0, offsetof(struct spdy_headers, arena));
    h->z.zalloc = arena_alloc;
    h->z.zfree = arena_free;
    h->z.opaque = h;
    if (inflateInit(&h->z) != Z_OK) {
        free(h);
        return STATUS_NO_MEMORY;
    }
    block_begin(h);
    *out = h;
    return STATUS_OK;
}

void
spdy_headers_free(struct spdy_headers **h)
{
    if (*h != NULL) {
        (void)inflateEnd(&(*h)->z);
        free(*h);
        *h = NULL;
    }
}

const char *
spdy_headers_why(const struct spdy_headers *h)
{
    return h->why;
}

static bool
refuse(struct spdy_headers *h, const char *why)
{
    h->why = why;
    return false;
}

static void
expect_number(struct spdy_headers *h, enum block_state state)
{
    h->state = state;
    h->number_len = 0;
}

static void
begin_header(struct spdy_headers *h)
{
    if (h->headers_left == 0) {
        h->state = BLOCK_WHOLE;
        return;
    }
    h->headers_left--;
    expect_number(h, BLOCK_NAME_LEN);
}

static bool
begin_name(struct spdy_headers *h, uint32_t len)
{
    if (len == 0) {
        return refuse(h, "spdy: header without a name");
    }
    h->state = BLOCK_NAME;
    h->left = len;
    h->offset = 0;
    h->is_wanted = len == WANTED_LEN;
    return true;
}

static bool
begin_value(struct spdy_headers *h, uint32_t len)
{
    if (h->is_wanted && h->type.is_set) {
        return refuse(h, "spdy: two stream types");
    }
    h->type.is_set = h->type.is_set || h->is_wanted;
    h->state = BLOCK_VALUE;
    h->left = len;
    h->offset = 0;
    if (len == 0) {
        begin_header(h);
    }
    return true;
}

static bool
take_number(struct spdy_headers *h, uint8_t byte)
{
    h->number[h->number_len] = byte;
    h->number_len++;
    if (h->number_len < sizeof h->number) {
        return true;
    }
    struct span whole = {.ptr = h->number, .len = sizeof h->number};
    uint32_t n = 0;
    (void)span_take_u32(&whole, &n);
    if (h->state == BLOCK_COUNT) {
        if (n > LIMIT_SPDY_HEADERS) {
            return refuse(h, "spdy: too many headers");
        }
        h->headers_left = n;
        begin_header(h);
        return true;
    }
    if (n > LIMIT_SPDY_BLOCK_BYTES) {
        return refuse(h, "spdy: header too long");
    }
    return h->state == BLOCK_NAME_LEN ? begin_name(h, n) : begin_value(h, n);
}

static bool
take_name_byte(struct spdy_headers *h, uint8_t byte)
{
    if (byte <= ' ' || byte >= 0x7F || (byte >= 'A' && byte <= 'Z')) {
        return refuse(h, "spdy: header name that is not lower case");
    }
    h->is_wanted = h->is_wanted && (uint8_t)wanted_name[h->offset] == byte;
    h->offset++;
    h->left--;
    if (h->left == 0) {
        expect_number(h, BLOCK_VALUE_LEN);
    }
    return true;
}

static void
take_value_byte(struct spdy_headers *h, uint8_t byte)
{
    if (h->is_wanted && h->type.len < sizeof h->type.text) {
        h->type.text[h->type.len] = byte;
        h->type.len++;
    }
    h->left--;
    if (h->left == 0) {
        begin_header(h);
    }
}

static bool
block_take(struct spdy_headers *h, uint8_t byte)
{
    switch (h->state) {
    case BLOCK_COUNT:
    case BLOCK_NAME_LEN:
    case BLOCK_VALUE_LEN:
        return take_number(h, byte);
    case BLOCK_NAME:
        return take_name_byte(h, byte);
    case BLOCK_VALUE:
        take_value_byte(h, byte);
        return true;
    case BLOCK_WHOLE:
        return refuse(h, "spdy: bytes behind the last header");
    }
    return false;
}

/* One step of zlib; *done_out when it can do no more with this piece. */
static bool
inflate_step(struct spdy_headers *h, bool *done_out)
{
    uint8_t chunk[CHUNK_LEN];
    h->z.next_out = chunk;
    h->z.avail_out = sizeof chunk;
    int rc = inflate(&h->z, Z_SYNC_FLUSH);
    if (rc == Z_NEED_DICT) {
        rc = inflateSetDictionary(
            &h->z, (const Bytef *)dictionary, DICTIONARY_LEN);
        *done_out = false;
        return rc == Z_OK || refuse(h, "spdy: another header dictionary");
    }
    if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return refuse(h, "spdy: header block does not inflate");
    }
    const size_t len = sizeof chunk - h->z.avail_out;
    h->block_len += len;
    if (h->block_len > LIMIT_SPDY_BLOCK_BYTES) {
        return refuse(h, "spdy: header block too long");
    }
    for (size_t i = 0; i < len; i++) {
        if (!block_take(h, chunk[i])) {
            return false;
        }
    }
    *done_out = h->z.avail_out > 0;
    return true;
}

enum feed
spdy_headers_take(struct spdy_headers *h, struct span piece, bool is_last,
    struct spdy_stream_type *out)
{
    if (h->why != NULL) {
        return FEED_BAD;
    }
    h->z.next_in = piece.ptr;
    h->z.avail_in = (uInt)piece.len; /* at most LIMIT_SPDY_CONTROL_BYTES */
    bool is_done = piece.len == 0;
    while (!is_done) {
        if (!inflate_step(h, &is_done)) {
            return FEED_BAD;
        }
    }
    if (!is_last) {
        return FEED_MORE;
    }
    if (h->state != BLOCK_WHOLE) {
        h->why = "spdy: header block cut short";
        return FEED_BAD;
    }
    *out = h->type;
    block_begin(h);
    return FEED_PIECE;
}
