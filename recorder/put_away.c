/* See put_away.h. The order in which things become durable:
 *
 *   clear file finished, synced │ encrypted file written, synced, renamed │
 *   index row committed │ clear file removed
 *
 * so that after a crash there is always one of the two, whole. */
#include "recorder/put_away.h"

#include "base/file.h"
#include "recorder/encrypt_file.h"
#include "recorder/frame_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDINGS "recordings/"
#define RUNNING    PUT_AWAY_RUNNING "/"
#define ENCRYPTED  ".age"
#define DAY_LEN    (sizeof "2026/11/24/" - 1)

/* ---- Names ---- */

static bool
starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool
ends_with(const char *name, const char *end)
{
    const size_t len = strlen(name);
    const size_t end_len = strlen(end);
    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

/* Names are far shorter than what there is room for. */
static void
join(const char *a, const char *b, char out[META_FILE_MAX])
{
    const size_t a_len = strnlen(a, META_FILE_MAX - 1);
    const size_t b_len = strnlen(b, META_FILE_MAX - 1 - a_len);
    memmove(out, a, a_len);
    memmove(out + a_len, b, b_len);
    out[a_len + b_len] = '\0';
}

/* "recordings/2026/11/24/x" or "journal/running/2026-11-24-x" as the other:
 * `from` is what is between the parts of the day in `name`. */
static void
rename_day(const char *name, const char *prefix, char from, char to,
    char out[META_FILE_MAX])
{
    join(prefix, name, out);
    char *day = out + strlen(prefix);
    for (size_t i = 0; i < DAY_LEN && day[i] != '\0'; i++) {
        day[i] = day[i] == from ? to : day[i];
    }
}

static bool
is_running_name(const char *name)
{
    return starts_with(name, RUNNING);
}

static void
running_name(const char *plain, char out[META_FILE_MAX])
{
    rename_day(plain + strlen(RECORDINGS), RUNNING, '/', '-', out);
}

void
put_away_plain_name(const char *name, char out[META_FILE_MAX])
{
    if (is_running_name(name)) {
        rename_day(name + strlen(RUNNING), RECORDINGS, '-', '/', out);
        return;
    }
    const size_t drop = ends_with(name, ENCRYPTED) ? strlen(ENCRYPTED) : 0;
    snprintf(out, META_FILE_MAX, "%.*s", (int)(strlen(name) - drop), name);
}

static void
encrypted_name(const char *plain, char out[META_FILE_MAX])
{
    join(plain, ENCRYPTED, out);
}

void
put_away_working_name(
    const char *plain, const struct recipients *to, char out[META_FILE_MAX])
{
    if (to->count > 0) {
        running_name(plain, out);
    } else {
        join(plain, "", out);
    }
}

void
put_away_expected_name(const char *working, char out[META_FILE_MAX])
{
    char plain[META_FILE_MAX];
    put_away_plain_name(working, plain);
    if (is_running_name(working)) {
        encrypted_name(plain, out);
    } else {
        join(plain, "", out);
    }
}

static enum status
exists(const char *state_dir, const char *name, bool *exists_out,
    struct error *err)
{
    char path[PATH_MAX];
    const enum status st = file_join(path, sizeof path, state_dir, name, err);
    if (st == STATUS_OK) {
        *exists_out = access(path, F_OK) == 0;
    }
    return st;
}

enum status
put_away_find(const char *state_dir, const char *plain,
    char working_out[META_FILE_MAX], bool *there_out, struct error *err)
{
    running_name(plain, working_out);
    enum status st = exists(state_dir, working_out, there_out, err);
    if (st == STATUS_OK && !*there_out) {
        join(plain, "", working_out);
        st = exists(state_dir, plain, there_out, err);
    }
    return st;
}

enum status
put_away_is_encrypted(
    const char *state_dir, const char *plain, bool *out, struct error *err)
{
    char name[META_FILE_MAX];
    encrypted_name(plain, name);
    return exists(state_dir, name, out, err);
}

enum status
put_away_each_running(
    const char *state_dir, put_away_fn *fn, void *ctx, struct error *err)
{
    char path[PATH_MAX];
    enum status st =
        file_join(path, sizeof path, state_dir, PUT_AWAY_RUNNING, err);
    DIR *dir = st == STATUS_OK ? opendir(path) : NULL;
    if (dir == NULL) {
        return st != STATUS_OK || errno == ENOENT
                   ? st
                   : error_sys(err, errno, "open %s", path);
    }
    for (;;) {
        char name[META_FILE_MAX];
        const struct dirent *entry = readdir(dir);
        if (entry == NULL || st != STATUS_OK) {
            break;
        }
        if (entry->d_name[0] != '.' &&
            strlen(entry->d_name) < META_FILE_MAX - strlen(RUNNING)) {
            join(RUNNING, entry->d_name, name);
            st = fn(ctx, name, err);
        }
    }
    (void)closedir(dir);
    return st;
}

/* ---- The way ---- */

bool
put_away_is_needed(
    const char *working, const char *plain, const struct recipients *to)
{
    return to->count > 0 || strcmp(working, plain) != 0;
}

enum status
put_away_hide(const char *state_dir, struct frame_file *f,
    const struct recipients *to, char working[META_FILE_MAX], struct error *err)
{
    char from[PATH_MAX];
    char path[PATH_MAX];
    char name[META_FILE_MAX];
    if (to->count == 0 || is_running_name(working)) {
        return STATUS_OK;
    }
    running_name(working, name);
    enum status st = file_join(from, sizeof from, state_dir, working, err);
    if (st == STATUS_OK) {
        st = file_join(path, sizeof path, state_dir, name, err);
    }
    if (st == STATUS_OK) {
        st = file_make_parent(path, 0700, err);
    }
    if (st == STATUS_OK) {
        st = frame_file_move(f, path, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    join(name, "", working);
    st = frame_file_sync(f, err);
    return st == STATUS_OK ? file_fsync_parent(from, err) : st;
}

struct put_away {
    char from[PATH_MAX];
    char to[PATH_MAX];
    char file[META_FILE_MAX];
    uint64_t size;
    struct encrypt_file *encryption; /* NULL: there is none to do */
    bool is_there;
};

static enum status
choose(struct put_away *p, const char *state_dir, const char *working,
    const char *plain, bool is_encrypted, struct error *err)
{
    if (is_encrypted) {
        encrypted_name(plain, p->file);
    } else {
        join(plain, "", p->file);
    }
    enum status st =
        file_join(p->from, sizeof p->from, state_dir, working, err);
    if (st == STATUS_OK) {
        st = file_join(p->to, sizeof p->to, state_dir, p->file, err);
    }
    return st;
}

static enum status
begin(struct put_away *p, const char *state_dir, const char *working,
    const char *plain, const struct recipients *to, bool may_trust,
    struct error *err)
{
    bool stands = false;
    enum status st = STATUS_OK;
    if (may_trust) {
        st = put_away_is_encrypted(state_dir, plain, &stands, err);
    }
    if (st == STATUS_OK) {
        st = choose(p, state_dir, working, plain, stands || to->count > 0, err);
    }
    if (st != STATUS_OK) {
        return st;
    }
    p->is_there = stands || strcmp(p->from, p->to) == 0;
    return p->is_there || to->count == 0
               ? STATUS_OK
               : encrypt_file_begin(
                     p->from, p->to, to->list, to->count, &p->encryption, err);
}

enum status
put_away_begin(const char *state_dir, const char *working, const char *plain,
    const struct recipients *to, bool may_trust, struct put_away **out,
    struct error *err)
{
    struct put_away *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to encrypt");
    }
    const enum status st =
        begin(p, state_dir, working, plain, to, may_trust, err);
    if (st == STATUS_OK) {
        *out = p;
        p = NULL;
    }
    put_away_free(&p);
    return st;
}

/* Begun to be encrypted, and not to be any more. */
static enum status
move(const struct put_away *p, struct error *err)
{
    enum status st = file_make_parent(p->to, 0700, err);
    if (st == STATUS_OK && rename(p->from, p->to) != 0) {
        st = error_sys(err, errno, "rename %s", p->from);
    }
    if (st == STATUS_OK) {
        st = file_fsync_parent(p->to, err);
    }
    return st == STATUS_OK ? file_fsync_parent(p->from, err) : st;
}

static enum status
measure(struct put_away *p, struct error *err)
{
    struct stat info;
    if (stat(p->to, &info) != 0) {
        return error_sys(err, errno, "cannot look at %s", p->to);
    }
    p->size = (uint64_t)info.st_size;
    return STATUS_OK;
}

enum status
put_away_step(struct put_away *p, bool *done_out, struct error *err)
{
    enum status st = STATUS_OK;
    if (!p->is_there && p->encryption != NULL) {
        st = encrypt_file_step(p->encryption, &p->is_there, err);
    } else if (!p->is_there) {
        st = move(p, err);
        p->is_there = st == STATUS_OK;
    }
    if (p->is_there) {
        st = measure(p, err);
    }
    *done_out = st == STATUS_OK && p->is_there;
    return st;
}

const char *
put_away_file(const struct put_away *p)
{
    return p->file;
}

uint64_t
put_away_size(const struct put_away *p)
{
    return p->size;
}

void
put_away_free(struct put_away **p)
{
    if (*p != NULL) {
        encrypt_file_free(&(*p)->encryption);
        free(*p);
        *p = NULL;
    }
}

static enum status
forget(const char *state_dir, const char *working, struct error *err)
{
    char path[PATH_MAX];
    const enum status st =
        file_join(path, sizeof path, state_dir, working, err);
    if (st == STATUS_OK && unlink(path) != 0 && errno != ENOENT) {
        return error_sys(err, errno, "remove %s", path);
    }
    return st;
}

enum status
put_away_whole(const char *state_dir, const char *working, const char *plain,
    const struct recipients *to, bool may_trust, struct error *err)
{
    struct put_away *p = NULL;
    bool is_done = false;
    enum status st =
        put_away_begin(state_dir, working, plain, to, may_trust, &p, err);
    while (st == STATUS_OK && !is_done) {
        st = put_away_step(p, &is_done, err);
    }
    const bool is_elsewhere =
        st == STATUS_OK && strcmp(working, put_away_file(p)) != 0;
    put_away_free(&p);
    return is_elsewhere ? forget(state_dir, working, err) : st;
}

/* *gone_out: it stood in its place, so what is in the clear may go. */
static enum status
remove_copy(const char *state_dir, const char *working, const char *plain,
    bool *gone_out, struct error *err)
{
    enum status st = put_away_is_encrypted(state_dir, plain, gone_out, err);
    if (st == STATUS_OK && !*gone_out && is_running_name(working)) {
        st = exists(state_dir, plain, gone_out, err);
    }
    return st == STATUS_OK && *gone_out ? forget(state_dir, working, err) : st;
}

enum status
put_away_remove_copy(const char *state_dir, const char *running,
    const char *plain, struct error *err)
{
    bool ignored = false;
    return remove_copy(state_dir, running, plain, &ignored, err);
}

enum status
put_away_rest(const char *state_dir, const char *working,
    const struct recipients *to, struct error *err)
{
    char plain[META_FILE_MAX];
    bool is_gone = false;
    put_away_plain_name(working, plain);
    const enum status st =
        remove_copy(state_dir, working, plain, &is_gone, err);
    return st == STATUS_OK && !is_gone && is_running_name(working)
               ? put_away_whole(state_dir, working, plain, to, false, err)
               : st;
}
