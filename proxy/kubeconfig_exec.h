/* users[].user.exec of a kubeconfig: a credential plugin's command line. */
#ifndef PROXY_KUBECONFIG_EXEC_H
#define PROXY_KUBECONFIG_EXEC_H

#include "proxy/kubeconfig.h"
#include "proxy/kubeconfig_source.h"

/* `cluster` is the node that the plugin may ask for; `ca_pem` what it names. */
enum status kubeconfig_exec_read(const struct source *s,
    const struct yaml_node *exec, const struct yaml_node *cluster,
    const struct buf *ca_pem, struct kubeconfig_exec **out) MUST_CHECK;
void kubeconfig_exec_free(struct kubeconfig_exec **x);

#endif
