/* Files: whole reads with a cap, atomic writes, durable directories, locks.
 *
 * Never reports work not done: write, fsync, rename and close are checked.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/status.h"
#include <stdbool.h>
#include <sys/types.h>

/* Appends the file to `out`; STATUS_LIMIT when larger than out has room. */
enum status file_read(
    const char *path, struct buf *out, struct error *err) MUST_CHECK;

/* Like open(2), but for a file alone: where a link, a folder, a FIFO or a device
 * stands instead the result is STATUS_CORRUPT, and nothing waits for it. */
enum status file_open_regular(
    const char *path, int flags, int *fd_out, struct error *err) MUST_CHECK;

/* Temporary file beside `path`, write, fsync, rename, fsync of the folder:
 * afterwards `path` holds either the old or the new bytes, whole. */
enum status file_write_atomic(const char *path, struct span bytes, mode_t mode,
    struct error *err) MUST_CHECK;

/* All of `bytes` at `offset`, retried on EINTR and short writes. */
enum status file_pwrite_all(
    int fd, struct span bytes, off_t offset, struct error *err) MUST_CHECK;
/* Reads until `len` bytes or the end; *got_out says how many. */
enum status file_pread(int fd, void *dst, size_t len, off_t offset,
    size_t *got_out, struct error *err) MUST_CHECK;

enum status file_fsync_dir(const char *path, struct error *err) MUST_CHECK;
/* The folder that holds the last name of `path`. */
enum status file_fsync_parent(const char *path, struct error *err) MUST_CHECK;
/* Like `mkdir -p`; folders that are made get `mode`; each parent of a new
 * folder is fsynced. */
enum status file_make_dirs(
    const char *path, mode_t mode, struct error *err) MUST_CHECK;
/* The same for the folder that holds the last name of `path`. */
enum status file_make_parent(
    const char *path, mode_t mode, struct error *err) MUST_CHECK;

/* Joins with one '/', into a buffer of PATH_MAX; STATUS_LIMIT when longer. */
enum status file_join(char *out, size_t cap, const char *dir, const char *name,
    struct error *err) MUST_CHECK;

/* An exclusive lock that ends with the process or the descriptor (open file
 * description lock on `path`, created 0600). STATUS_EXISTS when another holds
 * it. The holder's pid is written into the file, for the message. */
enum status file_lock(
    const char *path, int *fd_out, struct error *err) MUST_CHECK;
/* The same, but gives a holder that is on its way out up to `wait_ms` to go:
 * a program that is started again right after its parent was killed. */
enum status file_lock_wait(const char *path, unsigned wait_ms, int *fd_out,
    struct error *err) MUST_CHECK;
/* Whether somebody holds that lock; false when the file does not exist. */
enum status file_is_locked(
    const char *path, bool *locked_out, struct error *err) MUST_CHECK;

#endif
