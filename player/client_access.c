/* Gathers what is spread over the state folder. Each part may be missing on
 * its own: no proxy has run yet, it runs on another port, it has a certificate
 * of somebody's own. */
#include "player/client_access.h"

#include "base/base64.h"
#include "base/config.h"
#include "base/file.h"
#include "base/local_token.h"
#include "player/kubeconfig_merge.h"
#include "player/limits.h"
#include "schema/utf8.h"
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_ADDRESS  "127.0.0.1:8443"
#define ADDRESS_FILE_MAX 256

/* The configuration that `up` wrote, or NULL. A broken one is nobody's
 * business here: defaults serve. */
static struct config *
last_config(const char *state)
{
    char path[PATH_MAX];
    struct config *c = NULL;
    if (file_join(path, sizeof path, state, "config.yaml", NULL) != STATUS_OK ||
        access(path, F_OK) != 0 || config_load(path, &c, NULL) != STATUS_OK) {
        return NULL;
    }
    return c;
}

/* What a running proxy published, one line. */
static enum status
read_address(const char *state, struct buf *out, struct error *err)
{
    char path[PATH_MAX];
    enum status st =
        file_join(path, sizeof path, state, "run/proxy.address", err);
    if (st == STATUS_OK) {
        st = file_read(path, out, err);
    }
    if (st == STATUS_OK && out->len > 0 &&
        buf_view(out).ptr[out->len - 1] == '\n') {
        out->len--;
    }
    return st;
}

/* A listener on every address is reached on loopback. */
static enum status
append_url(struct span address, struct buf *out)
{
    enum status st = buf_append_str(out, "https://");
    if (st != STATUS_OK) {
        return st;
    }
    if (span_starts_with(address, "0.0.0.0:")) {
        (void)span_skip(&address, strlen("0.0.0.0"));
        st = buf_append_str(out, "127.0.0.1");
    } else if (span_starts_with(address, "[::]:")) {
        (void)span_skip(&address, strlen("[::]"));
        st = buf_append_str(out, "[::1]");
    }
    return st == STATUS_OK ? buf_append(out, address) : st;
}

static enum status
load_server(const char *state, const char *wish, const struct config *config,
    struct buf *out, struct error *err)
{
    if (wish != NULL) {
        const struct span url = span_str(wish);
        if (!span_starts_with(url, "https://") ||
            utf8_valid_prefix(url) != url.len) {
            return error_set(err, STATUS_INVALID,
                "--server \"%.128s\" is no https:// URL", wish);
        }
        return buf_append(out, url);
    }
    struct buf address;
    buf_init(&address, ADDRESS_FILE_MAX);
    enum status st = read_address(state, &address, err);
    if (st == STATUS_NOT_FOUND) {
        const char *listen = config == NULL ? DEFAULT_ADDRESS : config->listen;
        st = buf_append_str(&address, listen);
    }
    if (st == STATUS_OK) {
        st = append_url(buf_view(&address), out);
    }
    buf_fini(&address);
    return st;
}

static enum status
load_ca(const char *state, const char *wish, const struct config *config,
    struct buf *out, struct error *err)
{
    char path[PATH_MAX];
    struct buf pem;
    if (wish == NULL && config != NULL && config->tls.cert != NULL &&
        config->tls.cert[0] != '\0') {
        return STATUS_OK; /* a certificate of one's own: so is its authority */
    }
    enum status st = file_join(path, sizeof path, state, "tls/ca.crt", err);
    const char *name = wish != NULL ? wish : path;
    buf_init(&pem, PLAYER_SMALL_FILE_MAX);
    if (st == STATUS_OK) {
        st = file_read(name, &pem, err);
    }
    if (st == STATUS_NOT_FOUND && wish == NULL) {
        error_set(err, st,
            "%s does not exist yet: the proxy makes it on its first start "
            "(`kubetape up`), or name an authority with --ca",
            path);
    } else if (st == STATUS_OK) {
        st = base64_encode(buf_view(&pem), out);
    }
    buf_fini(&pem);
    return st;
}

enum status
client_access_load(const char *state, const struct client_access_wish *wish,
    struct client_access *out, struct error *err)
{
    buf_init(&out->server, PATH_MAX);
    buf_init(&out->ca_data, 2 * PLAYER_SMALL_FILE_MAX);
    buf_init(&out->token, LOCAL_TOKEN_LEN + 64);
    struct config *config = last_config(state);
    enum status st =
        load_server(state, wish->server, config, &out->server, err);
    if (st == STATUS_OK) {
        st = load_ca(state, wish->ca, config, &out->ca_data, err);
    }
    if (st == STATUS_OK) {
        st = local_token_load(state, &out->token, err);
    }
    config_free(&config);
    return st;
}

void
client_access_fini(struct client_access *c)
{
    buf_fini(&c->server);
    buf_fini(&c->ca_data);
    buf_wipe(&c->token);
}

enum status
client_access_render(struct client_access *c, const char *name,
    const struct span *into, const char *file, struct buf *out,
    struct error *err)
{
    struct kubeconfig_access a = {.name = name};
    if (name[0] == '\0' || utf8_valid_prefix(span_str(name)) != strlen(name)) {
        return error_set(err, STATUS_INVALID, "--name must be a word");
    }
    enum status st = buf_cstr(&c->server, &a.server);
    if (st == STATUS_OK) {
        st = buf_cstr(&c->token, &a.token);
    }
    if (st == STATUS_OK && c->ca_data.len > 0) {
        st = buf_cstr(&c->ca_data, &a.ca_data);
    }
    if (st == STATUS_OK && into != NULL) {
        return kubeconfig_merge(*into, file, &a, out, err);
    }
    if (st == STATUS_OK) {
        st = kubeconfig_render(&a, out);
    }
    return st == STATUS_OK ? st : error_set(err, st, "out of memory");
}
