/* A merge either refuses, saying why, or gives a text that parses and into
 * which merging again changes nothing. */
#include "base/yaml.h"
#include "player/kubeconfig_merge.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct kubeconfig_access a = {
        .name = "kubetape",
        .server = "https://127.0.0.1:8443",
        .ca_data = "Q0E=",
        .token = "token",
    };
    struct buf once;
    struct buf twice;
    struct yaml *y = NULL;
    struct error err = {.code = STATUS_OK};
    buf_init(&once, 1 << 22);
    buf_init(&twice, 1 << 22);
    if (kubeconfig_merge(span_of(data, size), "f", &a, &once, &err) ==
        STATUS_OK) {
        assert(yaml_parse(buf_view(&once), "f", &y, &err) == STATUS_OK);
        assert(kubeconfig_merge(buf_view(&once), "f", &a, &twice, &err) ==
               STATUS_OK);
        assert(span_eq(buf_view(&once), buf_view(&twice)));
    } else {
        assert(once.len == 0);
        assert(err.text[0] != '\0');
    }
    yaml_close(&y);
    buf_fini(&once);
    buf_fini(&twice);
    return 0;
}
