/* Numeric addresses and the sockets that listen on them.
 *
 * Refuses to look up names: a lookup blocks, and what a listener is bound to
 * must not depend on a resolver. "localhost" alone is known, as 127.0.0.1.
 */
#include "base/address.h"

#include "base/span.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOST_MAX INET6_ADDRSTRLEN

/* HOST:PORT or [HOST]:PORT; the port is what follows the last colon. */
static bool
split(const char *text, struct span *host_out, bool *is_v6_out,
    uint16_t *port_out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return false;
    }
    uint64_t port;
    if (!span_to_u64(span_str(colon + 1), UINT16_MAX, &port)) {
        return false;
    }
    struct span host = span_of(text, (size_t)(colon - text));
    *is_v6_out = host.len >= 2 && text[0] == '[' && colon[-1] == ']';
    if (*is_v6_out) {
        host = span_of(text + 1, host.len - 2);
    }
    *host_out = span_eq_str(host, "localhost") ? SPAN_LIT("127.0.0.1") : host;
    *port_out = (uint16_t)port;
    return true;
}

static bool
parse_v4(const char *host, uint16_t port, struct address *out)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
    };
    if (inet_pton(AF_INET, host, &sin.sin_addr) != 1) {
        return false;
    }
    *out = (struct address){.len = sizeof(sin)};
    memcpy(&out->sa, &sin, sizeof(sin));
    return true;
}

static bool
parse_v6(const char *host, uint16_t port, struct address *out)
{
    struct sockaddr_in6 sin6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(port),
    };
    if (inet_pton(AF_INET6, host, &sin6.sin6_addr) != 1) {
        return false;
    }
    *out = (struct address){.len = sizeof(sin6)};
    memcpy(&out->sa, &sin6, sizeof(sin6));
    return true;
}

static bool
parse(const char *text, struct address *out)
{
    struct span host;
    bool is_v6;
    uint16_t port;
    char host_text[HOST_MAX];
    if (!split(text, &host, &is_v6, &port) || host.len >= sizeof(host_text)) {
        return false;
    }
    memcpy(host_text, host.ptr, host.len);
    host_text[host.len] = '\0';
    return is_v6 ? parse_v6(host_text, port, out)
                 : parse_v4(host_text, port, out);
}

enum status
address_parse(const char *text, struct address *out, struct error *err)
{
    if (!parse(text, out)) {
        return error_set(err, STATUS_INVALID,
            "\"%.128s\" is not an address: expected IPV4:PORT, [IPV6]:PORT or "
            "localhost:PORT",
            text);
    }
    return STATUS_OK;
}

/* Copied, not cast: the storage is one object of one type. */
static struct sockaddr_in
as_v4(const struct address *a)
{
    struct sockaddr_in sin;
    memcpy(&sin, &a->sa, sizeof(sin));
    return sin;
}

static struct sockaddr_in6
as_v6(const struct address *a)
{
    struct sockaddr_in6 sin6;
    memcpy(&sin6, &a->sa, sizeof(sin6));
    return sin6;
}

void
address_format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    char host[HOST_MAX];
    if (a->sa.ss_family == AF_INET) {
        struct sockaddr_in sin = as_v4(a);
        (void)inet_ntop(AF_INET, &sin.sin_addr, host, sizeof(host));
        (void)snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", host,
            (unsigned)ntohs(sin.sin_port));
    } else if (a->sa.ss_family == AF_INET6) {
        struct sockaddr_in6 sin6 = as_v6(a);
        (void)inet_ntop(AF_INET6, &sin6.sin6_addr, host, sizeof(host));
        (void)snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%u", host,
            (unsigned)ntohs(sin6.sin6_port));
    } else {
        (void)snprintf(out, ADDRESS_TEXT_MAX, "unknown");
    }
}

void
address_format_host(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    if (a->sa.ss_family == AF_INET) {
        struct sockaddr_in sin = as_v4(a);
        (void)inet_ntop(AF_INET, &sin.sin_addr, out, ADDRESS_TEXT_MAX);
    } else if (a->sa.ss_family == AF_INET6) {
        struct sockaddr_in6 sin6 = as_v6(a);
        (void)inet_ntop(AF_INET6, &sin6.sin6_addr, out, ADDRESS_TEXT_MAX);
    } else {
        (void)snprintf(out, ADDRESS_TEXT_MAX, "unknown");
    }
}

int
address_port(const struct address *a)
{
    if (a->sa.ss_family == AF_INET) {
        return ntohs(as_v4(a).sin_port);
    }
    return a->sa.ss_family == AF_INET6 ? ntohs(as_v6(a).sin6_port) : 0;
}

static bool
bind_and_listen(int fd, const struct address *a, bool reuse_port)
{
    const int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
        return false;
    }
    if (reuse_port &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) {
        return false;
    }
    return bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0 &&
           listen(fd, SOMAXCONN) == 0;
}

enum status
address_listen(
    const struct address *a, bool reuse_port, int *fd_out, struct error *err)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(a, text);
    int fd =
        socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return error_sys(err, errno, "cannot open a socket for %s", text);
    }
    if (!bind_and_listen(fd, a, reuse_port)) {
        enum status st = error_sys(err, errno, "cannot listen on %s", text);
        close(fd);
        return st;
    }
    *fd_out = fd;
    return STATUS_OK;
}

enum status
address_of_socket(int fd, struct address *out, struct error *err)
{
    struct address a = {.len = sizeof(a.sa)};
    if (getsockname(fd, (struct sockaddr *)&a.sa, &a.len) != 0) {
        return error_sys(err, errno, "cannot ask what a socket is bound to");
    }
    *out = a;
    return STATUS_OK;
}
