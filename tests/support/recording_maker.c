#include "tests/support/recording_maker.h"

#include "base/file.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define MAKER_MAX (64u << 20)

static void
must(enum status st, const char *what)
{
    if (st != STATUS_OK) {
        fprintf(stderr, "recording_maker: %s: %s\n", what, status_name(st));
        abort();
    }
}

void
maker_init(struct recording_maker *m)
{
    *m = (struct recording_maker){.framed = 0};
    buf_init(&m->file, MAKER_MAX);
    buf_init(&m->text, MAKER_MAX);
    must(signer_new(&m->signer, NULL), "signer");
    m->key = signer_public(m->signer);
    m->id = uuid_v7(1764025200000000);
}

void
maker_fini(struct recording_maker *m)
{
    buf_fini(&m->file);
    buf_fini(&m->text);
    signer_free(&m->signer);
}

void
maker_header(struct recording_maker *m)
{
    struct cast_header h = {.width = 80, .height = 24};
    meta_init(&h.meta);
    h.meta.id = m->id;
    h.meta.start_us = 1764025200000000;
    must(meta_set(&h.meta.user, SPAN_LIT("alice")), "user");
    must(meta_set(&h.meta.pod, SPAN_LIT("web")), "pod");
    must(meta_add(&h.meta.command, &h.meta.command_count, SPAN_LIT("sh")),
        "command");
    must(cast_header_encode(&h, &m->text), "header");
    meta_fini(&h.meta);
}

void
maker_event(struct recording_maker *m, uint64_t time_us, enum cast_code code,
    const char *data)
{
    must(cast_event_encode(time_us, code, span_str(data), &m->text), "event");
}

void
maker_frame(struct recording_maker *m)
{
    const struct span text = buf_view(&m->text);
    const size_t len = text.len - m->framed;
    const size_t bound = ZSTD_compressBound(len);
    uint8_t *tail = NULL;
    must(buf_reserve(&m->file, bound, &tail), "frame");
    const size_t n = ZSTD_compress(tail, bound, text.ptr + m->framed, len, 3);
    if (ZSTD_isError(n)) {
        abort();
    }
    buf_commit(&m->file, n);
    m->framed = text.len;
    m->entries[m->entry_count++] = (struct seek_entry){
        .file_len = (uint32_t)n,
        .text_len = (uint32_t)len,
    };
}

void
maker_seal_at(struct recording_maker *m, size_t text_len, bool is_final)
{
    uint8_t frame[SEAL_FRAME_LEN];
    struct seal s = {
        .id = m->id,
        .sequence = m->sequence++,
        .is_final = is_final,
        .text_len = text_len,
        .text_hash = sha256_of(span_of(buf_view(&m->text).ptr, text_len)),
        .previous = m->previous,
        .wall_us = 1764025201000000,
    };
    must(seal_sign(&s, m->signer, frame), "seal");
    const struct span bytes = span_of(frame, sizeof frame);
    m->previous = seal_hash(bytes);
    must(buf_append(&m->file, bytes), "seal");
    if (m->entry_count > 0) {
        m->entries[m->entry_count - 1].file_len += SEAL_FRAME_LEN;
    }
}

void
maker_seal(struct recording_maker *m, bool is_final)
{
    maker_seal_at(m, m->text.len, is_final);
}

void
maker_table(struct recording_maker *m)
{
    must(seek_encode(m->entries, m->entry_count, &m->file), "table");
}

void
maker_whole(struct recording_maker *m)
{
    maker_header(m);
    maker_frame(m);
    maker_event(m, 100000, CAST_OUTPUT, "hello ");
    maker_event(m, 200000, CAST_OUTPUT, "w\xC3\xB6rld\r\n");
    maker_frame(m);
    maker_seal(m, false);
    maker_event(m, 2500000, CAST_OUTPUT, "bye\r\n");
    maker_event(m, 2600000, CAST_EXIT, "0");
    maker_event(m, 2600000, CAST_FACTS, "{\"status\":\"complete\"}");
    maker_frame(m);
    maker_seal(m, true);
    maker_table(m);
}

const char *
maker_write(const char *folder, const char *name, struct span bytes)
{
    static char path[PATH_MAX];
    must(file_join(path, sizeof path, folder, name, NULL), "path");
    FILE *f = fopen(path, "wb"); /* not synced: tests write thousands */
    if (f == NULL || fwrite(bytes.ptr, 1, bytes.len, f) != bytes.len ||
        fclose(f) != 0) {
        must(STATUS_IO, path);
    }
    return path;
}
