/* See server_url.h. */
#include "proxy/server_url.h"

#include <arpa/inet.h>
#include <string.h>

/* The scheme is case-insensitive (RFC 3986 3.1). */
static bool
take_https(struct span *rest)
{
    static const char scheme[] = "https://";
    struct span head;
    return rest->len >= sizeof scheme - 1 &&
           span_eq_nocase(
               (struct span){rest->ptr, sizeof scheme - 1}, scheme) &&
           span_take(rest, sizeof scheme - 1, &head);
}

static bool
is_host_name(struct span host)
{
    if (host.len == 0 || host.len > 253) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        const uint8_t c = host.ptr[i];
        const uint8_t lower = c | 0x20u;
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '.' && c != '_') {
            return false;
        }
    }
    return true;
}

static bool
is_ipv6(struct span host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (host.len == 0 || host.len >= sizeof text) {
        return false;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

bool
server_host_is_valid(struct span host)
{
    return is_host_name(host) || is_ipv6(host);
}

bool
server_port_is_valid(struct span port)
{
    uint64_t number = 0;
    return port.len <= 5 && span_to_u64(port, 65535, &number) && number > 0;
}

/* "[v6]" and what follows it. */
static const char *
split_bracketed(struct span text, struct span *host, struct span *port)
{
    if (!span_skip(&text, 1) || !span_take_until(&text, ']', host) ||
        !is_ipv6(*host)) {
        return "an IPv6 address between [ and ]";
    }
    *port = text;
    return text.len == 0 || (text.ptr[0] == ':' && span_skip(port, 1))
               ? NULL
               : "a port after the address";
}

static const char *
split_plain(struct span text, struct span *host, struct span *port)
{
    *port = text;
    if (!span_take_until(port, ':', host)) {
        *host = text;
        *port = SPAN_EMPTY;
    }
    return is_host_name(*host) ? NULL
                               : "a host name or address, without a user";
}

static const char *
split_authority(struct span text, struct span *host, struct span *port)
{
    const char *wanted = text.len > 0 && text.ptr[0] == '['
                             ? split_bracketed(text, host, port)
                             : split_plain(text, host, port);
    if (wanted != NULL) {
        return wanted;
    }
    if (port->len == 0) {
        *port = SPAN_LIT("443");
    }
    return server_port_is_valid(*port) ? NULL : "a port from 1 to 65535";
}

/* It becomes the front of every request target. */
static bool
is_path(struct span path)
{
    for (size_t i = 0; i < path.len; i++) {
        const uint8_t c = path.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '?' || c == '#') {
            return false;
        }
    }
    return true;
}

/* Up to the path, query or fragment, which are left. */
static struct span
take_authority(struct span *rest)
{
    size_t len = 0;
    while (len < rest->len && strchr("/?#", rest->ptr[len]) == NULL) {
        len++;
    }
    struct span authority = SPAN_EMPTY;
    (void)span_take(rest, len, &authority);
    return authority;
}

const char *
server_url_parse(struct span text, struct server_url *out)
{
    struct server_url url = {SPAN_EMPTY, SPAN_EMPTY, SPAN_EMPTY};
    if (!take_https(&text)) {
        return "an https:// URL: the way to the API server is always "
               "encrypted and verified";
    }
    const char *wanted =
        split_authority(take_authority(&text), &url.host, &url.port);
    if (wanted != NULL) {
        return wanted;
    }
    while (text.len > 0 && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    if (!is_path(text)) {
        return "a path without query, fragment or spaces";
    }
    url.path = text;
    *out = url;
    return NULL;
}
