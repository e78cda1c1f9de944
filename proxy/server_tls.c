#include "proxy/server_tls.h"

#include "base/address.h"
#include "base/file.h"
#include "base/pki.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PEM_MAX       (256u << 10)
#define NAMES_MAX     (CONFIG_NAMES_MAX + 4u)
#define RENEW_AHEAD_S (30 * 24 * 3600)

struct tls_paths {
    char dir[PATH_MAX];
    char ca_cert[PATH_MAX];
    char ca_key[PATH_MAX];
    char cert[PATH_MAX];
    char key[PATH_MAX];
    char names[PATH_MAX];
};

static enum status
paths_fill(const struct config *c, struct tls_paths *p, struct error *err)
{
    const struct {
        char *out;
        const char *name;
    } files[] = {
        {p->ca_cert, "ca.crt"},
        {p->ca_key, "ca.key"},
        {p->cert, "server.crt"},
        {p->key, "server.key"},
        {p->names, "server.names"},
    };
    enum status st = file_join(p->dir, PATH_MAX, c->state, "tls", err);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && st == STATUS_OK;
         i++) {
        st = file_join(files[i].out, PATH_MAX, p->dir, files[i].name, err);
    }
    return st;
}

/* ---- the authority ---- */

static enum status
authority_load(const struct tls_paths *p, struct buf *cert, struct buf *key,
    struct error *err)
{
    const enum status st = file_read(p->ca_cert, cert, err);
    return st == STATUS_OK ? file_read(p->ca_key, key, err) : st;
}

static enum status
authority_make(const struct tls_paths *p, int64_t now_s, struct buf *cert,
    struct buf *key, struct error *err)
{
    buf_clear(cert);
    buf_clear(key);
    enum status st =
        pki_make_authority("kubetape local authority", now_s, cert, key, err);
    if (st == STATUS_OK) {
        st = file_write_atomic(p->ca_key, buf_view(key), 0600, err);
    }
    if (st == STATUS_OK) {
        st = file_write_atomic(p->ca_cert, buf_view(cert), 0644, err);
    }
    return st;
}

/* ---- the server's certificate ---- */

static size_t
names_list(const struct config *c, char host[ADDRESS_TEXT_MAX],
    const char *out[NAMES_MAX])
{
    size_t n = 0;
    struct address listen;
    out[n++] = "localhost";
    out[n++] = "127.0.0.1";
    out[n++] = "::1";
    if (address_parse(c->listen, &listen, NULL) == STATUS_OK) {
        address_format_host(&listen, host);
        if (strcmp(host, "127.0.0.1") != 0 && strcmp(host, "::1") != 0) {
            out[n++] = host;
        }
    }
    for (size_t i = 0; i < c->tls.name_count; i++) {
        out[n++] = c->tls.names[i];
    }
    return n;
}

static enum status
names_text(const char *const *names, size_t count, struct buf *out)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        st = buf_printf(out, "%s\n", names[i]);
    }
    return st;
}

/* Whether the certificate in place is for these names, and lasts. */
static bool
server_is_current(const struct tls_paths *p, struct span names, int64_t now_s)
{
    struct buf had;
    struct buf cert;
    int64_t ends_s = 0;
    buf_init(&had, PEM_MAX);
    buf_init(&cert, PEM_MAX);
    const bool is_current =
        file_read(p->names, &had, NULL) == STATUS_OK &&
        span_eq(buf_view(&had), names) &&
        file_read(p->cert, &cert, NULL) == STATUS_OK &&
        pki_not_after(buf_view(&cert), &ends_s, NULL) == STATUS_OK &&
        ends_s > now_s + RENEW_AHEAD_S;
    buf_fini(&had);
    buf_fini(&cert);
    return is_current;
}

static enum status
server_write(const struct tls_paths *p, struct span cert, struct span key,
    struct span names, struct error *err)
{
    enum status st = file_write_atomic(p->key, key, 0600, err);
    if (st == STATUS_OK) {
        st = file_write_atomic(p->cert, cert, 0644, err);
    }
    /* Last: a crash before it has the pair made anew. */
    return st == STATUS_OK ? file_write_atomic(p->names, names, 0644, err) : st;
}

static enum status
server_make(const struct tls_paths *p, const char *const *names, size_t count,
    struct span names_bytes, int64_t now_s, struct error *err)
{
    struct buf ca_cert;
    struct buf ca_key;
    struct buf cert;
    struct buf key;
    buf_init(&ca_cert, PEM_MAX);
    buf_init(&ca_key, PEM_MAX);
    buf_init(&cert, PEM_MAX);
    buf_init(&key, PEM_MAX);
    enum status st = authority_load(p, &ca_cert, &ca_key, err);
    if (st == STATUS_NOT_FOUND) {
        st = authority_make(p, now_s, &ca_cert, &ca_key, err);
    }
    if (st == STATUS_OK) {
        st = pki_issue_server(buf_view(&ca_cert), buf_view(&ca_key), names,
            count, now_s, &cert, &key, err);
    }
    /* Clients are given the leaf; they have the authority already. */
    if (st == STATUS_OK) {
        st = server_write(p, buf_view(&cert), buf_view(&key), names_bytes, err);
    }
    buf_fini(&ca_cert);
    buf_wipe(&ca_key);
    buf_fini(&cert);
    buf_wipe(&key);
    return st;
}

enum status
server_tls_prepare(const struct config *c, int64_t now_s, struct error *err)
{
    struct tls_paths p;
    char host[ADDRESS_TEXT_MAX];
    const char *names[NAMES_MAX];
    if (c->tls.cert[0] != '\0') {
        return STATUS_OK;
    }
    enum status st = paths_fill(c, &p, err);
    if (st == STATUS_OK) {
        st = file_make_dirs(p.dir, 0700, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    struct buf text;
    buf_init(&text, PEM_MAX);
    const size_t count = names_list(c, host, names);
    st = names_text(names, count, &text);
    if (st == STATUS_OK && !server_is_current(&p, buf_view(&text), now_s)) {
        st = server_make(&p, names, count, buf_view(&text), now_s, err);
    }
    buf_fini(&text);
    return st;
}

enum status
server_tls_open(
    const struct config *c, struct tls_context **out, struct error *err)
{
    struct tls_paths p;
    enum status st = paths_fill(c, &p, err);
    if (st != STATUS_OK) {
        return st;
    }
    const bool is_own = c->tls.cert[0] == '\0';
    const char *cert_path = is_own ? p.cert : c->tls.cert;
    const char *key_path = is_own ? p.key : c->tls.key;
    struct buf cert;
    struct buf key;
    buf_init(&cert, PEM_MAX);
    buf_init(&key, PEM_MAX);
    st = file_read(cert_path, &cert, err);
    if (st == STATUS_OK) {
        st = file_read(key_path, &key, err);
    }
    if (st == STATUS_OK) {
        st = tls_server_context(buf_view(&cert), buf_view(&key), out, err);
        if (st != STATUS_OK) {
            st = error_in(err, st, "%s and %s", cert_path, key_path);
        }
    }
    buf_fini(&cert);
    buf_wipe(&key);
    return st;
}
