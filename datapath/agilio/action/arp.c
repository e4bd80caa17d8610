/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arp.c - SET_ARP: addresses and operation of ARP and RARP (RFC 826, 903).
 *
 * ARP has no checksum, and no layer 4: pkt->l4_ofs says nothing here.
 */

#include "action/set.h"

/* The header if the packet has one, else NULL. */
static uint8_t *
find_arp(const struct agl_pkt *pkt)
{
    bool is_arp = (pkt->l3_type == AGL_TYPE_ARP
                   || pkt->l3_type == AGL_TYPE_RARP);

    return is_arp && pkt->l3_ofs + AGL_ARP_LEN <= pkt->len
           ? pkt->data + pkt->l3_ofs : NULL;
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
