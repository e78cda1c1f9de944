/* One file, encrypted into another, in steps: a long one must not keep the
 * loop from its heartbeat.
 *
 * The other stands under its name when it is whole and durable, and not
 * before; it replaces what stood there. The one it is made from must not
 * change meanwhile. Refuses to know what is in it.
 */
#ifndef RECORDER_ENCRYPT_FILE_H
#define RECORDER_ENCRYPT_FILE_H

#include "base/age_key.h"

struct encrypt_file;

/* Makes the folders of `to` as needed (0700). At least one recipient. */
enum status encrypt_file_begin(const char *from, const char *to,
    const struct age_recipient *recipients, size_t count,
    struct encrypt_file **out, struct error *err) MUST_CHECK;
/* Some megabytes more. *done_out: `to` stands. After a failure there is only
 * encrypt_file_free. */
enum status encrypt_file_step(
    struct encrypt_file *e, bool *done_out, struct error *err) MUST_CHECK;
/* Removes what is not done. */
void encrypt_file_free(struct encrypt_file **e);

#endif
