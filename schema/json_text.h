/* JSON strings (RFC 8259 section 7): the fast code under every event line.
 *
 * Output of sessions passes here byte for byte, so neither direction goes
 * through a JSON library. Knows strings only; shapes are cast's and meta's.
 */
#ifndef SCHEMA_JSON_TEXT_H
#define SCHEMA_JSON_TEXT_H

#include "base/buf.h"

/* Appends `text`, which is valid UTF-8, in quotes, or nothing when it fails.
 * Quote, backslash, controls below U+0020 and DEL are escaped; everything else
 * is written as it is. */
enum status json_text_encode(struct span text, struct buf *out) MUST_CHECK;

/* Takes one string, opening to closing quote, from the front of *in and
 * appends its value. STATUS_INVALID, and *in is where it broke, for anything
 * but a whole JSON string of valid UTF-8; lone surrogates are refused. */
enum status json_text_decode(struct span *in, struct buf *out) MUST_CHECK;

#endif
