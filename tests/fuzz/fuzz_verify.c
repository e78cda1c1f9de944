/* No file is proved with a key that nobody has; verifying ends, and what the
 * reader of events makes of the same bytes ends too. */
#include "player/cast_reader.h"
#include "player/verify.h"
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_events(const char *path)
{
    struct cast_reader *r = NULL;
    struct cast_event e;
    if (cast_reader_open(path, NULL, &r, NULL) != STATUS_OK) {
        return;
    }
    enum status st = STATUS_OK;
    while (st == STATUS_OK) {
        st = cast_reader_next(r, &e, NULL);
    }
    cast_reader_close(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct key_set keys = {
        .keys = {{.bytes = {1}}},
        .count = 1,
    };
    static const struct verify_options options = {.keys = &keys};
    char path[64];
    struct verify_report report;
    struct error err = {.code = STATUS_OK};
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    assert(fd >= 0);
    assert(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (verify_file(path, &options, &report, &err) == STATUS_OK) {
        assert(!report.is_final);
        assert(report.sealed_len == 0);
        assert(report.seals == 0 || report.problem_count > 0);
    }
    verify_report_fini(&report);
    read_events(path);
    close(fd);
    return 0;
}
