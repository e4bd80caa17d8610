/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mpls.c - PUSH_MPLS, POP_MPLS, SET_MPLS: the outer label of a stack
 * (RFC 3032).
 *
 * The stack stands between the Ethernet header, with its tags, and layer 3;
 * of a packet without Ethernet header it is the beginning.  What is pushed in
 * front of everything changes the kind of the packet, but not the offsets of
 * its layers: so it is in OVS, and a later action of the program may see it.
 */

#include "action/set.h"

static bool
check_push_mpls(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_push_mpls *push
        = (const struct agilio_action_push_mpls *) action;
    uint16_t type = agilio_from_be16(push->eth_type);

    if (type != AGL_TYPE_MPLS && type != AGL_TYPE_MPLS_MCAST) {
        check->reason = "the type of a label is not one of MPLS";
        return false;
    }
    return agl_check_grows(check, AGL_MPLS_LEN);
}

/* Writes the Ethernet type, which stands before the labels if there are VLAN
 * tags.  The labels are known to be in the packet. */
static void
set_eth_type(struct agl_pkt *pkt, agilio_be16 type)
{
    uint8_t *eth = agl_eth(pkt, AGL_ETH_LEN);
    uint32_t ofs = AGL_ETH_TYPE;

    if (eth && agl_is_vlan_type(agl_get_u16(eth + AGL_ETH_TYPE))) {
        ofs = pkt->l2_5_ofs - 2u;
    }
    if (eth && ofs < pkt->len) {
        agl_put_be16(eth + ofs, type);
    }
}

static void
push_front(struct agl_pkt *pkt, const struct agilio_action_push_mpls *push)
{
    uint16_t l3_ofs = pkt->l3_ofs, l4_ofs = pkt->l4_ofs;

    agl_pkt_push(pkt, AGL_MPLS_LEN);
    agl_put_be32(pkt->data, push->lse);
    pkt->md.packet_type = agl_packet_type(agilio_from_be16(push->eth_type));
    pkt->l2_5_ofs = 0;
    pkt->l3_ofs = l3_ofs;
    pkt->l4_ofs = l4_ofs;
    if (pkt->l4_ofs != AGL_OFS_NONE) {
        pkt->l4_len += AGL_MPLS_LEN;
    }
}

static void
run_push_mpls(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_push_mpls *push
        = (const struct agilio_action_push_mpls *) action;
    uint16_t ofs = (pkt->l2_5_ofs != AGL_OFS_NONE ? pkt->l2_5_ofs
                    : pkt->l3_ofs);

    if (push->at_front) {
        push_front(pkt, push);
    } else if (ofs <= pkt->len) {
        pkt->l2_5_ofs = ofs;
        set_eth_type(pkt, push->eth_type);
        agl_pkt_push(pkt, AGL_MPLS_LEN);
        memmove(pkt->data, pkt->data + AGL_MPLS_LEN, ofs);
        agl_put_be32(pkt->data + ofs, push->lse);
        pkt->l2_5_ofs = ofs;
    }
}

const struct agl_action_class agl_action_push_mpls = {
    .len = sizeof(struct agilio_action_push_mpls),
    .check = check_push_mpls,
    .run = run_push_mpls,
};

/* A label that is cut off by the end of the frame is popped, too.  OVS no
 * longer takes the packet's hash for one of it. */
static void
run_pop_mpls(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_pop_mpls *pop
        = (const struct agilio_action_pop_mpls *) action;
    uint16_t eth_type = agilio_from_be16(pop->eth_type);
    uint32_t ofs = pkt->l2_5_ofs;
    uint32_t left = pkt->len - AGL_MPLS_LEN;
    bool bottom;

    if (ofs > pkt->len || pkt->len < AGL_MPLS_LEN + pkt->pad_len) {
        return;
    }
    set_eth_type(pkt, pop->eth_type);
    bottom = ofs + 2 < pkt->len && pkt->data[ofs + 2] & AGL_MPLS_BOS >> 8;
    memmove(pkt->data + AGL_MPLS_LEN, pkt->data, ofs < left ? ofs : left);
    agl_pkt_pull(pkt, AGL_MPLS_LEN);
    pkt->l2_5_ofs = bottom ? AGL_OFS_NONE : ofs;
    pkt->has_hash = false;
    if (!ofs) {
        pkt->md.packet_type = (eth_type == AGL_TYPE_TEB ? 0
                               : agl_packet_type(eth_type));
    }
}

const struct agl_action_class agl_action_pop_mpls = {
    .len = sizeof(struct agilio_action_pop_mpls),
    .run = run_pop_mpls,
};

static void
run_set_mpls(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_mpls *set
        = (const struct agilio_action_set_mpls *) action;
    uint8_t lse[AGL_MPLS_LEN], mask[AGL_MPLS_LEN], *p;
    uint32_t left;

    if (pkt->l2_5_ofs >= pkt->len) {
        return;
    }
    p = pkt->data + pkt->l2_5_ofs;
    left = pkt->len - pkt->l2_5_ofs;
    agl_put_be32(lse, set->lse);
    agl_put_be32(mask, set->lse_mask);
    agl_merge(p, p, lse, mask, left < sizeof lse ? left : sizeof lse);
}

const struct agl_action_class agl_action_set_mpls = {
    .len = sizeof(struct agilio_action_set_mpls),
    .run = run_set_mpls,
};
