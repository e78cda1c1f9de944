/* Every cap of the player, with what it bounds. Recordings and kubeconfigs
 * are read as if an attacker had written them. */
#ifndef PLAYER_LIMITS_H
#define PLAYER_LIMITS_H

/* zstd windows above this are refused: 2^27 is zstd's own default for
 * streaming, so standard tools refuse the same files. */
#define PLAYER_WINDOW_LOG_MAX 27

/* A piece of compressed or decompressed text in hand. */
#define PLAYER_CHUNK_BYTES (128u << 10)

/* The same of a verifier: the frames of a recording in one go, which spares
 * zstd a copy of their text. */
#define PLAYER_VERIFY_BYTES (512u << 10)

/* Trusted keys, and those that they led to. */
#define PLAYER_KEYS_MAX 64

/* The last frame of a recording, and its text: the recorder's own are 12 MiB
 * at most. */
#define PLAYER_LAST_FRAME_MAX (32u << 20)

/* Recordings of a store that is verified whole: 96 bytes each. */
#define PLAYER_AUDIT_MAX (1u << 26)

/* Frames and seals of one file: at a seal a second, 24 days. */
#define PLAYER_FRAMES_MAX (1u << 22)

/* Problems that `verify` names before it only counts. */
#define PLAYER_PROBLEMS_MAX 32

/* kubeconfig, token, key and config files. */
#define PLAYER_SMALL_FILE_MAX (4u << 20)

/* A file of age identities. */
#define PLAYER_IDENTITY_FILE_MAX (64u << 10)

/* One escaped value, one line of a table, one JSON object. */
#define PLAYER_LINE_MAX (1u << 20)

/* All lines of a table together. */
#define PLAYER_TABLE_MAX (256u << 20)

/* Sessions named when an ID prefix is ambiguous. */
#define PLAYER_CANDIDATES_MAX 8

#endif
