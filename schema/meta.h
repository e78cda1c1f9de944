/* A session's facts: one struct, one set of names, in the journal, the
 * recording, the index and `--json`.
 *
 * Owns the JSON names of DESIGN section 11 and their ranges. jansson stays
 * behind this header.
 */
#ifndef SCHEMA_META_H
#define SCHEMA_META_H

#include "base/buf.h"
#include "base/uuid.h"
#include "schema/journal.h"

enum meta_status {
    META_ACTIVE,
    META_COMPLETE, /* ended by the command, the client or the server */
    META_REFUSED,  /* never started: by us, by RBAC, by admission */
    META_FAILED,   /* started or tried, and broken off */
};
enum meta_type {
    META_EXEC,
    META_ATTACH,
    META_DEBUG,
    META_RUN,
    META_CP,
    META_PORT_FORWARD,
};
enum meta_protocol {
    META_SPDY,
    META_WEBSOCKET
};

enum meta_record {
    META_REQUIRED,    /* it is recorded, or it does not run */
    META_BEST_EFFORT, /* it runs on unrecorded, and tells of the gap */
};

struct meta {
    struct uuid id;
    enum meta_status status;
    enum meta_type type;
    char *user; /* strings: owned, changed by meta_set only, UTF-8, never
                 * NULL, "" when unknown */
    char *uid;
    char **groups;
    size_t group_count;
    char *source; /* the client's "address:port" */
    char *user_agent;
    char *cluster;
    char *namespace;
    char *pod;
    char *container;
    char **command; /* as asked, one word each; none for attach */
    size_t command_count;
    bool tty;
    bool stdin_recorded; /* whether policy had input recorded */
    enum meta_record record;
    enum meta_protocol protocol;
    char *subprotocol; /* "v5.channel.k8s.io"; "v4.channel.k8s.io" of SPDY */
    char *kubectl_session; /* Kubectl-Session, a claim of the client */
    char *kubectl_command; /* Kubectl-Command, a claim */
    int64_t start_us;      /* Unix microseconds */
    int64_t end_us;        /* 0 while active */
    bool has_exit;
    int exit_code;
    char *reason; /* why refused or failed, who ended it */
    uint64_t bytes[STREAM_COUNT];
    uint64_t gap_count; /* stretches that were not recorded, see gap.h */
    uint64_t gap_bytes; /* what passed in them */
    char *file;         /* relative to the state folder; "" when none */
    uint64_t size;      /* of that file, bytes */
    bool sealed;        /* the recording is finished and signed */
};

void meta_init(struct meta *m); /* every string "", all else zero */
void meta_fini(struct meta *m); /* m may be init'ed again */
/* `to` was inited; what it held is released. */
enum status meta_copy(const struct meta *from, struct meta *to) MUST_CHECK;

/* Replaces a string (NULL is fine) by one from malloc. Invalid UTF-8 and NUL
 * become U+FFFD; what is longer than META_STRING_MAX bytes is cut at a
 * character. */
#define META_STRING_MAX 4096
enum status meta_set(char **field, struct span value) MUST_CHECK;
/* Adds a word to a list, whole: a command that was cut would be a lie, so
 * what passes these caps is STATUS_LIMIT. Words are counted one by one, bytes
 * whenever 64 words or a long one have come: a list never passes twice its
 * byte cap. */
#define META_LIST_MAX       4096
#define META_LIST_BYTES_MAX (128u << 10)
enum status meta_add(char ***list, size_t *count, struct span value) MUST_CHECK;
void meta_list_free(char ***list, size_t *count);

/* Which names are written. */
enum meta_part {
    META_PART_OPEN,  /* what is known before the session starts */
    META_PART_CLOSE, /* status, exit_code, reason, end, bytes, gaps,
                      * subprotocol */
    META_PART_ALL,   /* everything, for `--json` and the last `k` event */
};
/* Appends one JSON object, no newline. */
enum status meta_encode(
    const struct meta *m, enum meta_part part, struct buf *out) MUST_CHECK;
/* Reads an object over `m`: names that are absent stay as they are, unknown
 * names are ignored (a later version's), a wrong type is STATUS_INVALID and
 * leaves `m` fit for use, with the names before it already taken over. So
 * OPEN, NOTEs and CLOSE merge by being decoded in order. */
enum status meta_decode(
    struct span json, struct meta *m, struct error *err) MUST_CHECK;

const char *meta_status_name(enum meta_status s);
const char *meta_type_name(enum meta_type t); /* "port-forward" */
const char *meta_protocol_name(enum meta_protocol p);
const char *meta_record_name(enum meta_record r);
bool meta_status_parse(const char *word, enum meta_status *out);
bool meta_type_parse(const char *word, enum meta_type *out);

/* The exit of a command from the error stream's bytes, as kubectl reads it
 * (k8s.io/client-go/tools/remotecommand/errorstream.go and v4.go): a
 * metav1.Status with status Success is 0; reason NonZeroExitCode carries the
 * code in details.causes ExitCode; anything else is a message. An empty
 * stream is success. */
struct meta_exit {
    bool has_code;
    int code;
    struct buf message; /* caller inits and frees */
};
enum status meta_exit_parse(
    struct span error_stream, struct meta_exit *out) MUST_CHECK;

/* "recordings/2026/11/24/<id>.cast.zst" from id and start. */
#define META_FILE_MAX 128
void meta_file_name(
    const struct uuid *id, int64_t start_us, char out[META_FILE_MAX]);

#endif
