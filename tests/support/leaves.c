/* See leaves.h. */
#include "tests/support/leaves.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64u << 20)
#define PATH_LEN 1024

static bool
read_file(const char *state_dir, const char *name, struct buf *out)
{
    char path[PATH_LEN];
    buf_init(out, FILE_MAX);
    return file_join(path, sizeof path, state_dir, name, NULL) == STATUS_OK &&
           file_read(path, out, NULL) == STATUS_OK;
}

size_t
leaves_of(
    const char *state_dir, const struct uuid *id, struct ledger_leaf *last_out)
{
    struct buf leaves;
    size_t count = 0;
    if (!read_file(state_dir, LEDGER_DIR "/" LEDGER_LEAVES, &leaves)) {
        abort();
    }
    struct span rest = buf_view(&leaves);
    struct span line;
    while (span_take_until(&rest, '\n', &line)) {
        struct ledger_leaf leaf;
        if (ledger_leaf_decode(line, &leaf, NULL) != STATUS_OK) {
            abort();
        }
        if (leaf.kind == LEDGER_RECORDING &&
            memcmp(&leaf.id, id, sizeof *id) == 0) {
            *last_out = leaf;
            count++;
        }
    }
    buf_fini(&leaves);
    return count;
}

bool
leaf_fits(const char *state_dir, const struct ledger_leaf *leaf)
{
    struct buf file;
    bool fits = read_file(state_dir, leaf->file, &file);
    if (fits) {
        const struct sha256 hash = sha256_of(buf_view(&file));
        fits = file.len == leaf->file_len &&
               memcmp(&hash, &leaf->file_hash, sizeof hash) == 0;
    }
    buf_fini(&file);
    return fits;
}
