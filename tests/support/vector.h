/* Parser vectors: one input, run whole, byte by byte, cut at every place and
 * ending at a PROT_NONE page. Each run writes a transcript in which
 * neighbouring pieces of one kind are joined, so all must be the same. */
#ifndef SUPPORT_VECTOR_H
#define SUPPORT_VECTOR_H

#include "base/buf.h"

struct transcript {
    struct buf text;
    const char *joining; /* label of the piece being joined, or NULL */
};

/* `label "bytes"`, joined with the piece before when the label is the same;
 * bytes that are not printable are \xNN. */
void transcript_piece(
    struct transcript *t, const char *label, struct span bytes);
/* One line; ends a piece. */
void transcript_line(struct transcript *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct vector_parser {
    void *(*open)(const void *ctx);
    /* Feeds until MORE, or until BAD, which it tells once. */
    void (*feed)(void *parser, struct span chunk, struct transcript *t);
    void (*close)(void *parser);
};

/* `hex` may hold spaces. Fails the test at the first run whose transcript is
 * not `expected`. */
void vector_check(const struct vector_parser *p, const void *ctx,
    const char *hex, const char *expected);
/* Appends the bytes of `hex`. */
void vector_hex(const char *hex, struct buf *out);

#endif
