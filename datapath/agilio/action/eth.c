/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eth.c - SET_ETH: the Ethernet addresses.  eth-header.c pushes and pops the
 * whole header.
 */

#include "action/set.h"

static void
run_set_eth(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_eth *set
        = (const struct agilio_action_set_eth *) action;
    uint8_t *dst = agl_eth(pkt, AGL_ETH_ADDRS_LEN), *src;

    if (dst) {
        src = dst + AGL_ETH_SRC;
        agl_merge(dst, dst, set->dst, set->dst_mask, sizeof set->dst);
        agl_merge(src, src, set->src, set->src_mask, sizeof set->src);
    }
}

const struct agl_action_class agl_action_set_eth = {
    .len = sizeof(struct agilio_action_set_eth),
    .steady = true,
    .run = run_set_eth,
};
