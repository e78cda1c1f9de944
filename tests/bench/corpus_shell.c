/* See corpus_shell.h. */
#include "tests/bench/corpus_shell.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(words) (sizeof(words) / sizeof((words)[0]))
#define US_PER_MS    UINT64_C(1000)
#define WAIT_MS      10000 /* for a command; none takes a second */
#define REMEMBERED   4u

static const char *const commands[] = {"ls", "ls -la", "ls -la /etc", "pwd",
    "cd /etc", "cd /var/log", "cd /usr/share/doc", "cd ..", "cd",
    "ls -l --color=always /etc | head -40", "ps aux | head -20",
    "ps -ef | grep bash", "df -h", "free -m", "uptime", "env", "env | sort",
    "id", "date", "uname -a", "hostname", "cat /etc/os-release",
    "cat /etc/passwd", "cat /etc/hosts", "cat /etc/resolv.conf",
    "head -30 /proc/cpuinfo", "cat /proc/meminfo", "cat /proc/self/status",
    "mount | grep -v cgroup | head -20", "head -60 /etc/bash.bashrc",
    "tail -40 /var/log/dpkg.log", "tail -n 25 /var/log/apt/history.log",
    "grep -n status /var/log/dpkg.log | tail -15",
    "find /etc -name '*.conf' | head -40",
    "find /usr/share/doc -maxdepth 1 | head -30", "du -sh /etc 2>/dev/null",
    "wc -l /etc/*.conf", "stat /etc/passwd", "which bash python3 openssl",
    "echo $PATH", "ulimit -a", "dpkg -l | head -40", "dpkg -L bash | head -20",
    "cat /etc/apt/sources.list", "top -bn1 | head -30", "kubectl get pods",
    "sed -n 1,40p /etc/services", "diff /etc/hosts /etc/hostname",
    "for i in 1 2 3; do echo $i; done", "cat /etc/shells", "history | tail -5",
    "grep --color=always -rn nameserver /etc/*.conf", "cat settings.toml",
    "curl -s localhost:1/healthz", "python3 --version", "type ls"};

struct shell {
    struct corpus *random;
    corpus_shell_fn *fn;
    void *ctx;
    int fd;
    uint8_t end[16]; /* the last bytes of output */
    const char *last[REMEMBERED];
};

static void
must(bool is_done)
{
    if (!is_done) {
        abort();
    }
}

static void
be_bash(void)
{
    static const char *const env[][2] = {
        {"TERM", "xterm-256color"},
        {"HOME", "/"},
        {"HISTFILE", "/dev/null"},
        {"LANG", "C"},
        {"PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        {"KUBERNETES_SERVICE_HOST", "10.96.0.1"},
        {"PS1", "\\[\\e[01;32m\\]\\u@web-7c9d8b5f4-x2x9p\\[\\e[00m\\]:"
                "\\[\\e[01;34m\\]\\w\\[\\e[00m\\]$ "},
    };
    if (clearenv() != 0) {
        _exit(127);
    }
    for (size_t i = 0; i < COUNT(env); i++) {
        if (setenv(env[i][0], env[i][1], 1) != 0) {
            _exit(127);
        }
    }
    execl("/bin/bash", "bash", "--norc", "--noprofile", (char *)NULL);
    _exit(127);
}

static void
remember_end(struct shell *s, struct span bytes)
{
    const size_t n = bytes.len < sizeof s->end ? bytes.len : sizeof s->end;
    memmove(s->end, s->end + n, sizeof s->end - n);
    memcpy(s->end + sizeof s->end - n, bytes.ptr + bytes.len - n, n);
}

static bool
is_at_prompt(const struct shell *s)
{
    static const char prompt[] = "\x1b[00m$ "; /* perhaps an erasure behind */
    return memmem(s->end, sizeof s->end, prompt, sizeof prompt - 1) != NULL;
}

static void
read_chunk(struct shell *s, uint64_t pause_us)
{
    uint8_t bytes[32768];
    struct pollfd ready = {.fd = s->fd, .events = POLLIN};
    must(poll(&ready, 1, WAIT_MS) == 1);
    const ssize_t n = read(s->fd, bytes, sizeof bytes);
    must(n > 0);
    const struct span chunk = span_of(bytes, (size_t)n);
    remember_end(s, chunk);
    s->fn(s->ctx, pause_us, chunk);
}

static void
read_to_prompt(struct shell *s)
{
    do {
        read_chunk(s, corpus_random(s->random, 3000));
    } while (!is_at_prompt(s));
}

/* Most keys follow fast, some after a thought. */
static uint64_t
key_pause_us(struct corpus *c)
{
    const uint64_t share = corpus_random(c, 1000);
    return (60 + 400 * share * share * share / 1000000000) * US_PER_MS +
           corpus_random(c, 20000) +
           (corpus_random(c, 25) == 0 ? corpus_random(c, 2000000) : 0);
}

static void
press(struct shell *s, char key)
{
    must(write(s->fd, &key, 1) == 1);
    read_chunk(s, key_pause_us(s->random));
}

static void
type(struct shell *s, const char *command)
{
    for (const char *key = command; *key != '\0'; key++) {
        if (corpus_random(s->random, 30) == 0) {
            press(s, 'x'); /* a slip, and its repair */
            press(s, 0x7f);
        }
        press(s, *key);
    }
    memset(s->end, 0, sizeof s->end);
    must(write(s->fd, "\r", 1) == 1);
    read_to_prompt(s);
}

/* One in three is what was asked a moment ago: has it changed? */
static const char *
choose(struct shell *s, unsigned done)
{
    const char **slot = &s->last[done % REMEMBERED];
    const char *again = s->last[corpus_random(s->random, REMEMBERED)];
    *slot = again != NULL && corpus_random(s->random, 3) == 0
                ? again
                : commands[corpus_random(s->random, COUNT(commands))];
    return *slot;
}

void
corpus_shell_run(
    struct corpus *random, unsigned count, corpus_shell_fn *fn, void *ctx)
{
    const struct winsize size = {
        .ws_row = CORPUS_SHELL_ROWS, .ws_col = CORPUS_SHELL_COLUMNS};
    struct shell s = {.random = random, .fn = fn, .ctx = ctx};
    const pid_t pid = forkpty(&s.fd, NULL, NULL, &size);
    must(pid >= 0);
    if (pid == 0) {
        be_bash();
    }
    read_to_prompt(&s);
    for (unsigned done = 0; done < count; done++) {
        type(&s, choose(&s, done));
        /* To read it; now and then the telephone rings. */
        const uint64_t most_ms =
            corpus_random(random, 20) == 0 ? 120000 : 15000;
        fn(ctx, corpus_random(random, most_ms) * US_PER_MS, SPAN_EMPTY);
    }
    must(kill(pid, SIGKILL) == 0);
    must(waitpid(pid, NULL, 0) == pid);
    close(s.fd);
}
