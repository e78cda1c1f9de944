/* The five channels of a remotecommand session, whatever carries them. */
#ifndef PROXY_CHANNEL_H
#define PROXY_CHANNEL_H

#include "base/span.h"

enum channel {
    CHANNEL_STDIN = 0, /* numbers of the WebSocket subprotocols */
    CHANNEL_STDOUT = 1,
    CHANNEL_STDERR = 2,
    CHANNEL_ERROR = 3,
    CHANNEL_RESIZE = 4,
};
#define CHANNEL_COUNT 5

enum channel_from {
    FROM_CLIENT = 0,
    FROM_SERVER = 1,
};

enum channel_fact_kind {
    CHANNEL_DATA,    /* `bytes` of `channel`, decoded, in order */
    CHANNEL_SIZE,    /* a terminal size: width, height (0x0 means none) */
    CHANNEL_END,     /* the sender will send no more on `channel` */
    CHANNEL_CLOSE,   /* the sender will send no more at all (GOAWAY, Close) */
    CHANNEL_NOTHING, /* a frame without meaning for a recording (ping, window
                      * update, settings …) was passed */
};

struct channel_fact {
    enum channel_fact_kind kind;
    enum channel channel;
    struct span bytes; /* views the input or the demux's scratch, until the
                        * next call */
    uint16_t width;
    uint16_t height;
};

#endif
