/* See journal_reach.h. */
#include "recorder/journal_reach.h"

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static bool
is_of_worker(const char *name, const struct uuid *worker)
{
    const char *dash = strchr(name, '-');
    struct uuid named;
    return name[0] == 'w' && dash != NULL &&
           uuid_parse(span_str(dash + 1), &named) &&
           memcmp(&named, worker, sizeof named) == 0;
}

static bool
find_folder(
    const char *journal_dir, const struct uuid *worker, char out[PATH_MAX])
{
    DIR *dir = opendir(journal_dir);
    if (dir == NULL) {
        return false;
    }
    bool is_found = false;
    for (const struct dirent *entry = readdir(dir); entry != NULL && !is_found;
         entry = readdir(dir)) {
        is_found = is_of_worker(entry->d_name, worker) &&
                   file_join(out, PATH_MAX, journal_dir, entry->d_name, NULL) ==
                       STATUS_OK;
    }
    (void)closedir(dir);
    return is_found;
}

/* Without a position nothing was released yet: see has_segments. */
static bool
is_released(const char *folder, uint64_t lsn)
{
    char path[PATH_MAX];
    uint8_t bytes[JOURNAL_POSITION_LEN];
    size_t got = 0;
    struct journal_position p;
    if (file_join(path, sizeof path, folder, JOURNAL_POSITION_NAME, NULL) !=
        STATUS_OK) {
        return true;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return false;
    }
    const bool is_read =
        file_pread(fd, bytes, sizeof bytes, 0, &got, NULL) == STATUS_OK &&
        journal_position_decode(span_of(bytes, got), &p, NULL) == STATUS_OK;
    (void)close(fd); /* was only read */
    return is_read && lsn < p.released_lsn;
}

/* A power cut may leave a position that is older than what was recycled on its
 * word. Segments go in order: the first one there tells what is gone. */
static bool
has_segments(const char *folder, uint64_t lsn)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return false;
    }
    uint64_t first = UINT64_MAX;
    for (const struct dirent *entry = readdir(dir); entry != NULL;
         entry = readdir(dir)) {
        uint64_t number;
        if (journal_segment_name_parse(entry->d_name, &number) &&
            number < first) {
            first = number;
        }
    }
    (void)closedir(dir);
    return first <= lsn / JOURNAL_SEGMENT_BYTES;
}

bool
journal_reaches(
    const char *journal_dir, const struct uuid *worker, uint64_t lsn)
{
    char folder[PATH_MAX];
    return find_folder(journal_dir, worker, folder) &&
           !is_released(folder, lsn) && has_segments(folder, lsn);
}
