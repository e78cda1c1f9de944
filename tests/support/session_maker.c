/* session_maker STATE COUNT PAUSE_US: a worker's journal with COUNT sessions,
 * one after the other, for tests that run the real recorder. Prints the id of
 * each session that was closed; leaves the last one open when COUNT has a '+'
 * behind it, until its standard input ends. */
#include "tests/support/journal_maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_US 1764028800000000 /* 2025-11-25T00:00:00Z */

static void
print_id(const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    printf("%s\n", text);
    fflush(stdout);
}

static uint64_t
begin(struct journal_maker *j, struct uuid *id)
{
    *id = uuid_v7(START_US);
    const uint64_t session = journal_maker_open_session(j, id, START_US, "");
    journal_maker_data(j, session, STREAM_STDOUT, "hello\n");
    return session;
}

int
main(int argc, char **argv)
{
    struct journal_maker j = {.lsn = 0};
    struct uuid id;
    char *end = NULL;
    if (argc != 4) {
        return 2;
    }
    const unsigned long count = strtoul(argv[2], &end, 10);
    const unsigned pause_us = (unsigned)strtoul(argv[3], NULL, 10);
    journal_maker_open(&j, argv[1]);
    for (unsigned long i = 0; i < count; i++) {
        const uint64_t session = begin(&j, &id);
        journal_maker_note(
            &j, JOURNAL_CLOSE, session, "{\"status\":\"complete\"}");
        print_id(&id);
        (void)usleep(pause_us); /* the pace of the sessions under test */
    }
    if (*end == '+') {
        (void)begin(&j, &id);
        print_id(&id);
        while (getchar() != EOF) {
        }
    }
    journal_maker_close(&j);
    return 0;
}
