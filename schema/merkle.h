/* Merkle trees as RFC 6962 2.1 hashes them: leaves with 0x00 before, nodes
 * with 0x01. Pure; whoever keeps the leaves is somebody else.
 */
#ifndef SCHEMA_MERKLE_H
#define SCHEMA_MERKLE_H

#include "base/digest.h"

#define MERKLE_DEPTH_MAX 64 /* a tree of 2^64 leaves has no more levels */

struct sha256 merkle_leaf_hash(struct span leaf);

/* A growing tree, by the roots of its perfect subtrees: O(log n) memory. */
struct merkle {
    uint64_t size; /* leaves so far */
    struct sha256
        subtrees[MERKLE_DEPTH_MAX]; /* largest first, popcount(size) */
};
void merkle_init(struct merkle *m);
void merkle_add(struct merkle *m, const struct sha256 *leaf_hash);
struct sha256 merkle_root(const struct merkle *m); /* of none: SHA-256("") */

/* The audit path of leaf `index` in the tree of `size` leaf hashes (RFC 6962
 * 2.1.1), nearest sibling first. index < size. *count_out <= MERKLE_DEPTH_MAX. */
void merkle_prove(const struct sha256 *leaf_hashes, uint64_t size,
    uint64_t index, struct sha256 path_out[MERKLE_DEPTH_MAX],
    size_t *count_out);
/* Whether `path` leads from the leaf to the root (RFC 9162 2.1.3.2). */
bool merkle_check(const struct sha256 *leaf_hash, uint64_t index, uint64_t size,
    const struct sha256 *path, size_t count, const struct sha256 *root);

#endif
