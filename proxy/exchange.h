/* One request and its answer, between a front (what the client speaks) and a
 * call (what the API server speaks).
 *
 * Owns the decisions: who calls, what the request is, whether it may pass and
 * whether it is recorded. Refuses to know codecs and sockets: a front is a
 * table of functions, and so will HTTP/2's be.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "proxy/gateway.h"

struct exchange;

/* What a front does for its exchange. The order is: interim*, respond, body*,
 * then finish; or abort at any time. After finish, abort or take_conn the
 * exchange is over, and the front forgets it. Inside exchange_begin, too. */
struct exchange_front {
    void (*interim)(void *front, const struct http_message *m);
    void (*respond)(void *front, const struct http_message *m);
    void (*body)(void *front, struct span bytes);
    void (*finish)(
        void *front, const struct http_field *trailers, size_t trailer_count);
    void (*abort)(void *front, const char *why); /* the answer is cut off */
    bool (*is_full)(const void *front); /* more than enough waits to be sent */
    void (*want_body)(void *front, bool wanted); /* of the request; at first
                                                  * it is not */
    /* After respond with 101: the connection itself, or NULL where there is
     * no such thing, or when the 101 could not be sent. */
    struct conn *(*take_conn)(void *front);
    const struct address *(*peer)(const void *front);
};

/* `request` lives until the exchange is over. NULL when there is no memory:
 * nothing was called then. *out is written before any function of the front
 * is called. */
void exchange_begin(struct gateway *g, const struct exchange_front *ops,
    void *front, const struct http_head *request, struct exchange **out);

void exchange_on_body(struct exchange *x, struct span bytes);
void exchange_on_body_end(struct exchange *x, const struct http_field *trailers,
    size_t trailer_count);
void exchange_on_room(struct exchange *x);       /* is_full no longer holds */
void exchange_on_front_gone(struct exchange *x); /* over; no call follows */

/* Answers with a Status of the front's own, for heads that could not be
 * read: no exchange ever exists. */
void exchange_refuse(const struct exchange_front *ops, void *front,
    unsigned code, const char *why);

/* At the end of a turn, when the journal has been written: denies the sessions
 * whose beginning could not be for journal.pause_ms. */
void exchange_heed_journal(struct gateway *g);
/* Then: frees what is over. */
void exchange_bury(struct gateway *g);

#endif
