/* Big-endian integers at fixed places, for layouts whose every field has an
 * offset. The caller has checked that the bytes are there; where lengths come
 * from outside, use the checked takes of base/span instead.
 *
 * Inline, because a journal record is made for every chunk of every session.
 */
#ifndef SCHEMA_BE_H
#define SCHEMA_BE_H

#include <stdint.h>

static inline void
be_store_u16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static inline void
be_store_u32(uint8_t *at, uint32_t v)
{
    be_store_u16(at, (uint16_t)(v >> 16));
    be_store_u16(at + 2, (uint16_t)v);
}

static inline void
be_store_u64(uint8_t *at, uint64_t v)
{
    be_store_u32(at, (uint32_t)(v >> 32));
    be_store_u32(at + 4, (uint32_t)v);
}

static inline uint16_t
be_load_u16(const uint8_t *at)
{
    return (uint16_t)((unsigned)at[0] << 8 | at[1]);
}

static inline uint32_t
be_load_u32(const uint8_t *at)
{
    return (uint32_t)be_load_u16(at) << 16 | be_load_u16(at + 2);
}

static inline uint64_t
be_load_u64(const uint8_t *at)
{
    return (uint64_t)be_load_u32(at) << 32 | be_load_u32(at + 4);
}

#endif
