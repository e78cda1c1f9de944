/* Runs a recorder on a loop: inotify on the journal's folders says when to
 * read, timers say what time it is, the control socket what somebody wants. A
 * slow look around, once a second, is the net below inotify, which may
 * overflow. */
#ifndef RECORDER_WATCH_H
#define RECORDER_WATCH_H

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "recorder/recorder.h"

struct watch;

/* Everything is borrowed. The first look at the journals is taken here. */
enum status watch_open(struct loop *loop, struct recorder *recorder,
    const char *state_dir, const struct clock *clock, const struct log *log,
    struct watch **out, struct error *err) MUST_CHECK;
void watch_close(struct watch **w);

#endif
