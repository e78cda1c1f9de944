#include "tests/support/temp_dir.h"

#include "base/file.h"
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

void
temp_dir_make(char out[TEMP_DIR_MAX])
{
    const char *parent = getenv("TMPDIR");
    const int len = snprintf(out, TEMP_DIR_MAX, "%s/kubetape-test-XXXXXX",
        parent == NULL ? "/tmp" : parent);
    if (len >= TEMP_DIR_MAX || mkdtemp(out) == NULL) {
        abort();
    }
}

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

void
temp_dir_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 &&
        errno != ENOENT) {
        abort();
    }
}

void
temp_dir_put(const char *dir, const char *name, const char *text, mode_t mode)
{
    char path[PATH_MAX];
    if (file_join(path, sizeof path, dir, name, NULL) != STATUS_OK ||
        file_write_atomic(path, span_str(text), mode, NULL) != STATUS_OK) {
        abort();
    }
}
