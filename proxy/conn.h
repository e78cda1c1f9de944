/* One TLS connection on the loop: bytes in, bytes out, both ends of its life.
 *
 * Owns the socket, its TLS state, what was read and not yet taken, what is to
 * be sent and not yet sent, and the gate: bytes sent with an LSN stay here
 * until conn_env_release says that the journal has everything below it. That
 * is where "recorded before revealed" is enforced, for every session, in one
 * place. Refuses to know HTTP, sessions and the journal itself.
 *
 * Reading: the owner's on_bytes consumes from the front of a span. What it
 * leaves is kept, and reading pauses until conn_resume.
 *
 * Life: conn_close may be called from any callback, its own included; after
 * it no callback comes. The memory goes at the end of the loop's turn.
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include "base/address.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/tls.h"
#include "proxy/limits.h"

struct conn;

struct conn_events {
    void (*on_open)(void *owner); /* the handshake is done */
    void (*on_bytes)(void *owner, struct span *bytes);
    /* The peer sends no more. `is_clean`: it said so (close_notify). */
    void (*on_end)(void *owner, bool is_clean);
    void (*on_room)(void *owner); /* fell below the low mark again */
    /* Nothing can be sent or received any more; `why` lives for the call. */
    void (*on_failed)(void *owner, const char *why);
};

/* What the connections of a worker share. */
struct conn_env {
    struct loop *loop;
    const struct clock *clock;
    const struct log *log;
    uint64_t released_lsn;  /* the gate is open up to here */
    struct list all;        /* every connection, for deadlines */
    struct list waiting;    /* those with bytes behind the gate */
    struct list ready;      /* those with bytes that no descriptor signals */
    struct list dead;       /* closed this turn */
    size_t count;           /* of `all` */
    bool has_joined;        /* since the last release */
    size_t finishing_count; /* ownerless: their last bytes are on the way */
    uint8_t read_bytes[LIMIT_READ_BYTES];
};

void conn_env_init(struct conn_env *env, struct loop *loop,
    const struct clock *clock, const struct log *log);
/* The parts of a turn's end, in this order: deliver what is ready; (the owner
 * of the journal flushes;) let go what lies below `lsn`; free the dead. */
void conn_env_run_ready(struct conn_env *env);
void conn_env_release(struct conn_env *env, uint64_t lsn);
/* The journal has more now; what is sent from here on may use that. */
void conn_env_note_released(struct conn_env *env, uint64_t lsn);
void conn_env_bury(struct conn_env *env);
/* Closes every connection; no owner is called. */
void conn_env_close_all(struct conn_env *env);
/* Once a second: fails connections whose deadline has passed. */
void conn_env_check_deadlines(struct conn_env *env);

/* The descriptor is the connection's from here, also on failure. */
enum status conn_accept(struct conn_env *env, int fd, struct tls_context *tls,
    const struct conn_events *events, void *owner, struct conn **out,
    struct error *err) MUST_CHECK;
/* `name` is verified against the certificate. */
enum status conn_connect(struct conn_env *env, const struct address *to,
    const char *name, struct tls_context *tls, const struct conn_events *events,
    void *owner, struct conn **out, struct error *err) MUST_CHECK;
void conn_set_owner(
    struct conn *c, const struct conn_events *events, void *owner);
void conn_close(struct conn **c); /* at once; NULL is fine */

/* Sends after everything sent before. `lsn` 0: as soon as possible; else not
 * before the journal is deliverable up to it. STATUS_LIMIT when the buffer is
 * full: an owner that heeds conn_is_full never sees it. */
enum status conn_send(
    struct conn *c, struct span bytes, uint64_t lsn) MUST_CHECK;
/* What the owner would want to know about the end of the bytes sent so far, if
 * they were the last; see conn_drop_gated. */
void conn_set_mark(struct conn *c, uint32_t mark);
/* Forgets what waits for the journal, for good; the mark of what is left. */
uint32_t conn_drop_gated(struct conn *c);
/* What waits for the journal waits no longer (best effort). */
void conn_ungate(struct conn *c);
/* Whether conn_send would not answer STATUS_CLOSED. */
bool conn_may_send(const struct conn *c);
/* After what was sent: close_notify. The other direction stays open. */
void conn_end(struct conn *c);
/* After what was sent: close_notify, then close; the connection is no longer
 * the owner's. */
void conn_finish(struct conn **c);

/* At once, and so that the peer sees that it was cut; NULL is fine. */
void conn_reset(struct conn **c);

/* More than the high mark waits to be sent: stop reading its source. */
bool conn_is_full(const struct conn *c);
size_t conn_unsent(const struct conn *c);
void conn_pause(struct conn *c);
void conn_resume(struct conn *c); /* what was left is offered again, soon */

/* Whether the peer has sent nothing since the last on_bytes, and not ended.
 * Looks at the socket now; if the answer is no, the connection can only be
 * closed. */
bool conn_is_quiet(struct conn *c);

/* Fails the connection with `why` (static) unless moved on before; 0: none. */
void conn_deadline(struct conn *c, uint64_t from_now_ms, const char *why);

const struct address *conn_peer(const struct conn *c);

#endif
