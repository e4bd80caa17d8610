/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipv4.c - SET_IPV4: addresses, TOS, TTL.
 *
 * The header's checksum follows every change; those of TCP and UDP follow the
 * addresses, which their pseudo-header has.  OVS's userspace datapath does so
 * in later fragments too, which have no layer 4 header: two bytes of payload
 * then change.  So do we, for there must be no difference.
 */

#include "action/set.h"

static void
set_addr(struct agl_pkt *pkt, uint8_t *ip, size_t ofs,
         agilio_be32 value, agilio_be32 mask)
{
    agilio_be32 old = agl_get_be32(ip + ofs);
    agilio_be32 new = AGL_MERGE(old, value, mask);
    uint8_t proto = ip[AGL_IPV4_PROTO];

    if (new != old) {
        if (proto == AGL_PROTO_TCP || proto == AGL_PROTO_UDP) {
            agl_csum_update_pseudo(pkt, proto, &old, &new, sizeof new);
        }
        agl_csum_update(ip + AGL_IPV4_CSUM, &old, &new, sizeof new);
        agl_put_be32(ip + ofs, new);
    }
}

/* Sets byte 'ofs' of the header; the checksum covers it with its neighbour. */
static void
set_byte(uint8_t *ip, size_t ofs, uint8_t value, uint8_t mask)
{
    uint8_t *word = ip + (ofs & ~(size_t) 1);
    agilio_be16 old = agl_get_be16(word), new;

    ip[ofs] = AGL_MERGE(ip[ofs], value, mask);
    new = agl_get_be16(word);
    if (new != old) {
        agl_csum_update(ip + AGL_IPV4_CSUM, &old, &new, sizeof new);
    }
}

static void
run_set_ipv4(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_ipv4 *set
        = (const struct agilio_action_set_ipv4 *) action;
    uint8_t *ip = agl_ip(pkt, AGL_TYPE_IPV4);

    if (ip) {
        set_addr(pkt, ip, AGL_IPV4_SRC, set->src, set->src_mask);
        set_addr(pkt, ip, AGL_IPV4_DST, set->dst, set->dst_mask);
        set_byte(ip, AGL_IPV4_TOS, set->tos, set->tos_mask);
        set_byte(ip, AGL_IPV4_TTL, set->ttl, set->ttl_mask);
    }
}

const struct agl_action_class agl_action_set_ipv4 = {
    .len = sizeof(struct agilio_action_set_ipv4),
    .steady = true,
    .run = run_set_ipv4,
};
