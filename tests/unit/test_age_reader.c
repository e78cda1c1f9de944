/* Against the format's own test vectors (tests/golden/age: those of C2SP's age
 * testkit that have X25519 recipients and no armor), and against age_writer. */
#include "base/age_reader.h"

#include "base/age_header.h"
#include "base/age_stream.h"
#include "base/age_writer.h"
#include "base/digest.h"
#include "base/file.h"
#include "tests/support/age_keys.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define FILE_MAX (32u << 20)

static char folder[TEMP_DIR_MAX];

/* ---- Reading ---- */

/* An unnamed file of these bytes. */
static int
file_of(struct span bytes)
{
    struct error err;
    const int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_pwrite_all(fd, bytes, 0, &err), STATUS_OK);
    return fd;
}

/* From the beginning to the end, in odd pieces, appended to `plain`. */
static enum status
read_all(int fd, const struct age_identities *ids, struct buf *plain,
    struct error *err)
{
    struct age_reader *r = NULL;
    enum status st = age_reader_open(fd, ids, &r, err);
    size_t got = 1;
    while (st == STATUS_OK && got > 0) {
        uint8_t *dst = NULL;
        assert_int_equal(buf_reserve(plain, 100003, &dst), STATUS_OK);
        st = age_reader_pread(r, dst, 100003, plain->len, &got, err);
        if (st == STATUS_OK) {
            buf_commit(plain, got);
        }
    }
    if (st == STATUS_OK) {
        assert_int_equal(age_reader_len(r), plain->len);
    }
    age_reader_close(&r);
    return st;
}

static struct age_identities *
identities(struct span text)
{
    struct age_identities *ids = NULL;
    struct error err;
    assert_int_equal(age_identities_parse(text, &ids, &err), STATUS_OK);
    return ids;
}

/* ---- The format's vectors ---- */

struct vector {
    struct span expect;
    struct span payload; /* its SHA-256 in hex */
    struct span identity;
    bool is_compressed;
    struct span file;
};

static void
parse_vector(struct span text, struct vector *v)
{
    struct span line = SPAN_EMPTY;
    *v = (struct vector){.identity = SPAN_EMPTY, .payload = SPAN_EMPTY};
    while (span_take_until(&text, '\n', &line) && line.len > 0) {
        struct span name = SPAN_EMPTY;
        assert_true(span_take_until(&line, ':', &name));
        line = span_trim(line);
        if (span_eq_str(name, "expect")) {
            v->expect = line;
        } else if (span_eq_str(name, "payload")) {
            v->payload = line;
        } else if (span_eq_str(name, "identity")) {
            v->identity = line;
        } else if (span_eq_str(name, "compressed")) {
            assert_true(span_eq_str(line, "zlib"));
            v->is_compressed = true;
        }
    }
    v->file = text;
}

static void
inflate_into(struct span bytes, struct buf *out)
{
    uint8_t *dst = NULL;
    uLongf len = FILE_MAX;
    assert_int_equal(buf_reserve(out, FILE_MAX, &dst), STATUS_OK);
    assert_int_equal(uncompress(dst, &len, bytes.ptr, bytes.len), Z_OK);
    buf_commit(out, len);
}

static bool
is_sha256(struct span bytes, struct span hex)
{
    const struct sha256 sum = sha256_of(bytes);
    char text[2 * SHA256_LEN + 1];
    for (size_t i = 0; i < SHA256_LEN; i++) {
        snprintf(text + 2 * i, 3, "%02x", (unsigned)sum.bytes[i]);
    }
    return span_eq_str(hex, text);
}

static enum status
status_for(struct span expect)
{
    if (span_eq_str(expect, "success")) {
        return STATUS_OK;
    }
    return span_eq_str(expect, "no match") ? STATUS_DENIED : STATUS_CORRUPT;
}

/* What the vectors allow and these answers tell apart: another version is
 * unsupported, and so is a file without a recipient of our kind. */
static bool
is_answer(enum status st, struct span expect)
{
    return st == status_for(expect) ||
           (st == STATUS_UNSUPPORTED && status_for(expect) != STATUS_OK);
}

static void
check_vector(const char *name, struct span text)
{
    struct vector v;
    struct error err = {.text = ""};
    struct buf file;
    struct buf plain;
    buf_init(&file, FILE_MAX);
    buf_init(&plain, FILE_MAX);
    parse_vector(text, &v);
    if (v.is_compressed) {
        inflate_into(v.file, &file);
        v.file = buf_view(&file);
    }
    struct age_identities *ids =
        v.identity.len > 0 ? identities(v.identity) : NULL;
    const int fd = file_of(v.file);
    const enum status st = read_all(fd, ids, &plain, &err);
    if (!is_answer(st, v.expect)) {
        fail_msg("%s: %s (%s), expected %.*s", name, status_name(st), err.text,
            (int)v.expect.len, (const char *)v.expect.ptr);
    }
    if (st == STATUS_OK && !is_sha256(buf_view(&plain), v.payload)) {
        fail_msg("%s: another text", name);
    }
    close(fd);
    age_identities_free(&ids);
    buf_fini(&file);
    buf_fini(&plain);
}

static void
test_vectors(void **state)
{
    (void)state;
    DIR *dir = opendir(AGE_VECTORS);
    assert_non_null(dir);
    size_t count = 0;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.') {
            continue;
        }
        char path[4096];
        struct buf text;
        struct error err;
        buf_init(&text, FILE_MAX);
        snprintf(path, sizeof path, "%s/%s", AGE_VECTORS, e->d_name);
        assert_int_equal(file_read(path, &text, &err), STATUS_OK);
        check_vector(e->d_name, buf_view(&text));
        buf_fini(&text);
        count++;
    }
    closedir(dir);
    assert_int_equal(count, 67);
}

/* ---- With age_writer ---- */

static void
encrypt(struct span plain, struct buf *out)
{
    struct age_recipient to[2];
    struct age_writer *w = NULL;
    struct error err;
    assert_int_equal(
        age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_A), &to[0]), STATUS_OK);
    assert_int_equal(
        age_recipient_parse(SPAN_LIT(AGE_RECIPIENT_B), &to[1]), STATUS_OK);
    assert_int_equal(age_writer_new(to, 2, out, &w, &err), STATUS_OK);
    assert_int_equal(age_writer_feed(w, plain, out, &err), STATUS_OK);
    assert_int_equal(age_writer_finish(w, out, &err), STATUS_OK);
    age_writer_free(&w);
}

static uint8_t text[4 * AGE_CHUNK_LEN];

static void
check_round_trip(size_t len)
{
    static const char *const keys[] = {AGE_IDENTITY_A, AGE_IDENTITY_B};
    struct buf file;
    struct error err;
    buf_init(&file, FILE_MAX);
    encrypt(span_of(text, len), &file);
    const int fd = file_of(buf_view(&file));
    for (size_t i = 0; i < 2; i++) {
        struct age_identities *ids = identities(span_str(keys[i]));
        struct buf plain;
        buf_init(&plain, FILE_MAX);
        assert_int_equal(read_all(fd, ids, &plain, &err), STATUS_OK);
        assert_true(span_eq(buf_view(&plain), span_of(text, len)));
        buf_fini(&plain);
        age_identities_free(&ids);
    }
    close(fd);
    buf_fini(&file);
}

static void
test_round_trips(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 1000, AGE_CHUNK_LEN - 1,
        AGE_CHUNK_LEN, AGE_CHUNK_LEN + 1, 2 * AGE_CHUNK_LEN - 1,
        2 * AGE_CHUNK_LEN, 2 * AGE_CHUNK_LEN + 1, sizeof text};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        check_round_trip(lengths[i]);
    }
}

static void
test_reads_anywhere(void **state)
{
    (void)state;
    const uint64_t len = 3 * AGE_CHUNK_LEN + 100;
    struct age_identities *ids = identities(SPAN_LIT(AGE_IDENTITY_A));
    struct age_reader *r = NULL;
    struct buf file;
    struct error err;
    static uint8_t bytes[2 * AGE_CHUNK_LEN];
    buf_init(&file, FILE_MAX);
    encrypt(span_of(text, len), &file);
    const int fd = file_of(buf_view(&file));
    assert_int_equal(age_reader_open(fd, ids, &r, &err), STATUS_OK);
    age_identities_free(&ids); /* not needed any more */
    for (uint64_t at = 0; at < len + 50000; at += 20011) {
        size_t got = 0;
        const uint64_t from = (at * 7919) % (len + 50000);
        assert_int_equal(
            age_reader_pread(r, bytes, 70001, from, &got, &err), STATUS_OK);
        const uint64_t left = from < len ? len - from : 0;
        assert_int_equal(got, left < 70001 ? left : 70001);
        assert_memory_equal(bytes, text + (from < len ? from : 0), got);
    }
    size_t got = 1;
    assert_int_equal(
        age_reader_pread(r, bytes, 1, UINT64_MAX, &got, &err), STATUS_OK);
    assert_int_equal(got, 0);
    age_reader_close(&r);
    close(fd);
    buf_fini(&file);
}

static void
check_altered(struct span file, const struct age_identities *ids)
{
    struct buf plain;
    struct error err;
    buf_init(&plain, FILE_MAX);
    const int fd = file_of(file);
    const enum status st = read_all(fd, ids, &plain, &err);
    assert_true(st == STATUS_CORRUPT || st == STATUS_DENIED ||
                st == STATUS_UNSUPPORTED);
    close(fd);
    buf_fini(&plain);
}

static void
test_altered_and_cut(void **state)
{
    (void)state;
    struct age_identities *ids = identities(SPAN_LIT(AGE_IDENTITY_A));
    struct buf file;
    buf_init(&file, FILE_MAX);
    encrypt(span_of(text, AGE_CHUNK_LEN + 20), &file);
    const struct span whole = buf_view(&file);
    for (size_t i = 0; i < whole.len; i += i < 600 ? 1 : 4099) {
        file.data[file.off + i] ^= 0x10;
        check_altered(whole, ids);
        file.data[file.off + i] ^= 0x10;
        check_altered(span_of(whole.ptr, i), ids);
    }
    for (size_t cut = 1; cut < 40;
         cut++) { /* the last chunk, whole and in part */
        check_altered(span_of(whole.ptr, whole.len - cut), ids);
    }
    assert_int_equal(buf_append_str(&file, "x"), STATUS_OK);
    check_altered(buf_view(&file), ids);
    buf_fini(&file);
    age_identities_free(&ids);
}

/* A file that shrinks while it is read. */
static void
test_shrinks(void **state)
{
    (void)state;
    struct age_identities *ids = identities(SPAN_LIT(AGE_IDENTITY_A));
    struct age_reader *r = NULL;
    struct buf file;
    struct error err;
    uint8_t byte = 0;
    size_t got = 0;
    buf_init(&file, FILE_MAX);
    encrypt(span_of(text, sizeof text), &file);
    const int fd = file_of(buf_view(&file));
    assert_int_equal(age_reader_open(fd, ids, &r, &err), STATUS_OK);
    assert_int_equal(ftruncate(fd, 1000), 0);
    assert_int_equal(
        age_reader_pread(r, &byte, 1, 70000, &got, &err), STATUS_CORRUPT);
    age_reader_close(&r);
    close(fd);
    buf_fini(&file);
    age_identities_free(&ids);
}

static void
test_tells_whom_it_is_for(void **state)
{
    (void)state;
    struct age_identities *ids = identities(SPAN_LIT(AGE_IDENTITY_C));
    struct age_reader *r = NULL;
    struct buf file;
    struct error err;
    buf_init(&file, FILE_MAX);
    encrypt(SPAN_LIT("hello"), &file);
    const int fd = file_of(buf_view(&file));
    assert_int_equal(age_reader_open(fd, NULL, &r, &err), STATUS_DENIED);
    assert_string_equal(err.text, "encrypted to 2 recipients");
    assert_int_equal(age_reader_open(fd, ids, &r, &err), STATUS_DENIED);
    assert_non_null(strstr(err.text, "but to none"));
    assert_null(r);
    close(fd);
    buf_fini(&file);
    age_identities_free(&ids);
}

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(folder);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_reads_anywhere),
        cmocka_unit_test(test_altered_and_cut),
        cmocka_unit_test(test_shrinks),
        cmocka_unit_test(test_tells_whom_it_is_for),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
