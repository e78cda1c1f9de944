#include "base/file.h"
#include "player/verify.h"
#include "tests/support/recording_maker.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <stdio.h>
#include <string.h>
#include <zstd.h>

static char folder[TEMP_DIR_MAX];

static enum status
verify_with(const struct recording_maker *m, const char *path,
    const char *seals, struct verify_report *report)
{
    struct error err = {.code = STATUS_OK};
    const struct key_set keys = {.keys = {m->key}, .count = 1};
    const struct verify_options options = {.keys = &keys, .seals = seals};
    return verify_file(path, &options, report, &err);
}

static void
run(const struct recording_maker *m, struct span file,
    struct verify_report *report)
{
    const char *path = maker_write(folder, "x.cast.zst", file);
    assert_int_equal(verify_with(m, path, NULL, report), STATUS_OK);
}

static bool
has_problem(const struct verify_report *r, const char *words)
{
    const struct span all = buf_view(&r->problems);
    return memmem(all.ptr, all.len, words, strlen(words)) != NULL;
}

static void
expect_good(const struct recording_maker *m)
{
    struct verify_report r;
    run(m, buf_view(&m->file), &r);
    if (r.problem_count > 0) {
        print_message("%.*s", (int)r.problems.len,
            (const char *)buf_view(&r.problems).ptr);
    }
    assert_int_equal(r.problem_count, 0);
    verify_report_fini(&r);
}

static void
expect_problem(const struct recording_maker *m, const char *words)
{
    struct verify_report r;
    run(m, buf_view(&m->file), &r);
    if (!has_problem(&r, words)) {
        print_message("wanted \"%s\" in:\n%.*s", words, (int)r.problems.len,
            (const char *)buf_view(&r.problems).ptr);
    }
    assert_true(r.problem_count > 0);
    assert_true(has_problem(&r, words));
    verify_report_fini(&r);
}

static void
test_whole(void **state)
{
    (void)state;
    struct recording_maker m;
    struct verify_report r;
    maker_init(&m);
    maker_whole(&m);
    run(&m, buf_view(&m.file), &r);
    assert_int_equal(r.problem_count, 0);
    assert_int_equal(r.seals, 2);
    assert_int_equal(r.frames, 3);
    assert_int_equal(r.event_count, 5);
    assert_int_equal(r.text_len, m.text.len);
    assert_int_equal(r.sealed_len, m.text.len);
    assert_int_equal(r.last_time_us, 2600000);
    assert_true(r.is_final);
    assert_memory_equal(&r.id, &m.id, sizeof r.id);
    verify_report_fini(&r);
    maker_fini(&m);
}

/* The promise itself: no byte can change without being found, wherever it is.
 * Only what changes nothing passes: a few bits of a compressed frame decide
 * nothing about its text. */
static void
test_every_flipped_byte_is_found(void **state)
{
    (void)state;
    struct recording_maker m;
    size_t changed = 0;
    maker_init(&m);
    maker_whole(&m);
    for (size_t i = 0; i < m.file.len; i++) {
        struct verify_report r;
        m.file.data[m.file.off + i] ^= 0x01;
        run(&m, buf_view(&m.file), &r);
        const bool is_proved = r.is_final && r.sealed_len == m.text.len;
        assert_true(r.problem_count > 0 || is_proved);
        changed += r.problem_count > 0 ? 1 : 0;
        verify_report_fini(&r);
        m.file.data[m.file.off + i] ^= 0x01;
    }
    assert_true(changed > m.file.len * 9 / 10);
    maker_fini(&m);
}

/* A shorter file is either found wrong or does not call itself finished. */
static void
test_every_cut_is_found(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_whole(&m);
    for (size_t len = 0; len < m.file.len; len++) {
        struct verify_report r;
        run(&m, span_of(buf_view(&m.file).ptr, len), &r);
        assert_true(r.problem_count > 0 || !r.is_final);
        verify_report_fini(&r);
    }
    maker_fini(&m);
}

static void
test_unfinished(void **state)
{
    (void)state;
    struct recording_maker m;
    struct verify_report r;
    maker_init(&m);
    maker_header(&m);
    maker_frame(&m);
    maker_event(&m, 1000000, CAST_OUTPUT, "sealed");
    maker_frame(&m);
    maker_seal(&m, false);
    const size_t sealed = m.text.len;
    maker_event(&m, 2000000, CAST_OUTPUT, "not sealed yet");
    maker_frame(&m);
    run(&m, buf_view(&m.file), &r);
    assert_int_equal(r.problem_count, 0);
    assert_false(r.is_final);
    assert_int_equal(r.sealed_len, sealed);
    assert_int_equal(r.text_len, m.text.len);
    verify_report_fini(&r);

    run(&m, span_of(buf_view(&m.file).ptr, m.file.len - 3), &r);
    assert_int_equal(r.problem_count, 0);
    assert_true(r.is_cut);
    verify_report_fini(&r);
    maker_fini(&m);
}

/* Compaction: one frame, then every seal, though their text_len lie inside. */
static void
test_compacted(void **state)
{
    (void)state;
    struct recording_maker m;
    size_t at[3];
    maker_init(&m);
    maker_header(&m);
    maker_event(&m, 1, CAST_OUTPUT, "one");
    at[0] = m.text.len;
    maker_event(&m, 2, CAST_OUTPUT, "two");
    at[1] = m.text.len;
    at[2] = m.text.len; /* a seal over nothing new */
    maker_event(&m, 3, CAST_FACTS, "{}");
    maker_frame(&m);
    for (size_t i = 0; i < 3; i++) {
        maker_seal_at(&m, at[i], false);
    }
    maker_seal(&m, true);
    maker_table(&m);
    expect_good(&m);
    maker_fini(&m);
}

static void
test_altered_text_is_placed(void **state)
{
    (void)state;
    struct recording_maker m;
    struct verify_report r;
    maker_init(&m);
    maker_header(&m);
    maker_event(&m, 1000000, CAST_OUTPUT, "before");
    maker_frame(&m);
    maker_seal(&m, false);
    const size_t sealed = m.text.len;
    maker_event(&m, 7000000, CAST_OUTPUT, "rm -rf /");
    const size_t end = m.text.len;
    /* signed as it was, written as it was not */
    memcpy(m.text.data + m.text.off + end - 11, "ls", 2);
    maker_frame(&m);
    memcpy(m.text.data + m.text.off + end - 11, "rm", 2);
    maker_seal(&m, false);
    maker_event(&m, 8000000, CAST_FACTS, "{}");
    maker_frame(&m);
    maker_seal(&m, true);
    maker_table(&m);
    run(&m, buf_view(&m.file), &r);
    char words[160];
    snprintf(words, sizeof words,
        "altered between byte %zu (1.000 s) and byte %zu (7.000 s): it is not "
        "what seal 1 signed",
        sealed, end);
    assert_true(has_problem(&r, words));
    assert_int_equal(r.problem_count, 1); /* the rest follows from it */
    verify_report_fini(&r);
    maker_fini(&m);
}

/* Removes `len` bytes at `at`. */
static void
remove_bytes(struct buf *b, size_t at, size_t len)
{
    memmove(
        b->data + b->off + at, b->data + b->off + at + len, b->len - at - len);
    b->len -= len;
}

static void
test_missing_seal(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_whole(&m);
    remove_bytes(&m.file,
        m.entries[0].file_len + m.entries[1].file_len - SEAL_FRAME_LEN,
        SEAL_FRAME_LEN);
    expect_problem(&m, "seal 1 at byte");
    expect_problem(&m, "stands where seal 0 belongs");
    maker_fini(&m);
}

static void
test_missing_frame(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_whole(&m);
    remove_bytes(
        &m.file, m.entries[0].file_len, m.entries[1].file_len - SEAL_FRAME_LEN);
    expect_problem(&m, "seal 0 at byte");
    expect_problem(&m, "bytes of text where there are");
    maker_fini(&m);
}

static void
test_other_session(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_header(&m);
    m.id.bytes[15] ^= 1;
    maker_event(&m, 1, CAST_FACTS, "{}");
    maker_frame(&m);
    maker_seal(&m, true);
    maker_table(&m);
    expect_problem(&m, "belongs to session");
    maker_fini(&m);
}

static void
test_other_key(void **state)
{
    (void)state;
    struct recording_maker m;
    struct recording_maker other;
    maker_init(&m);
    maker_init(&other);
    maker_whole(&m);
    m.key = other.key;
    expect_problem(&m, "was made with the key");
    maker_fini(&other);
    maker_fini(&m);
}

/* Re-signed by somebody who has a key, only not the right previous seal. */
static void
test_broken_chain(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_header(&m);
    maker_frame(&m);
    maker_seal(&m, false);
    m.previous.bytes[0] ^= 1;
    maker_event(&m, 1, CAST_FACTS, "{}");
    maker_frame(&m);
    maker_seal(&m, true);
    maker_table(&m);
    expect_problem(&m, "seal 1 at byte");
    expect_problem(&m, "does not follow from the seal before it");
    maker_fini(&m);
}

static void
test_text_after_the_end(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_header(&m);
    maker_event(&m, 1, CAST_FACTS, "{}");
    maker_frame(&m);
    maker_seal(&m, true);
    maker_event(&m, 2, CAST_FACTS, "{}");
    maker_frame(&m);
    maker_table(&m);
    expect_problem(&m, "bytes of text follow the final seal");
    maker_seal(&m, false);
    expect_problem(&m, "follows the final seal");
    maker_fini(&m);
}

static void
test_end_is_owed(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_header(&m);
    maker_event(&m, 1, CAST_OUTPUT, "x");
    maker_frame(&m);
    maker_seal(&m, true);
    expect_problem(&m, "the seek table is missing");
    expect_problem(&m, "the last event is not the session's facts");
    maker_fini(&m);
}

static void
test_seek_table(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_header(&m);
    maker_frame(&m);
    maker_event(&m, 1, CAST_FACTS, "{}");
    maker_frame(&m);
    maker_seal(&m, true);
    const size_t before = m.file.len;
    m.entries[1].text_len++;
    maker_table(&m);
    expect_problem(&m, "is wrong about frame 2");
    m.file.len = before;
    m.entries[1].text_len--;
    m.entry_count = 1;
    maker_table(&m);
    expect_problem(&m, "has 1 frames, the file 2");
    maker_fini(&m);
}

static void
test_seal_beyond_the_text(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_header(&m);
    maker_event(&m, 1, CAST_FACTS, "{}");
    maker_frame(&m);
    maker_event(&m, 2, CAST_FACTS, "{}"); /* signed, never written */
    maker_seal(&m, true);
    maker_table(&m);
    expect_problem(&m, "bytes of text where there are");
    maker_fini(&m);
}

static void
test_no_recordings(void **state)
{
    (void)state;
    struct recording_maker m;
    struct verify_report r;
    maker_init(&m);
    maker_header(&m);
    const char *path = maker_write(folder, "x.cast", buf_view(&m.text));
    assert_int_equal(verify_with(&m, path, NULL, &r), STATUS_UNSUPPORTED);
    verify_report_fini(&r);
    assert_int_equal(
        verify_with(&m, "/nonexistent", NULL, &r), STATUS_NOT_FOUND);
    verify_report_fini(&r);
    path = maker_write(folder, "empty", SPAN_EMPTY);
    assert_int_equal(verify_with(&m, path, NULL, &r), STATUS_OK);
    assert_true(has_problem(&r, "empty"));
    verify_report_fini(&r);
    maker_fini(&m);
}

/* The recording's seals alone, one behind the other. */
static void
collect_seals(const struct recording_maker *m, struct buf *out)
{
    const uint8_t *file = buf_view(&m->file).ptr;
    size_t end = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        end += m->entries[i].file_len;
        if (i > 0) { /* the header's frame has none */
            assert_int_equal(
                buf_append(
                    out, span_of(file + end - SEAL_FRAME_LEN, SEAL_FRAME_LEN)),
                STATUS_OK);
        }
    }
}

static void
run_beside(const struct recording_maker *m, struct span text, struct span seals,
    struct verify_report *r)
{
    char path[TEMP_DIR_MAX + 16];
    snprintf(path, sizeof path, "%s/t.cast", folder);
    (void)maker_write(folder, "t.cast", text);
    const char *beside = maker_write(folder, "t.cast.seals", seals);
    assert_int_equal(verify_with(m, path, beside, r), STATUS_OK);
}

/* Exported text, with its seals in a file of their own. */
static void
test_seals_beside(void **state)
{
    (void)state;
    struct recording_maker m;
    struct verify_report r;
    struct buf seals;
    maker_init(&m);
    maker_whole(&m);
    buf_init(&seals, 1 << 16);
    collect_seals(&m, &seals);
    const struct span text = buf_view(&m.text);
    const struct span both = buf_view(&seals);
    run_beside(&m, text, both, &r);
    assert_int_equal(r.problem_count, 0);
    assert_true(r.is_final);
    assert_int_equal(r.seals, 2);
    assert_int_equal(r.sealed_len, text.len);
    verify_report_fini(&r);

    m.text.data[m.text.off + text.len - 3] ^= 1;
    run_beside(&m, text, both, &r);
    assert_true(has_problem(&r, "the text was altered between byte"));
    verify_report_fini(&r);
    m.text.data[m.text.off + text.len - 3] ^= 1;

    run_beside(&m, span_of(text.ptr, text.len - 1), both, &r);
    assert_true(has_problem(&r, "bytes of text where there are"));
    verify_report_fini(&r);

    run_beside(
        &m, text, span_of(both.ptr + SEAL_FRAME_LEN, SEAL_FRAME_LEN), &r);
    assert_true(has_problem(&r, "stands where seal 0 belongs"));
    verify_report_fini(&r);

    run_beside(&m, text, span_of(both.ptr, both.len - 1), &r);
    assert_true(has_problem(&r, "begins no whole seal"));
    verify_report_fini(&r);
    buf_fini(&seals);
    maker_fini(&m);
}

/* Whoever holds a trusted key vouches for the seals before his own; one whose
 * signature was altered is found all the same. */
static void
test_an_altered_signature_is_found(void **state)
{
    (void)state;
    struct recording_maker m;
    maker_init(&m);
    maker_whole(&m);
    const size_t end = m.entries[0].file_len + m.entries[1].file_len;
    m.file.data[m.file.off + end - 1] ^= 1;
    expect_problem(&m, "seal 0 at byte");
    expect_problem(&m, "was altered: its signature does not match");
    maker_fini(&m);
}

/* Longer than a chunk, so that seals fall within and between chunks. */
static void
test_large(void **state)
{
    (void)state;
    struct recording_maker m;
    char text[64];
    size_t seals[20];
    maker_init(&m);
    maker_header(&m);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < 1000; j++) {
            snprintf(text, sizeof text, "line %u of %u\r\n", j, i);
            maker_event(&m, 1000 * i + j, CAST_OUTPUT, text);
        }
        seals[i] = m.text.len;
    }
    maker_event(&m, 30000, CAST_FACTS, "{}");
    maker_frame(&m);
    for (unsigned i = 0; i < 20; i++) {
        maker_seal_at(&m, seals[i], false);
    }
    maker_seal(&m, true);
    maker_table(&m);
    expect_good(&m);
    maker_fini(&m);
}

static int
make_folder(void **state)
{
    (void)state;
    temp_dir_make(folder);
    return 0;
}

static int
drop_folder(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_every_flipped_byte_is_found),
        cmocka_unit_test(test_every_cut_is_found),
        cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_compacted),
        cmocka_unit_test(test_altered_text_is_placed),
        cmocka_unit_test(test_missing_seal),
        cmocka_unit_test(test_missing_frame),
        cmocka_unit_test(test_other_session),
        cmocka_unit_test(test_other_key),
        cmocka_unit_test(test_broken_chain),
        cmocka_unit_test(test_text_after_the_end),
        cmocka_unit_test(test_end_is_owed),
        cmocka_unit_test(test_seek_table),
        cmocka_unit_test(test_seal_beyond_the_text),
        cmocka_unit_test(test_no_recordings),
        cmocka_unit_test(test_seals_beside),
        cmocka_unit_test(test_an_altered_signature_is_found),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
