/* See corpus_log.h. */
#include "tests/bench/corpus_log.h"

#include <inttypes.h>

#define COUNT(words)   (sizeof(words) / sizeof((words)[0]))
#define PICK(c, words) ((words)[skewed((c), COUNT(words))])
#define CLIENTS        400u
#define USERS          5000u

static const struct {
    const char *method;
    const char *path;
} routes[] = {
    {"GET", "/healthz"},
    {"GET", "/api/v1/orders"},
    {"GET", "/static/app.3f9a2c.js"},
    {"POST", "/api/v1/cart/items"},
    {"GET", "/api/v1/users/me"},
    {"GET", "/api/v2/search?q=shoes&page=2"},
    {"GET", "/api/v1/products/48151/reviews"},
    {"POST", "/login"},
    {"GET", "/favicon.ico"},
    {"PUT", "/api/v1/orders/7f3c/address"},
    {"GET", "/static/vendor.81cd77.css"},
    {"DELETE", "/api/v1/cart/items/3"},
};
static const char *const agents[] = {
    "kube-probe/1.31",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, "
    "like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1"
    ".15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "shop-android/8.14.2 (okhttp/4.12.0)",
    "Go-http-client/1.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
};
static const char *const statements[] = {
    "SELECT id, status, total FROM orders WHERE user_id = $1 ORDER BY id DESC",
    "SELECT sku, name, price FROM products WHERE id = ANY($1)",
    "INSERT INTO cart_items (cart_id, sku, quantity) VALUES ($1, $2, $3)",
    "UPDATE sessions SET seen_at = now() WHERE token = $1",
    "SELECT count(*) FROM reviews WHERE product_id = $1 AND visible",
};
static const char *const objects[] = {"shop/web-7c9d8b5f4", "shop/cart-66b8cd",
    "billing/worker-5d7f9", "kube-system/coredns-7db6d8ff4d",
    "monitoring/prometheus-0", "shop/search-58c4", "default/debug-1"};
static const char *const loggers[] = {"c.e.shop.order.OrderService",
    "c.e.shop.cart.CartController", "o.a.k.clients.consumer.KafkaConsumer",
    "com.zaxxer.hikari.pool.HikariPool", "c.e.shop.mail.MailSender"};

/* xorshift64* (Vigna 2016): the same text on every machine. */
uint64_t
corpus_random(struct corpus *c, uint64_t below)
{
    c->random ^= c->random >> 12;
    c->random ^= c->random << 25;
    c->random ^= c->random >> 27;
    return (c->random * UINT64_C(0x2545F4914F6CDD1D) >> 33) % below;
}

/* Below `count`, small ones far more often: the square of an even share. */
static unsigned
skewed(struct corpus *c, uint64_t count)
{
    const uint64_t x = corpus_random(c, 1u << 16);
    return (unsigned)(x * x * count >> 32);
}

/* Whoever asks, asks again soon. */
static unsigned
pick_client(struct corpus *c)
{
    unsigned *recent =
        &c->recent_clients[corpus_random(c, COUNT(c->recent_clients))];
    if (corpus_random(c, 4) == 0) {
        *recent = skewed(c, CLIENTS);
    }
    return *recent;
}

static void
begin_request(struct corpus *c)
{
    const uint64_t high = corpus_random(c, UINT64_C(1) << 31);
    const unsigned client = pick_client(c);
    c->request = (struct corpus_request){
        .trace = high << 33 ^ corpus_random(c, UINT64_C(1) << 31),
        .lines_left = 2 + (unsigned)corpus_random(c, 4),
        .route = skewed(c, COUNT(routes)),
        .client = client,
        .user = skewed(c, USERS),
        .agent = client % COUNT(agents),
        .has_failed = corpus_random(c, 60) == 0,
    };
}

struct time_parts {
    unsigned hour, minute, second, us;
};

static struct time_parts
next_time(struct corpus *c)
{
    c->time_us += corpus_random(c, 9000) * corpus_random(c, 9);
    const uint64_t s = c->time_us / 1000000;
    return (struct time_parts){(unsigned)(s / 3600 % 24),
        (unsigned)(s / 60 % 60), (unsigned)(s % 60),
        (unsigned)(c->time_us % 1000000)};
}

/* Most things are fast. */
static uint64_t
duration_us(struct corpus *c)
{
    return 200 + corpus_random(c, 2000) * corpus_random(c, 30);
}

static enum status
append_client(unsigned client, struct buf *out)
{
    const unsigned mixed = client * 2654435761u;
    return buf_printf(
        out, "10.%u.%u.%u", mixed >> 30, mixed >> 22 & 255, mixed >> 8 & 255);
}

/* ---- a service with structured logs ---- */

static enum status
json_head(
    struct corpus *c, const char *logger, const char *msg, struct buf *out)
{
    const struct time_parts t = next_time(c);
    const bool is_error = c->request.has_failed && c->request.lines_left == 0;
    return buf_printf(out,
        "{\"time\":\"2026-11-24T%02u:%02u:%02u.%06uZ\",\"level\":\"%s\","
        "\"logger\":\"%s\",\"msg\":\"%s\",\"trace_id\":\"%016" PRIx64 "\"",
        t.hour, t.minute, t.second, t.us, is_error ? "ERROR" : "INFO", logger,
        msg, c->request.trace);
}

static enum status
json_start(struct corpus *c, struct buf *out)
{
    enum status st = json_head(c, "http", "request started", out);
    if (st == STATUS_OK) {
        st = buf_printf(out,
            ",\"method\":\"%s\",\"path\":\"%s\",\"user_agent\":\"%s\","
            "\"remote\":\"",
            routes[c->request.route].method, routes[c->request.route].path,
            agents[c->request.agent]);
    }
    if (st == STATUS_OK) {
        st = append_client(c->request.client, out);
    }
    return st == STATUS_OK ? buf_append_str(out, "\"}\n") : st;
}

static enum status
json_middle(struct corpus *c, struct buf *out)
{
    const bool is_query = corpus_random(c, 3) > 0;
    const enum status st = json_head(
        c, is_query ? "db" : "cache", is_query ? "query" : "cache hit", out);
    if (st != STATUS_OK) {
        return st;
    }
    return is_query
               ? buf_printf(out,
                     ",\"statement\":\"%s\",\"rows\":%u,\"duration_us\":"
                     "%" PRIu64 "}\n",
                     PICK(c, statements), skewed(c, 40), duration_us(c))
               : buf_printf(out, ",\"key\":\"user:%u:cart\",\"ttl\":300}\n",
                     c->request.user);
}

static enum status
json_end(struct corpus *c, struct buf *out)
{
    const enum status st = json_head(c, "http", "request completed", out);
    return st == STATUS_OK
               ? buf_printf(out,
                     ",\"path\":\"%s\",\"status\":%d,\"user\":%u,\"bytes\":%u,"
                     "\"duration_us\":%" PRIu64 "}\n",
                     routes[c->request.route].path,
                     c->request.has_failed ? 502 : 200, c->request.user,
                     skewed(c, 60000), duration_us(c))
               : st;
}

static enum status
json_line(struct corpus *c, struct buf *out)
{
    if (c->request.lines_left == 0) {
        begin_request(c);
        return json_start(c, out);
    }
    c->request.lines_left--;
    return c->request.lines_left == 0 ? json_end(c, out) : json_middle(c, out);
}

/* ---- the others ---- */

static enum status
access_line(struct corpus *c, struct buf *out)
{
    begin_request(c);
    const struct time_parts t = next_time(c);
    const struct corpus_request *r = &c->request;
    const enum status st = append_client(r->client, out);
    return st == STATUS_OK
               ? buf_printf(out,
                     " - - [24/Nov/2026:%02u:%02u:%02u +0000] \"%s %s "
                     "HTTP/1.1\" %d %u \"%s\" \"%s\" %u.%03u\n",
                     t.hour, t.minute, t.second, routes[r->route].method,
                     routes[r->route].path, r->has_failed ? 502 : 200,
                     r->route * 977 + skewed(c, 200),
                     r->agent % 3 == 1 ? "https://shop.example.com/" : "-",
                     agents[r->agent], skewed(c, 2), skewed(c, 1000))
               : st;
}

static enum status
klog_line(struct corpus *c, struct buf *out)
{
    const struct time_parts t = next_time(c);
    const char *object = PICK(c, objects);
    const bool is_slow = corpus_random(c, 40) == 0;
    return buf_printf(out,
        "%c1124 %02u:%02u:%02u.%06u       1 %s] \"%s\" object=\"%s\" "
        "resourceVersion=\"%" PRIu64 "\" duration=\"%" PRIu64 ".%03ums\"\n",
        is_slow ? 'W' : 'I', t.hour, t.minute, t.second, t.us,
        is_slow ? "trace.go:236" : "controller.go:231",
        is_slow ? "Reconcile took too long" : "Reconciled", object,
        UINT64_C(4810000) + c->time_us / 90000, duration_us(c) / 1000,
        (unsigned)corpus_random(c, 1000));
}

static enum status
java_trace(struct corpus *c, struct buf *out)
{
    enum status st = buf_append_str(out,
        "java.net.SocketTimeoutException: Read timed out\n"
        "\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:"
        "288)\n"
        "\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:"
        "314)\n");
    for (unsigned depth = 4 + (unsigned)corpus_random(c, 12);
         depth > 0 && st == STATUS_OK; depth--) {
        st =
            buf_printf(out, "\tat com.example.shop.%s.invoke(Client.java:%u)\n",
                PICK(c, loggers), 40 + skewed(c, 300));
    }
    return st;
}

static enum status
java_line(struct corpus *c, struct buf *out)
{
    const struct time_parts t = next_time(c);
    const bool is_error = corpus_random(c, 80) == 0;
    const enum status st = buf_printf(out,
        "2026-11-24 %02u:%02u:%02u,%03u %s [http-nio-8080-exec-%u] %s - Order "
        "%" PRIu64 " of user %u: %s\n",
        t.hour, t.minute, t.second, t.us / 1000, is_error ? "ERROR" : "INFO ",
        skewed(c, 40), PICK(c, loggers),
        UINT64_C(88000000) + c->time_us / 70000, skewed(c, USERS),
        is_error ? "payment provider did not answer, will retry" : "accepted");
    return st == STATUS_OK && is_error ? java_trace(c, out) : st;
}

enum status
corpus_log_line(struct corpus *c, struct buf *out)
{
    switch (c->kind) {
    case CORPUS_JSON:
        return json_line(c, out);
    case CORPUS_ACCESS:
        return access_line(c, out);
    case CORPUS_KLOG:
        return klog_line(c, out);
    case CORPUS_JAVA:
        return java_line(c, out);
    case CORPUS_KINDS:
        break;
    }
    return STATUS_INVALID;
}
