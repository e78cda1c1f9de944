#include "proxy/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

struct metric_text {
    const char *name;
    const char *type;
    const char *help;
};

static const struct metric_text texts[METRIC_COUNT] = {
    [METRIC_REQUESTS] = {"kubetape_requests_total", "counter",
        "Requests received."},
    [METRIC_REQUESTS_DENIED] = {"kubetape_requests_denied_total", "counter",
        "Requests without a valid identity."},
    [METRIC_REQUESTS_REFUSED] = {"kubetape_requests_refused_total", "counter",
        "Requests the proxy refused to forward."},
    [METRIC_UPSTREAM_FAILURES] = {"kubetape_upstream_failures_total", "counter",
        "Requests that failed on the way to the API server."},
    [METRIC_CONNECTIONS] = {"kubetape_connections", "gauge",
        "Open connections, both sides."},
    [METRIC_SESSIONS] = {"kubetape_sessions_total", "counter",
        "Sessions opened in the journal."},
    [METRIC_SESSIONS_ACTIVE] = {"kubetape_sessions_active", "gauge",
        "Sessions running now."},
    [METRIC_SESSIONS_REFUSED] = {"kubetape_sessions_refused_total", "counter",
        "Sessions that never started."},
    [METRIC_SESSIONS_FAILED] = {"kubetape_sessions_failed_total", "counter",
        "Sessions that were broken off."},
    [METRIC_SESSIONS_PAUSED] = {"kubetape_sessions_paused", "gauge",
        "Sessions that wait since they cannot be recorded."},
    [METRIC_SESSIONS_UNRECORDABLE] = {"kubetape_sessions_unrecordable_total",
        "counter", "Sessions ended since they could not be recorded."},
    [METRIC_BYTES_STDIN] = {"kubetape_session_stdin_bytes_total", "counter",
        "Bytes of input that passed."},
    [METRIC_BYTES_STDOUT] = {"kubetape_session_stdout_bytes_total", "counter",
        "Bytes of standard output that passed."},
    [METRIC_BYTES_STDERR] = {"kubetape_session_stderr_bytes_total", "counter",
        "Bytes of standard error that passed."},
    [METRIC_JOURNAL_BYTES] = {"kubetape_journal_bytes_total", "counter",
        "Bytes written to the journal."},
    [METRIC_GAPS] = {"kubetape_recording_gaps_total", "counter",
        "Stretches of sessions that were not recorded."},
    [METRIC_GAP_BYTES] = {"kubetape_unrecorded_bytes_total", "counter",
        "Bytes of sessions that passed unrecorded, against policy's wish."},
    [METRIC_IS_READY] = {"kubetape_ready_workers", "gauge",
        "Workers that may open sessions now."},
    [METRIC_JOURNAL_BACKLOG] = {"kubetape_journal_backlog_bytes", "gauge",
        "Bytes of journals that the recorder has not released."},
    [METRIC_JOURNAL_FREE] = {"kubetape_journal_free_bytes", "gauge",
        "Free space of the journal's file system."},
    [METRIC_RECORDER_SILENCE] = {"kubetape_recorder_silence_seconds", "gauge",
        "Time since the recorder's last sign of life."},
};

enum status
metrics_map(int fd, struct metrics **out, struct error *err)
{
    void *page = mmap(NULL, sizeof(struct metrics), PROT_READ | PROT_WRITE,
        MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        return error_sys(err, errno, "mapping the metrics");
    }
    *out = page;
    return STATUS_OK;
}

enum status
metrics_new(struct metrics **out, int *fd_out, struct error *err)
{
    const int fd = memfd_create("kubetape-metrics", MFD_CLOEXEC);
    if (fd < 0) {
        return error_sys(err, errno, "memfd_create");
    }
    if (ftruncate(fd, sizeof(struct metrics)) != 0) {
        const int why = errno;
        close(fd);
        return error_sys(err, why, "reserving the metrics");
    }
    const enum status st = metrics_map(fd, out, err);
    if (st != STATUS_OK) {
        close(fd);
        return st;
    }
    *fd_out = fd;
    return STATUS_OK;
}

void
metrics_free(struct metrics **m)
{
    if (*m != NULL) {
        munmap(*m, sizeof **m);
        *m = NULL;
    }
}

void
metrics_add(struct metrics *m, enum metric which, int64_t n)
{
    const uint64_t old = __atomic_load_n(&m->values[which], __ATOMIC_RELAXED);
    __atomic_store_n(&m->values[which], old + (uint64_t)n, __ATOMIC_RELAXED);
}

void
metrics_set(struct metrics *m, enum metric which, uint64_t n)
{
    __atomic_store_n(&m->values[which], n, __ATOMIC_RELAXED);
}

/* How two workers' values make one. */
static uint64_t
join(enum metric which, uint64_t a, uint64_t b)
{
    if (which == METRIC_JOURNAL_FREE) {
        return a < b ? a : b;
    }
    if (which == METRIC_RECORDER_SILENCE) {
        return a > b ? a : b;
    }
    return a + b;
}

static uint64_t
joined(const struct metrics *const *workers, size_t count, enum metric which)
{
    uint64_t all = which == METRIC_JOURNAL_FREE ? UINT64_MAX : 0;
    for (size_t w = 0; w < count; w++) {
        const uint64_t one =
            __atomic_load_n(&workers[w]->values[which], __ATOMIC_RELAXED);
        all = join(which, all, one);
    }
    return all;
}

enum status
metrics_print(
    const struct metrics *const *workers, size_t count, struct buf *out)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < METRIC_COUNT && st == STATUS_OK; i++) {
        st = buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n",
            texts[i].name, texts[i].help, texts[i].name, texts[i].type,
            texts[i].name, joined(workers, count, (enum metric)i));
    }
    return st;
}
