/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.h - packets from one worker to another, to be sent there.
 *
 * A ring like that of a network card: the giver fills in descriptors, the
 * taker does them in order and says how far it has got, and the giver gets its
 * buffers back from what is done.  So a pool stays its worker's own, and the
 * order of what one worker gives to another is kept.
 *
 *                done          prod      giver: put, publish, reclaim
 *     +----+----+----+----+----+----+    taker: ready, get, done
 *     |    | to be  | to be sent |  |
 *     |    | freed  |            |  |    A driver's own packet (give_back) is
 *     +----+----+----+----+----+----+    freed by the taker; it has no pool.
 *      reclaimed
 *
 * One giver thread, one taker thread.  A cursor is written by one of them,
 * with release, and read by the other with acquire.
 */

#ifndef AGL_HANDOVER_H
#define AGL_HANDOVER_H 1

#include "pkt/pkt.h"

#define AGL_HANDOVER 512        /* Packets under way; a power of two. */

struct agl_handover {
    /* The giver's. */
    uint32_t next;              /* Filled in, not all of it published. */
    uint32_t reclaimed;
    struct agl_pkt *lent[AGL_HANDOVER];     /* Of its pool; else NULL. */

    /* Written by the giver, read by the taker. */
    uint32_t prod __attribute__((aligned(AGILIO_CACHE_LINE)));
    struct {
        struct agl_pkt *pkt;
        uint32_t port_id;
    } slots[AGL_HANDOVER] __attribute__((aligned(AGILIO_CACHE_LINE)));

    /* Written by the taker. */
    uint32_t done __attribute__((aligned(AGILIO_CACHE_LINE)));
};

/* Giver: has 'pkt' sent to port 'port_id', once it is published.  False if
 * there is no room; 'pkt' is then still the caller's. */
bool agl_handover_put(struct agl_handover *, struct agl_pool *pool,
                      struct agl_pkt *pkt, uint32_t port_id);
/* Giver: true if there was something to publish. */
bool agl_handover_publish(struct agl_handover *);
/* Giver: puts the packets that are done back into 'pool'. */
void agl_handover_reclaim(struct agl_handover *, struct agl_pool *pool);

/* Taker: how many packets there are; packet 'i' of them; 'n' of them are sent
 * or dropped, and agl_pkt_free() has been called for each. */
static inline uint32_t
agl_handover_ready(const struct agl_handover *h)
{
    /* Pairs with the release in agl_handover_publish(). */
    return agilio_load_acquire(&h->prod) - h->done;
}

static inline struct agl_pkt *
agl_handover_get(const struct agl_handover *h, uint32_t i, uint32_t *port_id)
{
    *port_id = h->slots[(h->done + i) % AGL_HANDOVER].port_id;
    return h->slots[(h->done + i) % AGL_HANDOVER].pkt;
}

static inline void
agl_handover_done(struct agl_handover *h, uint32_t n)
{
    /* Pairs with the acquire in agl_handover_reclaim(). */
    agilio_store_release(&h->done, h->done + n);
}

#endif /* pkt/handover.h */
