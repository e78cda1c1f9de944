/* UUIDs (RFC 9562): version 7, whose text sorts by time. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/span.h"

#define UUID_TEXT_LEN 36

struct uuid {
    uint8_t bytes[16];
};

struct uuid uuid_v7(int64_t wall_us);
bool uuid_is_nil(const struct uuid *u);
void uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1]);
bool uuid_parse(struct span text, struct uuid *out); /* lower-case only */

#endif
