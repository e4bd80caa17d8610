/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.h - packets from one worker to another, to be sent there or given
 * to the host.
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

/* What is to be done with a packet: it is sent by the port or, if it is a
 * whole record for the host, put into the port's ring and counted as 'fate'.
 */
struct agl_handover_slot {
    struct agl_pkt *pkt;
    uint32_t port_id;
    uint32_t fate;              /* enum agilio_counter, or... */
};
#define AGL_HANDOVER_OUTPUT AGILIO_N_COUNTERS

struct agl_handover {
    /* The giver's. */
    uint32_t next;              /* Filled in, not all of it published. */
    uint32_t reclaimed;
    struct agl_pkt *lent[AGL_HANDOVER];     /* Of its pool; else NULL. */

    /* Written by the giver, read by the taker. */
    uint32_t prod __attribute__((aligned(AGILIO_CACHE_LINE)));
    struct agl_handover_slot slots[AGL_HANDOVER]
        __attribute__((aligned(AGILIO_CACHE_LINE)));

    /* Written by the taker. */
    uint32_t done __attribute__((aligned(AGILIO_CACHE_LINE)));
};

/* Giver: gives what 'slot' says, once it is published.  False if there is no
 * room; its packet is then still the caller's. */
bool agl_handover_put(struct agl_handover *, struct agl_pool *pool,
                      struct agl_handover_slot slot);
/* Giver: true if there was something to publish. */
bool agl_handover_publish(struct agl_handover *);
/* Giver: puts the packets that are done back into 'pool'. */
void agl_handover_reclaim(struct agl_handover *, struct agl_pool *pool);

/* Taker: how many packets there are; packet 'i' of them; 'n' of them are dealt
 * with, and agl_pkt_free() has been called for each. */
static inline uint32_t
agl_handover_ready(const struct agl_handover *h)
{
    /* Pairs with the release in agl_handover_publish(). */
    return agilio_load_acquire(&h->prod) - h->done;
}

static inline const struct agl_handover_slot *
agl_handover_get(const struct agl_handover *h, uint32_t i)
{
    return &h->slots[(h->done + i) % AGL_HANDOVER];
}

static inline void
agl_handover_done(struct agl_handover *h, uint32_t n)
{
    /* Pairs with the acquire in agl_handover_reclaim(). */
    agilio_store_release(&h->done, h->done + n);
}

#endif /* pkt/handover.h */
