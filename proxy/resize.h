/* Terminal sizes on the resize channel: a stream of JSON objects
 * {"Width":W,"Height":H}, cut into frames anyhow.
 *
 * Reads what the API server's json.Decoder would read into a TerminalSize
 * (k8s.io/client-go/tools/remotecommand/resize.go): names without regard to
 * case, unknown names skipped, absent ones zero. The API server stops
 * listening at the first text that does not decode; so does this reader. A
 * size is a fact about the picture, never about what was done, so this is
 * the one parser that shrugs and does not refuse.
 */
#ifndef PROXY_RESIZE_H
#define PROXY_RESIZE_H

#include "base/span.h"

/* An object is 27 bytes or so; a longer one than this is no size. */
#define RESIZE_TEXT_MAX 256

struct resize_reader {
    uint8_t text[RESIZE_TEXT_MAX]; /* the object so far */
    size_t len;
    unsigned depth;
    bool in_string;
    bool in_escape;
    bool is_deaf; /* something did not decode */
};

void resize_init(struct resize_reader *r);
/* True when this byte completed a size. */
bool resize_take(struct resize_reader *r, uint8_t byte, uint16_t *width_out,
    uint16_t *height_out);

#endif
