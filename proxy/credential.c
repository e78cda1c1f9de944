/* See credential.h. Owns the lives of the proxy's own credentials: a token
 * file's minute, a plugin's expiry, one run of the plugin at a time for all
 * who wait, and the TLS contexts that present the certificate.
 *
 * The trap: whoever is woken may ask again, cancel others, or reject what was
 * just given, so waiters move to a list of the waker's own first, and what
 * they are told is a copy.
 */
#include "proxy/credential.h"

#include "base/child.h"
#include "base/file.h"
#include "proxy/exec_credential.h"
#include "proxy/http_head.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SECOND_NS UINT64_C(1000000000)
#define SECOND_US INT64_C(1000000)

/* client-go's transport/token_source.go: half of what the kubelet leaves
 * between a new projected token and the old one's end. */
#define TOKEN_FILE_PERIOD_NS (60 * SECOND_NS)
#define TOKEN_FILE_MAX       (1u << 20)

#define PLUGIN_TIMEOUT_MS 60000u
#define PLUGIN_MARGIN_US  (30 * SECOND_US) /* before its credentials end */

/* A plugin or file that just failed, or whose fresh token was just refused,
 * is not asked again at once: callers must not be able to spin it. */
#define PAUSE_NS SECOND_NS

#define WHY_MAX 1024

struct credential {
    struct loop *loop;
    const struct clock *clock;
    const struct log *log;
    const struct kubeconfig *k;
    struct tls_context *plain;
    struct tls_context *certified; /* NULL: no client certificate */
    struct buf token;              /* NUL-terminated by buf_cstr */
    struct buf plugin_cert;        /* what `certified` was made from */
    uint64_t got_ns;               /* when the token was last read or given */
    uint64_t tried_ns;             /* when that was last tried */
    bool is_there;                 /* there was a first success */
    bool is_stale;                 /* the API server refused it */
    bool has_failed;               /* the last try did, `why` says how */
    bool expires;
    int64_t expires_us;
    uint64_t generation;
    struct child *plugin; /* NULL: not running */
    char *plugin_info;    /* KUBERNETES_EXEC_INFO=… */
    char **plugin_env;    /* borrows from the kubeconfig and plugin_info */
    struct list waiters;
    char why[WHY_MAX];
};

static uint64_t
now_ns(const struct credential *c)
{
    return clock_mono_ns(c->clock);
}

static bool
is_paused(const struct credential *c)
{
    return now_ns(c) < c->tried_ns + PAUSE_NS;
}

/* A new token in place of the old one, which is wiped. */
static enum status
credential_set_token(struct credential *c, struct span token)
{
    struct buf fresh;
    const char *text = NULL;
    buf_init(&fresh, TOKEN_FILE_MAX + 1);
    enum status st = buf_append(&fresh, token);
    if (st == STATUS_OK) {
        st = buf_cstr(&fresh, &text);
    }
    if (st != STATUS_OK) {
        buf_wipe(&fresh);
        return st;
    }
    buf_wipe(&c->token);
    c->token = fresh;
    return STATUS_OK;
}

static void
credential_succeeded(struct credential *c)
{
    c->is_there = true;
    c->is_stale = false;
    c->has_failed = false;
    c->got_ns = now_ns(c);
}

static void
credential_failed(struct credential *c, const char *why)
{
    c->has_failed = true;
    snprintf(c->why, sizeof c->why, "%s", why);
    log_event(c->log, LOG_WARN, "credential.failed", LOG_S("why", c->why));
}

/* ---- a token file ---- */

static enum status
take_file_token(struct credential *c, struct buf *text, struct error *err)
{
    struct span token = buf_view(text);
    while (token.len > 0 && strchr(" \t\r\n", token.ptr[token.len - 1])) {
        token.len--;
    }
    token = span_trim(token);
    if (token.len == 0) {
        return error_set(
            err, STATUS_INVALID, "%s holds no token", c->k->token_file);
    }
    if (!http_value_is_valid(token)) {
        return error_set(err, STATUS_INVALID,
            "%s holds bytes that no token may have", c->k->token_file);
    }
    return credential_set_token(c, token) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory for a token");
}

static void
read_token_file(struct credential *c)
{
    struct buf text;
    struct error err;
    buf_init(&text, TOKEN_FILE_MAX);
    c->tried_ns = now_ns(c);
    enum status st = file_read(c->k->token_file, &text, &err);
    if (st == STATUS_OK) {
        st = take_file_token(c, &text, &err);
    }
    buf_wipe(&text);
    if (st == STATUS_OK) {
        credential_succeeded(c);
    } else {
        credential_failed(c, err.text);
    }
}

static bool
is_token_file_due(const struct credential *c)
{
    return c->is_stale || !c->is_there || c->has_failed ||
           now_ns(c) >= c->got_ns + TOKEN_FILE_PERIOD_NS;
}

/* Like client-go: the last token that could be read goes on being used, and
 * the kubeconfig's own token until there is one. */
static enum credential_answer
get_from_file(struct credential *c, const char **why_out)
{
    if (is_token_file_due(c) && (c->tried_ns == 0 || !is_paused(c))) {
        read_token_file(c);
    }
    if (c->is_there || c->k->token != NULL) {
        return CREDENTIAL_READY;
    }
    *why_out = c->why;
    return CREDENTIAL_FAILED;
}

/* ---- a plugin ---- */

static bool
has_ended(const struct credential *c, int64_t margin_us)
{
    return c->expires && clock_wall_us(c->clock) >= c->expires_us - margin_us;
}

/* What was given last and has not ended serves while a renewal fails. */
static bool
may_use_old(const struct credential *c)
{
    return c->is_there && !c->is_stale && !has_ended(c, 0);
}

static void
credential_wake(struct credential *c, const char *why)
{
    struct list woken;
    char copy[WHY_MAX];
    if (why != NULL) {
        snprintf(copy, sizeof copy, "%s", why);
        why = copy;
    }
    list_move_all(&c->waiters, &woken);
    for (struct list *hook = list_take(&woken); hook != NULL;
         hook = list_take(&woken)) {
        struct credential_wait *w =
            LIST_ENTRY(hook, struct credential_wait, hook);
        w->fn(w->ctx, why);
    }
}

/* The certificate that goes with the token just given. */
static enum status
take_plugin_certificate(
    struct credential *c, const struct exec_credential *x, struct error *err)
{
    struct tls_context *certified = NULL;
    if (span_eq(buf_view(&x->cert_pem), buf_view(&c->plugin_cert))) {
        return STATUS_OK;
    }
    const bool has_own = x->cert_pem.len > 0;
    const struct kubeconfig *k = c->k;
    enum status st = STATUS_OK;
    if (has_own || k->cert_pem.len > 0) {
        st = tls_client_context(buf_view(&k->ca_pem),
            buf_view(has_own ? &x->cert_pem : &k->cert_pem),
            buf_view(has_own ? &x->key_pem : &k->key_pem), &certified, err);
    }
    buf_clear(&c->plugin_cert);
    if (st == STATUS_OK) {
        st = buf_append(&c->plugin_cert, buf_view(&x->cert_pem));
    }
    if (st != STATUS_OK) {
        tls_context_free(&certified);
        return error_in(err, st, "its certificate");
    }
    tls_context_free(&c->certified);
    c->certified = certified;
    c->generation++;
    return STATUS_OK;
}

static enum status
take_plugin_answer(struct credential *c, struct span out, struct error *err)
{
    struct exec_credential x;
    exec_credential_init(&x);
    enum status st =
        exec_credential_parse(out, c->k->exec->api_version, &x, err);
    if (st == STATUS_OK) {
        st = take_plugin_certificate(c, &x, err);
    }
    if (st == STATUS_OK &&
        credential_set_token(c, buf_view(&x.token)) != STATUS_OK) {
        st = error_set(err, STATUS_NO_MEMORY, "no memory for a token");
    }
    if (st == STATUS_OK) {
        c->expires = x.expires;
        c->expires_us = x.expires_us;
    }
    exec_credential_fini(&x);
    return st;
}

/* How it ended, when it did not end well. */
static enum status
check_plugin_exit(
    const struct credential *c, int status, struct span out, struct error *err)
{
    const uint64_t ran_ms = (now_ns(c) - c->tried_ns) / 1000000;
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status) == 0
                   ? STATUS_OK
                   : error_set(err, STATUS_INVALID, "it exited with status %d",
                         WEXITSTATUS(status));
    }
    if (out.len >= EXEC_CREDENTIAL_MAX) {
        return error_set(err, STATUS_LIMIT, "it printed more than 1 MiB");
    }
    if (ran_ms >= PLUGIN_TIMEOUT_MS) {
        return error_set(err, STATUS_TIMEOUT, "it did not end in 60 seconds");
    }
    return error_set(
        err, STATUS_INVALID, "it was ended by signal %d", WTERMSIG(status));
}

static void
plugin_failed(struct credential *c, const struct error *err)
{
    const struct kubeconfig_exec *x = c->k->exec;
    char why[WHY_MAX];
    snprintf(why, sizeof why, "credential plugin %s: %s%s%s", x->command,
        err->text, x->install_hint != NULL ? "; " : "",
        x->install_hint != NULL ? x->install_hint : "");
    credential_failed(c, why);
}

static void
plugin_on_end(void *ctx, int status, struct span out)
{
    struct credential *c = ctx;
    struct error err;
    enum status st = check_plugin_exit(c, status, out, &err);
    if (st == STATUS_OK) {
        st = take_plugin_answer(c, out, &err);
    }
    child_cancel(&c->plugin);
    if (st == STATUS_OK) {
        credential_succeeded(c);
        log_event(c->log, LOG_DEBUG, "credential.renewed",
            LOG_S("plugin", c->k->exec->command));
        credential_wake(c, NULL);
        return;
    }
    plugin_failed(c, &err);
    credential_wake(c, may_use_old(c) ? NULL : c->why);
}

static enum status
plugin_start(struct credential *c, struct error *err)
{
    c->tried_ns = now_ns(c);
    return child_run(c->loop, c->k->exec->args, c->plugin_env,
        EXEC_CREDENTIAL_MAX, PLUGIN_TIMEOUT_MS, plugin_on_end, c, &c->plugin,
        err);
}

static bool
is_plugin_due(const struct credential *c)
{
    return c->is_stale || !c->is_there || has_ended(c, PLUGIN_MARGIN_US);
}

static enum credential_answer
get_from_plugin(
    struct credential *c, struct credential_wait *wait, const char **why_out)
{
    struct error err;
    if (!is_plugin_due(c) ||
        (c->has_failed && is_paused(c) && may_use_old(c))) {
        return CREDENTIAL_READY;
    }
    if (c->plugin == NULL && c->has_failed && is_paused(c)) {
        *why_out = c->why;
        return CREDENTIAL_FAILED;
    }
    if (c->plugin == NULL && plugin_start(c, &err) != STATUS_OK) {
        plugin_failed(c, &err);
        *why_out = c->why;
        return may_use_old(c) ? CREDENTIAL_READY : CREDENTIAL_FAILED;
    }
    list_append(&c->waiters, &wait->hook);
    return CREDENTIAL_WAIT;
}

/* ---- asking ---- */

enum credential_answer
credential_get(
    struct credential *c, struct credential_wait *wait, const char **why_out)
{
    if (c->k->exec != NULL) {
        return get_from_plugin(c, wait, why_out);
    }
    if (c->k->token_file != NULL) {
        return get_from_file(c, why_out);
    }
    return CREDENTIAL_READY;
}

void
credential_cancel(struct credential_wait *wait)
{
    list_drop(&wait->hook);
}

const char *
credential_token(const struct credential *c)
{
    if (c->token.len > 0) {
        return (const char *)c->token.data + c->token.off;
    }
    return c->k->token;
}

void
credential_reject(struct credential *c)
{
    if (c->is_there && now_ns(c) >= c->got_ns + PAUSE_NS) {
        c->is_stale = true;
    }
}

struct tls_context *
credential_tls(struct credential *c, bool with_certificate)
{
    return with_certificate && c->certified != NULL ? c->certified : c->plain;
}

const char *
credential_user(const struct credential *c)
{
    return c->k->user_name;
}

uint64_t
credential_generation(const struct credential *c)
{
    return c->generation;
}

/* ---- life ---- */

static enum status
open_tls(struct credential *c, struct error *err)
{
    const struct kubeconfig *k = c->k;
    enum status st = tls_client_context(
        buf_view(&k->ca_pem), SPAN_EMPTY, SPAN_EMPTY, &c->plain, err);
    if (st == STATUS_OK && k->cert_pem.len > 0) {
        st = tls_client_context(buf_view(&k->ca_pem), buf_view(&k->cert_pem),
            buf_view(&k->key_pem), &c->certified, err);
    }
    return st == STATUS_OK
               ? st
               : error_in(err, st, "kubeconfig user %s", k->user_name);
}

static enum status
open_token_file(struct credential *c, struct error *err)
{
    read_token_file(c);
    return c->is_there || c->k->token != NULL
               ? STATUS_OK
               : error_set(err, STATUS_NOT_FOUND, "kubeconfig user %s: %s",
                     c->k->user_name, c->why);
}

/* The environment of every run: the kubeconfig's, then what is asked. */
static enum status
make_plugin_env(struct credential *c)
{
    struct buf info;
    const char *text = NULL;
    size_t count = 0;
    buf_init(&info, 2 * EXEC_CREDENTIAL_MAX);
    enum status st = exec_credential_info(c->k->exec, &info);
    if (st == STATUS_OK) {
        st = buf_cstr(&info, &text);
    }
    if (st == STATUS_OK) {
        c->plugin_info = strdup(text);
    }
    buf_fini(&info);
    while (c->k->exec->env[count] != NULL) {
        count++;
    }
    c->plugin_env = calloc(count + 2, sizeof *c->plugin_env);
    if (c->plugin_info == NULL || c->plugin_env == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(c->plugin_env, c->k->exec->env, count * sizeof *c->plugin_env);
    c->plugin_env[count] = c->plugin_info;
    return STATUS_OK;
}

/* A plugin that cannot be run now may be there later: that is logged, and the
 * proxy starts. */
static enum status
open_plugin(struct credential *c, struct error *err)
{
    struct error why;
    if (make_plugin_env(c) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a plugin");
    }
    if (plugin_start(c, &why) != STATUS_OK) {
        plugin_failed(c, &why);
    }
    return STATUS_OK;
}

enum status
credential_open(struct loop *loop, const struct clock *clock,
    const struct log *log, const struct kubeconfig *k, struct credential **out,
    struct error *err)
{
    struct credential *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for credentials");
    }
    c->loop = loop;
    c->clock = clock;
    c->log = log;
    c->k = k;
    list_init(&c->waiters);
    buf_init(&c->token, TOKEN_FILE_MAX + 1);
    buf_init(&c->plugin_cert, EXEC_CREDENTIAL_MAX);
    enum status st = open_tls(c, err);
    if (st == STATUS_OK && k->exec != NULL) {
        st = open_plugin(c, err);
    } else if (st == STATUS_OK && k->token_file != NULL) {
        st = open_token_file(c, err);
    }
    if (st != STATUS_OK) {
        credential_close(&c);
        return st;
    }
    *out = c;
    return STATUS_OK;
}

void
credential_close(struct credential **cp)
{
    struct credential *c = *cp;
    *cp = NULL;
    if (c == NULL) {
        return;
    }
    child_cancel(&c->plugin);
    for (struct list *hook = list_take(&c->waiters); hook != NULL;
         hook = list_take(&c->waiters)) {
        /* Alone again, so that a late cancel is harmless. */
    }
    tls_context_free(&c->plain);
    tls_context_free(&c->certified);
    buf_wipe(&c->token);
    buf_fini(&c->plugin_cert);
    free(c->plugin_info);
    free(c->plugin_env);
    free(c);
}
