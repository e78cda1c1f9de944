/* See exec_call.h. Channels are remotecommand's: the first payload byte of a
 * message is 0 for stdin, 1 for stdout (v5.channel.k8s.io). */
#include "tests/bench/exec_call.h"

#include "base/address.h"
#include "base/buf.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_MAX    (16u << 10) /* of request and response */
#define READ_BYTES  (16u << 10) /* one TLS record */
#define BUFFER_MAX  (1u << 20)
#define PATIENCE_MS 30000 /* longer without an answer is a failure */

#define STDIN_CHANNEL   0u
#define STDOUT_CHANNEL  1u
#define OPCODE_BINARY   2u
#define FIN             0x80u
#define MASKED          0x80u
#define LENGTH_IS_16BIT 126u
#define LENGTH_IS_64BIT 127u

struct exec_call {
    int fd;
    struct tls *tls;
    struct buf in; /* received, not yet looked at */
};

/* ---- bytes ---- */

/* Waits for what TLS wants; any other answer is the end of the call. */
static enum status
wait_for(struct exec_call *c, enum tls_result r, struct error *err)
{
    if (r != TLS_WANT_READ && r != TLS_WANT_WRITE) {
        return error_set(err, STATUS_CLOSED, "the server hung up: %s",
            r == TLS_EOF ? "end of session" : tls_why(c->tls));
    }
    struct pollfd fd = {
        .fd = c->fd,
        .events = r == TLS_WANT_READ ? POLLIN : POLLOUT,
    };
    const int n = poll(&fd, 1, PATIENCE_MS);
    if (n < 0 && errno != EINTR) {
        return error_sys(err, errno, "poll");
    }
    return n == 0 ? error_set(err, STATUS_TIMEOUT, "no answer in %d s",
                        PATIENCE_MS / 1000)
                  : STATUS_OK;
}

static enum status
send_all(struct exec_call *c, struct span bytes, struct error *err)
{
    while (bytes.len > 0) {
        size_t n = 0;
        const enum tls_result r = tls_write(c->tls, bytes, &n);
        const enum status st = r == TLS_DONE ? STATUS_OK : wait_for(c, r, err);
        if (st != STATUS_OK) {
            return st;
        }
        (void)span_skip(&bytes, n);
    }
    return STATUS_OK;
}

/* Adds at least one byte to `in`. */
static enum status
receive_some(struct exec_call *c, struct error *err)
{
    for (;;) {
        uint8_t *tail = NULL;
        size_t n = 0;
        enum status st = buf_reserve(&c->in, READ_BYTES, &tail);
        if (st != STATUS_OK) {
            return error_set(err, st, "more than %u bytes wait", BUFFER_MAX);
        }
        const enum tls_result r = tls_read(c->tls, tail, READ_BYTES, &n);
        if (r == TLS_DONE) {
            buf_commit(&c->in, n);
            return STATUS_OK;
        }
        st = wait_for(c, r, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
}

/* ---- the upgrade ---- */

static enum status
connect_to(
    struct exec_call *c, const struct exec_target *target, struct error *err)
{
    const int on = 1;
    struct address to;
    char host[ADDRESS_TEXT_MAX];
    enum status st = address_parse(target->address, &to, err);
    if (st != STATUS_OK) {
        return st;
    }
    address_format_host(&to, host);
    c->fd = socket(to.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 ||
        connect(c->fd, (const struct sockaddr *)&to.sa, to.len) != 0) {
        return error_sys(err, errno, "connect to %s", target->address);
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    st = tls_connect(target->tls, c->fd, host, &c->tls);
    if (st != STATUS_OK) {
        return error_set(err, st, "TLS to %s", target->address);
    }
    enum tls_result r = tls_handshake(c->tls);
    while (r != TLS_DONE && st == STATUS_OK) {
        st = wait_for(c, r, err);
        r = st == STATUS_OK ? tls_handshake(c->tls) : r;
    }
    return st;
}

static enum status
send_request(
    struct exec_call *c, const struct exec_target *target, struct error *err)
{
    struct buf head;
    buf_init(&head, HEAD_MAX);
    enum status st = buf_printf(&head,
        "GET %s HTTP/1.1\r\n"
        "Host: %s\r\n"
        "Authorization: Bearer %s\r\n"
        "Connection: Upgrade\r\n"
        "Upgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: bm90IGEgcmFuZG9tIGtleQ==\r\n"
        "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
        "\r\n",
        target->path, target->address, target->token);
    if (st == STATUS_OK) {
        st = send_all(c, buf_view(&head), err);
    } else {
        st = error_set(err, st, "too long a request");
    }
    buf_wipe(&head);
    return st;
}

/* Takes the response's head off `in`. */
static enum status
receive_response(struct exec_call *c, struct error *err)
{
    static const char expected[] = "HTTP/1.1 101 ";
    const char *end = NULL;
    do {
        const enum status st = receive_some(c, err);
        if (st != STATUS_OK) {
            return st;
        }
        end = memmem(c->in.data + c->in.off, c->in.len, "\r\n\r\n", 4);
    } while (end == NULL && c->in.len < HEAD_MAX);
    const struct span head = buf_view(&c->in);
    if (end == NULL || !span_starts_with(head, expected)) {
        return error_set(err, STATUS_INVALID, "no upgrade: %.*s",
            (int)(head.len < 200 ? head.len : 200), (const char *)head.ptr);
    }
    buf_consume(&c->in, (size_t)((const uint8_t *)end + 4 - head.ptr));
    return STATUS_OK;
}

enum status
exec_call_open(
    const struct exec_target *target, struct exec_call **out, struct error *err)
{
    struct exec_call *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a call");
    }
    c->fd = -1;
    buf_init(&c->in, BUFFER_MAX);
    enum status st = connect_to(c, target, err);
    if (st == STATUS_OK) {
        st = send_request(c, target, err);
    }
    if (st == STATUS_OK) {
        st = receive_response(c, err);
    }
    if (st != STATUS_OK) {
        exec_call_close(&c);
        return st;
    }
    *out = c;
    return STATUS_OK;
}

void
exec_call_close(struct exec_call **call)
{
    struct exec_call *c = *call;
    *call = NULL;
    if (c == NULL) {
        return;
    }
    tls_free(&c->tls);
    if (c->fd >= 0) {
        close(c->fd);
    }
    buf_fini(&c->in);
    free(c);
}

/* ---- frames ---- */

enum status
exec_call_type(struct exec_call *call, uint8_t key, struct error *err)
{
    /* A mask of zeros is a mask (RFC 6455 5.3 asks for an unpredictable one
     * for the sake of caches that are not here). */
    const uint8_t frame[] = {
        FIN | OPCODE_BINARY, MASKED | 2u, 0, 0, 0, 0, STDIN_CHANNEL, key};
    return send_all(call, span_of(frame, sizeof frame), err);
}

/* Takes a whole frame off the front of `s`; false when it is not all there. */
static bool
take_frame(struct span *s, struct span *payload_out)
{
    struct span rest = *s;
    uint8_t first = 0;
    uint8_t second = 0;
    uint16_t shorter = 0;
    uint64_t len = 0;
    if (!span_take_u8(&rest, &first) || !span_take_u8(&rest, &second)) {
        return false;
    }
    len = second; /* servers do not mask */
    if (second == LENGTH_IS_16BIT) {
        if (!span_take_u16(&rest, &shorter)) {
            return false;
        }
        len = shorter;
    } else if (second == LENGTH_IS_64BIT && !span_take_u64(&rest, &len)) {
        return false;
    }
    if (!span_take(&rest, (size_t)len, payload_out)) {
        return false;
    }
    *s = rest;
    return true;
}

/* Looks through what has been received. */
static bool
was_heard(struct exec_call *c, uint8_t key)
{
    struct span left = buf_view(&c->in);
    const size_t had = left.len;
    struct span payload;
    bool is_heard = false;
    while (!is_heard && take_frame(&left, &payload)) {
        uint8_t channel = 0;
        is_heard = span_take_u8(&payload, &channel) &&
                   channel == STDOUT_CHANNEL &&
                   memchr(payload.ptr, key, payload.len) != NULL;
    }
    buf_consume(&c->in, had - left.len);
    return is_heard;
}

enum status
exec_call_hear(struct exec_call *call, uint8_t key, struct error *err)
{
    while (!was_heard(call, key)) {
        const enum status st = receive_some(call, err);
        if (st != STATUS_OK) {
            return st;
        }
    }
    return STATUS_OK;
}
