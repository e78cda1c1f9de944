/* Makes the n-th call of a kind fail: of the system, or for memory.
 *
 * A program that links this with fail_call.cmake's wraps calls these in place
 * of the C library's; what the libraries behind it do is reached by the hooks
 * that they offer (SQLite's allocator and VFS, OpenSSL's allocator). Works
 * under sanitizers, since nothing is preloaded.
 *
 * Out of reach: what the C library allocates for itself (opendir), and what
 * zstd and jansson do inside a call. Their calls fail as a whole: jansson 2.14
 * itself goes on with a string that lacks a byte when its buffer cannot grow.
 *
 * While it is installed nothing is really synced: a test that runs thousands
 * of times asks whether failures are noticed, not whether the disk works.
 */
#ifndef SUPPORT_FAIL_CALL_H
#define SUPPORT_FAIL_CALL_H

#include <stdbool.h>
#include <stdint.h>

enum fail_kind {
    FAIL_ALLOC,    /* no memory */
    FAIL_WRITE,    /* the disk is full: half of what was asked is written */
    FAIL_SYNC,     /* an I/O error */
    FAIL_OPEN,     /* too many files, sockets included */
    FAIL_READ,     /* an I/O error */
    FAIL_NAME,     /* rename, unlink, mkdir, rmdir: an I/O error */
    FAIL_TRUNCATE, /* an I/O error; fallocate: the disk is full */
    FAIL_KIND_COUNT
};

/* Once, before anything of the libraries is used. Aborts on failure. */
void fail_call_install(void);
void fail_call_install_crypto(void); /* OpenSSL's alone */
/* The plan lies in the file at `path`, where another process makes it. */
void fail_call_share(const char *path);

/* From now on the n-th call of `kind` fails (the first is 1; 0: none), and if
 * `for_good` every later one of that kind, too. */
void fail_call_plan(enum fail_kind kind, uint64_t n, bool for_good);
/* Calls between these are not counted and do not fail. */
void fail_call_pause(void);
void fail_call_go_on(void);
/* Calls of the planned kind since the plan, and whether one failed. */
uint64_t fail_call_count(void);
bool fail_call_was_hit(void);

/* Prints from where the failing call came, to standard error. */
void fail_call_trace(void);

const char *fail_kind_name(enum fail_kind kind);

#endif
