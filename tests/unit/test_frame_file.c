#include "recorder/frame_file.h"

#include "base/file.h"
#include "recorder/compact.h"
#include "recorder/limits.h"
#include "tests/support/recording.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct uuid id = {{7}};

struct bench {
    char dir[TEMP_DIR_MAX];
    char path[300];
    struct signer *signer;
    struct ed25519_public key;
    struct press *press;
    struct frame_file *file;
    struct seal_writer writer;
};

static int
set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    temp_dir_make(b->dir);
    snprintf(b->path, sizeof b->path, "%s/a/b/x.cast.zst", b->dir);
    assert_int_equal(signer_new(&b->signer, NULL), STATUS_OK);
    b->key = signer_public(b->signer);
    assert_int_equal(
        press_new(b->signer, &clock_system, 3, &b->press, NULL), STATUS_OK);
    assert_int_equal(
        frame_file_create(b->press, b->path, &id, &b->file, NULL), STATUS_OK);
    *state = b;
    return 0;
}

static int
tear_down(void **state)
{
    struct bench *b = *state;
    char below[512];
    frame_file_free(&b->file);
    press_free(&b->press);
    signer_free(&b->signer);
    (void)unlink(b->path);
    snprintf(below, sizeof below, "%s/a/b", b->dir);
    assert_int_equal(rmdir(below), 0); /* no temporary file is left */
    snprintf(below, sizeof below, "%s/a", b->dir);
    assert_int_equal(rmdir(below), 0);
    assert_int_equal(rmdir(b->dir), 0);
    free(b);
    return 0;
}

static void
cut(struct bench *b, const char *text, bool is_final)
{
    b->writer.next_lsn++;
    assert_int_equal(
        frame_file_cut(b->file, span_str(text), &b->writer, is_final, NULL),
        STATUS_OK);
}

static enum status
collect(void *ctx, struct span text, struct error *err)
{
    (void)err;
    return buf_append(ctx, text);
}

static enum status
resume(struct bench *b, struct buf *text, struct seal *last)
{
    struct error err;
    frame_file_free(&b->file);
    return frame_file_resume(
        b->press, b->path, collect, NULL, text, &b->file, last, &err);
}

static bool
always(void *ctx, const struct seal *last)
{
    (void)ctx;
    (void)last;
    return true;
}

/* The same, of what another place has too. */
static enum status
resume_spare(struct bench *b, struct buf *text, struct seal *last)
{
    struct error err;
    frame_file_free(&b->file);
    return frame_file_resume(
        b->press, b->path, collect, always, text, &b->file, last, &err);
}

static off_t
size_of(const struct bench *b)
{
    struct stat sb;
    assert_int_equal(stat(b->path, &sb), 0);
    return sb.st_size;
}

static void
test_whole(void **state)
{
    struct bench *b = *state;
    struct recording r;
    cut(b, "header\n", false);
    cut(b, "one\n", false);
    cut(b, "", false);
    cut(b, "two\n", true);
    assert_int_equal(frame_file_finish(b->file, NULL), STATUS_OK);
    assert_true(recording_read(b->path, &b->key, &r));
    assert_string_equal(r.text, "header\none\ntwo\n");
    assert_int_equal(r.seals, 4);
    assert_true(r.has_table);
    assert_int_equal(r.last.writer.next_lsn, 4);
    assert_int_equal(size_of(b), frame_file_len(b->file));
    recording_free(&r);
}

static void
test_exists(void **state)
{
    struct bench *b = *state;
    struct frame_file *other = NULL;
    assert_int_equal(
        frame_file_create(b->press, b->path, &id, &other, NULL), STATUS_EXISTS);
}

/* A write that fails leaves a rest behind and the hash ahead; the same text
 * with more behind it goes in whole. */
static void
test_failed_write(void **state)
{
    struct bench *b = *state;
    struct recording r;
    struct rlimit before;
    cut(b, "header\n", false);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit tight = {
        .rlim_cur = (rlim_t)size_of(b) + 12, .rlim_max = before.rlim_max};
    assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(
        frame_file_cut(b->file, SPAN_LIT("one\n"), &b->writer, false, NULL),
        STATUS_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(size_of(b), tight.rlim_cur);
    cut(b, "one\ntwo\n", true);
    assert_true(recording_read(b->path, &b->key, &r));
    assert_string_equal(r.text, "header\none\ntwo\n");
    recording_free(&r);
}

static void
test_gone_or_cut(void **state)
{
    struct bench *b = *state;
    cut(b, "header\n", false);
    assert_int_equal(truncate(b->path, size_of(b) - 1), 0);
    assert_int_equal(
        frame_file_cut(b->file, SPAN_LIT("one\n"), &b->writer, false, NULL),
        STATUS_CORRUPT);
    assert_int_equal(unlink(b->path), 0);
    assert_int_equal(mkfifo(b->path, 0600), 0); /* and nobody waits for it */
    assert_int_equal(
        frame_file_cut(b->file, SPAN_LIT("one\n"), &b->writer, false, NULL),
        STATUS_CORRUPT);
    assert_int_equal(unlink(b->path), 0);
    assert_int_equal(
        frame_file_cut(b->file, SPAN_LIT("one\n"), &b->writer, false, NULL),
        STATUS_CORRUPT);
}

/* Cut anywhere, a file goes on behind its last whole seal. */
static void
test_resume_at_every_length(void **state)
{
    struct bench *b = *state;
    static const char *const texts[] = {"header\n", "one\n", "two\n"};
    off_t ends[4] = {0};
    struct buf whole;
    for (size_t i = 0; i < 3; i++) {
        cut(b, texts[i], false);
        ends[i + 1] = size_of(b);
    }
    buf_init(&whole, 1u << 20);
    assert_int_equal(file_read(b->path, &whole, NULL), STATUS_OK);
    for (off_t len = 0; len <= ends[3]; len++) {
        size_t seals = 0;
        struct buf text;
        struct seal last;
        while (seals < 3 && ends[seals + 1] <= len) {
            seals++;
        }
        buf_init(&text, 1024);
        const int fd = open(b->path, O_WRONLY | O_TRUNC);
        assert_int_equal(
            file_pwrite_all(
                fd, span_of(whole.data + whole.off, (size_t)len), 0, NULL),
            STATUS_OK);
        close(fd);
        const enum status st = resume(b, &text, &last);
        if (seals == 0) {
            assert_int_equal(st, STATUS_NOT_FOUND);
            assert_int_equal(size_of(b), len);
        } else {
            static const char all[] = "header\none\ntwo\n";
            assert_int_equal(st, STATUS_OK);
            assert_int_equal(last.sequence, seals - 1);
            assert_int_equal(last.writer.next_lsn, seals);
            assert_memory_equal(text.data, all, text.len);
            cut(b, "rest\n", true);
            assert_int_equal(frame_file_finish(b->file, NULL), STATUS_OK);
            struct recording r;
            assert_true(recording_read(b->path, &b->key, &r));
            assert_int_equal(r.seals, seals + 1);
            recording_free(&r);
        }
        buf_fini(&text);
    }
    buf_fini(&whole);
}

/* What `how` makes of a file whose byte `at` was damaged; *end_out is how long
 * the file is then. */
static enum status
resume_damaged(struct bench *b, struct buf *whole, size_t at,
    enum status (*how)(struct bench *, struct buf *, struct seal *),
    off_t *end_out)
{
    struct buf text;
    struct seal last;
    buf_init(&text, 1024);
    const int fd = open(b->path, O_WRONLY | O_TRUNC);
    whole->data[whole->off + at] ^= 0x40;
    assert_int_equal(file_pwrite_all(fd, buf_view(whole), 0, NULL), STATUS_OK);
    whole->data[whole->off + at] ^= 0x40;
    close(fd);
    const enum status st = how(b, &text, &last);
    *end_out = size_of(b);
    buf_fini(&text);
    return st;
}

/* A flipped bit with later seals behind it: nothing is cut, unless the text
 * can be had again from elsewhere. In the last frame or its seal it is what
 * any crash may leave, and those are cut off. */
static void
test_resume_at_every_flip(void **state)
{
    struct bench *b = *state;
    struct buf whole;
    off_t ends[3];
    off_t end;
    const char *const texts[] = {"header\n", "one\n", "two\n"};
    for (size_t i = 0; i < 3; i++) {
        cut(b, texts[i], false);
        ends[i] = size_of(b);
    }
    buf_init(&whole, 1u << 20);
    assert_int_equal(file_read(b->path, &whole, NULL), STATUS_OK);
    for (size_t at = 0; at < whole.len; at++) {
        const bool is_first = (off_t)at < ends[0];
        const bool is_last = (off_t)at >= ends[1];
        const off_t good = is_last ? ends[1] : ends[0];
        assert_int_equal(resume_damaged(b, &whole, at, resume, &end),
            is_last ? STATUS_OK : STATUS_CORRUPT);
        assert_int_equal(end, is_last ? good : (off_t)whole.len);
        assert_int_equal(resume_damaged(b, &whole, at, resume_spare, &end),
            is_first ? STATUS_NOT_FOUND : STATUS_OK);
        assert_int_equal(end, is_first ? (off_t)whole.len : good);
    }
    buf_fini(&whole);
}

/* Another text before a good seal, in a frame that is whole: a forgery. */
static void
test_resume_refuses_forgery(void **state)
{
    struct bench *b = *state;
    struct buf bytes;
    struct buf text;
    struct seal last;
    struct seal scrap = {.sequence = 0};
    struct span frame;
    cut(b, "header\n", false);
    const off_t first = size_of(b);
    cut(b, "one\n", false);
    buf_init(&bytes, 1u << 20);
    buf_init(&text, 1024);
    assert_int_equal(file_read(b->path, &bytes, NULL), STATUS_OK);
    const struct span seal = span_of(
        bytes.data + bytes.off + bytes.len - SEAL_FRAME_LEN, SEAL_FRAME_LEN);
    assert_int_equal(
        press_frame(b->press, SPAN_LIT("two\n"), &scrap, &frame, NULL),
        STATUS_OK);
    const int fd = open(b->path, O_WRONLY);
    const struct span forged = span_of(frame.ptr, frame.len - SEAL_FRAME_LEN);
    assert_int_equal(ftruncate(fd, first), 0);
    assert_int_equal(file_pwrite_all(fd, forged, first, NULL), STATUS_OK);
    assert_int_equal(
        file_pwrite_all(fd, seal, first + (off_t)forged.len, NULL), STATUS_OK);
    close(fd);
    const off_t size = size_of(b);
    assert_int_equal(resume(b, &text, &last), STATUS_CORRUPT);
    assert_int_equal(size_of(b), size);
    buf_fini(&bytes);
    buf_fini(&text);
}

static enum status
compact_all(struct bench *b, struct error *err)
{
    struct compaction *c = NULL;
    bool is_done = false;
    enum status st =
        compaction_new(b->press, b->file, COMPACT_THOROUGH, &c, err);
    while (st == STATUS_OK && !is_done) {
        st = compaction_step(c, &is_done, err);
    }
    if (st == STATUS_OK) {
        st = compaction_replace(c, &b->file, err);
    }
    compaction_free(&c);
    return st;
}

static void
test_compact(void **state)
{
    struct bench *b = *state;
    struct recording before;
    struct recording after;
    cut(b, "header\n", false);
    for (int i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof text, "event %d\n", i);
        cut(b, text, i == 19);
    }
    assert_int_equal(frame_file_finish(b->file, NULL), STATUS_OK);
    assert_true(recording_read(b->path, &b->key, &before));
    const off_t size = size_of(b);
    assert_true(compact_is_worth_it(b->file, COMPACT_QUICK));
    assert_int_equal(compact_all(b, NULL), STATUS_OK);
    assert_true(recording_read(b->path, &b->key, &after));
    assert_int_equal(after.text_len, before.text_len);
    assert_memory_equal(after.text, before.text, before.text_len);
    assert_int_equal(after.seals, 1);
    assert_int_equal(after.last.wall_us, before.last.wall_us);
    assert_int_equal(after.last.writer.next_lsn, before.last.writer.next_lsn);
    assert_true(size_of(b) < size / 4);
    assert_int_equal(size_of(b), frame_file_len(b->file));
    recording_free(&before);
    recording_free(&after);
}

/* What fits in a block of the disk takes one anyhow. */
static void
test_compact_leaves_small_files(void **state)
{
    struct bench *b = *state;
    cut(b, "header\n", false);
    while (frame_file_len(b->file) <= RECORDER_BLOCK_BYTES) {
        assert_false(compact_is_worth_it(b->file, COMPACT_THOROUGH));
        assert_false(compact_is_worth_it(b->file, COMPACT_QUICK));
        cut(b, "event\n", false);
    }
    assert_true(compact_is_worth_it(b->file, COMPACT_THOROUGH));
}

/* More than one new frame: a step each, and the old file stands until the
 * last one. */
static void
test_compact_in_steps(void **state)
{
    struct bench *b = *state;
    struct recording before;
    struct recording after;
    struct compaction *c = NULL;
    const size_t len = 3u << 20;
    char *text = malloc(len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++) {
        text[i] = i % 80 == 79 ? '\n' : (char)('a' + i * 2654435761u % 26);
    }
    text[len - 1] = '\n';
    text[len] = '\0';
    for (int i = 0; i < 4; i++) {
        cut(b, text, i == 3);
    }
    assert_int_equal(frame_file_finish(b->file, NULL), STATUS_OK);
    assert_true(recording_read(b->path, &b->key, &before));
    const off_t size = size_of(b);
    unsigned steps = 0;
    assert_int_equal(
        compaction_new(b->press, b->file, COMPACT_THOROUGH, &c, NULL),
        STATUS_OK);
    for (bool is_done = false; !is_done; steps++) {
        assert_int_equal(compaction_step(c, &is_done, NULL), STATUS_OK);
        assert_int_equal(size_of(b), size);
    }
    compaction_free(&c); /* given up at the last moment: nothing happened */
    assert_int_equal(size_of(b), size);
    assert_int_equal(steps, 2);
    assert_int_equal(compact_all(b, NULL), STATUS_OK);
    assert_true(recording_read(b->path, &b->key, &after));
    assert_int_equal(after.seals, 2);
    assert_int_equal(after.text_len, before.text_len);
    assert_memory_equal(after.text, before.text, before.text_len);
    recording_free(&before);
    recording_free(&after);
    free(text);
}

/* What was changed behind our back does not get a new seal. */
static void
test_compact_refuses_forgery(void **state)
{
    struct bench *b = *state;
    struct error err;
    uint8_t byte = 0;
    cut(b, "header\n", false);
    cut(b, "one\n", true);
    assert_int_equal(frame_file_finish(b->file, NULL), STATUS_OK);
    const off_t size = size_of(b);
    for (off_t at = 0; at < size; at += 7) {
        const int fd = open(b->path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        if (at < size - 64) { /* the seek table is not read */
            assert_int_not_equal(compact_all(b, &err), STATUS_OK);
            assert_int_equal(size_of(b), size);
        }
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    assert_int_equal(compact_all(b, &err), STATUS_OK);
}

#define FRAMES(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FRAMES(test_whole),
        FRAMES(test_exists),
        FRAMES(test_failed_write),
        FRAMES(test_gone_or_cut),
        FRAMES(test_resume_at_every_length),
        FRAMES(test_resume_at_every_flip),
        FRAMES(test_resume_refuses_forgery),
        FRAMES(test_compact),
        FRAMES(test_compact_leaves_small_files),
        FRAMES(test_compact_in_steps),
        FRAMES(test_compact_refuses_forgery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
