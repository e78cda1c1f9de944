/* Merkle trees against the published roots, and against RFC 6962's own
 * recursive words for every size and leaf up to SIZES. */
#include "schema/merkle.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define SIZES 70

static void
assert_hex(const struct sha256 *hash, const char *hex)
{
    char got[2 * SHA256_LEN + 1];
    for (size_t i = 0; i < SHA256_LEN; i++) {
        (void)snprintf(got + 2 * i, 3, "%02x", hash->bytes[i]);
    }
    assert_string_equal(got, hex);
}

/* The inputs and roots that Certificate Transparency tests with. */
static const struct {
    const char *leaf;
    size_t len;
    const char *root; /* of the leaves up to this one */
} published[] = {
    {"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {"\x00", 1,
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
    {"\x10", 1,
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
    {"\x20\x21", 2,
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
    {"\x30\x31", 2,
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
    {"\x40\x41\x42\x43", 4,
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
    {"\x50\x51\x52\x53\x54\x55\x56\x57", 8,
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
    {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e"
     "\x6f",
        16, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

static void
roots_are_the_published_ones(void **state)
{
    (void)state;
    struct merkle m;
    merkle_init(&m);
    struct sha256 root = merkle_root(&m);
    assert_hex(&root,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const struct sha256 leaf =
            merkle_leaf_hash(span_of(published[i].leaf, published[i].len));
        merkle_add(&m, &leaf);
        assert_int_equal(m.size, i + 1);
        root = merkle_root(&m);
        assert_hex(&root, published[i].root);
    }
}

/* RFC 6962 2.1, read aloud. */
static struct sha256
naive_root(const struct sha256 *leaves, size_t n)
{
    if (n == 1) {
        return leaves[0];
    }
    size_t k = 1;
    while (2 * k < n) {
        k *= 2;
    }
    const struct sha256 left = naive_root(leaves, k);
    const struct sha256 right = naive_root(leaves + k, n - k);
    uint8_t node[1 + 2 * SHA256_LEN] = {0x01};
    memcpy(node + 1, left.bytes, SHA256_LEN);
    memcpy(node + 1 + SHA256_LEN, right.bytes, SHA256_LEN);
    return sha256_of(span_of(node, sizeof node));
}

static void
make_leaves(struct sha256 leaves[SIZES])
{
    for (size_t i = 0; i < SIZES; i++) {
        const uint8_t byte = (uint8_t)i;
        leaves[i] = merkle_leaf_hash(span_of(&byte, 1));
    }
}

static void
every_size_has_the_naive_root(void **state)
{
    (void)state;
    struct sha256 leaves[SIZES];
    struct merkle m;
    make_leaves(leaves);
    merkle_init(&m);
    for (size_t n = 1; n <= SIZES; n++) {
        merkle_add(&m, &leaves[n - 1]);
        const struct sha256 root = merkle_root(&m);
        const struct sha256 naive = naive_root(leaves, n);
        assert_memory_equal(&root, &naive, sizeof root);
    }
}

static void
every_leaf_of_every_size_is_proved(void **state)
{
    (void)state;
    struct sha256 leaves[SIZES];
    make_leaves(leaves);
    for (size_t n = 1; n <= SIZES; n++) {
        const struct sha256 root = naive_root(leaves, n);
        for (size_t i = 0; i < n; i++) {
            struct sha256 path[MERKLE_DEPTH_MAX];
            size_t count = 0;
            merkle_prove(leaves, n, i, path, &count);
            assert_true(merkle_check(&leaves[i], i, n, path, count, &root));
            /* Of every other place it is none: not even of the last node that
             * rises without a sibling, for the number of siblings differs or
             * their side does. */
            for (size_t j = 0; j <= n; j++) {
                const bool ok =
                    merkle_check(&leaves[i], j, n, path, count, &root);
                assert_int_equal(ok, j == i);
            }
        }
    }
}

static void
a_path_that_is_not_whole_proves_nothing(void **state)
{
    (void)state;
    struct sha256 leaves[SIZES];
    struct sha256 path[MERKLE_DEPTH_MAX + 1] = {0};
    size_t count = 0;
    make_leaves(leaves);
    const struct sha256 root = naive_root(leaves, SIZES);
    merkle_prove(leaves, SIZES, 42, path, &count);
    assert_int_equal(count, 7);
    assert_false(merkle_check(&leaves[42], 42, SIZES, path, count - 1, &root));
    assert_false(merkle_check(&leaves[42], 42, SIZES, path, count + 1, &root));
    assert_false(merkle_check(&leaves[41], 42, SIZES, path, count, &root));
    assert_false(merkle_check(&leaves[42], 42, SIZES, path, count, &path[0]));
    for (size_t i = 0; i < count; i++) {
        path[i].bytes[31] ^= 1;
        assert_false(merkle_check(&leaves[42], 42, SIZES, path, count, &root));
        path[i].bytes[31] ^= 1;
    }
    assert_true(merkle_check(&leaves[42], 42, SIZES, path, count, &root));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_the_published_ones),
        cmocka_unit_test(every_size_has_the_naive_root),
        cmocka_unit_test(every_leaf_of_every_size_is_proved),
        cmocka_unit_test(a_path_that_is_not_whole_proves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
