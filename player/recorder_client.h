/* Asking the recorder to change the store: the player itself never does.
 *
 * Owns the connection to run/recorder.sock and who is told when nobody
 * answers there. What is asked for, and what is shown of it, is the command's.
 */
#ifndef PLAYER_RECORDER_CLIENT_H
#define PLAYER_RECORDER_CLIENT_H

#include "schema/control.h"

/* Hears of progress and of items; a failure ends the asking. */
typedef enum status recorder_client_fn(
    void *ctx, const struct control_answer *answer, struct error *err);

/* Asks, and waits for the final answer. STATUS_NOT_FOUND: no recorder runs on
 * this state folder; STATUS_DENIED: it refused, and err says why. */
enum status recorder_client_ask(const char *state,
    const struct control_request *request, recorder_client_fn *fn, void *ctx,
    struct control_answer *done_out, struct error *err) MUST_CHECK;

#endif
