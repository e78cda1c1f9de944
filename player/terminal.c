/* Signals that end us are blocked but while we wait (ppoll), so that none comes
 * between a check and the wait, and the way out always leads through
 * terminal_close. */
#include "player/terminal.h"

#include "base/clock.h"
#include "player/output.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct terminal {
    bool is_raw;       /* `saved` is to be put back */
    bool is_shown;     /* standard output is a terminal and was written to */
    bool is_alternate; /* the recording is on the alternate screen */
    struct termios saved;
    sigset_t saved_mask;
};

/* What ends us arrives only while we wait, so none slips in between. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static volatile sig_atomic_t is_ended;

static void
on_signal(int signo)
{
    (void)signo;
    is_ended = 1;
}

static void
catch_signals(struct terminal *t)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t mask;
    sigemptyset(&mask);
    is_ended = 0;
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
        sigaddset(&mask, ending[i]);
        sigaction(ending[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &mask, &t->saved_mask);
}

static void
release_signals(const struct terminal *t)
{
    const struct sigaction action = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
        sigaction(ending[i], &action, NULL);
    }
    sigprocmask(SIG_SETMASK, &t->saved_mask, NULL);
}

static enum status
enter_raw(struct terminal *t, bool translates, struct error *err)
{
    if (tcgetattr(STDIN_FILENO, &t->saved) != 0) {
        return error_sys(err, errno, "cannot ask the terminal its modes");
    }
    struct termios raw = t->saved;
    cfmakeraw(&raw);
    if (translates) {
        raw.c_oflag |= OPOST | ONLCR;
    }
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0) {
        return error_sys(err, errno, "cannot set the terminal's modes");
    }
    t->is_raw = true;
    return STATUS_OK;
}

enum status
terminal_open(bool translates, struct terminal **out, struct error *err)
{
    struct terminal *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    enum status st = STATUS_OK;
    catch_signals(t);
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        st = enter_raw(t, translates, err);
    }
    if (st == STATUS_OK) {
        *out = t;
        t = NULL;
    }
    terminal_close(&t);
    return st;
}

/* Attributes, cursor, wrap, mouse, paste and keypad modes to their defaults
 * (ECMA-48; XTerm Control Sequences, "DEC Private Mode"). */
static void
undo(const struct terminal *t)
{
    static const char modes[] =
        "\033[m\033[?25h\033[?7h\033[?1000l\033[?1002l\033[?1003l\033[?1006l"
        "\033[?2004l\033[?1l\033>\033(B";
    static const char leave[] = "\033[?1049l";
    const char *text = modes;
    size_t len = sizeof modes - 1;
    if (t->is_alternate && write(STDOUT_FILENO, leave, sizeof leave - 1) < 0) {
        return; /* the terminal is gone, and with it what was to be undone */
    }
    while (len > 0) {
        const ssize_t n = write(STDOUT_FILENO, text, len);
        if (n <= 0) {
            return;
        }
        text += n;
        len -= (size_t)n;
    }
}

void
terminal_close(struct terminal **t)
{
    if (*t == NULL) {
        return;
    }
    if ((*t)->is_shown) {
        undo(*t);
    }
    if ((*t)->is_raw) {
        /* FLUSH drops late answers to queries, or the shell would read them */
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &(*t)->saved);
    }
    release_signals(*t);
    free(*t);
    *t = NULL;
}

/* What was typed. Whatever begins with ESC is a cursor key or an answer. */
static enum terminal_key
read_key(void)
{
    char bytes[256];
    const ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno == EIO)) {
        return TERMINAL_QUIT; /* the terminal is gone */
    }
    if (n < 0 || bytes[0] == '\033') {
        return TERMINAL_NOTHING;
    }
    switch (bytes[0]) {
    case ' ':
        return TERMINAL_PAUSE;
    case 'q':
    case 'Q':
    case 0x03:
    case 0x04:
        return TERMINAL_QUIT;
    default:
        return TERMINAL_NOTHING;
    }
}

enum terminal_key
terminal_wait(struct terminal *t, uint64_t deadline_ns)
{
    const uint64_t now = clock_mono_ns(&clock_system);
    const uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    const struct timespec timeout = {
        .tv_sec = (time_t)(left / 1000000000u),
        .tv_nsec = (long)(left % 1000000000u),
    };
    struct pollfd key = {.fd = t->is_raw ? STDIN_FILENO : -1, .events = POLLIN};
    const bool is_endless = deadline_ns == UINT64_MAX;
    const int ready =
        ppoll(&key, 1, is_endless ? NULL : &timeout, &t->saved_mask);
    if (is_ended) {
        return TERMINAL_QUIT;
    }
    return ready > 0 ? read_key() : TERMINAL_NOTHING;
}

/* The last switch to or from the alternate screen in `bytes`. One that is
 * split between two events is missed, and costs a wrong guess at the end. */
static void
note_screen(struct terminal *t, struct span bytes)
{
    static const char *const modes[] = {"\033[?1049", "\033[?47", "\033[?1047"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        const size_t len = strlen(modes[i]);
        struct span rest = bytes;
        const uint8_t *hit = memmem(rest.ptr, rest.len, modes[i], len);
        while (hit != NULL) {
            (void)span_skip(&rest, (size_t)(hit - rest.ptr) + len);
            if (rest.len > 0 && (rest.ptr[0] == 'h' || rest.ptr[0] == 'l')) {
                t->is_alternate = rest.ptr[0] == 'h';
            }
            hit = memmem(rest.ptr, rest.len, modes[i], len);
        }
    }
}

enum status
terminal_show(struct terminal *t, struct span bytes, struct error *err)
{
    if (!t->is_shown && isatty(STDOUT_FILENO)) {
        t->is_shown = true;
    }
    note_screen(t, bytes);
    while (bytes.len > 0) {
        const ssize_t n = write(STDOUT_FILENO, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return output_stdout_error(errno, err);
        }
        (void)span_skip(&bytes, (size_t)n);
    }
    return STATUS_OK;
}

bool
terminal_size(uint16_t *columns_out, uint16_t *rows_out)
{
    static const int fds[] = {STDOUT_FILENO, STDERR_FILENO};
    struct winsize size;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (ioctl(fds[i], TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
            *columns_out = size.ws_col;
            *rows_out = size.ws_row;
            return true;
        }
    }
    return false;
}
