/* Every cap and every interval of the recorder, and what each one bounds. */
#ifndef RECORDER_LIMITS_H
#define RECORDER_LIMITS_H

#include <assert.h>

#include "schema/cast.h"
#include "schema/journal.h"

/* A frame is cut when it holds this much text. It bounds what a session keeps
 * in memory, and what a reader decompresses to reach one event. Long frames
 * compress better (logs by 7 % from 256 KiB to 1 MiB), so all sessions share
 * what memory there is for text. */
#define RECORDER_FRAME_TEXT     (1u << 20)
#define RECORDER_FRAME_TEXT_MIN (128u << 10)
#define RECORDER_TEXT_BUDGET    (64u << 20)

/* The longest text one journal record can become: a payload of control
 * characters is written in six bytes each (\u001b); one of invalid bytes in
 * three, and once more as base64. Both stay below one line's cap. */
#define RECORDER_RECORD_TEXT_MAX CAST_LINE_MAX
static_assert(JOURNAL_PAYLOAD_MAX * 6 + 64 <= CAST_LINE_MAX,
    "one record of control characters fits in one line");

/* Text waits only until the frame is cut, which happens before the next
 * record is taken; then come the closing events. */
#define RECORDER_CLOSING_TEXT_MAX (2u << 20)
#define RECORDER_TEXT_MAX \
    (RECORDER_FRAME_TEXT + RECORDER_RECORD_TEXT_MAX + RECORDER_CLOSING_TEXT_MAX)

/* Bytes of the error stream that are kept: a metav1.Status is far below. */
#define RECORDER_STATUS_MAX (64u << 10)

/* Compaction: frames are joined up to this much text. */
#define RECORDER_LARGE_FRAME_TEXT (4u << 20)
/* What file systems hand out: a file that fits in one takes no less when it is
 * rewritten. Most sessions are that short, and a rewrite tripled their cost. */
#define RECORDER_BLOCK_BYTES 4096u
/* When others wait, only frames smaller than this on average are joined. */
#define RECORDER_SMALL_FRAME_TEXT (64u << 10)
/* A recording of a shell, and one of bulk output: see the levels. */
#define RECORDER_SMALL_TEXT (1u << 20)
/* Longer ones stay as they are unless their frames are small; so do those whose frames are not a third of
 * their text (bytes as base64, mostly): a session is over when it is put away,
 * and a tenth of the size is not worth seconds of waiting for that. */
#define RECORDER_COMPACT_TEXT_MAX (64u << 20)
#define RECORDER_COMPACT_RATIO    3u
/* A batch spends so long on sessions that end (compaction, syncs) before the
 * rest of them wait for the next one: the heartbeat must not. */
#define RECORDER_ENDING_MS 100u
/* Journals are read on when fewer sessions than this wait to be finished:
 * those that wait are in memory, and ends can come faster than a disk syncs. */
#define RECORDER_ENDINGS_MAX 256u
/* With more of them than this, as after a crash, each is put away quickly. */
#define RECORDER_ENDINGS_UNHURRIED 64u
/* The last batch; the next start finishes what this leaves. */
#define RECORDER_STOP_MS 3000u

/* No text of a frame that this program writes is longer. */
#define RECORDER_FRAME_TEXT_MAX (RECORDER_LARGE_FRAME_TEXT + RECORDER_TEXT_MAX)

/* Recipients of one store's recordings, as the configuration has it. */
#define RECORDER_RECIPIENTS_MAX 16
/* A finished recording is encrypted so much at a time (some 30 ms and what the
 * disk takes), between other work: see the heartbeat. */
#define RECORDER_ENCRYPT_STEP (32u << 20)

/* zstd levels. While a session runs, the fastest that is not one of the fast
 * levels: those save a fifth of the time and cost two fifths of the size. When
 * it is over there is time: of `gzip -6` of the same text, real shell sessions
 * are 1.03 at level 1, 0.94 at 9, 0.86 at 15 (8 ms each) and 0.86 at 19; logs
 * of services 1.01 to 1.28 at level 1, 0.86 to 0.94 at 9 (55 MB/s), 0.83 to
 * 0.88 at 15 (7 MB/s) and 0.73 to 0.77 at 19 (1 MB/s). */
#define RECORDER_ZSTD_LEVEL    1
#define RECORDER_ZSTD_HASH_LOG 13 /* 32 KiB: 5 to 15 % faster than its own 14 */
#define RECORDER_SMALL_LEVEL   15
#define RECORDER_LARGE_LEVEL   9

/* Reading the journal: the first look is small, because one keystroke wakes
 * us too; it grows while the journal has more. */
#define RECORDER_READ_MIN (16u << 10)
#define RECORDER_READ_MAX (4u << 20)
static_assert(RECORDER_READ_MAX > JOURNAL_PAYLOAD_MAX + 64,
    "the largest record fits in the reading buffer");
/* One worker's share of a turn, so that none starves the others. */
#define RECORDER_TURN_BYTES (16u << 20)

/* The size of a terminal that never told one. */
#define RECORDER_DEFAULT_COLUMNS 80
#define RECORDER_DEFAULT_ROWS    24
/* How long output waits for the first size. */
#define RECORDER_SIZE_WAIT_MS 250u
/* How long a session in which nothing happens waits for its file: most
 * refusals come sooner and need none. */
#define RECORDER_OPEN_WAIT_MS 1000u

/* A chunk this long with more than a tenth of it invalid is no text. */
#define RECORDER_BINARY_CHUNK_MIN 256u
#define RECORDER_BINARY_PART      10u

#define RECORDER_TICK_MS      250u  /* size waits, seal intervals */
#define RECORDER_HEARTBEAT_MS 1000u /* position files */
/* A worker's lock must be seen free for so long: a folder is made a moment
 * before its lock is taken. */
#define RECORDER_DEAD_MS         2000u
#define RECORDER_DEAD_NO_LOCK_MS 60000u

/* Sessions synced in one tick for keeping back a journal segment: a sync may
 * take milliseconds, and the heartbeat must not wait for hundreds. */
#define RECORDER_SYNCS_A_TICK 64u
/* The same complaint is repeated so often only. */
#define RECORDER_COMPLAIN_MS 10000u

#define RECORDER_WORKERS_MAX 4096u

/* The largest index whose pages are checked at a start: 53 MiB, 90,000 sessions,
 * took 0.3 s of CPU. */
#define RECORDER_INDEX_CHECK_MAX (64ll << 20)

/* Leaves that wait for the ledger: some 30,000 sessions that ended while it
 * could not be written. */
#define RECORDER_LEDGER_BATCH_MAX (16u << 20)
/* Bytes of a finished file hashed for its leaf before the clock is looked at:
 * some milliseconds. */
#define RECORDER_DIGEST_STEP (4u << 20)

/* Removing by rule: recordings a batch (one commit of the ledger), rows looked
 * at in a step, files unlinked in a step, attempts' rows deleted in a step. Each
 * step takes milliseconds; between two the loop does everything else. */
#define RECORDER_PRUNE_BATCH   256u
#define RECORDER_PRUNE_LOOK    1000u
#define RECORDER_PRUNE_UNLINKS 16u
#define RECORDER_PRUNE_ROWS    500u
/* A day's attempts may be finished an hour after midnight, not before. */
#define RECORDER_PRUNE_DAY_AFTER_S 7200
#define RECORDER_PRUNE_INTERVAL_MS 3600000u
#define RECORDER_UPKEEP_RETRY_MS   1000u

/* Rebuilding the index: files read in a step, or as many as this takes. */
#define RECORDER_REINDEX_FILES   64u
#define RECORDER_REINDEX_STEP_MS 20u

/* The control socket: connections at once, the time for a request's line, and
 * for somebody to take what he is told; what is kept for him meanwhile. */
#define RECORDER_CONTROL_PEERS_MAX 16
#define RECORDER_CONTROL_LINE_MS   5000u
#define RECORDER_CONTROL_STALL_MS  10000u
#define RECORDER_CONTROL_OUT_MAX   (256u << 10)
#define RECORDER_CONTROL_LOOK_MS   1000u

/* For a recorder that is ending to let go of the store. */
#define LOCK_WAIT_MS 8000u

#endif
