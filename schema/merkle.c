/* RFC 6962 section 2.1. The subtrees of a growing tree of n leaves are those
 * of n's binary digits, largest first: adding a leaf is a carry.
 */
#include "schema/merkle.h"

#include <assert.h>
#include <string.h>

#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

struct sha256
merkle_leaf_hash(struct span leaf)
{
    const uint8_t prefix = LEAF_PREFIX;
    return sha256_of_two(span_of(&prefix, 1), leaf);
}

static struct sha256
node_hash(const struct sha256 *left, const struct sha256 *right)
{
    uint8_t node[1 + 2 * SHA256_LEN];
    node[0] = NODE_PREFIX;
    memcpy(node + 1, left->bytes, SHA256_LEN);
    memcpy(node + 1 + SHA256_LEN, right->bytes, SHA256_LEN);
    return sha256_of(span_of(node, sizeof node));
}

void
merkle_init(struct merkle *m)
{
    *m = (struct merkle){.size = 0};
}

void
merkle_add(struct merkle *m, const struct sha256 *leaf_hash)
{
    size_t count = (size_t)__builtin_popcountll(m->size);
    struct sha256 node = *leaf_hash;
    for (uint64_t digits = m->size; (digits & 1) != 0; digits >>= 1) {
        count--;
        node = node_hash(&m->subtrees[count], &node);
    }
    m->subtrees[count] = node;
    m->size++;
}

struct sha256
merkle_root(const struct merkle *m)
{
    size_t count = (size_t)__builtin_popcountll(m->size);
    if (count == 0) {
        return sha256_of(SPAN_EMPTY);
    }
    struct sha256 root = m->subtrees[--count];
    while (count > 0) {
        count--;
        root = node_hash(&m->subtrees[count], &root);
    }
    return root;
}

static struct sha256
root_of(const struct sha256 *leaf_hashes, uint64_t size)
{
    struct merkle m;
    merkle_init(&m);
    for (uint64_t i = 0; i < size; i++) {
        merkle_add(&m, &leaf_hashes[i]);
    }
    return merkle_root(&m);
}

static void
reverse(struct sha256 *path, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        const struct sha256 kept = path[i];
        path[i] = path[count - 1 - i];
        path[count - 1 - i] = kept;
    }
}

/* Where a tree of `size` > 1 leaves is split: the largest power of two below
 * it. */
static uint64_t
split_of(uint64_t size)
{
    return UINT64_C(1) << (63 - __builtin_clzll(size - 1));
}

void
merkle_prove(const struct sha256 *leaf_hashes, uint64_t size, uint64_t index,
    struct sha256 path_out[MERKLE_DEPTH_MAX], size_t *count_out)
{
    assert(index < size);
    size_t count = 0;
    while (size > 1) { /* from the root down */
        const uint64_t left = split_of(size);
        if (index < left) {
            path_out[count++] = root_of(leaf_hashes + left, size - left);
            size = left;
        } else {
            path_out[count++] = root_of(leaf_hashes, left);
            leaf_hashes += left;
            index -= left;
            size -= left;
        }
    }
    reverse(path_out, count);
    *count_out = count;
}

bool
merkle_check(const struct sha256 *leaf_hash, uint64_t index, uint64_t size,
    const struct sha256 *path, size_t count, const struct sha256 *root)
{
    if (index >= size) {
        return false;
    }
    uint64_t at = index;      /* of the node on the way up, in its level */
    uint64_t last = size - 1; /* of that level */
    struct sha256 node = *leaf_hash;
    for (size_t i = 0; i < count; i++) {
        if (last == 0) {
            return false; /* more siblings than levels */
        }
        if ((at & 1) != 0 || at == last) {
            node = node_hash(&path[i], &node);
            /* A last node without a sibling rises as it is. */
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(&node, &path[i]);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && memcmp(&node, root, sizeof node) == 0;
}
