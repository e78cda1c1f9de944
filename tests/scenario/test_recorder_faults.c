/* Every call of the recorder that can fail, failed: the n-th of a kind, for
 * every n, while it records a scripted set of sessions.
 *
 *   test_recorder_faults KIND [EVERY [SEED]] [-t N MODE]
 *
 * EVERY k-th n only, from one that SEED gives; -t runs a single n, and says
 * from where the failing call came. Each n is run three times:
 *
 *   once       one call fails, and the recorder goes on by itself
 *   killed     one call fails, and the recorder is killed right afterwards
 *   for good   that call and all later ones of the kind fail; in the end the
 *              recorder is killed, and started again on a machine that works
 *
 * Whatever happened, at no moment does the index call a recording complete
 * that is not, and in the end every session reads as it does without faults:
 * the same text to the last byte, sealed, in the index, the journal gone.
 */
#include "recorder/recorder.h"

#include "base/file.h"
#include "recorder/complaints.h"
#include "tests/support/fail_call.h"
#include "tests/support/journal_maker.h"
#include "tests/support/recording.h"
#include "tests/support/temp_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_US 1764028800000000 /* 2025-11-25T00:00:00Z */
#define DAY_DIR  "recordings/2025/11/25"
#define MS       1000000u
#define TICK_MS  250u
#define PATIENCE 400u /* ticks until everything is recorded */
#define SEAL_MS  500u
/* Lines of a fault for good: one for each that fails, every ten seconds. */
#define COMPLAINTS_OK 16u

enum mode {
    MODE_NONE,
    MODE_ONCE,
    MODE_KILLED,
    MODE_FOR_GOOD,
    MODE_COUNT
};
static const char *const mode_name[MODE_COUNT] = {
    "none", "once", "killed", "for-good"};

enum who {
    TERMINAL,
    PLAIN,
    CUT,
    LARGE,
    REFUSED,
    WHO_COUNT
};

/* What is the same in every run. */
static struct uuid ids[WHO_COUNT];
static struct signer *signer;
static struct ed25519_public key;
static struct recording wanted[WHO_COUNT];
static bool is_traced;

struct world {
    char state[TEMP_DIR_MAX];
    uint64_t mono_ns;
    int64_t wall_us;
    struct clock clock;
    struct log log;
    int log_fd;
    struct complaints complaints; /* of what is the loop's in the program */
    struct recorder *recorder;    /* NULL: it could not start */
    struct journal_maker journal;
    uint64_t session[WHO_COUNT];
    enum mode mode;
    bool is_killed;
};

/* What the children tell the parent. */
struct tally {
    unsigned hits;
    unsigned silent;     /* a fault that no line told of */
    unsigned most_lines; /* of one fault that happened once */
    unsigned most_for_good;
};
static struct tally *tally;

static void
must(bool is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "FINDING: %s\n", what);
        exit(1);
    }
}

static uint64_t
mono_ns(void *self)
{
    return ((struct world *)self)->mono_ns;
}

static int64_t
wall_us(void *self)
{
    return ((struct world *)self)->wall_us;
}

/* --- the recorder -------------------------------------------------------- */

static void
look(struct world *w)
{
    struct error err;
    if (recorder_look_for_workers(w->recorder, NULL, NULL, &err) != STATUS_OK &&
        complaints_are_new(
            &w->complaints, "journal.look", err.code, w->mono_ns)) {
        log_error(&w->log, "journal.look", &err);
    }
}

/* As main would; a start that fails is tried again by who supervises. */
static void
start(struct world *w)
{
    struct error err;
    const struct recorder_options options = {
        .state_dir = w->state,
        .signer = signer,
        .clock = &w->clock,
        .log = &w->log,
        .seal_interval_ms = SEAL_MS,
    };
    if (recorder_new(&options, &w->recorder, &err) != STATUS_OK) {
        log_error(&w->log, "recorder.start", &err);
        return;
    }
    look(w);
}

static void
read_on(struct world *w)
{
    bool more = true;
    while (more) {
        recorder_read(w->recorder, &more);
    }
}

static void
tick(struct world *w)
{
    w->mono_ns += (uint64_t)TICK_MS * MS;
    w->wall_us += (int64_t)TICK_MS * 1000;
    if (w->recorder == NULL) {
        start(w);
    }
    if (w->recorder != NULL) {
        look(w);
        read_on(w);
        recorder_tick(w->recorder);
    }
}

static void
kill_recorder(struct world *w)
{
    recorder_free(&w->recorder);
}

/* The recorder's turn: calls fail only in here. */
static void
drive(struct world *w, unsigned ticks)
{
    fail_call_go_on();
    for (unsigned i = 0; i < ticks; i++) {
        tick(w);
        if (w->mode == MODE_KILLED && fail_call_was_hit() && !w->is_killed) {
            w->is_killed = true;
            kill_recorder(w);
        }
    }
    fail_call_pause();
}

/* --- the script ---------------------------------------------------------- */

static void
recording_path(const struct world *w, enum who who, char out[512])
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&ids[who], text);
    snprintf(out, 512, "%s/" DAY_DIR "/%s.cast.zst", w->state, text);
}

static void
put(struct world *w, enum who who, enum journal_stream stream, const char *text)
{
    w->journal.mono_ns += 10 * MS;
    journal_maker_data(&w->journal, w->session[who], stream, text);
}

static void
close_session(struct world *w, enum who who, const char *json)
{
    journal_maker_note(&w->journal, JOURNAL_CLOSE, w->session[who], json);
}

static void
open_session(struct world *w, enum who who, const char *facts)
{
    w->session[who] =
        journal_maker_open_session(&w->journal, &ids[who], START_US, facts);
}

/* Small frames, enough of them to be joined in the end. */
static void
type(struct world *w)
{
    for (int i = 0; i < 9; i++) {
        put(w, TERMINAL, STREAM_STDOUT, "$ ls\r\nfile \xe2\x82\xac\r\n");
        drive(w, 3);
    }
}

static void
print_much(struct world *w)
{
    char line[4096];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    for (int i = 0; i < 100; i++) { /* above one frame's text */
        put(w, LARGE, STREAM_STDOUT, line);
    }
}

/* A crash in the middle of a frame: what is there is gone on with. */
static void
crash(struct world *w)
{
    char path[512];
    recording_path(w, TERMINAL, path);
    kill_recorder(w);
    const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0) { /* else a fault was before it */
        must(write(fd, "\x28\xb5\x2f\xfd torn", 9) == 9, "a torn frame");
        close(fd);
    }
}

#define EXITED_3                                                          \
    "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":" \
    "{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"3\"}]}}"

static void
script(struct world *w)
{
    open_session(w, TERMINAL, "\"tty\":true");
    /* At once: who waits for it longer than a second has another header. */
    journal_maker_size(&w->journal, w->session[TERMINAL], 120, 40);
    open_session(w, PLAIN, "");
    open_session(w, REFUSED, "");
    close_session(
        w, REFUSED, "{\"status\":\"refused\",\"reason\":\"by policy\"}");
    journal_maker_put(&w->journal, JOURNAL_EVENT, 0, STREAM_STDIN,
        SPAN_LIT("{\"user\":\"alice\",\"type\":\"exec\"}"));
    drive(w, 1);
    type(w);
    put(w, PLAIN, STREAM_STDIN, "in\n");
    drive(w, 3);
    crash(w);
    put(w, PLAIN, STREAM_STDOUT, "out \xff\n");
    put(w, PLAIN, STREAM_STDERR, "err\n");
    journal_maker_note(&w->journal, JOURNAL_NOTE, w->session[PLAIN],
        "{\"container\":\"app\"}");
    journal_maker_note(
        &w->journal, JOURNAL_STATUS, w->session[PLAIN], EXITED_3);
    close_session(w, TERMINAL, "{\"status\":\"complete\"}");
    drive(w, 1);
    open_session(w, CUT, "");
    open_session(w, LARGE, "");
    put(w, CUT, STREAM_STDOUT, "and then ");
    print_much(w);
    close_session(w, PLAIN, "{\"status\":\"complete\"}");
    drive(w, 2);
    put(w, CUT, STREAM_STDOUT, "it died\n");
    close_session(w, LARGE, "{\"status\":\"complete\"}");
    journal_maker_close(&w->journal); /* the worker's end */
    drive(w, 16);
}

/* --- what came of it ----------------------------------------------------- */

/* status, or "" without a row. */
static void
row_status(const struct world *w, enum who who, char out[16], bool *sealed_out)
{
    char path[512];
    char text[UUID_TEXT_LEN + 1];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    uuid_format(&ids[who], text);
    snprintf(path, sizeof path, "%s/index.db", w->state);
    out[0] = '\0';
    *sealed_out = false;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db,
            "SELECT status, sealed FROM sessions WHERE id = ?", -1, &stmt,
            NULL) == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            snprintf(out, 16, "%s", (const char *)sqlite3_column_text(stmt, 0));
            *sealed_out = sqlite3_column_int(stmt, 1) != 0;
        }
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
}

static bool
is_as_wanted(const struct world *w, enum who who)
{
    char path[512];
    struct recording r;
    recording_path(w, who, path);
    if (!recording_read(path, &key, &r)) {
        return false;
    }
    const bool is_same = r.is_final && r.has_table &&
                         r.text_len == wanted[who].text_len &&
                         memcmp(r.text, wanted[who].text, r.text_len) == 0;
    if (!is_same) {
        fprintf(stderr, "session %d: final %d table %d text:\n%.3000s\n", who,
            r.is_final, r.has_table, r.text);
    }
    recording_free(&r);
    return is_same;
}

/* At no moment does a row promise more than its file holds. */
static void
check_rows(const struct world *w)
{
    for (enum who who = TERMINAL; who <= LARGE; who++) {
        char status[16];
        bool is_sealed;
        row_status(w, who, status, &is_sealed);
        if (is_sealed || strcmp(status, "complete") == 0) {
            must(is_as_wanted(w, who), "a row promises what no file holds");
        }
    }
}

static void
check_files(const struct world *w, enum fail_kind kind)
{
    char path[512];
    snprintf(path, sizeof path, "%s/" DAY_DIR, w->state);
    DIR *dir = opendir(path);
    must(dir != NULL, "no folder of recordings");
    unsigned count = 0;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        count += e->d_name[0] != '.';
        /* A disk that refused to remove it may leave one, which is nothing. */
        if (strstr(e->d_name, ".tmp") != NULL) {
            must(kind == FAIL_NAME && w->mode == MODE_FOR_GOOD,
                "a temporary file is left");
            count--;
        }
    }
    closedir(dir);
    must(count == LARGE + 2, "another number of files: a day's and sessions'");
    must(access(w->journal.dir, F_OK) != 0, "the journal is left");
}

static void
check_end(const struct world *w, enum fail_kind kind)
{
    static const char *const status[WHO_COUNT] = {
        "complete", "complete", "failed", "complete", "refused"};
    for (enum who who = TERMINAL; who < WHO_COUNT; who++) {
        char have[16];
        bool is_sealed;
        row_status(w, who, have, &is_sealed);
        if (strcmp(have, status[who]) != 0) {
            fprintf(stderr, "session %d is '%s'\n", who, have);
            must(false, "another status");
        }
        must(is_sealed || who == REFUSED, "not sealed");
        must(who == REFUSED || is_as_wanted(w, who), "another recording");
    }
    check_files(w, kind);
}

/* Lines of errors; of starts that fail there is one each. */
struct lines {
    unsigned starts;
    unsigned others;
};

static struct lines
errors_told(const struct world *w)
{
    static char text[1u << 20];
    static const char mark[] = "Z error ";
    struct lines lines = {0, 0};
    const ssize_t len = pread(w->log_fd, text, sizeof text - 1, 0);
    must(len >= 0, "the log cannot be read");
    text[len] = '\0';
    for (const char *at = text; (at = strstr(at, mark)) != NULL;) {
        at += strlen(mark);
        if (strncmp(at, "recorder.start ", 15) == 0) {
            lines.starts++;
        } else {
            lines.others++;
        }
    }
    if (is_traced) {
        fputs(text, stderr);
    }
    return lines;
}

/* --- one run ------------------------------------------------------------- */

static void
world_init(struct world *w, enum mode mode)
{
    *w = (struct world){.mode = mode, .wall_us = START_US};
    w->mono_ns = 5000000000;
    w->clock = (struct clock){mono_ns, wall_us, w};
    temp_dir_make(w->state);
    w->log_fd = memfd_create("log", 0);
    w->log = (struct log){.fd = w->log_fd,
        .level = LOG_INFO,
        .clock = &w->clock,
        .program = "test"};
    journal_maker_open(&w->journal, w->state);
}

static void
world_fini(struct world *w)
{
    recorder_free(&w->recorder);
    close(w->log_fd);
    temp_dir_remove(w->state);
}

static bool
is_done(const struct world *w)
{
    return w->recorder != NULL && recorder_sessions(w->recorder) == 0 &&
           recorder_workers(w->recorder) == 0;
}

static void
finish(struct world *w)
{
    if (w->mode == MODE_FOR_GOOD) {
        fail_call_plan(FAIL_ALLOC, 0, false); /* the machine works again */
        fail_call_pause();
        kill_recorder(w);
    }
    for (unsigned i = 0; i < PATIENCE && !is_done(w); i++) {
        drive(w, 1);
    }
    must(is_done(w), "it does not come to an end");
}

static void
count_lines(const struct world *w, bool was_hit)
{
    const struct lines lines = errors_told(w);
    unsigned *most =
        w->mode == MODE_FOR_GOOD ? &tally->most_for_good : &tally->most_lines;
    if (was_hit) {
        tally->hits++;
        tally->silent += lines.starts + lines.others == 0;
        *most = lines.others > *most ? lines.others : *most;
    }
}

/* Exits with 0; with 2 when there is no n-th call. */
static void
run(enum fail_kind kind, uint64_t n, enum mode mode)
{
    struct world w;
    fail_call_pause();
    world_init(&w, mode);
    fail_call_plan(kind, n, mode == MODE_FOR_GOOD);
    fail_call_pause();
    script(&w);
    const bool was_hit = fail_call_was_hit();
    check_rows(&w);
    finish(&w);
    check_end(&w, kind);
    count_lines(&w, was_hit);
    world_fini(&w);
    signer_free(&signer);
    for (enum who who = TERMINAL; who <= LARGE; who++) {
        recording_free(&wanted[who]);
    }
    exit(was_hit ? 0 : 2);
}

/* Without a fault: how often the kind is called, and what every other run must
 * come to. */
static uint64_t
run_reference(enum fail_kind kind)
{
    struct world w;
    world_init(&w, MODE_NONE);
    fail_call_plan(kind, 0, false);
    fail_call_pause();
    script(&w);
    const uint64_t count = fail_call_count();
    finish(&w);
    for (enum who who = TERMINAL; who <= LARGE; who++) {
        char path[512];
        recording_path(&w, who, path);
        must(recording_read(path, &key, &wanted[who]), "a plain recording");
    }
    check_end(&w, kind);
    must(errors_told(&w).others == 0, "an error without a fault");
    world_fini(&w);
    return count;
}

/* --- all runs ------------------------------------------------------------ */

static bool
try(enum fail_kind kind, uint64_t n, enum mode mode)
{
    int status;
    const pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        run(kind, n, mode);
    }
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    const bool is_good = WIFEXITED(status) &&
                         (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2);
    if (!is_good) {
        printf("FAILED: %s %llu %s: %s %d\n", fail_kind_name(kind),
            (unsigned long long)n, mode_name[mode],
            WIFSIGNALED(status) ? "signal" : "exit",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        fflush(stdout);
    }
    return is_good;
}

static int
try_all(enum fail_kind kind, uint64_t every, uint64_t seed)
{
    const uint64_t count = run_reference(kind);
    unsigned failed = 0;
    unsigned runs = 0;
    for (uint64_t n = 1 + seed % every; n <= count; n += every) {
        for (enum mode mode = MODE_ONCE; mode <= MODE_FOR_GOOD; mode++) {
            failed += !try(kind, n, mode);
            runs++;
        }
    }
    printf("%s: %llu calls, every %llu from %llu: %u runs, %u failed, %u hit, "
           "%u told of nothing; at most %u lines for one fault, %u for good\n",
        fail_kind_name(kind), (unsigned long long)count,
        (unsigned long long)every, (unsigned long long)(1 + seed % every), runs,
        failed, tally->hits, tally->silent, tally->most_lines,
        tally->most_for_good);
    return failed == 0 && tally->most_lines <= 1 &&
                   tally->most_for_good <= COMPLAINTS_OK
               ? 0
               : 1;
}

static enum fail_kind
kind_of(const char *name)
{
    for (enum fail_kind kind = FAIL_ALLOC; kind < FAIL_KIND_COUNT; kind++) {
        if (strcmp(name, fail_kind_name(kind)) == 0) {
            return kind;
        }
    }
    must(false, "an unknown kind of call");
    return FAIL_KIND_COUNT;
}

static int
try_one(enum fail_kind kind, uint64_t n, const char *name)
{
    (void)run_reference(kind);
    is_traced = true;
    fail_call_trace();
    for (enum mode mode = MODE_ONCE; mode <= MODE_FOR_GOOD; mode++) {
        if (strcmp(name, mode_name[mode]) == 0) {
            return try(kind, n, mode) ? 0 : 1;
        }
    }
    return 2;
}

static uint64_t
number(const char *text)
{
    uint64_t n = 0;
    must(span_to_u64(span_str(text), UINT64_MAX, &n), "a number is needed");
    return n;
}

int
main(int argc, char **argv)
{
    must(argc >= 2, "usage: test_recorder_faults KIND [EVERY [SEED]]");
    fail_call_install();
    const enum fail_kind kind = kind_of(argv[1]);
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(tally != MAP_FAILED, "mmap");
    must(signer_new(&signer, NULL) == STATUS_OK, "a key");
    key = signer_public(signer);
    for (enum who who = TERMINAL; who < WHO_COUNT; who++) {
        ids[who] = uuid_v7(START_US);
    }
    if (argc == 5 && strcmp(argv[2], "-t") == 0) {
        return try_one(kind, number(argv[3]), argv[4]);
    }
    const uint64_t every = argc > 2 ? number(argv[2]) : 1;
    const uint64_t seed = argc > 3 ? number(argv[3]) : (unsigned)getpid();
    must(every > 0, "EVERY is at least 1");
    return try_all(kind, every, seed);
}
