/* HTTP for people and machines that look in: the only door to libwebsockets.
 *
 * A small read-only service (health, metrics, later the portal) on the
 * caller's loop. It never carries a session. Requests have no body; answers
 * are made whole by the handler, at most HTTP_SERVICE_BODY_MAX bytes.
 */
#ifndef BASE_HTTP_SERVICE_H
#define BASE_HTTP_SERVICE_H

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"

#define HTTP_SERVICE_BODY_MAX (1u << 20)

struct http_service;

struct http_answer {
    int status;               /* 200 unless the handler sets another */
    const char *content_type; /* static storage; text/plain; charset=utf-8 */
    struct buf body;          /* the service's; the handler appends */
};

/* `path` without the query. */
typedef void http_service_fn(void *ctx, struct span method, struct span path,
    struct http_answer *answer);

/* `address` is "127.0.0.1:9443", "[::1]:0" …; port 0 takes a free one. Takes
 * no signals. `log` is borrowed until close. */
enum status http_service_open(struct loop *loop, const char *address,
    http_service_fn *fn, void *ctx, const struct log *log,
    struct http_service **out, struct error *err) MUST_CHECK;
int http_service_port(const struct http_service *s);
/* Not from inside `fn`. The last of it goes while the loop runs on, or in
 * loop_free. */
void http_service_close(struct http_service **s);

#endif
