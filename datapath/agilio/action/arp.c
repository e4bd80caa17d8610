/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arp.c - SET_ARP: addresses and operation of ARP and RARP (RFC 826, 903).
 *
 * ARP has no checksum, and no layer 4: pkt->l4_ofs says nothing here.
 */

#include "action/set.h"

/* The header if the packet has one, else NULL.  A frame whose layer 3 moved
 * into the Ethernet header (more tags popped than were parsed) has none. */
static uint8_t *
find_arp(const struct agl_pkt *pkt)
{
    uint32_t end = pkt->l3_ofs + AGL_ARP_LEN;
    uint8_t *arp;
    uint16_t type;

    if (pkt->l3_ofs < AGL_ETH_LEN || end > pkt->len) {
        return NULL;
    }
    arp = pkt->data + pkt->l3_ofs;
    type = agl_get_u16(arp - 2);
    return type == AGL_TYPE_ARP || type == AGL_TYPE_RARP ? arp : NULL;
}

static void
run_set_arp(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_arp *set
        = (const struct agilio_action_set_arp *) action;
    uint8_t *arp = find_arp(pkt);
    agilio_be32 spa, tpa;
    agilio_be16 op;

    if (!arp) {
        return;
    }
    op = agl_get_be16(arp + AGL_ARP_OP);
    spa = agl_get_be32(arp + AGL_ARP_SPA);
    tpa = agl_get_be32(arp + AGL_ARP_TPA);
    agl_put_be16(arp + AGL_ARP_OP, AGL_MERGE(op, set->op, set->op_mask));
    agl_put_be32(arp + AGL_ARP_SPA, AGL_MERGE(spa, set->spa, set->spa_mask));
    agl_put_be32(arp + AGL_ARP_TPA, AGL_MERGE(tpa, set->tpa, set->tpa_mask));
    agl_merge(arp + AGL_ARP_SHA, arp + AGL_ARP_SHA, set->sha, set->sha_mask,
              sizeof set->sha);
    agl_merge(arp + AGL_ARP_THA, arp + AGL_ARP_THA, set->tha, set->tha_mask,
              sizeof set->tha);
}

const struct agl_action_class agl_action_set_arp = {
    .len = sizeof(struct agilio_action_set_arp),
    .run = run_set_arp,
};
