/* "HOST:PORT" texts and listening or connecting TCP sockets. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/status.h"
#include <stdbool.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage sa;
    socklen_t len;
};

#define ADDRESS_TEXT_MAX 64

/* A numeric IPv4 or [IPv6] address and a port 0-65535; "localhost:N" is
 * 127.0.0.1. No name is looked up. */
enum status address_parse(
    const char *text, struct address *out, struct error *err) MUST_CHECK;
void address_format(const struct address *a, char out[ADDRESS_TEXT_MAX]);
/* Without the port, and without brackets. */
void address_format_host(const struct address *a, char out[ADDRESS_TEXT_MAX]);
int address_port(const struct address *a);

/* Non-blocking, close-on-exec, SO_REUSEADDR; SO_REUSEPORT when asked. */
enum status address_listen(const struct address *a, bool reuse_port,
    int *fd_out, struct error *err) MUST_CHECK;
/* What a socket is bound to (after port 0). */
enum status address_of_socket(
    int fd, struct address *out, struct error *err) MUST_CHECK;

#endif
