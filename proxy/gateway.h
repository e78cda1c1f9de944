/* What one worker's parts share: one loop, one journal, one upstream. A plain
 * value; the worker owns everything in it. */
#ifndef PROXY_GATEWAY_H
#define PROXY_GATEWAY_H

#include "base/config.h"
#include "proxy/conn.h"
#include "proxy/identity.h"
#include "proxy/journal_writer.h"
#include "proxy/metrics.h"
#include "proxy/upstream.h"

struct gateway {
    const struct config *config;
    const struct clock *clock;
    const struct log *log;
    struct conn_env *env;
    struct journal_writer *journal;
    struct upstream *upstream;
    struct credential *credential;
    struct identity *identity;
    struct metrics *metrics;
    struct list stalled;  /* sessions that wait for room in the journal */
    struct list sessions; /* all that run */
    struct list held;     /* those that cannot be recorded, longest first */
    struct list opening;  /* exchanges that open a session */
    struct list fronts;   /* client connections */
    struct list dead_fronts;
    struct list buried; /* exchanges that are over, freed at a turn's end */
    bool is_holding;    /* sessions that must be recorded cannot be now */
    bool is_gapping;    /* and others are not */
    bool is_draining;   /* no new connection; a request is its last */
    bool is_ending;     /* SIGTERM came: no new request either */
};

#endif
