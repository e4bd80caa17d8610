/* SPDX-License-Identifier: Apache-2.0 */
/* tunnelled.c - frames of the common shapes in a tunnel: see tunnelled.h. */

#include "pkt/tunnelled.h"

#include "pkt/csum.h"
#include "pkt/tunnel.h"

#define L4_OFS (AGL_ETH_LEN + AGL_IPV4_LEN)
#define TUNNEL_OFS (L4_OFS + AGL_UDP_LEN)
#define INNER_OFS (TUNNEL_OFS + AGL_VXLAN_LEN)  /* Without options. */
AGILIO_ASSERT(AGL_GENEVE_LEN == AGL_VXLAN_LEN
              && (int) AGL_GENEVE_VNI == (int) AGL_VXLAN_VNI);

/* Whether the checksum of an IPv4 header without options is good. */
static bool
is_ipv4_good(const uint8_t *ip)
{
    uint64_t sum = 0;
    uint32_t word;

    for (uint32_t i = 0; i < AGL_IPV4_LEN; i += sizeof word) {
        memcpy(&word, ip + i, sizeof word);
        sum += word;
    }
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return sum == UINT16_MAX;
}

/* Whether the checksum of UDP, up to the end of the frame as OVS has it, is
 * good. */
static bool
is_udp_good(const struct agl_pkt *pkt)
{
    uint32_t sum = agl_csum_add_pseudo(0, pkt->data + AGL_ETH_LEN, false);

    return !agl_csum_finish(agl_csum_add(sum, pkt->data + L4_OFS,
                                         pkt->len - L4_OFS));
}

/* Looks at the tunnel's header. */
static bool
look_at_vxlan(const uint8_t *vxlan, struct agl_tunnelled *t)
{
    t->shape = AGL_SHAPE_VXLAN;
    t->opts_len = 0;
    t->strip = INNER_OFS;
    return agl_get_u32(vxlan) == AGL_VXLAN_I && !vxlan[AGL_VXLAN_VNI + 3];
}

static bool
look_at_geneve(const uint8_t *geneve, struct agl_tunnelled *t)
{
    t->shape = AGL_SHAPE_GENEVE;
    t->opts_len = (uint8_t) ((geneve[0] & AGL_GENEVE_OPT_MASK) * 4);
    t->strip = (uint16_t) (INNER_OFS + t->opts_len);
    return (!(geneve[0] & AGL_GENEVE_VER_MASK) && !(geneve[1] & AGL_GENEVE_OAM)
            && agl_get_u16(geneve + AGL_GENEVE_PROTO) == AGL_TYPE_TEB);
}

/* Looks at what is inside. */
static bool
look_inside(struct agl_pkt *pkt, const struct agl_parse_options *options,
            struct agl_tunnelled *t)
{
    uint16_t tcp_flags = pkt->tcp_flags;
    uint32_t inner;

    if (t->strip > pkt->len) {
        return false;
    }
    pkt->data += t->strip;
    pkt->len -= t->strip;
    inner = agl_shape_of(pkt, options);
    pkt->data -= t->strip;
    pkt->len += t->strip;
    t->shape |= inner;
    t->tcp_flags = pkt->tcp_flags;
    pkt->tcp_flags = tcp_flags;
    return inner != AGL_SHAPE_NONE;
}

bool
agl_tunnelled_look(struct agl_pkt *pkt, const struct agl_tunnel_ports *ports,
                   const struct agl_parse_options *options,
                   struct agl_tunnelled *t)
{
    const uint8_t *ip = pkt->data + AGL_ETH_LEN, *udp = pkt->data + L4_OFS;
    const uint8_t *tunnel = pkt->data + TUNNEL_OFS;
    bool is_vxlan = agl_get_be16(udp + AGL_L4_DST) == ports->vxlan;

    t->has_csum = agl_get_u16(udp + AGL_UDP_CSUM) != 0;
    return (pkt->len >= INNER_OFS
            && agl_get_u16(ip + AGL_IPV4_TOTAL) >= INNER_OFS - AGL_ETH_LEN
            && (is_vxlan ? look_at_vxlan(tunnel, t)
                : look_at_geneve(tunnel, t))
            && look_inside(pkt, options, t)
            && agl_get_u32(ip + AGL_IPV4_DST)   /* See agl_tunnel_settle(). */
            && is_ipv4_good(ip)
            && (!t->has_csum || is_udp_good(pkt)));
}

void
agl_tunnelled_select(const struct agilio_key *mask,
                     struct agl_shape_select *select)
{
    const struct agilio_tunnel *tnl = &mask->md.tunnel;
    uint64_t vni = agilio_from_be64(tnl->id) & 0xffffff;
    uint8_t bytes[AGL_VXLAN_LEN] = { 0 };
    struct agilio_key outer = *mask;

    outer.nw_src |= tnl->ip_src;
    outer.nw_dst |= tnl->ip_dst;
    outer.nw_tos |= tnl->tos;
    outer.nw_ttl |= tnl->ttl;
    outer.tp_src |= tnl->tp_src;
    outer.tp_dst |= tnl->tp_dst;
    agl_put_be32(bytes + AGL_VXLAN_VNI,
                 agilio_to_be32((uint32_t) (vni << 8)));
    agl_shape_select_more(AGL_SHAPE_SOME, &outer, bytes, sizeof bytes, select);
}

void
agl_tunnelled_pop(struct agl_pkt *pkt, const struct agl_tunnelled *t,
                  agilio_le32 in_port)
{
    const uint8_t *ip = pkt->data + AGL_ETH_LEN, *udp = pkt->data + L4_OFS;
    struct agilio_tunnel *tnl = &pkt->md.tunnel;

    agl_pkt_clear_md(pkt);
    pkt->md.in_port = in_port;
    tnl->id = agilio_to_be64(agl_get_u32(udp + AGL_UDP_LEN + AGL_VXLAN_VNI)
                             >> 8);
    tnl->ip_src = agl_get_be32(ip + AGL_IPV4_SRC);
    tnl->ip_dst = agl_get_be32(ip + AGL_IPV4_DST);
    tnl->tos = ip[AGL_IPV4_TOS];
    tnl->ttl = ip[AGL_IPV4_TTL];
    tnl->tp_src = agl_get_be16(udp + AGL_L4_SRC);
    tnl->tp_dst = agl_get_be16(udp + AGL_L4_DST);
    tnl->flags = agilio_to_le16(
        AGL_TNL_KEY | (t->has_csum ? AGL_TNL_CSUM : 0)
        | (t->shape & AGL_SHAPE_GENEVE ? AGL_TNL_RAW_OPTS : 0));
    if (t->opts_len) {
        tnl->opts_len = t->opts_len;
        memcpy(pkt->tun_opts, pkt->data + INNER_OFS, t->opts_len);
    }
    agl_tunnelled_strip(pkt, t);
}
