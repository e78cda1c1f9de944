/* What was read of the file is wiped: it is as good as the key. */
#include "player/identity_file.h"

#include "base/file.h"
#include "player/limits.h"
#include <stdlib.h>

enum status
identity_file_load(
    const char *flag, struct age_identities **out, struct error *err)
{
    struct buf text;
    uint8_t *room = NULL;
    const char *path = flag != NULL ? flag : getenv("KUBETAPE_IDENTITY");
    *out = NULL;
    if (path == NULL || path[0] == '\0') {
        return STATUS_OK;
    }
    buf_init(&text, PLAYER_IDENTITY_FILE_MAX);
    /* All at once: a buffer that grows leaves what it held behind. */
    enum status st = buf_reserve(&text, PLAYER_IDENTITY_FILE_MAX, &room);
    if (st != STATUS_OK) {
        return error_set(err, st, "out of memory");
    }
    st = file_read(path, &text, err);
    if (st == STATUS_OK) {
        st = age_identities_parse(buf_view(&text), out, err);
    }
    buf_wipe(&text);
    return st == STATUS_OK ? st : error_in(err, st, "the identity %s", path);
}
