/* This project's side of the age format as a program, for test_age.py.
 *
 *   age_tool encrypt RECIPIENT… <plain >file
 *   age_tool decrypt IDENTITIES FILE >plain
 *
 * Exits 1, and says why, when that cannot be done. */
#include "base/age_reader.h"
#include "base/age_writer.h"
#include "base/file.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX       (1u << 20)
#define RECIPIENTS_MAX 16

static int
fail(const char *what)
{
    fprintf(stderr, "age_tool: %s\n", what);
    return 1;
}

/* Whatever `out` holds goes to standard output. */
static bool
pour(struct buf *out)
{
    const struct span s = buf_view(out);
    const bool ok = fwrite(s.ptr, 1, s.len, stdout) == s.len;
    buf_clear(out);
    return ok;
}

static int
encrypt(int count, char **names)
{
    struct age_recipient to[RECIPIENTS_MAX];
    struct age_writer *w = NULL;
    struct buf out;
    struct error err = {.text = "a recipient is none"};
    uint8_t plain[10007];
    buf_init(&out, TEXT_MAX);
    for (int i = 0; i < count; i++) {
        if (age_recipient_parse(span_str(names[i]), &to[i]) != STATUS_OK) {
            return fail(names[i]);
        }
    }
    enum status st = age_writer_new(to, (size_t)count, &out, &w, &err);
    size_t n = 1;
    while (st == STATUS_OK && n > 0 && pour(&out)) {
        n = fread(plain, 1, sizeof plain, stdin);
        st = age_writer_feed(w, span_of(plain, n), &out, &err);
    }
    if (st == STATUS_OK) {
        st = age_writer_finish(w, &out, &err);
    }
    const bool ok = st == STATUS_OK && pour(&out) && fflush(stdout) == 0;
    age_writer_free(&w);
    buf_fini(&out);
    return ok ? 0 : fail(err.text);
}

static enum status
open_reader(
    const char *identities, int fd, struct age_reader **out, struct error *err)
{
    struct age_identities *ids = NULL;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    enum status st = file_read(identities, &text, err);
    if (st == STATUS_OK) {
        st = age_identities_parse(buf_view(&text), &ids, err);
    }
    if (st == STATUS_OK) {
        st = age_reader_open(fd, ids, out, err);
    }
    age_identities_free(&ids);
    buf_wipe(&text);
    return st;
}

static int
decrypt(const char *identities, const char *path)
{
    struct age_reader *r = NULL;
    struct error err = {.text = "cannot write"};
    static uint8_t plain[100003];
    uint64_t at = 0;
    size_t got = 1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum status st = open_reader(identities, fd, &r, &err);
    while (st == STATUS_OK && got > 0) {
        st = age_reader_pread(r, plain, sizeof plain, at, &got, &err);
        if (st == STATUS_OK && fwrite(plain, 1, got, stdout) != got) {
            st = STATUS_IO;
        }
        at += got;
    }
    age_reader_close(&r);
    (void)close(fd);
    return st == STATUS_OK && fflush(stdout) == 0 ? 0 : fail(err.text);
}

int
main(int argc, char **argv)
{
    if (argc > 2 && argc - 2 <= RECIPIENTS_MAX &&
        strcmp(argv[1], "encrypt") == 0) {
        return encrypt(argc - 2, argv + 2);
    }
    if (argc == 4 && strcmp(argv[1], "decrypt") == 0) {
        return decrypt(argv[2], argv[3]);
    }
    return fail("usage: encrypt RECIPIENT… | decrypt IDENTITIES FILE");
}
