#include "proxy/recorder_position.h"

#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#define NS_PER_MS 1000000u
/* The file is not looked at more often. */
#define READ_INTERVAL_NS (50u * NS_PER_MS)

void
recorder_position_init(struct recorder_position *p, const struct clock *clock)
{
    *p = (struct recorder_position){
        .clock = clock,
        .alive_ns = clock_mono_ns(clock),
    };
}

/* Read while it is written it may not match its check: the next look finds it
 * whole. */
static bool
read_file(int fd, struct journal_position *out)
{
    uint8_t bytes[JOURNAL_POSITION_LEN];
    size_t got = 0;
    return file_pread(fd, bytes, sizeof bytes, 0, &got, NULL) == STATUS_OK &&
           got == sizeof bytes &&
           journal_position_decode(span_of(bytes, got), out, NULL) == STATUS_OK;
}

void
recorder_position_read(struct recorder_position *p, const char *dir)
{
    char path[PATH_MAX];
    const uint64_t now = clock_mono_ns(p->clock);
    if ((p->read_ns != 0 && now - p->read_ns < READ_INTERVAL_NS) ||
        file_join(path, sizeof path, dir, JOURNAL_POSITION_NAME, NULL) !=
            STATUS_OK) {
        return;
    }
    p->read_ns = now;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return; /* not there yet: the time of opening stands */
    }
    struct journal_position read;
    if (read_file(fd, &read)) {
        if (read.wall_us != p->last.wall_us) {
            p->alive_ns = now;
        }
        p->last = read;
    }
    close(fd);
}

uint64_t
recorder_position_silent_ms(const struct recorder_position *p)
{
    return (clock_mono_ns(p->clock) - p->alive_ns) / NS_PER_MS;
}
