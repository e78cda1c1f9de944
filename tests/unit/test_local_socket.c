#include "base/local_socket.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[TEMP_DIR_MAX];

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(dir);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

/* One byte through a socket at `path`. */
static void
talk(const char *path)
{
    int server = -1;
    int client = -1;
    int peer = -1;
    uid_t uid = (uid_t)-1;
    struct stat sb;
    char byte = 0;
    assert_int_equal(local_socket_listen(path, 4, &server, NULL), STATUS_OK);
    assert_int_equal(stat(path, &sb), 0);
    assert_true(S_ISSOCK(sb.st_mode));
    assert_int_equal(sb.st_mode & 0777, 0600);
    assert_int_equal(
        local_socket_accept(server, &peer, &uid, NULL), STATUS_CLOSED);
    assert_int_equal(local_socket_connect(path, &client, NULL), STATUS_OK);
    assert_int_equal(local_socket_accept(server, &peer, &uid, NULL), STATUS_OK);
    assert_int_equal(uid, geteuid());
    assert_int_equal(read(peer, &byte, 1), -1); /* does not block */
    assert_int_equal(write(client, "x", 1), 1);
    assert_int_equal(read(peer, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(client);
    close(peer);
    close(server);
}

static void
who_connects_is_known(void **state)
{
    (void)state;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/s.sock", dir);
    talk(path);
    talk(path); /* what the first left is in nobody's way */
}

static void
a_path_may_be_longer_than_an_address(void **state)
{
    (void)state;
    char folder[PATH_MAX];
    char path[PATH_MAX + 8];
    size_t len = (size_t)snprintf(folder, sizeof folder, "%s", dir);
    while (len < 300) {
        len += (size_t)snprintf(
            folder + len, sizeof folder - len, "/deeper-and-deeper");
    }
    assert_int_equal(file_make_dirs(folder, 0700, NULL), STATUS_OK);
    snprintf(path, sizeof path, "%s/s.sock", folder);
    talk(path);
}

static void
nobody_there_is_said(void **state)
{
    (void)state;
    char path[PATH_MAX];
    int fd = -1;
    snprintf(path, sizeof path, "%s/s.sock", dir);
    assert_int_equal(local_socket_connect(path, &fd, NULL), STATUS_NOT_FOUND);
    assert_int_equal(local_socket_listen(path, 4, &fd, NULL), STATUS_OK);
    close(fd); /* the file stays */
    assert_int_equal(local_socket_connect(path, &fd, NULL), STATUS_NOT_FOUND);
    snprintf(path, sizeof path, "%s/none/s.sock", dir);
    assert_int_equal(local_socket_listen(path, 4, &fd, NULL), STATUS_NOT_FOUND);
}

static void
users_have_names(void **state)
{
    (void)state;
    char name[LOCAL_USER_MAX];
    local_user_name(0, name);
    assert_string_equal(name, "root");
    local_user_name(3999999999u, name);
    assert_string_equal(name, "uid 3999999999");
}

#define SOCKET(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET(who_connects_is_known),
        SOCKET(a_path_may_be_longer_than_an_address),
        SOCKET(nobody_there_is_said),
        SOCKET(users_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
