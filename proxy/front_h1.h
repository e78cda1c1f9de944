/* A client connection that speaks HTTP/1.1: requests in, answers out, one
 * after the other.
 *
 * Owns the connection until a session takes it. Refuses to know what a
 * request means (exchange.h). A request that follows before the answer is
 * out waits, unread beyond one buffer.
 */
#ifndef PROXY_FRONT_H1_H
#define PROXY_FRONT_H1_H

#include "proxy/gateway.h"

/* Takes the descriptor. */
void front_h1_accept(struct gateway *g, int fd, struct tls_context *tls);

/* Closes those that are between requests; the others close when they have
 * answered, and so do those that have not asked yet, unless all ends. */
void front_h1_drain(struct gateway *g);

/* Closes all of them, whatever they are doing. */
void front_h1_close_all(struct gateway *g);

/* At the end of a turn. */
void front_h1_bury(struct gateway *g);

#endif
