#include "player/claims.h"

#include "base/clock.h"
#include "player/limits.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* The names in `a` whose values differ in `b`, "user, pod"; more than fit are
 * left out. */
static void
list_differences(json_t *a, const json_t *b, char out[CLAIMS_NAMES_MAX])
{
    const char *name = NULL;
    json_t *value = NULL;
    size_t len = 0;
    out[0] = '\0';
    json_object_foreach(a, name, value)
    {
        if (len < CLAIMS_NAMES_MAX &&
            !json_equal(value, json_object_get(b, name))) {
            len += (size_t)snprintf(out + len, CLAIMS_NAMES_MAX - len, "%s%s",
                len > 0 ? ", " : "", name);
        }
    }
}

/* As text first: of sessions that are as recorded nothing is parsed. */
static enum status
compare(struct span a, struct span b, char out[CLAIMS_NAMES_MAX])
{
    out[0] = '\0';
    if (span_eq(a, b)) {
        return STATUS_OK;
    }
    json_t *left = json_loadb((const char *)a.ptr, a.len, 0, NULL);
    json_t *right = json_loadb((const char *)b.ptr, b.len, 0, NULL);
    const bool has_both = left != NULL && right != NULL;
    if (has_both) {
        list_differences(left, right, out);
    }
    json_decref(left);
    json_decref(right);
    return has_both ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status
claims_differences(const struct meta *recorded, const struct meta *row,
    char out[CLAIMS_NAMES_MAX])
{
    struct meta m;
    struct buf a;
    struct buf b;
    meta_init(&m);
    buf_init(&a, PLAYER_LINE_MAX);
    buf_init(&b, PLAYER_LINE_MAX);
    enum status st = meta_copy(recorded, &m);
    if (st == STATUS_OK) {
        m.size = row->size;
        m.sealed = row->sealed;
        st = meta_set(&m.file, span_str(row->file));
    }
    if (st == STATUS_OK) {
        st = meta_encode(&m, META_PART_ALL, &a);
    }
    if (st == STATUS_OK) {
        st = meta_encode(row, META_PART_ALL, &b);
    }
    if (st == STATUS_OK) {
        st = compare(buf_view(&a), buf_view(&b), out);
    }
    buf_fini(&a);
    buf_fini(&b);
    meta_fini(&m);
    return st;
}

void
claims_of_row(struct verify_report *r, const struct meta *row)
{
    char names[CLAIMS_NAMES_MAX];
    if (!uuid_is_nil(&r->id) && memcmp(&r->id, &row->id, sizeof r->id) != 0) {
        verify_report_add(r, "the file is of another session than the index "
                             "says");
    }
    if (!r->is_final && row->sealed) {
        verify_report_add(r, "the index says that the recording was finished, "
                             "but its end is missing");
    }
    if (row->status == META_ACTIVE || !r->is_final || r->problem_count > 0) {
        return; /* the row of an active one comes after the file */
    }
    if (claims_differences(&r->meta, row, names) != STATUS_OK) {
        verify_report_add(r, "what the index tells of the session cannot be "
                             "compared with its recording");
    } else if (names[0] != '\0') {
        verify_report_add(r,
            "the index tells something else of the session than its "
            "recording: %s",
            names);
    }
}

void
claims_of_name(struct verify_report *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct span name = span_str(slash == NULL ? path : slash + 1);
    struct span id = SPAN_EMPTY;
    struct uuid named;
    if (span_take(&name, UUID_TEXT_LEN, &id) &&
        span_eq_str(name, ".cast.zst") && uuid_parse(id, &named) &&
        !uuid_is_nil(&r->id) && memcmp(&named, &r->id, sizeof named) != 0) {
        verify_report_add(r, "the file is of another session than its name "
                             "says");
    }
}

bool
claims_fit_file(const struct ledger_leaf *leaf, const struct file_digest *file)
{
    return leaf->file_len == file->len &&
           memcmp(&leaf->file_hash, &file->hash, sizeof file->hash) == 0;
}

void
claims_of_leaf(
    struct verify_report *r, const struct ledger_leaf *leaf, uint64_t line)
{
    if (!uuid_is_nil(&r->id) && memcmp(&r->id, &leaf->id, sizeof r->id) != 0) {
        verify_report_add(r,
            "the file is of another session than line %" PRIu64
            " of the ledger says",
            line);
    } else if (!r->is_final) {
        verify_report_add(r,
            "line %" PRIu64 " of the ledger says that the recording was "
            "finished, but its end is missing",
            line);
    } else if (leaf->text_len != r->text_len ||
               memcmp(&leaf->text_hash, &r->text_hash, sizeof r->text_hash) !=
                   0) {
        verify_report_add(r,
            "line %" PRIu64 " of the ledger tells of another text, of %" PRIu64
            " bytes",
            line, leaf->text_len);
    }
}

void
claims_removal(const struct ledger_leaf *tombstone, uint64_t line,
    char out[CLAIMS_REMOVAL_MAX])
{
    char time[CLOCK_TEXT_MAX];
    clock_format(tombstone->wall_us, time);
    snprintf(out, CLAIMS_REMOVAL_MAX,
        "removed on %s by %.128s (%.256s), as line %" PRIu64
        " of the ledger says",
        time, tombstone->who, tombstone->why, line);
}
