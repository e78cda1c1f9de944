#include "schema/gap.h"

#include "schema/json_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const names[STREAM_COUNT] = {
    [STREAM_STDIN] = "stdin",
    [STREAM_STDOUT] = "stdout",
    [STREAM_STDERR] = "stderr",
};

uint64_t
gap_total(const struct gap *g)
{
    uint64_t total = 0;
    for (int i = 0; i < STREAM_COUNT; i++) {
        total += g->bytes[i];
    }
    return total;
}

enum status
gap_encode(const struct gap *g, struct buf *out)
{
    enum status st = buf_append_str(out, "{\"gap\":{");
    for (int i = 0; st == STATUS_OK && i < STREAM_COUNT; i++) {
        st = buf_printf(out, "\"%s\":%" PRIu64 ",", names[i], g->bytes[i]);
    }
    if (st == STATUS_OK) {
        st = buf_printf(out,
            "\"seconds\":%" PRIu64 ".%03" PRIu64 ",\"reason\":", g->ms / 1000,
            g->ms % 1000);
    }
    if (st == STATUS_OK) {
        st = json_text_encode(span_str(g->reason), out);
    }
    return st == STATUS_OK ? buf_append_str(out, "}}") : st;
}

static bool
take_bytes(const json_t *gap, struct gap *out)
{
    for (int i = 0; i < STREAM_COUNT; i++) {
        const json_t *n = json_object_get(gap, names[i]);
        if (!json_is_integer(n) || json_integer_value(n) < 0) {
            return false;
        }
        out->bytes[i] = (uint64_t)json_integer_value(n);
    }
    return true;
}

static bool
take_gap(const json_t *gap, struct gap *out)
{
    const double seconds = json_number_value(json_object_get(gap, "seconds"));
    const char *reason = json_string_value(json_object_get(gap, "reason"));
    *out = (struct gap){.ms = 0};
    if (!take_bytes(gap, out) || reason == NULL || seconds < 0 ||
        seconds > 1e9) {
        return false;
    }
    out->ms = (uint64_t)(seconds * 1000 + 0.5);
    snprintf(out->reason, sizeof out->reason, "%s", reason);
    return true;
}

enum status
gap_decode(struct span json, struct gap *out)
{
    /* Most facts are none, and need no parser to tell. */
    if (memmem(json.ptr, json.len, "\"gap\"", 5) == NULL) {
        return STATUS_NOT_FOUND;
    }
    struct gap g;
    json_error_t why;
    json_t *root = json_loadb(
        (const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        return json_error_code(&why) == json_error_out_of_memory
                   ? STATUS_NO_MEMORY
                   : STATUS_NOT_FOUND;
    }
    const json_t *gap = json_object_get(root, "gap");
    const bool is_gap = json_is_object(gap) && take_gap(gap, &g);
    json_decref(root);
    if (!is_gap) {
        return STATUS_NOT_FOUND;
    }
    *out = g;
    return STATUS_OK;
}

void
gap_text(const struct gap *g, char out[GAP_TEXT_MAX])
{
    const uint64_t in = g->bytes[STREAM_STDIN];
    const uint64_t from = g->bytes[STREAM_STDOUT] + g->bytes[STREAM_STDERR];
    char amount[96];
    if (in > 0 && from > 0) {
        snprintf(amount, sizeof amount,
            "%" PRIu64 " bytes of output and %" PRIu64 " of input", from, in);
    } else {
        snprintf(amount, sizeof amount, "%" PRIu64 " bytes of %s",
            in > 0 ? in : from, in > 0 ? "input" : "output");
    }
    snprintf(out, GAP_TEXT_MAX,
        "gap: %s were not recorded in %" PRIu64 ".%" PRIu64 " s: %s", amount,
        g->ms / 1000, g->ms % 1000 / 100, g->reason);
}
