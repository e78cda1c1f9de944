/* See store_walk.h. */
#include "recorder/store_walk.h"

#include "base/file.h"
#include "recorder/daily_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOT   "recordings"
#define LEVELS 4 /* recordings, YYYY, MM, DD */
#define SUFFIX ".cast.zst"

struct store_walk {
    DIR *folders[LEVELS];
    int depth;             /* folders that are open */
    unsigned date[LEVELS]; /* by level: -, year, month, day */
    bool wants_days_only;
};

static enum status
descend(struct store_walk *w, int at_fd, const char *name, struct error *err)
{
    const int fd =
        openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return error_sys(err, errno, "open %s", name);
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        const int why = errno;
        (void)close(fd);
        return error_sys(err, why, "open %s", name);
    }
    w->folders[w->depth++] = dir;
    return STATUS_OK;
}

enum status
store_walk_open(const char *state_dir, bool wants_days_only,
    struct store_walk **out, struct error *err)
{
    char path[PATH_MAX];
    enum status st = file_join(path, sizeof path, state_dir, ROOT, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct store_walk *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to walk %s", path);
    }
    w->wants_days_only = wants_days_only;
    st = descend(w, AT_FDCWD, path, err);
    if (st == STATUS_OK || st == STATUS_NOT_FOUND) {
        *out = w;
        return STATUS_OK;
    }
    store_walk_close(&w);
    return st;
}

static void
ascend(struct store_walk *w)
{
    w->depth--;
    (void)closedir(w->folders[w->depth]); /* was only read */
}

void
store_walk_close(struct store_walk **w)
{
    if (*w == NULL) {
        return;
    }
    while ((*w)->depth > 0) {
        ascend(*w);
    }
    free(*w);
    *w = NULL;
}

/* --- names --------------------------------------------------------------- */

/* Exactly so many digits as the level's folders have. */
static bool
is_date_part(const char *name, int level, unsigned *out)
{
    uint64_t n;
    if (strlen(name) != (level == 1 ? 4u : 2u) ||
        !span_to_u64(span_str(name), 9999, &n)) {
        return false;
    }
    *out = (unsigned)n;
    return true;
}

static int64_t
day_of(const struct store_walk *w)
{
    struct tm tm = {
        .tm_year = (int)w->date[1] - 1900,
        .tm_mon = (int)w->date[2] - 1,
        .tm_mday = (int)w->date[3],
    };
    return (int64_t)timegm(&tm) * 1000000;
}

/* The start of an item in the folder that is open last. */
static void
place(const struct store_walk *w, const char *name, struct store_item *out)
{
    const unsigned *d = w->date;
    out->day_us = day_of(w);
    snprintf(out->file, sizeof out->file, ROOT "/%04u/%02u/%02u%s%s", d[1],
        d[2], d[3], name[0] == '\0' ? "" : "/", name);
}

static bool
read_name(const struct store_walk *w, const char *name, struct store_item *out)
{
    static const size_t attempts_len = sizeof DAILY_FILE_NAME - 1;
    if (strlen(name) > META_FILE_MAX / 2) {
        return false; /* none of ours */
    }
    *out = (struct store_item){.kind = STORE_RECORDING};
    if (strncmp(name, DAILY_FILE_NAME, attempts_len) == 0 &&
        (name[attempts_len] == '\0' || name[attempts_len] == '.')) {
        out->kind = STORE_ATTEMPTS;
        place(w, name, out);
        return true;
    }
    if (strlen(name) < UUID_TEXT_LEN ||
        !uuid_parse(span_of(name, UUID_TEXT_LEN), &out->id)) {
        return false;
    }
    out->is_encrypted =
        strcmp(name + UUID_TEXT_LEN, SUFFIX STORE_ENCRYPTED) == 0;
    place(w, name, out);
    return out->is_encrypted || strcmp(name + UUID_TEXT_LEN, SUFFIX) == 0;
}

/* --- walking ------------------------------------------------------------- */

/* Goes into a folder of the date's next part. *is_day_out: it is a day. What
 * is gone meanwhile, or no folder, is passed over. */
static enum status
enter(
    struct store_walk *w, const char *name, bool *is_day_out, struct error *err)
{
    const int level = w->depth;
    *is_day_out = false;
    if (!is_date_part(name, level, &w->date[level])) {
        return STATUS_OK;
    }
    *is_day_out = level == LEVELS - 1;
    if (*is_day_out && w->wants_days_only) {
        return STATUS_OK;
    }
    struct error why;
    const enum status st = descend(w, dirfd(w->folders[level - 1]), name, &why);
    if (st != STATUS_OK && why.sys_errno != ENOENT &&
        why.sys_errno != ENOTDIR && why.sys_errno != ELOOP) {
        return error_set(err, st, "%s", why.text);
    }
    *is_day_out = *is_day_out && st == STATUS_OK;
    return STATUS_OK;
}

enum status
store_walk_next(struct store_walk *w, struct store_item *out, struct error *err)
{
    while (w->depth > 0) {
        errno = 0;
        const struct dirent *entry = readdir(w->folders[w->depth - 1]);
        if (entry == NULL && errno != 0) {
            return error_sys(err, errno, "read a folder of " ROOT);
        }
        if (entry == NULL) {
            ascend(w);
            continue;
        }
        if (w->depth == LEVELS) {
            if (read_name(w, entry->d_name, out)) {
                return STATUS_OK;
            }
            continue;
        }
        bool is_day;
        const enum status st = enter(w, entry->d_name, &is_day, err);
        if (st != STATUS_OK) {
            return st;
        }
        if (is_day) {
            *out = (struct store_item){.kind = STORE_DAY};
            place(w, "", out);
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_CLOSED, "no more recordings");
}
