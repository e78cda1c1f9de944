/* CRC-32C (Castagnoli, RFC 3720 B.4), SSE4.2 where the processor has it. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/span.h"

/* Continues from `crc`; start with 0. crc32c(0, "123456789") is e3069283. */
uint32_t crc32c(uint32_t crc, struct span bytes);

#endif
