/* A folder of one test's own, below TMPDIR or /tmp. All abort on failure:
 * tests of tests are not needed. */
#ifndef SUPPORT_TEMP_DIR_H
#define SUPPORT_TEMP_DIR_H

#include <sys/types.h>

#define TEMP_DIR_MAX 96

void temp_dir_make(char out[TEMP_DIR_MAX]);
/* Removes it and all that is in it; so with any path that a test wants gone,
 * there or not. */
void temp_dir_remove(const char *path);

/* Writes a new file into it. */
void temp_dir_put(
    const char *dir, const char *name, const char *text, mode_t mode);

#endif
