/* A journal of a few sessions for a recorder to make a store of:
 *
 *   store_scene STATE long|short|refused|running …
 *
 * `long` is 10 MiB of log, several frames however they are joined; `short` a
 * terminal of some lines; `refused` was never started; `running` has no end
 * yet. Prints each session's ID, then holds the worker's lock until its
 * standard input ends, so that running sessions go on running. */
#include "base/clock.h"
#include "base/program.h"
#include "tests/bench/corpus_log.h"
#include "tests/support/journal_maker.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_BYTES  (10u << 20)
#define CHUNK_BYTES (32u << 10)
#define NS_PER_MS   UINT64_C(1000000)
#define TERMINAL    "\"tty\":true,\"groups\":[\"dev\"]"

static struct corpus corpus = {.random = 20261124};

static void
must(bool is_done)
{
    if (!is_done) {
        abort();
    }
}

static void
put_text(struct journal_maker *m, uint64_t session, size_t bytes)
{
    struct buf text;
    buf_init(&text, 2 * CHUNK_BYTES);
    for (size_t done = 0; done < bytes;) {
        buf_clear(&text);
        while (text.len < CHUNK_BYTES) {
            must(corpus_log_line(&corpus, &text) == STATUS_OK);
        }
        m->mono_ns += 5 * NS_PER_MS;
        journal_maker_put(
            m, JOURNAL_DATA, session, STREAM_STDOUT, buf_view(&text));
        done += text.len;
    }
    buf_fini(&text);
}

static void
put_lines(struct journal_maker *m, uint64_t session)
{
    journal_maker_size(m, session, 80, 24);
    journal_maker_data(m, session, STREAM_STDOUT, "$ id\r\n");
    m->mono_ns += 700 * NS_PER_MS;
    journal_maker_data(m, session, STREAM_STDOUT, "uid=0(root)\r\n$ ");
}

static void
put_end(struct journal_maker *m, uint64_t session)
{
    journal_maker_note(
        m, JOURNAL_STATUS, session, "{\"metadata\":{},\"status\":\"Success\"}");
    journal_maker_note(m, JOURNAL_CLOSE, session, "{\"status\":\"complete\"}");
}

static bool
put_session(struct journal_maker *m, const char *kind)
{
    char text[UUID_TEXT_LEN + 1];
    const int64_t now = clock_wall_us(&clock_system);
    const struct uuid id = uuid_v7(now);
    const bool is_long = strcmp(kind, "long") == 0;
    const bool is_short = strcmp(kind, "short") == 0;
    const bool is_refused = strcmp(kind, "refused") == 0;
    if (!is_long && !is_short && !is_refused && strcmp(kind, "running") != 0) {
        return false;
    }
    const uint64_t session = journal_maker_open_session(
        m, &id, now, is_long || is_refused ? "" : TERMINAL);
    if (is_long) {
        put_text(m, session, LONG_BYTES);
    } else if (!is_refused) {
        put_lines(m, session);
    }
    if (is_long || is_short) {
        put_end(m, session);
    } else if (is_refused) {
        journal_maker_note(m, JOURNAL_CLOSE, session,
            "{\"status\":\"refused\",\"reason\":\"not for you\"}");
    }
    uuid_format(&id, text);
    printf("%s\n", text);
    return true;
}

int
main(int argc, char **argv)
{
    struct journal_maker m;
    char byte;
    if (argc < 3) {
        fprintf(stderr, "usage: store_scene STATE KIND…\n");
        return EXIT_USAGE;
    }
    journal_maker_open(&m, argv[1]);
    for (int i = 2; i < argc; i++) {
        if (!put_session(&m, argv[i])) {
            return EXIT_USAGE;
        }
    }
    if (fflush(stdout) != 0) {
        return EXIT_COULD_NOT;
    }
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    journal_maker_close(&m);
    return EXIT_DONE;
}
