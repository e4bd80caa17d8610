/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnel-push.c - TUNNEL_PUSH: puts a header before the packet, Ethernet, IP
 * and so on, which the host has made, and fills in what depends on the packet.
 *
 * As OVS does it in netdev_push_header() and below (lib/netdev-native-tnl.c of
 * 3.1).  What it keeps state for, sequence numbers, is not done here; check()
 * refuses headers with one.
 */

#include "action/tunnel.h"

/* A header that is good: where its layer 4 begins. */
static uint32_t
l4_of(const uint8_t *eth)
{
    return AGL_ETH_LEN + (agl_get_u16(eth + AGL_ETH_TYPE) == AGL_TYPE_IPV6
                          ? AGL_IPV6_LEN : AGL_IPV4_LEN);
}

/* The offset of layer 4, which is 'proto' and of which at least 'min' bytes
 * are in the header of 'n' bytes; 0 if that is not so. */
static uint32_t
check_ip(const uint8_t *eth, uint32_t n, uint8_t proto, uint32_t min)
{
    const uint8_t *ip = eth + AGL_ETH_LEN;
    uint16_t type;

    if (n < AGL_ETH_LEN + AGL_IPV4_LEN || n < l4_of(eth) + min) {
        return 0;
    }
    type = agl_get_u16(eth + AGL_ETH_TYPE);
    if (type == AGL_TYPE_IPV4) {
        return ip[0] == 0x45 && ip[AGL_IPV4_PROTO] == proto ? l4_of(eth) : 0;
    }
    return (type == AGL_TYPE_IPV6 && ip[0] >> 4 == 6
            && ip[AGL_IPV6_NEXT] == proto) ? l4_of(eth) : 0;
}

/* Whether the NIC can fill in the 'n' bytes of header at 'eth'. */
static bool
check_header(const uint8_t *eth, uint32_t n, enum agilio_tunnel_type type)
{
    uint32_t l4;
    uint16_t flags;

    switch (type) {
    case AGILIO_TUNNEL_VXLAN:
    case AGILIO_TUNNEL_GENEVE:
        return check_ip(eth, n, AGL_PROTO_UDP, AGL_UDP_LEN + AGL_VXLAN_LEN);
    case AGILIO_TUNNEL_GTPU:
        /* One with more has room for a sequence number. */
        l4 = check_ip(eth, n, AGL_PROTO_UDP, AGL_UDP_LEN + AGL_GTPU_LEN);
        return l4 && n == l4 + AGL_UDP_LEN + AGL_GTPU_LEN;
    case AGILIO_TUNNEL_GRE:
        l4 = check_ip(eth, n, AGL_PROTO_GRE, AGL_GRE_LEN);
        flags = l4 ? agl_get_u16(eth + l4) : AGL_GRE_SEQ;
        return !(flags & AGL_GRE_SEQ) && n >= l4 + agl_gre_len(flags);
    case AGILIO_TUNNEL_ERSPAN:          /* It always has one. */
    case AGILIO_TUNNEL_NONE:
    case AGILIO_N_TUNNELS:
    default:
        return false;
    }
}
AGILIO_ASSERT(AGL_GENEVE_LEN == AGL_VXLAN_LEN);

static bool
check_tunnel_push(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_tunnel_push *push
        = (const struct agilio_action_tunnel_push *) action;
    uint32_t n = agilio_from_le16(push->header_len);

    if (!agl_check_tunnel(check, push->type, push->port)) {
        return false;
    }
    if (agilio_from_le16(action->len) != sizeof *push + AGILIO_ROUND_UP(n, 4)
        || agilio_from_le16(push->udp_min) > agilio_from_le16(push->udp_max)
        || !check_header((const uint8_t *) (push + 1), n,
                         agilio_from_le32(push->type))) {
        check->reason = "the NIC cannot push a tunnel's header";
        return false;
    }
    if (agilio_from_le32(push->type) != AGILIO_TUNNEL_GRE) {
        check->needs_hash = true;
    }
    return agl_check_grows(check, n);
}

/* Lengths and checksum of the IP header.  (They are 16 bits in an IP header
 * and in OVS, whatever the length of the packet.) */
static void
fill_ip(uint8_t *eth, uint32_t l4_len)
{
    uint8_t *ip = eth + AGL_ETH_LEN;

    if (agl_get_u16(eth + AGL_ETH_TYPE) == AGL_TYPE_IPV6) {
        agl_put_be16(ip + AGL_IPV6_PLEN, agilio_to_be16((uint16_t) l4_len));
    } else {
        static const uint8_t zero[2];
        uint16_t total = (uint16_t) (AGL_IPV4_LEN + l4_len);

        agl_put_be16(ip + AGL_IPV4_TOTAL, agilio_to_be16(total));
        agl_csum_update(ip + AGL_IPV4_CSUM, zero, ip + AGL_IPV4_TOTAL, 2);
    }
}

static void
fill_udp(const struct agilio_action_tunnel_push *push, uint32_t hash,
         uint8_t *eth, uint8_t *udp, uint32_t l4_len)
{
    uint16_t min = agilio_from_le16(push->udp_min);
    uint16_t n = (uint16_t) (agilio_from_le16(push->udp_max) - min);
    uint16_t port = (uint16_t) (((uint64_t) hash * n >> 32) + min);
    bool ipv6 = agl_get_u16(eth + AGL_ETH_TYPE) == AGL_TYPE_IPV6;
    uint32_t sum;
    uint16_t csum;

    agl_put_be16(udp + AGL_L4_SRC, agilio_to_be16(port));
    agl_put_be16(udp + AGL_UDP_TOTAL, agilio_to_be16((uint16_t) l4_len));
    if (agl_get_u16(udp + AGL_UDP_CSUM)
        || agilio_from_le32(push->type) == AGILIO_TUNNEL_GTPU) {
        /* What stands there to ask for a checksum counts, in OVS as well: it
         * is one of the forms of zero. */
        sum = agl_csum_add_pseudo(0, eth + AGL_ETH_LEN, ipv6);
        csum = agl_csum_finish(agl_csum_add(sum, udp, l4_len));
        agl_put_be16(udp + AGL_UDP_CSUM,
                     agilio_to_be16(csum ? csum : UINT16_MAX));
    }
}

static void
fill_l4(const struct agilio_action_tunnel_push *push, struct agl_pkt *pkt)
{
    uint8_t *l4 = pkt->data + pkt->l4_ofs;
    uint32_t type = agilio_from_le32(push->type);
    uint16_t n;

    if (type != AGILIO_TUNNEL_GRE) {
        fill_udp(push, pkt->flow_hash, pkt->data, l4, pkt->l4_len);
    } else if (agl_get_u16(l4) & AGL_GRE_CSUM) {
        n = agl_csum_finish(agl_csum_add(0, l4, pkt->l4_len));
        agl_put_be16(l4 + AGL_GRE_LEN, agilio_to_be16(n));
    }
    if (type == AGILIO_TUNNEL_GTPU) {
        /* Behind the back of the checksum, as OVS 3.1 has it. */
        n = (uint16_t) (pkt->l4_len - AGL_UDP_LEN - AGL_GTPU_LEN);
        agl_put_be16(l4 + AGL_UDP_LEN + AGL_GTPU_TOTAL, agilio_to_be16(n));
    }
}

/* The packet is then one that the host made itself: nothing is known of it but
 * the port that it comes from. */
static void
run_tunnel_push(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_tunnel_push *push
        = (const struct agilio_action_tunnel_push *) action;
    uint32_t n = agilio_from_le16(push->header_len);

    agl_pkt_cut(pkt);
    agl_pkt_push(pkt, n);
    memcpy(pkt->data, push + 1, n);
    agl_pkt_clear_md(pkt);
    pkt->md.in_port = push->port;

    pkt->l2_5_ofs = AGL_OFS_NONE;
    pkt->l3_ofs = AGL_ETH_LEN;
    pkt->l3_type = agl_get_u16(pkt->data + AGL_ETH_TYPE);
    pkt->l4_ofs = (uint16_t) l4_of(pkt->data);
    pkt->l4_len = (uint16_t) (pkt->len - pkt->l4_ofs);
    pkt->pad_len = 0;
    fill_ip(pkt->data, pkt->l4_len);
    fill_l4(push, pkt);
}

const struct agl_action_class agl_action_tunnel_push = {
    .len = sizeof(struct agilio_action_tunnel_push),
    .variable = true,
    .check = check_tunnel_push,
    .run = run_tunnel_push,
};
