/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.c - the giver's side of a handover (handover.h).
 *
 * While a packet of a pool is away its give_back does nothing, so the taker
 * frees it like any other and the giver's pool never meets another thread.
 */

#include "pkt/handover.h"

static void
stay_lent(struct agl_pkt *pkt)
{
    (void) pkt;
}

void
agl_handover_reclaim(struct agl_handover *h, struct agl_pool *pool)
{
    /* Pairs with the release in agl_handover_done(). */
    uint32_t done = agilio_load_acquire(&h->done);

    for (; h->reclaimed != done; h->reclaimed++) {
        struct agl_pkt *pkt = h->lent[h->reclaimed % AGL_HANDOVER];

        if (pkt) {
            pkt->give_back = NULL;
            agl_pkt_free(pool, pkt);
        }
    }
}

bool
agl_handover_put(struct agl_handover *h, struct agl_pool *pool,
                 struct agl_handover_slot slot)
{
    struct agl_pkt *pkt = slot.pkt;
    uint32_t i = h->next % AGL_HANDOVER;

    if (h->next - h->reclaimed == AGL_HANDOVER) {
        agl_handover_reclaim(h, pool);
        if (h->next - h->reclaimed == AGL_HANDOVER) {
            return false;
        }
    }
    h->lent[i] = pkt->give_back ? NULL : pkt;
    if (h->lent[i]) {
        pkt->give_back = stay_lent;
    }
    h->slots[i] = slot;
    h->next++;
    return true;
}

bool
agl_handover_publish(struct agl_handover *h)
{
    if (h->prod == h->next) {
        return false;
    }
    /* Pairs with the acquire in agl_handover_ready(). */
    agilio_store_release(&h->prod, h->next);
    return true;
}
