/* The age identities of whoever reads: --identity, or KUBETAPE_IDENTITY. */
#ifndef PLAYER_IDENTITY_FILE_H
#define PLAYER_IDENTITY_FILE_H

#include "base/age_key.h"

/* Of the file `flag`, which may be NULL, or of the one that the environment
 * names; *out is NULL when neither names one. Free with age_identities_free. */
enum status identity_file_load(const char *flag, struct age_identities **out,
    struct error *err) MUST_CHECK;

#endif
