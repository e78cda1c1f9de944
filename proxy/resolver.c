/* See resolver.h. One thread a lookup: lookups are rare, a second apart at
 * most, and a thread that waits for work would cost more than it saves. */
#include "proxy/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct resolver {
    const char *host;
    const char *port;
    resolver_fn *fn;
    void *ctx;
    struct loop_wake *wake;
    bool is_running; /* the thread was started and not joined */
    uint64_t asked_ns;
    pthread_t thread;
    /* The thread's until it has woken the loop. */
    struct resolver_answer answer;
    enum status outcome;
};

enum status
resolver_look_up(const char *host, const char *port,
    struct resolver_answer *out, struct error *err)
{
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    const int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0) {
        return error_set(err, STATUS_NOT_FOUND,
            "API server %s:%s: looking up the address: %s", host, port,
            gai_strerror(failed));
    }
    out->count = 0;
    for (const struct addrinfo *a = found;
         a != NULL && out->count < RESOLVER_ADDRESSES_MAX; a = a->ai_next) {
        struct address *to = &out->addresses[out->count];
        memcpy(&to->sa, a->ai_addr, a->ai_addrlen);
        to->len = a->ai_addrlen;
        out->count++;
    }
    freeaddrinfo(found);
    return STATUS_OK;
}

static void *
resolver_main(void *arg)
{
    struct resolver *r = arg;
    r->outcome = resolver_look_up(r->host, r->port, &r->answer, NULL);
    loop_wake_send(r->wake);
    return NULL;
}

static void
resolver_on_wake(void *ctx)
{
    struct resolver *r = ctx;
    if (!r->is_running) {
        return;
    }
    pthread_join(r->thread, NULL);
    r->is_running = false;
    if (r->outcome == STATUS_OK) {
        r->fn(r->ctx, &r->answer);
    }
}

void
resolver_ask(struct resolver *r, uint64_t now_ns)
{
    if (r->is_running ||
        (r->asked_ns != 0 &&
            now_ns - r->asked_ns < RESOLVER_PAUSE_MS * 1000000u)) {
        return;
    }
    r->asked_ns = now_ns;
    /* Without a thread the old addresses stay, and the next failure asks. */
    r->is_running = pthread_create(&r->thread, NULL, resolver_main, r) == 0;
}

enum status
resolver_open(struct loop *loop, const char *host, const char *port,
    resolver_fn *fn, void *ctx, struct resolver **out, struct error *err)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a resolver");
    }
    r->host = host;
    r->port = port;
    r->fn = fn;
    r->ctx = ctx;
    const enum status st =
        loop_wake_open(loop, resolver_on_wake, r, &r->wake, err);
    if (st != STATUS_OK) {
        free(r);
        return st;
    }
    *out = r;
    return STATUS_OK;
}

void
resolver_close(struct resolver **rp)
{
    struct resolver *r = *rp;
    *rp = NULL;
    if (r == NULL) {
        return;
    }
    if (r->is_running) {
        pthread_join(r->thread, NULL);
    }
    loop_wake_close(&r->wake);
    free(r);
}
