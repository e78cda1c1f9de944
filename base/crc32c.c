/* CRC-32C: with the processor's instruction, or by slicing tables.
 *
 * Both work on the raw register (crc32c() does the inversions), so they can be
 * mixed and are tested against each other. The instruction has a latency of
 * three cycles and a throughput of one: three lanes of a long input run side
 * by side, and their registers are joined by a table that says what 1,024
 * further zero bytes do to a register, which is linear.
 */
#include "base/crc32c.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, bits reversed */
#define LANE       1024u

typedef uint32_t update_fn(uint32_t reg, struct span s);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static update_fn *update;
static uint32_t slice[8][256];

static void
fill_slice(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t reg = i;
        for (int bit = 0; bit < 8; bit++) {
            reg = (reg >> 1) ^ ((reg & 1) != 0 ? POLYNOMIAL : 0);
        }
        slice[0][i] = reg;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            uint32_t before = slice[k - 1][i];
            slice[k][i] = (before >> 8) ^ slice[0][before & 0xff];
        }
    }
}

static uint64_t
load_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static uint32_t
update_by_table(uint32_t reg, struct span s)
{
    for (; s.len >= 8; s.ptr += 8, s.len -= 8) {
        uint64_t v = load_le64(s.ptr) ^ reg;
        reg = 0;
        for (int k = 0; k < 8; k++) {
            reg ^= slice[7 - k][(v >> (8 * k)) & 0xff];
        }
    }
    for (; s.len > 0; s.ptr++, s.len--) {
        reg = (reg >> 8) ^ slice[0][(reg ^ *s.ptr) & 0xff];
    }
    return reg;
}

#ifdef __x86_64__
static uint32_t lane_shift[4][256];

/* What LANE zero bytes make of each single bit, then of each byte. */
static void
fill_lane_shift(void)
{
    static const uint8_t zeros[LANE];
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t(*table)[256] = &lane_shift[bit / 8];
        uint32_t low = 1u << (bit % 8);
        uint32_t effect = update_by_table(1u << bit, span_of(zeros, LANE));
        for (uint32_t i = low; i < 2 * low; i++) {
            (*table)[i] = (*table)[i - low] ^ effect;
        }
    }
}

static uint32_t
shift_lane(uint32_t reg)
{
    return lane_shift[0][reg & 0xff] ^ lane_shift[1][(reg >> 8) & 0xff] ^
           lane_shift[2][(reg >> 16) & 0xff] ^ lane_shift[3][reg >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t
update_by_sse42(uint32_t reg, struct span s)
{
    while (s.len >= 3 * LANE) {
        uint64_t a = reg;
        uint64_t b = 0;
        uint64_t c = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            const uint8_t *p = s.ptr + i;
            a = __builtin_ia32_crc32di(a, load_le64(p));
            b = __builtin_ia32_crc32di(b, load_le64(p + LANE));
            c = __builtin_ia32_crc32di(c, load_le64(p + 2 * LANE));
        }
        reg = shift_lane(shift_lane((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
        s.ptr += 3 * LANE;
        s.len -= 3 * LANE;
    }
    for (; s.len >= 8; s.ptr += 8, s.len -= 8) {
        reg = (uint32_t)__builtin_ia32_crc32di(reg, load_le64(s.ptr));
    }
    for (; s.len > 0; s.ptr++, s.len--) {
        reg = __builtin_ia32_crc32qi(reg, *s.ptr);
    }
    return reg;
}
#endif

static void
choose(void)
{
    fill_slice();
    update = update_by_table;
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) {
        fill_lane_shift();
        update = update_by_sse42;
    }
#endif
}

uint32_t
crc32c(uint32_t crc, struct span bytes)
{
    pthread_once(&once, choose);
    return ~update(~crc, bytes);
}
