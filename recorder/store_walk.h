/* The recordings' folders, a file at a time: recordings/YYYY/MM/DD.
 *
 * Owns what the names mean. Holds four folders open and no list, so a store of
 * any size is walked in bounded memory and in as many steps as the caller
 * likes; what is made or removed meanwhile may be missed.
 */
#ifndef RECORDER_STORE_WALK_H
#define RECORDER_STORE_WALK_H

#include "schema/meta.h"

#define STORE_US_PER_DAY (86400ll * 1000000)
#define STORE_ENCRYPTED  ".age" /* behind the name of what is encrypted */

enum store_kind {
    STORE_DAY,       /* a day's folder, before what is in it */
    STORE_RECORDING, /* <id>.cast.zst, or encrypted, <id>.cast.zst.age */
    STORE_ATTEMPTS,  /* attempts.cast.zst, also one that was put aside */
};

struct store_item {
    enum store_kind kind;
    struct uuid id;           /* of a recording */
    int64_t day_us;           /* midnight of the folder's day, UTC */
    bool is_encrypted;        /* a recording */
    char file[META_FILE_MAX]; /* relative to the state folder */
};

struct store_walk;

/* A store without recordings is an empty walk. */
enum status store_walk_open(const char *state_dir, bool wants_days_only,
    struct store_walk **out, struct error *err) MUST_CHECK;
void store_walk_close(struct store_walk **w);

/* STATUS_CLOSED behind the last. Days come in no order. */
enum status store_walk_next(
    struct store_walk *w, struct store_item *out, struct error *err) MUST_CHECK;

#endif
