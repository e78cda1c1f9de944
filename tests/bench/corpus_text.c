/* See corpus_text.h. */
#include "tests/bench/corpus_text.h"

#include <inttypes.h>

#define COUNT(words)   (sizeof(words) / sizeof((words)[0]))
#define PICK(c, words) ((words)[corpus_random((c), COUNT(words))])

static const char *const folders[] = {"~", "/etc/nginx", "/var/log/app",
    "/srv/shop/current", "/tmp", "/usr/local/bin", "/opt/billing"};
static const char *const files[] = {"access.log", "app.yaml", "config.json",
    "error.log", "index.html", "main.py", "nginx.conf", "README.md",
    "requirements.txt", "run.sh", "settings.toml", "worker.rb"};
static const char *const commands[] = {"ls -la", "ps aux | head -20",
    "cat settings.toml", "tail -n 40 error.log", "df -h", "env | sort",
    "grep -rn timeout .", "curl -s localhost:8080/healthz", "top -bn1",
    "vi config.json", "kill -HUP 1", "netstat -tlnp"};
static const char *const programs[] = {"nginx: worker process",
    "/usr/bin/python3 -m gunicorn shop.wsgi", "sidekiq 7.2 billing [0 of 10]",
    "/pause", "postgres: checkpointer", "sh -c ./run.sh", "[kworker/u4:1]"};
static const char *const routes[] = {"/api/v1/orders", "/api/v1/cart/items",
    "/healthz", "/static/app.3f9a2c.js", "/login", "/api/v1/users/me",
    "/api/v2/search?q=shoes&page=2", "/favicon.ico"};
static const char *const messages[] = {"request completed",
    "cache miss, loading from the database", "retrying after timeout",
    "connection reset by peer", "job enqueued", "slow query",
    "user authenticated"};
static const char *const levels[] = {
    "info", "info", "info", "info", "debug", "warn", "error"};

/* xorshift64* (Vigna 2016): the same text on every machine. */
uint64_t
corpus_random(struct corpus *c, uint64_t below)
{
    c->random ^= c->random >> 12;
    c->random ^= c->random << 25;
    c->random ^= c->random >> 27;
    return (c->random * UINT64_C(0x2545F4914F6CDD1D) >> 33) % below;
}

enum status
corpus_prompt(struct corpus *c, struct buf *out)
{
    return buf_printf(out,
        "\x1b[01;32mapp@shop-7c9d\x1b[00m:\x1b[01;34m%s\x1b[00m$ ",
        PICK(c, folders));
}

enum status
corpus_command(struct corpus *c, struct buf *out)
{
    return buf_append_str(out, PICK(c, commands));
}

static enum status
listing_line(struct corpus *c, struct buf *out)
{
    return buf_printf(out,
        "-rw-r--r-- 1 app  app  %7" PRIu64 " Nov %2" PRIu64 " %02" PRIu64
        ":%02" PRIu64 " \x1b[0m\x1b[01;36m%s\x1b[0m\r\n",
        corpus_random(c, 4000000), corpus_random(c, 30) + 1,
        corpus_random(c, 24), corpus_random(c, 60), PICK(c, files));
}

static enum status
process_line(struct corpus *c, struct buf *out)
{
    return buf_printf(out,
        "app      %7" PRIu64 "  %" PRIu64 ".%" PRIu64 "  %" PRIu64 ".%" PRIu64
        " %7" PRIu64 " %6" PRIu64 " ?        Ss   %02" PRIu64 ":%02" PRIu64
        "   0:%02" PRIu64 " %s\r\n",
        corpus_random(c, 99999), corpus_random(c, 10), corpus_random(c, 10),
        corpus_random(c, 10), corpus_random(c, 10), corpus_random(c, 900000),
        corpus_random(c, 90000), corpus_random(c, 24), corpus_random(c, 60),
        corpus_random(c, 60), PICK(c, programs));
}

static enum status
match_line(struct corpus *c, struct buf *out)
{
    return buf_printf(out,
        "\x1b[35m\x1b[K./%s\x1b[m\x1b[K\x1b[36m\x1b[K:\x1b[m\x1b[K%" PRIu64
        ":    request_\x1b[01;31m\x1b[Ktimeout\x1b[m\x1b[K = %" PRIu64
        "  # %s\r\n",
        PICK(c, files), corpus_random(c, 400), corpus_random(c, 120) * 500,
        PICK(c, messages));
}

enum status
corpus_output(struct corpus *c, struct buf *out)
{
    typedef enum status line_fn(struct corpus *, struct buf *);
    static line_fn *const kinds[] = {listing_line, process_line, match_line};
    line_fn *line = PICK(c, kinds);
    enum status st = STATUS_OK;
    for (uint64_t left = corpus_random(c, 30) + 1; left > 0 && st == STATUS_OK;
         left--) {
        st = line(c, out);
    }
    return st;
}

enum status
corpus_log_line(struct corpus *c, struct buf *out)
{
    const uint64_t ms = c->time_ms;
    c->time_ms += corpus_random(c, 40);
    return buf_printf(out,
        "{\"time\":\"2026-11-24T%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64
        ".%03" PRIu64 "Z\",\"level\":\"%s\",\"msg\":\"%s\",\"method\":\"%s\","
        "\"path\":\"%s\",\"status\":%d,\"remote\":\"10.%" PRIu64 ".%" PRIu64
        ".%" PRIu64 "\",\"duration_ms\":%" PRIu64 ",\"trace\":\"%08" PRIx64
        "%08" PRIx64 "\"}\n",
        ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60, ms % 1000,
        PICK(c, levels), PICK(c, messages),
        corpus_random(c, 4) == 0 ? "POST" : "GET", PICK(c, routes),
        corpus_random(c, 20) == 0 ? 502 : 200, corpus_random(c, 8),
        corpus_random(c, 256), corpus_random(c, 256), corpus_random(c, 900),
        corpus_random(c, UINT64_C(1) << 31),
        corpus_random(c, UINT64_C(1) << 31));
}
