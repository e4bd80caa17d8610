/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eth.c - SET_ETH: the Ethernet addresses, which every frame has, since the
 * pipeline drops what is shorter than an Ethernet header.
 */

#include "action/set.h"

static void
run_set_eth(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_eth *set
        = (const struct agilio_action_set_eth *) action;
    uint8_t *dst = pkt->data, *src = pkt->data + AGL_ETH_SRC;

    agl_merge(dst, dst, set->dst, set->dst_mask, sizeof set->dst);
    agl_merge(src, src, set->src, set->src_mask, sizeof set->src);
}

const struct agl_action_class agl_action_set_eth = {
    .len = sizeof(struct agilio_action_set_eth),
    .run = run_set_eth,
};
