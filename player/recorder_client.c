/* See recorder_client.h. */
#include "player/recorder_client.h"

#include "base/file.h"
#include "base/local_socket.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct conversation {
    int fd;
    struct buf in;
    recorder_client_fn *fn;
    void *ctx;
};

static enum status
connect_to(const char *state, int *fd_out, struct error *err)
{
    char path[PATH_MAX];
    struct error why = {.code = STATUS_OK};
    enum status st = file_join(path, sizeof path, state, CONTROL_SOCKET, err);
    if (st != STATUS_OK) {
        return st;
    }
    st = local_socket_connect(path, fd_out, &why);
    if (st == STATUS_NOT_FOUND) {
        return error_set(err, st,
            "no recorder answers on %s: start kubetape-recorder, or kubetape "
            "up, and ask again",
            path);
    }
    if (st == STATUS_DENIED) {
        return error_set(err, st,
            "%s: only who runs the recorder, and root, may ask it", why.text);
    }
    return st == STATUS_OK ? st : error_set(err, st, "%s", why.text);
}

static enum status
send_request(int fd, const struct control_request *request, struct error *err)
{
    struct buf line;
    buf_init(&line, CONTROL_LINE_MAX);
    enum status st = control_request_encode(request, &line);
    if (st != STATUS_OK) {
        st = error_set(err, st, "too long a request");
    }
    while (st == STATUS_OK && line.len > 0) {
        const struct span s = buf_view(&line);
        const ssize_t n = send(fd, s.ptr, s.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            st = error_sys(err, errno, "the recorder hung up");
        }
        buf_consume(&line, n < 0 ? 0 : (size_t)n);
    }
    buf_fini(&line);
    return st;
}

static enum status
receive(struct conversation *c, struct error *err)
{
    uint8_t *tail;
    const size_t room = buf_room(&c->in);
    if (room == 0 || buf_reserve(&c->in, room, &tail) != STATUS_OK) {
        return error_set(err, STATUS_LIMIT, "too long an answer");
    }
    const ssize_t n = recv(c->fd, tail, room, 0);
    if (n < 0 && errno == EINTR) {
        return STATUS_OK;
    }
    if (n < 0) {
        return error_sys(err, errno, "the recorder hung up");
    }
    if (n == 0) {
        return error_set(err, STATUS_CLOSED,
            "the recorder ended before it had answered; its log may say more");
    }
    buf_commit(&c->in, (size_t)n);
    return STATUS_OK;
}

/* One answer; *is_over_out behind the final one. */
static enum status
take_answer(struct conversation *c, struct span line,
    struct control_answer *done_out, bool *is_over_out, struct error *err)
{
    struct control_answer answer;
    const enum status st = control_answer_decode(line, &answer, err);
    if (st != STATUS_OK) {
        return error_in(err, st, "the recorder's answer");
    }
    switch (answer.kind) {
    case CONTROL_PROGRESS:
    case CONTROL_ITEM:
        return c->fn == NULL ? STATUS_OK : c->fn(c->ctx, &answer, err);
    case CONTROL_DONE:
        *done_out = answer;
        *is_over_out = true;
        return STATUS_OK;
    case CONTROL_ERROR:
        break;
    }
    return error_set(err, STATUS_DENIED, "%s", answer.error);
}

static enum status
take_answers(struct conversation *c, struct control_answer *done_out,
    bool *is_over_out, struct error *err)
{
    enum status st = STATUS_OK;
    while (st == STATUS_OK && !*is_over_out) {
        struct span rest = buf_view(&c->in);
        struct span line;
        if (!span_take_until(&rest, '\n', &line)) {
            break;
        }
        st = take_answer(c, line, done_out, is_over_out, err);
        buf_consume(&c->in, line.len + 1);
    }
    return st;
}

enum status
recorder_client_ask(const char *state, const struct control_request *request,
    recorder_client_fn *fn, void *ctx, struct control_answer *done_out,
    struct error *err)
{
    struct conversation c = {.fd = -1, .fn = fn, .ctx = ctx};
    bool is_over = false;
    enum status st = connect_to(state, &c.fd, err);
    if (st != STATUS_OK) {
        return st;
    }
    buf_init(&c.in, 4 * CONTROL_LINE_MAX);
    st = send_request(c.fd, request, err);
    while (st == STATUS_OK && !is_over) {
        st = receive(&c, err);
        if (st == STATUS_OK) {
            st = take_answers(&c, done_out, &is_over, err);
        }
    }
    buf_fini(&c.in);
    (void)close(c.fd); /* all was said */
    return st;
}
