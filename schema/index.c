/* The index's migrations, in order. Their text lives in the .sql files of this
 * folder, which the build turns into C strings; this table is all there is.
 */
#include "schema/index.h"

#include <assert.h>
#include <stddef.h>

extern const char index_sql_1[];
extern const char index_sql_2[];
extern const char index_sql_3[];

static const char *const migrations[] = {index_sql_1, index_sql_2, index_sql_3};
static_assert(sizeof migrations / sizeof migrations[0] == INDEX_VERSION,
    "one migration a version");

const char *
index_migration(int from_version)
{
    if (from_version < 0 || from_version >= INDEX_VERSION) {
        return NULL;
    }
    return migrations[from_version];
}
