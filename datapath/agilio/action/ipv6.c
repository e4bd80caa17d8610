/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipv6.c - SET_IPV6: addresses, traffic class, flow label, hop limit.
 *
 * There is no checksum in the header; those of TCP, UDP and ICMPv6 follow the
 * addresses.  Extension headers in between decide whether that can be done.
 */

#include "action/set.h"

/* Returns the protocol whose checksum follows the addresses of 'ip', or a
 * number that has none:
 *
 *   - Of a fragment, only the first has the checksum.  A fragment that is the
 *     first and the last ("atomic", RFC 6946) should count as whole, but does
 *     not in OVS, hence neither here.
 *
 *   - While a routing header has segments left, the checksum is one for a
 *     destination that the header does not show yet (RFC 8200, 8.1). */
static uint8_t
checksummed_proto(const struct agl_pkt *pkt, const uint8_t *ip)
{
    const uint8_t *end = pkt->data + pkt->l4_ofs;
    const uint8_t *ext = ip + AGL_IPV6_LEN;
    uint8_t proto = ip[AGL_IPV6_NEXT];
    bool whole = true;

    while (agl_is_ipv6_ext(proto) && end - ext >= AGL_IPV6_EXT_MIN) {
        uint8_t kind = proto;

        if (kind == AGL_PROTO_ROUTING && ext[AGL_IPV6_SEGMENTS_LEFT]) {
            return AGL_PROTO_ROUTING;
        } else if (kind == AGL_PROTO_FRAGMENT) {
            uint16_t ofs = agl_get_u16(ext + AGL_IPV6_FRAG_OFS);

            whole = !(ofs & AGL_IPV6_OFS_MASK) && (ofs & AGL_IPV6_MORE);
        }
        proto = ext[0];
        ext += agl_ipv6_ext_len(kind, ext);
    }
    return whole ? proto : AGL_PROTO_FRAGMENT;
}

static void
set_addr(struct agl_pkt *pkt, uint8_t proto, uint8_t *addr,
         const uint8_t value[16], const uint8_t mask[16])
{
    uint8_t new[16];

    agl_merge(new, addr, value, mask, sizeof new);
    if (memcmp(new, addr, sizeof new)) {
        agl_csum_update_pseudo(pkt, proto, addr, new, sizeof new);
        memcpy(addr, new, sizeof new);
    }
}

static void
run_set_ipv6(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_ipv6 *set
        = (const struct agilio_action_set_ipv6 *) action;
    uint8_t *ip = agl_ip(pkt, AGL_TYPE_IPV6);
    uint32_t word, label, label_mask;
    uint8_t proto, tclass;

    if (!ip) {
        return;
    }
    proto = checksummed_proto(pkt, ip);
    set_addr(pkt, proto, ip + AGL_IPV6_SRC, set->src, set->src_mask);
    set_addr(pkt, proto, ip + AGL_IPV6_DST, set->dst, set->dst_mask);

    /* Version, class and label are one word. */
    word = agl_get_u32(ip);
    tclass = (uint8_t) (word >> 20);
    tclass = AGL_MERGE(tclass, set->tclass, set->tclass_mask);
    label = agilio_from_be32(set->label);
    label_mask = agilio_from_be32(set->label_mask) & AGL_IPV6_LABEL_MASK;
    word = (word & 0xf0000000) | (uint32_t) tclass << 20
           | (AGL_MERGE(word, label, label_mask) & AGL_IPV6_LABEL_MASK);
    agl_put_be32(ip, agilio_to_be32(word));
    ip[AGL_IPV6_HLIMIT] = AGL_MERGE(ip[AGL_IPV6_HLIMIT], set->hlimit,
                                    set->hlimit_mask);
}

const struct agl_action_class agl_action_set_ipv6 = {
    .len = sizeof(struct agilio_action_set_ipv6),
    .steady = true,
    .run = run_set_ipv6,
};
