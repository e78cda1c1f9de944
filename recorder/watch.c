/* See watch.h. */
#include "recorder/watch.h"

#include "base/clock.h"
#include "base/file.h"
#include "recorder/complaints.h"
#include "recorder/control_socket.h"
#include "recorder/limits.h"
#include "recorder/upkeep.h"
#include "schema/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

struct watch {
    struct loop *loop;
    struct recorder *recorder;
    const struct log *log;
    int inotify_fd;
    int root; /* watch descriptor of journal/ */
    struct loop_watch *events;
    struct loop_timer *tick;
    struct loop_timer *look;
    struct control_socket *socket;
    struct complaints complaints;
    bool has_news; /* a journal was written since it was last read */
};

static void
complain(const struct watch *w, const char *path)
{
    struct error err;
    (void)error_sys(&err, errno, "watch %s", path);
    log_error(w->log, "watch", &err); /* the slow look finds it too */
}

static void
on_new_folder(void *ctx, const char *path)
{
    struct watch *w = ctx;
    const uint32_t mask =
        IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW;
    if (inotify_add_watch(w->inotify_fd, path, mask) < 0) {
        complain(w, path);
    }
    w->has_news = true;
}

static void
look_for_workers(struct watch *w)
{
    struct error err;
    if (recorder_look_for_workers(w->recorder, on_new_folder, w, &err) !=
            STATUS_OK &&
        complaints_are_new(&w->complaints, "journal.look", err.code,
            clock_mono_ns(&clock_system))) {
        log_error(w->log, "journal.look", &err);
    }
}

/* Our own writes to the position files come back as events, too. */
static bool
is_segment(const struct inotify_event *event)
{
    uint64_t number;
    return event->len > 0 && journal_segment_name_parse(event->name, &number);
}

static void
on_event(struct watch *w, const struct inotify_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        w->has_news = true;
        look_for_workers(w);
    } else if (event->wd == w->root) {
        look_for_workers(w);
    } else if (is_segment(event)) {
        w->has_news = true;
    }
}

static void
on_readable(void *ctx, int events)
{
    struct watch *w = ctx;
    (void)events;
    _Alignas(struct inotify_event) char bytes[16384];
    const ssize_t n = read(w->inotify_fd, bytes, sizeof bytes);
    ssize_t at = 0;
    while (at < n) {
        const struct inotify_event *event =
            (const struct inotify_event *)(const void *)(bytes + at);
        on_event(w, event);
        at += (ssize_t)(sizeof *event + event->len);
    }
}

/* One share of every journal a turn, so that signals and ticks get theirs. */
static void
on_turn_end(void *ctx)
{
    struct watch *w = ctx;
    if (w->has_news) {
        recorder_read(w->recorder, &w->has_news);
    }
    const bool has_upkeep = recorder_step(w->recorder);
    if (w->has_news || has_upkeep) {
        loop_again(w->loop);
    }
}

static void
on_tick(void *ctx)
{
    struct watch *w = ctx;
    recorder_tick(w->recorder);
}

static void
on_look(void *ctx)
{
    struct watch *w = ctx;
    look_for_workers(w);
    w->has_news = true;
}

/* --- who asks ------------------------------------------------------------ */

static void
say(void *ctx, const struct control_answer *answer)
{
    control_peer_say(ctx, answer);
}

static bool
has_room(void *ctx)
{
    return control_peer_has_room(ctx);
}

static void
on_request(void *ctx, struct control_peer *peer,
    const struct control_request *request, const char *who)
{
    struct watch *w = ctx;
    const struct upkeep_asker asker = {say, has_room, peer};
    upkeep_ask(recorder_upkeep(w->recorder), request, who, &asker);
}

static void
on_gone(void *ctx, struct control_peer *peer)
{
    struct watch *w = ctx;
    upkeep_leave(recorder_upkeep(w->recorder), peer);
}

/* --- birth and death ----------------------------------------------------- */

static enum status
watch_root(struct watch *w, const char *state_dir, struct error *err)
{
    char path[PATH_MAX];
    const enum status st =
        file_join(path, sizeof path, state_dir, "journal", err);
    if (st != STATUS_OK) {
        return st;
    }
    w->root = inotify_add_watch(
        w->inotify_fd, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    return w->root < 0 ? error_sys(err, errno, "watch %s", path) : STATUS_OK;
}

static enum status
open_timers(struct watch *w, struct error *err)
{
    enum status st = loop_timer_open(w->loop, on_tick, w, &w->tick, err);
    if (st == STATUS_OK) {
        st = loop_timer_open(w->loop, on_look, w, &w->look, err);
    }
    if (st == STATUS_OK) {
        loop_timer_start(w->tick, RECORDER_TICK_MS, RECORDER_TICK_MS);
        loop_timer_start(w->look, RECORDER_HEARTBEAT_MS, RECORDER_HEARTBEAT_MS);
    }
    return st;
}

static enum status
open_socket(struct watch *w, const char *state_dir, const struct clock *clock,
    struct error *err)
{
    const struct control_socket_owner owner = {on_request, on_gone, w};
    return control_socket_open(
        w->loop, state_dir, clock, w->log, &owner, &w->socket, err);
}

static enum status
set_up(struct watch *w, const char *state_dir, struct error *err)
{
    w->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->inotify_fd < 0) {
        return error_sys(err, errno, "inotify");
    }
    enum status st = watch_root(w, state_dir, err);
    if (st == STATUS_OK) {
        st = loop_watch_open(
            w->loop, w->inotify_fd, on_readable, w, &w->events, err);
    }
    if (st == STATUS_OK) {
        loop_watch_set(w->events, LOOP_READ);
        st = open_timers(w, err);
    }
    if (st == STATUS_OK) {
        st = loop_at_turn_end(w->loop, on_turn_end, w, err);
    }
    if (st == STATUS_OK) {
        st = recorder_look_for_workers(w->recorder, on_new_folder, w, err);
    }
    w->has_news = true;
    return st;
}

enum status
watch_open(struct loop *loop, struct recorder *recorder, const char *state_dir,
    const struct clock *clock, const struct log *log, struct watch **out,
    struct error *err)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to watch");
    }
    w->loop = loop;
    w->recorder = recorder;
    w->log = log;
    w->inotify_fd = -1;
    enum status st = set_up(w, state_dir, err);
    if (st == STATUS_OK) {
        st = open_socket(w, state_dir, clock, err);
    }
    if (st == STATUS_OK) {
        *out = w;
        w = NULL;
    }
    watch_close(&w);
    return st;
}

void
watch_close(struct watch **w)
{
    if (*w == NULL) {
        return;
    }
    control_socket_close(&(*w)->socket);
    loop_watch_close(&(*w)->events);
    loop_timer_close(&(*w)->tick);
    loop_timer_close(&(*w)->look);
    if ((*w)->inotify_fd >= 0) {
        (void)close((*w)->inotify_fd);
    }
    free(*w);
    *w = NULL;
}
