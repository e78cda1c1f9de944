/* A small HTTP service on libwebsockets 4.1 and its libuv plugin.
 *
 * Owns what may be asked (GET and HEAD, no upgrade, 32 connections) and the
 * way an answer leaves. Refuses to know what is served.
 *
 * libwebsockets runs on the caller's loop, so what it does beside HTTP is kept
 * from it: it listens on nothing (its own listener looks names up and blocks),
 * takes no signals (it claims SIGTERM and SIGINT only on a loop that it made; a
 * test watches over that), and initialises no TLS.
 *
 * Its end has two traps, both met in `http_service_close`. The context is gone
 * only turns later, after its handles are closed and lws_context_destroy was
 * called a second time. And it closes the descriptor of its event pipe twice,
 * a turn apart, when the number may belong to somebody else.
 */
#include "base/http_service.h"
#include "base/address.h"
#include "base/loop_uv.h"
#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 32 /* and three descriptors of its own */
#define HEAD_MAX        4096
#define HEAD_IN_MAX     4096 /* a whole request head */
#define CHUNK_MAX       16384
#define TIMEOUT_S       10 /* for a head to arrive, an answer to leave */
#define KEEPALIVE_S     30
#define ACCEPT_PAUSE_MS 1000 /* when there are no descriptors left */

struct http_service {
    struct lws_context *context; /* libwebsockets sets it NULL at its end */
    struct lws_vhost *vhost;
    const struct log *log;
    http_service_fn *fn;
    void *ctx;
    bool is_closed;
    int port;
    int fd;      /* listening */
    int pipe_fd; /* libwebsockets' own, or -1 */
    struct loop_watch *accept_watch;
    struct loop_timer *accept_timer;
    uv_idle_t reaper;
};

/* What a connection still has to send; zeroed by libwebsockets. */
struct exchange {
    bool has_body;
    struct buf body;
};

/* libwebsockets has one log for the process and hands it no context: the one
 * of the service opened last, until the last is closed. */
static const struct log *library_log;
static size_t services_open;

static void
on_library_log(int level, const char *line)
{
    struct span text = span_str(line);
    while (text.len > 0 && text.ptr[text.len - 1] == '\n') {
        text.len--;
    }
    log_event(library_log, level == LLL_ERR ? LOG_ERROR : LOG_WARN,
        "http.library", LOG_B("text", text));
}

/* Answers */

static void
exchange_end(struct exchange *x)
{
    if (x != NULL && x->has_body) {
        buf_fini(&x->body);
        x->has_body = false;
    }
}

static int
add_header(struct lws *wsi, const char *name, const char *value,
    unsigned char **p, unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
        (const unsigned char *)value, (int)strlen(value), p, end);
}

/* Like every answer of libwebsockets' own: nonzero closes the connection. */
static int
send_head(struct lws *wsi, const struct http_answer *answer)
{
    unsigned char head[LWS_PRE + HEAD_MAX];
    unsigned char *const start = head + LWS_PRE;
    unsigned char *const end = head + sizeof(head);
    unsigned char *p = start;
    if (lws_add_http_common_headers(wsi, (unsigned)answer->status,
            answer->content_type, answer->body.len, &p, end) != 0 ||
        add_header(wsi, "cache-control:", "no-store", &p, end) != 0 ||
        add_header(wsi, "x-content-type-options:", "nosniff", &p, end) != 0) {
        return -1;
    }
    if (answer->status == 405 &&
        add_header(wsi, "allow:", "GET, HEAD", &p, end) != 0) {
        return -1;
    }
    return lws_finalize_write_http_header(wsi, start, &p, end);
}

static int
end_transaction(struct lws *wsi)
{
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

/* Takes the answer's body. */
static int
send_answer(
    struct lws *wsi, struct exchange *x, struct http_answer *answer, bool bare)
{
    if (send_head(wsi, answer) != 0) {
        buf_fini(&answer->body);
        return -1;
    }
    if (bare || answer->body.len == 0) {
        buf_fini(&answer->body);
        return end_transaction(wsi);
    }
    x->body = answer->body;
    x->has_body = true;
    lws_callback_on_writable(wsi);
    return 0;
}

static void
answer_init(struct http_answer *answer, int status)
{
    answer->status = status;
    answer->content_type = "text/plain; charset=utf-8";
    buf_init(&answer->body, HTTP_SERVICE_BODY_MAX);
}

/* What follows a refused request may be its body: the connection ends. */
static int
refuse_method(struct lws *wsi)
{
    struct http_answer answer;
    answer_init(&answer, 405);
    (void)send_head(wsi, &answer);
    buf_fini(&answer.body);
    return -1;
}

static int
on_request(struct http_service *s, struct lws *wsi, struct exchange *x,
    struct span path)
{
    char *uri = NULL;
    int uri_len = 0;
    const int method = lws_http_get_uri_and_method(wsi, &uri, &uri_len);
    if (method != LWSHUMETH_GET && method != LWSHUMETH_HEAD) {
        return refuse_method(wsi);
    }
    struct http_answer answer;
    answer_init(&answer, 200);
    const bool is_head = method == LWSHUMETH_HEAD;
    s->fn(s->ctx, is_head ? SPAN_LIT("HEAD") : SPAN_LIT("GET"), path, &answer);
    return send_answer(wsi, x, &answer, is_head);
}

static int
on_writable(struct lws *wsi, struct exchange *x)
{
    if (!x->has_body) {
        return 0;
    }
    unsigned char chunk[LWS_PRE + CHUNK_MAX];
    struct span left = buf_view(&x->body);
    const size_t len = left.len < CHUNK_MAX ? left.len : CHUNK_MAX;
    const bool is_last = len == left.len;
    memcpy(chunk + LWS_PRE, left.ptr, len);
    if (lws_write(wsi, chunk + LWS_PRE, len,
            is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)len) {
        return -1;
    }
    if (is_last) {
        exchange_end(x);
        return end_transaction(wsi);
    }
    buf_consume(&x->body, len);
    lws_callback_on_writable(wsi);
    return 0;
}

static int
on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
    size_t len)
{
    struct exchange *x = user;
    struct http_service *s = lws_context_user(lws_get_context(wsi));
    switch ((int)reason) { /* a hundred, of which these concern us */
    case LWS_CALLBACK_HTTP:
        return s->is_closed ? -1 : on_request(s, wsi, x, span_of(in, len));
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_writable(wsi, x);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        exchange_end(x);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return -1; /* no WebSocket, no h2c */
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "http",
        .callback = on_lws,
        .per_session_data_size = sizeof(struct exchange)},
    {.name = NULL},
};

/* Connections */

static void
on_accept_timer(void *ctx)
{
    struct http_service *s = ctx;
    loop_watch_set(s->accept_watch, LOOP_READ);
}

static void
on_acceptable(void *ctx, int events)
{
    struct http_service *s = ctx;
    (void)events;
    const int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        /* Closes it when there is no room. */
        (void)lws_adopt_socket_vhost(s->vhost, fd);
        return;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        loop_watch_set(s->accept_watch, 0);
        loop_timer_start(s->accept_timer, ACCEPT_PAUSE_MS, 0);
    }
}

/* Start and end */

static enum status
start_listening(struct http_service *s, struct loop *loop, const char *text,
    struct error *err)
{
    struct address address;
    enum status st = address_parse(text, &address, err);
    if (st == STATUS_OK) {
        st = address_listen(&address, false, &s->fd, err);
    }
    if (st == STATUS_OK) {
        st = address_of_socket(s->fd, &address, err);
        s->port = address_port(&address);
    }
    if (st == STATUS_OK) {
        st = loop_timer_open(loop, on_accept_timer, s, &s->accept_timer, err);
    }
    if (st == STATUS_OK) {
        st = loop_watch_open(
            loop, s->fd, on_acceptable, s, &s->accept_watch, err);
    }
    return st;
}

static void
stop_listening(struct http_service *s)
{
    loop_watch_close(&s->accept_watch);
    loop_timer_close(&s->accept_timer);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

/* The loop lists its handles in the order they were made, so the last one that
 * polls is what libwebsockets has just added. */
static void
note_polled(uv_handle_t *handle, void *fd_out)
{
    if (uv_handle_get_type(handle) == UV_POLL) {
        (void)uv_fileno(handle, fd_out);
    }
}

static int
find_pipe(const struct http_service *s, struct loop *loop)
{
    int fd = -1;
    uv_walk(loop_uv(loop), note_polled, &fd);
    return fd == s->fd ? -1 : fd;
}

static enum status
start_library(struct http_service *s, struct loop *loop, struct error *err)
{
    void *loops[] = {loop_uv(loop)};
    const struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_LIBUV |
                   LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME |
                   LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .foreign_loops = loops,
        .protocols = protocols,
        .vhost_name = "kubetape",
        .server_string = "kubetape",
        .user = s,
        .pcontext = &s->context,
        .fd_limit_per_thread = CONNECTIONS_MAX + 3,
        .max_http_header_data = HEAD_IN_MAX,
        .max_http_header_pool = CONNECTIONS_MAX,
        .timeout_secs = TIMEOUT_S,
        .keepalive_timeout = KEEPALIVE_S,
        .gid = -1,
        .uid = -1,
    };
    library_log = s->log;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    s->context = lws_create_context(&info);
    if (s->context != NULL) {
        s->pipe_fd = find_pipe(s, loop);
        s->vhost = lws_create_vhost(s->context, &info);
    }
    return s->vhost != NULL
               ? STATUS_OK
               : error_set(err, STATUS_IO,
                     "cannot start libwebsockets (its libuv plugin is the "
                     "package libwebsockets-evlib-uv)");
}

enum status
http_service_open(struct loop *loop, const char *address, http_service_fn *fn,
    void *ctx, const struct log *log, struct http_service **out,
    struct error *err)
{
    struct http_service *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a service");
    }
    s->fn = fn;
    s->ctx = ctx;
    s->log = log;
    s->fd = -1;
    s->pipe_fd = -1;
    uv_idle_init(loop_uv(loop), &s->reaper);
    s->reaper.data = s;
    services_open++;
    enum status st = start_listening(s, loop, address, err);
    if (st == STATUS_OK) {
        st = start_library(s, loop, err);
    }
    if (st != STATUS_OK) {
        http_service_close(&s);
        return st;
    }
    loop_watch_set(s->accept_watch, LOOP_READ);
    *out = s;
    return STATUS_OK;
}

int
http_service_port(const struct http_service *s)
{
    return s->port;
}

static void
on_reaped(uv_handle_t *handle)
{
    free(handle->data);
}

static void
count_closing(uv_handle_t *handle, void *count)
{
    *(size_t *)count += uv_is_closing(handle) != 0;
}

/* While handles of libwebsockets are left, at least one of them is closing:
 * each close of a group begins in the last close of the group before. */
static void
on_reaper(uv_idle_t *reaper)
{
    struct http_service *s = reaper->data;
    size_t closing = 0;
    uv_walk(reaper->loop, count_closing, &closing);
    if (closing > 0) {
        return;
    }
    if (s->context != NULL) {
        lws_context_destroy(s->context); /* the second call frees it */
    }
    if (s->context == NULL) {
        uv_close((uv_handle_t *)reaper, on_reaped);
    }
}

/* Takes the number of the pipe that was closed, so that the second close of it
 * meets this and nothing of anybody else's. */
static void
hold_pipe_number(const struct http_service *s)
{
    if (s->pipe_fd < 0 || fcntl(s->pipe_fd, F_GETFD) >= 0) {
        return;
    }
    const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || null_fd == s->pipe_fd) {
        return;
    }
    const int held = fcntl(null_fd, F_DUPFD_CLOEXEC, s->pipe_fd);
    if (held >= 0 && held != s->pipe_fd) {
        close(held);
    }
    close(null_fd);
}

void
http_service_close(struct http_service **s)
{
    struct http_service *const gone = *s;
    if (gone == NULL) {
        return;
    }
    *s = NULL;
    gone->is_closed = true;
    if (gone->context != NULL) {
        lws_context_destroy(gone->context);
        hold_pipe_number(gone);
    }
    stop_listening(gone);
    services_open--;
    if (services_open == 0) {
        library_log = NULL;
    }
    uv_idle_start(&gone->reaper, on_reaper);
}
