/* A real client, in a thread with blocking sockets, against the service on a
 * loop in this one. */
#include "base/http_service.h"
#include "tests/support/test.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REPLY_MAX (2u << 20)
#define BIG_BYTES 1000000

struct bed {
    struct loop *loop;
    struct http_service *service;
    struct loop_wake *done;
    struct loop_signal *signal;
    unsigned calls;
    unsigned signals;
    char method[16];
    char path[64];
    /* The client's: */
    const char *request;
    size_t request_len;
    int port;
    bool half_closes;
    struct buf reply;
};

static void
serve(
    void *ctx, struct span method, struct span path, struct http_answer *answer)
{
    struct bed *b = ctx;
    b->calls++;
    (void)snprintf(b->method, sizeof(b->method), "%.*s", (int)method.len,
        (const char *)method.ptr);
    (void)snprintf(b->path, sizeof(b->path), "%.*s", (int)path.len,
        (const char *)path.ptr);
    if (span_eq_str(path, "/big")) {
        uint8_t *tail = NULL;
        assert_int_equal(
            buf_reserve(&answer->body, BIG_BYTES, &tail), STATUS_OK);
        memset(tail, 'x', BIG_BYTES);
        buf_commit(&answer->body, BIG_BYTES);
        return;
    }
    if (span_eq_str(path, "/none")) {
        answer->status = 404;
        answer->content_type = "application/json";
        return;
    }
    assert_int_equal(buf_append_str(&answer->body, "ok\n"), STATUS_OK);
}

static void
on_done(void *ctx)
{
    struct bed *b = ctx;
    loop_stop(b->loop);
}

static void
on_term(void *ctx)
{
    struct bed *b = ctx;
    b->signals++;
    loop_stop(b->loop);
}

static int
setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    struct error err = {0};
    assert_non_null(b);
    buf_init(&b->reply, REPLY_MAX);
    assert_int_equal(loop_new(&b->loop, NULL), STATUS_OK);
    assert_int_equal(
        loop_wake_open(b->loop, on_done, b, &b->done, NULL), STATUS_OK);
    if (http_service_open(b->loop, "127.0.0.1:0", serve, b, NULL, &b->service,
            &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    b->port = http_service_port(b->service);
    *state = b;
    return 0;
}

static int
teardown(void **state)
{
    struct bed *b = *state;
    http_service_close(&b->service);
    assert_null(b->service);
    loop_signal_close(&b->signal);
    loop_wake_close(&b->done);
    loop_free(&b->loop);
    buf_fini(&b->reply);
    free(b);
    return 0;
}

static int
dial(int port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sin = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *
client(void *arg)
{
    struct bed *b = arg;
    const int fd = dial(b->port);
    if (fd >= 0) {
        (void)!write(fd, b->request, b->request_len);
        if (b->half_closes) {
            shutdown(fd, SHUT_WR);
        }
        uint8_t *tail = NULL;
        ssize_t n = 1;
        while (n > 0 && buf_reserve(&b->reply, 65536, &tail) == STATUS_OK) {
            n = read(fd, tail, 65536);
            buf_commit(&b->reply, n > 0 ? (size_t)n : 0);
        }
        close(fd);
    }
    loop_wake_send(b->done);
    return NULL;
}

/* The whole reply until the service closes, as a string. */
static const char *
ask(struct bed *b, const char *request)
{
    pthread_t thread;
    const char *reply = NULL;
    buf_clear(&b->reply);
    b->request = request;
    b->request_len = strlen(request);
    assert_int_equal(pthread_create(&thread, NULL, client, b), 0);
    loop_run(b->loop);
    pthread_join(thread, NULL);
    assert_int_equal(buf_cstr(&b->reply, &reply), STATUS_OK);
    return reply;
}

static size_t
count(const char *text, const char *word)
{
    size_t n = 0;
    const char *at = strstr(text, word);
    while (at != NULL) {
        n++;
        at = strstr(at + 1, word);
    }
    return n;
}

static const char *
body_of(const char *reply)
{
    const char *end = strstr(reply, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void
get_is_answered(void **state)
{
    struct bed *b = *state;
    assert_in_range(b->port, 1, 65535);
    const char *reply = ask(b, "GET /healthz?verbose=1 HTTP/1.1\r\nHost: x\r\n"
                               "Connection: close\r\n\r\n");
    assert_memory_equal(reply, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(reply, "content-type: text/plain; charset=utf-8"));
    assert_non_null(strstr(reply, "content-length: 3\r\n"));
    assert_non_null(strstr(reply, "x-content-type-options: nosniff\r\n"));
    assert_string_equal(body_of(reply), "ok\n");
    assert_string_equal(b->method, "GET");
    assert_string_equal(b->path, "/healthz");
    assert_int_equal(b->calls, 1);
}

static void
head_has_a_length_and_no_body(void **state)
{
    struct bed *b = *state;
    const char *reply = ask(b, "HEAD /big HTTP/1.1\r\nHost: x\r\n"
                               "Connection: close\r\n\r\n");
    assert_memory_equal(reply, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(reply, "content-length: 1000000\r\n"));
    assert_string_equal(body_of(reply), "");
    assert_string_equal(b->method, "HEAD");
}

static void
the_handler_sets_status_and_type(void **state)
{
    struct bed *b = *state;
    const char *reply = ask(b, "GET /none HTTP/1.1\r\nHost: x\r\n"
                               "Connection: close\r\n\r\n");
    assert_memory_equal(reply, "HTTP/1.1 404 ", 13);
    assert_non_null(strstr(reply, "content-type: application/json\r\n"));
    assert_string_equal(body_of(reply), "");
}

static void
a_big_body_arrives_whole(void **state)
{
    struct bed *b = *state;
    const char *reply = ask(b, "GET /big HTTP/1.1\r\nHost: x\r\n"
                               "Connection: close\r\n\r\n");
    const char *body = body_of(reply);
    assert_int_equal(strlen(body), BIG_BYTES);
    assert_int_equal(strspn(body, "x"), BIG_BYTES);
}

/* A client that has sent everything still waits for the answer. */
static void
a_half_closed_client_is_answered(void **state)
{
    struct bed *b = *state;
    b->half_closes = true;
    const char *reply = ask(b, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_memory_equal(reply, "HTTP/1.1 200 ", 13);
}

static void
a_connection_carries_several_requests(void **state)
{
    struct bed *b = *state;
    const char *reply = ask(b, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET /b HTTP/1.1\r\nHost: x\r\n"
                               "Connection: close\r\n\r\n");
    assert_int_equal(count(reply, "HTTP/1.1 200 "), 3);
    assert_int_equal(b->calls, 3);
    assert_string_equal(b->path, "/b");
}

static void
expect_405(struct bed *b, const char *request)
{
    const char *reply = ask(b, request);
    assert_memory_equal(reply, "HTTP/1.1 405 ", 13);
    assert_non_null(strstr(reply, "allow: GET, HEAD\r\n"));
    assert_int_equal(count(reply, "HTTP/1.1 "), 1);
    assert_int_equal(b->calls, 0);
}

static void
other_methods_are_refused(void **state)
{
    struct bed *b = *state;
    expect_405(b, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
                  "hello");
    expect_405(b, "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    expect_405(b, "PATCH /a HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_405(b, "DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_405(b, "OPTIONS /a HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void
upgrades_are_refused(void **state)
{
    struct bed *b = *state;
    const char *reply =
        ask(b, "GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert_int_equal(count(reply, "101"), 0);
    reply = ask(b, "GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n"
                   "Connection: Upgrade, HTTP2-Settings\r\n"
                   "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
    assert_int_equal(count(reply, "101"), 0);
    assert_int_equal(b->calls, 0);
}

static void
garbage_and_oversize_end_the_connection(void **state)
{
    struct bed *b = *state;
    char request[16384];
    (void)ask(b, "\x16\x03\x01\x02\x00\x01 no http\r\n\r\n");
    assert_int_equal(b->calls, 0);
    const int head = snprintf(
        request, sizeof(request), "GET /a HTTP/1.1\r\nHost: x\r\nCookie: ");
    memset(request + head, 'a', sizeof(request) - (size_t)head - 1);
    memcpy(request + sizeof(request) - 5, "\r\n\r\n", 5);
    const char *reply = ask(b, request);
    assert_int_equal(count(reply, "HTTP/1.1 200 "), 0);
    assert_int_equal(b->calls, 0);
    /* And the service goes on. */
    reply = ask(b, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_memory_equal(reply, "HTTP/1.1 200 ", 13);
}

/* libwebsockets must not have taken it. */
static void
sigterm_reaches_the_loop(void **state)
{
    struct bed *b = *state;
    assert_int_equal(
        loop_signal_open(b->loop, SIGTERM, on_term, b, &b->signal, NULL),
        STATUS_OK);
    raise(SIGTERM);
    loop_run(b->loop);
    assert_int_equal(b->signals, 1);
    const char *reply =
        ask(b, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_memory_equal(reply, "HTTP/1.1 200 ", 13);
    static const int signals[] = {SIGINT, SIGHUP};
    for (size_t i = 0; i < 2; i++) {
        struct sigaction action;
        assert_int_equal(sigaction(signals[i], NULL, &action), 0);
        assert_true(action.sa_handler == SIG_DFL);
    }
}

static void
more_connections_than_fit_are_closed(void **state)
{
    struct bed *b = *state;
    int fds[60];
    for (size_t i = 0; i < 60; i++) {
        fds[i] = dial(b->port);
        assert_true(fds[i] >= 0);
    }
    for (int i = 0; i < 200; i++) {
        loop_run_once(b->loop);
    }
    size_t closed = 0;
    for (size_t i = 0; i < 60; i++) {
        char c;
        closed += recv(fds[i], &c, 1, MSG_DONTWAIT) == 0;
        close(fds[i]);
    }
    assert_in_range(closed, 20, 40);
    for (int i = 0; i < 200; i++) {
        loop_run_once(b->loop);
    }
    const char *reply =
        ask(b, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_memory_equal(reply, "HTTP/1.1 200 ", 13);
}

static void
closing_ends_open_connections_and_calls_nothing(void **state)
{
    struct bed *b = *state;
    static const char request[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    const int idle = dial(b->port);
    const int asking = dial(b->port);
    assert_true(idle >= 0 && asking >= 0);
    for (int i = 0; i < 10; i++) {
        loop_run_once(b->loop);
    }
    assert_int_equal(
        write(asking, request, sizeof(request) - 1), sizeof(request) - 1);
    http_service_close(&b->service);
    for (int i = 0; i < 50; i++) {
        loop_run_once(b->loop);
    }
    char c;
    assert_true(recv(idle, &c, 1, MSG_DONTWAIT) == 0);
    assert_true(recv(asking, &c, 1, MSG_DONTWAIT) <= 0);
    assert_int_equal(b->calls, 0);
    close(idle);
    close(asking);
    assert_int_equal(dial(b->port), -1);
}

static size_t
open_descriptors(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static void
opening_and_closing_leaks_no_descriptor(void **state)
{
    struct bed *b = *state;
    http_service_close(&b->service);
    for (int i = 0; i < 50; i++) {
        loop_run_once(b->loop);
    }
    const size_t before = open_descriptors();
    for (int round = 0; round < 3; round++) {
        assert_int_equal(http_service_open(b->loop, "127.0.0.1:0", serve, b,
                             NULL, &b->service, NULL),
            STATUS_OK);
        loop_run_once(b->loop);
        http_service_close(&b->service);
        for (int i = 0; i < 50; i++) {
            loop_run_once(b->loop);
        }
    }
    assert_int_equal(open_descriptors(), before);
}

/* Whatever is opened right after a close must survive the turns in which
 * libwebsockets finishes: it closes a descriptor twice. */
static void
closing_closes_nobody_elses_descriptor(void **state)
{
    struct bed *b = *state;
    int fds[32];
    loop_run_once(b->loop);
    http_service_close(&b->service);
    for (size_t i = 0; i < 32; i++) {
        fds[i] = dup(STDERR_FILENO);
        assert_true(fds[i] >= 0);
    }
    for (int i = 0; i < 50; i++) {
        loop_run_once(b->loop);
    }
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(close(fds[i]), 0);
    }
}

static void
a_bad_or_taken_address_is_an_error(void **state)
{
    struct bed *b = *state;
    struct http_service *s = NULL;
    struct error err;
    char taken[32];
    assert_int_equal(
        http_service_open(b->loop, "nowhere", serve, b, NULL, &s, &err),
        STATUS_INVALID);
    (void)snprintf(taken, sizeof(taken), "127.0.0.1:%d", b->port);
    assert_int_not_equal(
        http_service_open(b->loop, taken, serve, b, NULL, &s, &err), STATUS_OK);
    assert_null(s);
}

#define SERVICE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(get_is_answered),
        SERVICE_TEST(head_has_a_length_and_no_body),
        SERVICE_TEST(the_handler_sets_status_and_type),
        SERVICE_TEST(a_big_body_arrives_whole),
        SERVICE_TEST(a_half_closed_client_is_answered),
        SERVICE_TEST(a_connection_carries_several_requests),
        SERVICE_TEST(other_methods_are_refused),
        SERVICE_TEST(upgrades_are_refused),
        SERVICE_TEST(garbage_and_oversize_end_the_connection),
        SERVICE_TEST(sigterm_reaches_the_loop),
        SERVICE_TEST(more_connections_than_fit_are_closed),
        SERVICE_TEST(closing_ends_open_connections_and_calls_nothing),
        SERVICE_TEST(opening_and_closing_leaks_no_descriptor),
        SERVICE_TEST(closing_closes_nobody_elses_descriptor),
        SERVICE_TEST(a_bad_or_taken_address_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
