/* Texts both ways, and sockets that are what they say. */
#include "base/address.h"

#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void
texts_round_trip(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
        int port;
    } cases[] = {
        {"127.0.0.1:6443", "127.0.0.1:6443", 6443},
        {"0.0.0.0:0", "0.0.0.0:0", 0},
        {"255.255.255.255:65535", "255.255.255.255:65535", 65535},
        {"localhost:80", "127.0.0.1:80", 80},
        {"[::1]:443", "[::1]:443", 443},
        {"[::]:1", "[::]:1", 1},
        {"[2001:DB8:0:0::1]:8", "[2001:db8::1]:8", 8},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", 65535},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address a;
        struct error err;
        char text[ADDRESS_TEXT_MAX];
        assert_int_equal(address_parse(cases[i].in, &a, &err), STATUS_OK);
        address_format(&a, text);
        assert_string_equal(text, cases[i].out);
        assert_int_equal(address_port(&a), cases[i].port);
    }
}

static void
other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", ":", ":80", "80", "127.0.0.1",
        "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1: 1", "127.0.0.1:1x", "127.0.0:1", "127.0.0.01:1",
        "1.2.3.4.5:1", "::1:80", "[::1]", "[::1]80", "[::1:80", "::1]:80",
        "[]:80", "[127.0.0.1]:80", "[localhost]:80", "LOCALHOST:80",
        "example.com:80", "localhost", "[::1%lo]:80", " 127.0.0.1:80",
        "1111111111111111111111111111111111111111111111111111111111:80"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct address a;
        struct error err;
        assert_int_equal(address_parse(texts[i], &a, &err), STATUS_INVALID);
        assert_non_null(strstr(err.text, texts[i]));
        assert_non_null(strstr(err.text, "expected"));
    }
}

static void
unknown_families_have_a_text(void **state)
{
    (void)state;
    struct address a = {.sa = {.ss_family = AF_UNIX}};
    char text[ADDRESS_TEXT_MAX];
    address_format(&a, text);
    assert_string_equal(text, "unknown");
    assert_int_equal(address_port(&a), 0);
}

/* Listens on `text`, which has port 0; *a_out is what it is bound to. */
static int
listen_on(const char *text, bool reuse_port, struct address *a_out)
{
    struct error err;
    struct address a;
    int fd = -1;
    assert_int_equal(address_parse(text, &a, &err), STATUS_OK);
    assert_int_equal(address_listen(&a, reuse_port, &fd, &err), STATUS_OK);
    assert_int_equal(address_of_socket(fd, a_out, &err), STATUS_OK);
    assert_true(address_port(a_out) > 0);
    return fd;
}

static void
a_listener_accepts_and_is_non_blocking(void **state)
{
    (void)state;
    struct address a;
    int fd = listen_on("localhost:0", false, &a);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&a.sa, a.len), 0);
    int peer = accept(fd, NULL, NULL);
    assert_true(peer >= 0);
    close(peer);
    close(client);
    close(fd);
}

static void
a_port_is_shared_only_when_asked(void **state)
{
    (void)state;
    struct address a;
    struct error err;
    int other = -1;
    int fd = listen_on("127.0.0.1:0", false, &a);
    assert_int_equal(address_listen(&a, true, &other, &err), STATUS_IO);
    assert_int_equal(err.sys_errno, EADDRINUSE);
    assert_non_null(strstr(err.text, "cannot listen on 127.0.0.1:"));
    assert_int_equal(other, -1);
    close(fd);
    fd = listen_on("127.0.0.1:0", true, &a);
    assert_int_equal(address_listen(&a, true, &other, &err), STATUS_OK);
    close(other);
    close(fd);
    assert_int_equal(address_of_socket(-1, &a, &err), STATUS_IO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_round_trip),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(unknown_families_have_a_text),
        cmocka_unit_test(a_listener_accepts_and_is_non_blocking),
        cmocka_unit_test(a_port_is_shared_only_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
