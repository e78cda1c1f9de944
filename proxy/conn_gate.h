/* Which of the bytes that wait to be sent still wait for the journal: they are
 * the last ones, each part with the LSN below which everything must be kept.
 * Plain values; the bytes themselves are the connection's.
 *
 * Each part also keeps the owner's mark of where it begins, so that a stream
 * which must end in front of it can be ended properly, or known to be cut.
 */
#ifndef PROXY_CONN_GATE_H
#define PROXY_CONN_GATE_H

#include <stddef.h>
#include <stdint.h>

/* Two are enough: one for the write or sync under way, one for what came
 * since. */
#define CONN_GATE_SLOTS 2

struct conn_gate {
    struct {
        uint64_t lsn;
        size_t len;
        uint32_t mark;
    } slots[CONN_GATE_SLOTS]; /* oldest first */
};

size_t conn_gate_len(const struct conn_gate *g);
/* `mark`: of the place where these bytes begin. */
void conn_gate_add(
    struct conn_gate *g, size_t len, uint64_t lsn, uint32_t mark);
/* Bytes that wait for nothing, but may not overtake those that do. */
void conn_gate_join(struct conn_gate *g, size_t len);
/* Lets go what waits for no more than `lsn`. */
void conn_gate_release(struct conn_gate *g, uint64_t lsn);
/* Nothing waits any more. Where it began; `mark` when nothing did. */
uint32_t conn_gate_clear(struct conn_gate *g, uint32_t mark);

#endif
