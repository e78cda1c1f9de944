/* The URL of an API server, taken apart. */
#ifndef PROXY_SERVER_URL_H
#define PROXY_SERVER_URL_H

#include "base/span.h"
#include "base/status.h"

struct server_url {
    struct span host; /* without brackets */
    struct span port; /* digits; 443 when there are none */
    struct span path; /* "" or "/a/b", no trailing slash */
};

/* NULL, and *out views `text`; or what was expected instead. */
const char *server_url_parse(
    struct span text, struct server_url *out) MUST_CHECK;

/* A DNS name, an IPv4 or an IPv6 address without brackets. */
bool server_host_is_valid(struct span host);
/* 1 to 65535. */
bool server_port_is_valid(struct span port);

#endif
