/* Who calls: against a small API server in this process, over real TLS, with
 * a clock that the test moves. */
#include "base/base64.h"
#include "base/file.h"
#include "base/pki.h"
#include "proxy/identity.h"
#include "proxy/review.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS  UINT64_C(1000000000)
#define TURNS_MAX  50000
#define CONNS_MAX  64
#define TOKENS_MAX 1024
#define LOCAL      "the-local-token"

static uint64_t now_ns;

static uint64_t
fake_mono(void *self)
{
    (void)self;
    return now_ns;
}

static int64_t
fake_wall(void *self)
{
    (void)self;
    return (int64_t)(now_ns / 1000);
}

static const struct clock fake_clock = {fake_mono, fake_wall, NULL};

static void
pass_seconds(uint64_t s)
{
    now_ns += s * SECOND_NS;
}

/* ---- the API server ---- */

struct server;

struct server_conn {
    struct server *server;
    struct conn *conn;
    struct http_head_reader reader;
    uint64_t body_left;
    bool is_cut; /* the connection goes when the request is whole */
};

struct server {
    struct conn_env *env;
    struct tls_context *tls;
    struct loop_watch *watch;
    int fd;
    int port;
    struct server_conn conns[CONNS_MAX];
    size_t conn_count;
    /* What it does. */
    unsigned status;  /* 0: as the token says */
    const char *body; /* of that status, NULL: {} */
    bool has_no_v1;   /* 404 */
    bool has_no_v1beta1;
    bool is_silent; /* takes requests and never answers */
    size_t cuts;    /* so many requests end with the connection */
    /* What it saw. */
    size_t v1;
    size_t v1beta1;
    size_t impersonated;
    char authorization[256]; /* of the last */
};

static void
answer(struct server_conn *c, unsigned status, const char *body)
{
    char text[4096];
    const int len = snprintf(text, sizeof text,
        "HTTP/1.1 %u X\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        status, strlen(body), body);
    assert_in_range(len, 1, sizeof text - 1);
    assert_int_equal(
        conn_send(c->conn, span_of(text, (size_t)len), 0), STATUS_OK);
}

/* "Bearer known-X" is X, in two groups. */
static void
answer_by_token(struct server_conn *c)
{
    const char *token = c->server->authorization;
    char body[1024];
    if (strncmp(token, "Bearer known-", 13) != 0) {
        answer(c, 401, "{\"kind\":\"Status\",\"code\":401}");
        return;
    }
    snprintf(body, sizeof body,
        "{\"kind\":\"SelfSubjectReview\",\"status\":{\"userInfo\":{"
        "\"username\":\"%s\",\"uid\":\"id-%s\","
        "\"groups\":[\"one\",\"two\"],\"extra\":{\"a\":[\"b\"]}}}}",
        token + 13, token + 13);
    answer(c, 201, body);
}

static void
server_on_head(struct server_conn *c, const struct http_head *h)
{
    struct server *s = c->server;
    const bool is_v1 = span_eq_str(
        h->target, "/pre/apis/authentication.k8s.io/v1/selfsubjectreviews");
    const struct http_field *f = http_find(h, "Authorization");
    assert_true(span_eq_str(h->method, "POST"));
    assert_true(is_v1 || span_eq_str(h->target,
                             "/pre/apis/authentication.k8s.io/v1beta1/"
                             "selfsubjectreviews"));
    s->v1 += is_v1;
    s->v1beta1 += !is_v1;
    for (size_t i = 0; i < h->field_count; i++) {
        s->impersonated += span_starts_with(h->fields[i].name, "Impersonate-");
    }
    snprintf(s->authorization, sizeof s->authorization, "%.*s",
        f == NULL ? 0 : (int)f->value.len,
        f == NULL ? "" : (const char *)f->value.ptr);
    assert_int_equal(h->framing, HTTP_BODY_LENGTH);
    c->body_left = h->length;
    if (s->is_silent) {
        return;
    }
    if (s->cuts > 0) {
        s->cuts--;
        c->is_cut = true;
    } else if (is_v1 ? s->has_no_v1 : s->has_no_v1beta1) {
        answer(c, 404, "404 page not found");
    } else if (s->status != 0) {
        answer(c, s->status, s->body != NULL ? s->body : "{}");
    } else {
        answer_by_token(c);
    }
}

static void
server_on_bytes(void *owner, struct span *bytes)
{
    struct server_conn *c = owner;
    while (bytes->len > 0) {
        struct http_head head;
        if (c->body_left > 0) {
            const size_t n =
                bytes->len < c->body_left ? bytes->len : (size_t)c->body_left;
            assert_true(span_skip(bytes, n));
            c->body_left -= n;
            continue;
        }
        if (http_head_next(&c->reader, bytes, &head) == FEED_PIECE) {
            server_on_head(c, &head);
            http_head_reset(&c->reader);
        }
    }
    if (c->is_cut && c->body_left == 0) {
        conn_close(&c->conn);
    }
}

static void
server_on_open(void *owner)
{
    (void)owner;
}

static void
server_on_end(void *owner, bool is_clean)
{
    struct server_conn *c = owner;
    (void)is_clean;
    conn_close(&c->conn);
}

static void
server_on_failed(void *owner, const char *why)
{
    struct server_conn *c = owner;
    (void)why;
    conn_close(&c->conn);
}

static const struct conn_events server_events = {
    .on_open = server_on_open,
    .on_bytes = server_on_bytes,
    .on_end = server_on_end,
    .on_room = server_on_open,
    .on_failed = server_on_failed,
};

static void
server_on_connection(void *ctx, int events)
{
    struct server *s = ctx;
    (void)events;
    const int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    assert_true(s->conn_count < CONNS_MAX);
    struct server_conn *c = &s->conns[s->conn_count];
    s->conn_count++;
    c->server = s;
    http_head_init(&c->reader, HTTP_REQUEST);
    assert_int_equal(
        conn_accept(s->env, fd, s->tls, &server_events, c, &c->conn, NULL),
        STATUS_OK);
}

/* ---- the bed ---- */

struct bed {
    char folder[TEMP_DIR_MAX];
    struct loop *loop;
    struct conn_env env;
    struct server server;
    struct buf ca;
    struct kubeconfig *k;
    struct credential *credential;
    struct upstream *upstream;
    struct config config;
    struct identity *identity;
};

static void
on_turn_end(void *ctx)
{
    struct bed *b = ctx;
    conn_env_run_ready(&b->env);
    conn_env_release(&b->env, 0);
    if (b->upstream != NULL) {
        upstream_bury(b->upstream);
    }
    conn_env_bury(&b->env);
}

static void
server_open(struct bed *b)
{
    static const char *const names[] = {"127.0.0.1"};
    struct server *s = &b->server;
    struct buf key;
    struct buf cert;
    struct buf cert_key;
    struct address at;
    buf_init(&b->ca, 8192);
    buf_init(&key, 8192);
    buf_init(&cert, 8192);
    buf_init(&cert_key, 8192);
    const int64_t now_s = time(NULL);
    assert_int_equal(
        pki_make_authority("test", now_s, &b->ca, &key, NULL), STATUS_OK);
    assert_int_equal(pki_issue_server(buf_view(&b->ca), buf_view(&key), names,
                         1, now_s, &cert, &cert_key, NULL),
        STATUS_OK);
    assert_int_equal(
        tls_server_context(buf_view(&cert), buf_view(&cert_key), &s->tls, NULL),
        STATUS_OK);
    buf_wipe(&key);
    buf_fini(&cert);
    buf_wipe(&cert_key);
    assert_int_equal(address_parse("127.0.0.1:0", &at, NULL), STATUS_OK);
    assert_int_equal(address_listen(&at, false, &s->fd, NULL), STATUS_OK);
    assert_int_equal(address_of_socket(s->fd, &at, NULL), STATUS_OK);
    s->port = address_port(&at);
    s->env = &b->env;
    assert_int_equal(loop_watch_open(b->loop, s->fd, server_on_connection, s,
                         &s->watch, NULL),
        STATUS_OK);
    loop_watch_set(s->watch, LOOP_READ);
}

static void
put(const struct bed *b, const char *name, const char *text, char *path)
{
    snprintf(path, PATH_MAX, "%s/%s", b->folder, name);
    assert_int_equal(
        file_write_atomic(path, span_str(text), 0600, NULL), STATUS_OK);
}

static void
open_upstream(struct bed *b)
{
    struct buf data;
    const char *base64 = NULL;
    char text[8192];
    char path[PATH_MAX];
    struct error err;
    buf_init(&data, 8192);
    assert_int_equal(base64_encode(buf_view(&b->ca), &data), STATUS_OK);
    assert_int_equal(buf_cstr(&data, &base64), STATUS_OK);
    snprintf(text, sizeof text,
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: k, user: kube-user}}]\n"
        "clusters: [{name: k, cluster: {server: "
        "\"https://127.0.0.1:%d/pre\", certificate-authority-data: %s}}]\n"
        "users: [{name: kube-user, user: {tokenFile: token}}]\n",
        b->server.port, base64);
    buf_fini(&data);
    put(b, "token", "known-proxy", path);
    put(b, "config", text, path);
    if (kubeconfig_load(path, NULL, &b->k, &err) != STATUS_OK ||
        credential_open(b->loop, &fake_clock, NULL, b->k, &b->credential,
            &err) != STATUS_OK ||
        upstream_open(&b->env, b->k, b->credential, &b->upstream, &err) !=
            STATUS_OK) {
        fail_msg("%s", err.text);
    }
}

static void
set_own_token(const struct bed *b, const char *token)
{
    char path[PATH_MAX];
    put(b, "token", token, path);
}

static int
setup(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    temp_dir_make(b->folder);
    now_ns = 7 * SECOND_NS;
    assert_int_equal(loop_new(&b->loop, NULL), STATUS_OK);
    conn_env_init(&b->env, b->loop, &fake_clock, NULL);
    assert_int_equal(
        loop_at_turn_end(b->loop, on_turn_end, b, NULL), STATUS_OK);
    server_open(b);
    open_upstream(b);
    *state = b;
    return 0;
}

static int
teardown(void **state)
{
    struct bed *b = *state;
    identity_close(&b->identity);
    assert_null(b->identity);
    upstream_close(&b->upstream);
    loop_watch_close(&b->server.watch);
    conn_env_close_all(&b->env);
    for (size_t i = 0; i < b->server.conn_count; i++) {
        http_head_fini(&b->server.conns[i].reader);
    }
    credential_close(&b->credential);
    kubeconfig_free(&b->k);
    tls_context_free(&b->server.tls);
    if (b->server.fd >= 0) {
        close(b->server.fd);
    }
    buf_fini(&b->ca);
    loop_free(&b->loop);
    temp_dir_remove(b->folder);
    free(b);
    return 0;
}

enum {
    LOCAL_ONLY,
    PASSTHROUGH_ONLY,
    BOTH
};

static void
open_identity(struct bed *b, int which)
{
    struct config *c = &b->config;
    c->identity_count = 0;
    if (which != PASSTHROUGH_ONLY) {
        c->identity[c->identity_count++] = CONFIG_IDENTITY_LOCAL;
    }
    if (which != LOCAL_ONLY) {
        c->identity[c->identity_count++] = CONFIG_IDENTITY_PASSTHROUGH;
    }
    assert_int_equal(identity_open(b->loop,
                         &(struct identity_options){
                             .config = c,
                             .local_token = SPAN_LIT(LOCAL),
                             .upstream = b->upstream,
                             .credential = b->credential,
                             .clock = &fake_clock,
                         },
                         &b->identity, NULL),
        STATUS_OK);
}

/* ---- asking ---- */

struct asker {
    struct bed *bed;
    struct identity_wait wait;
    int calls;
    enum identity_answer answer;
    struct caller *caller;
    char why[512];
    struct asker *cancels; /* from inside its call */
    struct asker *asks;
    const char *asks_with;
};

static enum identity_answer ask(struct asker *a, const char *token);

static void
keep(struct asker *a, enum identity_answer answer, struct caller *caller,
    const char *why)
{
    a->answer = answer;
    a->caller = caller;
    snprintf(a->why, sizeof a->why, "%s", why != NULL ? why : "");
}

static void
on_answer(void *ctx, enum identity_answer answer, struct caller *caller,
    const char *why)
{
    struct asker *a = ctx;
    a->calls++;
    keep(a, answer, caller, why);
    if (a->cancels != NULL) {
        identity_cancel(&a->cancels->wait);
    }
    if (a->asks != NULL) {
        a->asks->answer = ask(a->asks, a->asks_with);
    }
}

static void
asker_init(struct asker *a, struct bed *b)
{
    *a = (struct asker){.bed = b};
    list_init(&a->wait.hook);
    a->wait.fn = on_answer;
    a->wait.ctx = a;
}

/* A request with an Authorization field, and an attempt to be another. */
static enum identity_answer
ask_fields(struct asker *a, const char *fields)
{
    struct http_head_reader reader;
    struct http_head head;
    char text[1024];
    struct caller *caller = NULL;
    const char *why = NULL;
    const int len = snprintf(text, sizeof text,
        "GET /x HTTP/1.1\r\nHost: h\r\nImpersonate-User: root\r\n%s\r\n",
        fields);
    struct span in = span_of(text, (size_t)len);
    http_head_init(&reader, HTTP_REQUEST);
    assert_int_equal(http_head_next(&reader, &in, &head), FEED_PIECE);
    const enum identity_answer answer =
        identity_find(a->bed->identity, &head, &a->wait, &caller, &why);
    if (answer != IDENTITY_WAIT) {
        keep(a, answer, caller, why);
    }
    http_head_fini(&reader);
    return answer;
}

static enum identity_answer
ask(struct asker *a, const char *token)
{
    char field[512];
    snprintf(field, sizeof field, "Authorization: Bearer %s\r\n", token);
    return ask_fields(a, field);
}

static void
reject(struct bed *b, const char *token)
{
    struct http_head_reader reader;
    struct http_head head;
    char text[512];
    const int len = snprintf(text, sizeof text,
        "GET /x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n\r\n",
        token);
    struct span in = span_of(text, (size_t)len);
    http_head_init(&reader, HTTP_REQUEST);
    assert_int_equal(http_head_next(&reader, &in, &head), FEED_PIECE);
    identity_reject(b->identity, &head);
    http_head_fini(&reader);
}

static void
turn(struct bed *b, int times)
{
    for (int i = 0; i < times; i++) {
        loop_run_once(b->loop);
        usleep(50);
    }
}

static void
turn_until_called(struct asker *a)
{
    for (int i = 0; i < TURNS_MAX && a->calls == 0; i++) {
        turn(a->bed, 1);
    }
    assert_int_equal(a->calls, 1);
}

/* Turns until the server has seen `count` questions, then some more. */
static void
turn_until_seen(struct bed *b, size_t count)
{
    for (int i = 0; i < TURNS_MAX && b->server.v1 + b->server.v1beta1 < count;
         i++) {
        turn(b, 1);
    }
    turn(b, 50);
    assert_int_equal(b->server.v1 + b->server.v1beta1, count);
}

/* Whatever waiting it takes. */
static void
expect(struct bed *b, const char *token, enum identity_answer want,
    const char *text)
{
    struct asker a;
    asker_init(&a, b);
    if (ask(&a, token) == IDENTITY_WAIT) {
        turn_until_called(&a);
    }
    assert_int_equal(a.answer, want);
    assert_string_equal(want == IDENTITY_FOUND ? a.caller->user : a.why, text);
    caller_release(&a.caller);
}

/* Without waiting. */
static void
expect_at_once(struct bed *b, const char *token, enum identity_answer want,
    const char *text)
{
    struct asker a;
    asker_init(&a, b);
    assert_int_equal(ask(&a, token), want);
    assert_string_equal(want == IDENTITY_FOUND ? a.caller->user : a.why, text);
    caller_release(&a.caller);
}

static size_t
seen(const struct bed *b)
{
    return b->server.v1 + b->server.v1beta1;
}

#define UNASKED "the API server could not be asked who: "

/* ---- local ---- */

static void
test_local(void **state)
{
    struct bed *b = *state;
    struct asker a;
    open_identity(b, LOCAL_ONLY);
    turn_until_seen(b, 1); /* before anybody asked */
    assert_string_equal(b->server.authorization, "Bearer known-proxy");
    asker_init(&a, b);
    assert_int_equal(ask(&a, LOCAL), IDENTITY_FOUND);
    assert_int_equal(a.caller->power, CALLER_AS_PROXY);
    assert_string_equal(a.caller->user, "proxy");
    assert_string_equal(a.caller->uid, "id-proxy");
    assert_int_equal(a.caller->group_count, 2);
    assert_string_equal(a.caller->groups[0], "one");
    assert_string_equal(a.caller->groups[1], "two");
    caller_release(&a.caller);
    expect_at_once(
        b, "known-x", IDENTITY_DENIED, "the bearer token is not known here");
    expect_at_once(b, "the-local-toke", IDENTITY_DENIED,
        "the bearer token is not known here");
    assert_int_equal(seen(b), 1);
    assert_int_equal(b->server.impersonated, 0);
}

static void
test_no_credentials(void **state)
{
    struct bed *b = *state;
    struct asker a;
    open_identity(b, BOTH);
    asker_init(&a, b);
    assert_int_equal(ask_fields(&a, ""), IDENTITY_DENIED);
    assert_string_equal(a.why, "no credentials: expected a bearer token");
    assert_int_equal(
        ask_fields(&a, "Authorization: Basic YTpi\r\n"), IDENTITY_DENIED);
    assert_string_equal(a.why, "no credentials: expected a bearer token");
    assert_int_equal(ask_fields(&a, "Authorization: Bearer " LOCAL "\r\n"
                                    "Authorization: Bearer " LOCAL "\r\n"),
        IDENTITY_DENIED);
    assert_string_equal(
        a.why, "several credentials: expected one bearer token");
}

static void
test_local_waits(void **state)
{
    struct bed *b = *state;
    struct asker a[3];
    open_identity(b, LOCAL_ONLY);
    for (size_t i = 0; i < 3; i++) {
        asker_init(&a[i], b);
        assert_int_equal(ask(&a[i], LOCAL), IDENTITY_WAIT);
    }
    identity_cancel(&a[0].wait);
    a[1].cancels = &a[0];
    turn_until_called(&a[2]);
    assert_int_equal(a[0].calls, 0);
    assert_int_equal(a[1].calls, 1);
    assert_ptr_equal(a[1].caller, a[2].caller);
    assert_int_equal(seen(b), 1);
    caller_release(&a[1].caller);
    caller_release(&a[2].caller);
}

static void
test_local_renews(void **state)
{
    struct bed *b = *state;
    open_identity(b, LOCAL_ONLY);
    turn_until_seen(b, 1);
    pass_seconds(44);
    expect_at_once(b, LOCAL, IDENTITY_FOUND, "proxy");
    turn(b, 50);
    assert_int_equal(seen(b), 1);
    set_own_token(b, "known-other");
    pass_seconds(16); /* the file's minute is over, too */
    struct asker a;
    asker_init(&a, b);
    assert_int_equal(ask(&a, LOCAL), IDENTITY_WAIT); /* 60: too old */
    turn_until_called(&a);
    assert_string_equal(a.caller->user, "other");
    caller_release(&a.caller);
    pass_seconds(45);
    set_own_token(b, "known-third");
    expect_at_once(b, LOCAL, IDENTITY_FOUND, "other"); /* asks behind */
    turn_until_seen(b, 3);
    expect_at_once(b, LOCAL, IDENTITY_FOUND, "other");
}

/* Nobody asks, and still the name is renewed. */
static void
test_local_renews_alone(void **state)
{
    struct bed *b = *state;
    open_identity(b, LOCAL_ONLY);
    turn_until_seen(b, 1);
    pass_seconds(45);
    for (int i = 0; i < TURNS_MAX && seen(b) < 2; i++) {
        turn(b, 1); /* the tick is a real second */
    }
    assert_int_equal(seen(b), 2);
}

static void
test_local_stale(void **state)
{
    struct bed *b = *state;
    open_identity(b, LOCAL_ONLY);
    turn_until_seen(b, 1);
    b->server.status = 500;
    pass_seconds(45);
    expect_at_once(b, LOCAL, IDENTITY_FOUND, "proxy");
    turn_until_seen(b, 2);
    pass_seconds(254); /* 299 */
    expect_at_once(b, LOCAL, IDENTITY_FOUND, "proxy");
    turn_until_seen(b, 3);
    pass_seconds(1);
    expect(b, LOCAL, IDENTITY_UNAVAILABLE, UNASKED "it answered 500");
    expect_at_once(b, LOCAL, IDENTITY_UNAVAILABLE, UNASKED "it answered 500");
    const size_t before = seen(b);
    pass_seconds(1);
    b->server.status = 0;
    expect(b, LOCAL, IDENTITY_FOUND, "proxy");
    assert_int_equal(seen(b), before + 1);
}

/* The proxy's own token was replaced: its first 401 makes it look. */
static void
test_local_rejected(void **state)
{
    struct bed *b = *state;
    set_own_token(b, "known-new");
    pass_seconds(2);
    b->server.status = 401;
    open_identity(b, LOCAL_ONLY);
    for (int i = 0; i < TURNS_MAX && seen(b) < 1; i++) {
        turn(b, 1);
    }
    b->server.status = 0;
    expect(b, LOCAL, IDENTITY_FOUND, "new");
    assert_int_equal(seen(b), 2);
}

static void
test_local_not_accepted(void **state)
{
    struct bed *b = *state;
    b->server.status = 401;
    open_identity(b, LOCAL_ONLY);
    expect(b, LOCAL, IDENTITY_UNAVAILABLE,
        "the API server does not accept the proxy's own credentials");
    assert_int_equal(seen(b), 2);
}

static void
test_old_servers(void **state)
{
    struct bed *b = *state;
    b->server.has_no_v1 = true;
    open_identity(b, BOTH);
    expect(b, LOCAL, IDENTITY_FOUND, "proxy");
    assert_int_equal(b->server.v1beta1, 1);
    b->server.has_no_v1beta1 = true;
    pass_seconds(60);
    expect(b, LOCAL, IDENTITY_FOUND, "kubeconfig:kube-user");
    expect(b, "known-x", IDENTITY_UNAVAILABLE,
        "the API server has no SelfSubjectReview: it is older than 1.27");
}

/* ---- passthrough ---- */

static void
test_passthrough(void **state)
{
    struct bed *b = *state;
    struct asker a;
    open_identity(b, PASSTHROUGH_ONLY);
    turn(b, 50);
    assert_int_equal(seen(b), 0); /* the proxy asks nothing for itself */
    asker_init(&a, b);
    assert_int_equal(ask(&a, "known-alice"), IDENTITY_WAIT);
    turn_until_called(&a);
    assert_string_equal(b->server.authorization, "Bearer known-alice");
    assert_int_equal(a.caller->power, CALLER_AS_SELF);
    assert_string_equal(a.caller->user, "alice");
    caller_release(&a.caller);
    pass_seconds(9);
    expect_at_once(b, "known-alice", IDENTITY_FOUND, "alice");
    assert_int_equal(seen(b), 1);
    pass_seconds(1);
    expect(b, "known-alice", IDENTITY_FOUND, "alice");
    assert_int_equal(seen(b), 2);
    /* The local token is a token like any other here. */
    expect(b, LOCAL, IDENTITY_DENIED,
        "the API server does not know the bearer token");
    assert_int_equal(b->server.impersonated, 0);
}

static void
test_passthrough_denied(void **state)
{
    struct bed *b = *state;
    const char *why = "the API server does not know the bearer token";
    open_identity(b, PASSTHROUGH_ONLY);
    expect(b, "stranger", IDENTITY_DENIED, why);
    pass_seconds(1);
    expect_at_once(b, "stranger", IDENTITY_DENIED, why);
    assert_int_equal(seen(b), 1);
    pass_seconds(1);
    expect(b, "stranger", IDENTITY_DENIED, why);
    assert_int_equal(seen(b), 2);
}

static void
test_passthrough_together(void **state)
{
    struct bed *b = *state;
    struct asker a[5];
    open_identity(b, BOTH);
    for (size_t i = 0; i < 5; i++) {
        asker_init(&a[i], b);
    }
    assert_int_equal(ask(&a[0], "known-a"), IDENTITY_WAIT);
    assert_int_equal(ask(&a[1], "known-a"), IDENTITY_WAIT);
    assert_int_equal(ask(&a[2], "known-a"), IDENTITY_WAIT);
    assert_int_equal(ask(&a[3], "known-b"), IDENTITY_WAIT);
    a[0].cancels = &a[1];
    a[0].asks = &a[4];
    a[0].asks_with = "known-a";
    identity_cancel(&a[3].wait); /* the question goes on without it */
    turn_until_called(&a[2]);
    turn_until_seen(b, 3); /* the proxy's own, a, b */
    assert_int_equal(a[1].calls, 0);
    assert_int_equal(a[3].calls, 0);
    assert_int_equal(a[4].answer, IDENTITY_FOUND);
    expect_at_once(b, "known-b", IDENTITY_FOUND, "b");
    caller_release(&a[0].caller);
    caller_release(&a[2].caller);
    caller_release(&a[4].caller);
}

static void
test_passthrough_rejected(void **state)
{
    struct bed *b = *state;
    open_identity(b, PASSTHROUGH_ONLY);
    expect(b, "known-a", IDENTITY_FOUND, "a");
    reject(b, "known-unheard");
    expect_at_once(b, "known-a", IDENTITY_FOUND, "a");
    reject(b, "known-a");
    expect(b, "known-a", IDENTITY_FOUND, "a");
    assert_int_equal(seen(b), 2);
}

static void
test_passthrough_evicts(void **state)
{
    struct bed *b = *state;
    char token[32];
    open_identity(b, PASSTHROUGH_ONLY);
    for (int i = 0; i <= TOKENS_MAX; i++) {
        char user[32];
        snprintf(user, sizeof user, "%d", i);
        snprintf(token, sizeof token, "known-%d", i);
        expect(b, token, IDENTITY_FOUND, user);
    }
    expect_at_once(b, token, IDENTITY_FOUND, "1024");
    expect_at_once(b, "known-1", IDENTITY_FOUND, "1");
    assert_int_equal(seen(b), TOKENS_MAX + 1);
    expect(b, "known-0", IDENTITY_FOUND, "0"); /* had gone */
    assert_int_equal(seen(b), TOKENS_MAX + 2);
}

/* ---- the way there ---- */

static void
test_kept_connection_dies(void **state)
{
    struct bed *b = *state;
    open_identity(b, PASSTHROUGH_ONLY);
    expect(b, "known-a", IDENTITY_FOUND, "a");
    assert_int_equal(b->server.conn_count, 1);
    b->server.cuts = 1;
    expect(b, "known-b", IDENTITY_FOUND, "b");
    b->server.cuts = 2;
    expect(b, "known-c", IDENTITY_UNAVAILABLE,
        UNASKED "the API server closed the connection");
}

static void
test_server_gone(void **state)
{
    struct bed *b = *state;
    struct asker a;
    open_identity(b, PASSTHROUGH_ONLY);
    loop_watch_close(&b->server.watch);
    close(b->server.fd);
    b->server.fd = -1;
    asker_init(&a, b);
    assert_int_equal(ask(&a, "known-a"), IDENTITY_WAIT);
    turn_until_called(&a);
    assert_int_equal(a.answer, IDENTITY_UNAVAILABLE);
    assert_string_equal(a.why, UNASKED "Connection refused");
}

static void
test_bad_answers(void **state)
{
    struct bed *b = *state;
    static const char *const bodies[] = {"", "{", "[]", "{}",
        "{\"kind\":\"SelfSubjectReview\"}",
        "{\"kind\":\"SelfSubjectReview\",\"status\":{\"userInfo\":{}}}",
        "{\"kind\":\"SelfSubjectReview\",\"status\":{\"userInfo\":"
        "{\"username\":\"\"}}}",
        "{\"kind\":\"SelfSubjectReview\",\"status\":{\"userInfo\":"
        "{\"username\":\"a\",\"groups\":[1]}}}",
        "{\"kind\":\"SelfSubjectReview\",\"status\":{\"userInfo\":"
        "{\"username\":\"a\",\"username\":\"b\"}}}",
        "{\"kind\":\"TokenReview\",\"status\":{\"userInfo\":"
        "{\"username\":\"a\"}}}"};
    open_identity(b, PASSTHROUGH_ONLY);
    b->server.status = 201;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char token[32];
        snprintf(token, sizeof token, "known-%zu", i);
        b->server.body = bodies[i];
        expect(b, token, IDENTITY_UNAVAILABLE,
            UNASKED "its answer is no SelfSubjectReview that names a user");
    }
    b->server.status = 403;
    expect(b, "known-x", IDENTITY_UNAVAILABLE, UNASKED "it answered 403");
}

/* Questions that are never answered, and an end in the middle of them. */
static void
test_closed_while_asking(void **state)
{
    struct bed *b = *state;
    struct asker a[2];
    b->server.is_silent = true;
    open_identity(b, BOTH);
    for (size_t i = 0; i < 2; i++) {
        asker_init(&a[i], b);
        assert_int_equal(ask(&a[i], i == 0 ? LOCAL : "known-a"), IDENTITY_WAIT);
    }
    turn_until_seen(b, 2);
    identity_close(&b->identity);
    turn(b, 50);
    for (size_t i = 0; i < 2; i++) {
        identity_cancel(&a[i].wait);
        assert_int_equal(a[i].calls, 0);
    }
}

/* ---- callers ---- */

static void
test_callers(void **state)
{
    (void)state;
    struct caller *c = review_read(
        SPAN_LIT("{\"kind\":\"SelfSubjectReview\",\"status\":{\"userInfo\":"
                 "{\"username\":\"a\"}}}"),
        CALLER_AS_SELF);
    assert_non_null(c);
    assert_string_equal(c->uid, "");
    assert_int_equal(c->group_count, 0);
    struct caller *other = caller_hold(c);
    caller_release(&c);
    assert_null(c);
    assert_string_equal(other->user, "a");
    caller_release(&other);
    caller_release(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_local),
        TEST(test_no_credentials),
        TEST(test_local_waits),
        TEST(test_local_renews),
        TEST(test_local_renews_alone),
        TEST(test_local_stale),
        TEST(test_local_rejected),
        TEST(test_local_not_accepted),
        TEST(test_old_servers),
        TEST(test_passthrough),
        TEST(test_passthrough_denied),
        TEST(test_passthrough_together),
        TEST(test_passthrough_rejected),
        TEST(test_passthrough_evicts),
        TEST(test_kept_connection_dies),
        TEST(test_server_gone),
        TEST(test_bad_answers),
        TEST(test_closed_while_asking),
        cmocka_unit_test(test_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
