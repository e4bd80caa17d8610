/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eth-header.c - PUSH_ETH and POP_ETH: the Ethernet header of a packet, which
 * without it is a packet of the kind that the header's type says, and as
 * metadata then has it.
 */

#include "action/program.h"
#include "pkt/headers.h"

static bool
check_push_eth(struct agilio_action *action, struct agl_check *check)
{
    (void) action;
    return agl_check_grows(check, AGL_ETH_LEN);
}

/* Does nothing to an Ethernet frame. */
static void
run_push_eth(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_push_eth *push
        = (const struct agilio_action_push_eth *) action;
    uint32_t packet_type = agilio_from_be32(pkt->md.packet_type);
    uint8_t *eth;

    if (!packet_type) {
        return;
    }
    agl_pkt_push(pkt, AGL_ETH_LEN);
    eth = pkt->data;
    memcpy(eth, push->dst, sizeof push->dst);
    memcpy(eth + AGL_ETH_SRC, push->src, sizeof push->src);
    agl_put_be16(eth + AGL_ETH_TYPE, agilio_to_be16((uint16_t) packet_type));
    pkt->md.packet_type = 0;
}

const struct agl_action_class agl_action_push_eth = {
    .len = sizeof(struct agilio_action_push_eth),
    .check = check_push_eth,
    .run = run_push_eth,
};

/* Takes off everything before the labels, or layer 3, and so VLAN tags, too.
 * Does nothing to a packet in which nothing is there. */
static void
run_pop_eth(const struct agilio_action *action, struct agl_pkt *pkt)
{
    uint32_t ofs = (pkt->l2_5_ofs != AGL_OFS_NONE ? pkt->l2_5_ofs
                    : pkt->l3_ofs);
    uint8_t *eth = agl_eth(pkt, ofs + pkt->pad_len);
    uint16_t eth_type;

    (void) action;
    if (eth && ofs >= 2) {
        eth_type = agl_get_u16(eth + ofs - 2);
        agl_pkt_pull(pkt, ofs);
        pkt->md.packet_type = agl_packet_type(eth_type);
    }
}

const struct agl_action_class agl_action_pop_eth = {
    .len = sizeof(struct agilio_action_pop_eth),
    .run = run_pop_eth,
};
