/* The certificate that clients see: the configured one, or one made on first
 * start, with an authority of its own, in <state>/tls. */
#ifndef PROXY_SERVER_TLS_H
#define PROXY_SERVER_TLS_H

#include "base/config.h"
#include "base/tls.h"

/* Makes what is missing: ca.crt, ca.key, server.crt, server.key (keys 0600,
 * folder 0700), and server.names, which says what server.crt is for. The
 * server certificate is made anew for other names, or when it ends within 30
 * days. Nothing to do when the configuration names a certificate. */
enum status server_tls_prepare(
    const struct config *c, int64_t now_s, struct error *err) MUST_CHECK;

enum status server_tls_open(const struct config *c, struct tls_context **out,
    struct error *err) MUST_CHECK;

#endif
