/* Reads with a cap, writes that are whole or not there, locks that hold. */
#include "base/file.h"

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[TEMP_DIR_MAX];

/* A path in the folder of this test; one at a time. */
static const char *
in_folder(const char *name)
{
    static char path[PATH_MAX];
    struct error err;
    assert_int_equal(
        file_join(path, sizeof(path), folder, name, &err), STATUS_OK);
    return path;
}

static mode_t
mode_of(const char *path)
{
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    return sb.st_mode & 07777;
}

static size_t
count_entries(void)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    size_t n = 0;
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n - 2;
}

static void
atomic_write_then_read(void **state)
{
    (void)state;
    struct error err;
    struct buf out;
    const char *path = in_folder("a");
    mode_t umask_before = umask(077);
    assert_int_equal(
        file_write_atomic(path, SPAN_LIT("old"), 0600, &err), STATUS_OK);
    assert_int_equal(
        file_write_atomic(path, SPAN_LIT("new\0bytes"), 0644, &err), STATUS_OK);
    umask(umask_before);
    assert_int_equal(mode_of(path), 0644); /* whatever the umask */
    assert_int_equal(count_entries(), 1);  /* no temporary file left */
    buf_init(&out, 100);
    assert_int_equal(buf_append_str(&out, "="), STATUS_OK);
    assert_int_equal(file_read(path, &out, &err), STATUS_OK);
    assert_true(span_eq(buf_view(&out), SPAN_LIT("=new\0bytes")));
    buf_fini(&out);
    assert_int_equal(unlink(path), 0);
}

static void
read_stops_at_the_cap(void **state)
{
    (void)state;
    struct error err;
    struct buf out;
    const char *path = in_folder("cap");
    assert_int_equal(
        file_write_atomic(path, SPAN_LIT("12345"), 0600, &err), STATUS_OK);
    buf_init(&out, 5);
    assert_int_equal(file_read(path, &out, &err), STATUS_OK);
    assert_true(span_eq_str(buf_view(&out), "12345"));
    buf_fini(&out);
    buf_init(&out, 4);
    assert_int_equal(file_read(path, &out, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.text, "larger than 4 bytes"));
    assert_int_equal(buf_view(&out).len, 0);
    buf_fini(&out);
    assert_int_equal(unlink(path), 0);
}

/* A file of the kernel says it is empty; it must be read all the same. */
static void
read_believes_no_size(void **state)
{
    (void)state;
    struct error err;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(file_read("/proc/self/status", &out, &err), STATUS_OK);
    assert_true(span_starts_with(buf_view(&out), "Name:"));
    buf_fini(&out);
}

static void
refusals_name_the_file(void **state)
{
    (void)state;
    struct error err;
    struct buf out;
    buf_init(&out, 10);
    assert_int_equal(
        file_read(in_folder("none"), &out, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "/none: No such file"));
    assert_int_equal(file_read(folder, &out, &err), STATUS_IO);
    assert_int_equal(err.sys_errno, EISDIR);
    assert_int_equal(
        file_write_atomic(in_folder("no/file"), SPAN_EMPTY, 0600, &err),
        STATUS_NOT_FOUND);
    assert_int_equal(mkdir(in_folder("full"), 0700), 0);
    assert_int_equal(mkdir(in_folder("full/x"), 0700), 0);
    assert_int_equal(
        file_write_atomic(in_folder("full"), SPAN_EMPTY, 0600, &err),
        STATUS_IO);
    assert_int_equal(count_entries(), 1); /* the temporary file is gone */
    assert_int_equal(rmdir(in_folder("full/x")), 0);
    assert_int_equal(rmdir(in_folder("full")), 0);
    assert_int_equal(file_fsync_dir(in_folder("none"), &err), STATUS_NOT_FOUND);
    assert_int_equal(file_fsync_dir(folder, &err), STATUS_OK);
    buf_fini(&out);
}

static void
positioned_reads_and_writes(void **state)
{
    (void)state;
    struct error err;
    int fd = open(in_folder("p"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(
        file_pwrite_all(fd, SPAN_LIT("world"), 6, &err), STATUS_OK);
    assert_int_equal(
        file_pwrite_all(fd, SPAN_LIT("hello "), 0, &err), STATUS_OK);
    char text[32];
    size_t got = 0;
    assert_int_equal(
        file_pread(fd, text, sizeof(text), 2, &got, &err), STATUS_OK);
    assert_int_equal(got, 9);
    assert_memory_equal(text, "llo world", 9);
    assert_int_equal(file_pread(fd, text, 3, 0, &got, &err), STATUS_OK);
    assert_int_equal(got, 3);
    assert_int_equal(file_pread(fd, text, 3, 11, &got, &err), STATUS_OK);
    assert_int_equal(got, 0);
    close(fd);
    assert_int_equal(file_pread(fd, text, 3, 0, &got, &err), STATUS_IO);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    assert_int_equal(
        file_pwrite_all(full, SPAN_LIT("x"), 0, &err), STATUS_NO_SPACE);
    close(full);
    assert_int_equal(unlink(in_folder("p")), 0);
}

/* Nobody is at the FIFO's other end: an open that waits would hang the test. */
static void
only_a_regular_file_is_opened(void **state)
{
    (void)state;
    struct error err;
    int fd = -1;
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(mkdir(in_folder("dir"), 0700), 0);
    assert_int_equal(symlink("/etc/passwd", in_folder("link")), 0);
    static const char *const others[] = {"fifo", "dir", "link"};
    static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR | O_CREAT};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(
                file_open_regular(in_folder(others[i]), flags[j], &fd, &err),
                STATUS_CORRUPT);
            assert_non_null(strstr(err.text, others[i]));
            assert_non_null(strstr(err.text, "no regular file"));
        }
    }
    assert_int_equal(fd, -1);
    assert_int_equal(file_open_regular(in_folder("none"), O_RDONLY, &fd, &err),
        STATUS_NOT_FOUND);
    assert_int_equal(
        file_open_regular(in_folder("new"), O_RDWR | O_CREAT, &fd, &err),
        STATUS_OK);
    assert_int_equal(file_pwrite_all(fd, SPAN_LIT("x"), 0, &err), STATUS_OK);
    close(fd);
    assert_int_equal(unlink(in_folder("new")), 0);
    assert_int_equal(unlink(in_folder("fifo")), 0);
    assert_int_equal(unlink(in_folder("link")), 0);
    assert_int_equal(rmdir(in_folder("dir")), 0);
}

static void
make_dirs_makes_what_is_missing(void **state)
{
    (void)state;
    struct error err;
    mode_t umask_before = umask(077);
    assert_int_equal(
        file_make_dirs(in_folder("x//y/z/"), 0750, &err), STATUS_OK);
    umask(umask_before);
    assert_int_equal(mode_of(in_folder("x")), 0750);
    assert_int_equal(mode_of(in_folder("x/y/z")), 0750);
    assert_int_equal(file_make_dirs(in_folder("x/y/z"), 0700, &err), STATUS_OK);
    assert_int_equal(mode_of(in_folder("x/y/z")), 0750); /* not a new one */
    assert_int_equal(file_make_dirs("/", 0700, &err), STATUS_OK);
    assert_int_equal(file_make_dirs("", 0700, &err), STATUS_NOT_FOUND);
    assert_int_equal(
        file_make_parent(in_folder("x/y/z/file"), 0700, &err), STATUS_OK);
    assert_int_equal(access(in_folder("x/y/z/file"), F_OK), -1);
    assert_int_equal(file_make_parent("file", 0700, &err), STATUS_OK);
    assert_int_equal(
        file_write_atomic(in_folder("x/f"), SPAN_EMPTY, 0600, &err), STATUS_OK);
    assert_int_equal(file_make_dirs(in_folder("x/f"), 0700, &err), STATUS_IO);
    assert_int_equal(file_make_dirs(in_folder("x/f/g"), 0700, &err), STATUS_IO);
    assert_int_equal(err.sys_errno, ENOTDIR);
    assert_int_equal(unlink(in_folder("x/f")), 0);
    assert_int_equal(rmdir(in_folder("x/y/z")), 0);
    assert_int_equal(rmdir(in_folder("x/y")), 0);
    assert_int_equal(rmdir(in_folder("x")), 0);
}

static void
join_puts_one_slash(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"/a", "b", "/a/b"},
        {"/a/", "b", "/a/b"},
        {"/a//", "/b", "/a/b"},
        {"/", "b", "/b"},
        {"", "b", "b"},
        {"a", "b/c", "a/b/c"},
    };
    char out[8];
    struct error err;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            file_join(out, sizeof(out), cases[i][0], cases[i][1], &err),
            STATUS_OK);
        assert_string_equal(out, cases[i][2]);
    }
    assert_int_equal(
        file_join(out, sizeof(out), "abc", "def", &err), STATUS_OK);
    assert_string_equal(out, "abc/def");
    assert_int_equal(
        file_join(out, sizeof(out), "abc", "defg", &err), STATUS_LIMIT);
    assert_int_equal(
        file_join(out, sizeof(out), "abcdefghi", "", &err), STATUS_LIMIT);
    assert_int_equal(
        file_join(out, sizeof(out), "", "abcdefgh", &err), STATUS_LIMIT);
}

static void
a_lock_excludes_another_descriptor(void **state)
{
    (void)state;
    struct error err;
    const char *path = in_folder("lock");
    bool is_locked = true;
    assert_int_equal(file_is_locked(path, &is_locked, &err), STATUS_OK);
    assert_false(is_locked);

    int fd = -1;
    int other = -1;
    assert_int_equal(file_lock(path, &fd, &err), STATUS_OK);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(file_lock(path, &other, &err), STATUS_EXISTS);
    assert_int_equal(other, -1);
    char pid[16];
    (void)snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_int_equal(file_is_locked(path, &is_locked, &err), STATUS_OK);
    assert_true(is_locked);

    close(fd);
    assert_int_equal(file_is_locked(path, &is_locked, &err), STATUS_OK);
    assert_false(is_locked);
    assert_int_equal(unlink(path), 0);
}

/* kill -9 leaves the file but not the lock. */
static void
a_lock_ends_with_its_process(void **state)
{
    (void)state;
    struct error err;
    const char *path = in_folder("lock");
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = -1;
        bool held = file_lock(path, &fd, NULL) == STATUS_OK;
        if (write(ready[1], held ? "y" : "n", 1) == 1) {
            pause();
        }
        _exit(0);
    }
    char answer = 0;
    assert_int_equal(read(ready[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    int fd = -1;
    assert_int_equal(file_lock(path, &fd, &err), STATUS_EXISTS);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(file_lock(path, &fd, &err), STATUS_OK);
    close(fd);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(unlink(path), 0);
}

/* A holder that goes within the wait leaves the lock to the one who waits; one
 * that stays is named as ever. */
static void
a_lock_is_waited_for(void **state)
{
    (void)state;
    struct error err;
    const char *path = in_folder("lock");
    int held = -1;
    int fd = -1;
    assert_int_equal(file_lock(path, &held, &err), STATUS_OK);
    assert_int_equal(file_lock_wait(path, 40, &fd, &err), STATUS_EXISTS);
    assert_non_null(strstr(err.text, "is locked by process"));
    const pid_t pid = fork();
    if (pid == 0) {
        close(held); /* the lock is the parent's still */
        int mine = -1;
        const enum status st = file_lock_wait(path, 10000, &mine, NULL);
        _exit(st == STATUS_OK ? 0 : 1);
    }
    close(held);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(unlink(path), 0);
}

static int
make_folder(void **state)
{
    (void)state;
    temp_dir_make(folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left something behind */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(atomic_write_then_read),
        cmocka_unit_test(read_stops_at_the_cap),
        cmocka_unit_test(read_believes_no_size),
        cmocka_unit_test(refusals_name_the_file),
        cmocka_unit_test(positioned_reads_and_writes),
        cmocka_unit_test(only_a_regular_file_is_opened),
        cmocka_unit_test(make_dirs_makes_what_is_missing),
        cmocka_unit_test(join_puts_one_slash),
        cmocka_unit_test(a_lock_excludes_another_descriptor),
        cmocka_unit_test(a_lock_ends_with_its_process),
        cmocka_unit_test(a_lock_is_waited_for),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
