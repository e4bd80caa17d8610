/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkt.c - the packet pool of a worker, and the front end of a frame.
 *
 * A pool is a stack of free packets in memory that the worker set aside at its
 * start; taking and giving back is two stores.  One thread, no locks.
 */

#include "pkt/pkt.h"

/* So that a frame starts a cache line when its packet does. */
AGILIO_ASSERT_OFFSET(struct agl_pkt, room, 7 * AGILIO_CACHE_LINE);

void
agl_pool_init(struct agl_pool *pool, void *memory, uint32_t n)
{
    struct agl_pkt *pkts = memory;

    pool->free = NULL;
    pool->n_free = pool->n_reserved = 0;
    pool->n = n;
    while (n) {
        pkts[--n].give_back = NULL;
        agl_pkt_free(pool, &pkts[n]);
    }
}

static struct agl_pkt *
take(struct agl_pool *pool)
{
    struct agl_pkt *pkt = pool->free;

    if (pkt) {
        pool->free = pkt->next_free;
        pool->n_free--;
    }
    return pkt;
}

struct agl_pkt *
agl_pkt_new(struct agl_pool *pool)
{
    struct agl_pkt *pkt = take(pool);

    if (pkt) {
        agl_pkt_init(pkt, pkt->room + AGL_PKT_HEADROOM, 0);
    }
    return pkt;
}

bool
agl_pool_reserve(struct agl_pool *pool, uint32_t n)
{
    if (n > pool->n_free - pool->n_reserved) {
        return false;
    }
    pool->n_reserved += n;
    return true;
}

struct agl_pkt *
agl_pkt_clone(struct agl_pool *pool, const struct agl_pkt *src)
{
    struct agl_pkt *pkt = take(pool);

    pool->n_reserved--;
    memcpy(&pkt->data, &src->data, offsetof(struct agl_pkt, tun_opts)
                                   - offsetof(struct agl_pkt, data));
    memcpy(pkt->tun_opts, src->tun_opts, src->md.tunnel.opts_len);
    pkt->data = pkt->room + (src->data - src->room);
    memcpy(pkt->data, src->data, src->len);
    return pkt;
}

void
agl_pkt_free(struct agl_pool *pool, struct agl_pkt *pkt)
{
    if (pkt->give_back) {
        pkt->give_back(pkt);
        return;
    }
    pkt->next_free = pool->free;
    pool->free = pkt;
    pool->n_free++;
}

void
agl_pkt_cut(struct agl_pkt *pkt)
{
    if (pkt->trunc) {
        pkt->len -= pkt->cut < pkt->len ? pkt->cut : pkt->len;
        agl_pkt_uncut(pkt);
    }
}

void
agl_pkt_uncut(struct agl_pkt *pkt)
{
    if (pkt->trunc) {
        pkt->trunc = false;
        pkt->cut = 0;
    }
}

/* The header at '*ofs' is 'n' bytes further back.  All such distances are
 * even, so none comes out as AGL_OFS_NONE. */
static void
move(uint16_t *ofs, uint32_t n)
{
    if (*ofs != AGL_OFS_NONE) {
        *ofs = (uint16_t) (*ofs + n);
    }
}

void
agl_pkt_push(struct agl_pkt *pkt, uint32_t n)
{
    pkt->data -= n;
    pkt->len += n;
    move(&pkt->l2_5_ofs, n);
    move(&pkt->l3_ofs, n);
    move(&pkt->l4_ofs, n);
}

void
agl_pkt_pull(struct agl_pkt *pkt, uint32_t n)
{
    pkt->data += n;
    pkt->len -= n;
    move(&pkt->l2_5_ofs, -n);
    move(&pkt->l3_ofs, -n);
    move(&pkt->l4_ofs, -n);
}
