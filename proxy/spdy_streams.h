/* The streams of one SPDY session: which id carries which channel, and how
 * far each has come.
 *
 * Owns the rules of k8s.io/cri-streaming/pkg/streaming/remotecommand/
 * httpstream.go: streams are the client's, their type is in the header
 * `streamtype`, and there are exactly the ones that the request asked for
 * (the kubelet counts them). A type may be opened once: a second "stdout"
 * once hid a session's output from its recorder. Refuses to know bytes.
 */
#ifndef PROXY_SPDY_STREAMS_H
#define PROXY_SPDY_STREAMS_H

#include "base/status.h"
#include "proxy/channel.h"

/* What the session may open, by channel. */
struct spdy_allowance {
    bool may_open[CHANNEL_COUNT];
};

struct spdy_stream {
    uint32_t id; /* 0 while it is not open */
    bool has_reply;
    bool is_reset;       /* by either end */
    bool is_finished[2]; /* by enum channel_from: FIN was sent */
};

struct spdy_streams {
    struct spdy_allowance allowance;
    struct spdy_stream by_channel[CHANNEL_COUNT];
    uint32_t last_id; /* ids grow */
    const char *why;  /* after false */
};

/* Versions of X-Stream-Protocol-Version, "" being the first. */
struct spdy_subprotocol {
    bool has_resize; /* v3 and later */
    bool has_status; /* v4 and later: errors are metav1.Status JSON */
};
bool spdy_subprotocol_find(struct span name, struct spdy_subprotocol *out);

void spdy_streams_init(
    struct spdy_streams *s, const struct spdy_allowance *allowance);

/* SYN_STREAM. */
bool spdy_streams_open(struct spdy_streams *s, uint32_t id, struct span type,
    enum channel *out) MUST_CHECK;
/* Any other frame that names a stream: it must be one that was opened. */
bool spdy_streams_find(
    struct spdy_streams *s, uint32_t id, enum channel *out) MUST_CHECK;
/* SYN_REPLY: once a stream. */
bool spdy_streams_reply(struct spdy_streams *s, enum channel c) MUST_CHECK;
/* DATA or HEADERS may come: not after the sender's FIN, nor from the server
 * before its reply. After a reset they may: they were under way, or their
 * sender did not wait for its own threads, as the kubelet does not. */
bool spdy_streams_may_send(
    struct spdy_streams *s, enum channel c, enum channel_from from) MUST_CHECK;
void spdy_streams_finish(
    struct spdy_streams *s, enum channel c, enum channel_from from);
void spdy_streams_reset(struct spdy_streams *s, enum channel c);

/* Whether a message of our own would be read on it. */
bool spdy_streams_is_heard(const struct spdy_streams *s, enum channel c);
/* Whether there were streams and `from` has ended every one. */
bool spdy_streams_are_over(
    const struct spdy_streams *s, enum channel_from from);

#endif
