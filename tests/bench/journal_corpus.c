/* Writes the journal of a worker that is gone, full of sessions of one kind,
 * for the recorder to be timed over:
 *
 *   journal_corpus shell|log MIB STATE
 *   journal_corpus open SESSIONS STATE
 *   journal_corpus text MIB
 *
 * `shell`: terminals on which a person types for some minutes. `log`: sessions
 * of up to 64 MiB without a terminal, a program's log each, in the 32 KiB that
 * a busy stream arrives in. They all end at the end, as when a day is over: so
 * the recorder's time for taking them in and its time for putting them away
 * can be told apart.
 *
 * `open`: small ones that never end. Prints the bytes of output, and the LSN
 * behind the last of it. `text` prints a log's text itself.
 */
#include "base/clock.h"
#include "base/program.h"
#include "tests/bench/corpus_shell.h"
#include "tests/support/journal_maker.h"

#include <inttypes.h>
#include <stdlib.h>

#define MIB             (UINT64_C(1) << 20)
#define MIB_MAX         4096u
#define SESSIONS_MAX    4096u
#define COMMANDS_MIN    8u /* of one session at a shell */
#define COMMANDS_MORE   50u
#define LOG_BYTES       (64 * MIB)
#define OPEN_BYTES      4096u
#define LOG_CHUNK_BYTES (32u << 10)
#define CHUNK_MAX       (64u << 10)
#define NS_PER_MS       UINT64_C(1000000)
#define TERMINAL        "\"tty\":true,\"subprotocol\":\"v5.channel.k8s.io\""
#define NO_TERMINAL     "\"subprotocol\":\"v5.channel.k8s.io\""

struct writer {
    struct journal_maker journal;
    struct corpus corpus;
    struct buf chunk;
    uint64_t session; /* key of the current one */
    uint64_t bytes;   /* its output so far */
    uint64_t sessions[SESSIONS_MAX];
    size_t session_count;
};

static void
must(bool is_done)
{
    if (!is_done) {
        abort();
    }
}

static void
put_output(struct writer *w, struct span bytes)
{
    journal_maker_put(
        &w->journal, JOURNAL_DATA, w->session, STREAM_STDOUT, bytes);
    w->bytes += bytes.len;
}

static void
pass_time(struct writer *w, uint64_t most_ms)
{
    w->journal.mono_ns += corpus_random(&w->corpus, most_ms * NS_PER_MS);
}

/* ---- a terminal ---- */

static void
on_terminal(void *ctx, uint64_t pause_us, struct span output)
{
    struct writer *w = ctx;
    w->journal.mono_ns += pause_us * 1000;
    if (output.len > 0) {
        put_output(w, output);
    }
}

static void
put_shell(struct writer *w, uint64_t bytes)
{
    (void)bytes; /* a person stops when he has seen enough */
    journal_maker_size(
        &w->journal, w->session, CORPUS_SHELL_COLUMNS, CORPUS_SHELL_ROWS);
    corpus_shell_run(&w->corpus,
        COMMANDS_MIN + (unsigned)corpus_random(&w->corpus, COMMANDS_MORE),
        on_terminal, w);
}

/* ---- a log ---- */

static void
put_log(struct writer *w, uint64_t bytes)
{
    w->corpus.kind = (enum corpus_kind)(w->session_count % CORPUS_KINDS);
    buf_clear(&w->chunk);
    while (w->bytes < bytes) {
        while (w->chunk.len < LOG_CHUNK_BYTES) {
            must(corpus_log_line(&w->corpus, &w->chunk) == STATUS_OK);
        }
        put_output(w, span_of(buf_view(&w->chunk).ptr, LOG_CHUNK_BYTES));
        buf_consume(&w->chunk, LOG_CHUNK_BYTES);
        pass_time(w, 2);
    }
}

/* ---- sessions ---- */

typedef void put_fn(struct writer *w, uint64_t bytes);

static void
put_session(struct writer *w, const char *facts, put_fn *put, uint64_t bytes)
{
    const int64_t now = clock_wall_us(&clock_system);
    const struct uuid id = uuid_v7(now);
    w->bytes = 0;
    w->session = journal_maker_open_session(&w->journal, &id, now, facts);
    put(w, bytes);
    must(w->session_count < SESSIONS_MAX);
    w->sessions[w->session_count++] = w->session;
}

/* Where a recorder or a machine stopped in the middle of everything. */
static void
put_some(struct writer *w, uint64_t bytes)
{
    w->corpus.kind = CORPUS_JAVA;
    while (w->bytes < bytes) {
        buf_clear(&w->chunk);
        must(corpus_log_line(&w->corpus, &w->chunk) == STATUS_OK);
        put_output(w, buf_view(&w->chunk));
        pass_time(w, 2);
    }
}

static uint64_t
put_open(struct writer *w, uint64_t sessions)
{
    uint64_t done = 0;
    for (uint64_t i = 0; i < sessions; i++) {
        put_session(w, TERMINAL, put_some, OPEN_BYTES);
        done += w->bytes;
    }
    return done;
}

static void
end_sessions(struct writer *w)
{
    for (size_t i = 0; i < w->session_count; i++) {
        journal_maker_note(&w->journal, JOURNAL_STATUS, w->sessions[i],
            "{\"metadata\":{},\"status\":\"Success\"}");
        journal_maker_note(&w->journal, JOURNAL_CLOSE, w->sessions[i],
            "{\"status\":\"complete\"}");
    }
}

static uint64_t
put_sessions(struct writer *w, bool is_shell, uint64_t bytes)
{
    uint64_t done = 0;
    while (done < bytes) {
        const uint64_t left = bytes - done;
        put_session(w, is_shell ? TERMINAL : NO_TERMINAL,
            is_shell ? put_shell : put_log,
            left < LOG_BYTES ? left : LOG_BYTES);
        done += w->bytes;
    }
    return done;
}

static enum status
print_text(struct corpus *corpus, uint64_t bytes)
{
    struct buf line;
    uint64_t done = 0;
    enum status st = STATUS_OK;
    buf_init(&line, CHUNK_MAX);
    while (done < bytes && st == STATUS_OK) {
        buf_clear(&line);
        st = corpus_log_line(corpus, &line);
        const uint64_t left = bytes - done;
        const size_t len = line.len < left ? line.len : (size_t)left;
        if (fwrite(buf_view(&line).ptr, 1, len, stdout) != len) {
            st = STATUS_IO;
        }
        done += len;
    }
    buf_fini(&line);
    return fflush(stdout) == 0 ? st : STATUS_IO;
}

static int
usage(void)
{
    fprintf(stderr, "usage: journal_corpus shell|log MIB STATE\n"
                    "       journal_corpus open SESSIONS STATE\n"
                    "       journal_corpus text MIB\n");
    return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
    uint64_t mib = 0;
    static struct writer w = {.corpus = {.random = 20261124}};
    if (argc < 3 || !span_to_u64(span_str(argv[2]), MIB_MAX, &mib)) {
        return usage();
    }
    const struct span kind = span_str(argv[1]);
    if (argc == 3 && span_eq_str(kind, "text")) {
        return print_text(&w.corpus, mib * MIB) == STATUS_OK ? EXIT_DONE
                                                             : EXIT_COULD_NOT;
    }
    const bool is_open = span_eq_str(kind, "open");
    const bool is_shell = span_eq_str(kind, "shell");
    if (argc != 4 || (!is_shell && !is_open && !span_eq_str(kind, "log"))) {
        return usage();
    }
    buf_init(&w.chunk, CHUNK_MAX);
    journal_maker_open(&w.journal, argv[3]);
    const uint64_t bytes =
        is_open ? put_open(&w, mib) : put_sessions(&w, is_shell, mib * MIB);
    const uint64_t taken_in = w.journal.lsn;
    if (!is_open) {
        end_sessions(&w);
    }
    printf("%" PRIu64 " %" PRIu64 "\n", bytes, taken_in);
    journal_maker_close(&w.journal);
    buf_fini(&w.chunk);
    return EXIT_DONE;
}
