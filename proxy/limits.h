/* Every cap of the proxy, and the attack each stops. */
#ifndef PROXY_LIMITS_H
#define PROXY_LIMITS_H

/* HTTP heads: a peer that sends header bytes for ever. Go's server allows
 * 1 MiB of head; real clients stay under 32 KiB (long bearer tokens). */
#define LIMIT_HEAD_BYTES   (128u << 10)
#define LIMIT_TARGET_BYTES (64u << 10) /* request target: command words */
#define LIMIT_FIELDS       128u

/* Chunk framing: extensions and trailers are dropped or small. */
#define LIMIT_CHUNK_LINE_BYTES 4096u
#define LIMIT_TRAILER_BYTES    (16u << 10)

/* SPDY: a 34-byte SYN_STREAM once took 6 GB by its header count alone. */
#define LIMIT_SPDY_CONTROL_BYTES (64u << 10) /* a control frame's payload */
#define LIMIT_SPDY_BLOCK_BYTES   (64u << 10) /* a header block, inflated */
#define LIMIT_SPDY_HEADERS       64u

/* WebSocket: unmasked bytes per piece. */
#define LIMIT_WS_PIECE_BYTES (16u << 10)

/* Connections: bytes read in one go, and kept for a slow peer. Reading from
 * one side stops while the other has more than the high mark to send. */
#define LIMIT_READ_BYTES     (64u << 10)
#define LIMIT_OUT_HIGH_BYTES (256u << 10)
#define LIMIT_OUT_LOW_BYTES  (64u << 10)
#define LIMIT_OUT_BYTES      (1u << 20)

/* Slow peers, milliseconds. */
#define LIMIT_HANDSHAKE_MS   10000u  /* TCP and TLS */
#define LIMIT_HEAD_MS        30000u  /* from a head's first byte to its last */
#define LIMIT_IDLE_MS        300000u /* a kept client connection, no request */
#define LIMIT_FINISH_MS      10000u /* to take the last bytes of a closed one */
#define LIMIT_HALF_CLOSED_MS 30000u /* a client that ended, for its answer */
#define LIMIT_POOL_IDLE_MS   60000u /* a kept connection to the API server */
#define LIMIT_DRAIN_MS       5000u  /* for sessions to end, after SIGTERM */
#define LIMIT_DRAIN_LOOK_MS  100u /* how often it is looked whether all ended */

/* Journal: records that wait for the end of the turn, or for a disk that
 * does not take them; and segments that wait to be synced. */
#define LIMIT_JOURNAL_BATCH_BYTES (8u << 20)
/* Of it, for the last records of sessions: some two thousand. */
#define LIMIT_JOURNAL_RESERVE_BYTES (1u << 20)
/* A disk that takes nothing and says nothing for so long has failed. */
#define LIMIT_JOURNAL_STALL_MS  5000u
#define LIMIT_UNSYNCED_SEGMENTS 16u

/* What is left of a full segment for the last of sessions, when the disk has no
 * room for another. */
#define LIMIT_JOURNAL_LAST_BYTES (4u << 20)
/* And how much of it one may have to end a frame that it has begun. */
#define LIMIT_HELD_BYTES (64u << 10)

/* Connections, a worker. */
#define LIMIT_CONNECTIONS 20000u
#define LIMIT_POOL        64u

#endif
