/* AF_UNIX stream sockets, by path: how programs of one state folder talk.
 *
 * A path longer than sun_path takes is reached through its folder's
 * descriptor, so that a deep state folder works like any other.
 */
#ifndef BASE_LOCAL_SOCKET_H
#define BASE_LOCAL_SOCKET_H

#include "base/status.h"
#include <sys/types.h>

/* Makes the socket, 0600, in place of whatever a program that was killed left
 * there: the caller knows that nobody else serves it. Does not block. */
enum status local_socket_listen(
    const char *path, int backlog, int *fd_out, struct error *err) MUST_CHECK;

/* The next who asks, and as whom he runs; does not block, and so does the new
 * descriptor. STATUS_CLOSED when nobody waits. */
enum status local_socket_accept(
    int fd, int *peer_out, uid_t *uid_out, struct error *err) MUST_CHECK;

/* A descriptor that blocks. STATUS_NOT_FOUND when nobody listens there. */
enum status local_socket_connect(
    const char *path, int *fd_out, struct error *err) MUST_CHECK;

/* The name of a user, or "uid 1000" when the system knows none. */
#define LOCAL_USER_MAX 64
void local_user_name(uid_t uid, char out[LOCAL_USER_MAX]);

#endif
