/* run/recorder.sock: who asks, what, and the answers on their way back.
 *
 * Owns the connections and what bounds them: how many, how long a line, how
 * much is on its way to somebody who does not read, how long each may take.
 * One request a connection; it is closed behind the final answer. Refuses to
 * know what requests mean.
 */
#ifndef RECORDER_CONTROL_SOCKET_H
#define RECORDER_CONTROL_SOCKET_H

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "schema/control.h"

struct control_socket;
struct control_peer;

struct control_socket_owner {
    /* Somebody asked: answers go to control_peer_say, the last of them final,
     * now or later. `who` is the name of the user that he runs as. */
    void (*on_request)(void *ctx, struct control_peer *peer,
        const struct control_request *request, const char *who);
    /* He is gone before the final answer, and the peer with him. */
    void (*on_gone)(void *ctx, struct control_peer *peer);
    void *ctx;
};

enum status control_socket_open(struct loop *loop, const char *state_dir,
    const struct clock *clock, const struct log *log,
    const struct control_socket_owner *owner, struct control_socket **out,
    struct error *err) MUST_CHECK;
/* Tells nobody's on_gone. */
void control_socket_close(struct control_socket **s);

/* After a DONE or an ERROR the peer is not the caller's any more. */
void control_peer_say(
    struct control_peer *peer, const struct control_answer *answer);
/* Whether he reads what he is told: else wait before telling more. */
bool control_peer_has_room(const struct control_peer *peer);

#endif
