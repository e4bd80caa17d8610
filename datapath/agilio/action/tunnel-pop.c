/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnel-pop.c - TUNNEL_POP: takes the packet out of a tunnel and looks it up
 * again, as one from the tunnel's port.
 *
 * As OVS does it in netdev_pop_header() and below (lib/netdev-native-tnl.c of
 * 3.1), with its quirks: it takes the outer Ethernet header for 14 bytes, tags
 * or not, and believes the version in the IP header more than the Ethernet
 * type.  Where OVS would read behind the end of the packet, or abort, it is
 * malformed here.
 */

#include "action/tunnel.h"

/* What is found out about a packet while it still is in the tunnel. */
struct pop {
    const struct agl_pkt *pkt;
    struct agilio_tunnel tnl;
    const uint8_t *opts;        /* tnl.opts_len bytes. */
    uint32_t strip;             /* Bytes of header in all, at last compared
                                 * with what there is. */
    agilio_be32 packet_type;    /* Of what is inside. */
};

static void
set_flag(struct pop *p, uint16_t flag)
{
    p->tnl.flags |= agilio_to_le16(flag);
}

/* The 'n' bytes at 'ofs' of the packet, NULL if it is too short. */
static const uint8_t *
at(const struct agl_pkt *pkt, uint32_t ofs, uint32_t n)
{
    return ofs <= pkt->len && n <= pkt->len - ofs ? pkt->data + ofs : NULL;
}

static bool
has_l4(const struct agl_pkt *pkt)
{
    return pkt->l3_ofs != AGL_OFS_NONE && pkt->l4_ofs != AGL_OFS_NONE
           && pkt->l4_ofs <= pkt->len;
}

/* Whether OVS takes the outer header for an IPv6 one where it does not look at
 * the version. */
static bool
is_eth_ipv6(const struct agl_pkt *pkt)
{
    const uint8_t *type = at(pkt, AGL_ETH_TYPE, 2);

    return type && agl_get_u16(type) == AGL_TYPE_IPV6;
}

/* ## ------------ ##
 * ## Outer layers ##
 * ## ------------ ## */

static bool
pop_ipv4(struct pop *p, const uint8_t *ip)
{
    uint32_t len = (ip[0] & 0x0f) * 4;

    if (!at(p->pkt, p->pkt->l3_ofs, len)
        || agl_csum_finish(agl_csum_add(0, ip, len))
        || agl_get_u16(ip + AGL_IPV4_TOTAL) > p->pkt->len - p->pkt->l3_ofs
        || len > AGL_IPV4_LEN) {
        return false;
    }
    p->tnl.ip_src = agl_get_be32(ip + AGL_IPV4_SRC);
    p->tnl.ip_dst = agl_get_be32(ip + AGL_IPV4_DST);
    p->tnl.tos = ip[AGL_IPV4_TOS];
    p->tnl.ttl = ip[AGL_IPV4_TTL];
    p->strip = AGL_ETH_LEN + AGL_IPV4_LEN;
    return true;
}

static void
pop_ipv6(struct pop *p, const uint8_t *ip)
{
    memcpy(p->tnl.ipv6_src, ip + AGL_IPV6_SRC, sizeof p->tnl.ipv6_src);
    memcpy(p->tnl.ipv6_dst, ip + AGL_IPV6_DST, sizeof p->tnl.ipv6_dst);
    p->tnl.tos = (uint8_t) (agl_get_u32(ip) >> 20);
    p->tnl.ttl = ip[AGL_IPV6_HLIMIT];
    p->strip = AGL_ETH_LEN + p->pkt->l4_ofs - p->pkt->l3_ofs;
}

/* Takes what the IP header says of the tunnel. */
static bool
pop_ip(struct pop *p)
{
    const struct agl_pkt *pkt = p->pkt;
    const uint8_t *ip;

    if (!has_l4(pkt)) {
        return false;
    }
    ip = at(pkt, pkt->l3_ofs, AGL_IPV4_LEN);
    if (ip && ip[0] >> 4 == 4) {
        return pop_ipv4(p, ip);
    }
    ip = at(pkt, pkt->l3_ofs, AGL_IPV6_LEN);
    if (ip && ip[0] >> 4 == 6) {
        pop_ipv6(p, ip);
        return true;
    }
    return false;
}

static bool
is_udp_csum_good(const struct agl_pkt *pkt, const uint8_t *udp)
{
    bool ipv6 = is_eth_ipv6(pkt);
    const uint8_t *ip = at(pkt, pkt->l3_ofs,
                           ipv6 ? AGL_IPV6_LEN : AGL_IPV4_LEN);
    uint32_t sum;

    if (!ip) {
        return false;
    }
    /* Up to the end of the frame, so padding must be zeros. */
    sum = agl_csum_add_pseudo(0, ip, ipv6);
    return !agl_csum_finish(agl_csum_add(sum, udp, pkt->len - pkt->l4_ofs));
}

/* The same for IP and UDP; returns the UDP header's 'n' bytes and what is
 * behind them, of which the packet has at least so many, or NULL. */
static const uint8_t *
pop_udp(struct pop *p, uint32_t n)
{
    const struct agl_pkt *pkt = p->pkt;
    const uint8_t *udp;

    /* Wraps, as in OVS, if the packet was cut into its padding. */
    if (!has_l4(pkt) || pkt->len - pkt->l4_ofs - pkt->pad_len < n) {
        return NULL;
    }
    udp = at(pkt, pkt->l4_ofs, n);
    if (!udp || !pop_ip(p)) {
        return NULL;
    }
    if (agl_get_u16(udp + AGL_UDP_CSUM)) {
        if (!is_udp_csum_good(pkt, udp)) {
            return NULL;
        }
        set_flag(p, AGL_TNL_CSUM);
    }
    p->tnl.tp_src = agl_get_be16(udp + AGL_L4_SRC);
    p->tnl.tp_dst = agl_get_be16(udp + AGL_L4_DST);
    p->strip += n;
    return udp;
}

/* ## ------- ##
 * ## Tunnels ##
 * ## ------- ##
 *
 * Each returns false if the packet is malformed. */

static bool
vxlan_gpe_type(struct pop *p, uint32_t flags)
{
    switch (flags & 0xff) {
    case AGL_VXLAN_NEXT_IPV4:
        p->packet_type = agl_packet_type(AGL_TYPE_IPV4);
        return true;
    case AGL_VXLAN_NEXT_IPV6:
        p->packet_type = agl_packet_type(AGL_TYPE_IPV6);
        return true;
    case AGL_VXLAN_NEXT_NSH:
        p->packet_type = agl_packet_type(AGL_TYPE_NSH);
        return true;
    default:
        return (flags & 0xff) == AGL_VXLAN_NEXT_ETH;
    }
}

static bool
pop_vxlan(struct pop *p)
{
    const uint8_t *udp, *vxlan;
    uint32_t flags, vni;

    if (!p->pkt->l3_ofs) {
        return false;           /* OVS aborts. */
    }
    udp = pop_udp(p, AGL_UDP_LEN + AGL_VXLAN_LEN);
    if (!udp) {
        return false;
    }
    vxlan = udp + AGL_UDP_LEN;
    flags = agl_get_u32(vxlan);
    vni = agl_get_u32(vxlan + AGL_VXLAN_VNI);
    p->packet_type = agilio_to_be32(0);
    if (flags & AGL_VXLAN_P) {
        if (flags & AGL_VXLAN_O || !vxlan_gpe_type(p, flags)) {
            return false;
        }
        flags &= ~AGL_VXLAN_GPE_MASK;
    }
    if (flags != AGL_VXLAN_I || vni & 0xff) {
        return false;
    }
    p->tnl.id = agilio_to_be64(vni >> 8);
    set_flag(p, AGL_TNL_KEY);
    return true;
}

static bool
pop_geneve(struct pop *p)
{
    const uint8_t *udp = pop_udp(p, AGL_UDP_LEN + AGL_GENEVE_LEN);
    const uint8_t *geneve;
    uint32_t opts_len;

    if (!udp) {
        return false;
    }
    geneve = udp + AGL_UDP_LEN;
    opts_len = (geneve[0] & AGL_GENEVE_OPT_MASK) * 4;
    p->strip += opts_len;
    p->opts = at(p->pkt, p->pkt->l4_ofs + AGL_UDP_LEN + AGL_GENEVE_LEN,
                 opts_len);
    if (!p->opts || geneve[0] & AGL_GENEVE_VER_MASK
        || agl_get_u16(geneve + AGL_GENEVE_PROTO) != AGL_TYPE_TEB) {
        return false;
    }
    p->tnl.opts_len = (uint8_t) opts_len;
    p->tnl.id = agilio_to_be64(agl_get_u32(geneve + AGL_GENEVE_VNI) >> 8);
    set_flag(p, AGL_TNL_KEY | AGL_TNL_RAW_OPTS
                | (geneve[1] & AGL_GENEVE_OAM ? AGL_TNL_OAM : 0));
    p->packet_type = agilio_to_be32(0);
    return true;
}

/* The 'n' bytes of GRE header, or NULL; and IP. */
static const uint8_t *
pop_gre_base(struct pop *p, uint32_t min, uint32_t n)
{
    min += AGL_ETH_LEN + (is_eth_ipv6(p->pkt) ? AGL_IPV6_LEN : AGL_IPV4_LEN);
    return (p->pkt->len >= min && pop_ip(p)
            ? at(p->pkt, p->pkt->l4_ofs, n) : NULL);
}

static bool
pop_gre(struct pop *p)
{
    const uint8_t *gre = pop_gre_base(p, AGL_GRE_LEN, AGL_GRE_LEN);
    uint32_t ofs = p->pkt->l4_ofs + AGL_GRE_LEN;
    uint16_t flags, proto;

    if (!gre) {
        return false;
    }
    flags = agl_get_u16(gre);
    p->strip += agl_gre_len(flags);
    if (flags & ~(AGL_GRE_CSUM | AGL_GRE_KEY | AGL_GRE_SEQ)) {
        return false;
    }
    if (flags & AGL_GRE_CSUM) {
        if (agl_csum_finish(agl_csum_add(0, gre,
                                         p->pkt->len - p->pkt->l4_ofs))) {
            return false;
        }
        set_flag(p, AGL_TNL_CSUM);
        ofs += 4;
    }
    if (flags & AGL_GRE_KEY) {
        const uint8_t *key = at(p->pkt, ofs, 4);

        if (!key) {
            return false;
        }
        p->tnl.id = agilio_to_be64(agl_get_u32(key));
        set_flag(p, AGL_TNL_KEY);
    }
    proto = agl_get_u16(gre + AGL_GRE_PROTO);
    p->packet_type = (proto == AGL_TYPE_TEB ? agilio_to_be32(0)
                      : agl_packet_type(proto));
    return proto >= AGL_TYPE_MIN;
}

static bool
pop_erspan(struct pop *p)
{
    const uint32_t base_len = AGL_ERSPAN_GRE_LEN + AGL_ERSPAN_LEN;
    const uint8_t *gre = pop_gre_base(p, 0, base_len + AGL_ERSPAN1_MD_LEN);
    const uint8_t *erspan, *md2;
    uint16_t proto, info;

    if (!gre) {
        return false;
    }
    proto = agl_get_u16(gre + AGL_GRE_PROTO);
    if ((proto != AGL_TYPE_ERSPAN1 && proto != AGL_TYPE_ERSPAN2)
        || agl_get_u16(gre) & ~AGL_GRE_SEQ) {
        return false;
    }
    erspan = gre + AGL_ERSPAN_GRE_LEN;
    p->tnl.erspan_ver = erspan[0] >> 4;
    p->tnl.id = agilio_to_be64(agl_get_u16(erspan + 2) & AGL_ERSPAN_SID_MASK);
    set_flag(p, AGL_TNL_KEY);
    switch (p->tnl.erspan_ver) {
    case 1:
        p->tnl.erspan_idx = agilio_to_le32(agl_get_u32(erspan
                                                       + AGL_ERSPAN_LEN));
        p->strip += base_len + AGL_ERSPAN1_MD_LEN;
        return true;
    case 2:
        md2 = at(p->pkt, p->pkt->l4_ofs + base_len, AGL_ERSPAN2_MD_LEN);
        if (!md2) {
            return false;
        }
        info = agl_get_u16(md2 + AGL_ERSPAN2_INFO);
        p->tnl.erspan_dir = info & AGL_ERSPAN2_DIR ? 1 : 0;
        p->tnl.erspan_hwid = (uint8_t) (info >> 4 & 0x3f);
        p->strip += base_len + AGL_ERSPAN2_MD_LEN;
        return true;
    default:
        return false;
    }
}

static bool
pop_gtpu(struct pop *p)
{
    const uint8_t *udp, *gtpu, *inner;
    uint32_t n = AGL_UDP_LEN + AGL_GTPU_LEN;

    if (!p->pkt->l3_ofs) {
        return false;           /* OVS aborts. */
    }
    udp = pop_udp(p, n);
    if (!udp) {
        return false;
    }
    gtpu = udp + AGL_UDP_LEN;
    p->tnl.gtpu_flags = gtpu[0];
    p->tnl.gtpu_msgtype = gtpu[AGL_GTPU_TYPE];
    p->tnl.id = agilio_to_be64(agl_get_u32(gtpu + AGL_GTPU_TEID));
    if (p->tnl.gtpu_msgtype != AGL_GTPU_GPDU) {
        p->strip = 0;           /* Whoever speaks GTP-U is to see it whole. */
        p->packet_type = agilio_to_be32(0);
        return true;
    }

    if (gtpu[0] & AGL_GTPU_S) {
        n += AGL_GTPU_OPT_LEN;
        p->strip += AGL_GTPU_OPT_LEN;
    }
    /* OVS 3.1 reads the version 8 bytes behind the place where it is. */
    inner = at(p->pkt, p->pkt->l4_ofs + AGL_UDP_LEN + n, 1);
    if (!inner) {
        return false;
    }
    if (*inner >> 4 == 4) {
        p->packet_type = agl_packet_type(AGL_TYPE_IPV4);
    } else if (*inner >> 4 == 6) {
        p->packet_type = agl_packet_type(AGL_TYPE_IPV6);
    }
    return true;
}

/* ## ------ ##
 * ## Action ##
 * ## ------ ## */

static bool
check_tunnel_pop(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_tunnel_pop *pop
        = (const struct agilio_action_tunnel_pop *) action;

    return agl_check_tunnel(check, pop->type, pop->port);
}

static void
go_tunnel_pop(const struct agilio_action *action, struct agl_pkt *pkt,
              struct agl_run *run)
{
    static bool (*const pops[AGILIO_N_TUNNELS])(struct pop *) = {
        [AGILIO_TUNNEL_VXLAN] = pop_vxlan,
        [AGILIO_TUNNEL_GRE] = pop_gre,
        [AGILIO_TUNNEL_GENEVE] = pop_geneve,
        [AGILIO_TUNNEL_ERSPAN] = pop_erspan,
        [AGILIO_TUNNEL_GTPU] = pop_gtpu,
    };
    const struct agilio_action_tunnel_pop *pop
        = (const struct agilio_action_tunnel_pop *) action;
    struct pop p = { .pkt = pkt, .packet_type = pkt->md.packet_type };

    if (!pops[agilio_from_le32(pop->type)](&p) || p.strip > pkt->len) {
        run->drop(run, AGILIO_COUNTER_DROP_TUNNEL, pkt);
        return;
    }
    agl_tunnel_settle(&p.tnl);
    agl_pkt_clear_md(pkt);
    pkt->md.in_port = pop->port;
    pkt->md.packet_type = p.packet_type;
    pkt->md.tunnel = p.tnl;
    if (p.tnl.opts_len) {
        memcpy(pkt->tun_opts, p.opts, p.tnl.opts_len);
    }
    agl_pkt_pull(pkt, p.strip);
    pkt->has_hash = false;      /* It was the outer packet's. */
    run->recirc(run, pkt);
}

const struct agl_action_class agl_action_tunnel_pop = {
    .len = sizeof(struct agilio_action_tunnel_pop),
    .looks_again = true,
    .cuts = true,
    .check = check_tunnel_pop,
    .go = go_tunnel_pop,
};
