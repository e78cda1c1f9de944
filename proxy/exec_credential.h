/* ExecCredential, what client-go's credential plugins are told and what they
 * answer (k8s.io/client-go/pkg/apis/clientauthentication): bytes only. */
#ifndef PROXY_EXEC_CREDENTIAL_H
#define PROXY_EXEC_CREDENTIAL_H

#include "base/buf.h"
#include "proxy/kubeconfig.h"

/* Tokens, a chain and a key; a plugin may print no more than this. */
#define EXEC_CREDENTIAL_MAX (1u << 20)

struct exec_credential {
    struct buf token;    /* empty: none */
    struct buf cert_pem; /* empty: none; both or neither */
    struct buf key_pem;
    bool expires;
    int64_t expires_us; /* Unix time */
};

void exec_credential_init(struct exec_credential *c);
void exec_credential_fini(struct exec_credential *c); /* wipes */

/* Appends "KUBERNETES_EXEC_INFO={…}" for a plugin that has no terminal. */
enum status exec_credential_info(
    const struct kubeconfig_exec *x, struct buf *out) MUST_CHECK;

/* JSON or YAML, as client-go takes it; of the version that was asked for. An
 * error never holds what was printed. On failure `out` may be half filled. */
enum status exec_credential_parse(struct span text, const char *api_version,
    struct exec_credential *out, struct error *err) MUST_CHECK;

/* RFC 3339, as "2026-11-24T22:43:56.1+01:00", to Unix microseconds. */
bool exec_credential_time(struct span text, int64_t *us_out);

#endif
