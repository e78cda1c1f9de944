#include "proxy/conn_gate.h"

size_t
conn_gate_len(const struct conn_gate *g)
{
    return g->slots[0].len + g->slots[1].len;
}

void
conn_gate_add(struct conn_gate *g, size_t len, uint64_t lsn, uint32_t mark)
{
    const int at = g->slots[0].len > 0 && lsn > g->slots[0].lsn ? 1 : 0;
    if (g->slots[at].len == 0) {
        g->slots[at].mark = mark;
    }
    if (lsn > g->slots[at].lsn) {
        g->slots[at].lsn = lsn;
    }
    g->slots[at].len += len;
}

void
conn_gate_join(struct conn_gate *g, size_t len)
{
    g->slots[g->slots[1].len > 0 ? 1 : 0].len += len;
}

void
conn_gate_release(struct conn_gate *g, uint64_t lsn)
{
    const struct conn_gate empty = {0};
    while (g->slots[0].len > 0 && g->slots[0].lsn <= lsn) {
        g->slots[0] = g->slots[1];
        g->slots[1] = empty.slots[1];
    }
    if (g->slots[0].len == 0) {
        g->slots[0].lsn = 0;
    }
}

uint32_t
conn_gate_clear(struct conn_gate *g, uint32_t mark)
{
    const uint32_t begun = g->slots[0].len > 0 ? g->slots[0].mark : mark;
    *g = (struct conn_gate){0};
    return begun;
}
