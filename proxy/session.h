/* A running session: two connections, and what passes between them.
 *
 * Owns both connections, the demux and the tap from the 101 on. Bytes are
 * forwarded as they came; each is in the journal before it is (conn's gate
 * sees to that). Ends with whichever side ends, after what was said has been
 * delivered.
 */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include "proxy/demux.h"
#include "proxy/gateway.h"
#include "proxy/tap.h"

struct session_parts {
    struct tap *tap;
    struct demux *demux; /* NULL: bytes are only counted (port-forward) */
    struct conn *front;
    struct conn *back;
};

/* Takes all parts, also when there is no memory, or had been none for the 101
 * (front is NULL): then the session is over at once. */
void session_begin(struct gateway *g, const struct session_parts *parts);

/* At the end of a turn, when the journal has been written: while it takes no
 * more, sessions pause, and after journal.pause_ms they are ended with a
 * message; when it does again they go on, and nothing is missing. Those of best
 * effort go on all the time, and have a gap. */
void session_heed_journal(struct gateway *g);
/* Then: sessions that waited for room go on. */
void session_run_stalled(struct gateway *g);

/* Ends every session with a message to its user. */
void session_end_all(struct gateway *g, const char *why);

#endif
