/* UTF-8 (RFC 3629), strict: no surrogates, no overlong forms, <= U+10FFFF. */
#ifndef SCHEMA_UTF8_H
#define SCHEMA_UTF8_H

#include "base/buf.h"

/* Length of the longest valid prefix; fast on ASCII. */
size_t utf8_valid_prefix(struct span s);
/* Bytes at the end of `s` (0-3) that begin a character which more bytes could
 * complete. */
size_t utf8_split_tail(struct span s);
/* Appends `s` with each maximal invalid part replaced by U+FFFD (Unicode
 * 15 section 3.9, W3C practice). */
enum status utf8_repair(struct span s, struct buf *out) MUST_CHECK;

#endif
