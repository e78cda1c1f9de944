/* A kubeconfig's way to one API server, as plain values (client-go's
 * tools/clientcmd/api/v1/types.go): which server, how to verify it, and as
 * whom to speak to it. Refuses to know sockets and tokens' lives.
 */
#ifndef PROXY_KUBECONFIG_H
#define PROXY_KUBECONFIG_H

#include "base/buf.h"

struct kubeconfig_exec { /* users[].user.exec */
    char *api_version;   /* client.authentication.k8s.io/v1 or v1beta1 */
    char *command;       /* resolved against the kubeconfig's folder when it
                          * contains '/' and is relative */
    char **args;         /* NULL-terminated, args[0] is command */
    char **env;          /* NULL-terminated "NAME=value" */
    char *cluster_info;  /* JSON for spec.cluster when provideClusterInfo is
                          * true, else NULL */
    char *install_hint;
};

struct kubeconfig {
    char *cluster_name;
    char *user_name;
    char *host;            /* name or address, without brackets */
    char *port;            /* digits; 443 when the URL has none */
    char *path_prefix;     /* "" or "/k8s/clusters/c-1", no trailing slash */
    char *tls_server_name; /* to verify; = host unless tls-server-name */
    struct buf ca_pem;     /* empty: the system's trust store */
    struct buf cert_pem;   /* empty: no client certificate */
    struct buf key_pem;
    char *token;                  /* or NULL; secrets are wiped when freed */
    char *token_file;             /* absolute, or NULL; wins over token */
    struct kubeconfig_exec *exec; /* or NULL */
};

/* `context` NULL or "" is current-context. Data wins over files; relative
 * paths are relative to the kubeconfig's folder. Refused with the reason, key
 * and line: http:// servers, insecure-skip-tls-verify: true (upstream is
 * always verified), basic auth, auth-provider, proxy-url, impersonation
 * (as, as-groups …), a missing context, cluster or user. */
enum status kubeconfig_load(const char *path, const char *context,
    struct kubeconfig **out, struct error *err) MUST_CHECK;

/* KUBERNETES_SERVICE_HOST and _PORT, and the mounted service account under
 * /var/run/secrets/kubernetes.io/serviceaccount. */
enum status kubeconfig_in_cluster(
    struct kubeconfig **out, struct error *err) MUST_CHECK;
/* The same with the variables' values and the folder given. */
enum status kubeconfig_for_pod(const char *host, const char *port,
    const char *folder, struct kubeconfig **out, struct error *err) MUST_CHECK;

void kubeconfig_free(struct kubeconfig **k);

#endif
