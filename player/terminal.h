/* A person's terminal while a recording plays in it.
 *
 * Owns raw mode and its end: whatever happens, terminal_close puts back the
 * modes it found and undoes what a recording may have switched on (hidden
 * cursor, colours, mouse, alternate screen). Reads single keys; answers that
 * the terminal gives to queries in the recording are no keys.
 */
#ifndef PLAYER_TERMINAL_H
#define PLAYER_TERMINAL_H

#include "base/span.h"
#include "base/status.h"
#include <stdint.h>

enum terminal_key {
    TERMINAL_NOTHING, /* the time is over, or a key that means nothing */
    TERMINAL_PAUSE,   /* space */
    TERMINAL_QUIT,    /* q, Ctrl-C, Ctrl-D, or a signal that ends us */
};

struct terminal;

/* Raw mode only when standard input and output are both a terminal, so that a
 * pager behind a pipe keeps its own. `translates` leaves \n to \r\n on: a
 * session without a TTY printed bare newlines. */
enum status terminal_open(
    bool translates, struct terminal **out, struct error *err) MUST_CHECK;
void terminal_close(struct terminal **t);

/* Waits for a key, at most until `deadline_ns` on CLOCK_MONOTONIC
 * (UINT64_MAX: for ever). */
enum terminal_key terminal_wait(struct terminal *t, uint64_t deadline_ns);
/* Writes to standard output at once; remembers what must be undone. */
enum status terminal_show(
    struct terminal *t, struct span bytes, struct error *err) MUST_CHECK;

/* Of standard output, or of standard error; false when neither is one. */
bool terminal_size(uint16_t *columns_out, uint16_t *rows_out);

#endif
