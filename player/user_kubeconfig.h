/* The kubeconfig of the person who runs us: which file, which context.
 *
 * Once `kubetape kubeconfig` has done its work, that file or the current
 * context may be our own: a proxy that took it for the cluster would call
 * itself. Both are recognised here and passed over.
 */
#ifndef PLAYER_USER_KUBECONFIG_H
#define PLAYER_USER_KUBECONFIG_H

#include "base/buf.h"
#include <limits.h>

/* The file that kubectl would write to: the first of KUBECONFIG, or
 * ~/.kube/config. It need not exist; symbolic links are followed. */
enum status user_kubeconfig_to_write(
    char out[PATH_MAX], struct error *err) MUST_CHECK;

struct user_kubeconfig_wish {
    const char *file;    /* --kubeconfig, or NULL */
    const char *context; /* --context, or NULL */
    const char *state;
    struct span token; /* the local one: whose context has it is our own */
};

/* The file and the context of the cluster. `context_out` gets the name.
 * Where the person's choice is our own, the one that <state>/config.yaml
 * remembers is taken. */
enum status user_kubeconfig_find(const struct user_kubeconfig_wish *wish,
    char file_out[PATH_MAX], struct buf *context_out,
    struct error *err) MUST_CHECK;

#endif
