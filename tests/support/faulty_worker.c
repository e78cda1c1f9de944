/* Linked into kubetape-proxy for tests/scenario/test_proxy_faults.py: calls of
 * its workers fail as the plan in the file that KUBETAPE_FAULTS names says;
 * with KUBETAPE_FAULTS_TLS OpenSSL's, too. */
#include "tests/support/fail_call.h"

#include <stdlib.h>
#include <string.h>

/* The C library hands main's arguments to what runs before it, too. */
__attribute__((constructor)) static void
share_plan(int argc, char **argv)
{
    const char *path = getenv("KUBETAPE_FAULTS");
    if (path != NULL && argc > 1 && strcmp(argv[1], "--worker") == 0) {
        if (getenv("KUBETAPE_FAULTS_TLS") != NULL) {
            fail_call_install_crypto();
        }
        fail_call_share(path);
    }
}
